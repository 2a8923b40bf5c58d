"""`qos get`: the pods in force on this host and whether their values still are as applied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from enforcer.drift import identity_or_none
from enforcer.readback import agrees
from qos.experiment.enforce import Choice, Host
from qos.experiment.status import ContainerStatus, of_pod, statuses
from qos.policy.base import PodDetails


@dataclass(frozen=True, slots=True)
class Listed:
    """One pod in force.

    Attributes:
        name: ``namespace/name``.
        qos_class: its class.
        cgroup: its cgroup.
        values: cgroup → file → (wanted, live); live None: not there.
        drifted: how many values are not as applied.
        populated: whether processes live in it.
        containers: what is known of those that qos started, by name.
    """

    name: str
    qos_class: str
    cgroup: str
    values: dict[str, dict[str, tuple[str, str | None]]]
    drifted: int
    populated: bool
    containers: Mapping[str, ContainerStatus] = field(default_factory=dict)

    @property
    def status(self) -> str:
        """In one word: ``Drifted n``, ``Gone``, what is wrong with a container, else ``InForce``."""
        live = [value for files in self.values.values() for _, value in files.values()]
        if live and all(value is None for value in live):
            return "Gone"
        if self.drifted:
            return f"Drifted {self.drifted}"
        wrong = [one.state for one in self.containers.values() if one.state not in ("Running", "Completed")]
        return wrong[0] if wrong else "InForce"

    @property
    def restarts(self) -> int | None:
        """How often its containers were started again, as kubectl counts; None: qos started none."""
        return sum(one.restarts for one in self.containers.values()) if self.containers else None

    @staticmethod
    def headers(*, wide: bool) -> tuple[str, ...]:
        """Headings of :meth:`cells`."""
        return (
            "NAMESPACE", "NAME", "QOS", "STATUS", "RESTARTS", "VALUES", "PROCESSES",
            *(("CGROUP",) if wide else ()),
        )  # fmt: skip

    def cells(self, *, wide: bool) -> tuple[str, ...]:
        """One row of a table."""
        namespace, _, name = self.name.partition("/")
        count = str(sum(len(files) for files in self.values.values()))
        running = "yes" if self.populated else "no"
        again = "-" if self.restarts is None else str(self.restarts)
        return (
            namespace, name, self.qos_class, self.status, again, count, running,
            *((self.cgroup,) if wide else ()),
        )  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        """The stable machine form."""
        return {
            "pod": self.name,
            "qosClass": self.qos_class,
            "cgroup": self.cgroup,
            "status": self.status,
            "populated": self.populated,
            "restarts": self.restarts,
            "containers": {name: asdict(one) for name, one in self.containers.items()},
            "files": {
                cgroup: {file: {"wanted": wanted, "live": live} for file, (wanted, live) in files.items()}
                for cgroup, files in self.values.items()
            },
        }


def listing(host: Host, choice: Choice) -> list[Listed]:
    """The chosen pods with what the kernel says of them now.

    Raises:
        InputError: a pod that is named is not here.
        HostError: the record or a file cannot be read.
    """
    kept = host.kept()
    chosen = choice.of(kept.pods)
    known = statuses(host.objects())
    return [
        _listed(host, each, kept.details.plan.cgroups, known)
        for each in kept.details.pods
        if f"{each.pod.namespace}/{each.pod.name}" in chosen
    ]


def _listed(host: Host, pod: PodDetails, cgroups: Any, known: Mapping[str, ContainerStatus]) -> Listed:
    values: dict[str, dict[str, tuple[str, str | None]]] = {}
    drifted = 0
    for name, spec in cgroups.items():
        if name != pod.cgroup and not name.startswith(f"{pod.cgroup}/"):
            continue
        path = host.path(name)
        files = {}
        for file, wanted in spec.files().items():
            live = host.fs.read_or_none(path, file)
            files[file] = (wanted, None if live is None else live.rstrip("\n"))
            drifted += live is not None and not agrees(file, wanted, live)
        values[name] = files
    path = host.path(pod.cgroup)
    populated = identity_or_none(host.fs, path) is not None and host.fs.is_populated(path)
    key = f"{pod.pod.namespace}/{pod.pod.name}"
    return Listed(key, pod.qos_class.value, path, values, drifted, populated, of_pod(known, key))
