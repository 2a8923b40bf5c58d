"""The measuring of `qos validate` in a guest of the kernel lab: all repeats in one boot."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from qos.errors import HostError
from qos.experiment.laboratory import check_features, guest_size, guest_words
from qos.experiment.measure import measure
from qos.experiment.simulate import load
from qos.model.sample import Recording
from qos.record.plain import from_plain, to_plain
from qos.scenario.scenario import Scenario

if TYPE_CHECKING:
    from enforcer.lab.launcher import GuestResult

_MARK: Final = b"recording "
_QOS: Final = "from qos.cli.app import main; main()"
_BOOT_SECONDS: Final = {"uml": 60.0, "built": 60.0, "qemu": 240.0}
_SLOWER: Final = {"uml": 4.0, "built": 4.0, "qemu": 20.0}
"""Preparing a run in a guest takes up to so many times its length, plus the boot."""


@dataclass(frozen=True, slots=True)
class Task:
    """What is measured.

    Attributes:
        path: the scenario's file.
        scenario: what it holds.
        lane: of the kernel lab.
        policy: whose plan is enforced.
        seed: of arrivals and costs.
        repeat: how often.
        timeout_seconds: after which the guest is ended; None: what boot and runs may take, generously.
    """

    path: str
    scenario: Scenario
    lane: str
    policy: str
    seed: int
    repeat: int
    timeout_seconds: float | None = None

    @property
    def limit_seconds(self) -> float:
        """When the guest is ended, done or not."""
        if self.timeout_seconds is not None:
            return self.timeout_seconds
        return _BOOT_SECONDS[self.lane] + self.repeat * self.scenario.duration_seconds * _SLOWER[self.lane]


def measure_here(path: str, *, policy: str | None, seed: int | None, repeat: int) -> Iterator[str]:
    """What runs inside the guest: the repeats, each as one line of text.

    Raises:
        InputError: as :func:`qos.experiment.validate.validate`.
        HostError: this machine cannot do it.
    """
    scenario = load(path)
    name = policy or scenario.policies[0]
    used_seed = scenario.seed if seed is None else seed
    check_features(scenario, name)
    for recording in measure(scenario, policy=name, seed=used_seed, repeat=repeat):
        yield _MARK.decode() + json.dumps(to_plain(recording))


def measure_in_guest(task: Task, say: Callable[[str], None]) -> tuple[Recording, ...]:
    """Boot a guest that is the scenario's node, and measure there.

    Args:
        task: what.
        say: told of each run that is done.

    Raises:
        InputError: the lane has no such guest.
        HostError: the guest did not start, was not done in time, or the measurement failed there.
    """
    from enforcer.lab.launcher import run_in_guest

    cpus, memory_mib = guest_size(task.scenario, task.lane)
    words = [sys.executable, "-c", _QOS, "validate", str(Path(task.path).resolve()), "--measure-only"]
    words += ["--policy", task.policy, "--seed", str(task.seed), "--repeat", str(task.repeat)]
    told = Told(task.repeat, say)
    result = run_in_guest(
        words,
        lane=task.lane,
        timeout_seconds=task.limit_seconds,
        cpus=cpus,
        memory_mib=memory_mib,
        on_output=told.hear,
        **guest_words(task.scenario),
    )
    told.end()
    if result.exit_code != 0:
        raise HostError(failure(task, result, told))
    return tuple(from_plain(json.loads(line)) for line in told.runs)


@dataclass(slots=True)
class Told:
    """What the guest has printed: recordings, and words beside them."""

    repeat: int
    say: Callable[[str], None]
    began: float = field(default_factory=time.monotonic)
    runs: list[bytes] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    _rest: bytes = b""

    def hear(self, output: bytes) -> None:
        """Take what was printed since the last time, in whole lines."""
        *lines, self._rest = (self._rest + output).split(b"\n")
        for line in lines:
            _, mark, recording = line.partition(_MARK)
            if mark:
                self.runs.append(recording)
                seconds = time.monotonic() - self.began
                self.say(
                    f"run {len(self.runs)} of {self.repeat} is measured, {seconds:.0f} s after the start"
                )
            elif line.strip():
                self.words.append(line.decode(errors="replace").strip())

    def end(self) -> None:
        """The guest is gone; a last line may lack its end, a recording then is none."""
        if self._rest.strip() and _MARK not in self._rest:
            self.words.append(self._rest.decode(errors="replace").strip())


def failure(task: Task, result: GuestResult, told: Told) -> str:
    """One line: what failed, why as far as is known, and what to do."""
    from enforcer.lab.launcher import NOT_STARTED, TIMED_OUT

    start = f"{task.path}: the measurement on {task.lane} failed"
    if result.exit_code == TIMED_OUT:
        return f"{start}: {_too_slow(task, told)}"
    if result.exit_code == NOT_STARTED:
        last = (result.console.splitlines() or ["it said nothing"])[-1]
        return f"{start}: the guest ended before the measurement did; its console's last line: {last}"
    last = told.words[-1] if told.words else "it said nothing"
    return f"{start}: exit code {result.exit_code}: {last.removeprefix('qos: ')}"


def _too_slow(task: Task, told: Told) -> str:
    wanted = task.repeat * task.scenario.duration_seconds
    why = "it had too little CPU (see this machine's load), or used up its memory and stood still"
    if task.limit_seconds < wanted:
        why = f"boot and {wanted:g} s of runs take longer"
    remedy = "try a larger --timeout" + (", or a smaller --repeat" if task.repeat > 1 else "")
    return (
        f"the guest was ended after {task.limit_seconds:.0f} s, with {len(told.runs)} of {task.repeat} runs "
        f"of {task.scenario.duration_seconds:g} s measured: {why}; {remedy}"
        + (f"; it said: {told.words[-1]}" if told.words else "")
    )
