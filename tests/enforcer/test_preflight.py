"""What a host lacks is told all at once, each with its remedy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from enforcer.preflight import Check, parse_mountinfo, preflight, require
from enforcer.procfs import ProcFS
from qos.errors import PreflightError


def by_name(checks) -> dict[str, Check]:
    """The checks by what they looked at."""
    return {check.name: check for check in checks}


class TestWithoutCgroupV2:
    def test_the_hierarchy_is_missing_and_the_rest_still_told(self, tmp_path: Path):
        """A plain folder in place of the mount: one missing, and what does not depend on it is looked at."""
        checks = by_name(preflight(tmp_path))
        assert checks["cgroup v2"].grade == "missing"
        assert "qos lab" in checks["cgroup v2"].remedy
        assert {"kernel", "open files", "systemd", "network"} <= set(checks)
        assert "delegation" not in checks

    def test_a_hybrid_host_is_recognised_by_its_mounts(self, tmp_path: Path):
        """The v1 mounts that hold the controllers are named, and the boot option that frees them."""
        own = tmp_path / "proc" / str(os.getpid())
        own.mkdir(parents=True)
        (own / "mountinfo").write_text(
            "30 25 0:26 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
            "31 25 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
        )
        check = by_name(preflight(tmp_path, ProcFS(tmp_path / "proc")))["cgroup v2"]
        assert "cgroup v1 holds memory" in check.found
        assert "/sys/fs/cgroup/unified" in check.found
        assert "systemd.unified_cgroup_hierarchy=1" in check.remedy


class TestRequire:
    def test_all_that_is_missing_is_in_one_error(self):
        """Limits alone do not stop; everything missing is said in one go."""
        fine = Check("kernel", "ok", "Linux 6.12")
        limited = Check("pressure", "limited", "no files", "boot with psi=1")
        require([fine, limited])
        missing = [Check(name, "missing", "not there", f"get {name}") for name in ("a", "b")]
        with pytest.raises(PreflightError, match=r"a: not there; get a; b: not there; get b") as caught:
            require([fine, limited, *missing])
        assert len(caught.value.lacks) == 2
        assert caught.value.exit_code == 2


class TestMountinfo:
    def test_optional_fields_and_odd_lines(self):
        """Any number of optional fields stands before the dash; lines of another form are passed over."""
        text = (
            "29 22 0:25 / /sys/fs/cgroup rw shared:9 master:2 - cgroup2 cgroup2 rw,nsdelegate\n"
            "30 22 0:26 / /mnt rw - ext4 /dev/sda1 rw\n"
            "\n"
            "nonsense\n"
        )
        assert [(mount.target, mount.kind) for mount in parse_mountinfo(text)] == [
            ("/sys/fs/cgroup", "cgroup2"),
            ("/mnt", "ext4"),
        ]


def test_doctor_prints_what_preflight_found():
    """`qos doctor -o json` is the checks; exit code 2 exactly when something is missing."""
    program = "import typer; from qos.cli.lab import doctor; typer.run(doctor)"
    done = subprocess.run(
        [sys.executable, "-c", program, "-o", "json"], capture_output=True, text=True, check=False
    )
    told = json.loads(done.stdout)
    assert [check["name"] for check in told] == [check.name for check in preflight()]
    assert done.returncode == (2 if any(check["grade"] == "missing" for check in told) else 0)
