"""What a guest is to run, as a JSON file in the job folder that host and guest both see.

Only the standard library: this is imported by PID 1 of the guest before anything else is there.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

JOB_FILE: Final = "job.json"
OUTPUT_FILE: Final = "output"
EXIT_CODE_FILE: Final = "exit_code"
MODULES_FOLDER: Final = "modules"


@dataclass(frozen=True, slots=True)
class Job:
    """One command and what it may see.

    Attributes:
        argv: the command; the first word is a path or is found on PATH inside.
        cwd: its working directory.
        env: its whole environment.
        writable: directories of the host that stay writable; all else is read only.
        systemd: systemd is PID 1 and the command a service of it, with ``Delegate=yes``.
    """

    argv: tuple[str, ...]
    cwd: str
    env: dict[str, str]
    writable: tuple[str, ...]
    systemd: bool


def write_job(folder: Path, job: Job) -> None:
    """Leave the job in its folder for the guest."""
    (folder / JOB_FILE).write_text(json.dumps(asdict(job)))


def read_job(folder: Path) -> Job:
    """The job of :func:`write_job`."""
    data = json.loads((folder / JOB_FILE).read_text())
    return Job(**data | {"argv": tuple(data["argv"]), "writable": tuple(data["writable"])})


def write_exit_code(folder: Path, exit_code: int) -> None:
    """Leave the exit code for the host, all of it or nothing."""
    unfinished = folder / f"{EXIT_CODE_FILE}.new"
    unfinished.write_text(str(exit_code))
    unfinished.rename(folder / EXIT_CODE_FILE)


def read_exit_code(folder: Path) -> int | None:
    """The exit code of :func:`write_exit_code`; None where the guest did not get so far."""
    try:
        return int((folder / EXIT_CODE_FILE).read_text())
    except FileNotFoundError:
        return None
