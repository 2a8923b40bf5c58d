"""Which pods and containers of this host are meant, and where their cgroups lie."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qos.errors import InputError
from qos.experiment.simulate import pod_records
from qos.experiment.status import statuses
from qos.model.cgroup import ROOT, CgroupName, ancestors

if TYPE_CHECKING:
    from enforcer.cgroupfs import CgroupFS
    from qos.experiment.enforce import Host

_KEPT_FILES = ("cpu.weight", "cpu.idle", "cpu.max", "cpu.max.burst")


@dataclass(frozen=True, slots=True)
class Here:
    """Containers on this host and what is known of them.

    Attributes:
        pods: one plain record a container, as :class:`qos.model.sample.Recording` has them.
        paths: cgroup → path below the root of the tree, with those above, ROOT first.
        files: cgroup → file → text of the plan in force; of cgroups that qos did not make, what stands in
            the files of the CPU controller.
        restarts: how often each container that qos started was started again, now; cgroup → count.
    """

    pods: tuple[Mapping[str, Any], ...]
    paths: Mapping[CgroupName, str]
    files: Mapping[CgroupName, Mapping[str, str]]
    restarts: Callable[[], Mapping[CgroupName, int]] = dict


def managed(host: Host, selectors: Sequence[str] = ()) -> Here:
    """The containers qos manages, all or those selected.

    Raises:
        InputError: a selector names nothing here.
        HostError: the record is damaged.
    """
    kept = host.kept()
    records = select(pod_records(kept.details, {}), selectors)
    names = _with_ancestors([CgroupName(record["cgroup"]) for record in records])
    specs = kept.details.plan.cgroups

    def restarts() -> dict[CgroupName, int]:
        known = statuses(host.objects())
        by_key = {f"{one['namespace']}/{one['pod']}:{one['container']}": one["cgroup"] for one in records}
        return {by_key[key]: status.restarts for key, status in known.items() if key in by_key}

    return Here(
        records,
        {name: host.path(name) if name else "" for name in names},
        {name: specs[name].files() for name in names if name in specs},
        restarts,
    )


def unmanaged(fs: CgroupFS, cgroups: Sequence[str] = ()) -> Here:
    """Cgroups of the host that qos did not make: those told, else every leaf that holds processes.

    Raises:
        InputError: no such cgroup.
        CgroupError: not permitted.
    """
    wanted = [cgroup.strip("/") for cgroup in cgroups]
    for cgroup in wanted:
        if not fs.exists(cgroup):
            raise InputError("no such cgroup", field="cgroup", value=cgroup, expected=f"one below {fs.root}")
    if not wanted:
        wanted = [cgroup for cgroup in fs.walk() if cgroup and not fs.children(cgroup) and fs.procs(cgroup)]
    names = _with_ancestors([CgroupName(cgroup) for cgroup in wanted])
    records = tuple(_plain_record(CgroupName(cgroup)) for cgroup in wanted)
    return Here(
        records, {name: str(name) for name in names}, {name: _in_force(fs, name) for name in names[1:]}
    )


def _in_force(fs: CgroupFS, name: CgroupName) -> dict[str, str]:
    """The values that decide who gets the CPU and who is throttled, as they stand."""
    found = {file: fs.read_or_none(name, file) for file in _KEPT_FILES}
    return {file: text.strip() for file, text in found.items() if text is not None}


def select(records: Collection[Mapping[str, Any]], selectors: Sequence[str]) -> tuple[Mapping[str, Any], ...]:
    """The containers that selectors mean; all of them without any.

    A selector is ``[NAMESPACE/]POD[:CONTAINER]``, with or without ``pod/`` in front; without a namespace
    any namespace, if only one has such a pod.

    >>> pods = [{"namespace": "a", "pod": "web", "container": "app"}]
    >>> [record["container"] for record in select(pods, ["pod/a/web:app"])]
    ['app']

    Raises:
        InputError: a selector means nothing, or pods of several namespaces.
    """
    if not selectors:
        return tuple(records)
    chosen: dict[int, Mapping[str, Any]] = {}
    for selector in selectors:
        pod, _, container = selector.removeprefix("pod/").partition(":")
        namespace, slash, name = pod.rpartition("/")
        found = [
            (at, record)
            for at, record in enumerate(records)
            if record["pod"] == name
            and (not slash or record["namespace"] == namespace)
            and (not container or record["container"] == container)
        ]
        if not found:
            known = sorted({f"{record['namespace']}/{record['pod']}" for record in records})
            raise InputError(
                "no such pod or container here",
                field="SELECTOR",
                value=selector,
                expected=f"one of {', '.join(known)}" if known else "a pod; qos manages none on this host",
            )
        namespaces = sorted({record["namespace"] for _, record in found})
        if len(namespaces) > 1:
            raise InputError(
                "several namespaces have such a pod",
                field="SELECTOR",
                value=selector,
                expected=" or ".join(f"{namespace}/{selector}" for namespace in namespaces),
            )
        chosen |= dict(found)
    return tuple(chosen[at] for at in sorted(chosen))


def targets(host: Host, selectors: Sequence[str]) -> dict[str, str]:
    """What one control command acts on: ``namespace/pod[:container]`` → path of one cgroup each.

    A selector without a container is the whole pod, one cgroup.

    Raises:
        InputError: a selector names nothing here.
        HostError: the record is damaged.
    """
    records = pod_records(host.kept().details, {})
    found: dict[str, str] = {}
    for selector in selectors:
        for record in select(records, [selector]):
            pod = f"{record['namespace']}/{record['pod']}"
            if ":" in selector:
                found[f"{pod}:{record['container']}"] = host.path(record["cgroup"])
            else:
                found[pod] = host.path(record["podCgroup"])
    return found


def _with_ancestors(names: Collection[CgroupName]) -> tuple[CgroupName, ...]:
    every = {above for name in names for above in (*ancestors(name), name)}
    return (ROOT, *sorted(every, key=lambda name: (name.count("/"), name)))


def _plain_record(name: CgroupName) -> dict[str, Any]:
    return {
        "namespace": "",
        "pod": name,
        "container": "",
        "type": "regular",
        "qosClass": None,
        "cgroup": name,
        "podCgroup": name,
        "workload": name,
        "cpuRequest": None,
        "cpuLimit": None,
        "memoryRequest": None,
        "memoryLimit": None,
    }
