"""The containers of applied pods, launched into their cgroups: a pod's share net, uts and ipc."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from qos.experiment.bandwidth import bandwidth_of

if TYPE_CHECKING:
    from enforcer.launch import Command
    from qos.experiment.desired import Desired
    from qos.experiment.enforce import Host
    from qos.policy.base import PodDetails


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
    for pod in wanted.details.pods:
        started |= _launch_pod(host, pod, logs)
    return started


def _launch_pod(host: Host, pod: PodDetails, logs: Path) -> dict[str, int]:
    from enforcer import network
    from enforcer.command import command_of
    from enforcer.launch import launch
    from enforcer.logs import open_log
    from enforcer.procfs import ProcFS

    key = f"{pod.pod.namespace}/{pod.pod.name}"
    bandwidth = bandwidth_of(pod.pod)
    started: dict[str, int] = {}
    with ExitStack() as closing:
        shared: dict[str, int] = {}
        for container in pod.containers:
            command = command_of(pod.pod, container.container, container.oom_score_adj.value)
            if command is not None and pod.pod.spec.host_network:
                command = replace(command, new_namespaces=command.new_namespaces - {"net", "uts"})
            path = host.path(container.cgroup)
            if command is None or container.type == "init" or host.fs.is_populated(path):
                continue
            with open_log(logs, key, container.container.name) as log:
                child = launch(host.fs, path, _of_pod(command, shared), stdout=log, stderr=log)
            started[f"{key}:{container.container.name}"] = child.pid
            child.close()
            if shared:
                continue
            for name in sorted(command.new_namespaces & {"net", "uts", "ipc"}):
                shared[name] = ProcFS().open_namespace(child.pid, name)
                closing.callback(os.close, shared[name])
            if bandwidth != network.Bandwidth() and not pod.pod.spec.host_network:
                network.limit(key, child.pid, bandwidth)
    return started


def _of_pod(command: Command, shared: dict[str, int]) -> Command:
    """The command in its pod's namespaces: the first container makes them, the others enter."""
    return replace(command, new_namespaces=command.new_namespaces - shared.keys(), joined=dict(shared))
