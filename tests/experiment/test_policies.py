"""House policies written as documents: in a file of their own, or beside the scenario that tries them."""

from __future__ import annotations

from pathlib import Path

import pytest

from qos.errors import InputError
from qos.experiment.explain import explain
from qos.experiment.policies import policy_named
from qos.experiment.simulate import simulate
from qos.model.cgroup import CgroupName
from qos.scenario.scenario import load_scenario

POLICY = """\
apiVersion: qos.dev/v1alpha1
kind: QoSPolicy
metadata: {name: mine, description: heavy pods}
spec:
  base: kubelet
  rules:
    - level: pod
      qosClass: Burstable
      set: {cpu.max: max 100000}
      factor: {cpu.weight: 10}
"""
SCENARIO = """\
apiVersion: qos.dev/v1alpha1
kind: Scenario
metadata: {name: s}
spec:
  question: Does it help?
  duration: 2s
  nodes: [{metadata: {name: m}, status: {capacity: {cpu: 2, memory: 1Gi}}}]
  pods:
    - kind: Pod
      metadata: {name: a, uid: a, labels: {app: a}}
      spec: {containers: [{name: c, resources: {requests: {cpu: 500m}, limits: {cpu: 500m}}}]}
  workloads: [{name: w, selector: app=a, cpu: {shape: constant, cpu: 100m}}]
  policies: [kubelet, mine]
  agents: []
---
"""


def test_a_policy_file_explains_and_simulates(tmp_path: Path) -> None:
    """--policy FILE, and policies: of a scenario with the document beside it, give the same values."""
    file, scenario = tmp_path / "mine.yaml", tmp_path / "s.yaml"
    file.write_text(POLICY)
    scenario.write_text(SCENARIO + POLICY)
    runs = simulate(load_scenario(scenario, known_policies=["kubelet"]))
    pod = CgroupName("kubepods/burstable/poda")
    assert [run.policy for run in runs] == ["kubelet", "mine"]
    before, after = (dict(run.files[pod]) for run in runs)
    assert (before["cpu.max"], after["cpu.max"]) == ("50000 100000", "max 100000")
    assert int(after["cpu.weight"]) == 10 * int(before["cpu.weight"])
    manifest = tmp_path / "pod.yaml"
    manifest.write_text(
        "kind: Pod\nmetadata: {name: a, uid: a}\n"
        "spec: {containers: [{name: c, resources: {requests: {cpu: 500m}, limits: {cpu: 500m}}}]}\n"
    )
    assert explain([manifest], policy=str(file))["cgroups"][pod] == after


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        (
            "cpu.weight: 10",
            "cpu.wait: 10",
            "10:15: spec.rules[0].factor: no such file of a cgroup, got 'cpu.wait'",
        ),
        ("max 100000", "5", "9:22: spec.rules[0].set.cpu.max: not a value of cpu.max"),
        ("cpu.weight: 10", "cpuset.cpus: 2", "10:29: spec.rules[0].factor.cpuset.cpus: cannot be multiplied"),
        (
            "cpu.weight: 10",
            "cpu.weight: -1",
            "10:28: spec.rules[0].factor[cpu.weight]: must be greater than 0",
        ),
        ("base: kubelet", "base: kublet", "5:9: policy: no such policy, got 'kublet'"),
        (
            "level: pod",
            "level: pad",
            "7:14: spec.rules[0].level: must be 'node', 'qos', 'pod' or 'container'",
        ),
        ("kind: QoSPolicy", "kind: Scenario", "2:7: kind: must be 'QoSPolicy'"),
    ],
)
def test_a_wrong_policy_is_refused_where_it_stands(
    before: str, after: str, line: str, tmp_path: Path
) -> None:
    """File, line and column for rules that cannot work."""
    file = tmp_path / "mine.yaml"
    file.write_text(POLICY.replace(before, after))
    with pytest.raises(InputError) as caught:
        policy_named(str(file))
    assert str(caught.value).startswith(f"{file}:{line}")
