"""What a recording came to: last values, peaks, waits, latencies, kills."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_recordings import make_recording, measured

from qos.model.cgroup import CgroupName
from qos.model.event import Event
from qos.model.sample import Completions, Recording, Samples
from qos.record.summarize import latencies, summarize

POD = CgroupName("kubepods/burstable/pod-a")
LEAF = CgroupName("kubepods/burstable/pod-a/web")


def recording(
    columns: dict[str, list[float]],
    times: list[float] | None = None,
    source: str = "simulated",
    **more: Any,
) -> Recording:
    """A recording of one container ``web``; each column is its series."""
    count = len(next(iter(columns.values())))
    moments = np.array(times if times is not None else range(count), dtype=np.float64)
    series = {name: np.array(values, dtype=np.float64).reshape(-1, 1) for name, values in columns.items()}
    pod = {"cgroup": LEAF, "podCgroup": POD, "workload": "web", "qosClass": "Burstable"}
    pods = more.pop("pods", (pod,))
    return Recording("kubelet", {}, pods, {}, Samples(moments, (LEAF,), series, source), **more)  # type: ignore[arg-type]  # the two words


def completions(*pairs: tuple[float, float]) -> Completions:
    """Requests of the one container as (arrival, latency)."""
    arrival, latency = np.array(pairs).T
    return Completions((LEAF,), np.zeros(len(pairs), dtype=np.int32), arrival, latency)


class TestLastValues:
    def test_counters_and_gauges_are_the_last_that_were_read(self) -> None:
        """A cgroup that is gone keeps its last reading; a column it never had is left out."""
        summary = summarize(
            recording(
                {
                    "cpu_stat_usage_usec": [0, 10, np.nan],
                    "memory_current": [1, 5, 2],
                    "io_stat_rbytes": [np.nan] * 3,
                }
            )
        )
        assert summary.cgroups[LEAF] == {"cpu_stat_usage_usec": 10, "memory_current": 2, "memory_peak": 5}

    def test_the_peak_is_the_higher_of_memory_peak_and_memory_current(self) -> None:
        """memory.peak catches what readings of memory.current miss; without it the readings must do."""
        with_peak = recording({"memory_current": [1, 5, 2], "memory_peak": [1, 7, 7]})
        assert summarize(with_peak).cgroups[LEAF]["memory_peak"] == 7

    @given(st.lists(st.one_of(st.floats(0, 1e9), st.just(float("nan"))), min_size=1, max_size=20))
    def test_no_reading_exceeds_the_peak(self, values: list[float]) -> None:
        """Whatever the gaps, the peak is the greatest reading, and absent where there was none."""
        found = summarize(recording({"memory_current": values})).cgroups[LEAF].get("memory_peak")
        seen = [value for value in values if value == value]  # noqa: PLR0124 - not NaN
        assert found == (max(seen) if seen else None)

    def test_duration_is_the_time_covered(self) -> None:
        """From the first reading to the last; a recording without readings covers none."""
        assert summarize(recording({"x": [0, 0, 0]}, times=[5.0, 6.0, 9.5])).duration_seconds == 4.5
        assert summarize(recording({"x": []})).duration_seconds == 0.0


class TestWaits:
    def test_the_simulator_tells_both_waits(self) -> None:
        """Of 10 s wanted, 6 s ran, 3 s waited for the quota and 1 s for a busy node."""
        fared = summarize(
            recording(
                {
                    "cpu_stat_usage_usec": [0, 6e6],
                    "sim_wait_quota_usec": [0, 3e6],
                    "sim_wait_cpu_usec": [0, 1e6],
                    "cpu_stat_throttled_usec": [0, 9e6],
                    "cpu_stat_nr_periods": [0, 100],
                    "cpu_stat_nr_throttled": [0, 38],
                }
            )
        ).workloads["web"]
        assert fared.cpu_seconds == 6.0
        assert fared.waited_for_quota == pytest.approx(0.3)
        assert fared.waited_for_cpu == pytest.approx(0.1)
        assert fared.throttled_ratio == pytest.approx(0.38)

    def test_a_real_kernel_is_told_by_throttling_and_pressure(self) -> None:
        """throttled_usec is the quota's part; cpu.pressure includes it, and only its excess is the node's."""
        fared = summarize(
            recording(
                {
                    "cpu_stat_usage_usec": [100, 6e6 + 100],
                    "cpu_stat_throttled_usec": [0, 3e6],
                    "cpu_pressure_some_total": [7e6, 11e6],
                },
                source="measured",
            )
        ).workloads["web"]
        assert fared.waited_for_quota == pytest.approx(0.3)
        assert fared.waited_for_cpu == pytest.approx(0.1)

    def test_what_the_kernel_does_not_tell_is_unknown(self) -> None:
        """Without throttling and pressure the waits are None, not 0; without cpu.stat all of it is."""
        bare = summarize(recording({"cpu_stat_usage_usec": [0, 6e6]})).workloads["web"]
        assert (bare.cpu_seconds, bare.waited_for_quota, bare.waited_for_cpu) == (6.0, None, None)
        assert summarize(recording({"memory_current": [0, 1]})).workloads["web"].cpu_seconds is None

    def test_without_a_quota_no_fraction_of_periods_is_told(self) -> None:
        """nr_periods stays 0 where cpu.max is max."""
        columns = {
            "cpu_stat_usage_usec": [0, 1],
            "cpu_stat_nr_periods": [0, 0],
            "cpu_stat_nr_throttled": [0, 0],
        }
        assert summarize(recording(columns)).workloads["web"].throttled_ratio is None

    def test_a_reset_counter_goes_on_counting(self) -> None:
        """A cgroup made anew counts from 0: 0, 4, then 1 and 3 again are 7 in all."""
        assert (
            summarize(recording({"cpu_stat_usage_usec": [0, 4e6, 1e6, 3e6]})).workloads["web"].cpu_seconds
            == 7
        )

    def test_the_parts_of_a_made_run_are_fractions(self) -> None:
        """In a whole run all waits lie between 0 and 1 and leave room for what ran."""
        for made in (make_recording(), measured(make_recording())):
            for fared in summarize(made).workloads.values():
                assert fared.waited_for_quota is not None
                assert fared.waited_for_cpu is not None
                assert 0 <= fared.waited_for_quota + fared.waited_for_cpu < 1


class TestWorkloads:
    def test_latencies_are_percentiles_of_all_containers(self) -> None:
        """Two containers' requests are one distribution."""
        other = CgroupName("kubepods/burstable/pod-b/web")
        made = recording({"x": [0, 1]})
        pods = (*made.pods, dict(made.pods[0]) | {"cgroup": other, "podCgroup": "kubepods/burstable/pod-b"})
        done = Completions(
            (LEAF, other), np.array([0, 1, 1], dtype=np.int32), np.zeros(3), np.array([0.1, 0.3, 0.2])
        )
        fared = summarize(replace(made, pods=pods, completions=done)).workloads["web"]
        assert fared.completed == 3
        assert fared.latency_seconds["p50"] == 0.2
        assert fared.latency_seconds["max"] == 0.3

    @given(st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=50))
    def test_percentiles_rise_up_to_the_maximum(self, values: list[float]) -> None:
        """p50 ≤ p90 ≤ p95 ≤ p99 ≤ max, and the mean lies within the values."""
        found = latencies(np.array(values))
        ordered = [found[name] for name in ("p50", "p90", "p95", "p99", "max")]
        assert all(low <= high * (1 + 1e-12) for low, high in pairwise(ordered))
        assert min(values) * (1 - 1e-12) <= found["mean"] <= max(values) * (1 + 1e-12)

    def test_a_job_is_done_when_its_last_container_is(self) -> None:
        """A single completion is a job's end; many are requests, which have none."""
        job = recording({"x": [0, 1]}, completions=completions((20.0, 60.0)))
        assert summarize(job).workloads["web"].completion_seconds == 80.0
        requests = recording({"x": [0, 1]}, completions=completions((0.0, 0.1), (1.0, 0.2)))
        assert summarize(requests).workloads["web"].completion_seconds is None

    def test_arrivals_are_told_where_they_are_counted(self) -> None:
        """Requests that came can be more than were completed; a real kernel does not count them."""
        done = completions((0.0, 0.1), (1.0, 0.2))
        assert summarize(recording({"sim_arrived": [0, 5]}, completions=done)).workloads["web"].arrived == 5
        assert summarize(recording({"x": [0, 5]}, completions=done)).workloads["web"].arrived is None

    def test_kills_evictions_and_restarts_are_counted_by_pod_or_container(self) -> None:
        """An event may name the container's cgroup or its pod's; others' events do not count."""
        events = (
            Event(9.0, "evict", POD, "node is low on memory"),
            Event(1.0, "oom_kill", LEAF, "memory.max"),
            Event(2.0, "restart", LEAF, "back-off"),
            Event(3.0, "global_oom_kill", LEAF, "node"),
            Event(4.0, "oom_kill", CgroupName("kubepods/other"), "not ours"),
        )
        summary = summarize(recording({"x": [0, 1]}, events=events))
        fared = summary.workloads["web"]
        assert (fared.oom_kills, fared.evictions, fared.restarts) == (2, 1, 1)
        assert [event.time for event in summary.events] == [1.0, 2.0, 3.0, 4.0, 9.0]

    def test_memory_of_several_containers_peaks_together(self) -> None:
        """The peak of a workload is the highest sum at one time, not the sum of peaks."""
        other = CgroupName("kubepods/burstable/pod-b/web")
        samples = Samples(
            np.array([0.0, 1.0]),
            (LEAF, other),
            {"memory_current": np.array([[5.0, 1.0], [1.0, 4.0]])},
            "measured",
        )
        pods = tuple({"cgroup": name, "workload": "web"} for name in (LEAF, other))
        summary = summarize(Recording("host", {}, pods, {}, samples))
        assert summary.workloads["web"].memory_peak_bytes == 6.0

    def test_a_class_that_differs_is_mixed(self) -> None:
        """A workload over pods of two classes is not counted to either."""
        pods = tuple(
            {"cgroup": LEAF, "workload": "web", "qosClass": name} for name in ("Burstable", "BestEffort")
        )
        assert summarize(recording({"x": [0]}, pods=pods)).workloads["web"].qos_class == "mixed"

    def test_a_recording_without_pods_is_told_by_leaf_cgroups(self) -> None:
        """A live host's recording needs no manifest."""
        summary = summarize(recording({"cpu_stat_usage_usec": [0, 2e6]}, pods=()))
        assert summary.workloads[LEAF].cpu_seconds == 2.0
