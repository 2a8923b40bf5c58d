"""The sentences that answer first, and the machine form."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from made_recordings import contention, make_recording, measured, undisturbed

from qos.model.cgroup import CgroupName
from qos.model.event import Event
from qos.model.sample import Recording
from qos.model.summary import Summary, WorkloadSummary
from qos.record.answer import answer, to_json
from qos.record.summarize import summarize

RUN = make_recording(seconds=4)


def told(*summaries: Summary, baseline: Summary | None = None) -> list[str]:
    """The sentences of some summaries, each with a recording of its policy."""
    recordings = [replace(RUN, policy=summary.policy, events=summary.events) for summary in summaries]
    every = list(summaries)
    if baseline:
        recordings.append(replace(RUN, meta={"role": "baseline"}))
        every.append(baseline)
    return answer(recordings, every)


def fared(p99: float | None = None, **more: float | None) -> WorkloadSummary:
    """A workload that waited for nothing, unless told otherwise."""
    known: dict[str, float | None] = {"waited_for_quota": 0.0, "waited_for_cpu": 0.0}
    known |= more
    return WorkloadSummary({"p50": p99 / 2, "p99": p99} if p99 else {}, 100 if p99 else 0, **known)  # type: ignore[arg-type]  # fields by name


def run(policy: str, *events: Event, **workloads: WorkloadSummary) -> Summary:
    """One run's summary."""
    return Summary(policy, 120.0, {}, workloads, events)


class TestLatency:
    def test_a_baseline_is_compared_with(self) -> None:
        """What contention does to the p99, as in "41 ms undisturbed → 310 ms under kubelet"."""
        sentences = told(run("kubelet", web=fared(0.310)), baseline=run("alone", web=fared(0.041)))
        assert sentences[0] == "web p99 41 ms undisturbed → 310 ms under kubelet"

    def test_policies_are_compared_with_the_first(self) -> None:
        """Without a baseline the first policy is what the others are read against."""
        sentences = told(run("kubelet", web=fared(0.310)), run("no-cpu-limits", web=fared(0.041)))
        assert sentences[0] == "web p99 310 ms under kubelet → 41 ms under no-cpu-limits"

    def test_no_difference_is_said(self) -> None:
        """Values within 5 % are the same to a reader."""
        sentences = told(*(run(policy, web=fared(0.31)) for policy in ("kubelet", "a", "b")))
        assert sentences[0] == "web p99 310 ms under kubelet, the same under a and b"

    def test_the_greatest_change_comes_first(self) -> None:
        """A reader of one line reads the workload that the policy matters to."""
        sentences = told(
            run("kubelet", db=fared(0.1), web=fared(0.3)), run("other", db=fared(0.11), web=fared(0.03))
        )
        assert [sentence.split()[0] for sentence in sentences[:2]] == ["web", "db"]

    def test_one_policy_alone_is_told_plainly(self) -> None:
        """A single run has nothing to be compared with."""
        assert told(run("kubelet", web=fared(1.234)))[0] == "web p99 1.23 s under kubelet"

    def test_a_workload_that_completed_nothing_is_named(self) -> None:
        """A policy that starves a service is told, and in front."""
        sentences = told(
            run("kubelet", db=fared(0.1), web=fared()), run("other", db=fared(0.5), web=fared(0.03))
        )
        assert sentences[0] == "web p99 nothing completed under kubelet → 30 ms under other"

    def test_jobs_are_told_by_their_end(self) -> None:
        """A batch job has no p99; a job that was not done says so."""
        sentences = told(run("kubelet", job=fared(completion_seconds=90.0)), run("other", job=fared()))
        assert sentences[0] == "job done at 90 s under kubelet → not done under other"


class TestWaits:
    def test_the_worst_is_named_first_by_cause(self) -> None:
        """Own limit and busy node are different problems with different remedies."""
        sentences = told(
            run(
                "kubelet",
                web=fared(throttled_ratio=0.38, waited_for_quota=0.2, waited_for_cpu=0.04),
                batch=fared(waited_for_cpu=0.6),
            )
        )
        assert sentences == [
            (
                "kubelet: throttled by its own limit: web in 38 % of periods; "
                "waiting for a busy node: batch 60 % of its time, web 4 %"
            )
        ]

    def test_a_limit_above_the_container_is_told_apart(self) -> None:
        """A pod's limit throttles a container that has none of its own."""
        assert told(run("kubelet", web=fared(waited_for_quota=0.25))) == [
            "kubelet: waiting for a limit above it: web 25 % of its time"
        ]

    def test_no_wait_is_said_only_where_it_is_known(self) -> None:
        """0 % and unknown are two answers."""
        assert told(run("kubelet", web=fared())) == ["kubelet: hardly any wait for the CPU"]
        unknown = fared(waited_for_quota=None, waited_for_cpu=None)
        assert "is not known" in told(run("host", web=unknown))[0]

    def test_a_long_list_is_cut_with_a_count(self) -> None:
        """Of nine waiting workloads four are named."""
        many = {f"w{index}": fared(waited_for_cpu=0.1 + index / 100) for index in range(9)}
        assert told(run("kubelet", **many))[0].endswith(
            "w8 18 % of its time, w7 17 %, w6 16 %, w5 15 %, 5 more"
        )


class TestEvents:
    def test_kills_and_evictions_are_told_by_workload_and_time(self) -> None:
        """The first time, and how often after that; a cgroup of no workload by its name."""
        leaf = CgroupName("kubepods/burstable/pod-neighbour-0/neighbour")
        events = (
            Event(31.0, "oom_kill", leaf, "memory.max"),
            Event(50.0, "oom_kill", leaf, "memory.max"),
            Event(60.0, "evict", CgroupName("kubepods/burstable/pod-web-0"), "node is low on memory"),
            Event(61.0, "oom_kill", CgroupName("system/sshd"), "memory.max"),
            Event(62.0, "throttle", leaf, "not worth a sentence"),
        )
        assert told(run("kubelet", *events, web=fared()))[0] == (
            "kubelet: neighbour OOM-killed at 31 s and once more; web evicted at 60 s; "
            "sshd OOM-killed at 61 s; hardly any wait for the CPU"
        )


class TestWholeRuns:
    def test_contention_is_answered_in_four_sentences(self) -> None:
        """One sentence on the web tier, and one on each policy."""
        recordings = [undisturbed(), *contention()]
        sentences = answer(recordings, [summarize(recording) for recording in recordings])
        assert len(sentences) == 4
        assert sentences[0].startswith("web p99 ")
        assert "undisturbed →" in sentences[0]
        assert [sentence.split(":")[0] for sentence in sentences[1:]] == [
            "kubelet",
            "no-cpu-limits",
            "memory-qos",
        ]

    def test_a_measured_run_is_answered_too(self) -> None:
        """A real kernel tells no latencies, but who waited and who was killed."""
        recording = measured(make_recording())
        (sentence,) = answer([recording], [summarize(recording)])
        assert "web in 84 % of periods" in sentence
        assert "neighbour OOM-killed at 31 s" in sentence

    def test_summaries_must_match_recordings(self) -> None:
        """A forgotten summary is an error, not a shorter answer."""
        with pytest.raises(ValueError, match="zip"):
            answer([RUN], [])


class TestMachineForm:
    @pytest.fixture
    def recordings(self) -> list[Recording]:
        """A baseline and three policies."""
        return [undisturbed(), *contention()]

    def test_its_shape_is_the_documented_one(self, recordings: list[Recording]) -> None:
        """Scenario, seed, profile and a run for each policy in order; the baseline apart."""
        data = to_json(recordings, [summarize(recording) for recording in recordings])
        assert data["scenario"] == "contention"
        assert data["seed"] == 7
        assert [entry["policy"] for entry in data["runs"]] == ["kubelet", "no-cpu-limits", "memory-qos"]
        assert data["baseline"]["policy"] == "uncontended"
        first = data["runs"][0]
        assert {"policy", "duration_seconds", "cgroups", "workloads", "events"} <= first.keys()
        leaf = first["cgroups"]["kubepods/burstable/pod-web-0/web"]
        assert leaf["cpu_stat_usage_usec"] > 0
        assert leaf["memory_peak"] > 0
        assert {"p50", "p99"} <= first["workloads"]["web"]["latency_seconds"].keys()
        assert first["events"][0] == {
            "time": 31.0,
            "kind": "oom_kill",
            "cgroup": "kubepods/burstable/pod-neighbour-0/neighbour",
            "reason": "memory.max 768 MiB reached, nothing left to reclaim",
        }

    def test_it_is_plain_json(self, recordings: list[Recording]) -> None:
        """No NaN and no object of ours; counters are whole numbers."""
        text = json.dumps(to_json(recordings, [summarize(r) for r in recordings]), allow_nan=False)
        usage = json.loads(text)["runs"][0]["cgroups"]["kubepods/burstable/pod-web-0/web"][
            "cpu_stat_usage_usec"
        ]
        assert isinstance(usage, int)
