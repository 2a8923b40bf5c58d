"""The grid of the fidelity suite: memory, OOM kills, eviction and restart."""

from __future__ import annotations

from collections.abc import Iterator

from fidelity_parts import KUBELET, Box, Case, Pod, anon, cpu, one, rule


def limit_cases() -> Iterator[Case]:
    """One container against memory.max and memory.high."""
    for start, rate, limit in ((32, 16, 96), (32, 64, 256), (32, 100, 400), (64, 30, 128), (16, 200, 600)):
        yield Case(
            f"growth-into-max-{limit}mi-at-{rate}mi",
            f"When is a container OOM-killed that grows by {rate} MiB/s into {limit} MiB?",
            [
                one(
                    "leak",
                    anon(start=f"{start}Mi", growPerSecond=f"{rate}Mi"),
                    "10m",
                    request="16Mi",
                    most=f"{limit}Mi",
                )
            ],
            seconds=6,
        )
    for size in (40, 200, 600):
        yield Case(
            f"memory-plateau-{size}mi",
            f"How much memory is charged to a container that holds {size} MiB?",
            [one("hold", anon(start=f"{size}Mi"), "10m", request=f"{size}Mi")],
        )
    yield Case(
        "memory-grows-and-shrinks",
        "Does memory.current follow a container that gives memory back?",
        [
            one(
                "wave",
                anon(
                    points=[
                        {"at": "0s", "value": "50Mi"},
                        {"at": "1500ms", "value": "250Mi"},
                        {"at": "2500ms", "value": "100Mi"},
                        {"at": "3s", "value": "100Mi"},
                    ]
                ),
                "10m",
            )
        ],
        seconds=5,
    )
    yield Case(
        "memory-below-limit-beside-busy",
        "Does growth keep its pace on a busy CPU?",
        [
            one(
                "grow",
                anon(start="20Mi", growPerSecond="40Mi", limit="140Mi"),
                "200m",
                request="64Mi",
                most="256Mi",
            ),
            one("busy", cpu("spin"), "200m"),
        ],
    )
    for rate, most in ((32, 128), (8, 64), (100, 256)):
        yield Case(
            f"memory-high-delay-{most}mi-at-{rate}mi",
            f"How far does a container get beyond memory.high that grows by {rate} MiB/s?",
            [
                one(
                    "grow",
                    anon(start="32Mi", growPerSecond=f"{rate}Mi"),
                    "10m",
                    request="32Mi",
                    most=f"{most}Mi",
                )
            ],
            seconds=8,
            policy="memory-high-factor",
        )


def oom_cases() -> Iterator[Case]:
    """Who is killed."""
    yield Case(
        "oom-of-one-of-two",
        "Is only the leaking container killed, and its neighbour left alone?",
        [
            one("leak", anon(start="32Mi", growPerSecond="32Mi"), "10m", request="32Mi", most="128Mi"),
            one("hold", anon(start="100Mi"), "10m", request="128Mi", most="160Mi"),
        ],
        seconds=5,
    )
    leak = anon(start="32Mi", growPerSecond="40Mi")
    for grouped in (True, False):
        kubelet = {**KUBELET, "singleProcessOOMKill": not grouped}
        yield Case(
            f"oom-group-{'on' if grouped else 'off'}",
            f"What survives an OOM kill with memory.oom.group {int(grouped)}?",
            [
                one(
                    "leak",
                    {**leak, **cpu("constant", cpu="100m", threads=2)},
                    "10m",
                    request="32Mi",
                    most="128Mi",
                )
            ],
            seconds=5,
            kubelet=kubelet,
        )
    yield Case(
        "oom-of-a-pod",
        "Which of two containers dies when their pod's limit is reached?",
        [
            Pod(
                "p",
                [
                    Box("small", anon(start="40Mi"), {"cpu": "10m", "memory": "40Mi"}),
                    Box("leak", leak, {"cpu": "10m", "memory": "40Mi"}),
                ],
                {"memory": "200Mi"},
            )
        ],
        seconds=5,
    )
    node = {"kubeReserved": {"memory": "300Mi"}, "evictionHard": {}}
    yield Case(
        "oom-in-kubepods-by-score",
        "Who dies first when all pods together reach what the node lets them have?",
        [
            one("paid", anon(start="100Mi"), "100m", "100m", request="150Mi", most="150Mi"),
            one("some", anon(start="250Mi"), "10m", request="200Mi"),
            one("none", anon(start="120Mi", growPerSecond="100Mi")),
        ],
        seconds=6,
        kubelet=node,
    )
    yield Case(
        "oom-of-burstable-hog",
        "Does a Burstable pod far above its request die before a BestEffort one that is small?",
        [
            one("hog", anon(start="100Mi", growPerSecond="150Mi"), "10m", request="64Mi"),
            one("none", anon(start="60Mi")),
        ],
        seconds=8,
        kubelet=node,
    )
    whole = {"enforceNodeAllocatable": [], "evictionHard": {}}
    yield Case(
        "global-oom-by-score",
        "In which order does a machine without memory kill?",
        [
            one("paid", anon(start="150Mi"), "100m", "100m", request="200Mi", most="200Mi"),
            one("some", anon(start="300Mi"), "10m", request="300Mi"),
            one("first", anon(start="100Mi", growPerSecond="100Mi")),
            one("next", anon(start="150Mi", growPerSecond="20Mi")),
        ],
        seconds=10,
        kubelet=whole,
    )


def eviction_cases() -> Iterator[Case]:
    """The kubelet's look every ten seconds against the rate of growth; restarts after kills."""
    kubelet = {"kubeReserved": {"memory": "100Mi"}, "evictionHard": {"memory.available": "300Mi"}}
    for rate in (12, 25, 100):
        yield Case(
            f"eviction-at-{rate}mi",
            f"Is a pod that grows by {rate} MiB/s evicted, and when?",
            [
                one("calm", anon(start="120Mi"), "10m", request="150Mi"),
                one("leak", anon(start="250Mi", growPerSecond=f"{rate}Mi"), "10m", request="32Mi"),
            ],
            seconds=32,
            kubelet=kubelet,
            agents=("eviction",),
        )
    yield Case(
        "eviction-order",
        "Which of three pods is evicted first, and who is left?",
        [
            one("within", anon(start="150Mi"), "10m", request="200Mi"),
            one("above", anon(start="120Mi", growPerSecond="10Mi", limit="300Mi"), "10m", request="32Mi"),
            one("none", anon(start="100Mi", growPerSecond="12Mi")),
        ],
        seconds=44,
        kubelet=kubelet,
        agents=("eviction",),
    )
    yield Case(
        "restart-back-off",
        "How often does a container come back that is OOM-killed two seconds after each start?",
        [one("leak", anon(start="32Mi", growPerSecond="48Mi"), "10m", request="32Mi", most="128Mi")],
        seconds=40,
        agents=("restart",),
    )


def protection_cases() -> Iterator[Case]:
    """memory.min and memory.low under a sibling's growth."""
    node = {"kubeReserved": {"memory": "500Mi"}, "evictionHard": {}}
    reader = {"memory": {"cache": {"file": "150Mi", "readPerSecond": "100Mi"}}}
    grower = anon(start="50Mi", growPerSecond="80Mi", limit="420Mi")
    pods = [one("reader", reader, "100m", request="160Mi"), one("grower", grower, "100m", request="64Mi")]
    for file, value in (("memory_min", "120Mi"), ("memory_low", "120Mi"), ("", "")):
        bytes_ = 120 << 20
        files = {file: bytes_} if file else {}
        words = f"{value} of {file.replace('_', '.')}" if file else "no protection"
        yield Case(
            f"cache-{file.replace('_', '-')}-under-pressure" if file else "cache-unprotected-under-pressure",
            f"How much page cache is left under a sibling's growth with {words}?",
            pods,
            seconds=8,
            kubelet=node,
            rules=[
                rule("qos", qos_class="Burstable", **files),
                rule("pod", "reader", **files),
                rule("container", "reader", **files),
            ]
            if files
            else [],
        )
    yield Case(
        "cache-within-max",
        "How much page cache keeps a container whose file is larger than its limit?",
        [one("reader", reader, "100m", request="64Mi", most="100Mi")],
        seconds=6,
    )
    yield Case(
        "cache-under-min-equal-to-max",
        "Is a container killed whose page cache may not be reclaimed, memory.min being memory.max?",
        [
            one(
                "reader",
                {"memory": {"anon": {"start": "40Mi", "growPerSecond": "10Mi"}, **reader["memory"]}},
                "100m",
                request="100Mi",
                most="100Mi",
            )
        ],
        seconds=8,
        rules=[
            rule("qos", qos_class="Burstable", memory_min=100 << 20),
            rule("pod", "reader", memory_min=100 << 20),
            rule("container", "reader", memory_min=100 << 20),
        ],
    )
