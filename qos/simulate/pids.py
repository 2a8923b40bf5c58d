"""pids.max: how many tasks a cgroup and those above it let a workload have.

Source: kernel/cgroup/pids.c of Linux 6.12: a fork needs room in every cgroup above.
"""

from __future__ import annotations

from collections.abc import Mapping

from qos.model.cgroup import CgroupName, ancestors
from qos.model.plan import Plan


def allowed_tasks(
    plan: Plan, running: Mapping[CgroupName, int], cgroup: CgroupName, tasks: int
) -> tuple[int, tuple[tuple[CgroupName, str], ...]]:
    """Tasks that may be started in ``cgroup``, and for each cgroup that refuses some, the reason.

    Args:
        plan: the limits in force.
        running: tasks in each leaf now.
        cgroup: the leaf.
        tasks: how many are wanted. Wanted 5 under pids.max 4 with 1 running elsewhere below it: 3.
    """
    refusals: list[tuple[CgroupName, str]] = []
    for name in (cgroup, *reversed(ancestors(cgroup))):
        limit = plan.cgroups[name].pids_max
        if limit is None or limit == "max":
            continue
        inside = sum(count for leaf, count in running.items() if leaf == name or leaf.startswith(f"{name}/"))
        room = max(limit - inside, 0)
        if room < tasks:
            reason = f"fork refused: pids.max {limit} of {name} lets it have {room} of {tasks} tasks"
            refusals.append((name, reason))
            tasks = room
    return tasks, tuple(refusals)
