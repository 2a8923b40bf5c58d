"""`qos validate`'s own measurement on a real kernel: plan enforced, loads run, readings compared."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from enforcer.place import cpu_count, memory_bytes
from qos.errors import HostError
from qos.experiment.enforce import Host
from qos.experiment.measure import measure, with_shapes
from qos.experiment.simulate import load, simulate
from qos.record.fidelity import Line, compare_runs
from qos.scenario.scenario import Scenario

FIDELITY = Path(__file__).resolve().parents[2] / "scenarios" / "fidelity"


def _here(name: str, folder: Path) -> Scenario:
    """A fidelity scenario whose node is this machine."""
    document = yaml.safe_load((FIDELITY / f"{name}.yaml").read_text())
    capacity = {"cpu": str(cpu_count()), "memory": str(memory_bytes()), "pods": "110"}
    document["spec"]["nodes"][0]["status"]["capacity"] = capacity
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(document))
    return load(str(path))


def _validated(name: str, folder: Path) -> dict[tuple[str, str], Line]:
    """The lines of one measured run against its prediction."""
    scenario = _here(name, folder)
    policy = scenario.policies[0]
    measured = list(measure(scenario, policy=policy, seed=1, repeat=1))
    (predicted,) = simulate(scenario, policies=[policy], seed=1)
    lines = compare_runs(with_shapes(predicted, scenario), measured)
    return {(line.metric, line.subject): line for line in lines}


def test_a_quota_is_measured_as_predicted(tmp_path: Path) -> None:
    """A spinner under 500m: usage, throttled periods and throttled time are all within their tolerances."""
    lines = _validated("quota-500m", tmp_path)
    assert lines["cpu_usage", "held/c"].measured == pytest.approx(0.5, abs=0.02)
    assert ("throttled_usec", "held/c") in lines
    assert not [line for line in lines.values() if line.verdict == "OUTSIDE"]


def test_an_oom_kill_is_measured_with_its_time(tmp_path: Path) -> None:
    """A container that grows by 16 MiB a second from 32 MiB is killed at 96 MiB, near the fourth second."""
    lines = _validated("growth-into-max-96mi", tmp_path)
    assert lines["oom_killed", "leak/c"].measured == 1.0
    assert lines["oom_seconds", "leak/c"].measured == pytest.approx(4.0, abs=0.6)


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


def measured_plan(scenario: Scenario):
    """The plan that is enforced for a scenario."""
    from qos.policy.registry import find_policy

    return find_policy("kubelet").plan(scenario.pods, scenario.node, scenario.profile)
