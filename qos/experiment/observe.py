"""`qos record` and `qos top`: what the real kernel says of pods, as the same Samples the simulator gives."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import metadata
from typing import TYPE_CHECKING, Any, Final

from qos.experiment.pods_here import Here
from qos.model.cgroup import ROOT, CgroupName, CgroupSpec
from qos.model.plan import Plan
from qos.model.sample import Completions, Recording, Samples

if TYPE_CHECKING:
    from enforcer.cgroupfs import CgroupFS
    from qos.model.event import Event
    from qos.model.node import Node

Stop = Callable[[], bool]
_STOP_SECONDS: Final = 0.25
_LIBRARIES: Final = ("qos", "numpy", "pyarrow")


class Recorder:
    """Takes readings of a set of cgroups at an interval, and at once when the kernel announces something.

    Args:
        fs: the tree.
        here: what to record.
        interval_seconds: between two readings.
    """

    def __init__(self, fs: CgroupFS, here: Here, interval_seconds: float) -> None:
        from enforcer.announce import Announcer
        from enforcer.observe import Sampler, Watch

        self._here = here
        self._interval = interval_seconds
        self._began = time.monotonic()
        self._started = datetime.now(UTC)
        self._sampler = Sampler(fs, here.paths, clock=lambda: time.monotonic() - self._began)
        below = {name: path for name, path in here.paths.items() if name != ROOT}
        self._watch = Watch(fs, below)
        self._announcer = Announcer(fs, below)
        self._plan = _plan_of(here)
        self._events: list[Event] = []
        self._last: Samples | None = None

    def close(self) -> None:
        """Release all descriptors."""
        self._sampler.close()
        self._watch.close()

    @property
    def now_seconds(self) -> float:
        """Seconds since this recorder was made."""
        return time.monotonic() - self._began

    @property
    def unreadable(self) -> Mapping[str, str]:
        """Files that are not of the known format, and why."""
        return self._sampler.unreadable

    def run(self, stop: Stop, for_seconds: float | None = None) -> None:
        """Record until told to stop, or for a time; a reading is taken at its beginning and at its end.

        Args:
            stop: asked at least four times a second.
            for_seconds: from the first reading on; None: until ``stop``.

        Raises:
            CgroupError: not permitted.
        """
        due = self._sampler.sample() + self._interval
        end = None if for_seconds is None else due - self._interval + for_seconds
        while not stop():
            now = self.now_seconds
            if end is not None and now >= end:
                break
            if now >= due:
                self._sampler.sample()
                due = max(due + self._interval, now)
            wait = (due if end is None else min(due, end)) - self.now_seconds
            self._look(min(wait, _STOP_SECONDS))
        self._sampler.sample()

    def _look(self, seconds: float) -> None:
        happened = self._watch.wait(seconds)
        if not happened:
            return
        now = self._sampler.sample()  # at once: the cgroup may be removed right after
        for happening in happened:
            event = self._announcer.of(happening, now, self._plan)
            if event is not None:
                self._events.append(event)

    def window(self) -> Samples:
        """The readings since the last call of this or :meth:`recording`, and the last one before them."""
        samples = self._sampler.take()
        window = samples if self._last is None else Samples.concat([self._last, samples])
        newest = {name: column[-1:] for name, column in samples.columns.items()}
        self._last = Samples(samples.times[-1:], samples.cgroups, newest, samples.source)
        return window

    def recording(self, node: Node, command: str) -> Recording:
        """All that was read, as a recording of the policy ``host``."""
        samples = self._sampler.take()
        events = [*self._events, *self._announcer.throttling(samples, self._plan)]
        capacity = node.status.capacity
        meta = {
            "description": f"recorded on {node.name}",
            "started": self._started.isoformat(),
            "duration_seconds": float(samples.times[-1]),
            "command": command,
            "kernel": os.uname().release,
            "versions": {name: metadata.version(name) for name in _LIBRARIES}
            | {"python": platform.python_version()},
            "node": {
                "name": node.name,
                "cpus": capacity["cpu"].nano / 1e9,
                "memory_bytes": capacity["memory"].value(),
            },
        }
        return Recording(
            policy="host",
            meta=meta,
            pods=self._here.pods,
            files=self._here.files,
            samples=samples,
            events=tuple(sorted(events, key=lambda event: event.time)),
            completions=Completions(),
        )


@contextmanager
def recorder(fs: CgroupFS, here: Here, interval_seconds: float) -> Iterator[Recorder]:
    """A recorder that is closed in the end."""
    one = Recorder(fs, here, interval_seconds)
    try:
        yield one
    finally:
        one.close()


def _plan_of(here: Here) -> Plan:
    specs: dict[CgroupName, CgroupSpec] = {
        name: CgroupSpec.from_files(here.files.get(name, {})) for name in here.paths if name != ROOT
    }
    return Plan.of(specs)


def pod_label(record: Mapping[str, Any]) -> str:
    """How a container is called on screen: ``web``, ``web:app`` where the names differ, with its namespace.

    >>> pod_label({"namespace": "default", "pod": "web", "container": "app"})
    'web:app'
    """
    name = str(record["pod"])
    if record["namespace"] not in ("", "default"):
        name = f"{record['namespace']}/{name}"
    return name if record["container"] in ("", record["pod"]) else f"{name}:{record['container']}"
