"""Recordings of odd hosts, and columns by file and key."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from enforcer.cgroupfs import CgroupFS
from enforcer.counters import MEMORY_STAT_KEYS, SAMPLED, columns_of
from enforcer.observe import Sampler
from qos.model.cgroup import CgroupName


def sampler_of(root: Path) -> Sampler:
    """A sampler of every cgroup of a recorded tree."""
    fs = CgroupFS.open_dump(root)
    return Sampler(fs, {CgroupName(cgroup or "root"): cgroup for cgroup in fs.walk()})


class TestOddHosts:
    def test_every_recorded_host_is_read_without_an_exception(self, shared_dir: Path) -> None:
        """v2, hybrid and v1 hosts and broken files: what is of cgroup v2 is read, the rest is not there."""
        roots = [path for path in (shared_dir / "data" / "cgroupfs").rglob("*") if path.is_dir()]
        assert len(roots) > 20
        for root in roots:
            with sampler_of(root) as sampler:
                samples = sampler.take()
                assert samples.source == "measured"
                assert not sampler.unreadable

    def test_a_session_of_a_docker_host(self, shared_dir: Path) -> None:
        """The numbers are those of the files, pressure included."""
        root = shared_dir / "data" / "cgroupfs" / "elastic" / "docker2" / "sys" / "fs" / "cgroup"
        session = "user.slice/user-1000.slice/session-520.scope"
        with sampler_of(root) as sampler:
            samples = sampler.take()
        current = (root / session / "memory.current").read_text()
        assert samples.column("memory_current", session)[0] == int(current)
        assert samples.column("io_pressure_some_total", session)[0] == 10748370
        assert samples.column("irq_pressure_full_total", session)[0] == 29463156
        assert np.isnan(samples.column("memory_current", "root")[0])

    def test_a_file_of_another_format_is_left_out_and_named(self, tmp_path: Path) -> None:
        """The other files of the cgroup are read, and why this one was not is said."""
        (tmp_path / "memory.current").write_text("lots\n")
        (tmp_path / "pids.current").write_text("3\n")
        with sampler_of(tmp_path) as sampler:
            samples = sampler.take()
        assert samples.columns["pids_current"][0, 0] == 3
        assert "memory_current" not in samples.columns
        assert "lots" in sampler.unreadable["memory.current"]


class TestColumns:
    @given(st.dictionaries(st.sampled_from(MEMORY_STAT_KEYS), st.integers(0, 2**53)))
    def test_picked_keys_of_memory_stat(self, values: dict[str, int]) -> None:
        """Whatever else stands in the file, in any order."""
        lines = [f"{key} {value}" for key, value in values.items()]
        text = "\n".join(["anon_thp 5", "file_thp 6", *lines, "thp_fault_alloc 7"]) + "\n"
        assert dict(columns_of("memory.stat", text)) == {
            f"memory_stat_{key}": float(value) for key, value in values.items()
        }

    @pytest.mark.parametrize("file", sorted(SAMPLED.keys() - {"io.stat"}))
    def test_an_empty_file_has_no_columns_or_is_an_error_in_words(self, file: str) -> None:
        """Nothing is made up."""
        try:
            assert columns_of(file, "") == []
        except ValueError as error:
            assert str(error)  # noqa: PT017 — both ends are right

    def test_devices_are_summed_up(self) -> None:
        """One column a key, whatever the devices are called; an empty file is no traffic."""
        assert dict(columns_of("io.stat", "8:0 rbytes=1 wbytes=2\n8:16 rbytes=4 wios=3\n")) == {
            "io_stat_rbytes": 5.0,
            "io_stat_wbytes": 2.0,
            "io_stat_rios": 0.0,
            "io_stat_wios": 3.0,
            "io_stat_dbytes": 0.0,
            "io_stat_dios": 0.0,
        }
        assert dict(columns_of("io.stat", ""))["io_stat_rbytes"] == 0.0
