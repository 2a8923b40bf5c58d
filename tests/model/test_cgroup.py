"""CgroupSpec: one line a knob."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from qos.model.cgroup import (
    CgroupName,
    CgroupSpec,
    CpuMax,
    ancestors,
    format_cpu_list,
    knobs,
    parent,
    parse_cpu_list,
)

# The resource files of Documentation/admin-guide/cgroup-v2.rst (Linux 6.12) that can be written and stay so.
WRITABLE_FILES = {
    "cpu.weight", "cpu.weight.nice", "cpu.max", "cpu.max.burst", "cpu.idle", "cpu.uclamp.min",
    "cpu.uclamp.max",
    "cpuset.cpus", "cpuset.mems", "cpuset.cpus.exclusive", "cpuset.cpus.partition",
    "memory.min", "memory.low", "memory.high", "memory.max", "memory.oom.group", "memory.swap.high",
    "memory.swap.max", "memory.zswap.max", "memory.zswap.writeback",
    "io.max", "io.weight", "io.latency", "io.bfq.weight", "io.prio.class", "io.cost.qos", "io.cost.model",
    "pids.max", "hugetlb.2MB.max", "hugetlb.2MB.rsvd.max", "hugetlb.1GB.max", "hugetlb.1GB.rsvd.max",
}  # fmt: skip


class TestKnobs:
    """Every file of the kernel's document is one field."""

    def test_every_writable_resource_file_is_a_knob(self) -> None:
        """No writable resource file of cgroup-v2.rst is missing."""
        assert {knob.file for knob in knobs().values()} >= WRITABLE_FILES

    def test_a_field_is_its_file_with_dots_as_underscores(self) -> None:
        """Rule 4 of the house holds for each knob, so there is no mapping table."""
        assert all(knob.field == knob.file.replace(".", "_") for knob in knobs().values())

    def test_every_knob_is_documented(self) -> None:
        """Each knob says what it does, its controller and its unit."""
        assert all(knob.doc and knob.unit and knob.controller for knob in knobs().values())


class TestValues:
    """Three states of a limit are three values, and ranges are the kernel's."""

    def test_none_is_not_written(self) -> None:
        """A knob that is not managed has no file; "max" has one."""
        assert CgroupSpec(memory_max="max", cpu_weight=39).files() == {
            "cpu.weight": "39",
            "memory.max": "max",
        }

    @pytest.mark.parametrize(
        "values",
        [
            {"cpu_weight": 0}, {"cpu_weight": 10001}, {"memory_max": -1}, {"cpu_idle": 2},
            {"pids_max": 4194305},
            {"cpu_max": "999 100000"}, {"cpu_max": "5000 1000001"}, {"cpuset_cpus": "3-1"}, {"nonsense": 1},
            {"cpu_uclamp_min": "101"}, {"io_prio_class": "best"},
        ],
    )  # fmt: skip
    def test_out_of_range_is_refused(self, values: dict[str, object]) -> None:
        """What the kernel would answer with EINVAL or ERANGE is refused before."""
        with pytest.raises(ValidationError):
            CgroupSpec.model_validate(values)

    def test_files_round_trip(self) -> None:
        """A spec read back from its own files is the same spec, keyed files included."""
        spec = CgroupSpec(
            cpu_max=CpuMax(quota_usec=50_000), io_max={"8:0": "rbps=1048576 wiops=100"}, cpuset_cpus="0-2,5",
            memory_high=1 << 30, io_weight={"default": "200"}, pids_max="max", cpu_uclamp_max="80.5",
        )  # fmt: skip
        assert CgroupSpec.from_files(spec.files()) == spec

    def test_cpu_max_reads_the_kernels_text(self) -> None:
        """`max 100000` and a bare quota are read as the kernel prints and takes them."""
        assert CpuMax.model_validate("max 100000") == CpuMax()
        assert CpuMax.model_validate("25000").cpus == 0.25


class TestNames:
    """Names are paths without a driver's spelling."""

    def test_parents(self) -> None:
        """The parent of a top cgroup is the root, and ancestors go from outside in."""
        name = CgroupName("kubepods/burstable/pod-a")
        assert parent(name) == "kubepods/burstable"
        assert parent(CgroupName("kubepods")) == ""
        assert ancestors(name) == ("kubepods", "kubepods/burstable")


@given(st.sets(st.integers(0, 200)))
def test_cpu_lists_round_trip(numbers: set[int]) -> None:
    """Any set of CPUs survives being written as a kernel list and read back."""
    assert parse_cpu_list(format_cpu_list(numbers)) == tuple(sorted(numbers))
