"""Recordings as pandas tables, compared with each other, and under cAdvisor's names."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from made_recordings import contention, make_recording

import qos.record
import qos.report
from qos.model.cgroup import CgroupName
from qos.model.sample import Samples
from qos.model.summary import Summary, WorkloadSummary
from qos.record.compare import Difference, compare
from qos.record.frame import containers, from_tidy, tidy, wide
from qos.record.metrics import METRICS, to_openmetrics
from qos.record.summarize import summarize

LEAF = CgroupName("kubepods/pod-a/web")
MODULES = [
    name
    for package in (qos.record, qos.report)
    for _, name, _ in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
]


@pytest.mark.parametrize("name", MODULES)
def test_the_worked_numbers_are_right(name: str) -> None:
    """Every example in a docstring gives what it says."""
    assert doctest.testmod(importlib.import_module(name)).failed == 0


class TestFrames:
    @given(st.data())
    def test_samples_come_back_from_a_tidy_table(self, data: st.DataObject) -> None:
        """In any order of rows, with rows of nothing but gaps dropped, the readings are the same."""
        times = np.array(
            sorted(data.draw(st.sets(st.integers(0, 50), min_size=1, max_size=5))), dtype=np.float64
        )
        cgroups = tuple(CgroupName(name) for name in "abc"[: data.draw(st.integers(1, 3))])
        values = data.draw(npst.arrays(np.float64, (len(times), len(cgroups)), elements=st.floats(-1e6, 1e6)))
        samples = Samples(times, cgroups, {"memory_current": values}, "simulated")
        shuffled = tidy(samples).sample(frac=1.0, random_state=data.draw(st.integers(0, 99)))
        back = from_tidy(shuffled, "simulated")
        np.testing.assert_array_equal(back.times, times)
        for name in cgroups:
            np.testing.assert_array_equal(
                back.column("memory_current", name), samples.column("memory_current", name)
            )

    def test_a_missing_row_is_a_gap(self) -> None:
        """A cgroup that appears later has NaN before."""
        frame = tidy(make_recording(seconds=2).samples)
        back = from_tidy(frame.drop(index=0), "measured")
        assert np.isnan(back.columns["memory_current"]).sum() == 1

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda frame: frame.drop(columns="cgroup"), "no column cgroup"),
            (lambda frame: frame.iloc[[0, 0]], "two rows"),
        ],
    )
    def test_a_table_that_is_not_tidy_is_refused(self, change: object, message: str) -> None:
        """A missing key column and a row that stands twice are errors."""
        frame = tidy(make_recording(seconds=1).samples)
        with pytest.raises(ValueError, match=message):
            from_tidy(change(frame), "simulated")  # type: ignore[operator]  # a function of a frame

    def test_a_wide_table_has_a_column_for_each_cgroup(self) -> None:
        """What a spreadsheet plots: times down, cgroups across."""
        samples = make_recording(seconds=3).samples
        frame = wide(samples, "memory_current")
        assert list(frame.columns) == list(samples.cgroups)
        assert frame.index.tolist() == samples.times.tolist()
        with pytest.raises(KeyError):
            wide(samples, "memory_nothing")

    def test_containers_carry_their_pod(self) -> None:
        """Grouping by QOSClass or workload needs no second table."""
        recording = make_recording(seconds=2)
        by_class = containers(recording).groupby("qosClass")["memory_current"].max()
        assert set(by_class.index) == {"Guaranteed", "Burstable", "BestEffort"}
        assert containers(replace(recording, pods=())).empty


class TestCompare:
    def test_a_run_does_not_differ_from_itself(self) -> None:
        """No metric is reported where nothing changed."""
        summary = summarize(make_recording())
        assert compare(summary, summary) == ()

    def test_what_a_policy_changed_is_found(self) -> None:
        """Without CPU limits the web tier's p99 falls; workloads come before cgroups."""
        before, after = (summarize(recording) for recording in contention()[:2])
        found = compare(before, after, tolerance=0.05)
        p99 = next(
            entry for entry in found if (entry.subject, entry.metric) == ("web", "latency_seconds.p99")
        )
        assert p99.change is not None
        assert p99.change < -0.5
        kinds = ["/" in entry.subject for entry in found]
        assert kinds == sorted(kinds)

    def test_a_metric_of_one_side_only_differs(self) -> None:
        """A workload that ran only once is told, with no change to compute."""
        old = Summary("kubelet", 1.0, {}, {"web": WorkloadSummary({}, 3)}, ())
        new = Summary("kubelet", 1.0, {}, {}, ())
        assert Difference("web", "completed", 3.0, None) in compare(old, new)

    @given(st.floats(0.001, 1e6), st.floats(0.001, 1e6), st.floats(0, 1))
    def test_tolerance_is_relative(self, old: float, new: float, tolerance: float) -> None:
        """A change within the tolerance is passed over, one beyond it is told."""
        runs = [Summary("p", 1.0, {"a": {"x": value}}, {}, ()) for value in (old, new)]
        found = compare(runs[0], runs[1], tolerance)
        change = Difference("a", "x", old, new).change
        assert change is not None
        assert bool(found) == (abs(change) > tolerance)

    def test_from_nothing_to_something_is_infinite(self) -> None:
        """0 to 3 has no ratio; 0 to 0 is no change."""
        assert Difference("a", "oom_kills", 0.0, 3.0).change == float("inf")
        assert Difference("a", "oom_kills", 0.0, 0.0).change == 0.0


class TestOpenMetrics:
    def test_counters_are_in_seconds_under_cadvisors_names(self) -> None:
        """Microseconds become seconds to the digit, with labels and a timestamp; the text ends with EOF."""
        samples = Samples(
            np.array([0.0, 2.5]),
            (LEAF,),
            {"cpu_stat_usage_usec": np.array([[0.0], [1_500_001.0]])},
            "simulated",
        )
        pod = {"cgroup": LEAF, "namespace": "shop", "pod": 'we"b', "container": "web"}
        made = replace(
            make_recording(seconds=1), samples=samples, pods=(pod,), files={LEAF: {"memory.max": "max"}}
        )
        lines = to_openmetrics(made, epoch_seconds=1000.0).splitlines()
        labels = r'container="web",id="/kubepods/pod-a/web",namespace="shop",pod="we\"b"'
        assert lines == [
            "# TYPE container_cpu_usage_seconds counter",
            "# HELP container_cpu_usage_seconds CPU time used.",
            f"container_cpu_usage_seconds_total{{{labels}}} 0 1000",
            f"container_cpu_usage_seconds_total{{{labels}}} 1.500001 1002.5",
            "# TYPE container_spec_cpu_quota gauge",
            "# HELP container_spec_cpu_quota CPU time a period in usec.",
            "# TYPE container_spec_cpu_period gauge",
            "# HELP container_spec_cpu_period Length of a period of cpu.max in usec.",
            "# TYPE container_spec_memory_limit_bytes gauge",
            "# HELP container_spec_memory_limit_bytes Memory limit, 0 for none.",
            f"container_spec_memory_limit_bytes{{{labels}}} 0",
            "# EOF",
        ]

    def test_the_official_parser_reads_it(self) -> None:
        """prometheus_client finds every family, its type, and as many points as were read."""
        parser = pytest.importorskip(
            "prometheus_client.openmetrics.parser", reason="prometheus_client is not here"
        )
        recording = make_recording(seconds=5)
        families = {f.name: f for f in parser.text_string_to_metric_families(to_openmetrics(recording))}
        usage = families["container_cpu_usage_seconds"]
        assert usage.type == "counter"
        assert len(usage.samples) == len(recording.samples.times) * len(recording.pods)
        assert families["container_spec_cpu_quota"].samples[0].value == 200_000
        names = {
            "container_memory_usage_bytes",
            "container_oom_events",
            "container_pressure_cpu_waiting_seconds",
        }
        assert names <= families.keys()

    @pytest.mark.shared
    def test_the_names_are_those_of_real_kubelets(self, shared_dir: Path) -> None:
        """Every name stands in some real /metrics/cadvisor; pressure is newer than those dumps."""
        text = "\n".join(
            path.read_text(errors="replace")
            for path in (shared_dir / "data/metrics-dumps").rglob("*")
            if path.is_file()
        )
        real = set(re.findall(r"\b(container_[a-z_]+)", text))
        ours = {
            f"{m.name}_total" if m.kind == "counter" else m.name
            for m in METRICS
            if "_pressure_" not in m.name
        }
        assert ours <= real
