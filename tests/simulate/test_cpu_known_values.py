"""CPU: values known from the kernel's documents and from measurements on real kernels."""

from __future__ import annotations

from typing import Any

import pytest

from qos.model.cgroup import CgroupName, CgroupSpec
from qos.model.plan import Plan, diff
from qos.model.workload import Workload
from qos.simulate.kernel import SimKernel


def run(
    cgroups: dict[str, dict[str, Any]], shapes: dict[str, dict[str, Any]], *,
    cpus: Any = 1, seconds: float = 5.0, **options: Any,
) -> SimKernel:  # fmt: skip
    """A kernel after some seconds of these CPU shapes in these cgroups."""
    plan = Plan.of({CgroupName(name): CgroupSpec(**files) for name, files in cgroups.items()})
    kernel = SimKernel(plan, cpus=cpus, memory_bytes=2**30, **options)
    for name, shape in shapes.items():
        kernel.start(CgroupName(name), Workload.model_validate({"cpu": shape}))
    kernel.advance(seconds)
    return kernel


def last(kernel: SimKernel, column: str) -> dict[str, float]:
    """The last value of a column by cgroup."""
    samples = kernel.read()
    return {
        name: float(value) for name, value in zip(samples.cgroups, samples.columns[column][-1], strict=True)
    }


SPIN = {"shape": "spin"}


class TestWeights:
    def test_share_follows_weight(self) -> None:
        """Weights 100 and 300 on one busy CPU give a ratio of 3."""
        usage = last(run({"a": {}, "b": {"cpu_weight": 300}}, {"a": SPIN, "b": SPIN}), "cpu_stat_usage_usec")
        assert usage["b"] / usage["a"] == pytest.approx(3.0)

    def test_levels_share_separately(self) -> None:
        """A group's weight counts once however many of its children run."""
        kernel = run({"g/x": {}, "g/y": {}, "h": {}}, {"g/x": SPIN, "g/y": SPIN, "h": SPIN}, seconds=4.0)
        usage = last(kernel, "cpu_stat_usage_usec")
        assert (usage["g/x"], usage["g/y"], usage["h"]) == (1e6, 1e6, 2e6)

    def test_idle_group_gets_what_is_left(self) -> None:
        """cpu.idle against weight 100 gets 3 of 1027 parts, 0.29 %; 0.20 to 0.24 % were measured."""
        usage = last(run({"a": {"cpu_idle": 1}, "b": {}}, {"a": SPIN, "b": SPIN}), "cpu_stat_usage_usec")
        assert usage["a"] / (usage["a"] + usage["b"]) == pytest.approx(3 / 1027, rel=1e-4)

    def test_a_thread_uses_one_cpu_at_most(self) -> None:
        """With two CPUs and weights 1:10000, a single thread each, both get a whole CPU."""
        kernel = run({"a": {"cpu_weight": 1}, "b": {"cpu_weight": 10000}}, {"a": SPIN, "b": SPIN}, cpus=2)
        usage = last(kernel, "cpu_stat_usage_usec")
        assert usage["a"] == usage["b"] == 5e6

    def test_weights_change_while_running(self) -> None:
        """A weight written after two seconds holds from then on."""
        kernel = run({"a": {}, "b": {}}, {"a": SPIN, "b": SPIN}, seconds=2.0)
        plan = kernel.plan
        changed = Plan.of({**plan.cgroups, CgroupName("a"): CgroupSpec(cpu_weight=300)})
        kernel.apply(diff(plan, changed))
        kernel.advance(4.0)
        assert last(kernel, "cpu_stat_usage_usec")["a"] == pytest.approx(1e6 + 3e6, abs=1)


class TestQuota:
    def test_half_a_cpu(self) -> None:
        """50 % for 5 s: 50 periods, all throttled, 2.5 s; measured 50, 50 and 2.48 to 2.50."""
        kernel = run({"a": {"cpu_max": "50000 100000"}}, {"a": SPIN})
        samples = kernel.read()
        seen = [
            samples.column(f"cpu_stat_{key}", "a")[-1]
            for key in ("usage_usec", "nr_periods", "nr_throttled", "throttled_usec")
        ]
        assert seen == [2.5e6, 50, 50, 2.5e6]

    def test_both_run_queues_count(self) -> None:
        """Two spinners on two CPUs at 60 %: throttled for 7.0 s in 5 s; measured 6.98."""
        kernel = run({"a": {"cpu_max": "60000 100000"}}, {"a": {"shape": "spin", "threads": 2}}, cpus=2)
        assert last(kernel, "cpu_stat_throttled_usec")["a"] == pytest.approx(7e6, abs=2)

    def test_bursts_below_the_average_are_throttled(self) -> None:
        """40 % on average in bursts of 80 ms on four threads: throttled under a limit of 50 %."""
        bursts = {"shape": "onOff", "burst": "20ms", "every": "200ms", "threads": 4}
        kernel = run({"a": {"cpu_max": "50000 100000"}}, {"a": bursts}, cpus=4, seconds=4.999)
        samples = kernel.read()
        assert samples.column("cpu_stat_usage_usec", "a")[-1] == pytest.approx(2e6, abs=2)
        assert samples.column("cpu_stat_nr_throttled", "a")[-1] == 25

    def test_burst_saves_unused_quota(self) -> None:
        """The same with cpu.max.burst of 50 ms is throttled only before anything was saved."""
        bursts = {"shape": "onOff", "burst": "20ms", "every": "200ms", "threads": 4, "offset": 1}
        files = {"cpu_max": "50000 100000", "cpu_max_burst": 50000}
        kernel = run({"a": files}, {"a": bursts}, cpus=4, seconds=4.999)
        samples = kernel.read()
        assert samples.column("cpu_stat_nr_throttled", "a")[-1] == 0
        assert samples.column("cpu_stat_nr_bursts", "a")[-1] == 20

    def test_a_pods_quota_binds_its_containers(self) -> None:
        """Two spinners below a pod of one CPU on two CPUs get one together and wait for the quota."""
        kernel = run(
            {"p": {"cpu_max": "100000 100000"}, "p/a": {}, "p/b": {}}, {"p/a": SPIN, "p/b": SPIN}, cpus=2
        )
        samples = kernel.read()
        assert samples.column("cpu_stat_usage_usec", "p")[-1] == pytest.approx(5e6, abs=2)
        assert samples.column("sim_wait_quota_usec", "p/a")[-1] == pytest.approx(2.5e6, abs=2)
        assert samples.column("cpu_stat_nr_throttled", "p/a")[-1] == 0

    def test_a_pod_with_its_containers_quota_is_throttled_too(self) -> None:
        """Both levels run dry at once and both count: every period, all of the time."""
        limit = {"cpu_max": "50000 100000"}
        samples = run({"p": limit, "p/a": limit}, {"p/a": SPIN}).read()
        for name in ("p", "p/a"):
            assert samples.column("cpu_stat_nr_throttled", name)[-1] == 50
            assert samples.column("cpu_stat_throttled_usec", name)[-1] == pytest.approx(2.5e6, abs=2)

    def test_phases_decide_which_of_two_equal_quotas_throttles(self) -> None:
        """Refilled at 70 ms while its pod waits until 100, a container waits 20 ms; at 20 ms never."""
        limit = {"cpu_max": "50000 100000"}
        plan = Plan.of({CgroupName(name): CgroupSpec(**limit) for name in ("p", "p/a")})
        for phase, throttled_usec in ((0.07, 50 * 20_000), (0.02, 0)):
            phases = {CgroupName("p/a"): phase}
            kernel = SimKernel(plan, cpus=1, memory_bytes=2**30, period_phases=phases)
            kernel.start(CgroupName("p/a"), Workload.model_validate({"cpu": SPIN}))
            kernel.advance(5.0)
            counted = last(kernel, "cpu_stat_throttled_usec")
            assert counted["p/a"] == pytest.approx(throttled_usec, abs=2)
            assert counted["p"] == pytest.approx(2.5e6, abs=50_000)

    def test_a_running_timer_goes_on_when_cpu_max_is_written(self) -> None:
        """Written at 30 ms, the period still ends at 100: start_cfs_bandwidth leaves the timer alone."""
        kernel = run({"a": {"cpu_max": "50000 100000"}}, {"a": SPIN}, seconds=0.03)
        kernel.apply(diff(kernel.plan, Plan.of({CgroupName("a"): CgroupSpec(cpu_max="40000 100000")})))
        kernel.advance(0.08)
        assert last(kernel, "cpu_stat_nr_periods")["a"] == 1

    def test_a_burst_begins_with_a_full_pool(self) -> None:
        """Writing cpu.max and then cpu.max.burst refills twice: 80 ms at once are not throttled."""
        job = {"shape": "batch", "cpuTime": "80ms"}
        kernel = run({"a": {"cpu_max": "50000 100000", "cpu_max_burst": 50000}}, {"a": job})
        samples = kernel.read()
        assert samples.column("cpu_stat_nr_throttled", "a")[-1] == 0

    def test_the_timer_stops_when_idle(self) -> None:
        """A job ends at 150 ms: periods end at 100, 200 and, the first without use, 300 ms; then none."""
        job = {"shape": "batch", "cpuTime": "100ms"}
        kernel = run({"a": {"cpu_max": "50000 100000"}}, {"a": job}, seconds=60.0)
        samples = kernel.read()
        assert samples.column("cpu_stat_nr_periods", "a")[-1] == 3
        assert samples.column("cpu_stat_nr_throttled", "a")[-1] == 1

    def test_the_onset_of_throttling_is_an_event_with_its_reason(self) -> None:
        """One event for steady throttling; it says what was used up."""
        (event,) = run({"a": {"cpu_max": "50000 100000"}}, {"a": SPIN}).events()
        assert (event.kind, event.time) == ("throttle", pytest.approx(0.05))
        assert "1 thread used up 50 ms before the period of 100 ms was over" in event.reason

    def test_a_quota_can_be_lifted(self) -> None:
        """After cpu.max is set to max the rest of the time runs free."""
        kernel = run({"a": {"cpu_max": "50000 100000"}}, {"a": SPIN}, seconds=2.0)
        from qos.model.plan import Change

        kernel.apply([Change("set", CgroupName("a"), "cpu_max", None, "max 100000")])
        kernel.advance(1.0)
        assert last(kernel, "cpu_stat_usage_usec")["a"] == pytest.approx(2e6, abs=1)


class TestCpuset:
    def test_disjoint_sets_are_machines_of_their_own(self) -> None:
        """Exclusive CPU 0, and two groups with weights 1:3 on CPUs 1 and 2."""
        cgroups = {
            "a": {"cpuset_cpus": "0"},
            "b": {"cpuset_cpus": "1-2"},
            "c": {"cpuset_cpus": "1-2", "cpu_weight": 300},
        }
        two = {"shape": "spin", "threads": 2}
        usage = last(run(cgroups, {"a": two, "b": two, "c": two}, cpus=3, seconds=1.0), "cpu_stat_usage_usec")
        assert [usage[name] for name in "abc"] == pytest.approx([1e6, 0.5e6, 1.5e6], abs=1)

    def test_a_free_thread_goes_where_it_is_quiet(self) -> None:
        """One thread bound to CPU 0, one free on two CPUs: both get a CPU (the rounds come within 2 %)."""
        kernel = run({"a": {}, "b": {"cpuset_cpus": "0"}}, {"a": SPIN, "b": SPIN}, cpus=2, seconds=1.0)
        usage = last(kernel, "cpu_stat_usage_usec")
        assert [usage["a"], usage["b"]] == pytest.approx([1e6, 1e6], rel=0.02)

    def test_a_set_without_cpus_of_the_machine_is_refused(self) -> None:
        """cpuset.cpus 4 on a machine with CPUs 0 and 1 is a PlanError that says so."""
        from qos.errors import PlanError

        with pytest.raises(PlanError, match=r"cpuset\.cpus 4 has none of the CPUs 0,1"):
            run({"a": {"cpuset_cpus": "4"}}, {}, cpus=2)


class TestQueues:
    def test_one_worker_with_constant_cost_is_m_d_1(self) -> None:
        """80 requests a second of 10 ms: mean latency s + ρs/(2(1-ρ)) = 30 ms."""
        shape = {"shape": "requests", "rate": 80, "cpuPerRequest": "10ms", "workers": 1}
        latency = run({"a": {}}, {"a": shape}, seconds=4000.0).completions().latency_seconds
        assert latency.mean() == pytest.approx(0.030, rel=0.03)

    def test_many_workers_with_exponential_cost_are_m_m_1_processor_sharing(self) -> None:
        """The same with exponential cost on one shared CPU: s/(1-ρ) = 50 ms."""
        shape = {
            "shape": "requests",
            "rate": 80,
            "cpuPerRequest": "10ms",
            "cost": "exponential",
            "workers": 4096,
        }
        latency = run({"a": {}}, {"a": shape}, seconds=4000.0).completions().latency_seconds
        assert latency.mean() == pytest.approx(0.050, rel=0.05)

    def test_processor_sharing_does_not_care_for_the_cost_distribution(self) -> None:
        """M/G/1 processor sharing has the same mean for lognormal costs of the same mean (insensitivity)."""
        shape = {
            "shape": "requests", "rate": 80, "cpuPerRequest": "10ms", "cost": "lognormal", "cv": 2.0,
            "workers": 4096,
        }  # fmt: skip
        latency = run({"a": {}}, {"a": shape}, seconds=8000.0).completions().latency_seconds
        assert latency.mean() == pytest.approx(0.050, rel=0.06)

    def test_a_batch_job_ends(self) -> None:
        """3 s of work on two threads of one CPU are done after 3 s, and that is an exit with code 0."""
        kernel = run({"a": {}}, {"a": {"shape": "batch", "cpuTime": "3s", "threads": 2}})
        assert kernel.completions().latency_seconds.tolist() == [3.0]
        (event,) = kernel.events()
        assert (event.kind, event.time, event.exit_code) == ("exit", 3.0, 0)
