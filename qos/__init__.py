"""Kubernetes resource QoS: one plan, simulated or enforced.

Every name here is imported when first used. Whole runs are ``qos.experiment.simulate.simulate`` and
``qos.experiment.check.check``: ``qos.simulate`` and ``qos.check`` are the boxes of those names.
"""

from typing import TYPE_CHECKING

from qos.lazy import lazy_names

if TYPE_CHECKING:
    from qos.agent.admission import admit
    from qos.agent.ranking import rank
    from qos.agent.thresholds import parse_thresholds
    from qos.experiment.explain import explain
    from qos.experiment.tell import tell
    from qos.experiment.upgrade import upgrade
    from qos.model.node import KubeletConfiguration, Node
    from qos.model.plan import Plan, diff
    from qos.model.pod import Pod
    from qos.model.profile import Profile
    from qos.model.qos_class import QOSClass
    from qos.model.quantity import Quantity
    from qos.model.write_order import order_writes
    from qos.policy.allocatable import node_allocatable
    from qos.policy.critical import is_critical_pod
    from qos.policy.decisions.compare import compare_pods
    from qos.policy.decisions.cpu_assignment import assign_cpus
    from qos.policy.decisions.limit_range import fill_from_limit_range, limit_range_violations
    from qos.policy.decisions.preemption import pods_to_preempt
    from qos.policy.decisions.resize import decide_resize
    from qos.policy.decisions.resize_validation import validate_resize
    from qos.policy.decisions.resource_quota import quota_usage
    from qos.policy.decisions.validation import validate_pod
    from qos.policy.defaults import apply_defaults
    from qos.policy.fair_share import fair_share
    from qos.policy.pod_resources import pod_limits, pod_requests
    from qos.policy.qos_class import classify
    from qos.policy.registry import find_policy, plan_node
    from qos.record.store import read_recording, write_recording
    from qos.record.summarize import summarize
    from qos.report.page import write_report
    from qos.scenario.manifest import read_manifests
    from qos.scenario.scenario import load_scenario

__all__ = [
    "KubeletConfiguration", "Node", "Plan", "Pod", "Profile", "QOSClass", "Quantity", "admit",
    "apply_defaults", "assign_cpus", "classify", "compare_pods", "decide_resize", "diff",
    "explain", "fair_share", "fill_from_limit_range", "find_policy", "is_critical_pod",
    "limit_range_violations", "load_scenario", "node_allocatable", "order_writes", "parse_thresholds",
    "plan_node", "pod_limits", "pod_requests", "pods_to_preempt", "quota_usage", "rank",
    "read_manifests", "read_recording", "summarize", "tell", "upgrade", "validate_pod",
    "validate_resize", "write_recording", "write_report",
]  # fmt: skip

__getattr__ = lazy_names(
    __name__,
    {
        "KubeletConfiguration": "qos.model.node",
        "Node": "qos.model.node",
        "Plan": "qos.model.plan",
        "Pod": "qos.model.pod",
        "Profile": "qos.model.profile",
        "QOSClass": "qos.model.qos_class",
        "Quantity": "qos.model.quantity",
        "admit": "qos.agent.admission",
        "apply_defaults": "qos.policy.defaults",
        "assign_cpus": "qos.policy.decisions.cpu_assignment",
        "classify": "qos.policy.qos_class",
        "compare_pods": "qos.policy.decisions.compare",
        "decide_resize": "qos.policy.decisions.resize",
        "diff": "qos.model.plan",
        "explain": "qos.experiment.explain",
        "fair_share": "qos.policy.fair_share",
        "fill_from_limit_range": "qos.policy.decisions.limit_range",
        "find_policy": "qos.policy.registry",
        "is_critical_pod": "qos.policy.critical",
        "limit_range_violations": "qos.policy.decisions.limit_range",
        "load_scenario": "qos.scenario.scenario",
        "node_allocatable": "qos.policy.allocatable",
        "order_writes": "qos.model.write_order",
        "parse_thresholds": "qos.agent.thresholds",
        "plan_node": "qos.policy.registry",
        "pod_limits": "qos.policy.pod_resources",
        "pod_requests": "qos.policy.pod_resources",
        "pods_to_preempt": "qos.policy.decisions.preemption",
        "quota_usage": "qos.policy.decisions.resource_quota",
        "rank": "qos.agent.ranking",
        "read_manifests": "qos.scenario.manifest",
        "read_recording": "qos.record.store",
        "summarize": "qos.record.summarize",
        "tell": "qos.experiment.tell",
        "upgrade": "qos.experiment.upgrade",
        "validate_pod": "qos.policy.decisions.validation",
        "validate_resize": "qos.policy.decisions.resize_validation",
        "write_recording": "qos.record.store",
        "write_report": "qos.report.page",
    },
)
