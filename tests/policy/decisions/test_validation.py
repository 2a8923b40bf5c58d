"""Properties of pod and resize validation beside the golden vectors."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from made_pods import pods

from qos.model.pod import Pod
from qos.policy.decisions.resize_validation import validate_resize
from qos.policy.decisions.validation import validate_pod
from qos.policy.defaults import apply_defaults


def _pod(**resources: object) -> Pod:
    return Pod.model_validate({"spec": {"containers": [{"name": "c", "resources": resources}]}})


@given(st.text(max_size=80), st.integers(-(10**6), 10**6))
def test_any_resource_name_is_answered(name: str, amount: int) -> None:
    """Whatever a resource is called, validation says what is wrong with it and never breaks."""
    for error in validate_pod(_pod(limits={name: amount}, requests={name: amount})):
        assert error.field.startswith("spec.containers[0].resources")
        assert str(error)


@given(pods())
def test_a_request_above_its_limit_is_always_found(pod: Pod) -> None:
    """An error about requests and limits stands there if and only if a request is above its limit."""
    wrong = {
        (container.name, name)
        for container, _ in pod.typed_containers()
        for name, request in container.resources.requests.items()
        if name in container.resources.limits and request > container.resources.limits[name]
    }
    errors = [one for one in validate_pod(pod) if one.detail.startswith("must be less than or equal to")]
    assert len(errors) == len(wrong)


@given(pods())
def test_a_pod_may_stay_as_it_is(pod: Pod) -> None:
    """Resizing to the same pod adds no error to those the pod has anyway."""
    pod = apply_defaults(pod)
    assert validate_resize(pod, pod) == validate_pod(pod)


def test_a_resize_changes_only_cpu_and_memory() -> None:
    """Another image is refused, more cpu is not."""
    old = Pod.model_validate(
        {"spec": {"containers": [{"name": "c", "image": "a", "resources": {"requests": {"cpu": "1"}}}]}}
    )
    faster = Pod.model_validate(
        {"spec": {"containers": [{"name": "c", "image": "a", "resources": {"requests": {"cpu": "2"}}}]}}
    )
    other = Pod.model_validate(
        {"spec": {"containers": [{"name": "c", "image": "b", "resources": {"requests": {"cpu": "1"}}}]}}
    )
    assert validate_resize(faster, old) == ()
    assert [one.detail for one in validate_resize(other, old)] == [
        "only cpu and memory resources are mutable"
    ]
