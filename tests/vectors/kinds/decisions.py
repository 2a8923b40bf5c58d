"""Kinds answered by qos.policy.decisions: validation, LimitRange, quota, preemption, CPU assignment."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from cases import Case
from pydantic import ValidationError

from kinds import pods
from kinds.common import Answer, list_json, parsed, plain_list, quantities_of
from qos.errors import PlanError
from qos.model.limit_range import LimitRange
from qos.model.pod import Pod, ResourceRequirements
from qos.policy.decisions.cpu_assignment import AssignmentOptions, assign_cpus
from qos.policy.decisions.cpu_topology import Cpu, CpuTopology
from qos.policy.decisions.field_error import FieldError
from qos.policy.decisions.limit_range import (
    LIMIT_RANGER_ANNOTATION,
    default_limit_range,
    fill_from_limit_range,
    limit_range_mappings,
    limit_range_violations,
)
from qos.policy.decisions.limit_range_validation import validate_limit_range
from qos.policy.decisions.preemption import may_preempt, pods_to_preempt
from qos.policy.decisions.resize_validation import validate_resize
from qos.policy.decisions.resource_quota import quota_usage
from qos.policy.decisions.validation import validate_pod
from qos.policy.defaults import apply_defaults
from qos.policy.qos_class import classify


def pod(case: Case) -> Answer:
    """Kind pod: what ``pods`` answers, and what the API server's admission says of it."""
    expect, got = pods.pod(case)
    gate = _pod_level(case)
    read = _read(case, gate)
    if "validationErrors" in case.expect:
        expect |= {"validationErrors": case.expect["validationErrors"]}
        got["validationErrors"] = errors_json(validate_pod(read, pod_level_resources=gate))
    if "quotaUsage" in case.expect:
        expect |= {"quotaUsage": case.expect["quotaUsage"]}
        got["quotaUsage"] = list_json(quota_usage(read, pod_level_resources=gate))
    return expect, got


def pod_validation(case: Case) -> Answer:
    """Kind pod-validation: API defaulting, then ValidatePodCreate."""
    if "decodeError" in case.expect:
        return case.expect, {"decodeError": _decode_error(case)}
    read = _read(case, gate=True)
    got: dict[str, Any] = {
        "qosClass": classify(read, pod_level_resources=True).qos_class.value,
        "validationErrors": errors_json(validate_pod(read)),
    }
    if case.input["applyDefaults"]:
        got["defaulted"] = pods.defaulted_json(read)
    return case.expect, got


def pod_resize(case: Case) -> Answer:
    """Kind pod-resize: ValidatePodResize."""
    old, new = (apply_defaults(Pod.model_validate(case.input[name])) for name in ("old", "new"))
    got = {
        "oldQOS": classify(old, pod_level_resources=True).qos_class.value,
        "newQOS": classify(new, pod_level_resources=True).qos_class.value,
        "validationErrors": errors_json(validate_resize(new, old)),
    }
    return case.expect, got


def limit_range(case: Case) -> Answer:
    """Kind limitrange: defaulting and validation of the LimitRange, its defaults and bounds on a pod."""
    gate = _pod_level(case)
    given = LimitRange.model_validate(case.input["limitRange"])
    if "violates" in case.expect:  # upstream's table calls the last step alone
        violations = limit_range_violations(_read(case, gate), given, pod_level_resources=gate)
        return case.expect, {"violates": bool(violations)}
    bounds = default_limit_range(given)
    filled = fill_from_limit_range(_read(case, gate), bounds)
    violations = limit_range_violations(filled, bounds, pod_level_resources=gate)
    got = {
        "annotation": filled.metadata.annotations.get(LIMIT_RANGER_ANNOTATION, ""),
        "limitRangeDefaulted": [
            {name: plain_list(one) for name, one in limit_range_mappings(item).items()} | {"type": item.type}
            for item in bounds.spec.limits
        ],
        "limitRangeValidationErrors": errors_json(validate_limit_range(bounds)),
        "mutated": {c.name: _requirements(c.resources) for c, _ in filled.typed_containers()},
        "violations": list(violations),
    }
    return case.expect, got


def quota(case: Case) -> Answer:
    """Kind quota-usage (upstream's table): amounts, not spellings."""
    usage = quota_usage(_read(case, _pod_level(case)), pod_level_resources=_pod_level(case))
    return {"quotaUsage": parsed(case.expect["quotaUsage"])}, {"quotaUsage": quantities_of(usage)}


def preemption(case: Case) -> Answer:
    """Kind preemption: Preemptable and getPodsToPreempt."""
    critical = Pod.model_validate(case.input["pod"])
    running = [Pod.model_validate(one) for one in case.input["running"]]
    missing = {one["resource"]: one["quantity"] for one in case.input["requirements"]}
    got: dict[str, Any] = {"preemptable": [one.name for one in running if may_preempt(critical, one)]}
    try:
        got["preempt"] = [one.name for one in pods_to_preempt(critical, running, missing)]
    except PlanError:
        got["error"] = True
    return case.expect, got


def cpu_assignment(case: Case) -> Answer:
    """Kind cpu-assignment: takeByTopologyNUMAPacked and NUMADistributed."""
    given = case.input
    options = AssignmentOptions(
        across_numa=given["distributeAcrossNUMA"],
        across_cores=given["distributeAcrossCores"],
        align_uncore=given["preferAlignByUncoreCache"],
        group_size=given["cpuGroupSize"],
    )
    topology = CpuTopology(Cpu(**one) for one in given["cpus"])
    try:
        return case.expect, {"cpus": list(assign_cpus(topology, given["available"], given["count"], options))}
    except PlanError as error:
        return case.expect, {"error": str(error)}


def errors_json(errors: Sequence[FieldError]) -> list[dict[str, str]]:
    """As the vectors write field errors."""
    return [
        {"type": one.type, "field": one.field, "detail": one.detail, "badValue": one.bad_value}
        for one in errors
    ]


GO_WORDS = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
GO_SHAPE = re.compile(r"[+-]?[0-9]*(\.[0-9]*)?[eEinumkKMGTP]*[-+]?[0-9]*")


def _decode_error(case: Case) -> str:
    """Upstream's two words for a text that is no quantity; ours name the field and what would be right."""
    try:
        Pod.model_validate(case.input["pod"])
    except ValidationError as error:
        refused = [one["input"] for one in error.errors() if one["type"] == "quantity"]
        return next((quantity_decode_error(text) for text in refused), str(error))
    return ""


def quantity_decode_error(text: str) -> str:
    """What upstream says of a text that is no quantity."""
    if not text or GO_SHAPE.fullmatch(text) is None:
        return GO_WORDS
    return "unable to parse quantity's suffix"


def _pod_level(case: Case) -> bool:
    return bool((case.node.get("featureGates") or {}).get("PodLevelResources", True))


def _read(case: Case, gate: bool) -> Pod:
    read = Pod.model_validate(case.input["pod"])
    return apply_defaults(read, gate) if case.input.get("applyDefaults") else read


def _requirements(resources: ResourceRequirements) -> dict[str, Any]:
    return {"limits": plain_list(resources.limits), "requests": plain_list(resources.requests)}
