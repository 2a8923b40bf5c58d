"""Kinds answered by qos.agent: thresholds, ranking and admission of the eviction manager."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator, Mapping
from typing import Any

from cases import Case

from kinds.common import Answer
from kinds.decisions import quantity_decode_error
from qos.agent.admission import admit
from qos.agent.ranking import PodUsage, rank, sort_key
from qos.agent.thresholds import Observation, Threshold, ThresholdValue, is_met, parse_thresholds
from qos.errors import InputError
from qos.model.pod import Pod
from qos.model.quantity import Quantity
from qos.policy.critical import is_critical_pod
from qos.policy.pod_resources import eviction_request
from qos.policy.qos_class import classify


def thresholds(case: Case) -> Answer:
    """Kind eviction-thresholds: ParseThresholdConfig, GetThresholdQuantity, thresholdsMet.

    Which of two errors comes first depends on Go's map order: any of them will do.
    """
    given = case.input
    wants_error = case.expect.get("expectError", "error" in case.expect)
    try:
        parsed = parse_thresholds(
            given["evictionHard"] or {},
            given["evictionSoft"] or {},
            given["evictionSoftGracePeriod"] or {},
            given["evictionMinimumReclaim"] or {},
            given["enforceNodeAllocatable"] or (),
        )
    except InputError:
        words = set(_go_errors(given))
        stated = case.expect.get("error")
        if stated is None:
            return {"error": wants_error}, {"error": True}
        return {"error": stated}, {"error": stated if stated in words else sorted(words)}
    expect = {"error": wants_error, "thresholds": _ordered(case.expect.get("thresholds") or [])}
    return expect, {"error": False, "thresholds": _ordered([_threshold(one, given) for one in parsed])}


def _go_errors(given: Mapping[str, Any]) -> Iterator[str]:
    """What upstream says of each statement that our parser refuses when it stands alone."""
    hard, soft = given["evictionHard"] or {}, given["evictionSoft"] or {}
    graces, reclaims = given["evictionSoftGracePeriod"] or {}, given["evictionMinimumReclaim"] or {}
    alone = [{"hard": {name: text}} for name, text in hard.items()]
    alone += [{"soft": {name: text}, "soft_grace_period": graces} for name, text in soft.items()]
    alone += [{"minimum_reclaim": {name: text}} for name, text in reclaims.items()]
    alone += [{"soft_grace_period": {name: text}} for name, text in graces.items()]
    for arguments in alone:
        try:
            parse_thresholds(**arguments)
        except InputError as error:
            yield _go_words(error)


def _go_words(error: InputError) -> str:
    field, text = str(error.field), str(error.value)
    signal = field.partition("[")[2].rstrip("]")
    reclaim = field.startswith("evictionMinimumReclaim")
    if error.problem == "unknown eviction signal":
        return f"unsupported eviction signal {text}"
    if error.problem.startswith("a soft eviction threshold needs"):
        return f"grace period must be specified for the soft eviction threshold {signal}"
    if field.startswith("evictionSoftGracePeriod"):
        if text.startswith("-"):
            return f"invalid eviction grace period specified: {text}, must be a positive value"
        bare = text.lstrip("+").replace(".", "", 1).isdecimal()
        return f'time: missing unit in duration "{text}"' if bare else f'time: invalid duration "{text}"'
    if error.problem == "not a percentage":
        return f'strconv.ParseFloat: parsing "{text.rstrip("%")}": invalid syntax'
    if reclaim and text.endswith("%"):
        return f"eviction percentage minimum reclaim {signal} must be positive: {text}"
    if error.problem == "percentage out of range":
        side = ">= 0%" if text.startswith("-") else "<= 100%"
        return f"eviction percentage threshold {signal} must be {side}: {text}"
    if error.problem == "must not be negative":
        return f"negative eviction minimum reclaim specified for {signal}"
    if error.problem == "must be positive":
        return f"eviction threshold {signal} must be positive: {Quantity.parse(text)}"
    return quantity_decode_error(text)


def ranking(case: Case) -> Answer:
    """Kind eviction-rank: the order, any order within a group of equals."""
    gate = bool((case.node.get("featureGates") or {}).get("PodLevelResources", True))
    stats = {one["podRef"]["uid"]: one for one in case.input["stats"] or []}
    usages = [_usage(Pod.model_validate(one), stats, gate) for one in case.input["pods"]]
    signal = case.input["signal"]
    order = rank(signal, usages)
    key = sort_key(signal)
    got = [sorted(one.key for one in group) for _, group in itertools.groupby(order, key)]
    names = iter(case.expect["order"])
    answer = {"order": got, "tieGroups": got}
    expect = {"order": [sorted(itertools.islice(names, len(group))) for group in got]}
    if "tieGroups" in case.expect:
        expect["tieGroups"] = [sorted(group) for group in case.expect["tieGroups"]]
    return expect, answer


def admission(case: Case) -> Answer:
    """Kind eviction-admit: the eviction manager's Admit."""
    pod = Pod.model_validate(case.input["pod"])
    qos_class = classify(pod, pod_level_resources=True).qos_class
    answer = admit(
        case.input["nodeConditions"],
        critical=is_critical_pod(pod),
        qos_class=pod.status.qos_class or qos_class,
        tolerations=pod.spec.tolerations,
    )
    got = {
        "admit": answer.admit,
        "reason": answer.reason,
        "message": answer.message,
        "qosClass": qos_class.value,
    }
    return case.expect, got


def _ordered(listed: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(listed, key=lambda one: (one["signal"], one["gracePeriodSeconds"]))


def _threshold(one: Threshold, given: Mapping[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "signal": one.signal,
        "operator": "LessThan",
        "gracePeriodSeconds": one.grace_period_seconds,
        "nodeCondition": one.node_condition,
        "resource": one.resource,
    }
    shown |= _value(one.value, "quantityBytes", "percentage")
    if one.min_reclaim is not None:
        shown |= _value(one.min_reclaim, "minReclaimQuantity", "minReclaimPercentage")
    if "capacity" not in given:
        return shown
    seen = Observation(given["available"][one.signal], given["capacity"][one.signal])
    shown["effectiveQuantity"] = one.value.of(seen.capacity).value()
    shown["met"] = is_met(one, seen)
    shown["metWithMinReclaim"] = is_met(one, seen, enforce_min_reclaim=True)
    if one.min_reclaim is not None:
        shown["effectiveMinReclaim"] = one.min_reclaim.of(seen.capacity).value()
    return shown


def _value(value: ThresholdValue, quantity_name: str, percentage_name: str) -> dict[str, Any]:
    if value.quantity is not None:
        return {quantity_name: value.quantity.value()}
    return {percentage_name: _shortest(value.percentage or 0.0)}


def _shortest(number: float) -> float:
    """The shortest decimal that is this single-precision number, as Go's JSON writes a float32."""
    for digits in range(1, 10):
        text = f"{number:.{digits}g}"
        if struct.unpack("f", struct.pack("f", float(text)))[0] == number:
            return float(text)
    return number


def _usage(pod: Pod, stats: Mapping[str, Mapping[str, Any]], gate: bool) -> PodUsage:
    found = stats.get(pod.metadata.uid)
    request = {name: eviction_request(pod, name, gate) for name in ("memory", "ephemeral-storage")}
    used = {} if found is None else _used(pod, found)
    return PodUsage(pod.name, pod.spec.priority or 0, found is not None, request, used)


def _used(pod: Pod, stats: Mapping[str, Any]) -> dict[str, Quantity]:
    local = {
        volume.name
        for volume in pod.spec.volumes
        if volume.host_path is not None
        or volume.config_map is not None
        or volume.git_repo is not None
        or (volume.empty_dir is not None and not volume.empty_dir.medium)
    }
    parts = [part for one in stats.get("containers") or [] for part in (one.get("rootfs"), one.get("logs"))]
    parts += [one for one in stats.get("volume") or [] if one["name"] in local]
    disk = {"ephemeral-storage": "usedBytes", "inodes": "inodesUsed"}
    used = {name: sum((part or {}).get(key) or 0 for part in parts) for name, key in disk.items()}
    used["memory"] = (stats.get("memory") or {}).get("workingSetBytes") or 0
    used["pids"] = (stats.get("process_stats") or {}).get("process_count") or 0
    return {name: Quantity.from_int(amount) for name, amount in used.items()}
