"""Recordings of other people's hosts are read without an exception (../shared/data/cgroupfs)."""

from __future__ import annotations

from pathlib import Path

import pytest

from enforcer.cgroup_text import (
    parse_flat_keyed,
    parse_nested_keyed,
    parse_number,
    parse_pids,
    parse_pressure,
    parse_words,
)
from enforcer.cgroupfs import CgroupFS
from enforcer.kept import KeptFiles
from enforcer.preflight import parse_mountinfo
from qos.errors import CgroupError

PARSERS = {
    "cpu.stat": parse_flat_keyed,
    "cpu.stat.local": parse_flat_keyed,
    "memory.stat": parse_flat_keyed,
    "memory.events": parse_flat_keyed,
    "memory.events.local": parse_flat_keyed,
    "memory.swap.events": parse_flat_keyed,
    "pids.events": parse_flat_keyed,
    "cgroup.events": parse_flat_keyed,
    "cgroup.stat": parse_flat_keyed,
    "io.stat": parse_nested_keyed,
    "io.max": parse_nested_keyed,
    "io.bfq.weight": parse_nested_keyed,
    "memory.numa_stat": parse_nested_keyed,
    "memory.current": parse_number,
    "memory.max": parse_number,
    "memory.min": parse_number,
    "memory.peak": parse_number,
    "pids.current": parse_number,
    "pids.max": parse_number,
    "cpu.weight": parse_number,
    "cgroup.procs": parse_pids,
    "cgroup.controllers": parse_words,
}


def parser_of(file: str):
    """The parser of a file by its name."""
    if file.endswith(".pressure") and file != "cgroup.pressure":
        return parse_pressure
    if file.startswith("hugetlb.") and file.endswith((".events", ".events.local")):
        return parse_flat_keyed
    if file.endswith("numa_stat"):
        return parse_nested_keyed
    return PARSERS.get(file)


@pytest.mark.parametrize(
    ("dump", "parsed_at_least"),
    [
        ("elastic/docker2/sys/fs/cgroup/user.slice/user-1000.slice/session-520.scope", 23),
        ("elastic/ubuntu1804/sys/fs/cgroup/unified", 5),
        ("telegraf/v2", 20),
    ],
)
def test_every_known_file_of_a_dump_parses(shared_dir: Path, dump: str, parsed_at_least: int):
    """Each file with a known format is read and parsed; the others are read as text."""
    parsed = 0
    with CgroupFS.open_dump(shared_dir / "data" / "cgroupfs" / dump) as fs:
        for cgroup in fs.walk():
            for file in fs.files(cgroup):
                text = fs.read(cgroup, file)
                parser = parser_of(file)
                if parser is not None:
                    parser(text)
                    parsed += 1
    assert parsed >= parsed_at_least


@pytest.mark.parametrize(
    "dump", ["telegraf/broken", "telegraf/blkio", "procfs/proc", "elastic/ubuntu1804/sys"]
)
def test_odd_folders_are_read_whole(shared_dir: Path, dump: str):
    """Malformed files, cgroup v1 and /proc are text like any other."""
    with CgroupFS.open_dump(shared_dir / "data" / "cgroupfs" / dump) as fs, KeptFiles(fs) as kept:
        files = [(cgroup, file) for cgroup in fs.walk() for file in fs.files(cgroup)]
        for cgroup, file in files:
            assert kept.read(cgroup, file) == fs.read(cgroup, file).encode()
    assert files


def test_a_malformed_file_is_a_value_error(shared_dir: Path):
    """Telegraf's broken file is refused by every parser, with its text."""
    with CgroupFS.open_dump(shared_dir / "data" / "cgroupfs" / "telegraf" / "broken") as fs:
        text = fs.read("", "malformed.file")
    for parser in (parse_number, parse_flat_keyed, parse_pressure):
        with pytest.raises(ValueError, match="garbage"):
            parser(text)


def test_mounts_of_recorded_hosts(shared_dir: Path):
    """A unified and a hybrid host are told apart by their mountinfo."""
    elastic = shared_dir / "data" / "cgroupfs" / "elastic"
    unified = parse_mountinfo((elastic / "docker2/proc/self/mountinfo").read_text())
    hybrid = parse_mountinfo((elastic / "ubuntu1804/proc/self/mountinfo").read_text())
    assert "/sys/fs/cgroup" in {mount.target for mount in unified if mount.kind == "cgroup2"}
    assert not any(mount.kind == "cgroup" for mount in unified)
    assert any(mount.kind == "cgroup" for mount in hybrid)


class TestDumpsAreReadOnly:
    def test_nothing_can_be_written(self, tmp_path: Path):
        """A recording is never changed, not even by mistake."""
        (tmp_path / "cpu.weight").write_text("100\n")
        with CgroupFS.open_dump(tmp_path) as fs:
            for change in (
                lambda: fs.write("", "cpu.weight", "1"),
                lambda: fs.create("pod"),
                lambda: fs.remove("pod"),
                lambda: fs.open_file("", "cpu.weight", write=True),
            ):
                with pytest.raises(CgroupError, match="a recorded dump is read only"):
                    change()
        assert (tmp_path / "cpu.weight").read_text() == "100\n"

    def test_a_plain_folder_is_never_taken_for_a_cgroup_tree(self, tmp_path: Path):
        """Without open_dump a plain directory is refused, with the remedy."""
        with pytest.raises(CgroupError, match=r"not a cgroup v2 file system.*qos lab"):
            CgroupFS(tmp_path)

    def test_links_are_not_followed(self, tmp_path: Path):
        """A link inside a dump leads nowhere, to a file or to a folder."""
        outside = tmp_path / "outside"
        outside.mkdir()
        (outside / "secret").write_text("42\n")
        dump = tmp_path / "dump"
        dump.mkdir()
        (dump / "link").symlink_to(outside)
        (dump / "cpu.weight").symlink_to(outside / "secret")
        with CgroupFS.open_dump(dump) as fs:
            assert fs.children() == fs.files() == ()
            with pytest.raises(CgroupError, match="a symlink is on the way"):
                fs.read("link", "secret")
            with pytest.raises(CgroupError, match="a symlink is on the way"):
                fs.read("", "cpu.weight")
