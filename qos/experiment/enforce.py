"""`qos apply`, `diff`, `get`, `delete`: manifests → policy → Plan → enforcer, told by object.

The only place where pods and the real kernel meet; the enforcer itself sees cgroups and values.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from enforcer import control
from enforcer.apply import Applied, Outcome
from enforcer.cgroupfs import CgroupFS
from enforcer.drift import Difference
from enforcer.layout import Layout
from enforcer.place import cpu_count, memory_bytes, open_tree, writable_root
from enforcer.rootless import step_aside, step_back
from enforcer.state import StateStore, boot_id, default_directory
from qos.errors import InputError
from qos.experiment.applied import Result, result_of
from qos.experiment.desired import Asked, Desired, desired, kept, kept_pods, plan_pods
from qos.experiment.driver import driver_of, open_enforcer
from qos.experiment.link import keep_link
from qos.model.cgroup import CgroupName
from qos.model.node import Node
from qos.model.pod import Pod
from qos.model.profile import CgroupDriver


class Host:
    """This machine's cgroup tree with qos's record of it; a context manager.

    Args:
        root: the cgroup below which qos works; None: the whole tree for root, else what is delegated.
        state_dir: where the record lies; None: ``/run/qos``, or ``$XDG_RUNTIME_DIR/qos``.
        driver: who writes; None: whoever wrote what is in force, cgroupfs at first.

    Raises:
        InputError: the other driver's pods are in force.
        HostError: no cgroup v2 that may be written, a state directory that others can write, or no systemd.
    """

    def __init__(
        self, root: Path | None = None, state_dir: Path | None = None, driver: CgroupDriver | None = None
    ) -> None:
        with ExitStack() as opened:
            fs = opened.enter_context(open_tree(root or writable_root()))
            self._store = StateStore(state_dir or default_directory(os.environ))
            opened.callback(self._store.close)
            boot = boot_id()
            self.driver = driver_of(self._store.load(), boot, driver)
            self.fs: CgroupFS
            self.fs, self.enforcer = open_enforcer(opened, fs, self._store, boot, self.driver)
            self._opened = opened.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.close()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the lock that every change of this host's plan takes, for what must not be cut in two.

        Raises:
            HostError: another run holds it all the time.
        """
        with self._store.locked():
            yield

    def path(self, name: CgroupName) -> str:
        """Where a cgroup of a plan lies below the root, in the driver's spelling.

        Raises:
            PlanError: systemd takes no unit of this name.
        """
        return Layout(self.driver).path(name)

    def processes_path(self, name: CgroupName) -> str:
        """Where the processes of a container are in the plain tree; with systemd inside its service.

        Raises:
            PlanError: as :meth:`path`.
        """
        return Layout(self.driver).processes_path(name)

    def objects(self) -> Mapping[str, Any]:
        """What was applied before.

        Raises:
            HostError: the record is damaged.
        """
        return self.enforcer.record().objects

    def desired(self, asked: Asked, *, prune: bool = False) -> Desired:
        """The pods asked for beside those applied before, planned together.

        Raises:
            InputError: an option is wrong.
            HostError: the record is damaged.
        """
        return desired(asked, this_node(), self.objects(), prune=prune, driver=self.driver)

    def kept(self) -> Desired:
        """What was applied before.

        Raises:
            HostError: the record is damaged.
        """
        return kept(self.objects(), this_node(), self.driver)

    def apply(
        self,
        wanted: Desired,
        *,
        force_conflicts: bool = False,
        force_shrink: bool = False,
        dry_run: bool = False,
    ) -> Result:
        """Bring the host to what is wanted, and nothing else of qos's.

        Raises:
            ConflictError: somebody else changed a value.
            HostError: the host refused; what was written is undone.
        """
        gone = self._gone(wanted)
        if not dry_run:
            step_aside(self.fs)
        applied = self.enforcer.apply(
            wanted.details.plan,
            objects=self._kept_with(wanted),
            prune=True,
            force_conflicts=force_conflicts,
            force_shrink=force_shrink,
            dry_run=dry_run,
        )
        told = () if dry_run else keep_link(wanted)
        return result_of(applied, owners(wanted) | gone, (*wanted.warnings, *told))

    def diff(self, wanted: Desired) -> Result:
        """What :meth:`apply` would write.

        Raises:
            HostError: something cannot be read.
        """
        applied = self.enforcer.diff(wanted.details.plan, prune=True)
        return result_of(applied, owners(wanted) | self._gone(wanted), wanted.warnings)

    def delete(
        self,
        choice: Choice,
        *,
        kill: bool = False,
        force_conflicts: bool = False,
        force_shrink: bool = False,
    ) -> Result:
        """Give back the chosen pods; with the last one everything qos ever wrote is restored.

        Args:
            choice: which pods.
            kill: kill the processes of those pods first; else a pod with processes is refused.
            force_conflicts: restore also what somebody else changed since.
            force_shrink: push memory.max below current use.

        Raises:
            InputError: a pod that is named is not here.
            ConflictError: somebody else changed a value.
            HostError: a pod still holds processes, or the host refused.
        """
        from qos.experiment.adopt import give_back

        now = self.kept()
        gone = choice.of(now.pods)
        pods = {key: pod for key, pod in now.pods.items() if key not in gone}
        if not kill:
            notes = give_back(self, [key for key in now.pods if key not in pods])
        else:
            notes = ()
            self._kill([each.cgroup for each in now.details.pods if _key(each.pod) not in pods])
        rest = plan_pods(pods, now.settings)
        applied = self.enforcer.apply(
            rest.details.plan,
            objects=self._kept_with(rest),
            prune=True,
            force_conflicts=force_conflicts,
            force_shrink=force_shrink,
        )
        if not self.enforcer.record().cgroups:
            step_back(self.fs)
        return result_of(applied, owners(now), (*notes, *keep_link(rest)))

    def _kept_with(self, wanted: Desired) -> dict[str, Any]:
        """The pods, and what is known of the containers of those that stay."""
        from qos.experiment.status import objects_of

        return {**objects_of(self.objects(), wanted.pods), **wanted.objects()}

    def _kill(self, cgroups: Collection[CgroupName]) -> None:
        for cgroup in cgroups:
            path = self.path(cgroup)
            if self.fs.exists(path):
                control.kill(self.fs, path)

    def _gone(self, wanted: Desired) -> dict[CgroupName, str]:
        """Cgroups of pods applied before under another name (another class), or not wanted any more."""
        if all(key in wanted.pods for key in kept_pods(self.objects())):
            return {}
        return owners(self.kept())


def planned(asked: Asked, driver: CgroupDriver | None = None) -> Result:
    """What apply would bring about on a host where nothing is yet; nothing is looked at.

    Raises:
        InputError: an option is wrong.
    """
    wanted = desired(asked, this_node(), {}, driver=driver)
    outcomes: dict[CgroupName, Outcome] = dict.fromkeys(wanted.details.plan, "created")
    differences = tuple(
        Difference(str(name), name, file, None, text, None, foreign=False)
        for name, spec in wanted.details.plan.cgroups.items()
        for file, text in spec.files().items()
    )
    return result_of(Applied(outcomes, differences), owners(wanted), wanted.warnings)


def this_node() -> Node:
    """This machine as a Node: its CPUs and memory."""
    capacity = {"cpu": str(cpu_count()), "memory": str(memory_bytes()), "pods": "110"}
    name = os.uname().nodename.lower()
    return Node.model_validate({"metadata": {"name": name}, "status": {"capacity": capacity}})


def _key(pod: Pod) -> str:
    return f"{pod.namespace}/{pod.name}"


def owners(wanted: Desired) -> dict[CgroupName, str]:
    """Pod cgroup → the object's name."""
    return {each.cgroup: f"pod/{_key(each.pod)}" for each in wanted.details.pods}


@dataclass(frozen=True, slots=True)
class Choice:
    """Which of the pods that are here are meant.

    Attributes:
        names: as typed: ``web``, ``pod/web``, ``team/web``, ``pod/team/web``.
        keys: ``namespace/name`` of manifests; those that are not here do not matter.
        selector: labels, as of ``-l``.
        everything: all of them.
    """

    names: Collection[str] = ()
    keys: Collection[str] = ()
    selector: str | None = None
    everything: bool = False

    def of(self, pods: Mapping[str, Pod]) -> set[str]:
        """The ``namespace/name`` of those meant.

        Raises:
            InputError: the selector is wrong, or a pod that is named is not here.
        """
        from qos.scenario.selector import parse_selector

        typed = [name.removeprefix("pod/") for name in self.names]
        named = {name if "/" in name else f"default/{name}" for name in typed}
        for name in sorted(named - pods.keys()):
            known = ", ".join(sorted(pods)) or "qos manages no pods on this host"
            raise InputError("no such pod is in force here", field="NAME", value=name, expected=known)
        try:
            labels = parse_selector(self.selector) if self.selector else None
        except ValueError as error:
            raise InputError(str(error), field="selector", value=self.selector) from error
        meant = named | (set(self.keys) & pods.keys())
        if labels is not None:
            meant |= {key for key, pod in pods.items() if labels.matches(pod.metadata.labels)}
        return set(pods) if self.everything else meant
