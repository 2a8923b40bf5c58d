"""A container's command as the work of a leaf cgroup: started, ended and started again by a HostKernel."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Final

from enforcer.cgroupfs import CgroupFS
from enforcer.launch import Child, Command, launch
from enforcer.logs import open_log
from enforcer.security import credentials
from qos.errors import HostError
from qos.model.pod import Container, Pod

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

START_ERROR: Final = 128
"""Exit code of a container whose command could not be started (containerd's and the kubelet's StartError)."""


def command_of(pod: Pod, container: Container, oom_score_adj: int | None = None) -> Command | None:
    """What a container runs; None where it leaves that to its image, which qos does not have.

    ``command`` then ``args``; ``$(NAME)`` is replaced by a variable of ``env``, ``$$`` is a dollar sign, as
    core/v1 has it. Variables beside PATH and ``env`` are not handed on.

    Raises:
        InputError: its securityContext cannot be obeyed.
    """
    argv = (*(container.command or ()), *(container.args or ()))
    if not container.command:
        return None
    env = {"PATH": os.environ.get("PATH", os.defpath), "HOSTNAME": pod.name}
    for variable in container.env or ():
        env[variable.name] = expand(variable.value or "", env)
    return Command(
        tuple(expand(word, env) for word in argv),
        env=env,
        working_dir=container.working_dir,
        who=credentials(pod.spec.security_context, container.security_context),
        hostname=pod.name,
        oom_score_adj=oom_score_adj,
    )


def expand(text: str, env: dict[str, str]) -> str:
    """``$(NAME)`` by its value, an unknown one left as it is; ``$$(NAME)`` stays ``$(NAME)``.

    >>> expand("http://$(HOST):$(PORT) $$(HOST)", {"HOST": "a"})
    'http://a:$(PORT) $(HOST)'

    Source: k8s.io/kubernetes third_party/forked/golang/expansion.
    """
    parts, rest = [], text
    while (at := rest.find("$")) >= 0:
        parts.append(rest[:at])
        rest = rest[at:]
        end = rest.find(")")
        if rest.startswith("$$"):
            parts.append("$")
            rest = rest[2:]
        elif rest.startswith("$(") and end > 0:
            name = rest[2:end]
            parts.append(env.get(name, f"$({name})"))
            rest = rest[end + 1 :]
        else:
            parts.append("$")
            rest = rest[1:]
    return "".join(parts) + rest


class CommandWork:
    """A command in its cgroup, as :class:`enforcer.work.Work`: it starts with ``go``.

    Args:
        fs: the tree.
        cgroup: a leaf of it.
        command: what runs.
        pod: ``namespace/name``, for its log.
        container: for its log.
        logs: directory of the logs; None: output goes where the launcher's goes.
        number: of this start, for its log.
        alone: the lock under which it is started, so that nobody kills or starts it at the same moment.
    """

    dies_whole: bool = False

    def __init__(
        self,
        fs: CgroupFS,
        cgroup: str,
        command: Command,
        *,
        pod: str,
        container: str,
        logs: Path | None = None,
        number: int = 0,
        alone: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._alone = alone
        self._fs = fs
        self._cgroup = cgroup
        self._command = command
        self._log = (pod, container, number)
        self._logs = logs
        self.child: Child | None = None
        self._failure = ""

    def wait_ready(self, timeout_seconds: float = 60.0) -> None:
        """Nothing to wait for: it starts when told."""

    def go(self, start: float | None = None) -> None:
        """Start the command; one that cannot be started has ended with :data:`START_ERROR`."""
        del start
        try:
            self.child = self._launched()
        except HostError as error:
            self._failure = str(error)

    def _launched(self) -> Child:
        if self._logs is None:
            with self._alone():
                return launch(self._fs, self._cgroup, self._command)
        pod, container, number = self._log
        with open_log(self._logs, pod, container, number) as log, self._alone():
            return launch(self._fs, self._cgroup, self._command, stdout=log, stderr=log)

    def feed_until(self, seconds: float) -> None:
        """Nothing: a command has its own work."""

    def results(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Nothing is known of a command's requests: two empty arrays."""
        import numpy as np  # noqa: PLC0415 — of this module's users only a kernel needs arrays

        return np.empty(0), np.empty(0)

    def poll(self) -> int | None:
        """Exit code, None while it runs or was not started."""
        if self._failure:
            return START_ERROR
        return self.child.poll() if self.child else None

    def terminate(self) -> None:
        """SIGTERM to its first process: as PID 1 it gets it only if it handles it (pid_namespaces(7))."""
        if self.child:
            self.child.send(signal.SIGTERM)

    def words(self) -> str:
        """Why it could not be started; empty if it was."""
        return self._failure

    def close(self) -> None:
        """Release its descriptor; it goes on."""
        if self.child:
            self.child.close()
