"""systemd as PID 1 of a guest: one tiny target, D-Bus, and the job as a service of it.

Everything a real boot would start is left out: generators are masked, the target wants nothing but
the job. The service has ``Delegate=yes`` and ends the guest on success and failure alike.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from enforcer.lab import guest_calls
from enforcer.lab.job import OUTPUT_FILE, read_job, write_exit_code

SYSTEMD: Final = "/lib/systemd/systemd"
DBUS_DAEMON: Final = "/usr/bin/dbus-daemon"
_UNITS: Final = Path("/run/systemd/system")
_GENERATORS: Final = ("/lib/systemd/system-generators", "/etc/systemd/system-generators")
_STATE: Final = ("/var/lib/systemd", "/var/log")

_TARGET: Final = "[Unit]\nDefaultDependencies=no\nRequires=dbus.socket qos-lab.service\n"
_BUS_SOCKET: Final = "[Unit]\nDefaultDependencies=no\n[Socket]\nListenStream=/run/dbus/system_bus_socket\n"
_BUS: Final = (
    "[Unit]\nDefaultDependencies=no\nRequires=dbus.socket\n"
    "[Service]\nType=notify\nNotifyAccess=main\n"
    f"ExecStart={DBUS_DAEMON} --system --address=systemd: --nofork --nopidfile --systemd-activation "
    "--syslog-only\n"
)
_SERVICE: Final = (
    "[Unit]\nDefaultDependencies=no\nRequires=dbus.socket\nAfter=dbus.socket\n"
    "SuccessAction=poweroff-force\nFailureAction=poweroff-force\n"
    "[Service]\nType=oneshot\nTimeoutStartSec=infinity\nTasksMax=infinity\nDelegate=yes\n"
    "Environment=PYTHONPATH={pythonpath}\n"
    "ExecStart={python} -S -B -m enforcer.lab.guest_systemd {folder}\n"
)


def become_systemd(folder: Path) -> None:
    """Write the units and exec systemd; does not return.

    ``container=`` (empty) in its environment keeps it from taking a host that looks like a container
    for one.

    Raises:
        OSError: systemd is not there, or a file cannot be written.
    """
    _UNITS.mkdir(parents=True)
    masked = Path("/run/systemd/system-generators")
    masked.mkdir()
    for generators in map(Path, _GENERATORS):
        for generator in generators.iterdir() if generators.is_dir() else ():
            (masked / generator.name).symlink_to(os.devnull)
    for state in _STATE:
        if Path(state).is_dir():
            guest_calls.mount("tmpfs", state, "tmpfs")
    service = _SERVICE.format(pythonpath=os.environ["PYTHONPATH"], python=sys.executable, folder=folder)
    for name, text in (
        ("qos-lab.target", _TARGET),
        ("dbus.socket", _BUS_SOCKET),
        ("dbus.service", _BUS),
        ("qos-lab.service", service),
    ):
        (_UNITS / name).write_text(text)
    environment = {"container": "", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    os.execve(SYSTEMD, ["systemd", "--unit=qos-lab.target", "--show-status=0"], environment)  # noqa: S606


def run_as_service(folder: Path) -> None:
    """Run the job's command from inside its service and leave the exit code."""
    job = read_job(folder)
    with (folder / OUTPUT_FILE).open("ab") as output:
        try:
            exit_code = subprocess.call(
                job.argv, cwd=job.cwd, env=job.env, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        except OSError as error:
            output.write(f"{job.argv[0]}: {error.strerror}\n".encode())
            exit_code = 127
    write_exit_code(folder, 128 - exit_code if exit_code < 0 else exit_code)
    os.sync()


if __name__ == "__main__":
    run_as_service(Path(sys.argv[1]))
