"""The grid of the fidelity suite: CPU and tasks. Memory is in fidelity_memory_cases.py."""

from __future__ import annotations

from collections.abc import Iterator

from fidelity_parts import KUBELET, SPIN, Box, Case, Pod, cpu, one, rule


def weight_cases() -> Iterator[Case]:
    """Who gets how much of one CPU."""
    for low, high in ((200, 200), (200, 400), (200, 600), (50, 500), (5, 500)):
        ratio = high // low
        yield Case(
            f"weights-1-to-{ratio}",
            f"Do two spinners with CPU requests 1 to {ratio} share one CPU 1 to {ratio}?",
            [one("one", SPIN, f"{low}m"), one("more", SPIN, f"{high}m")],
            seconds=4 if ratio < 100 else 20,  # some of the lab's ticks of 10 ms for the smaller one
        )
    for low, high in ((10, 10_000), (1, 10_000)):
        yield Case(
            f"weights-1-to-{high // low}",
            f"What is left beside a sibling of cpu.weight {high} under cpu.weight {low}?",
            [one("one", SPIN, "10m"), one("more", SPIN, "10m")],
            rules=[rule("pod", "one", cpu_weight=low), rule("pod", "more", cpu_weight=high)],
            seconds=20,
        )
    for count in (3, 8, 20):
        yield Case(
            f"weights-{count}-siblings",
            f"Do {count} spinners with rising CPU requests share one CPU by them?",
            [one(f"s{number}", SPIN, f"{160 * number // count}m") for number in range(1, count + 1)],
            seconds=4 if count < 8 else 8,
        )
    for one_threads, other_threads in ((1, 4), (2, 8)):
        yield Case(
            f"weights-{one_threads}-against-{other_threads}-threads",
            f"Does a container with {other_threads} threads get no more than one with {one_threads}?",
            [
                one("few", cpu("spin", threads=one_threads), "200m"),
                one("many", cpu("spin", threads=other_threads), "200m"),
            ],
        )
    yield from _level_cases()
    yield from _partly_idle_cases()


def _level_cases() -> Iterator[Case]:
    yield Case(
        "weights-three-levels",
        "Is one CPU shared level by level: class, pod, container?",
        [
            one("steady", SPIN, "300m", "300m", request="64Mi", most="64Mi"),
            Pod("mixed", [Box("a", SPIN, {"cpu": "100m"}), Box("b", SPIN, {"cpu": "200m"})]),
            one("other", SPIN, "100m"),
            one("rest", SPIN),
        ],
        seconds=8,
    )
    yield Case(
        "weights-three-levels-unthrottled",
        "Is one CPU shared level by level where no quota is in the way?",
        [
            one("steady", SPIN, "300m", "1", request="64Mi", most="64Mi"),
            Pod("mixed", [Box("a", SPIN, {"cpu": "100m"}), Box("b", SPIN, {"cpu": "200m"})]),
            one("other", SPIN, "100m"),
            one("rest", SPIN),
        ],
        policy="no-cpu-limits",
        seconds=8,
    )
    yield Case(
        "weights-containers-of-a-pod",
        "Do three containers of one pod share it by their requests?",
        [Pod("p", [Box(name, SPIN, {"cpu": f"{m}m"}) for name, m in (("a", 50), ("b", 100), ("c", 350))])],
    )
    yield Case(
        "weights-classes-only",
        "What do one Burstable and one BestEffort spinner get of one CPU?",
        [one("some", SPIN, "500m"), one("none", SPIN)],
    )
    for threads in (1, 4):
        yield Case(
            "idle-class" if threads == 1 else f"idle-class-{threads}-threads",
            "What is left for BestEffort under cpu.idle beside a busy pod?",
            [one("busy", SPIN, "500m"), one("rest", cpu("spin", threads=threads))],
            policy="best-effort-idle",
            seconds=20,
        )
    yield Case(
        "idle-class-beside-half-busy",
        "Does BestEffort under cpu.idle get all that a half-busy pod leaves?",
        [one("busy", cpu("constant", cpu="500m"), "500m"), one("rest", SPIN)],
        policy="best-effort-idle",
    )


def _partly_idle_cases() -> Iterator[Case]:
    yield Case(
        "weights-half-idle-sibling",
        "Does a spinner get what a steady sibling below its share leaves?",
        [one("steady", cpu("constant", cpu="200m"), "500m"), one("busy", SPIN, "100m")],
    )
    yield Case(
        "weights-overloaded-steady-sibling",
        "Does a steady load above its share get its share and no more?",
        [one("steady", cpu("constant", cpu="600m"), "100m"), one("busy", SPIN, "300m")],
    )
    yield Case(
        "weights-bursty-sibling",
        "Who wins when a sibling wants the CPU in bursts only?",
        [one("bursty", cpu("onOff", burst="100ms", every="400ms"), "300m"), one("busy", SPIN, "100m")],
        seconds=8,
    )


def quota_cases() -> Iterator[Case]:
    """How cpu.max throttles on one CPU."""
    for limit in (50, 100, 250, 500, 750, 900):
        yield Case(
            f"quota-{limit}m",
            f"How is a spinner throttled that may use {limit}m?",
            [one("held", SPIN, "10m", f"{limit}m")],
            seconds=5,
        )
    for period, limit in ((10, 500), (20, 500), (50, 300), (200, 300), (500, 600), (1000, 400)):
        yield Case(
            f"quota-{limit}m-period-{period}ms",
            f"How is a spinner throttled that may use {limit}m in periods of {period} ms?",
            [one("held", SPIN, "10m", f"{limit}m")],
            seconds=5,
            kubelet={
                **KUBELET,
                "cpuCFSQuotaPeriod": f"{period}ms",
                "featureGates": {"CustomCPUCFSQuotaPeriod": True},
            },
        )
    for threads, limit in ((2, 600), (4, 500), (8, 250)):
        yield Case(
            f"quota-{threads}-spinners",
            f"How are {threads} threads throttled that may use {limit}m together?",
            [one("held", cpu("spin", threads=threads), "100m", f"{limit}m")],
        )
    yield Case(
        "quota-beside-spinner",
        "Does a quota of 300m hold beside a busy sibling, which gets the rest?",
        [one("held", SPIN, "300m", "300m", request="64Mi", most="64Mi"), one("free", SPIN, "100m")],
    )
    yield Case(
        "quota-above-share",
        "Is a spinner throttled whose quota is above what its weight gives it?",
        [one("held", SPIN, "100m", "800m"), one("free", SPIN, "300m")],
    )
    yield Case(
        "quota-two-of-them",
        "How are two siblings throttled whose quotas fill the CPU together?",
        [one("a", SPIN, "100m", "400m"), one("b", SPIN, "100m", "500m")],
    )
    yield from _pod_quota_cases()
    yield from _burst_cases()


def _pod_quota_cases() -> Iterator[Case]:
    box = {"cpu": "100m"}
    yield Case(
        "quota-of-a-pod",
        "Does a pod's own limit of 400m hold its two containers together?",
        [Pod("held", [Box("a", SPIN, box), Box("b", SPIN, box)], {"cpu": "400m"})],
    )
    yield Case(
        "quota-of-a-pod-unequal",
        "How do three containers of different requests share their pod's limit of 600m?",
        [
            Pod(
                "held",
                [Box(n, SPIN, {"cpu": f"{m}m"}) for n, m in (("a", 50), ("b", 100), ("c", 150))],
                {"cpu": "600m"},
            )
        ],
    )
    yield Case(
        "quota-of-a-pod-over-a-container",
        "What is throttled where a container has 200m and its pod 500m?",
        [Pod("held", [Box("a", SPIN, box, {"cpu": "200m"}), Box("b", SPIN, box)], {"cpu": "500m"})],
    )


def _burst_cases() -> Iterator[Case]:
    for burst, every, limit in ((80, 250, 500), (40, 200, 300), (150, 500, 400)):
        load = cpu("onOff", burst=f"{burst}ms", every=f"{every}ms")
        pods = [one("bursty", load, "100m", f"{limit}m")]
        name = f"bursts-{burst}ms-every-{every}ms"
        yield Case(
            f"{name}-under-{limit}m", "Are bursts throttled though the average is below the limit?", pods, 8
        )
        yield Case(
            f"{name}-with-cpu-max-burst",
            "Does cpu.max.burst let such bursts pass?",
            pods,
            8,
            policy="cpu-burst",
        )
    yield Case(
        "bursts-4-threads-under-500m",
        "How are short bursts of four threads at once throttled?",
        [one("bursty", cpu("onOff", burst="20ms", every="250ms", threads=4), "100m", "500m")],
        seconds=8,
    )
    yield Case(
        "constant-below-quota",
        "Is a steady load below its limit left alone?",
        [one("steady", cpu("constant", cpu="300m"), "100m", "500m")],
    )
    yield Case(
        "constant-above-quota",
        "How is a steady load throttled that wants twice its limit?",
        [one("steady", cpu("constant", cpu="600m"), "100m", "300m")],
    )


def service_cases() -> Iterator[Case]:
    """Requests and their latency, jobs and their end."""
    many = cpu("requests", rate=20, cpuPerRequest="10ms", workers=8)
    long = cpu("requests", rate=6, cpuPerRequest="50ms", workers=8)
    even = cpu("requests", rate=10, cpuPerRequest="40ms", arrivals="constant", workers=4)
    yield Case("requests-alone", "What latency has a server at half load?", [one("web", long, "500m")], 20)
    yield Case(
        "requests-under-quota", "What latency under a tight limit?", [one("web", many, "100m", "300m")], 20
    )
    yield Case(
        "requests-long-under-quota",
        "What latency have long requests under a limit?",
        [one("web", long, "100m", "500m")],
        20,
    )
    yield Case(
        "requests-even-under-quota",
        "What latency have evenly spaced requests under a limit?",
        [one("web", even, "100m", "500m")],
        12,
    )
    beside = [one("web", long, "500m"), one("noise", SPIN, "100m")]
    yield Case("requests-beside-spinner", "What latency do requests have beside a busy sibling?", beside, 20)
    job = cpu("batch", cpuTime="1500ms")
    for limit in (300, 500, 800):
        yield Case(
            f"batch-under-{limit}m",
            f"When is a batch job done that may use {limit}m?",
            [one("job", job, "100m", f"{limit}m")],
            seconds=6,
        )
    yield Case(
        "batch-beside-spinner",
        "When is a batch job done that shares its CPU evenly?",
        [one("job", job, "200m"), one("noise", SPIN, "200m")],
        seconds=5,
    )
    yield Case(
        "batch-two-1-to-2",
        "When are two batch jobs done whose requests are 1 to 2?",
        [one("a", job, "100m"), one("b", job, "200m")],
        seconds=5,
    )
    yield Case(
        "batch-4-threads",
        "When is a batch job of four threads done beside a spinner of twice its weight?",
        [one("job", cpu("batch", cpuTime="1s", threads=4), "100m"), one("noise", SPIN, "200m")],
        seconds=5,
    )


def two_cpu_cases() -> Iterator[Case]:
    """What needs two CPUs: only QEMU has them."""
    for threads, limit in ((2, 1900), (2, 1200), (4, 1500), (2, 600)):
        yield Case(
            f"two-cpus-quota-{limit}m-{threads}-threads",
            f"How are {threads} threads on two CPUs throttled that may use {limit}m?",
            [one("held", cpu("spin", threads=threads), "100m", f"{limit}m")],
            seconds=5,
            cpus=2,
        )
    yield Case(
        "two-cpus-weights-1-to-3",
        "Do two containers of two threads each share two CPUs 1 to 3?",
        [one("one", cpu("spin", threads=2), "200m"), one("more", cpu("spin", threads=2), "600m")],
        seconds=5,
        cpus=2,
    )
    yield Case(
        "two-cpus-one-thread-of-large-weight",
        "Does one thread of a large weight get one CPU and no more?",
        [one("one", SPIN, "900m"), one("many", cpu("spin", threads=3), "100m")],
        seconds=5,
        cpus=2,
    )
    yield Case(
        "two-cpus-weights-four-pods",
        "Do four single-threaded pods share two CPUs by their weights?",
        [one(f"p{n}", SPIN, f"{100 * n}m") for n in range(1, 5)],
        seconds=5,
        cpus=2,
    )
    spin2 = cpu("spin", threads=2)
    apart = [rule("container", "left", cpuset_cpus="0"), rule("container", "right", cpuset_cpus="1")]
    pods = [one("left", spin2, "100m"), one("right", spin2, "300m")]
    yield Case(
        "two-cpus-cpuset-apart",
        "Has each of two containers its own CPU, whatever its weight?",
        pods,
        5,
        rules=apart,
        cpus=2,
    )
    yield Case(
        "two-cpus-cpuset-shared",
        "Who gets what where both are held on CPU 0?",
        pods,
        5,
        rules=[rule("container", cpuset_cpus="0")],
        cpus=2,
    )
    yield Case(
        "two-cpus-cpuset-overlapping",
        "Does a container of both CPUs leave CPU 0 to the one held there?",
        pods,
        5,
        rules=apart[:1],
        cpus=2,
    )
    yield Case(
        "two-cpus-batch-2-threads",
        "When is a job of two threads done that has two CPUs beside a spinner?",
        [one("job", cpu("batch", cpuTime="3s", threads=2), "200m"), one("noise", SPIN, "200m")],
        seconds=6,
        cpus=2,
    )


def task_cases() -> Iterator[Case]:
    """pids.max."""
    kubelet = {**KUBELET, "podPidsLimit": 10}
    load = {"cpu": {"shape": "constant", "cpu": "50m"}}
    for wanted, word in ((6, "below"), (30, "above")):
        yield Case(
            f"pids-{word}-limit",
            f"How many tasks has a container that wants {wanted} where its pod may have 10?",
            [one("forks", {**load, "tasks": wanted}, "100m")],
            kubelet=kubelet,
        )
