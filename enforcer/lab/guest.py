"""PID 1 of a guest: mounts what a Linux program expects, runs the job, powers off.

The guest's ``/`` is the host's. The job folder and the named directories are bind-mounted first and
stay writable; then ``/`` is made read only, so nothing that runs here can harm the host's files.

Run by the kernel as ``python -S -B -m enforcer.lab.guest JOB_FOLDER``; only the standard library.
"""

from __future__ import annotations

import os
import socket
import sys
import traceback
from pathlib import Path
from typing import Final

from enforcer.lab import guest_calls, guest_systemd
from enforcer.lab.job import MODULES_FOLDER, OUTPUT_FILE, Job, read_job, write_exit_code

CGROUP_MOUNT: Final = "/sys/fs/cgroup"
_NOT_FOUND: Final = 127  # a shell's exit code for a command that cannot be run


def main(folder: Path) -> None:
    """Do the job of ``folder``, leave its exit code there and end the guest."""
    try:
        job = mount_host(folder)
        for module in sorted((folder / MODULES_FOLDER).glob("*.ko")):
            guest_calls.load_module(module)
        guest_calls.loopback_up()
        if job.systemd:
            guest_systemd.become_systemd(folder)
        mount_rest()
        write_exit_code(folder, run(job, folder))
    except BaseException:  # noqa: BLE001 - PID 1 must not die without a word on the console
        traceback.print_exc()
    finally:
        guest_calls.power_off()


def mount_host(folder: Path) -> Job:
    """Kernel file systems, the writable directories, and the rest of ``/`` read only.

    Raises:
        OSError: a mount failed.
    """
    guest_calls.mount("proc", "/proc", "proc")
    guest_calls.mount("sysfs", "/sys", "sysfs")
    if not os.path.ismount("/dev"):
        guest_calls.mount("devtmpfs", "/dev", "devtmpfs")
    job = read_job(folder)
    for directory in (str(folder), *job.writable):
        guest_calls.mount(directory, directory, flags=guest_calls.MS_BIND)
    read_only = guest_calls.MS_REMOUNT | guest_calls.MS_BIND | guest_calls.MS_RDONLY
    guest_calls.mount("/", "/", flags=read_only)
    guest_calls.mount("tmpfs", "/run", "tmpfs", options="mode=755")
    for private in ("/run/tmp", "/run/home"):
        Path(private).mkdir()
    Path("/run/tmp").chmod(0o1777)
    socket.sethostname("qos-lab")
    return job


def mount_rest() -> None:
    """What systemd would mount: shared memory, terminals and the cgroup v2 tree.

    Raises:
        OSError: a mount failed.
    """
    for target, kind, options in (
        ("/dev/shm", "tmpfs", "mode=1777"),  # noqa: S108 - a mount point, not a file
        ("/dev/pts", "devpts", "ptmxmode=666"),
        (CGROUP_MOUNT, "cgroup2", ""),
    ):
        Path(target).mkdir(exist_ok=True)
        guest_calls.mount(kind, target, kind, options=options)


def run(job: Job, folder: Path) -> int:
    """Run the job's command to its end, reaping orphans meanwhile; its exit code."""
    command = os.fork()
    if command == 0:
        _become_command(job, folder)
    while True:
        pid, status = os.wait()
        if pid == command:
            return exit_code_of(status)


def exit_code_of(status: int) -> int:
    """A wait status as a shell's exit code: 128 + the signal's number for a killed one."""
    code = os.waitstatus_to_exitcode(status)
    return 128 - code if code < 0 else code


def _become_command(job: Job, folder: Path) -> None:
    try:
        output = os.open(folder / OUTPUT_FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.setsid()
        os.chdir(job.cwd)
        os.execvpe(job.argv[0], job.argv, job.env)  # noqa: S606 - no shell is wanted
    except OSError as error:
        os.write(2, f"{job.argv[0]}: {error.strerror}\n".encode())
    os._exit(_NOT_FOUND)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
