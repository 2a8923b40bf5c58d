"""Names that would lead out of the tree, or that no kernel takes, are refused; and both drivers' spelling."""

from __future__ import annotations

import errno
import gzip
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enforcer.beneath import open_beneath, open_by_walking, openat2
from enforcer.cgroupfs import CgroupFS
from enforcer.component import ComponentError, component
from enforcer.layout import Layout
from qos.errors import CgroupError, PlanError
from qos.model.cgroup import CgroupName
from qos.model.cgroup_path import cgroup_name, to_cgroupfs, to_systemd

LABELS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)
NAMES = st.lists(LABELS, min_size=1, max_size=4).map(cgroup_name)


class TestComponents:
    @pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/", "a\0b", "x" * 256, "é" * 128, "\udce9"])
    def test_what_no_cgroup_may_be_called(self, name):
        """Empty, dots, slash, NUL, over 255 bytes, and half a character."""
        with pytest.raises(ComponentError, match="no name of a cgroup"):
            component(name)

    @given(st.text(min_size=1))
    def test_the_rest_is_a_single_component(self, name):
        """What passes is one component for the kernel too."""
        try:
            component(name)
        except ComponentError:
            return
        assert "/" not in name
        assert name not in (".", "..")

    @pytest.mark.parametrize("name", ["..", "../x", "a/../../x", "/etc", "a//b", "pod\0", "x" * 300])
    def test_the_door_refuses_them_before_the_kernel_sees_them(self, tmp_path, name):
        """No spelling of a cgroup reaches outside the root."""
        with CgroupFS.open_dump(tmp_path) as fs, pytest.raises(CgroupError, match="no name of a cgroup"):
            fs.read(name, "cpu.stat")

    @pytest.mark.parametrize("name", ["pod\n", "kubepods\u2024slice", "p\u043ed", "\t"])
    def test_new_names_are_printable_ascii(self, tmp_path, name):
        """A look-alike of another cgroup's name is never made."""
        with CgroupFS.open_dump(tmp_path) as fs, pytest.raises(CgroupError, match="printable ASCII"):
            fs.create(name)


class TestBeneath:
    @pytest.mark.parametrize("opener", [open_beneath, openat2, open_by_walking])
    def test_both_ways_open_the_same_and_refuse_the_same(self, tmp_path: Path, opener):
        """openat2 and the walk that stands in for it agree."""
        inside = tmp_path / "root" / "a" / "b"
        inside.mkdir(parents=True)
        (inside / "file").write_text("here")
        (tmp_path / "root" / "out").symlink_to(tmp_path)
        (inside / "link").symlink_to("file")
        root = os.open(tmp_path / "root", os.O_RDONLY | os.O_DIRECTORY)
        try:
            fd = opener(root, "a/b/file", os.O_RDONLY)
            assert os.read(fd, 9) == b"here"
            os.close(fd)
            os.close(opener(root, "", os.O_RDONLY | os.O_DIRECTORY))
            refused = {"out/root": errno.ELOOP, "a/b/link": errno.ELOOP, "a/../../x": errno.EXDEV}
            refused |= {"../x": errno.EXDEV, str(inside): errno.EXDEV, "a/none": errno.ENOENT}
            for path, number in refused.items():
                with pytest.raises(OSError, match=os.strerror(number)):
                    opener(root, path, os.O_RDONLY)
        finally:
            os.close(root)


class TestSpelling:
    def test_golden_vectors(self, repository: Path):
        """The kubelet's own functions, run on the same names."""
        with gzip.open(repository / "tests/data/vectors/cgroup_name.jsonl.gz", "rt") as lines:
            cases = [json.loads(line) for line in lines]
        assert len(cases) >= 10
        for case in cases:
            components, expect = case["input"]["components"], case["expect"]
            if "error" in expect:
                with pytest.raises(PlanError, match="invalid component"):
                    cgroup_name(components)
            else:
                name = cgroup_name(components)
                assert {"cgroupfs": to_cgroupfs(name), "systemd": to_systemd(name)} == expect

    @pytest.mark.parametrize("driver", ["cgroupfs", "systemd"])
    @given(NAMES)
    def test_a_layout_reads_back_its_own_paths(self, driver, name):
        """Path and name are each other's inverse, for names of Kubernetes."""
        layout = Layout(driver)
        assert layout.name(layout.path(name)) == name

    @given(NAMES, NAMES)
    def test_different_names_have_different_places(self, one, other):
        """No two cgroups of a plan share a directory."""
        for driver in ("cgroupfs", "systemd"):
            assert (Layout(driver).path(one) == Layout(driver).path(other)) == (one == other)

    def test_scopes_and_foreign_slices_are_no_cgroups_of_ours(self):
        """What systemd put there itself has no name of a Plan."""
        layout = Layout("systemd")
        for path in ("init.scope", "system.slice/cron.service", "a.slice/b.slice"):
            assert layout.name(path) is None

    @pytest.mark.parametrize("name", ["a/-b", "a/b--c", "a/b c", "a/" + "x" * 260])
    def test_what_systemd_takes_no_unit_of(self, name):
        """Said before systemd is asked; dashes become underscores, so only the rest is left."""
        layout = Layout("systemd")
        if set(name) <= set("ab-c/"):
            assert layout.name(layout.path(CgroupName(name))) == name
        else:
            with pytest.raises(PlanError, match="systemd takes"):
                layout.path(CgroupName(name))
