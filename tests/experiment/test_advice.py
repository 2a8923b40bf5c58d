"""What qos test says of a broken promise: the formulas behind it and the smallest change that keeps it."""

import re
from pathlib import Path

import pytest

from qos.check.outcome import Outcome
from qos.experiment.check import CheckOptions, check_scenario

SCENARIO = """\
apiVersion: qos.dev/v1alpha1
kind: Scenario
metadata: {name: limits}
spec:
  question: Do the limits hold what is wanted?
  duration: 20s
  nodes:
    - apiVersion: v1
      kind: Node
      metadata: {name: small}
      status: {capacity: {cpu: "4", memory: 4Gi, pods: "10"}}
  pods:
    - apiVersion: v1
      kind: Pod
      metadata: {name: web, labels: {app: web}}
      spec:
        containers:
          - name: app
            image: i
            resources: {requests: {cpu: 250m, memory: 64Mi}, limits: {cpu: 500m, memory: 256Mi}}
          - {name: idle, image: i}
  workloads:
    - name: web
      selector: app=web
      container: app
      cpu: {shape: constant, cpu: 800m, threads: 2}
      memory: {anon: {start: 100Mi, growPerSecond: 20Mi, limit: LIMIT}}
  agents: []
  expect:
    - EXPECT
"""


def _judged(tmp_path: Path, expect: str, *, grows_to: str = "200Mi", advise: bool = True) -> Outcome:
    path = tmp_path / "limits.yaml"
    path.write_text(SCENARIO.replace("EXPECT", expect).replace("LIMIT", grows_to))
    (outcome,) = check_scenario(str(path), CheckOptions(advise=advise))
    assert outcome.failed
    return outcome


def _value(outcome: Outcome, knob: str) -> int:
    pattern = rf"spec\.pods\[web\]\.containers\[app\]\.{re.escape(knob)}: \w+ → (\d+)\w+ would keep it"
    found = re.fullmatch(pattern, outcome.fix)
    assert found, outcome.fix
    return int(found[1])


def test_a_cpu_limit_is_raised_to_what_the_work_needs(tmp_path: Path) -> None:
    """800m is wanted under a limit of 500m: the smallest limit without a throttled period is 800m, to 2 %."""
    outcome = _judged(tmp_path, '{workload: web, metric: cpu_usage_cpus, comparator: ">=", value: 0.79}')
    assert 780 <= _value(outcome, "limits.cpu") <= 820
    assert re.search(r"/app cpu\.max 50000 100000: limit 500m", outcome.message)


def test_a_memory_limit_is_raised_to_what_the_work_holds(tmp_path: Path) -> None:
    """A container that grows to 400Mi is not OOM-killed from some 400Mi on."""
    expect = '{workload: web, metric: events, event: oom_kill, comparator: "==", value: 0}'
    outcome = _judged(tmp_path, expect, grows_to="400Mi")
    assert 400 <= _value(outcome, "limits.memory") <= 409
    assert "memory.max 268435456" in outcome.message


def test_a_limit_is_lowered_where_less_is_promised(tmp_path: Path) -> None:
    """At most 0.4 CPUs may be used: the limit of 500m goes down to 400m, not below the request."""
    outcome = _judged(tmp_path, '{workload: web, metric: cpu_usage_cpus, comparator: "<=", value: 0.4}')
    assert 390 <= _value(outcome, "limits.cpu") <= 400


@pytest.mark.parametrize(
    "expect",
    [
        '{workload: web, metric: cpu_usage_cpus, comparator: ">=", value: 3}',
        '{cgroup: "kubepods", metric: cpu_usage_cpus, comparator: ">=", value: 3}',
        '{cgroup: "nowhere", metric: cpu_usage_cpus, comparator: ">=", value: 3}',
    ],
)
def test_nothing_is_advised_where_no_single_value_helps(tmp_path: Path, expect: str) -> None:
    """Work that is not there, a cgroup that is no container's: no fix is made up."""
    assert not _judged(tmp_path, expect).fix


def test_without_advice_only_the_failure_is_told(tmp_path: Path) -> None:
    """--no-advice runs nothing more and says no formula."""
    expect = '{workload: web, metric: cpu_usage_cpus, comparator: ">=", value: 0.79}'
    outcome = _judged(tmp_path, expect, advise=False)
    assert not outcome.fix
    assert "\n" not in outcome.message
