"""`qos validate`'s own measurement on a real kernel: plan enforced, loads run, readings and events told."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest
import yaml

from enforcer.place import cpu_count, memory_bytes
from qos.errors import HostError
from qos.experiment.enforce import Host
from qos.experiment.measure import measure
from qos.experiment.simulate import load
from qos.model.cgroup import parent
from qos.model.plan import Plan
from qos.model.profile import parse_version
from qos.record.run_figures import figures
from qos.scenario.scenario import Scenario

PHASES_SINCE = (6, 4)
FIDELITY = Path(__file__).resolve().parents[2] / "scenarios" / "fidelity"


def _here(name: str, folder: Path) -> Scenario:
    """A fidelity scenario whose node is this machine."""
    document = yaml.safe_load((FIDELITY / f"{name}.yaml").read_text())
    capacity = {"cpu": str(cpu_count()), "memory": str(memory_bytes()), "pods": "110"}
    document["spec"]["nodes"][0]["status"]["capacity"] = capacity
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(document))
    return load(str(path))


def _measured(name: str, folder: Path) -> dict[tuple[str, str], float]:
    """The figures of one measured run."""
    scenario = _here(name, folder)
    (run,) = measure(scenario, policy=scenario.policies[0], seed=1, repeat=1)
    assert run.samples.source == "measured"
    assert 0.0 <= run.meta["measuring_cpus"] < 0.5
    leaf = run.pods[0]["cgroup"]
    names = {leaf: "leaf", parent(leaf): "pod"}
    return {(metric, names.get(whose, whose)): value for (metric, whose), value in figures(run).items()}


def test_a_quota_is_measured(tmp_path: Path) -> None:
    """A spinner under 500m uses half a CPU; in most periods it is throttled, and stands half of the time.

    The kubelet writes the quota to the container and to its pod. Until 6.3 both end their periods at once and
    each is throttled. Since 6.4 Linux draws their phases: which of the two runs out first is up to these.
    """
    found = _measured("quota-500m", tmp_path)
    assert found["cpu_usage", "leaf"] == pytest.approx(0.5, abs=0.05)
    throttled = [found["throttled_ratio", "leaf"], found["throttled_ratio", "pod"]]
    stood = [found["throttled_usec", "leaf"], found["throttled_usec", "pod"]]
    if parse_version(platform.release())[:2] < PHASES_SINCE:
        assert throttled[0] > 0.7
        assert stood[0] == pytest.approx(2.5e6, rel=0.2)
    assert sum(throttled) > 0.7
    assert sum(stood) > 0.8 * 2.5e6
    assert max(stood) < 1.2 * 2.5e6


def test_an_oom_kill_is_measured_with_its_time(tmp_path: Path) -> None:
    """A container that grows by 16 MiB a second from 32 MiB is killed at 96 MiB, near the fourth second."""
    found = _measured("growth-into-max-96mi-at-16mi", tmp_path)
    assert found["oom_killed", "leaf"] == 1.0
    assert found["oom_seconds", "leaf"] == pytest.approx(4.0, abs=0.6)
    assert found["memory_peak", "leaf"] == 96 * 2**20


def test_nothing_is_left_and_a_managed_machine_is_refused(tmp_path: Path) -> None:
    """After a measurement the tree holds none of its cgroups; where qos manages pods, it does not begin."""
    scenario = _here("quota-500m", tmp_path)
    with Host() as host:
        before = set(host.fs.children())
        list(measure(scenario, policy="kubelet", seed=1, repeat=1))
        assert set(host.fs.children()) == before
        assert not host.enforcer.record().cgroups
        host.enforcer.apply(measured_plan(scenario))
        try:
            with pytest.raises(HostError, match="qos manages pods"):
                next(measure(scenario, policy="kubelet", seed=1, repeat=1))
        finally:
            host.enforcer.delete()


def measured_plan(scenario: Scenario) -> Plan:
    """The plan that is enforced for a scenario."""
    from qos.policy.registry import find_policy

    return find_policy("kubelet").plan(scenario.pods, scenario.node, scenario.profile)
