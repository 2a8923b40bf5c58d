"""io.max and io.weight where the answer is known, and what must always hold."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qos.errors import PlanError
from qos.model.cgroup import CgroupName, CgroupSpec
from qos.model.node import Disk
from qos.model.plan import Change, Plan
from qos.model.workload import IoShape, Workload
from qos.simulate.disk import cost_seconds, share_disk
from qos.simulate.kernel import SimKernel
from qos.simulate.stream import Stream

MIB = 2**20
FAST = Disk(read_bytes_per_second=400 * MIB, write_bytes_per_second=400 * MIB)
SLOW = Disk(read_bytes_per_second=20 * MIB, write_bytes_per_second=20 * MIB, io_cost=True)


def kernel_of(files: dict[str, dict[str, Any]], disk: Disk = FAST) -> SimKernel:
    """A machine with one disk and these cgroups."""
    plan = Plan.of({CgroupName(name): CgroupSpec(**values) for name, values in files.items()})
    return SimKernel(plan, cpus=1, memory_bytes=2**30, disks=(disk,))


def start(kernel: SimKernel, name: str, **shape: Any) -> None:
    """Start a workload that only uses the disk."""
    kernel.start(CgroupName(name), Workload(io=IoShape.model_validate(shape)))


def last(kernel: SimKernel, column: str, name: str) -> float:
    """The newest value of a column."""
    return float(kernel.read().column(column, name)[-1])


def set_io_max(kernel: SimKernel, **limit: str) -> None:
    """Write io.max of cgroup a for 8:0."""
    name = CgroupName("a")
    (values,) = [f"{key}={value}" for key, value in limit.items()]
    kernel.apply([Change("set", name, "io_max", kernel.plan.cgroups[name].io_max, {"8:0": values})])


class TestIoMax:
    def test_eight_mib_at_four_a_second_take_two_seconds(self) -> None:
        """The lab measured 2.01 s on three kernels."""
        kernel = kernel_of({"a": {"io_max": "8:0 wbps=4194304"}})
        start(kernel, "a", writePerSecond="max", total="8Mi", block="1Mi")
        kernel.advance(5.0)
        assert kernel.completions().of(CgroupName("a")) == pytest.approx([2.0])
        assert [event.kind for event in kernel.events()] == ["exit"]
        assert last(kernel, "io_stat_wbytes", "a") == 8 * MIB

    def test_operations_are_limited_as_bytes_are(self) -> None:
        """100 reads a second of 4 KiB: 400 KiB a second, whatever the bytes may be."""
        kernel = kernel_of({"a": {"io_max": "8:0 rbps=4194304 riops=100"}})
        start(kernel, "a", readPerSecond="max", block="4Ki")
        kernel.advance(4.0)
        samples = kernel.read()
        assert samples.column("io_stat_rios", "a")[-1] == pytest.approx(400)
        assert samples.column("io_stat_rbytes", "a")[-1] == pytest.approx(400 * 4096)

    def test_a_parents_limit_binds_its_children_together(self) -> None:
        """Two children share the 6 MiB/s of their parent; one that wants less leaves the rest."""
        kernel = kernel_of({"p": {"io_max": "8:0 rbps=6291456"}, "p/a": {}, "p/b": {}})
        start(kernel, "p/a", readPerSecond="1Mi")
        start(kernel, "p/b", readPerSecond="max")
        kernel.advance(2.0)
        samples = kernel.read()
        assert samples.column("io_stat_rbytes", "p/a")[-1] == pytest.approx(2 * MIB)
        assert samples.column("io_stat_rbytes", "p/b")[-1] == pytest.approx(10 * MIB)
        assert samples.column("io_stat_rbytes", "p")[-1] == pytest.approx(12 * MIB)

    def test_another_devices_limit_does_not_bind(self) -> None:
        """io.max of 8:16 says nothing about 8:0."""
        kernel = kernel_of({"a": {"io_max": "8:16 rbps=1048576"}})
        start(kernel, "a", readPerSecond="50Mi")
        kernel.advance(1.0)
        assert last(kernel, "io_stat_rbytes", "a") == pytest.approx(50 * MIB)

    def test_a_limit_changed_on_the_way_holds_from_then_on(self) -> None:
        """2 s at 4 MiB/s and 2 s at 1 MiB/s: 10 MiB."""
        kernel = kernel_of({"a": {"io_max": "8:0 wbps=4194304"}})
        start(kernel, "a", writePerSecond="max")
        kernel.advance(2.0)
        set_io_max(kernel, wbps="1048576")
        kernel.advance(2.0)
        assert last(kernel, "io_stat_wbytes", "a") == pytest.approx(10 * MIB)


class TestIoWeight:
    def test_weights_share_the_devices_time(self) -> None:
        """100 to 400 with io.cost: a fifth and four fifths (the lab measured 4.03 and 3.98)."""
        kernel = kernel_of({"a": {"io_weight": "default 100"}, "b": {"io_weight": "default 400"}}, SLOW)
        start(kernel, "a", readPerSecond="max")
        start(kernel, "b", readPerSecond="max")
        kernel.advance(5.0)
        samples = kernel.read()
        low, high = (samples.column("io_stat_rbytes", name)[-1] for name in "ab")
        assert high / low == pytest.approx(4.0)
        assert low + high == pytest.approx(5 * 20 * MIB, rel=1e-3)

    def test_without_io_cost_weights_do_nothing(self) -> None:
        """As kernels boot: the readers take turns."""
        disk = SLOW.model_copy(update={"io_cost": False})
        kernel = kernel_of({"a": {"io_weight": "100"}, "b": {"io_weight": "400"}}, disk)
        start(kernel, "a", readPerSecond="max")
        start(kernel, "b", readPerSecond="max")
        kernel.advance(5.0)
        samples = kernel.read()
        assert samples.column("io_stat_rbytes", "a")[-1] == samples.column("io_stat_rbytes", "b")[-1]

    def test_weights_act_level_by_level(self) -> None:
        """p:q = 300:100; below p two equal leaves: 3/8, 3/8 and 1/4."""
        files = {"p": {"io_weight": "default 300"}, "p/a": {}, "p/b": {}, "q": {"io_weight": "default 100"}}
        kernel = kernel_of(files, SLOW)
        for name in ("p/a", "p/b", "q"):
            start(kernel, name, readPerSecond="max")
        kernel.advance(4.0)
        samples = kernel.read()
        moved = [samples.column("io_stat_rbytes", name)[-1] for name in ("p/a", "p/b", "q")]
        assert np.array(moved) / sum(moved) == pytest.approx([0.375, 0.375, 0.25])

    def test_small_operations_cost_more_than_their_bytes(self) -> None:
        """4 KiB at 100 MB/s and 1000 a second cost 1 ms: an operation's, not its 41 µs of bytes."""
        disk = Disk(read_bytes_per_second=100_000_000, read_iops=1000)
        assert cost_seconds(disk, 4096, write=False) == pytest.approx(1e-3)
        assert cost_seconds(disk, 1e6, write=False) == pytest.approx(0.01 + 1e-3 - 4096e-8)


class TestTime:
    def test_a_wanted_rate_is_had_where_nothing_is_in_the_way(self) -> None:
        """From its start to its stop, and not a byte more."""
        kernel = kernel_of({"a": {}})
        start(kernel, "a", readPerSecond="10Mi", start="1s", stop="3s")
        kernel.advance(5.0)
        assert kernel.read().column("io_stat_rbytes", "a").tolist() == [0, 0, 10 * MIB, *[20 * MIB] * 3]

    def test_what_was_late_is_made_up_for_one_second_of_it(self) -> None:
        """Frozen for 3 s at 10 MiB/s: 10 MiB are made up, 20 are not."""
        kernel = kernel_of({"a": {}})
        start(kernel, "a", readPerSecond="10Mi")
        kernel.advance(1.0)
        set_io_max(kernel, rbps="1")
        kernel.advance(3.0)
        set_io_max(kernel, rbps="max")
        kernel.advance(1.0)
        assert last(kernel, "io_stat_rbytes", "a") == pytest.approx(30 * MIB, rel=1e-5)

    def test_frozen_and_killed_move_nothing(self) -> None:
        """Thawed it goes on; killed it does not."""
        kernel = kernel_of({"a": {}})
        name = CgroupName("a")
        start(kernel, "a", readPerSecond="1Mi")
        kernel.freeze(name)
        kernel.advance(1.0)
        kernel.thaw(name)
        kernel.advance(1.0)
        kernel.kill(name)
        kernel.advance(1.0)
        assert kernel.read().column("io_stat_rbytes", "a").tolist() == [0, 0, MIB, MIB]

    def test_an_oom_kill_ends_the_traffic_at_its_moment(self) -> None:
        """Growing 16 MiB/s under 24 MiB: killed after 1.5 s, having read 1.5 MiB."""
        kernel = kernel_of({"a": {"memory_max": 24 * MIB}})
        memory = {"anon": {"start": 0, "growPerSecond": "16Mi"}}
        shape = {"io": {"readPerSecond": "1Mi"}, "memory": memory}
        kernel.start(CgroupName("a"), Workload.model_validate(shape))
        kernel.advance(5.0)
        assert last(kernel, "io_stat_rbytes", "a") == pytest.approx(1.5 * MIB, rel=0.02)

    def test_readings_have_no_columns_where_nobody_uses_the_disk(self) -> None:
        """As io.stat is empty on a kernel: nothing is invented, and nothing is paid for."""
        kernel = kernel_of({"a": {}})
        kernel.advance(1.0)
        assert not any(name.startswith("io_") for name in kernel.read().columns)

    def test_a_device_that_is_not_there_is_refused(self) -> None:
        """The error names the device and those that are there."""
        with pytest.raises(PlanError, match=r"8:16.*8:0"):
            start(kernel_of({"a": {}}), "a", readPerSecond="1Mi", device="8:16")


def test_waiting_for_the_disk_is_pressure() -> None:
    """A throttled writer waits all the time, one that gets what it wants 0.1 ms for each operation."""
    kernel = kernel_of({"a": {"io_max": "8:0 wbps=1048576"}, "b": {}})
    start(kernel, "a", writePerSecond="max")
    start(kernel, "b", readPerSecond="40Mi", block="1Mi")
    kernel.advance(4.0)
    samples = kernel.read()
    assert samples.column("io_pressure_some_total", "a")[-1] == pytest.approx(4e6)
    assert samples.column("io_pressure_some_total", "b")[-1] == pytest.approx(4 * 40 * 100)
    assert samples.column("io_pressure_some_total", "")[-1] == pytest.approx(4e6)


@st.composite
def machines(draw: st.DrawFn) -> tuple[Plan, list[Stream], Disk]:
    """A tree of two levels with limits and weights, and streams in its leaves."""
    leaves = [f"{parent}/{leaf}" for parent in "pq" for leaf in "ab"]
    files: dict[CgroupName, CgroupSpec] = {}
    for name in ("p", "q", *leaves):
        limit = draw(st.sampled_from(["", "rbps=3000000", "wbps=1000000 riops=50", "wiops=20"]))
        weight = draw(st.sampled_from([1, 50, 100, 400, 10000]))
        values: dict[str, Any] = {"io_weight": f"default {weight}"}
        files[CgroupName(name)] = CgroupSpec(**values | ({"io_max": f"8:0 {limit}"} if limit else {}))
    streams = [
        Stream(
            CgroupName(draw(st.sampled_from(leaves))),
            draw(st.sampled_from(["read", "write"])),
            "8:0",
            float(draw(st.sampled_from([4096, 65536, 1048576]))),
            draw(st.sampled_from([math.inf, 1e5, 2e6, 3e7])),
            0.0,
        )
        for _ in range(draw(st.integers(1, 6)))
    ]
    io_cost = draw(st.booleans())
    disk = Disk(
        read_bytes_per_second=10_000_000, write_bytes_per_second=5_000_000, read_iops=500, io_cost=io_cost
    )
    return Plan.of(files), streams, disk


class TestAlways:
    @given(machines())
    def test_limits_hold_and_nothing_is_left_that_anybody_could_use(
        self, machine: tuple[Plan, list[Stream], Disk]
    ) -> None:
        """Each stream has what it wants, or meets an io.max or a device that is used up."""
        plan, streams, disk = machine
        share_disk(disk, plan, streams, 0.0)
        busy = sum(
            s.rate / s.block * cost_seconds(disk, s.block, write=s.direction == "write") for s in streams
        )
        assert busy <= 1.0 + 1e-6
        full: set[tuple[str, str]] = set()
        for name, spec in plan.cgroups.items():
            for word in (spec.io_max or {}).get("8:0", "").split():
                key, value = word.split("=")
                direction = "read" if key[0] == "r" else "write"
                mine = [s for s in streams if s.cgroup.startswith(name) and s.direction == direction]
                used = sum(s.rate / (s.block if key.endswith("iops") else 1.0) for s in mine)
                assert used <= float(value) * (1 + 1e-6)
                if used >= float(value) * (1 - 1e-6):
                    full.add((name, direction))
        for stream in streams:
            has_all = stream.rate >= stream.wanted * (1 - 1e-6)
            held = any(stream.cgroup.startswith(name) and stream.direction == way for name, way in full)
            assert has_all or held or busy >= 1.0 - 1e-6

    @given(machines(), st.randoms(use_true_random=False))
    def test_order_does_not_matter(self, machine: tuple[Plan, list[Stream], Disk], random: Any) -> None:
        """The same streams in another order get the same."""
        plan, streams, disk = machine
        share_disk(disk, plan, streams, 0.0)
        before = [stream.rate for stream in streams]
        mixed = list(range(len(streams)))
        random.shuffle(mixed)
        share_disk(disk, plan, [streams[place] for place in mixed], 0.0)
        assert [stream.rate for stream in streams] == pytest.approx(before, rel=1e-6)

    @given(machines(), st.integers(0, 5))
    def test_more_weight_never_gets_less(self, machine: tuple[Plan, list[Stream], Disk], which: int) -> None:
        """A leaf whose io.weight is raised moves at least what it moved before."""
        plan, streams, disk = machine
        leaf = streams[which % len(streams)].cgroup
        share_disk(disk, plan, streams, 0.0)
        before = sum(stream.rate for stream in streams if stream.cgroup == leaf)
        more = plan.cgroups[leaf].model_copy(update={"io_weight": {"default": "10000"}})
        share_disk(disk, Plan.of({**plan.cgroups, leaf: more}), streams, 0.0)
        assert sum(s.rate for s in streams if s.cgroup == leaf) >= before * (1 - 1e-6)
