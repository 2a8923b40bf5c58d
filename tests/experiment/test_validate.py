"""What `qos validate` refuses before it boots anything, and what it makes of options."""

from __future__ import annotations

from pathlib import Path

import pytest

from enforcer.lab.build import built_image
from enforcer.place import cpu_count
from qos.errors import InputError
from qos.experiment.laboratory import choose_lane, guest_size, warnings_of
from qos.experiment.measure import check_size, node_size
from qos.experiment.predict import with_shapes
from qos.experiment.rig import disk_mib
from qos.experiment.simulate import load, simulate
from qos.experiment.validate import line_cells, parse_tolerances, validate
from qos.model.cgroup import CgroupName
from qos.record.fidelity import Line

ROOT = Path(__file__).resolve().parents[2]
FIDELITY = sorted((ROOT / "scenarios" / "fidelity").glob("*.yaml"))
ONE_CPU = ROOT / "scenarios" / "fidelity" / "weights-1-to-3.yaml"
MIB = 2**20


@pytest.mark.parametrize("path", FIDELITY, ids=lambda path: path.stem)
def test_each_fidelity_scenario_fits_a_guest(path: Path) -> None:
    """One CPU is any lane's, two are QEMU's; its name is that of its file."""
    scenario = load(str(path))
    cpus = int(node_size(scenario)[0])
    assert guest_size(scenario, "uml" if cpus == 1 else "qemu") == (cpus, 1024)
    assert scenario.name == path.stem


@pytest.mark.parametrize(
    ("name", "lane"),
    [("fidelity/weights-1-to-3", "uml"), ("fidelity/two-cpus-cpuset-apart", "qemu"), ("contention", "qemu")],
)
def test_without_a_lane_the_quickest_that_fits_is_taken(
    name: str, lane: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One CPU is User Mode Linux's; several, or cpuset, are the built kernel's, else QEMU's."""
    monkeypatch.setenv("QOS_LAB_CACHE", str(tmp_path))
    scenario = load(str(ROOT / "scenarios" / f"{name}.yaml"))
    assert choose_lane(scenario, scenario.policies[0]) == lane
    built = built_image()
    built.parent.mkdir()
    built.touch()
    assert choose_lane(scenario, scenario.policies[0]) == ("uml" if lane == "uml" else "built")


def test_a_guest_that_cannot_tell_the_truth_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CPUs that take turns on this machine's, and emulated ones where nothing better was built."""
    monkeypatch.setenv("QOS_LAB_CACHE", str(tmp_path))
    four = load(str(ROOT / "scenarios" / "contention.yaml"))
    turns = [words for words in warnings_of(four, "qemu") if "take turns" in words]
    assert len(turns) == (cpu_count() < 4)
    assert any("make lab-kernel" in words for words in warnings_of(four, "qemu"))
    assert warnings_of(load(str(ONE_CPU)), "uml") == []


def test_a_disk_has_room_for_the_files_that_loads_read() -> None:
    """A gigabyte read through the page cache does not fit a disk of one; no files, no disk."""
    assert disk_mib(load(str(ROOT / "scenarios" / "contention.yaml"))) == 1024 + 1280
    assert disk_mib(load(str(ONE_CPU))) == 0


def test_a_node_of_another_size_is_one_clear_error_before_anything_runs() -> None:
    """The contention scenario has four CPUs, the guest one: the error names both sizes and the field."""
    with pytest.raises(InputError) as caught:
        validate(str(ROOT / "scenarios" / "contention.yaml"), kernel="uml")
    said = str(caught.value)
    assert "\n" not in said
    assert "spec.nodes" in said
    assert "cpu 4, memory 8192Mi" in said
    assert "cpu 1, memory 256Mi to 4096Mi" in said


@pytest.mark.parametrize(
    ("cpus", "mebibytes", "fits"),
    [(1, 1024, True), (1, 983, True), (1, 900, False), (2, 1024, False), (1, 1100, False)],
)
def test_a_machine_may_count_a_little_less_memory_than_its_node(
    cpus: int, mebibytes: int, fits: bool
) -> None:
    """A kernel keeps a few per cent of the memory; more CPUs, more memory or much less is another machine."""
    scenario = load(str(ONE_CPU))
    assert node_size(scenario) == (1.0, 1024 * MIB)
    if fits:
        check_size(scenario, cpus, mebibytes * MIB, "this machine")
    else:
        with pytest.raises(InputError, match="not of the size of this machine"):
            check_size(scenario, cpus, mebibytes * MIB, "this machine")


def test_tolerances_are_fractions_of_known_metrics() -> None:
    """METRIC=FRACTION; anything else is said in one line with the names that exist."""
    assert parse_tolerances(["cpu_share=0.005", "oom_seconds=0"]) == {"cpu_share": 0.005, "oom_seconds": 0.0}
    for word in ("speed=1", "cpu_share", "cpu_share=much", "cpu_share=nan", "cpu_share=-1"):
        with pytest.raises(InputError, match="--tolerance"):
            parse_tolerances([word])


def test_a_prediction_says_what_each_leaf_does_as_a_measurement_does() -> None:
    """Both sides are asked for the same figures: the simulated recording has the same shapes."""
    scenario = load(str(ONE_CPU))
    (run,) = simulate(scenario)
    shapes = with_shapes(run, scenario).meta["shapes"]
    assert sorted(shapes) == sorted(str(record["cgroup"]) for record in run.pods)
    assert set(map(tuple, shapes.values())) == {("spin",)}


@pytest.mark.parametrize(
    ("metric", "value", "cell"),
    [
        ("psi_cpu", 2.5e6, "2.5 s"),
        ("throttled_usec", 40_000.0, "40 ms"),
        ("pids_current", 20.0, "20"),
        ("restarts", 1.0, "1"),
        ("cpu_share", 0.25, "0.2500"),
        ("memory_peak", float(64 * MIB), "64 MiB"),
        ("oom_seconds", 3.0, "3 s"),
    ],
)
def test_each_metric_is_told_in_its_own_unit(metric: str, value: float, cell: str) -> None:
    """Counts are no seconds, and a pressure total is in microseconds."""
    line = Line(metric, CgroupName("a"), "a", value, value, 0.0, 0.0, 0.1, "close")
    assert line_cells(line)[2] == cell
