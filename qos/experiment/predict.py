"""The prediction that a measurement is compared with: the same plan, demand, seed and kernel version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from qos.errors import InputError
from qos.experiment.admission import as_stored
from qos.experiment.measure import OFFSETS_SINCE, on_kernel, run_hash, shapes_of
from qos.experiment.policies import policy_named
from qos.experiment.simulate import Machine, bind, simulate
from qos.model.cgroup import CgroupName
from qos.model.sample import Recording
from qos.model.workload import Requests, Workload
from qos.policy.base import PlanDetails
from qos.policy.registry import plan_node
from qos.record.measured import Measured
from qos.scenario.scenario import Scenario

BESIDE: Final = CgroupName("beside")
"""Where what runs beside the pods of a measured machine is in its simulation."""
_COARSE_SECONDS: Final = 0.001
"""A thread's CPU clock with such steps moves with the scheduler's tick (User Mode Linux: 10 ms)."""

_HOST_TICK_SECONDS: Final = 0.004
"""CONFIG_HZ = 250, as Debian and most cloud images have it."""


def predictions(scenario: Scenario, measured: Measured) -> list[Recording]:
    """What the simulator says about a measurement: once for each way in which the kernel's periods began."""
    meta = measured.meta
    policy, seed = str(meta["policy"]), int(meta["seed"])
    distinct = {tuple(sorted(phases.items())): phases for phases in measured.period_phases} or {(): {}}
    return [
        predict(scenario, policy=policy, seed=seed, measured=measured.machine(), phases=phases)
        for phases in distinct.values()
    ]


def predict(
    scenario: Scenario,
    *,
    policy: str,
    seed: int,
    measured: Mapping[str, Any],
    phases: Mapping[CgroupName, float] | None = None,
) -> Recording:
    """Simulate a scenario as it was measured.

    Args:
        scenario: what was measured.
        policy: whose plan.
        seed: of arrivals and costs.
        measured: what is known of the measuring machine: ``release`` of its kernel, ``memory_bytes``,
            ``measuring_cpus``: used beside the pods, ``measuring_over_time``: the same up to each reading,
            ``clock_step_seconds`` of its scheduler, ``fault_bytes_per_second``: new memory in a second of
            CPU time.
        phases: when the first period of each cgroup's cpu.max ended.

    Returns:
        The simulated recording; its ``meta["shapes"]`` says what each leaf's workload does.
    """
    there = on_kernel(scenario, str(measured["release"]))
    step = float(measured.get("clock_step_seconds") or 0.0)
    tick = _slices_tick(there, policy, step)
    phased = there.profile.kernel >= OFFSETS_SINCE and measured.get("cpus", 1) == 1
    machine = Machine(
        memory_bytes=measured.get("memory_bytes"),
        period_phases=phases or {},
        tick_seconds=max(step, _HOST_TICK_SECONDS if step < _COARSE_SECONDS else 0.0) if phased else tick,
        coarse_clock=tick is not None,
        fault_bytes_per_second=measured.get("fault_bytes_per_second"),
        slices=tick is not None,
    )
    there = _beside(there, float(measured.get("measuring_cpus", 0.0)), tick, step)
    if over_time := measured.get("measuring_over_time"):
        there = _beside_over_time(there, over_time)
    (found,) = simulate(there, policies=[policy], seed=seed, machine=machine)
    return with_shapes(found, scenario)


def _slices_tick(scenario: Scenario, policy: str, clock_step_seconds: float) -> float | None:
    """The tick by which CPU is given in slices where that is known to be closer; None: shared as a fluid.

    The rule goes by cause: a quota is noticed at ticks, and counted by a clock that moves with them. So all
    of these: such a clock; CFS, up to 6.5 (under EEVDF of 7.3 slices came out farther off, the cause not
    known); a cpu.max in the plan; no workload of requests (latencies came out farther off, not known why).
    """
    from qos.simulate.scheduler import EEVDF_SINCE

    if clock_step_seconds < _COARSE_SECONDS or scenario.profile.kernel >= EEVDF_SINCE:
        return None
    if _has_requests(scenario):
        return None
    limits = [spec.cpu_max for spec in _details_of(scenario, policy).plan.cgroups.values()]
    quotas = any(limit is not None and limit.quota_usec != "max" for limit in limits)
    return clock_step_seconds if quotas else None


def _has_requests(scenario: Scenario) -> bool:
    return any(isinstance(load.cpu, Requests) for load in scenario.demand.values())


def _beside(scenario: Scenario, cpus: float, tick: float | None, step: float) -> Scenario:
    """The scenario with a small load beside all pods: measuring, and the kernel's own threads.

    A steady one; in slices it works in whole ticks, as a coarse clock saw it, at each reading or less often:
    of 0.056 CPUs with readings every 2 s 11 ticks of 10 ms each time, of 0.0033 CPUs one every 3 s. Beside
    requests it comes a tick at a time, for which a request in service waits: of 0.02 CPUs every 0.5 s.
    """
    if cpus <= 0.0:
        return scenario
    shape: dict[str, Any] = {"shape": "constant", "cpu": f"{cpus:.6f}"}
    if tick is not None:
        period = max(scenario.sample_interval_seconds, tick / cpus)
        used = round(cpus * period / tick) * tick / period
        shape |= {"cpu": f"{used:.6f}", "period": f"{period:.6f}s"}
    elif step >= _COARSE_SECONDS and _has_requests(scenario):
        shape["period"] = f"{step / cpus:.6f}s"
    load = Workload.model_validate({"name": BESIDE, "cpu": shape})
    return replace(scenario, system={**scenario.system, BESIDE: load})


def _beside_over_time(scenario: Scenario, over_time: Sequence[tuple[float, float]]) -> Scenario:
    """The scenario with what ran beside the pods, when it ran: a restart takes a CPU a while."""
    points: list[dict[str, Any]] = []
    before = 0.0
    for at, cpus in over_time:
        points += [{"at": before, "value": f"{cpus:.6f}"}, {"at": at, "value": f"{cpus:.6f}"}]
        before = at
    shape = {"shape": "curve", "points": points, "threads": 1}
    load = Workload.model_validate({"name": BESIDE, "cpu": shape})
    return replace(scenario, system={**scenario.system, BESIDE: load})


def predict_again(scenario: Scenario, measured: Measured) -> list[Recording]:
    """What the simulator of today says about a stored measurement, as :func:`predictions`.

    Raises:
        InputError: the scenario, the policy or the plan is another one than was measured.
    """
    meta = measured.meta
    policy, seed = str(meta["policy"]), int(meta["seed"])
    if run_hash_of(scenario, policy, seed, str(meta["release"])) != meta["run_hash"]:
        raise InputError(
            "the stored measurement is of another plan or demand; measure again",
            source=scenario.source,
            field=f"{scenario.name} under {policy}",
        )
    return predictions(scenario, measured)


def run_hash_of(scenario: Scenario, policy: str, seed: int, release: str) -> str:
    """The hash a measurement of this scenario on a kernel of this release would have."""
    there = on_kernel(scenario, release)
    details = _details_of(there, policy)
    return run_hash(there, details.plan, bind(details, there.demand), seed)


def _details_of(scenario: Scenario, policy: str) -> PlanDetails:
    rules = policy_named(policy, scenario.policy_documents)
    stored = as_stored(scenario.pods, scenario.limit_ranges)
    return plan_node(rules, stored, scenario.node, scenario.profile)


def with_shapes(recording: Recording, scenario: Scenario) -> Recording:
    """A simulated recording that says what each leaf's workload does, as a measured one does."""
    by_name = {load.name: load for load in scenario.demand.values()}
    workloads = {
        CgroupName(str(record["cgroup"])): by_name[record["workload"]]
        for record in recording.pods
        if record["workload"] in by_name
    }
    return replace(recording, meta=dict(recording.meta) | {"shapes": shapes_of(workloads)})
