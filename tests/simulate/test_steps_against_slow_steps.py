"""The stepped kernel gives what plain Python gives, and what the event engine gives where both apply."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_steps import Branch, Leaf, draws, step

from qos.errors import PlanError
from qos.model.cgroup import CgroupName, CgroupSpec
from qos.model.fleet_run import percentile_of
from qos.model.plan import Plan
from qos.model.workload import Workload
from qos.simulate.faults import FAULT_BYTES_PER_SECOND
from qos.simulate.fleet import Fleet, Watch
from qos.simulate.kernel import SimKernel
from qos.simulate.step_draw import key_of
from qos.simulate.step_frame import Machine

STEPS = 12


def trace(levels: list[float], threads: int) -> Workload:
    """A demand that is given for each second."""
    return Workload.model_validate(
        {"cpu": {"shape": "trace", "threads": threads, "cpus": tuple(levels),
                 "times_seconds": tuple(map(float, range(len(levels))))}}
    )  # fmt: skip


@dataclass(frozen=True)
class Pod:
    """A pod of a random machine."""

    slice: str
    weight: int
    threads: int
    levels: list[float]
    quota_ms: int | None


PODS = st.lists(
    st.builds(
        Pod,
        slice=st.sampled_from(["", "burstable/", "besteffort/"]),
        weight=st.integers(1, 1000),
        threads=st.integers(1, 4),
        levels=st.lists(
            st.sampled_from([0.0, 0.0, 0.1, 0.35, 0.7, 1.0, 1.6, 3.9]), min_size=STEPS, max_size=STEPS
        ),
        quota_ms=st.sampled_from([None, None, 10, 35, 50, 120, 250]),
    ),
    min_size=1,
    max_size=9,
)


def machine_of(pods: list[Pod], cpus: int) -> Machine:
    """Pods with one container each in the three classes."""
    specs = {
        CgroupName("kubepods/burstable"): CgroupSpec(cpu_weight=300),
        CgroupName("kubepods/besteffort"): CgroupSpec(cpu_weight=1),
    }
    workloads = {}
    for number, pod in enumerate(pods):
        name = f"kubepods/{pod.slice}pod-{number}"
        files: dict[str, Any] = {} if pod.quota_ms is None else {"cpu_max": f"{pod.quota_ms}000 100000"}
        specs[CgroupName(name)] = CgroupSpec.model_validate({"cpu_weight": pod.weight, **files})
        specs[CgroupName(f"{name}/main")] = CgroupSpec.model_validate(files)
        workloads[CgroupName(f"{name}/main")] = trace(pod.levels, pod.threads)
    return Machine(Plan.of(specs), workloads, cpus)


def slow_machine(pods: list[Pod]) -> tuple[Branch, dict[str, Leaf]]:
    """The same for the slow model."""
    kubepods = Branch(1024.0)
    slices = {"burstable/": Branch(3072.0), "besteffort/": Branch(10.0)}
    found = {}
    for number, pod in enumerate(pods):
        leaf = Leaf(
            float((pod.weight * 1024 + 50) // 100), pod.threads, pod.levels,
            quota=math.inf if pod.quota_ms is None else pod.quota_ms / 1000,
        )  # fmt: skip
        slices.get(pod.slice, kubepods).children.append(leaf)
        found[f"kubepods/{pod.slice}pod-{number}/main"] = leaf
    kubepods.children += [branch for branch in slices.values() if branch.children]
    return kubepods, found


@settings(max_examples=150, deadline=None)
@given(PODS, st.integers(1, 6))
def test_random_machines_agree_with_plain_python(pods: list[Pod], cpus: int) -> None:
    """Use, waits, backlog and all quota counters of random machines agree to 1e-9."""
    fleet = Fleet([machine_of(pods, cpus)], steps=STEPS)
    fleet.run()
    found = fleet.counters()
    root, leaves = slow_machine(pods)
    for number in range(STEPS):
        step(root, cpus, number, 1.0)
    for place, name in enumerate(fleet.frames[0].cgroups):
        leaf = leaves[name]
        near = {"rel": 1e-9, "abs": 1e-9}
        assert found["usage_seconds"][place] == pytest.approx(leaf.usage, **near)
        assert found["backlog_seconds"][place] == pytest.approx(leaf.backlog, **near)
        assert found["wait_cpu_seconds"][place] == pytest.approx(leaf.waited, **near)
        if leaf.quota < math.inf:
            assert found["nr_periods"][place] == leaf.nr_periods
            assert found["nr_throttled"][place] == leaf.nr_throttled
            assert found["throttled_seconds"][place] == pytest.approx(leaf.throttled, rel=1e-8, abs=1e-8)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from([0.0, 0.1, 0.35, 0.5, 0.7, 0.95]), min_size=STEPS, max_size=STEPS),
    st.sampled_from([10, 35, 50, 80]),
)
def test_a_lone_quota_counts_as_the_event_engine_does(levels: list[float], quota_ms: int) -> None:
    """Without competition all counters of a quota, use and backlog are the event engine's."""
    machine = machine_of([Pod("", 100, 1, levels, quota_ms)], 4)
    fleet = Fleet([machine], steps=STEPS)
    fleet.run()
    found = fleet.counters()
    kernel = SimKernel(machine.plan, cpus=4, memory_bytes=2**34)
    name = next(iter(machine.workloads))
    kernel.start(name, machine.workloads[name])
    kernel.advance(STEPS)
    samples = kernel.read()
    for counter, column, unit in (
        ("usage_seconds", "cpu_stat_usage_usec", 1e6),
        ("backlog_seconds", "sim_backlog_usec", 1e6),
        ("nr_periods", "cpu_stat_nr_periods", 1),
        ("nr_throttled", "cpu_stat_nr_throttled", 1),
        ("throttled_seconds", "cpu_stat_throttled_usec", 1e6),
    ):
        assert found[counter][0] * unit == pytest.approx(samples.column(column, name)[-1], abs=2.0), counter


def test_spinners_under_quotas_on_a_busy_node_count_as_the_event_engine_does() -> None:
    """Steady competition under quotas: the resolved period is the one that the event engine repeats."""
    spin = Workload.model_validate({"cpu": {"shape": "spin", "threads": 2}})
    specs = {
        CgroupName("a"): CgroupSpec.model_validate({"cpu_weight": 300, "cpu_max": "40000 100000"}),
        CgroupName("b"): CgroupSpec.model_validate({"cpu_weight": 100, "cpu_max": "50000 100000"}),
        CgroupName("c"): CgroupSpec.model_validate({"cpu_weight": 50}),
    }
    machine = Machine(Plan.of(specs), dict.fromkeys(specs, spin), 2)
    fleet = Fleet([machine], steps=20)
    fleet.run()
    found = fleet.counters()
    kernel = SimKernel(machine.plan, cpus=2, memory_bytes=2**34)
    for name in specs:
        kernel.start(name, spin)
    kernel.advance(20)
    samples = kernel.read()
    for place, name in enumerate(fleet.frames[0].cgroups):
        usage = samples.column("cpu_stat_usage_usec", name)[-1]
        assert found["usage_seconds"][place] * 1e6 == pytest.approx(usage, rel=1e-6)
        if name != "c":
            throttled = samples.column("cpu_stat_throttled_usec", name)[-1]
            assert found["nr_throttled"][place] == samples.column("cpu_stat_nr_throttled", name)[-1]
            assert found["throttled_seconds"][place] * 1e6 == pytest.approx(throttled, rel=1e-6)


RANDOM = {"shape": "random", "low": "200m", "high": 2, "every": "2s", "onFor": "8s", "offFor": "4s"}


def test_random_demand_is_the_same_in_both_kernels_and_in_plain_integers() -> None:
    """What a pod draws depends on its name and the seed: Fleet, SimKernel and plain integers agree."""
    name = CgroupName("kubepods/pod-x/main")
    load = Workload.model_validate({"cpu": RANDOM})
    plan = Plan.of({name: CgroupSpec()})
    curve = Fleet([Machine(plan, {name: load}, 4)], steps=400, seed=7).run(curves=True)[:, 0]
    numbers = draws(key_of(7, CgroupName("pod-x/main"), 0), 200, 0.75, 0.5, 2 / 3)
    expected = np.repeat([0.2 + 1.8 * u if u >= 0 else 0.0 for u in numbers], 2)
    assert curve == pytest.approx(expected, abs=1e-6)
    kernel = SimKernel(plan, cpus=4, memory_bytes=2**34, seed=7)
    kernel.start(name, load)
    kernel.advance(400)
    used = np.diff(kernel.read().column("cpu_stat_usage_usec", name)) / 1e6
    assert used == pytest.approx(expected, abs=2e-6)


def test_random_demand_is_on_as_long_as_told() -> None:
    """On for 8 s and off for 4 s: two thirds of the draws are on, and their mean is that of low and high."""
    numbers = np.array(
        [draws(key_of(1, CgroupName(f"p{pod}/c"), 0), 2000, 0.75, 0.5, 2 / 3) for pod in range(20)]
    )
    on = numbers >= 0
    assert on.mean() == pytest.approx(2 / 3, abs=0.01)
    assert numbers[on].mean() == pytest.approx(0.5, abs=0.01)
    assert on[:, :-1][~on[:, 1:]].mean() == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_and_cuts_of_time_do_not_change_results(threads: int) -> None:
    """The same fleet on any number of threads, in any number of runs: the same to the bit."""
    load = Workload.model_validate({"cpu": {**RANDOM, "every": "1s"}})

    def fleet() -> Fleet:
        machines = []
        for node in range(7):
            names = [CgroupName(f"burstable/pod-{node}-{pod}/main") for pod in range(5 + node)]
            plan = Plan.of({name: CgroupSpec.model_validate({"cpu_max": "90000 100000"}) for name in names})
            machines.append(Machine(plan, dict.fromkeys(names, load), 3))
        return Fleet(machines, steps=300, seed=3)

    whole, cut = fleet(), fleet()
    curve = whole.run(curves=True, threads=1)
    parts = [cut.run(steps, curves=True, threads=threads) for steps in (1, 70, 229)]
    assert (np.concatenate(parts) == curve).all()
    for name, values in whole.counters().items():
        assert (values == cut.counters()[name]).all()


def test_what_steps_cannot_compute_is_refused_with_its_reason() -> None:
    """Requests, pools of CPUs and burst are refused in one sentence each."""
    name = CgroupName("a")
    requests = {"cpu": {"shape": "requests", "rate": 1, "cpuPerRequest": "1ms"}}
    for spec, load in (
        (CgroupSpec(), requests),
        (CgroupSpec(cpuset_cpus="0"), {"cpu": {"shape": "spin"}}),
        (CgroupSpec(cpu_max_burst=1000), {"cpu": {"shape": "spin"}}),
    ):
        with pytest.raises(PlanError, match="cannot be computed in steps"):
            Fleet([Machine(Plan.of({name: spec}), {name: Workload.model_validate(load)}, 2)], steps=1)


def test_what_is_watched_sums_up_to_the_counters_and_counts_every_step() -> None:
    """Sums of groups end at the leaves' counters; histograms hold every pod-step and machine-step."""
    pods = [Pod("", 100, 2, [0.35, 0.0, 1.6, 3.9] * 3, 50), Pod("burstable/", 100, 1, [0.7] * STEPS, None)]
    fleet = Fleet([machine_of(pods, 2)] * 3, steps=STEPS)
    watch = Watch(np.array([0, 1] * 3), np.zeros(3, dtype=np.int64), every=4)
    fleet.run(watch=watch, threads=2)
    usage = fleet.counters()["usage_seconds"]
    assert watch.times.tolist() == [4.0, 8.0, 12.0]
    assert watch.sums[-1, 0] == pytest.approx([usage[0::2].sum(), usage[1::2].sum()])
    assert watch.use.sum() == 6 * STEPS
    assert watch.busy.sum() == 3 * STEPS
    assert percentile_of(watch.use[1], 0.5) == pytest.approx(0.7, rel=0.04)


def test_memory_kills_when_and_whom_the_event_engine_kills() -> None:
    """Two that grow under a pod's limit, one under its own: the same kills at the same times, then no CPU."""
    names = [CgroupName(name) for name in ("pod/a", "pod/b", "own")]
    specs = {
        CgroupName("pod"): CgroupSpec(memory_max=250 << 20),
        names[0]: CgroupSpec(),
        names[1]: CgroupSpec(),
        names[2]: CgroupSpec(memory_max=100 << 20),
    }
    loads = {
        name: Workload.model_validate(
            {
                "cpu": {"shape": "constant", "cpu": "500m"},
                "memory": {"anon": {"start": f"{start}Mi", "growPerSecond": "1Mi"}},
            }
        )
        for name, start in zip(names, (60, 90, 80), strict=True)
    }
    plan = Plan.of(specs)
    fleet = Fleet([Machine(plan, loads, 4, memory_bytes=2.0**34)], steps=200)
    fleet.run()
    kernel = SimKernel(plan, cpus=4, memory_bytes=2**34)
    for name in names:
        kernel.start(name, loads[name])
    kernel.advance(200)
    kernel.read()
    seen = [(event.cgroup, event.time) for event in kernel.events() if event.kind == "oom_kill"]
    found = [(kill.cgroup, kill.time) for kill in fleet.frames[0].held.kills]
    assert [name for name, _ in found] == ["own", "pod/b", "pod/a"] == [name for name, _ in seen]
    assert [time for _, time in found] == pytest.approx([time for _, time in seen], abs=0.02)
    used = dict(zip(fleet.frames[0].cgroups, fleet.counters()["usage_seconds"], strict=True))
    for name, time in found:
        growing = (1 << 20) / FAULT_BYTES_PER_SECOND  # touching new memory takes CPU time
        assert used[name] == pytest.approx((0.5 + growing) * math.ceil(time))
