"""The prediction that a measurement is compared with: the same plan, demand, seed and kernel version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from qos.errors import InputError
from qos.experiment.admission import as_stored
from qos.experiment.measure import on_kernel, run_hash, shapes_of
from qos.experiment.policies import policy_named
from qos.experiment.simulate import Machine, bind, simulate
from qos.model.cgroup import CgroupName
from qos.model.sample import Recording
from qos.model.workload import Workload
from qos.policy.registry import plan_node
from qos.record.measured import Measured
from qos.scenario.scenario import Scenario

BESIDE: Final = CgroupName("beside")
"""Where what runs beside the pods of a measured machine is in its simulation."""
_COARSE_SECONDS: Final = 0.001
"""A thread's CPU clock with such steps moves with the scheduler's tick (User Mode Linux: 10 ms)."""
_TICK_SECONDS: Final = 0.004
"""CONFIG_HZ=250, where a measurement does not tell: Debian, Ubuntu and most cloud images."""


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
            ``measuring_cpus``: used beside the pods, ``clock_step_seconds`` and ``tick_seconds`` of its
            scheduler.
        phases: when the first period of each cgroup's cpu.max ended.

    Returns:
        The simulated recording; its ``meta["shapes"]`` says what each leaf's workload does.
    """
    there = on_kernel(scenario, str(measured["release"]))
    step = float(measured.get("clock_step_seconds") or 0.0)
    coarse = step >= _COARSE_SECONDS
    machine = Machine(
        memory_bytes=measured.get("memory_bytes"),
        period_phases=phases or {},
        tick_seconds=step if coarse else float(measured.get("tick_seconds") or _TICK_SECONDS),
        coarse_clock=coarse,
    )
    there = _beside(there, float(measured.get("measuring_cpus", 0.0)), step if coarse else 0.0)
    (found,) = simulate(there, policies=[policy], seed=seed, machine=machine)
    return with_shapes(found, scenario)


def _beside(scenario: Scenario, cpus: float, piece: float) -> Scenario:
    """The scenario with a small load beside all pods: measuring, and the kernel's own threads.

    It works at every reading, or in pieces of so many seconds: what a coarse clock saw were whole ticks.
    """
    if cpus <= 0.0:
        return scenario
    period = piece / cpus if piece else scenario.sample_interval_seconds
    shape = {"shape": "constant", "cpu": f"{cpus:.6f}", "period": f"{period:.6f}s"}
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
    rules = policy_named(policy, there.policy_documents)
    stored = as_stored(there.pods, there.limit_ranges)
    details = plan_node(rules, stored, there.node, there.profile)
    return run_hash(there, details.plan, bind(details, there.demand), seed)


def with_shapes(recording: Recording, scenario: Scenario) -> Recording:
    """A simulated recording that says what each leaf's workload does, as a measured one does."""
    by_name = {load.name: load for load in scenario.demand.values()}
    workloads = {
        CgroupName(str(record["cgroup"])): by_name[record["workload"]]
        for record in recording.pods
        if record["workload"] in by_name
    }
    return replace(recording, meta=dict(recording.meta) | {"shapes": shapes_of(workloads)})
