"""A workload beside the pods, in a cgroup of its own such as system.slice."""

from pathlib import Path

import pytest

from qos.errors import InputError
from qos.experiment.simulate import load, simulate

SCENARIO = (Path(__file__).resolve().parents[2] / "scenarios" / "system-starved.yaml").read_text()


def _file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "scenario.yaml"
    path.write_text(text)
    return path


def test_system_slice_competes_with_kubepods_at_its_default_weight(tmp_path: Path) -> None:
    """100 of system.slice against 1094 of kubepods, 32 CPUs wanted by both: 32 · 100 / 1194 = 2.68."""
    (run,) = simulate(load(_file(tmp_path, SCENARIO)), policies=["kubelet"])
    used = run.samples.column("cpu_stat_usage_usec", "system.slice")[-1] / 1e6
    assert used / 60 == pytest.approx(32 * 100 / 1194, rel=1e-3)


def test_the_agents_keep_the_cgroup_when_they_plan_anew(tmp_path: Path) -> None:
    """An agent that plans for the pods left does not take system.slice out of the plan."""
    text = SCENARIO.replace("agents: []", "agents: [eviction, restart, qosLevels]")
    (run,) = simulate(load(_file(tmp_path, text)), policies=["kubelet"])
    assert "system.slice" in run.samples.cgroups


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("cgroup: kubepods.slice", "told by selector"),
        ("cgroup: ../escape.slice", "cgroup"),
        ("cgroup: system", "cgroup"),
        ("selector: app=transcoder\n      cgroup: system.slice", "exactly one of"),
    ],
)
def test_a_cgroup_that_is_no_unit_beside_the_pods_is_refused(tmp_path: Path, wrong: str, said: str) -> None:
    """The error names the workload's field and line."""
    path = _file(tmp_path, SCENARIO.replace("cgroup: system.slice\n      cpu", f"{wrong}\n      cpu"))
    with pytest.raises(InputError, match=rf"scenario\.yaml:\d+:\d+: spec\.workloads.*{said}"):
        load(path)


def test_two_workloads_of_one_cgroup_are_refused(tmp_path: Path) -> None:
    """The second of two workloads in system.slice is an error that names the first."""
    second = "    - {name: other, cgroup: system.slice, cpu: {shape: spin}}\n  expect:"
    path = _file(tmp_path, SCENARIO.replace("  expect:", second, 1))
    with pytest.raises(InputError, match="already runs workload 'kubelet-and-sshd'"):
        load(path)
