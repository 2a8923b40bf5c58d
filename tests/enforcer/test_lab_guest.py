"""A guest of lane 1 does what the lab promises; skipped where User Mode Linux cannot be had."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from enforcer.lab.errors import LabError
from enforcer.lab.kernel import uml_kernel
from enforcer.lab.launcher import NOT_STARTED, TIMED_OUT, run_in_guest

BUSY = 180.0  # seconds; generous, since the machine may be


@pytest.fixture(scope="module", autouse=True)
def _kernel() -> None:
    try:
        uml_kernel()
    except LabError as error:
        pytest.skip(f"no guest on this machine: {error}")


def sh(script: str, **options):
    """Run a shell script in a guest."""
    return run_in_guest(["sh", "-c", script], timeout_seconds=BUSY, **options)


def test_output_exit_code_and_controllers_come_back():
    """A real cgroup v2 kernel with its controllers, whatever the host has."""
    seen: list[bytes] = []
    result = sh("cat /sys/fs/cgroup/cgroup.controllers; echo to stderr >&2; exit 3", on_output=seen.append)
    assert result.exit_code == 3
    assert {"cpu", "io", "memory", "pids"} <= set(result.output.splitlines()[0].split())
    assert result.output.splitlines()[1] == "to stderr"
    assert b"".join(seen).decode() == result.output


def test_the_host_cannot_be_harmed_but_where_it_is_allowed(tmp_path: Path):
    """Everything is read only for root inside, except the named folder, $TMPDIR and $HOME."""
    (tmp_path / "open").mkdir()
    (tmp_path / "closed").write_text("as it was")
    result = sh(
        f"echo x > {tmp_path}/closed; rm -f {tmp_path}/closed; touch /etc/qos-was-here;"
        f"echo y > {tmp_path}/open/file && touch $TMPDIR/a $HOME/b && echo written",
        writable=[tmp_path / "open"],
    )
    assert result.output.splitlines()[-1] == "written"
    assert (tmp_path / "closed").read_text() == "as it was"
    assert (tmp_path / "open" / "file").read_text() == "y\n"
    assert not Path("/etc/qos-was-here").exists()


def test_modules_disk_and_loopback_are_there():
    """What a job asks for is ready before its command runs."""
    result = sh(
        "grep -c '^sch_tbf\\|^veth' /proc/modules; stat -c %F $QOS_LAB_DISK; cat /sys/class/net/lo/operstate",
        modules=["veth", "sch-tbf"],
        disk_mib=8,
    )
    assert result.output.splitlines() == ["2", "block special file", "unknown"]


def test_a_killed_command_and_one_that_is_not_there():
    """Exit codes are a shell's."""
    assert sh("kill -9 $$").exit_code == 137
    missing = run_in_guest(["/no/such/command"], timeout_seconds=BUSY)
    assert missing.exit_code == 127
    assert "No such file" in missing.output


def test_orphans_do_not_end_the_guest():
    """PID 1 reaps what is left to it and waits for the command itself."""
    result = sh("(sleep 0.1 &) ; (true &) ; sleep 0.5; echo end")
    assert (result.exit_code, result.output) == (0, "end\n")


def test_when_the_time_is_up_the_guest_is_ended():
    """124, as timeout(1); what was printed before is kept, and no process is left."""
    result = run_in_guest(["sh", "-c", "echo begun; exec sleep 600"], timeout_seconds=8.0)
    assert result.exit_code == TIMED_OUT
    assert result.output == "begun\n"


ROOTLESS = """
unset QOS_LAB_GUEST
cd /sys/fs/cgroup && mkdir -p user/own && chown -R nobody user/own
echo "+cpu +memory +pids" > cgroup.subtree_control
echo "+cpu +memory +pids" > user/cgroup.subtree_control
echo $$ > user/own/cgroup.procs
chmod 777 $HOME && cd "$1"
exec setpriv --reuid=65534 --regid=65534 --clear-groups \
    --inh-caps=+dac_read_search --ambient-caps=+dac_read_search \
    "$2" -m enforcer.lab.suite --kernel host -- tests/kernel/test_cgroup_door.py
"""


def test_without_root_a_delegated_cgroup_is_enough(repository: Path):
    """`--kernel host` as nobody, below a cgroup that is chowned to it; what is not delegated is skipped.

    The one capability kept is for reading: this machine's Python may lie where nobody cannot look.
    """
    script = ["sh", "-c", ROOTLESS, "sh", str(repository), sys.executable]
    result = run_in_guest(script, timeout_seconds=BUSY)
    assert result.exit_code == 0, result.output
    assert " passed" in result.output


def test_a_guest_that_does_not_start_is_told_apart():
    """Too little memory to boot: 125 and the kernel's last words, never an exit code of a command."""
    result = run_in_guest(["true"], memory_mib=4, timeout_seconds=BUSY)
    assert result.exit_code == NOT_STARTED
    assert result.console
