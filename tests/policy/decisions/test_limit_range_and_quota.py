"""Properties of LimitRange and ResourceQuota beside the golden vectors."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from made_pods import pods

from qos.model.limit_range import LimitRange, ResourceQuota
from qos.model.pod import CPU, MEMORY, Pod
from qos.model.quantity import Quantity
from qos.policy.decisions.limit_range import (
    default_limit_range,
    fill_from_limit_range,
    limit_range_violations,
)
from qos.policy.decisions.limit_range_validation import validate_limit_range
from qos.policy.decisions.resource_quota import quota_refusal, quota_usage
from qos.policy.defaults import apply_defaults

_amounts = st.fixed_dictionaries(
    {},
    optional={
        "cpu": st.integers(1, 40).map(lambda tenth: f"{tenth * 100}m"),
        "memory": st.integers(1, 16).map(lambda amount: f"{amount * 64}Mi"),
    },
)
_items = st.fixed_dictionaries(
    {"type": st.just("Container")},
    optional=dict.fromkeys(("default", "defaultRequest", "min", "max"), _amounts),
)
_ranges = st.lists(_items, min_size=1, max_size=1).map(
    lambda items: LimitRange.model_validate({"metadata": {"name": "lr"}, "spec": {"limits": items}})
)


@given(pods(), _ranges)
def test_filling_twice_is_filling_once(pod: Pod, bounds: LimitRange) -> None:
    """Defaults fill only what is missing, so a second time nothing is."""
    bounds = default_limit_range(bounds)
    once = fill_from_limit_range(pod, bounds)
    assert fill_from_limit_range(once, bounds) == once


@given(pods(), _ranges)
def test_what_a_container_says_is_kept(pod: Pod, bounds: LimitRange) -> None:
    """No request and no limit that was there is changed by a default."""
    filled = fill_from_limit_range(pod, default_limit_range(bounds))
    for (before, _), (after, _) in zip(pod.typed_containers(), filled.typed_containers(), strict=True):
        assert before.resources.requests.items() <= after.resources.requests.items()
        assert before.resources.limits.items() <= after.resources.limits.items()


@given(_ranges)
def test_a_container_that_says_nothing_fits_a_range_that_makes_sense(bounds: LimitRange) -> None:
    """Defaults of a valid LimitRange with defaults for all it bounds keep its own bounds."""
    bounds = default_limit_range(bounds)
    (item,) = bounds.spec.limits
    if validate_limit_range(bounds) or item.min.keys() - item.default.keys():
        return
    pod = Pod.model_validate({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c"}]}})
    assert limit_range_violations(fill_from_limit_range(pod, bounds), bounds) == ()


def test_defaulting_of_the_pod_comes_first() -> None:
    """A limit has become the request before the LimitRange looks, so its defaultRequest is not used."""
    bounds = default_limit_range(
        LimitRange.model_validate(
            {"spec": {"limits": [{"type": "Container", "defaultRequest": {"cpu": "100m"}}]}}
        )
    )
    spec = {"containers": [{"name": "c", "resources": {"limits": {"cpu": "1"}}}]}
    pod = apply_defaults(Pod.model_validate({"spec": spec}))
    filled = fill_from_limit_range(pod, bounds)
    assert str(filled.spec.containers[0].resources.requests[CPU]) == "1"


class TestQuota:
    @given(pods())
    def test_usage_is_what_the_pod_requests_and_one_pod(self, pod: Pod) -> None:
        """Resources cpu and requests.cpu are the same amount, and a pod counts as one."""
        usage = quota_usage(pod)
        assert str(usage["pods"]) == str(usage["count/pods"]) == "1"
        assert usage.get("cpu") == usage.get("requests.cpu")

    def test_a_pod_that_is_over_counts_as_an_object_only(self) -> None:
        """A Succeeded pod uses no cpu and no place among the pods."""
        spec = {"containers": [{"name": "c", "resources": {"requests": {"cpu": "1"}}}]}
        pod = Pod.model_validate({"spec": spec, "status": {"phase": "Succeeded"}})
        assert list(quota_usage(pod)) == ["count/pods"]

    @given(pods(), st.integers(0, 5000))
    def test_refused_exactly_where_it_would_be_exceeded(self, pod: Pod, used_milli: int) -> None:
        """The pod is refused if and only if used plus its own is above the hard limit."""
        quota = ResourceQuota.model_validate(
            {"metadata": {"name": "q"}, "spec": {"hard": {"requests.cpu": "6"}}}
        )
        used = {"requests.cpu": Quantity.from_milli(used_milli)}
        asked = quota_usage(pod).get("requests.cpu", Quantity.zero())
        refusal = quota_refusal(quota, used, pod)
        lacking = any(CPU not in one.resources.requests for one, _ in pod.typed_containers())
        if lacking:
            assert refusal.startswith("failed quota: q: must specify requests.cpu for: ")
        else:
            over = asked.milli_value() + used_milli > 6000 and bool(asked)
            assert bool(refusal) is over

    def test_the_refusal_says_requested_used_and_limited(self) -> None:
        """In the API server's words, so that it can be searched for."""
        quota = ResourceQuota.model_validate(
            {"metadata": {"name": "team"}, "spec": {"hard": {"limits.memory": "1Gi"}}}
        )
        spec = {"containers": [{"name": "c", "resources": {"limits": {"memory": "800Mi"}}}]}
        pod = Pod.model_validate({"spec": spec})
        assert quota_refusal(quota, {"limits.memory": Quantity.parse("512Mi")}, pod) == (
            "exceeded quota: team, requested: limits.memory=800Mi, used: limits.memory=512Mi, "
            "limited: limits.memory=1Gi"
        )

    def test_scopes_select_by_class(self) -> None:
        """A quota of scope BestEffort does not hold back a Burstable pod."""
        quota = ResourceQuota.model_validate(
            {"metadata": {"name": "q"}, "spec": {"hard": {"pods": "0"}, "scopes": ["BestEffort"]}}
        )
        effort = Pod.model_validate({"spec": {"containers": [{"name": "c"}]}})
        spec = {"containers": [{"name": "c", "resources": {"requests": {"memory": "1Mi"}}}]}
        assert quota_refusal(quota, {}, effort)
        assert MEMORY in Pod.model_validate({"spec": spec}).spec.containers[0].resources.requests
        assert quota_refusal(quota, {}, Pod.model_validate({"spec": spec})) == ""
