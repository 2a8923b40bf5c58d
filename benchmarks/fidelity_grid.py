"""The fidelity suite: scenarios from a grid, measured on a real kernel, and the table of their errors.

python benchmarks/fidelity_grid.py grid              # write scenarios/fidelity/*.yaml
python benchmarks/fidelity_grid.py run --kernel uml  # qos validate each; results in docs/fidelity/KERNEL/
python benchmarks/fidelity_grid.py table             # the table of docs/fidelity.md from these results
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
SCENARIOS = ROOT / "scenarios" / "fidelity"
RESULTS = ROOT / "docs" / "fidelity"
PAGE = ROOT / "docs" / "fidelity.md"
MARK = "<!-- made by: python benchmarks/fidelity_grid.py table -->"
MADE_HERE = "# made by: python benchmarks/fidelity_grid.py grid"
NODE = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {"name": "guest-1cpu-1gi"},
    "status": {"capacity": {"cpu": "1", "memory": "1Gi", "pods": "110"}},
    "kubelet": {"kubeReserved": {"cpu": "50m", "memory": "128Mi"}},
}


@dataclass(frozen=True)
class Box:
    """One container: its name, resources and what its processes want."""

    name: str
    load: Mapping[str, Any]
    requests: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Pod:
    """One pod, with its own limits where it has some."""

    name: str
    boxes: Sequence[Box]
    limits: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """One scenario of the suite."""

    name: str
    question: str
    pods: Sequence[Pod]
    seconds: int = 5
    policy: str = "kubelet"

    def document(self) -> dict[str, Any]:
        """The scenario's YAML as plain data."""
        spec: dict[str, Any] = {
            "question": self.question,
            "duration": f"{self.seconds}s",
            "sampleInterval": "1s",
            "profile": {"kernel": "6.1"},
            "nodes": [NODE],
            "policies": [self.policy],
            "agents": [],
            "pods": [_pod(pod) for pod in self.pods],
            "workloads": [
                {
                    "name": _workload(pod, box),
                    "selector": f"app={pod.name}",
                    "container": box.name,
                    **box.load,
                }
                for pod in self.pods
                for box in pod.boxes
            ],
        }
        return {
            "apiVersion": "qos.dev/v1alpha1",
            "kind": "Scenario",
            "metadata": {"name": self.name},
            "spec": spec,
        }


def _workload(pod: Pod, box: Box) -> str:
    return pod.name if len(pod.boxes) == 1 else f"{pod.name}-{box.name}"


def _pod(pod: Pod) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "containers": [
            {
                "name": box.name,
                "image": "load",
                "resources": {"requests": dict(box.requests), "limits": dict(box.limits)},
            }
            for box in pod.boxes
        ]
    }
    if pod.limits:
        spec["resources"] = {"limits": dict(pod.limits), "requests": dict(pod.limits)}
    metadata = {"name": pod.name, "labels": {"app": pod.name}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _one(name: str, load: Mapping[str, Any], cpu: str = "", limit: str = "", **memory: str) -> Pod:
    """A pod of one container: CPU request, CPU limit, memory request and limit."""
    requests = {"cpu": cpu} if cpu else {}
    limits = {"cpu": limit} if limit else {}
    if "request" in memory:
        requests["memory"] = memory["request"]
    if "most" in memory:
        limits["memory"] = memory["most"]
    return Pod(name, [Box("c", load, requests, limits)])


def _cpu(shape: str, **words: Any) -> dict[str, Any]:
    return {"cpu": {"shape": shape, **words}}


def _anon(**words: Any) -> dict[str, Any]:
    return {"memory": {"anon": words}}


SPIN = _cpu("spin")


def _weights() -> Iterator[Case]:
    for low, high in ((200, 600), (50, 500), (5, 500)):
        ratio = high // low
        yield Case(
            f"weights-1-to-{ratio}",
            f"Do two spinners with CPU requests 1 to {ratio} share one CPU 1 to {ratio}?",
            [_one("one", SPIN, f"{low}m"), _one("more", SPIN, f"{high}m")],
        )
    yield Case(
        "weights-eight-siblings",
        "Do eight spinners with rising CPU requests share one CPU by them?",
        [_one(f"s{number}", SPIN, f"{20 * number}m") for number in range(1, 9)],
        seconds=8,
    )
    yield Case(
        "weights-threads",
        "Does a container with four threads get no more than one with a single thread?",
        [_one("single", SPIN, "200m"), _one("four", _cpu("spin", threads=4), "200m")],
    )
    yield Case(
        "weights-three-levels",
        "Is one CPU shared level by level: class, pod, container?",
        [
            _one("steady", SPIN, "300m", "300m", request="64Mi", most="64Mi"),
            Pod("mixed", [Box("a", SPIN, {"cpu": "100m"}), Box("b", SPIN, {"cpu": "200m"})]),
            _one("other", SPIN, "100m"),
            _one("rest", SPIN),
        ],
        seconds=8,
    )
    yield Case(
        "idle-class",
        "What is left for BestEffort under cpu.idle beside a busy pod?",
        [_one("busy", SPIN, "500m"), _one("rest", SPIN)],
        policy="best-effort-idle",
    )


def _quota() -> Iterator[Case]:
    for limit in (50, 250, 500, 900):
        yield Case(
            f"quota-{limit}m",
            f"How is a spinner throttled that may use {limit}m?",
            [_one("held", SPIN, "10m", f"{limit}m")],
        )
    yield Case(
        "quota-two-spinners",
        "How are two threads throttled that may use 600m together?",
        [_one("held", _cpu("spin", threads=2), "100m", "600m")],
    )
    yield Case(
        "quota-beside-spinner",
        "Does a quota of 300m hold beside a busy sibling, which gets the rest?",
        [_one("held", SPIN, "300m", "300m", request="64Mi", most="64Mi"), _one("free", SPIN, "100m")],
    )
    box = {"cpu": "100m"}
    yield Case(
        "quota-of-a-pod",
        "Does a pod's own limit of 400m hold its two containers together?",
        [Pod("held", [Box("a", SPIN, box), Box("b", SPIN, box)], {"cpu": "400m"})],
    )
    burst = _cpu("onOff", burst="80ms", every="250ms")
    pods = [_one("bursty", burst, "100m", "500m")]
    yield Case("bursts-below-average", "Are bursts throttled though the average is below the limit?", pods, 8)
    yield Case(
        "bursts-with-cpu-max-burst",
        "Does cpu.max.burst let the same bursts pass?",
        pods,
        8,
        policy="cpu-burst",
    )
    yield Case(
        "constant-below-quota",
        "Is a steady load below its limit left alone?",
        [_one("steady", _cpu("constant", cpu="300m"), "100m", "500m")],
    )


def _requests_and_batch() -> Iterator[Case]:
    serve = _cpu("requests", rate=20, cpuPerRequest="10ms", workers=8)
    yield Case(
        "requests-under-quota",
        "What latency do requests have under a tight limit?",
        [_one("web", serve, "100m", "300m")],
        seconds=20,
    )
    yield Case(
        "requests-beside-spinner",
        "What latency do requests have beside a busy sibling?",
        [_one("web", serve, "500m"), _one("noise", SPIN, "100m")],
        seconds=20,
    )
    job = _cpu("batch", cpuTime="2s")
    yield Case(
        "batch-under-quota",
        "When is a batch job done that may use 500m?",
        [_one("job", job, "100m", "500m")],
        seconds=6,
    )
    yield Case(
        "batch-beside-spinner",
        "When is a batch job done that shares its CPU evenly?",
        [_one("job", job, "200m"), _one("noise", SPIN, "200m")],
        seconds=8,
    )


def _memory() -> Iterator[Case]:
    for rate, limit in (("16Mi", "96Mi"), ("100Mi", "400Mi")):
        yield Case(
            f"growth-into-max-{limit.lower()}",
            f"When is a container OOM-killed that grows by {rate}/s into {limit}?",
            [_one("leak", _anon(start="32Mi", growPerSecond=rate), "10m", request="32Mi", most=limit)],
            seconds=7,
        )
    yield Case(
        "memory-plateau",
        "How much memory is charged to a container that holds 200 MiB?",
        [_one("hold", _anon(start="200Mi"), "10m", request="256Mi")],
    )
    yield Case(
        "memory-high-delay",
        "How far does a container get that grows beyond memory.high?",
        [_one("grow", _anon(start="32Mi", growPerSecond="32Mi"), "10m", request="32Mi", most="128Mi")],
        seconds=8,
        policy="memory-high-factor",
    )
    yield Case(
        "oom-of-one-of-two",
        "Is only the leaking container killed, and its neighbour left alone?",
        [
            _one("leak", _anon(start="32Mi", growPerSecond="32Mi"), "10m", request="32Mi", most="128Mi"),
            _one("hold", _anon(start="100Mi"), "10m", request="128Mi", most="160Mi"),
        ],
    )


def cases() -> list[Case]:
    """The whole grid."""
    return [*_weights(), *_quota(), *_requests_and_batch(), *_memory()]


def write_grid() -> None:
    """Write every case as YAML, and remove what the grid once made and is none any more; others stay."""
    SCENARIOS.mkdir(parents=True, exist_ok=True)
    wanted = {SCENARIOS / f"{case.name}.yaml": case for case in cases()}
    for other in set(SCENARIOS.glob("*.yaml")) - wanted.keys():
        if other.read_text().startswith(MADE_HERE):
            other.unlink()
    for path, case in wanted.items():
        text = yaml.safe_dump(case.document(), sort_keys=False, width=100)
        path.write_text(f"{MADE_HERE}\n{text}")


def run(kernel: str, repeat: int, names: Sequence[str]) -> int:
    """Validate each scenario and keep the result; how many were not measured."""
    failed = 0
    folder = RESULTS / kernel
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(SCENARIOS.glob("*.yaml")):
        if names and path.stem not in names:
            continue
        words = [sys.executable, "-c", "from qos.cli.app import main; main()", "validate", str(path)]
        words += ["--kernel", kernel, "--repeat", str(repeat), "-o", "json"]
        done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT)
        if done.returncode not in (0, 1):
            failed += 1
            print(f"{path.stem}: {done.stderr.strip().splitlines()[-1]}", flush=True)
            continue
        (folder / f"{path.stem}.json").write_text(done.stdout)
        outside = sum(line["verdict"] == "OUTSIDE" for line in json.loads(done.stdout)["lines"])
        print(f"{path.stem}: {outside or 'none'} outside", flush=True)
    return failed


def results() -> list[dict[str, Any]]:
    """All stored results."""
    return [json.loads(path.read_text()) for path in sorted(RESULTS.glob("*/*.json"))]


def _error(line: Mapping[str, Any]) -> str:
    if line["error"] is None:
        return "one side only"
    points = line["metric"] in {"throttled_ratio", "oom_killed"}
    return f"{line['error'] * 100:+.2f} {'points' if points else '%'}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.6g}"


def _tables(stored: Iterable[dict[str, Any]]) -> Iterator[str]:
    by_kernel: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for result in stored:
        by_kernel.setdefault((result["kernel"], result["release"]), []).append(result)
    for (kernel, release), found in by_kernel.items():
        lines = [line | {"scenario": each["scenario"]} for each in found for line in each["lines"]]
        repeats = sorted({each["repeats"] for each in found})
        yield f"## {kernel}, Linux {release}: {len(found)} scenarios, {len(lines)} lines, repeats {repeats}\n"
        yield from _by_metric(lines)
        yield f"\n### Lines outside their tolerance on {kernel}\n"
        yield from _rows([line for line in lines if line["verdict"] == "OUTSIDE"])
        yield f"\n### All lines on {kernel}\n"
        yield from _rows(lines)


def _by_metric(lines: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    verdicts = ("in noise", "lab effect", "close", "OUTSIDE")
    yield f"| metric | lines | median error | worst error | worst scenario | {' | '.join(verdicts)} |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for metric in dict.fromkeys(line["metric"] for line in lines):
        mine = [line for line in lines if line["metric"] == metric]
        known = [line for line in mine if line["error"] is not None]
        counts = [sum(line["verdict"] == word for line in mine) for word in verdicts]
        if not known:
            yield f"| {metric} | {len(mine)} | – | – | – | {' | '.join(map(str, counts))} |"
            continue
        middle = median(abs(line["error"]) for line in known)
        worst = max(known, key=lambda line: abs(line["error"]))
        unit = _error(worst).split()[-1]
        yield (
            f"| {metric} | {len(mine)} | {middle * 100:.2f} {unit} | {_error(worst)} | {worst['scenario']} "
            f"| {' | '.join(map(str, counts))} |"
        )


def _rows(lines: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not lines:
        yield "None."
        return
    yield "| scenario | metric | whose | predicted | measured | noise | error | verdict |"
    yield "|---|---|---|---|---|---|---|---|"
    for line in lines:
        values = " | ".join(_number(line[key]) for key in ("predicted", "measured", "noise"))
        yield (
            f"| {line['scenario']} | {line['metric']} | {line['subject']} | {values} "
            f"| {_error(line)} | {line['verdict']} |"
        )


def write_table() -> None:
    """Replace all below the mark of docs/fidelity.md by the tables."""
    words = PAGE.read_text().split(MARK)[0] if PAGE.exists() else "# Fidelity\n\n"
    PAGE.write_text(words + MARK + "\n\n" + "\n".join(_tables(results())) + "\n")


def main() -> int:
    """Do what the words say."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("what", choices=("grid", "run", "table"))
    options.add_argument("--kernel", default="uml")
    options.add_argument("--repeat", type=int, default=3)
    options.add_argument("scenario", nargs="*", help="only these")
    told = options.parse_intermixed_args()
    if told.what == "grid":
        write_grid()
    elif told.what == "run":
        return 1 if run(told.kernel, told.repeat, told.scenario) else 0
    else:
        write_table()
    return 0


if __name__ == "__main__":
    sys.exit(main())
