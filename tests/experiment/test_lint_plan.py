"""Tests of qos.experiment.lint: the rules over a whole plan, with the load it is to carry."""

from __future__ import annotations

from qos.experiment.lint import lint_plan, threads_of
from qos.model.cgroup import CgroupName
from qos.model.node import Node
from qos.model.pod import Pod
from qos.model.profile import Profile
from qos.model.workload import Workload
from qos.policy.defaults import apply_defaults
from qos.policy.registry import find_policy, plan_node

NODE = Node.model_validate({"status": {"capacity": {"cpu": "4", "memory": "8Gi"}}})


def _plan(**limits: str):
    spec = {"containers": [{"name": "web", "resources": {"limits": limits}}]}
    pod = Pod.model_validate({"metadata": {"name": "shop"}, "spec": spec})
    return plan_node(find_policy("kubelet"), [apply_defaults(pod)], NODE, Profile())


def test_the_load_tells_how_many_threads_there_are() -> None:
    """4 spinning threads under a limit of 1 CPU are found, 1 thread is not."""
    details = _plan(cpu="1", memory="1Gi")
    cgroup: CgroupName = details.pods[0].containers[0].cgroup
    busy = Workload.model_validate({"cpu": {"shape": "spin", "threads": 4}})
    calm = Workload.model_validate({"cpu": {"shape": "spin", "threads": 1}})
    assert [one.id for one in lint_plan(details, NODE, {cgroup: busy})] == ["quota-below-threads"]
    assert lint_plan(details, NODE, {cgroup: calm}) == ()
    assert lint_plan(details, NODE) == ()


def test_findings_of_all_pods_come_worst_first() -> None:
    """An error of one pod stands before a warning of another."""
    found = lint_plan(_plan(cpu="3m", memory="0"), NODE)
    assert found[0].severity == "error"
    assert {one.id for one in found} == {"zero-limit", "quota-rounded-up", "weight-one"}


def test_a_request_queue_is_as_wide_as_its_workers() -> None:
    """Workers of a requests shape are its threads; a load without CPU has none to tell."""
    queue = {"cpu": {"shape": "requests", "rate": 10, "cpuPerRequest": "5ms", "workers": 8}}
    assert threads_of(Workload.model_validate(queue)) == 8
    assert threads_of(Workload()) is None
