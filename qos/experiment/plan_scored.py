"""What the scheduler's scores count a pod for where it says nothing."""

from __future__ import annotations

from typing import Final

from qos.model.pod import CPU, MEMORY, Container, Pod
from qos.model.quantity import Quantity

_LEAST_SCORED: Final = {CPU: Quantity.parse("100m"), MEMORY: Quantity.parse("200Mi")}


def nonzero(pod: Pod) -> Pod:
    """The pod as the scheduler's scores see it: a container that says nothing requests 100m and 200Mi.

    Source: calculatePodResourceRequest in plugins/noderesources/resource_allocation.go, with
    the defaults of pkg/scheduler/util/pod_resources.go, of Kubernetes 1.36.
    """

    def filled(containers: tuple[Container, ...]) -> tuple[Container, ...]:
        made = []
        for each in containers:
            resources = each.resources.model_copy(
                update={"requests": _LEAST_SCORED | each.resources.requests}
            )
            made.append(each.model_copy(update={"resources": resources}))
        return tuple(made)

    spec = pod.spec
    update = {"containers": filled(spec.containers), "init_containers": filled(spec.init_containers)}
    return pod.model_copy(update={"spec": spec.model_copy(update=update)})
