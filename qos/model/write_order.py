"""In which order the files of a change are written, so that no state in between is worse than both ends.

As the kubelet's in-place resize orders its writes: the parent is raised, children are shrunk, the parent
is shrunk, children are raised. So the children never want more than their parent has been given.

Source: pkg/kubelet/kuberuntime/kuberuntime_manager.go (doPodResizeAction) of Kubernetes 1.36; the rules
within one cgroup are the kernel's (kernel/sched/core.c: burst ≤ quota, no weight while idle).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

from qos.model.cgroup import CgroupName, CpuMax, ancestors, knobs, parent, parse_cpu_list, parse_value
from qos.model.plan import Change, Plan

Direction = Literal["raise", "shrink", "none"]

_CREATE, _LEAVE_IDLE, _RAISE_PARENT, _SHRINK, _RAISE_CHILD, _ENTER_IDLE, _REMOVE = range(7)
_BEFORE_OTHERS: Final = frozenset({"cpu_max_burst", "memory_high", "memory_swap_high"})
"""When shrinking, written before the rest of their cgroup: the burst may not exceed the quota, and
memory.high reclaims what memory.max would kill for. When raising, after it."""

_INFINITE: Final = float("inf")
_LISTS: Final = frozenset({"cpuset_cpus", "cpuset_mems", "cpuset_cpus_exclusive"})


def order_writes(changes: Sequence[Change], plan: Plan) -> tuple[Change, ...]:
    """The same changes in the order in which they are to be written.

    Creations, parents first; raises of cgroups that have children, parents first; everything that
    shrinks, children first; raises of leaf cgroups, and of such a parent whose sibling had to shrink
    for it; removals, children first. ``cpu.idle`` is left before and entered after all weights are
    written, because the kernel refuses a weight while idle. Changes of equal rank keep their order.

    Where the children's values sum up to no more than the parent's before and after, they do so after
    each single write.

    Args:
        changes: as :func:`qos.model.plan.diff` gives them; each knob of a cgroup at most once.
        plan: the values in force, which tells parents from leaves.
    """
    created = {change.cgroup for change in changes if change.kind == "create"}
    inner = {parent(name) for name in (*plan.cgroups, *created)}
    shrinking = {(parent(one.cgroup), one.knob) for one in changes if direction(one) == "shrink"}
    return tuple(sorted(changes, key=lambda change: _rank(change, inner, shrinking)))


def direction(change: Change) -> Direction:
    """Whether a ``set`` gives its cgroup more, less, or neither; None counts as the kernel's default.

    >>> direction(Change("set", CgroupName("a"), "memory_max", "max", 1024))
    'shrink'
    """
    if change.kind != "set" or change.knob is None:
        return "none"
    old, new = _amount(change.knob, change.old), _amount(change.knob, change.new)
    if old == new or old is None or new is None:
        return "none"
    if isinstance(old, frozenset) and isinstance(new, frozenset):
        return "raise" if old < new else "shrink"
    return "raise" if new > old else "shrink"


def _rank(
    change: Change, inner: set[CgroupName], shrinking: set[tuple[CgroupName, str | None]]
) -> tuple[int, int, int]:
    depth = change.cgroup.count("/")
    if change.kind == "create":
        return (_CREATE, depth, 0)
    if change.kind == "remove":
        return (_REMOVE, -depth, 0)
    way = direction(change)
    if change.knob == "cpu_idle" and way != "none":
        return (_ENTER_IDLE, -depth, 0) if way == "raise" else (_LEAVE_IDLE, depth, 0)
    first = change.knob in _BEFORE_OTHERS
    if way == "raise":
        family = (*ancestors(change.cgroup), change.cgroup)
        waits = any((parent(name), change.knob) in shrinking for name in family)
        early = change.cgroup in inner and not waits
        return (_RAISE_PARENT if early else _RAISE_CHILD, depth, int(first))
    return (_SHRINK, -depth, int(not first))


def _amount(knob: str, value: Any) -> Any:
    """A value that can be compared with another of its knob; None where more and less mean nothing."""
    described = knobs()[knob]
    if value is None:
        value = parse_value(described, described.default)
    if knob in _LISTS:
        return frozenset(parse_cpu_list(value)) if value else None
    if knob == "cpu_max":
        return (value if isinstance(value, CpuMax) else CpuMax.model_validate(value)).cpus
    if value == "max":
        return _INFINITE
    return value if isinstance(value, int | float) else None
