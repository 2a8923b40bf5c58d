"""Tests of qos.model.write_order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from qos.model.cgroup import CgroupName, CgroupSpec, CpuMax, parent
from qos.model.plan import Change, Plan, apply_changes, diff
from qos.model.write_order import order_writes

TREE = ("kubepods", "kubepods/a", "kubepods/a/x", "kubepods/a/y", "kubepods/b", "kubepods/b/x", "system")


def _limits(leaves: list[int], slack: list[int]) -> Plan:
    """A plan in which every parent's memory.max is at least the sum of its children's."""
    values = dict(zip(("kubepods/a/x", "kubepods/a/y", "kubepods/b/x", "system"), leaves, strict=True))
    values["kubepods/a"] = values["kubepods/a/x"] + values["kubepods/a/y"] + slack[0]
    values["kubepods/b"] = values["kubepods/b/x"] + slack[1]
    values["kubepods"] = values["kubepods/a"] + values["kubepods/b"] + slack[2]
    return Plan.of({CgroupName(name): CgroupSpec(memory_max=values[name]) for name in TREE})


def _fits(plan: Plan) -> bool:
    def limit(name: CgroupName) -> int:
        value = plan.cgroups[name].memory_max
        assert isinstance(value, int)
        return value

    return all(
        sum(limit(child) for child in plan.children(name)) <= limit(name)
        for name in plan
        if plan.children(name)
    )


_bytes = st.integers(1, 5)
_plans = st.builds(
    _limits, st.lists(_bytes, min_size=4, max_size=4), st.lists(_bytes, min_size=3, max_size=3)
)


def _names(changes: tuple[Change, ...]) -> list[tuple[str, str | None]]:
    return [(change.cgroup, change.knob) for change in changes]


@given(_plans, _plans)
def test_children_never_have_more_than_their_parent_between_two_writes(old: Plan, new: Plan) -> None:
    """From one tree whose limits sum up to another, every state in between sums up too."""
    now = old
    for change in order_writes(diff(old, new), old):
        now = apply_changes(now, [change])
        assert _fits(now)
    assert now == new


@given(_plans, _plans, st.randoms(use_true_random=False))
def test_the_order_given_does_not_matter_to_the_outcome(old: Plan, new: Plan, random: object) -> None:
    """Shuffled changes come out as the same set, and lead to the same plan."""
    changes = list(diff(old, new))
    random.shuffle(changes)  # type: ignore[attr-defined] # hypothesis's Random
    ordered = order_writes(changes, old)
    assert sorted(map(repr, ordered)) == sorted(map(repr, changes))
    assert apply_changes(old, ordered) == new


def test_a_growing_pod_is_raised_before_and_a_shrinking_one_after_its_containers() -> None:
    """Raise the parent, shrink children, shrink the parent, raise children."""
    pod, one, two = CgroupName("pod"), CgroupName("pod/one"), CgroupName("pod/two")
    small = Plan.of(
        {pod: CgroupSpec(memory_max=30), one: CgroupSpec(memory_max=20), two: CgroupSpec(memory_max=10)}
    )
    big = Plan.of(
        {pod: CgroupSpec(memory_max=60), one: CgroupSpec(memory_max=10), two: CgroupSpec(memory_max=50)}
    )
    assert [name for name, _ in _names(order_writes(diff(small, big), small))] == [pod, one, two]
    assert [name for name, _ in _names(order_writes(diff(big, small), big))] == [two, pod, one]


def test_burst_never_exceeds_the_quota() -> None:
    """The kernel refuses cpu.max.burst above cpu.max's quota: it shrinks first and grows last."""
    name = CgroupName("a")
    low = Plan.of({name: CgroupSpec(cpu_max=CpuMax(quota_usec=10_000), cpu_max_burst=10_000)})
    high = Plan.of({name: CgroupSpec(cpu_max=CpuMax(quota_usec=50_000), cpu_max_burst=50_000)})
    assert [knob for _, knob in _names(order_writes(diff(low, high), low))] == ["cpu_max", "cpu_max_burst"]
    assert [knob for _, knob in _names(order_writes(diff(high, low), high))] == ["cpu_max_burst", "cpu_max"]


def test_no_weight_is_written_while_a_cgroup_is_idle() -> None:
    """Weights are written before cpu.idle is entered, and after it is left: the kernel refuses them in it."""
    name, below = CgroupName("kubepods/besteffort"), CgroupName("kubepods/besteffort/pod")
    awake = Plan.of({name: CgroupSpec(cpu_weight=50, cpu_idle=0), below: CgroupSpec()})
    idle = Plan.of({name: CgroupSpec(cpu_weight=1, cpu_idle=1), below: CgroupSpec()})
    assert [knob for _, knob in _names(order_writes(diff(awake, idle), awake))] == ["cpu_weight", "cpu_idle"]
    assert [knob for _, knob in _names(order_writes(diff(idle, awake), idle))] == ["cpu_idle", "cpu_weight"]


def test_cgroups_are_made_parents_first_and_removed_children_first() -> None:
    """A parent exists before its children are made and until they are gone."""
    tree = Plan.of({CgroupName("a/b/c"): CgroupSpec(memory_max=1)})
    empty = Plan.of({})
    made = [one.cgroup for one in order_writes(diff(empty, tree), empty) if one.kind == "create"]
    gone = [one.cgroup for one in order_writes(diff(tree, empty), tree)]
    assert made == ["a", "a/b", "a/b/c"]
    assert gone == made[::-1]
    assert parent(gone[0]) == "a/b"
