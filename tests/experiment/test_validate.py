"""What `qos validate` refuses before it boots anything, and what it makes of options."""

from __future__ import annotations

from pathlib import Path

import pytest

from enforcer.lab.build import built_image
from enforcer.lab.launcher import NOT_STARTED, TIMED_OUT, GuestResult
from enforcer.place import cpu_count
from qos.errors import HostError, InputError
from qos.experiment.laboratory import check_lane, choose_lane, guest_size, warnings_of
from qos.experiment.measure import check_size, node_size
from qos.experiment.predict import with_shapes
from qos.experiment.rig import disk_mib
from qos.experiment.simulate import load, simulate
from qos.experiment.validate import line_cells, parse_tolerances, validate
from qos.experiment.validate_guest import Task, Told, failure
from qos.model.cgroup import CgroupName
from qos.record.fidelity import Line

ROOT = Path(__file__).resolve().parents[2]
FIDELITY = sorted((ROOT / "scenarios" / "fidelity").glob("*.yaml"))
FOUR_CPUS = ROOT / "scenarios" / "noisy-neighbour.yaml"
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
    [
        ("fidelity/weights-1-to-3", "uml"),
        ("fidelity/two-cpus-cpuset-apart", "qemu"),
        ("noisy-neighbour", "qemu"),
        ("contention", "uml"),
    ],
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
    four = load(str(FOUR_CPUS))
    turns = [words for words in warnings_of(four, "qemu") if "take turns" in words]
    assert len(turns) == (cpu_count() < 4)
    assert any("make lab-kernel" in words for words in warnings_of(four, "qemu"))
    assert warnings_of(load(str(ONE_CPU)), "uml") == []


def test_a_disk_has_room_for_the_files_that_loads_read() -> None:
    """A file of 200 MiB that is read through the page cache, and a quarter more; no files, no disk."""
    assert disk_mib(load(str(ROOT / "scenarios" / "contention.yaml"))) == 1024 + 250
    assert disk_mib(load(str(ONE_CPU))) == 0


def test_a_node_of_another_size_is_one_clear_error_before_anything_runs() -> None:
    """The node has four CPUs, the guest one: the error names both sizes and the field."""
    with pytest.raises(InputError) as caught:
        validate(str(FOUR_CPUS), kernel="uml")
    said = str(caught.value)
    assert "\n" not in said
    assert "spec.nodes" in said
    assert "cpu 4, memory 8192Mi" in said
    assert "cpu 1, memory 256Mi to 4096Mi" in said


@pytest.mark.parametrize("capacity", [{"cpu": "6", "memory": "1Gi"}, {"cpu": "1", "memory": "64Gi"}])
def test_a_node_that_no_guest_can_be_is_told_with_all_that_there_are(
    tmp_path: Path, capacity: dict[str, str]
) -> None:
    """Without --kernel the error is not about one lane that nobody named."""
    words = ONE_CPU.read_text().replace("cpu: '1'", f"cpu: '{capacity['cpu']}'")
    path = tmp_path / "node.yaml"
    path.write_text(words.replace("memory: 1Gi", f"memory: {capacity['memory']}"))
    with pytest.raises(InputError, match="no guest of the kernel lab can be the scenario's node") as caught:
        validate(str(path))
    assert "cpu 1, 2, 3 or 4, memory 256Mi to 8192Mi (qemu)" in str(caught.value)


def test_a_lane_whose_kernel_lacks_something_is_refused_before_it_is_booted() -> None:
    """io.weight is not in Debian's User Mode Linux; the error names a lane that has it."""
    scenario = load(str(ROOT / "scenarios" / "fidelity" / "io-weight-1-to-4.yaml"))
    with pytest.raises(HostError, match=r"io\.weight, which the kernel of uml has not; try --kernel \w+"):
        check_lane(scenario, scenario.policies[0], "uml")
    check_lane(scenario, scenario.policies[0], "qemu")


class TestWhatAGuestSaid:
    """The measuring in a guest tells each run that is done, and why it failed."""

    @pytest.fixture(name="task")
    def _task(self) -> Task:
        scenario = load(str(ONE_CPU))
        return Task(str(ONE_CPU), scenario, "uml", "kubelet", 0, 3)

    def test_runs_are_told_as_they_come(self) -> None:
        """Whole lines only, however the output is cut; half a recording at the end is none."""
        said: list[str] = []
        told = Told(3, said.append)
        for part in (b"hello\nrec", b"ording {1}\nrecording {2}", b"\n", b"recording {"):
            told.hear(part)
        told.end()
        assert told.runs == [b"{1}", b"{2}"]
        assert told.words == ["hello"]
        assert [words.partition(" is")[0] for words in said] == ["run 1 of 3", "run 2 of 3"]

    def test_a_time_out_says_how_far_it_came_and_what_to_do(self, task: Task) -> None:
        """Not the last word that happened to be printed."""
        told = Told(3, print, runs=[b"{}"])
        words = failure(task, GuestResult(TIMED_OUT, "", "Run /usr/bin/python"), told)
        assert "1 of 3 runs of" in words
        assert "try a larger --timeout, or a smaller --repeat" in words
        assert "python" not in words

    def test_the_guests_own_error_is_handed_on(self, task: Task) -> None:
        """Its last line, once with `qos:`, not twice; and the console's where it said nothing."""
        told = Told(3, print, words=["qos: no cgroup v2 here"])
        assert failure(task, GuestResult(2, "", ""), told).endswith("failed: exit code 2: no cgroup v2 here")
        panic = failure(task, GuestResult(NOT_STARTED, "", "a\nKernel panic"), Told(3, print))
        assert panic.endswith("Kernel panic")


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


def test_what_cannot_be_measured_is_said_before_a_guest_is_booted(tmp_path: Path) -> None:
    """Swap that a guest has not, and writes through the page cache, are one line with file and field."""
    text = ONE_CPU.read_text()
    path = tmp_path / "asked.yaml"
    path.write_text(text.replace("capacity:", "nodeInfo: {swap: {capacity: 536870912}}\n      capacity:", 1))
    with pytest.raises(InputError, match=r"asked\.yaml.*swap\.capacity: .*has swap, and any guest has none"):
        check_size(load(str(path)), 1, 1024 * MIB, "any guest")
    check_size(load(str(path)), 1, 1024 * MIB, "this machine", swap_bytes=512 * MIB)
    path.write_text(
        text.replace(
            "    cpu:\n      shape", "    io: {writePerSecond: 1Mi, direct: false}\n    cpu:\n      shape", 1
        )
    )
    with pytest.raises(InputError, match=r"asked\.yaml.*io\.direct: disk traffic through the page cache"):
        check_size(load(str(path)), 1, 1024 * MIB, "any guest")


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
