"""`qos run`: one command as a pod of one container: planned, enforced, launched, recorded, given back."""

from __future__ import annotations

import os
import re
import secrets
import select
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

from qos.errors import InputError
from qos.experiment.desired import plan_pods
from qos.experiment.launch_pods import without_root
from qos.experiment.observe import Recorder
from qos.experiment.pods_here import managed
from qos.model.pod import Pod
from qos.model.qos_class import QOSClass

if TYPE_CHECKING:
    from collections.abc import Iterator

    from enforcer.launch import Child
    from qos.experiment.desired import Desired
    from qos.experiment.enforce import Host
    from qos.model.sample import Recording
    from qos.policy.base import PlanDetails

_KILLED: Final = 128 + 9
_GRACE_SECONDS: Final = 2.0
_LOOK_SECONDS: Final = 0.25
_PASSED_ON: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_CLASS_OPTIONS: Final = {one.value.lower(): one for one in QOSClass}


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user asked a command to get.

    Attributes:
        argv: the command; empty for processes that run already.
        name: of the pod; None: from the command.
        namespace: of the pod.
        qos_class: which class it must come out as; None: whichever it does.
        requests: core/v1 resource name → quantity text.
        limits: likewise.
        policy: None: the one in force.
    """

    argv: tuple[str, ...]
    name: str | None = None
    namespace: str = "default"
    qos_class: str | None = None
    requests: Mapping[str, str] | None = None
    limits: Mapping[str, str] | None = None
    policy: str | None = None


def pod_of(wish: Wish) -> Pod:
    """The wish as a Pod; a Guaranteed one gets its requests as limits where none are told.

    Raises:
        InputError: a quantity is wrong, or no such class.
    """
    wanted = _class_of(wish)
    requests, limits = dict(wish.requests or {}), dict(wish.limits or {})
    if wanted is QOSClass.GUARANTEED:
        limits = {**requests, **limits}
    container = (
        {"name": _dns_name(wish.argv[0]), "command": list(wish.argv)} if wish.argv else {"name": "main"}
    )
    name = wish.name or f"{_dns_name(wish.argv[0]) if wish.argv else 'adopted'}-{secrets.token_hex(2)}"
    document = {
        "metadata": {"name": name, "namespace": wish.namespace, "uid": f"run-{name}"},
        "spec": {
            "restartPolicy": "Never",
            "containers": [{**container, "resources": {"requests": requests, "limits": limits}}],
        },
    }
    try:
        return Pod.model_validate(document)
    except ValueError as error:
        text = "; ".join(str(each["msg"]) for each in getattr(error, "errors", list)()) or str(error)
        raise InputError(f"--cpu, --memory: {text}") from error


def desired_with(host: Host, wish: Wish) -> tuple[Desired, str]:
    """What shall be in force with the command's pod beside all others; and the pod's key.

    Raises:
        InputError: the class does not come out as asked, or a pod of this name is there.
        HostError: the record is damaged.
    """
    from qos.experiment.admission import as_stored

    now = host.kept()
    (pod,) = as_stored([pod_of(wish)])
    key = f"{pod.namespace}/{pod.name}"
    if key in now.pods:
        raise InputError("a pod of this name is there", field="--name", value=key, expected="another name")
    settings = now.settings
    if wish.policy is not None:
        if now.pods and wish.policy != settings.policy:
            raise InputError(
                "the pods on this host are under another policy", field="--policy", value=wish.policy,
                expected=settings.policy,
            )  # fmt: skip
        settings = type(settings)(wish.policy, settings.profile, settings.node)
    wanted = plan_pods({**now.pods, key: pod}, settings)
    _check_class(wish, wanted.details, key)
    return wanted, key


def _check_class(wish: Wish, details: PlanDetails, key: str) -> None:
    asked = _class_of(wish)
    (mine,) = (each for each in details.pods if f"{each.pod.namespace}/{each.pod.name}" == key)
    if asked is not None and mine.qos_class is not asked:
        raise InputError(
            f"with these resources the pod is {mine.qos_class.value}: {mine.decision.reason}",
            field="--class",
            value=wish.qos_class,
            expected=_HOW[asked],
        )


_HOW: Final = {
    QOSClass.GUARANTEED: "--cpu and --memory, and limits equal to them",
    QOSClass.BURSTABLE: "--cpu or --memory, or a limit",
    QOSClass.BEST_EFFORT: "no --cpu, --memory or limit",
}


@contextmanager
def running(host: Host, wanted: Desired, key: str) -> Iterator[Child]:
    """The command of pod ``key``, launched in its cgroup; in the end it is killed and its pod given back.

    Raises:
        ConflictError: somebody else changed a value.
        HostError: the host refuses, or the command cannot be started.
    """
    from enforcer.command import command_of
    from enforcer.launch import launch
    from enforcer.rootless import reachable
    from qos.experiment.enforce import Choice

    host.apply(wanted)
    try:
        (mine,) = (each for each in wanted.details.pods if f"{each.pod.namespace}/{each.pod.name}" == key)
        (container,) = mine.containers
        command = command_of(mine.pod, container.container, reachable(container.oom_score_adj.value))
        if command is None:
            raise InputError("no command", expected="qos run [OPTIONS] -- COMMAND")
        with launch(host.fs, host.path(container.cgroup), in_users_place(command)) as child:
            yield child
    finally:
        host.delete(Choice(keys=(key,)), kill=True)


def in_users_place(command: Any) -> Any:
    """The command where the user is: his environment, his working directory, the network he has.

    A pod of a manifest gets a network of its own; a command that is typed is expected to reach what its
    user reaches.
    """
    from dataclasses import replace

    own = frozenset(command.new_namespaces - {"net"})
    if os.geteuid() != 0:
        own |= {"user"}
    return replace(command, env=dict(os.environ), working_dir=str(Path.cwd()), new_namespaces=own)


def run_recorded(
    host: Host,
    wish: Wish,
    *,
    interval_seconds: float | None,
    command_line: str,
    tell: Callable[[str], None],
) -> tuple[int, Recording | None]:
    """Run a command to its end.

    Args:
        host: this machine.
        wish: the command and what it shall get.
        interval_seconds: between two readings of a recording; None: no recording.
        command_line: what the user typed, kept with the recording.
        tell: told in words what is done.

    Returns:
        The command's exit code, 128 + n where signal n ended it, and the recording.

    Raises:
        InputError: the wish is impossible.
        ConflictError: somebody else changed a value.
        HostError: the host refuses, or the command cannot be started.
    """
    wanted, key = desired_with(host, wish)
    recorder = None
    with running(host, wanted, key) as child, signals_to(child) as told:
        here = managed(host, [key])
        cgroup = host.path(here.pods[0]["cgroup"])
        for words in without_root(wanted):
            tell(words)
        tell(f"pod/{key} is {here.pods[0]['qosClass']}, in {host.fs.root / cgroup}")
        if interval_seconds is not None:
            recorder = Recorder(host.fs, here, interval_seconds)
            recorder.run(lambda: told.over(child))
        while not told.over(child):
            _wait(child)
        code = child.poll()
        if code is None:  # told to end, and did not: the whole cgroup is killed with the pod
            code = 128 + told.number
        elif code == _KILLED:
            _follow(host, cgroup, told, lambda: tell(f"pod/{key} was restarted by somebody else"))
    if recorder is None:
        return code, None
    recording = recorder.recording(wanted.settings.node, command_line)
    recorder.close()
    return code, recording


def _wait(child: Child) -> None:
    select.select([child.pidfd], [], [], _LOOK_SECONDS)


def _follow(host: Host, cgroup: str, told: Told, tell: Callable[[], None]) -> None:
    """After a kill: `qos restart` may have started the command again, which this run then waits for."""
    from enforcer.control import wait_for

    with host.alone():  # a restart holds it from its kill to its start
        restarted = host.fs.is_populated(cgroup)
    if restarted:
        tell()
    while restarted and not told.number and not wait_for(host.fs, cgroup, "populated", 0, _LOOK_SECONDS):
        pass


@dataclass(slots=True)
class Told:
    """A signal that asked this run to end: its number (0: none yet), and when patience ends."""

    number: int = 0
    until: float = 0.0

    def over(self, child: Child) -> bool:
        """Whether there is nothing more to wait for."""
        return child.poll() is not None or (self.number != 0 and time.monotonic() > self.until)


@contextmanager
def signals_to(child: Child) -> Iterator[Told]:
    """Pass Ctrl-C, SIGTERM and SIGHUP on to the command, and give it two seconds to end by itself.

    As PID 1 of its namespace it gets those signals only that it handles (pid_namespaces(7)); what does not
    end is killed with its cgroup.
    """
    told = Told()

    def pass_on(number: int, _frame: FrameType | None) -> None:
        told.number = number
        told.until = time.monotonic() + _GRACE_SECONDS
        child.send(signal.Signals(number))

    before = {number: signal.signal(number, pass_on) for number in _PASSED_ON}
    try:
        yield told
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def restart(host: Host, selectors: Sequence[str], logs: Path) -> dict[str, int]:
    """Kill containers and start their commands again; the output of the new ones goes to logs.

    Returns:
        ``namespace/pod:container`` → process id.

    Raises:
        InputError: a selector names nothing here, or a container whose command is its image's.
        HostError: the kernel did not confirm, or a command cannot be started.
    """
    from enforcer.control import kill
    from qos.experiment.launch_pods import Containers

    kept = host.kept()
    chosen = [record["cgroup"] for record in managed(host, selectors).pods]
    started: dict[str, int] = {}
    with Containers(host, kept, logs) as containers:
        for cgroup in chosen:
            if cgroup not in containers:
                raise InputError(
                    "its command is its image's, which qos does not have",
                    field="SELECTOR", value=cgroup,
                    expected="a container with a command",
                )  # fmt: skip
            containers.hold(cgroup)
        for cgroup in chosen:
            with host.alone():
                kill(host.fs, host.path(cgroup))
                with containers.launch(cgroup, again=True) as child:
                    started[containers.key(cgroup)] = child.pid
            containers.flush()
    return started


def _class_of(wish: Wish) -> QOSClass | None:
    if wish.qos_class is None:
        return None
    found = _CLASS_OPTIONS.get(wish.qos_class.lower())
    if found is None:
        raise InputError(
            "no such class", field="--class", value=wish.qos_class, expected=", ".join(_CLASS_OPTIONS)
        )
    return found


def _dns_name(program: str) -> str:
    name = re.sub(r"[^a-z0-9]+", "-", Path(program).name.lower()).strip("-")
    return name[:40] or "command"
