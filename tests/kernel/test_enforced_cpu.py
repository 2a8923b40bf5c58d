"""CPU values do to real processes what their files promise; measured over windows of two seconds.

Shares are compared, not absolute work: a busy host takes time from the guest without telling it. A halt of
the guest is booked to whoever ran, and made up for later: shares take four seconds, of which a halt of
40 ms is the one point that they may be off.
"""

from __future__ import annotations

import os
import time

import pytest

from enforcer.cgroup_text import parse_flat_keyed, parse_pressure
from qos.model.cgroup import parse_cpu_list

WINDOW_SECONDS = 2.0
SHARES_SECONDS = 4.0
FIRST_CPU = {0}
TICK_USEC = 10_000  # User Mode Linux looks at the clock that often (HZ 100)


def spin_on_first_cpu() -> None:
    """Use the first CPU for ever."""
    os.sched_setaffinity(0, FIRST_CPU)
    while True:
        pass


def spin() -> None:
    """Use any CPU for ever."""
    while True:
        pass


class TestWeight:
    @pytest.mark.parametrize("weights", [(100, 300), (39, 79), (10, 1000)])
    def test_two_spinners_share_as_their_weights(self, make, start, usage_in, measured, weights):
        """cpu.weight a:b on one CPU gives a/(a+b) and b/(a+b) of what both got, within one point."""
        cgroups = [make(f"pod-{weight}", {"cpu.weight": str(weight)}) for weight in weights]
        for cgroup in cgroups:
            start(cgroup, spin_on_first_cpu)
        used = usage_in(cgroups, SHARES_SECONDS)
        shares = [cpus / sum(used) for cpus in used]
        wanted = [weight / sum(weights) for weight in weights]
        measured(f"share {wanted[0]:.4f}", f"{shares[0]:.4f}")
        assert shares == pytest.approx(wanted, abs=0.01)

    def test_weights_act_level_by_level(self, make, start, usage_in, measured):
        """A tree of three levels shares as the product of the levels' weights."""
        make("a", {"cpu.weight": "200"})
        make("b", {"cpu.weight": "100"})
        wanted = {"a/x": (100, 1 / 6), "a/y": (300, 1 / 2), "b/x": (50, 1 / 12), "b/y": (150, 1 / 4)}
        for cgroup, (weight, _) in wanted.items():
            make(cgroup, {"cpu.weight": str(weight)})
            start(cgroup, spin_on_first_cpu)
        used = usage_in(list(wanted), SHARES_SECONDS)
        shares = [cpus / sum(used) for cpus in used]
        off = [abs(share - right) for share, (_, right) in zip(shares, wanted.values(), strict=True)]
        measured("worst leaf off by 0 points", f"{100 * max(off):.2f}")
        assert shares == pytest.approx([share for _, share in wanted.values()], abs=0.015)

    def test_an_idle_cgroup_gets_next_to_nothing(self, make, start, usage_in, measured):
        """cpu.idle beside weight 100 has weight 3 of 1024: 0.3 % of the CPU, under 1 % measured."""
        for cgroup, files in (("idle", {"cpu.idle": "1"}), ("busy", {"cpu.weight": "100"})):
            start(make(cgroup, files), spin_on_first_cpu)
        idle, busy = usage_in(["idle", "busy"], WINDOW_SECONDS)
        measured("0.3 %", f"{100 * idle / (idle + busy):.2f} %")
        assert idle / (idle + busy) < 0.01

    def test_unused_time_goes_to_who_wants_it(self, make, start, usage_in):
        """A small weight alone on the CPU has all of it (work conserving)."""
        start(make("small", {"cpu.weight": "1"}), spin_on_first_cpu)
        make("large", {"cpu.weight": "10000"})
        (used,) = usage_in(["small"], WINDOW_SECONDS)
        assert used > 0.9


class TestMax:
    @pytest.mark.parametrize("quota_usec", [20_000, 50_000, 80_000])
    def test_a_spinner_uses_its_quota_and_no_more(self, make, fs, start, measured, quota_usec):
        """cpu.max Q of 100 ms: Q used in every period, every period throttled."""
        make("pod", {"cpu.max": f"{quota_usec} 100000"})
        start("pod", spin_on_first_cpu)
        spent = _cpu_stat_over(fs, "pod", WINDOW_SECONDS)
        assert spent["nr_periods"] == pytest.approx(WINDOW_SECONDS / 0.1, abs=2)
        assert spent["nr_throttled"] == pytest.approx(spent["nr_periods"], abs=1)
        a_period_usec = spent["usage_usec"] / spent["nr_periods"]
        measured(
            f"{quota_usec / 1000:g} ms a period, throttled in all",
            f"{a_period_usec / 1000:.2f} ms, {spent['nr_throttled']} of {spent['nr_periods']}",
        )
        # The window's ends lie anywhere in a period, whose quota may be used before or after; the last period
        # may run one tick over, which is paid back in the next.
        edges_usec = (quota_usec + TICK_USEC) / spent["nr_periods"]
        assert quota_usec - TICK_USEC < a_period_usec < quota_usec + edges_usec
        off_usec = spent["throttled_usec"] / spent["nr_periods"]
        assert off_usec == pytest.approx(100_000 - quota_usec, abs=TICK_USEC)

    def test_a_pod_quota_binds_its_containers_together(self, make, fs, start, measured):
        """Two containers without limits in a pod of 50 ms use 50 ms together."""
        make("pod", {"cpu.max": "50000 100000"})
        for container in ("web", "sidecar"):
            start(make(f"pod/{container}", {"cpu.weight": "100"}), spin_on_first_cpu)
        spent = _cpu_stat_over(fs, "pod", WINDOW_SECONDS)
        measured("50 ms a period together", f"{spent['usage_usec'] / spent['nr_periods'] / 1000:.2f} ms")
        assert spent["usage_usec"] / spent["nr_periods"] == pytest.approx(50_000, rel=0.06)

    def test_saved_quota_is_spent_in_a_burst(self, make, fs, start, needs, measured):
        """On-off load over its quota is throttled without cpu.max.burst and bursts with it."""
        needs("cpu.max.burst")

        def on_and_off() -> None:
            while True:
                time.sleep(0.35)
                end = time.process_time() + 0.08
                while time.process_time() < end:
                    pass

        spent = {}
        for cgroup, burst_usec in (("plain", 0), ("burst", 50_000)):
            make(cgroup, {"cpu.max": "50000 100000", "cpu.max.burst": str(burst_usec)})
            start(cgroup, on_and_off)
            spent[cgroup] = _cpu_stat_over(fs, cgroup, WINDOW_SECONDS)
            fs.write(cgroup, "cgroup.freeze", "1")
        counts = [f"{one['nr_bursts']} and {one['nr_throttled']}" for one in spent.values()]
        measured("bursts only with it, fewer throttled", f"without: {counts[0]}; with: {counts[1]}")
        assert spent["plain"]["nr_throttled"] > 0
        assert spent["plain"]["nr_bursts"] == 0
        assert spent["burst"]["nr_bursts"] > 0
        assert spent["burst"]["nr_throttled"] < spent["plain"]["nr_throttled"]


class TestCpuset:
    def test_tasks_run_only_where_they_may(self, make, fs, start, needs, usage_in, measured):
        """Two spinners on one CPU of a cpuset use one CPU, and their affinity says so."""
        needs("cpuset")
        last = max(parse_cpu_list(fs.read("", "cpuset.cpus.effective")))
        make("pod", {"cpuset.cpus": str(last)})
        children = [start("pod", spin) for _ in range(2)]
        (used,) = usage_in(["pod"], WINDOW_SECONDS)
        assert os.sched_getaffinity(children[0].pid) == {last}
        measured("1 CPU", f"{used:.3f}")
        assert used == pytest.approx(1.0, abs=0.1)


class TestPressure:
    def test_waiting_for_the_cpu_is_pressure(self, make, fs, start, needs):
        """Two spinners on one CPU: one of them waits at any time, so "some" grows as fast as the clock."""
        needs("cpu.pressure")
        make("pod", {"cpu.weight": "100"})
        for _ in range(2):
            start("pod", spin_on_first_cpu)
        before = parse_pressure(fs.read("pod", "cpu.pressure"))["some"].total_usec
        time.sleep(WINDOW_SECONDS)
        after = parse_pressure(fs.read("pod", "cpu.pressure"))["some"].total_usec
        assert (after - before) / 1e6 == pytest.approx(WINDOW_SECONDS, rel=0.15)


def _cpu_stat_over(fs, cgroup: str, seconds: float) -> dict[str, int]:
    time.sleep(0.3)
    before = parse_flat_keyed(fs.read(cgroup, "cpu.stat"))
    time.sleep(seconds)
    after = parse_flat_keyed(fs.read(cgroup, "cpu.stat"))
    return {key: after[key] - before[key] for key in before}
