"""Wrong policies, one value at a time: what share does `qos test` with the committed baselines catch?

python benchmarks/mutations.py [WORKERS]

Each fault is put into every policy of every shipped scenario: as a QoSPolicy document that goes by the
policy's own name, a feature gate, a runtime version or a kubelet setting. Only behaviour is looked at, the
promises and the figures of reports/baseline: the planned values themselves are compared with nothing. A
fault that leaves every plan as it was is no fault of these scenarios and not counted.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from qos.errors import InputError, PlanError
from qos.experiment.admission import as_stored
from qos.experiment.check import CheckOptions, judge
from qos.experiment.policies import policy_named
from qos.experiment.simulate import load
from qos.policy.registry import plan_node
from qos.scenario.document import PolicyDocument, PolicySpec
from qos.scenario.load import parse_documents
from qos.scenario.scenario import Scenario, SourcedPolicy
from qos.scenario.validation import validate

ROOT = Path(__file__).resolve().parent.parent
SCENARIOS = sorted((ROOT / "scenarios").glob("*.yaml"))
BASELINE = ROOT / "reports" / "baseline"

Fault = Callable[[Scenario], Scenario]


def _rule(level: str, qos_class: str | None = None, **change: dict[str, Any]) -> Fault:
    """A fault that sets or multiplies one file of one level (and class) under every policy."""
    rule = {"level": level} | ({"qosClass": qos_class} if qos_class else {}) | change

    def put_in(scenario: Scenario) -> Scenario:
        own = {each.name: each.document.spec for each in scenario.policy_documents}
        return replace(
            scenario,
            policy_documents=tuple(_with_rule(name, own.get(name), rule) for name in scenario.policies),
        )

    return put_in


def _with_rule(name: str, own: PolicySpec | None, rule: dict[str, Any]) -> SourcedPolicy:
    """A policy of this name that is the shipped one, or the scenario's own, and one rule more."""
    spec = own.model_dump(mode="json", by_alias=True, exclude_unset=True) if own else {"base": name}
    spec["rules"] = [*spec.get("rules", []), rule]
    document = {
        "apiVersion": "qos.dev/v1alpha1",
        "kind": "QoSPolicy",
        "metadata": {"name": name},
        "spec": spec,
    }
    (place,) = parse_documents(json.dumps(document).encode(), "fault.json")
    if isinstance(place, InputError):
        raise place
    return SourcedPolicy(validate(PolicyDocument, place.data, place), place)


def _factor(level: str, file: str, factor: float, qos_class: str | None = None) -> Fault:
    return _rule(level, qos_class, factor={file: factor})


def _set(level: str, file: str, value: str | int | None, qos_class: str | None = None) -> Fault:
    return _rule(level, qos_class, set={file: value})


def _profile(**changes: Any) -> Fault:
    return lambda scenario: replace(scenario, profile=replace(scenario.profile, **changes))


def _kubelet(**changes: Any) -> Fault:
    def put_in(scenario: Scenario) -> Scenario:
        nodes = tuple(
            node.model_copy(update={"kubelet": node.kubelet.model_copy(update=changes)})
            for node in scenario.nodes
        )
        return replace(scenario, nodes=nodes)

    return put_in


def _memory_qos_flipped(scenario: Scenario) -> Scenario:
    gates = {**scenario.profile.feature_gates}
    gates["MemoryQoS"] = not gates.get("MemoryQoS", False)
    return replace(scenario, profile=replace(scenario.profile, feature_gates=gates))


def _weights_swapped(scenario: Scenario) -> Scenario:
    new = scenario.profile.runtime_version >= (1, 3, 2)
    version = (1, 2, 0) if new else (1, 3, 2)
    return replace(scenario, profile=replace(scenario.profile, runtime="runc", runtime_version=version))


FAULTS: dict[str, Fault] = {
    "container weights: linear ↔ quadratic": _weights_swapped,
    "MemoryQoS gate flipped": _memory_qos_flipped,
    "container cpu.max halved": _factor("container", "cpu.max", 0.5),
    "container cpu.max doubled": _factor("container", "cpu.max", 2),
    "container cpu.max -20 %": _factor("container", "cpu.max", 0.8),
    "container cpu.max not written": _set("container", "cpu.max", None),
    "pod cpu.max halved": _factor("pod", "cpu.max", 0.5),
    "pod cpu.max -20 %": _factor("pod", "cpu.max", 0.8),
    "pod cpu.max not written": _set("pod", "cpu.max", None),
    "cpu.max with a burst of 100 ms": _set("container", "cpu.max.burst", 100_000, "Burstable"),
    "container cpu.weight all 100": _set("container", "cpu.weight", 100),
    "container cpu.weight a tenth": _factor("container", "cpu.weight", 0.1),
    "pod cpu.weight all 100": _set("pod", "cpu.weight", 100),
    "pod cpu.weight of Burstable tenfold": _factor("pod", "cpu.weight", 10, "Burstable"),
    "pod cpu.weight of Guaranteed a tenth": _factor("pod", "cpu.weight", 0.1, "Guaranteed"),
    "pod cpu.weight not written": _set("pod", "cpu.weight", None),
    "burstable cpu.weight halved": _factor("qos", "cpu.weight", 0.5, "Burstable"),
    "burstable cpu.weight doubled": _factor("qos", "cpu.weight", 2, "Burstable"),
    "burstable cpu.weight 1": _set("qos", "cpu.weight", 1, "Burstable"),
    "besteffort cpu.weight 100": _set("qos", "cpu.weight", 100, "BestEffort"),
    "besteffort cpu.weight not written": _set("qos", "cpu.weight", None, "BestEffort"),
    "besteffort cpu.idle flipped on": _set("qos", "cpu.idle", 1, "BestEffort"),
    "besteffort cpu.max half a CPU": _set("qos", "cpu.max", "50000 100000", "BestEffort"),
    "container memory.max halved": _factor("container", "memory.max", 0.5),
    "container memory.max doubled": _factor("container", "memory.max", 2),
    "container memory.max -10 %": _factor("container", "memory.max", 0.9),
    "container memory.max not written": _set("container", "memory.max", None),
    "pod memory.max halved": _factor("pod", "memory.max", 0.5),
    "pod memory.max doubled": _factor("pod", "memory.max", 2),
    "pod memory.max not written": _set("pod", "memory.max", None),
    "container memory.high halved": _factor("container", "memory.high", 0.5),
    "container memory.high not written": _set("container", "memory.high", None),
    "container memory.high 128Mi": _set("container", "memory.high", 134_217_728),
    "container memory.min not written": _set("container", "memory.min", None),
    "container memory.low not written": _set("container", "memory.low", None),
    "container memory.oom.group flipped off": _set("container", "memory.oom.group", 0),
    "kubepods memory.max halved": _factor("node", "memory.max", 0.5),
    "kubepods memory.max not written": _set("node", "memory.max", None),
    "kubepods cpu.weight a tenth": _factor("node", "cpu.weight", 0.1),
    "pod pids.max 4": _set("pod", "pids.max", 4),
    "cpuCFSQuota off": _kubelet(cpu_cfs_quota=False),
    "cpuCFSQuotaPeriod 10 ms": _kubelet(cpu_cfs_quota_period=0.01),
    "evictionHard memory.available 5 %": _kubelet(eviction_hard={"memory.available": "5%"}),
}
"""What is wrong → how it is put into a scenario."""


def _files(scenario: Scenario) -> list[dict[str, Any]]:
    """The plan of each of the scenario's policies, as plain data."""
    stored = as_stored(scenario.pods, scenario.limit_ranges)
    return [
        plan_node(
            policy_named(name, scenario.policy_documents), stored, scenario.node, scenario.profile
        ).plan.to_text()
        for name in scenario.policies
    ]


def try_fault(fault: str) -> tuple[str, str, str]:
    """Fault, verdict (promise, baseline, refused, missed or no change) and what caught it."""
    verdict = ("no change", "")
    for path in SCENARIOS:
        right = load(path)
        wrong = FAULTS[fault](right)
        try:
            if _files(right) == _files(wrong) and right.nodes == wrong.nodes:
                continue
            outcomes = judge(wrong, CheckOptions(baseline=BASELINE, workers=1))
        except PlanError as error:
            return fault, "refused", f"{right.name}: {error}"
        failed = sorted((one for one in outcomes if one.failed), key=lambda one: one.rule != "expect")
        if failed:
            word = "promise" if failed[0].rule == "expect" else "baseline"
            return fault, word, f"{right.name}: {failed[0].name}"
        verdict = ("missed", "")
    return fault, *verdict


def main() -> None:
    """Print a Markdown table of the faults and what caught each, and the share caught."""
    workers = int(sys.argv[1]) if len(sys.argv) > 1 else os.cpu_count()
    found = []
    with ProcessPoolExecutor(workers) as pool:
        for result in pool.map(try_fault, FAULTS):
            found.append(result)
            print("| {} | {} | {} |".format(*result), flush=True)
    real = [each for each in found if each[1] != "no change"]
    caught = [each for each in real if each[1] != "missed"]
    by_promise = sum(each[1] == "promise" for each in real)
    print(
        f"\n{len(found)} faults, {len(real)} change a plan of the shipped scenarios; caught {len(caught)} = "
        f"{len(caught) / len(real):.1%}, {by_promise} of them by a promise alone"
    )


if __name__ == "__main__":
    main()
