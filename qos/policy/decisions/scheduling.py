"""What the scheduler counts a pod for, while an in-place resize may be under way.

Source: pkg/scheduler/framework (computePodResourceRequest) and k8s.io/component-helpers/resource;
kubernetes/kubernetes#140047 for the aggregation after 1.36.
"""

from __future__ import annotations

from typing import Final

from qos.model.node import KubeletConfiguration
from qos.model.pod import Pod, ResourceList
from qos.model.profile import Profile
from qos.policy.features import difference, gate
from qos.policy.pod_resources import ResourceOptions, pod_requests

_WHOLE_PODS: Final = "maximum of whole-pod sums"


def scheduler_options(profile: Profile, gates: KubeletConfiguration | None = None) -> ResourceOptions:
    """How requests are counted in one version of Kubernetes.

    Args:
        profile: the version and gates set by the user.
        gates: a configuration whose ``featureGates`` count as well.
    """
    return ResourceOptions(
        skip_pod_level=not gate(profile, gates, "PodLevelResources"),
        use_status=gate(profile, gates, "InPlacePodVerticalScaling"),
        pod_level_status=gate(profile, gates, "InPlacePodLevelResourcesVerticalScaling"),
        aggregate_whole_pods=difference(profile, "resizeAggregation") == _WHOLE_PODS,
    )


def scheduler_requests(pod: Pod, profile: Profile | None = None) -> ResourceList:
    """The most that a pod asks for of what is wanted, allocated and actuated, overhead included.

    While two containers swap a CPU (wanted 1 and 2, allocated 2 and 1), 1.36 counts 4 CPUs and 1.37 counts 3.
    """
    return pod_requests(pod, scheduler_options(profile or Profile()))
