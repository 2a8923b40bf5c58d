"""`qos adopt`: processes that already run become a pod's, and go back where they were when it is deleted."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from enforcer import adopt as taking
from enforcer.cgroupfs import CGROUP_MOUNT, CgroupFS
from enforcer.procfs import ProcFS
from enforcer.rootless import reachable
from qos.errors import HostError, InputError
from qos.experiment.status import ADOPTED

if TYPE_CHECKING:
    from qos.experiment.desired import Desired
    from qos.experiment.enforce import Host
    from qos.experiment.run import Wish
    from qos.policy.base import ContainerDetails

_INIT: Final = 1


@dataclass(frozen=True, slots=True)
class Taken:
    """One process that was (would be) moved: its number, arguments, and the cgroup it was in."""

    pid: int
    command: str
    from_cgroup: str


@dataclass(frozen=True, slots=True)
class Adoption:
    """What became of it: the container (``namespace/pod:container``), its cgroup, and the processes."""

    container: str
    cgroup: str
    processes: tuple[Taken, ...]


def adopt(
    host: Host, way: taking.Way, what: str, *, into: str | None, wish: Wish, dry_run: bool = False
) -> Adoption:
    """Move processes that run into a container of a pod.

    Args:
        host: this machine.
        way: how they are found: by number, systemd unit, cgroup or command line.
        what: the number, unit, cgroup, or regular expression.
        into: a container in force, as a selector; None: a pod of their own is made as ``wish`` says.
        wish: of the pod that is made.
        dry_run: only find them.

    Raises:
        InputError: nothing found, or what may not be moved; the selector means not exactly one container.
        ConflictError: somebody else changed a value.
        HostError: the kernel refused; what was moved is moved back.
    """
    proc = ProcFS()
    with _whole_tree(host) as (tree, below):
        pids = _movable(host, proc, taking.find(tree, proc, way, what), below)
        processes = tuple(_taken(proc, pid) for pid in pids)
        wanted, key = _wanted(host, into, wish)
        container = _containers(wanted)[key]
        path, inside = host.path(container.cgroup), host.processes_path(container.cgroup)
        if dry_run:
            return Adoption(key, path, processes)
        if into is None:
            host.apply(wanted)
        before: Sequence[Any] = host.objects().get(ADOPTED + key, ())

        def keep(known: Sequence[taking.Adopted]) -> None:
            host.enforcer.keep_objects({ADOPTED + key: [*before, *(asdict(one) for one in known)]})

        try:
            taking.adopt(tree, proc, f"{below}{inside}", pids, reachable(container.oom_score_adj.value), keep)
        except HostError:
            if into is None:
                _forget(host, key)
            raise
    return Adoption(key, path, processes)


def give_back(host: Host, pods: Collection[str]) -> tuple[str, ...]:
    """Move what was adopted by these pods (``namespace/name``) back where it was.

    What adopted processes have forked since goes with them.

    Returns:
        What the user should know: processes whose cgroup is gone meanwhile.

    Raises:
        HostError: not permitted, or the record is damaged.
    """
    mine = {key: data for key, data in host.objects().items() if _is_of(key, pods)}
    if not mine:
        return ()
    proc = ProcFS()
    containers = _containers(host.kept())
    stranded: list[taking.Adopted] = []
    with _whole_tree(host) as (tree, _):
        for key, data in mine.items():
            adopted = _adopted(data)
            here = _pids(host, containers.get(key.removeprefix(ADOPTED)))
            still = [one for one in adopted if one.pid in here]
            children = taking.offspring(proc, here, adopted) if adopted else ()
            stranded += taking.release(tree, proc, [*still, *children], refuge="")
    return tuple(
        f"process {one.pid}: {one.from_cgroup or 'its cgroup'} is gone, it was moved to the root cgroup"
        for one in stranded
    )


def adopted_pids(objects: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """What was adopted, by ``namespace/pod:container``."""
    return {
        key.removeprefix(ADOPTED): tuple(one.pid for one in _adopted(data))
        for key, data in objects.items()
        if key.startswith(ADOPTED)
    }


def _wanted(host: Host, into: str | None, wish: Wish) -> tuple[Desired, str]:
    """What shall be in force, and the container's key."""
    from qos.experiment.pods_here import managed
    from qos.experiment.run import desired_with

    if into is None:
        wanted, pod = desired_with(host, wish)
        return wanted, f"{pod}:main"
    found = managed(host, [into]).pods
    if len(found) != 1:
        names = ", ".join(f"{one['namespace']}/{one['pod']}:{one['container']}" for one in found)
        raise InputError("means several containers", field="--into", value=into, expected=f"one of {names}")
    return host.kept(), f"{found[0]['namespace']}/{found[0]['pod']}:{found[0]['container']}"


def _movable(host: Host, proc: ProcFS, pids: Sequence[int], below: str) -> tuple[int, ...]:
    """All but this process and what calls it; refuses the machine's init and what is a pod's already.

    Raises:
        InputError: such a process, or none is left.
    """
    callers = set(_callers(proc))
    made = {f"{below}{path}" for path, owned in host.enforcer.record().cgroups.items() if owned.made}
    for pid in pids:
        if pid == _INIT:
            raise InputError("process 1 runs the machine and is not adopted", expected="another process")
        if proc.cgroup(pid) in made:
            raise InputError(
                "it is in a pod of qos already", field="pid", value=pid, expected="one that runs outside"
            )
    left = tuple(pid for pid in pids if pid not in callers)
    if not left:
        raise InputError("only qos itself and its shell are found", expected="other processes")
    return left


def _callers(proc: ProcFS) -> Iterator[int]:
    pid = os.getpid()
    while pid > _INIT:
        yield pid
        stat = proc.parent_and_start(pid)
        pid = stat[0] if stat else 0


def _taken(proc: ProcFS, pid: int) -> Taken:
    return Taken(pid, " ".join(proc.command_line(pid) or ()), proc.cgroup(pid) or "")


@contextmanager
def _whole_tree(host: Host) -> Iterator[tuple[CgroupFS, str]]:
    """The whole hierarchy as this process sees it, and the prefix of the host's root in it."""
    try:
        below = host.fs.root.relative_to(CGROUP_MOUNT)
    except ValueError as error:
        raise HostError(
            f"{host.fs.root} is not below {CGROUP_MOUNT}, where processes say they are"
        ) from error
    with CgroupFS(Path(CGROUP_MOUNT)) as tree:
        yield tree, f"{below}/" if below.parts else ""


def _forget(host: Host, key: str) -> None:
    from qos.experiment.enforce import Choice

    host.delete(Choice(keys=(key.rpartition(":")[0],)))


def _pids(host: Host, container: ContainerDetails | None) -> tuple[int, ...]:
    if container is None or not host.fs.exists(host.path(container.cgroup)):
        return ()
    return host.fs.procs(host.path(container.cgroup))


def _is_of(key: str, pods: Collection[str]) -> bool:
    return key.startswith(ADOPTED) and key.removeprefix(ADOPTED).rpartition(":")[0] in pods


def _adopted(data: Any) -> list[taking.Adopted]:
    try:
        return [taking.Adopted(**one) for one in data]
    except TypeError as error:
        raise HostError(f"the adopted processes kept with the record cannot be read: {error}") from error


def _containers(wanted: Desired) -> dict[str, ContainerDetails]:
    """By ``namespace/pod:container``."""
    return {
        f"{each.pod.namespace}/{each.pod.name}:{one.container.name}": one
        for each in wanted.details.pods
        for one in each.containers
    }
