"""The real kernel behind the Kernel interface: what the driver and the agents see of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from applying import enforcer_of, plan_of

from enforcer.cgroupfs import CgroupFS
from enforcer.kernel import HostKernel
from enforcer.load import LoadProcess, start_load
from enforcer.load_pieces import CpuDemand
from qos.errors import PlanError
from qos.model.cgroup import CgroupName
from qos.model.event import Event
from qos.model.kernel import Kernel
from qos.model.plan import Change
from qos.model.quantity import Quantity
from qos.model.workload import Anon, Batch, MemoryShape, Spin, Workload

WEB = CgroupName("pods/web")
LOG = CgroupName("pods/log")
PLAN = {
    "pods": {},
    "pods/web": {"cpu.weight": "300", "memory.max": "67108864", "memory.oom.group": "1"},
    "pods/log": {"cpu.weight": "100", "cpu.max": "20000 100000"},
}
SPIN = Workload(cpu=Spin())


@pytest.fixture
def kernel(fs: CgroupFS, tmp_path: Path) -> Iterator[HostKernel]:
    """A kernel on the test's own tree that starts calibrated loads."""

    def start(name: CgroupName, path: str, workload: Workload, oom_score_adj: int) -> LoadProcess:
        del name
        return start_load(fs, path, workload, demand_of(workload), oom_score_adj=oom_score_adj)

    plan = plan_of(PLAN)
    with HostKernel(
        fs, enforcer_of(fs, tmp_path / "s"), plan, starter=start, sample_interval_seconds=0.5
    ) as one:
        yield one


def demand_of(workload: Workload) -> CpuDemand | None:
    """Spinning from the start, or pieces of 10 ms until the batch's CPU time is used up."""
    if isinstance(workload.cpu, Batch):
        pieces = np.full(round(workload.cpu.cpu_time / 0.01), 0.01)
        return CpuDemand("batch", 1, iter([(np.zeros(len(pieces)), pieces)]))
    if workload.cpu is None:
        return None
    return CpuDemand("spin", 1, iter([(np.zeros(1), np.zeros(1))]))


def test_it_is_a_kernel(kernel: HostKernel) -> None:
    """It has the interface's every word, and says that it measures."""
    as_kernel: Kernel = kernel
    assert as_kernel.source == "measured"
    assert as_kernel.now_seconds == 0.0
    assert set(as_kernel.plan) == {"pods", WEB, LOG}


def test_time_passes_and_readings_are_taken(kernel: HostKernel) -> None:
    """A row at the start, one an interval, one now; the quota of 20 % is seen, and told as an event."""
    kernel.start(LOG, SPIN)
    first = kernel.read()
    kernel.advance(2.2)
    later = kernel.read()
    assert first.times[0] == 0.0
    assert np.all(np.diff(later.times) > 0)
    assert len(later.times) >= 5
    assert later.times[-1] >= 2.2
    used = later.column("cpu_stat_usage_usec", LOG)[-1] - first.column("cpu_stat_usage_usec", LOG)[0]
    assert used / 1e6 == pytest.approx(0.2 * later.times[-1], rel=0.25)
    assert [event.kind for event in kernel.events()] == ["throttle"]


def test_changes_are_all_or_nothing(kernel: HostKernel, fs: CgroupFS) -> None:
    """A change is written, and the plan in force says so; a leaf that is not there starts nothing."""
    kernel.apply([Change("set", WEB, "cpu_weight", 300, 50)])
    assert fs.read("pods/web", "cpu.weight") == "50\n"
    assert kernel.plan.cgroups[WEB].cpu_weight == 50
    with pytest.raises(PlanError, match="leaf cgroups"):
        kernel.start(CgroupName("pods"), SPIN)


def test_an_oom_kill_is_told_with_its_limit(kernel: HostKernel) -> None:
    """memory.max of the leaf is named, the reading at the kill is kept, one death is one event."""
    hog = MemoryShape(anon=Anon(start=Quantity.parse("128Mi")))
    kernel.start(WEB, Workload(memory=hog))
    kernel.read()
    events: list[Event] = []
    while not events and kernel.now_seconds < 30.0:
        kernel.advance(0.25)
        events += [event for event in kernel.events() if event.kind != "throttle"]
    kernel.advance(1.0)  # long enough for a second event, if one death were told twice
    events += kernel.events()
    assert [event.kind for event in events] == ["oom_kill"]
    assert events[0].cgroup == WEB
    assert "memory.max 67108864 bytes reached" in events[0].reason
    assert kernel.read().column("memory_events_local_oom", WEB)[-1] >= 1


def test_a_job_ends_and_its_completion_is_told(kernel: HostKernel) -> None:
    """A batch job of 0.3 CPU seconds ends with exit code 0 and a latency of at least that."""
    kernel.start(WEB, Workload(cpu=Batch(cpu_time=0.3)))
    events: list[Event] = []
    while not events and kernel.now_seconds < 30.0:
        kernel.advance(0.25)
        events += kernel.events()
    kernel.advance(0.5)  # long enough for a second event, if one end were told twice
    events += kernel.events()
    assert [(event.kind, event.exit_code) for event in events] == [("exit", 0)]
    assert kernel.completions().of(WEB)[0] >= 0.29


def test_freeze_thaw_and_kill_are_confirmed(kernel: HostKernel) -> None:
    """Frozen nothing is used; killed nothing is left; each is an event, and no end is told twice."""
    kernel.start(WEB, SPIN)
    kernel.advance(0.5)
    kernel.freeze(CgroupName("pods"))
    frozen = kernel.read().column("cpu_stat_usage_usec", WEB)[-1]
    kernel.advance(0.5)
    assert kernel.read().column("cpu_stat_usage_usec", WEB)[-1] - frozen <= 10_000
    kernel.thaw(CgroupName("pods"))
    kernel.kill(CgroupName("pods"))
    kernel.advance(0.2)
    assert [event.kind for event in kernel.events()] == ["frozen", "thawed", "killed"]
    kernel.start(WEB, SPIN)
    kernel.advance(0.5)
    assert kernel.read().column("cgroup_events_populated", WEB)[-1] == 1


def test_drift_is_repaired_and_told(fs: CgroupFS, tmp_path: Path) -> None:
    """A value that somebody changed is set right at the next repair, and an event says what it was."""
    plan = plan_of(PLAN)
    with HostKernel(fs, enforcer_of(fs, tmp_path / "s"), plan, repair_interval_seconds=0.2) as kernel:
        fs.write("pods/web", "cpu.weight", "7")
        kernel.advance(0.5)
        assert fs.read("pods/web", "cpu.weight") == "300\n"
        assert any("7 → 300" in event.reason for event in kernel.events())
