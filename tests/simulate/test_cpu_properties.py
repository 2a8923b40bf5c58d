"""Properties of CPU sharing that hold whatever the plan and the demand are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qos.model.cgroup import CgroupName, CgroupSpec
from qos.model.plan import Plan
from qos.model.sample import Samples
from qos.model.workload import Workload
from qos.simulate.kernel import SimKernel

SECONDS = 3.0
Cgroups = dict[str, dict[str, Any]]
Shapes = dict[str, dict[str, Any]]

shapes = st.one_of(
    st.builds(lambda threads: {"shape": "spin", "threads": threads}, st.integers(1, 4)),
    st.builds(lambda cpu: {"shape": "constant", "cpu": f"{cpu}m"}, st.integers(10, 2500)),
    st.builds(
        lambda burst, every, threads: {
            "shape": "onOff", "burst": f"{burst}ms", "every": f"{every}ms", "threads": threads,
        },
        st.integers(1, 80), st.integers(20, 300), st.integers(1, 4),
    ),
    st.builds(
        lambda rate, cost, workers: {
            "shape": "requests", "rate": rate, "cpuPerRequest": f"{cost}ms", "cost": "exponential",
            "workers": workers,
        },
        st.integers(1, 120), st.integers(1, 20), st.integers(1, 16),
    ),
    st.builds(
        lambda mean, swing: {
            "shape": "periodic", "mean": f"{mean}m", "amplitude": f"{swing}m", "cycle": "2s",
        },
        st.integers(100, 1500), st.integers(0, 1500),
    ),
    st.builds(lambda work: {"shape": "batch", "cpuTime": f"{work}ms", "threads": 2}, st.integers(10, 4000)),
)  # fmt: skip


@st.composite
def machines(draw: Callable[..., Any]) -> tuple[Cgroups, Shapes, int]:
    """Two levels of cgroups with weights, idle and quotas; a shape for each leaf; CPUs."""
    cgroups: Cgroups = {}
    work: Shapes = {}
    for group in range(draw(st.integers(1, 3))):
        names = [f"g{group}", *(f"g{group}/{leaf}" for leaf in range(draw(st.integers(0, 3))))]
        for name in names:
            cgroups[name] = {
                "cpu_weight": draw(st.integers(1, 1000)),
                "cpu_idle": draw(st.sampled_from([0, 0, 0, 1])),
            }
            if draw(st.booleans()):
                cgroups[name]["cpu_max"] = f"{draw(st.integers(5, 300)) * 1000} 100000"
        for name in names[1:] or names:
            work[name] = draw(shapes)
    return cgroups, work, draw(st.integers(1, 4))


def run(cgroups: Cgroups, work: Shapes, cpus: int, seconds: float = SECONDS, **options: Any) -> Samples:
    """Readings of a run."""
    plan = Plan.of({CgroupName(name): CgroupSpec(**files) for name, files in cgroups.items()})
    kernel = SimKernel(plan, cpus=cpus, memory_bytes=2**30, **options)
    for name, shape in work.items():
        kernel.start(CgroupName(name), Workload.model_validate({"cpu": shape}))
    kernel.advance(seconds)
    return kernel.read()


many = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@many
@given(machines())
def test_the_books_balance(machine: tuple[Cgroups, Shapes, int]) -> None:
    """Usage + waits = demand; submitted = used + backlog; Σ usage ≤ capacity; a parent is its children."""
    cgroups, work, cpus = machine
    samples = run(*machine)
    get = samples.columns
    used = get["cpu_stat_usage_usec"]
    waited = get["sim_wait_quota_usec"] + get["sim_wait_cpu_usec"]
    assert np.abs(used + waited - get["sim_demand_usec"]).max() <= 3
    assert (used[:, 0] <= cpus * samples.times * 1e6 + 1).all()
    for name, shape in work.items():
        if shape["shape"] != "spin":
            at = samples.cgroups.index(CgroupName(name))
            difference = get["sim_submitted_usec"][:, at] - used[:, at] - get["sim_backlog_usec"][:, at]
            assert np.abs(difference).max() <= 3
    for name in cgroups:
        children = [other for other in cgroups if other.rpartition("/")[0] == name]
        if children:
            for column in ("cpu_stat_usage_usec", "sim_backlog_usec", "sim_demand_usec"):
                total = sum(samples.column(column, child)[-1] for child in children)
                assert samples.column(column, name)[-1] == pytest.approx(total, abs=len(children))


@many
@given(machines())
def test_no_cgroup_uses_more_than_its_quota_allows(machine: tuple[Cgroups, Shapes, int]) -> None:
    """Usage stays within the quota of the periods begun."""
    cgroups, _, _ = machine
    samples = run(*machine)
    for name, files in cgroups.items():
        if "cpu_max" in files:
            quota = int(files["cpu_max"].split()[0])
            periods = np.floor(samples.times * 10 + 1e-6) + 1
            assert (samples.column("cpu_stat_usage_usec", name) <= quota * periods + 2).all()


@many
@given(machines())
def test_work_is_conserved(machine: tuple[Cgroups, Shapes, int]) -> None:
    """Without quotas, nobody waits for a CPU while one is idle: with a spinner in it the machine is full."""
    cgroups, work, cpus = machine
    free = {name: {"cpu_weight": files["cpu_weight"]} for name, files in cgroups.items()}
    samples = run({**free, "full": {}}, {**work, "full": {"shape": "spin", "threads": cpus}}, cpus)
    assert samples.column("cpu_stat_usage_usec", "")[-1] == pytest.approx(cpus * SECONDS * 1e6, abs=3)


@many
@given(machines(), st.randoms())
def test_the_order_of_cgroups_and_starts_does_not_matter(
    machine: tuple[Cgroups, Shapes, int], random: Any
) -> None:
    """The same run with everything in another order gives the same readings to the bit."""
    cgroups, work, cpus = machine
    names, starts = list(cgroups), list(work)
    random.shuffle(names)
    random.shuffle(starts)
    first = run(cgroups, work, cpus, seed=7)
    second = run({name: cgroups[name] for name in names}, {name: work[name] for name in starts}, cpus, seed=7)
    for column, values in first.columns.items():
        np.testing.assert_array_equal(values, second.columns[column])


@many
@given(machines())
def test_one_more_level_changes_nothing(machine: tuple[Cgroups, Shapes, int]) -> None:
    """The whole tree below one more cgroup without limits runs the same (nesting is neutral)."""
    cgroups, work, cpus = machine
    # arrivals are seeded by the last two components of a name: keep those that stay the same
    work = {name: shape for name, shape in work.items() if "/" in name or shape["shape"] != "requests"}
    flat = run(cgroups, work, cpus)
    nested = run(
        {"top": {}, **{f"top/{name}": files for name, files in cgroups.items()}},
        {f"top/{name}": shape for name, shape in work.items()},
        cpus,
    )
    for name in work:
        usage = flat.column("cpu_stat_usage_usec", name)[-1]
        assert nested.column("cpu_stat_usage_usec", f"top/{name}")[-1] == pytest.approx(usage, abs=2)


@many
@given(machines(), st.integers(1, 4))
def test_wanting_more_never_gives_less(machine: tuple[Cgroups, Shapes, int], more: int) -> None:
    """A spinner with more threads uses at least as much as with one (monotone in own demand)."""
    cgroups, work, cpus = machine
    with_one = {**cgroups, "mine": {"cpu_weight": 50}}
    one = run(with_one, {**work, "mine": {"shape": "spin", "threads": 1}}, cpus)
    several = run(with_one, {**work, "mine": {"shape": "spin", "threads": 1 + more}}, cpus)
    got_more = several.column("cpu_stat_usage_usec", "mine")[-1]
    assert got_more >= one.column("cpu_stat_usage_usec", "mine")[-1] - 2


@many
@given(machines(), st.lists(st.floats(0.05, 1.3), min_size=1, max_size=4))
def test_how_time_is_cut_does_not_matter(machine: tuple[Cgroups, Shapes, int], cuts: list[float]) -> None:
    """Advancing in several steps gives what one step gives."""
    cgroups, work, cpus = machine
    plan = Plan.of({CgroupName(name): CgroupSpec(**files) for name, files in cgroups.items()})
    kernel = SimKernel(plan, cpus=cpus, memory_bytes=2**30)
    for name, shape in work.items():
        kernel.start(CgroupName(name), Workload.model_validate({"cpu": shape}))
    for cut in [*cuts, SECONDS]:
        kernel.advance(max(min(cut, SECONDS - kernel.now_seconds), 0.0))
    whole, cut_up = run(*machine), kernel.read()
    for column in ("cpu_stat_usage_usec", "cpu_stat_nr_throttled", "sim_completed"):
        np.testing.assert_allclose(cut_up.columns[column][-1], whole.columns[column][-1], atol=2)


def test_policies_meet_the_same_arrivals() -> None:
    """A pod that changes its class keeps its arrivals and costs (common random numbers)."""
    shape = {"shape": "requests", "rate": 50, "cpuPerRequest": "1ms", "cost": "exponential"}
    one = run({"kubepods/burstable/pod-a/web": {}}, {"kubepods/burstable/pod-a/web": shape}, 4)
    other = run({"kubepods/pod-a/web": {}}, {"kubepods/pod-a/web": shape}, 4)
    for column in ("sim_arrived", "sim_submitted_usec"):
        np.testing.assert_array_equal(one.columns[column][:, -1], other.columns[column][:, -1])
