"""Expectation and Verdict: what a scenario promises, and whether a run kept it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from qos.model.document import OwnObject
from qos.model.duration import parse_duration_seconds
from qos.model.event import EventKind
from qos.model.quantity import Quantity

Comparator = Literal["<", "<=", ">", ">=", "==", "!="]
_EXPECTED_VALUE: Final = "a number, a percentage (5%), a duration (100ms) or a quantity (512Mi)"


def parse_value(value: Any) -> float:
    """A number, percentage, duration or quantity as a float in base units.

    >>> parse_value("5%"), parse_value("100ms"), parse_value("1Ki"), parse_value(3)
    (0.05, 0.1, 1024.0, 3.0)

    Raises:
        ValueError: none of these.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    text = str(value).strip()
    if text.endswith("%"):
        return float(text[:-1]) / 100
    for parse in (float, _quantity, parse_duration_seconds):
        try:
            return parse(text)
        except ValueError:
            continue
    msg = f"is not {_EXPECTED_VALUE}"
    raise ValueError(msg)


def _quantity(text: str) -> float:
    # "100m" is a tenth as a quantity and would be 100 minutes as a duration: Kubernetes' reading wins.
    return Quantity.parse(text).nano / 1e9


_VALUE_SCHEMA: Final = WithJsonSchema({"type": ["number", "string"], "examples": ["5%", "100ms", "512Mi", 3]})
Value = Annotated[float, BeforeValidator(parse_value), _VALUE_SCHEMA]


class Expectation(OwnObject):
    """One promise: ``metric`` of what ``workload``, ``cgroup`` or ``pod`` selects, compared with ``value``.

    Attributes:
        metric: ``latency_seconds`` (with ``percentile``), ``completed``, ``completion_seconds``, ``events``
            (with ``event``), ``event_seconds`` (the first one), ``cpu_usage_cpus``, ``throttled_ratio``,
            ``waited_for_quota_ratio``, ``waited_for_cpu_ratio``, or a column
            such as ``memory_peak`` or ``cpu_stat_nr_throttled``.
        workload: name of a workload; its containers are taken together.
        cgroup: glob over cgroup names; each match must keep the promise.
        pod: glob over ``namespace/name``; the pod's cgroup.
        policy: under which policy; unset means every policy that ran.
        relative_to: ``value`` is a factor on the same metric under that policy.
        tolerance: relative slack, 0.05 is 5 %.
    """

    metric: str
    workload: str | None = None
    cgroup: str | None = None
    pod: str | None = None
    policy: str | None = None
    event: EventKind | None = None
    percentile: Annotated[float, Field(gt=0, le=100)] | None = None
    comparator: Comparator
    value: Value
    relative_to: str | None = None
    tolerance: Annotated[float, Field(ge=0, lt=1)] = 0.0
    reason: str = ""

    @model_validator(mode="after")
    def _one_selector(self) -> Expectation:
        if sum(part is not None for part in (self.workload, self.cgroup, self.pod)) != 1:
            msg = "exactly one of workload, cgroup and pod must be set"
            raise ValueError(msg)
        if (self.metric == "latency_seconds") != (self.percentile is not None):
            msg = "percentile belongs to metric latency_seconds, and latency_seconds needs one"
            raise ValueError(msg)
        if self.metric.startswith("event") != (self.event is not None):
            msg = "event belongs to metrics events and event_seconds, and they need one"
            raise ValueError(msg)
        return self

    def __str__(self) -> str:
        who = self.workload or self.pod or self.cgroup
        what = self.metric + (f" p{self.percentile:g}" if self.percentile is not None else "")
        what += f" {self.event}" if self.event else ""
        bound = f"{self.value:g}" + (f" × {self.relative_to}" if self.relative_to else "")
        slack = f" ± {self.tolerance:.0%}" if self.tolerance else ""
        where = f" under {self.policy}" if self.policy else ""
        return f"{who}: {what} {self.comparator} {bound}{slack}{where}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether one expectation held for one thing it selected under one policy.

    Attributes:
        expectation: what was promised.
        policy: under which policy it was looked at.
        subject: the workload or cgroup looked at; "" where the selector matched nothing.
        passed: whether the promise was kept.
        observed: the value seen (mean over seeds), None where there was none.
        bound: the value it was compared with.
        half_width: half of the 95 % confidence interval over seeds, 0 for one seed.
        why: one sentence for a human, with the moment and the cause where known.
    """

    expectation: Expectation
    policy: str
    subject: str
    passed: bool
    observed: float | None
    bound: float
    half_width: float
    why: str
