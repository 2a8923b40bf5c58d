"""The work a kernel started, leaf by leaf: put in place, begun, looked after, its end told once."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from enforcer import control
from enforcer.apply import Enforcer
from enforcer.cgroupfs import CgroupFS
from enforcer.load import AHEAD_SECONDS
from enforcer.work import Work
from qos.errors import CgroupError
from qos.model.cgroup import CgroupName
from qos.model.event import Event
from qos.model.sample import Completions

_HEAD_START_SECONDS: Final = 0.05
"""Between telling the processes and the moment they begin at, so that all of them know it in time."""

_DEATH_SECONDS: Final = 5.0
"""An end so soon after an OOM kill is the same death."""

_KILLED: Final = 137
UNKNOWN_EXIT_CODE: Final = 255
"""Of what another process started: only a parent learns the code (containerd says 255 then, too)."""


class Works:
    """What runs in the leaves of a plan, and what is known of its end.

    Args:
        fs: the tree.
        enforcer: whose lock tells whether somebody starts a container again just now.
        spell: a cgroup's path in the tree.
    """

    def __init__(self, fs: CgroupFS, enforcer: Enforcer, spell: Callable[[CgroupName], str]) -> None:
        self._fs = fs
        self._enforcer = enforcer
        self._spell = spell
        self._running: dict[CgroupName, tuple[Work, float]] = {}
        self._waiting: dict[CgroupName, Work] = {}
        self._ready: set[CgroupName] = set()
        self._ended: set[CgroupName] = set()
        self._oom_killed: dict[CgroupName, float] = {}
        self._done: list[tuple[CgroupName, NDArray[np.float64], NDArray[np.float64]]] = []

    def close(self, *, leave_running: bool) -> None:
        """Release all of it; killed unless it shall go on."""
        works = {**{name: work for name, (work, _) in self._running.items()}, **self._waiting}
        if not leave_running:
            control.kill_at_once(self._fs, [self._spell(name) for name in works])
        for name, work in works.items():
            if not leave_running:
                self._kill_quietly(name)
            work.close()
        self._running, self._waiting = {}, {}

    def hand_over(self) -> dict[CgroupName, Work]:
        """What runs, for another kernel to look after; it is not this one's any more."""
        running, self._running = self._running, {}
        return {cgroup: work for cgroup, (work, _) in running.items() if cgroup not in self._ended}

    def take_over(self, works: Mapping[CgroupName, Work]) -> None:
        """Look after what another kernel handed over; work of a cgroup that is not there is released."""
        for cgroup, work in works.items():
            self._running[cgroup] = (work, 0.0)

    def put(self, cgroup: CgroupName, make: Callable[[], Work]) -> None:
        """End what is in a leaf and put new work there, which waits for :meth:`begin`."""
        self.end(cgroup)
        self._ended.discard(cgroup)
        self._waiting[cgroup] = make()

    def wait_ready(self) -> None:
        """Wait until all that was put in place can begin.

        Raises:
            HostError: some of it does not get ready.
        """
        for cgroup, work in self._waiting.items():
            if cgroup not in self._ready:
                work.wait_ready()
                self._ready.add(cgroup)

    def begin(self, began: float | None, on_seconds: float = 0.0, ahead_seconds: float = 0.0) -> float:
        """Start what waits, all at one moment of the monotonic clock.

        Args:
            began: when time began; None: now.
            on_seconds: time begins at a multiple of this; 0: at once.
            ahead_seconds: so much time more is wanted before time begins.

        Returns:
            When time began.
        """
        self.wait_ready()
        waiting, self._waiting = self._waiting, {}
        self._ready.clear()
        at = time.monotonic() + (_HEAD_START_SECONDS if waiting else 0.0)
        if began is None:
            at += ahead_seconds
            began = at = math.ceil(at / on_seconds) * on_seconds if on_seconds > 0.0 else at
        for cgroup, work in waiting.items():
            work.go(at)
            self._running[cgroup] = (work, at - began)
        return began

    def look_after(self, now: float, look: Callable[[CgroupName], None]) -> Iterator[Event]:
        """Hand out work to come; the ends since the last look, each once.

        Args:
            now: seconds since time began.
            look: tells what the kernel counted in a leaf: an OOM kill is counted before its process is dead.
        """
        for cgroup, (work, started) in list(self._running.items()):
            work.feed_until(now - started + AHEAD_SECONDS)
            code = work.poll()
            if code is None or cgroup in self._ended:
                continue
            if code == _KILLED and not work.dies_whole and self._is_taken_over(cgroup):
                self._running.pop(cgroup)[0].close()
                yield Event(now, "restart", cgroup, "killed and started again by somebody else")
                look(cgroup)  # that it is populated, so that its end is a change
                if not self.is_populated(cgroup):
                    yield from self._end_of(cgroup, now, UNKNOWN_EXIT_CODE, "ended at once")
                continue
            look(cgroup)
            yield from self._end_of(cgroup, now, code, work.words())

    def emptied(self, cgroup: CgroupName, now: float) -> Iterator[Event]:
        """The last process of a leaf is gone; told here where the work is not this kernel's."""
        if cgroup not in self._running:
            yield from self._end_of(cgroup, now, UNKNOWN_EXIT_CODE, "ended; only who started it knows how")

    def filled(self, cgroup: CgroupName) -> None:
        """There is a first process in a leaf: it may end again."""
        if cgroup not in self._running:
            self._ended.discard(cgroup)

    def oom_killed(self, cgroup: CgroupName, now: float, *, group: bool) -> None:
        """An OOM kill in a leaf was told; ``group`` ends all of it, and then its end is the same death."""
        work = self._running.get(cgroup)
        if group or work is None or work[0].dies_whole:
            self._oom_killed[cgroup] = now

    def terminate(self, cgroups: Iterable[CgroupName]) -> None:
        """Ask what runs in leaves to end by itself: SIGTERM, to all processes where it is not ours."""
        for cgroup in cgroups:
            if cgroup in self._running:
                self._running[cgroup][0].terminate()
            else:
                control.terminate(self._fs, self._spell(cgroup))

    def forget_ends(self, cgroups: Iterable[CgroupName]) -> None:
        """The ends of these are our own doing and are not told."""
        self._ended.update(cgroups)

    def end(self, cgroup: CgroupName) -> None:
        """Kill and forget what runs in a leaf, its results kept."""
        self._kill_quietly(cgroup)
        self._ready.discard(cgroup)
        waiting = self._waiting.pop(cgroup, None)
        if waiting is not None:
            waiting.close()
        if cgroup in self._running:
            self._collect(cgroup)
            self._running.pop(cgroup)[0].close()

    def completions(self) -> Completions:
        """The requests and jobs completed since the last call."""
        for cgroup in self._running:
            self._collect(cgroup)
        done, self._done = self._done, []
        names = tuple(dict.fromkeys(name for name, _, _ in done))
        if not names:
            return Completions()
        index = {name: np.int32(number) for number, name in enumerate(names)}
        return Completions(
            names,
            np.concatenate([np.full(len(arrivals), index[name]) for name, arrivals, _ in done]),
            np.concatenate([arrivals for _, arrivals, _ in done]),
            np.concatenate([latencies for _, _, latencies in done]),
        )

    def is_populated(self, cgroup: CgroupName) -> bool:
        """Whether anything runs in a cgroup or below; False where it is gone.

        Raises:
            CgroupError: not permitted.
        """
        path = self._spell(cgroup)
        try:
            return self._fs.is_populated(path)
        except CgroupError:
            if self._fs.exists(path):
                raise
            return False

    def _is_taken_over(self, cgroup: CgroupName) -> bool:
        """`qos restart` holds the lock from its kill to its start: after it, the leaf says who runs."""
        with self._enforcer.alone():
            return self.is_populated(cgroup)

    def _end_of(self, cgroup: CgroupName, now: float, exit_code: int, words: str) -> Iterator[Event]:
        """An end that was not told already, as an OOM kill or our own kill."""
        if cgroup in self._ended:
            return
        self._ended.add(cgroup)
        if now - self._oom_killed.get(cgroup, -math.inf) < _DEATH_SECONDS:
            return
        reason = "its work is done" if exit_code == 0 else f"ended with exit code {exit_code}"
        yield Event(now, "exit", cgroup, words or reason, exit_code)

    def _collect(self, cgroup: CgroupName) -> None:
        work, started = self._running[cgroup]
        arrivals, latencies = work.results()
        if len(arrivals):
            self._done.append((cgroup, arrivals + started, latencies))

    def _kill_quietly(self, cgroup: CgroupName) -> None:
        if self.is_populated(cgroup):
            control.kill(self._fs, self._spell(cgroup))
