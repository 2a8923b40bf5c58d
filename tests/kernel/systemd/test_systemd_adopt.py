"""A service of systemd adopted by its unit's name, and given back; systemd keeps taking it for running."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from enforcer.cgroupfs import CgroupFS
from qos.experiment.adopt import adopt
from qos.experiment.enforce import Choice, Host
from qos.experiment.run import Wish

UNIT = "qos-test-adopt.service"


def _is_active() -> str:
    asked = subprocess.run(["systemctl", "is-active", UNIT], capture_output=True, text=True, check=False)
    return asked.stdout.strip()


@pytest.fixture
def unit() -> Iterator[str]:
    """A transient service that sleeps."""
    subprocess.run(["systemd-run", f"--unit={UNIT}", "sleep", "1000"], check=True)
    yield UNIT
    subprocess.run(["systemctl", "stop", UNIT], check=False)


def test_a_unit_is_adopted_and_given_back(unit: str, fs: CgroupFS, tmp_path: Path) -> None:
    """All its processes move; systemd, reloaded, calls it active before, meanwhile and after."""
    with Host(fs.root, tmp_path / "state") as host:
        (cgroup,) = (one for one in CgroupFS().walk() if one.endswith(f"/{unit}"))
        before = CgroupFS().procs(cgroup)
        done = adopt(host, "unit", unit, into=None, wish=Wish((), name="old", limits={"memory": "64Mi"}))
        assert {one.pid for one in done.processes} == set(before)
        assert host.fs.procs(done.cgroup) == before
        subprocess.run(["systemctl", "daemon-reload"], check=True)
        assert host.fs.procs(done.cgroup) == before
        assert _is_active() == "active"
        host.delete(Choice(["old"]))
        assert CgroupFS().procs(cgroup) == before
        assert _is_active() == "active"
