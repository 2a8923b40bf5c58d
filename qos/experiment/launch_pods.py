"""The containers of applied pods, launched into their cgroups: a pod's share net, uts and ipc."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from qos.agent.restart import OOM_EXIT_CODE, restarts
from qos.errors import HostError
from qos.experiment.bandwidth import bandwidth_of, require_root_for
from qos.experiment.link import keep_link
from qos.experiment.status import ContainerStatus, ended, keep, statuses

if TYPE_CHECKING:
    from enforcer.command import CommandWork
    from enforcer.launch import Child, Command
    from enforcer.sandbox import Sandbox
    from qos.experiment.desired import Desired
    from qos.experiment.enforce import Host
    from qos.model.cgroup import CgroupName
    from qos.model.event import Event
    from qos.model.workload import Workload
    from qos.policy.base import ContainerDetails, PodDetails

_OOM_KINDS: Final = ("oom_kill", "global_oom_kill")
_SHARED: Final = frozenset({"net", "uts", "ipc"})


def launch_pods(host: Host, wanted: Desired, logs: Path) -> dict[str, int]:
    """Start every container that has a command and whose cgroup is empty; init containers are left out.

    A pod that does not use the host's network gets a network of its own, held to its bandwidth annotations.

    Args:
        host: this machine, the plan of ``wanted`` in force.
        wanted: the pods.
        logs: directory where their output is kept.

    Returns:
        ``namespace/pod:container`` → process id of what was started.

    Raises:
        InputError: a securityContext or bandwidth that cannot be obeyed.
        HostError: a command cannot be started; those before it run.
    """
    started: dict[str, int] = {}
    with Containers(host, wanted, logs) as containers:
        for cgroup in containers.due():
            with containers.launch(cgroup) as child:
                started[containers.key(cgroup)] = child.pid
    return started


def without_root(wanted: Desired) -> list[str]:
    """In words, what this user's containers do not get that root's would."""
    from enforcer.rootless import reachable

    words = []
    for pod in wanted.details.pods:
        for container in pod.containers:
            asked = container.oom_score_adj.value
            if (given := reachable(asked)) != asked:
                words.append(
                    f"pod/{_pod_key(pod)}:{container.container.name} gets oom_score_adj {given} instead of "
                    f"{asked}: only root may lower it"
                )
    return words


class Containers:
    """The containers with a command of some pods, and their pods' namespaces while they are needed here.

    Args:
        host: this machine, the plan of ``wanted`` in force.
        wanted: the pods.
        logs: directory where their output is kept.

    Raises:
        InputError: a securityContext or bandwidth that cannot be obeyed.
    """

    def __init__(self, host: Host, wanted: Desired, logs: Path) -> None:
        from enforcer.command import command_of
        from enforcer.rootless import reachable

        self._host = host
        self._wanted = wanted
        self._logs = logs
        self._sandboxes: dict[CgroupName, Sandbox] = {}
        self._known: dict[CgroupName, tuple[PodDetails, ContainerDetails, Command]] = {}
        self._cgroups = wanted.details.plan.cgroups
        self._statuses = statuses(host.objects())
        self._changed: set[str] = set()
        for pod in wanted.details.pods:
            require_root_for(pod.pod, bandwidth_of(pod.pod))
            for container in pod.containers:
                adj = reachable(container.oom_score_adj.value)
                command = command_of(pod.pod, container.container, adj)
                if command is not None and container.type != "init":
                    self._known[container.cgroup] = (pod, container, command)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Write down what is known and let the pods' namespaces go; those live on while a container does."""
        self.flush()
        for sandbox in self._sandboxes.values():
            sandbox.close()
        self._sandboxes = {}

    def __contains__(self, cgroup: object) -> bool:
        return cgroup in self._known

    def __iter__(self) -> Iterator[CgroupName]:
        return iter(self._known)

    def key(self, cgroup: CgroupName) -> str:
        """``namespace/pod:container``."""
        pod, container, _ = self._known[cgroup]
        return f"{_pod_key(pod)}:{container.container.name}"

    def due(self) -> list[CgroupName]:
        """Those to be started now: their cgroup is empty, and if they ended, their restartPolicy says again.

        Raises:
            CgroupError: a cgroup is not there.
        """
        return [
            name
            for name in self._known
            if not self._host.fs.is_populated(self._host.path(name)) and self._may_start(name)
        ]

    def _may_start(self, cgroup: CgroupName) -> bool:
        status = self._statuses.get(self.key(cgroup))
        if status is None or status.exit_code is None or status.state == "Running":
            return status is None or status.state != "Evicted"
        return status.state != "Evicted" and restarts(self.restart_policy(cgroup), status.exit_code)

    def restart_policy(self, cgroup: CgroupName) -> str:
        """Of the container: a sidecar's is Always, else its pod's."""
        pod, container, _ = self._known[cgroup]
        return "Always" if container.type == "sidecar" else pod.pod.spec.restart_policy

    def hold(self, cgroup: CgroupName) -> None:
        """Hold the namespaces of a container's pod, so that they outlive its kill.

        Raises:
            HostError: not permitted.
        """
        self._command(cgroup)

    def launch(self, cgroup: CgroupName, *, again: bool = False) -> Child:
        """Start a container and remember that it runs.

        Args:
            cgroup: its own.
            again: it counts as a restart, even if nothing is known of a start before.

        Raises:
            HostError: it cannot be started.
        """
        from enforcer.launch import launch
        from enforcer.logs import open_log

        pod, container, _ = self._known[cgroup]
        if again:
            self._statuses.setdefault(self.key(cgroup), ContainerStatus())
        status = self._next_status(cgroup)
        path, command = self._host.path(cgroup), self._command(cgroup)
        with open_log(self._logs, _pod_key(pod), container.container.name, status.restarts) as log:
            child = launch(self._host.fs, path, command, stdout=log, stderr=log)
        self._set(cgroup, status)
        return child

    def work(self, cgroup: CgroupName, path: str, workload: Workload, oom_score_adj: int) -> CommandWork:
        """The container as the work of a kernel that starts it; a :data:`enforcer.work.Starter`."""
        from enforcer.command import CommandWork

        del workload, oom_score_adj  # a command brings its own
        pod, container, _ = self._known[cgroup]
        status = self._next_status(cgroup)
        self._set(cgroup, status)
        return CommandWork(
            self._host.fs,
            path,
            self._command(cgroup),
            pod=_pod_key(pod),
            container=container.container.name,
            logs=self._logs,
            number=status.restarts,
            alone=self._host.alone,
        )

    def saw(self, event: Event) -> None:
        """Take an event of a container, or of its pod's eviction, into its status."""
        if event.kind == "evict":
            for name in [name for name in self._known if name.startswith(f"{event.cgroup}/")]:
                self._set(name, replace(self._status(name), state="Evicted", reason=event.reason))
            return
        if event.cgroup not in self._known:
            return
        before = self._status(event.cgroup)
        dies = event.kind in _OOM_KINDS and self.dies_of_oom_kill(event.cgroup)
        if event.kind == "exit" or dies:
            code = OOM_EXIT_CODE if dies else event.exit_code or 0
            self._set(event.cgroup, replace(before, state=ended(code), exit_code=code, reason=event.reason))
        elif event.kind == "backoff" and before.state != "Running":
            self._set(event.cgroup, replace(before, state="CrashLoopBackOff", reason=event.reason))
        elif event.kind == "restart" and self.key(event.cgroup) not in self._changed:
            self._statuses = statuses(self._host.objects())  # `qos restart` was here

    def dies_of_oom_kill(self, cgroup: CgroupName) -> bool:
        """Whether an OOM kill takes all of a container (``memory.oom.group``), and so is its end."""
        return self._cgroups[cgroup].memory_oom_group == 1

    def _status(self, cgroup: CgroupName) -> ContainerStatus:
        return self._statuses.get(self.key(cgroup), ContainerStatus())

    def flush(self) -> None:
        """Keep what changed with the record."""
        if self._changed:
            keep(self._host, {name: self._statuses[name] for name in self._changed})
            self._changed = set()

    def _set(self, cgroup: CgroupName, status: ContainerStatus) -> None:
        name = self.key(cgroup)
        if self._statuses.get(name) != status:
            self._statuses[name] = status
            self._changed.add(name)

    def _next_status(self, cgroup: CgroupName) -> ContainerStatus:
        before = self._statuses.get(self.key(cgroup))
        if before is None:
            return ContainerStatus()
        return replace(before, state="Running", restarts=before.restarts + 1)

    def _command(self, cgroup: CgroupName) -> Command:
        """In its pod's namespaces, which are made with the first container and held from then on."""
        pod, _, command = self._known[cgroup]
        shared = command.new_namespaces & _SHARED
        if pod.pod.spec.host_network:
            shared -= {"net", "uts"}
        if os.geteuid() != 0:
            shared |= {"user"}
        if pod.cgroup not in self._sandboxes:
            self._sandboxes[pod.cgroup] = self._sandbox(pod, shared)
        own = command.new_namespaces - _SHARED
        return replace(command, new_namespaces=own, joined=dict(self._sandboxes[pod.cgroup].fds))

    def _sandbox(self, pod: PodDetails, names: frozenset[str]) -> Sandbox:
        from enforcer import network
        from enforcer.procfs import ProcFS
        from enforcer.sandbox import Sandbox

        for container in pod.containers:
            path = self._host.path(container.cgroup)
            for pid in self._host.fs.procs(path) if container.cgroup in self._known else ():
                with suppress(HostError):  # it ends just now
                    return Sandbox.of_process(pid, names, ProcFS())
        bandwidth = bandwidth_of(pod.pod)
        shares = self._wanted.settings.node.link_bits_per_second is not None and os.geteuid() == 0
        limited = (bandwidth != network.Bandwidth() or shares) and "net" in names

        def configure(pid: int) -> None:
            network.limit(_pod_key(pod), pid, bandwidth)
            keep_link(self._wanted)

        return Sandbox.make(
            names,
            pod.pod.name,
            configure=configure if limited else None,
        )


def _pod_key(pod: PodDetails) -> str:
    return f"{pod.pod.namespace}/{pod.pod.name}"
