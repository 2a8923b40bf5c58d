"""Plan and diff."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qos.errors import PlanError
from qos.model.cgroup import CgroupName, CgroupSpec, parent
from qos.model.plan import Plan, apply_changes, diff

components = st.sampled_from(["kubepods", "burstable", "pod-a", "pod.b", "web", "x"])
names = st.lists(components, min_size=1, max_size=4).map(lambda parts: CgroupName("/".join(parts)))
specs = st.builds(
    CgroupSpec,
    cpu_weight=st.none() | st.integers(1, 10_000),
    memory_max=st.none() | st.just("max") | st.integers(0, 1 << 40),
    cpu_max=st.none() | st.sampled_from(["max 100000", "5000 100000"]),
)
plans = st.dictionaries(names, specs, max_size=6).map(Plan.of)


@given(plans)
def test_parents_stand_before_children_and_none_is_missing(plan: Plan) -> None:
    """Every cgroup's parent is in the plan, before it."""
    seen = {""}
    for name in plan:
        assert parent(name) in seen
        seen.add(name)


@given(plans)
def test_text_round_trips(plan: Plan) -> None:
    """A plan written as text and read back is the same plan."""
    assert Plan.from_text(plan.to_text()) == plan


@given(plans, plans)
def test_a_diff_leads_from_the_one_to_the_other(old: Plan, new: Plan) -> None:
    """Applying the changes to the old plan gives the new one, and nothing is left to change."""
    reached = apply_changes(old, diff(old, new))
    assert dict(reached.cgroups) == dict(new.cgroups)
    assert diff(reached, new) == ()


@given(plans, plans)
def test_creations_go_down_and_removals_go_up(old: Plan, new: Plan) -> None:
    """A cgroup is created after its parent and removed before it."""
    changes = diff(old, new)
    created = [change.cgroup for change in changes if change.kind == "create"]
    removed = [change.cgroup for change in changes if change.kind == "remove"]
    assert all(parent(name) not in created[i:] for i, name in enumerate(created))
    assert all(parent(name) not in removed[:i] for i, name in enumerate(removed))


@pytest.mark.parametrize("name", ["", "/a", "a//b", "a/../b", "a/.", "a\0b", "x" * 256])
def test_names_that_could_leave_the_tree_are_refused(name: str) -> None:
    """No name with an empty, dot or NUL component, and none longer than the kernel takes."""
    with pytest.raises(PlanError):
        Plan.of({CgroupName(name): CgroupSpec()})


def test_leaves_are_where_processes_may_run() -> None:
    """Only cgroups without children are leaves."""
    plan = Plan.of({CgroupName("a/b/c"): CgroupSpec(), CgroupName("a/d"): CgroupSpec()})
    assert plan.leaves() == ("a/b/c", "a/d")
    assert plan.children(CgroupName("a")) == ("a/b", "a/d")
