"""Workload: what the processes of one container want, second by second. Data only.

The simulated kernel computes with it, the real one gets processes that carry it out
(``enforcer.load``). One class a shape; CPU shapes are told apart by ``shape``.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from qos.errors import InputError
from qos.model.document import OwnObject
from qos.model.duration import Duration
from qos.model.quantity import Quantity

Threads = Annotated[int, Field(ge=1, le=4096)]
Fraction = Annotated[float, Field(ge=0)]


def _rate(value: Any) -> Any:
    """``max``, or an amount a second."""
    if value == "max":
        return value
    return _amount(value)


def _amount(value: Any) -> Any:
    try:
        amount = value if isinstance(value, Quantity) else Quantity.parse(str(value))
    except InputError:
        amount = None
    if amount is None or amount.nano <= 0:
        msg = "must be an amount above zero, such as 4Mi"
        raise ValueError(msg)
    return amount


Amount = Annotated[Quantity, BeforeValidator(_amount)]
Rate = Annotated[Quantity | Literal["max"], BeforeValidator(_rate)]


class Point(OwnObject):
    """A corner of a curve: at this time, this value (straight lines between points)."""

    at: Duration
    value: Quantity


class Spin(OwnObject):
    """Threads that always run: want every CPU they can get, from ``start`` on."""

    shape: Literal["spin"] = "spin"
    threads: Threads = 1
    start: Duration = 0.0
    stop: Duration | None = None


class Constant(OwnObject):
    """A steady rate of work: ``cpu`` CPUs, submitted every ``period`` to ``threads`` threads.

    Work that was not served waits (backlog) and is done later.
    """

    shape: Literal["constant"] = "constant"
    cpu: Quantity
    threads: Threads | None = None
    period: Annotated[Duration, Field(gt=0)] = 0.01


class Curve(OwnObject):
    """A rate of work that follows a curve: steps (two points at one time), ramps, any polygon.

    ``repeat`` starts the curve again after its last point.
    """

    shape: Literal["curve"] = "curve"
    points: Annotated[tuple[Point, ...], Field(min_length=1)]
    threads: Threads | None = None
    period: Annotated[Duration, Field(gt=0)] = 0.01
    repeat: bool = False

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        times = [point.at for point in self.points]
        if times != sorted(times):
            msg = "points must be in order of time"
            raise ValueError(msg)
        return self


class Periodic(OwnObject):
    """A rate of work that swings: mean + amplitude · sin(2π·(t + phase)/cycle), never below 0."""

    shape: Literal["periodic"] = "periodic"
    mean: Quantity
    amplitude: Quantity
    cycle: Annotated[Duration, Field(gt=0)] = 86400.0
    phase: Duration = 0.0
    threads: Threads | None = None
    period: Annotated[Duration, Field(gt=0)] = 0.01


class OnOff(OwnObject):
    """Bursts: every ``every``, each of ``threads`` threads gets ``burst`` seconds of CPU work.

    With a burst of 20 ms on 4 threads every 200 ms the average use is 0.4 CPUs, but the burst wants 4.
    """

    shape: Literal["onOff"] = "onOff"
    burst: Annotated[Duration, Field(gt=0)]
    every: Annotated[Duration, Field(gt=0)]
    threads: Threads = 1
    offset: Duration = 0.0


class Requests(OwnObject):
    """An open queue of requests, each costing CPU time on one thread, at most ``workers`` at once.

    Arrivals are ``poisson`` or evenly spaced (``constant``); ``rate`` a second, or a curve of it. The cost of
    a request is ``cpu_per_request`` on average, ``constant``, ``exponential`` or ``lognormal`` with
    coefficient of variation ``cv``.
    """

    shape: Literal["requests"] = "requests"
    rate: Annotated[float, Field(ge=0)] | None = None
    rate_curve: tuple[Point, ...] | None = None
    arrivals: Literal["poisson", "constant"] = "poisson"
    cpu_per_request: Annotated[Duration, Field(gt=0)]
    cost: Literal["constant", "exponential", "lognormal"] = "constant"
    cv: Annotated[float, Field(gt=0, le=20)] = 1.0
    workers: Threads = 64
    start: Duration = 0.0
    stop: Duration | None = None

    @model_validator(mode="after")
    def _one_rate(self) -> Self:
        if (self.rate is None) == (self.rate_curve is None):
            msg = "exactly one of rate and rateCurve must be set"
            raise ValueError(msg)
        return self


class Batch(OwnObject):
    """Finite work: ``cpu_time`` seconds of CPU in all, split over ``threads`` threads; then it is done."""

    shape: Literal["batch"] = "batch"
    cpu_time: Annotated[Duration, Field(gt=0)]
    threads: Threads = 1
    start: Duration = 0.0


class Random(OwnObject):
    """A rate of work drawn anew every ``every``: uniform from ``low`` to ``high`` CPUs while on, 0 while off.

    It stays on for ``on_for`` and off for ``off_for`` on average (a Markov chain); always on where both are
    left out. Both kernels draw the same numbers, whatever the policy, the node or the number of threads.
    """

    shape: Literal["random"] = "random"
    low: Quantity = Quantity.parse("0")
    high: Quantity
    every: Annotated[Duration, Field(gt=0)] = 1.0
    on_for: Annotated[Duration, Field(gt=0)] | None = None
    off_for: Annotated[Duration, Field(gt=0)] | None = None
    threads: Threads | None = None
    period: Annotated[Duration, Field(gt=0)] = 0.01

    @model_validator(mode="after")
    def _in_reach(self) -> Self:
        if self.low > self.high or self.low.nano < 0:
            msg = "low must be from 0 to high"
            raise ValueError(msg)
        if (self.on_for is None) != (self.off_for is None):
            msg = "onFor and offFor must be set together"
            raise ValueError(msg)
        if min(self.on_for or self.every, self.off_for or self.every) < self.every:
            msg = "onFor and offFor must be at least every"
            raise ValueError(msg)
        return self

    @property
    def chances(self) -> tuple[float, float, float]:
        """The chance of an on draw to stay on, of an off one to go on, and the part of time that it is on."""
        if self.on_for is None or self.off_for is None:
            return 1.0, 1.0, 1.0
        return (
            1.0 - self.every / self.on_for,
            self.every / self.off_for,
            self.on_for / (self.on_for + self.off_for),
        )


class Trace(OwnObject):
    """A rate of work read from a file: CSV or Parquet with a time and a value column.

    ``times_seconds`` and ``cpus`` are filled in by the scenario loader from ``file``; each value holds until
    the next time.
    """

    shape: Literal["trace"] = "trace"
    file: str | None = None
    time_column: str | None = None
    value_column: str | None = None
    scale: Fraction = 1.0
    threads: Threads | None = None
    period: Annotated[Duration, Field(gt=0)] = 0.01
    times_seconds: tuple[float, ...] = ()
    cpus: tuple[float, ...] = ()


CpuShape = Annotated[
    Spin | Constant | Curve | Periodic | OnOff | Requests | Batch | Random | Trace,
    Field(discriminator="shape"),
]


class Anon(OwnObject):
    """Anonymous memory: ``start`` bytes at once, growing by ``grow_per_second`` from ``grow_at``.

    It stops growing at ``limit``. Or any polygon by ``points``. ``hot`` is the fraction touched all the time,
    which reclaim does not find idle.
    """

    start: Quantity | None = None
    grow_per_second: Quantity | None = None
    grow_at: Duration = 0.0
    limit: Quantity | None = None
    points: tuple[Point, ...] | None = None
    hot: Annotated[float, Field(ge=0, le=1)] = 1.0

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.start is None) == (self.points is None):
            msg = "exactly one of start and points must be set"
            raise ValueError(msg)
        return self


class Cache(OwnObject):
    """Page cache: a file of ``file`` bytes read (or written) at ``read_per_second``, round and round.

    ``active`` is the fraction of the file that is read again and again.
    """

    file: Quantity
    read_per_second: Quantity
    write_per_second: Quantity | None = None
    active: Annotated[float, Field(ge=0, le=1)] = 1.0
    start: Duration = 0.0


class MemoryShape(OwnObject):
    """What a container does with memory."""

    anon: Anon | None = None
    cache: Cache | None = None


class IoShape(OwnObject):
    """Disk traffic a container wants: rates at which it reads and writes, in blocks of ``block`` bytes.

    A rate is bytes a second, or ``max``: as fast as possible, one block after another. ``total`` bytes of
    each and the work is done (its end is a completion). ``direct`` goes past the page cache.
    """

    read_per_second: Rate | None = None
    write_per_second: Rate | None = None
    block: Amount | None = None
    total: Amount | None = None
    direct: bool = True
    device: str | None = None
    start: Duration = 0.0
    stop: Duration | None = None


class NetworkShape(OwnObject):
    """TCP traffic a container wants to send and receive, in bits of payload a second, or ``max``.

    ``total`` bytes of payload each way and the work is done (its end is a completion).
    """

    egress_bits_per_second: Rate | None = None
    ingress_bits_per_second: Rate | None = None
    total: Amount | None = None
    start: Duration = 0.0
    stop: Duration | None = None

    @model_validator(mode="after")
    def _some_way(self) -> Self:
        if self.egress_bits_per_second is None and self.ingress_bits_per_second is None:
            msg = "egressBitsPerSecond or ingressBitsPerSecond must be set"
            raise ValueError(msg)
        return self


class Workload(OwnObject):
    """All that one container's processes want. ``name`` groups containers in results."""

    name: str = ""
    cpu: CpuShape | None = None
    memory: MemoryShape | None = None
    io: IoShape | None = None
    network: NetworkShape | None = None
    tasks: Annotated[int, Field(ge=1)] | None = None
