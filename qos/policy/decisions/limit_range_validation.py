"""Whether a LimitRange makes sense in itself: what the API server refuses, in its own words.

Source: pkg/apis/core/validation/validation.go (ValidateLimitRange) of Kubernetes 1.36.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from qos.model.limit_range import LimitRange, LimitRangeItem
from qos.model.quantity import Quantity
from qos.policy.decisions.field_error import FieldError, duplicate, forbidden, invalid, required
from qos.policy.decisions.limit_range import limit_range_mappings
from qos.policy.decisions.resource_names import is_overcommit_allowed, qualified_name_problems
from qos.policy.decisions.validation import container_resource_name, go_value, resource_name

_TYPES: Final = frozenset({"Pod", "Container", "PersistentVolumeClaim"})
_ONE: Final = Quantity.from_int(1)
_MAX_MILLI_VALUE: Final = (2**63 - 1) // 1000


def validate_limit_range(limit_range: LimitRange) -> tuple[FieldError, ...]:
    """Everything the API server would refuse, sorted by field.

    Args:
        limit_range: after :func:`qos.policy.decisions.limit_range.default_limit_range`.
    """
    errors: list[FieldError] = []
    seen: set[str] = set()
    for index, item in enumerate(limit_range.spec.limits):
        path = f"spec.limits[{index}]"
        if item.type in seen:
            errors.append(duplicate(f"{path}.type", item.type))
        seen.add(item.type)
        errors += _validate_shape(item, path)
        for name in dict.fromkeys(name for one in limit_range_mappings(item).values() for name in one):
            errors += _validate_bounds(item, path, name)
    return tuple(sorted(errors))


def _validate_shape(item: LimitRangeItem, path: str) -> Iterator[FieldError]:
    yield from _validate_type(item.type, f"{path}.type")
    lists = limit_range_mappings(item)
    if item.type == "Pod":
        for name in ("default", "defaultRequest"):
            if lists[name]:
                yield forbidden(f"{path}.{name}", "may not be specified when `type` is 'Pod'")
        lists = {name: one for name, one in lists.items() if not name.startswith("default")}
    if item.type == "PersistentVolumeClaim" and "storage" not in item.min | item.max:
        yield required(
            f"{path}.limits", "either minimum or maximum storage value is required, but neither was provided"
        )
    check = container_resource_name if item.type in {"Container", "Pod"} else resource_name
    for list_name, one in lists.items():
        for name in one:
            yield from check(name, f"{path}.{list_name}[{name}]")


def _validate_type(kind: str, where: str) -> Iterator[FieldError]:
    problems = list(qualified_name_problems(kind))
    yield from (invalid(where, kind, problem) for problem in problems)
    if not problems and "/" not in kind and kind not in _TYPES:
        yield invalid(where, kind, "must be a standard limit type or fully qualified")


def _validate_bounds(item: LimitRangeItem, path: str, name: str) -> Iterator[FieldError]:
    least, most = item.min.get(name), item.max.get(name)
    default, request = item.default.get(name), item.default_request.get(name)

    def above(low: Quantity | None, high: Quantity | None) -> bool:
        return low is not None and high is not None and low > high

    if above(least, most):
        yield _bound(path, "min", name, least, f"min value {least} is greater than max value {most}")
    field = "defaultRequest"
    if above(least, request):
        detail = f"min value {least} is greater than default request value {request}"
        yield _bound(path, field, name, request, detail)
    if above(request, most):
        detail = f"default request value {request} is greater than max value {most}"
        yield _bound(path, field, name, request, detail)
    if above(request, default):
        detail = f"default request value {request} is greater than default limit value {default}"
        yield _bound(path, field, name, request, detail)
    if above(least, default):
        detail = f"min value {least} is greater than default value {default}"
        yield _bound(path, "default", name, least, detail)
    if above(default, most):
        detail = f"default value {default} is greater than max value {most}"
        yield _bound(path, "default", name, most, detail)
    if request is not None and default is not None and request != default and not is_overcommit_allowed(name):
        detail = f"default value {default} must equal to defaultRequest value {request} in {name}"
        yield _bound(path, field, name, request, detail)
    yield from _validate_ratio(item.max_limit_request_ratio, path, name, least, most)


def _validate_ratio(
    ratios: Mapping[str, Quantity], path: str, name: str, least: Quantity | None, most: Quantity | None
) -> Iterator[FieldError]:
    ratio = ratios.get(name)
    if ratio is None:
        return
    if ratio < _ONE:
        yield _bound(path, "maxLimitRequestRatio", name, ratio, f"ratio {ratio} is less than 1")
    if least is None or most is None or least.is_zero:
        return
    fine = all(one.value() < _MAX_MILLI_VALUE for one in (ratio, least, most))
    wanted = ratio.milli_value() / 1000 if fine else float(ratio.value())
    possible = most.milli_value() / least.milli_value() if fine else most.value() / least.value()
    if wanted > possible:
        detail = f"ratio {ratio} is greater than max/min = {possible:.6f}"
        yield _bound(path, "maxLimitRequestRatio", name, ratio, detail)


def _bound(path: str, field: str, name: str, value: Quantity | None, detail: str) -> FieldError:
    return invalid(f"{path}.{field}[{name}]", go_value(value) if value is not None else "", detail)
