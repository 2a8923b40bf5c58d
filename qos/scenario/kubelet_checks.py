"""A KubeletConfiguration that parses but that the kubelet would refuse, as far as resources go.

Source: pkg/kubelet/apis/config/validation and pkg/kubelet/eviction/helpers.go of Kubernetes 1.36.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from qos.model.cgroup import parse_cpu_list
from qos.model.node import KubeletConfiguration
from qos.model.quantity import Quantity
from qos.scenario.load import Document, FieldPath
from qos.scenario.resource_checks import Problem
from qos.scenario.validation import one_or_all, problem_errors

SIGNALS: Final = (
    "memory.available", "allocatableMemory.available", "nodefs.available", "nodefs.inodesFree",
    "imagefs.available", "imagefs.inodesFree", "containerfs.available", "containerfs.inodesFree",
    "pid.available",
)  # fmt: skip
_PERCENT: Final = re.compile(r"\d{1,9}(\.\d{1,9})?%")


def check_kubelet(kubelet: KubeletConfiguration, document: Document, prefix: FieldPath = ()) -> None:
    """Refuse a configuration, which stands at ``prefix`` of a document, that the kubelet would refuse.

    Raises:
        InputError: something in it makes no sense; InputErrors where several things do not.
    """
    errors = problem_errors(kubelet_problems(kubelet), document, prefix)
    if errors:
        raise one_or_all(errors)


def kubelet_problems(kubelet: KubeletConfiguration) -> Iterator[Problem]:
    """Everything in a kubelet's configuration that makes no sense; paths are below the document."""
    for field, values in (
        ("evictionHard", kubelet.eviction_hard),
        ("evictionSoft", kubelet.eviction_soft),
        ("evictionMinimumReclaim", kubelet.eviction_minimum_reclaim),
    ):
        for signal, text in values.items():
            if signal not in SIGNALS:
                yield Problem((field, signal), "is no eviction signal", None, "one of " + ", ".join(SIGNALS))
            elif not _is_threshold(text):
                yield Problem((field, signal), "is no threshold", text, "a quantity such as 100Mi, or 5%")
    for field, reserved in (
        ("systemReserved", kubelet.system_reserved),
        ("kubeReserved", kubelet.kube_reserved),
    ):
        for name, quantity in reserved.items():
            if quantity.nano < 0:
                yield Problem((field, name), "is negative", str(quantity), "0 or more")
    for name, text in kubelet.qos_reserved.items():
        if not _PERCENT.fullmatch(text):
            yield Problem(("qosReserved", name), "is no percentage", text, "such as 50%")
    if kubelet.reserved_system_cpus:
        try:
            parse_cpu_list(kubelet.reserved_system_cpus)
        except ValueError:
            yield Problem(
                ("reservedSystemCPUs",), "is no list of CPUs", kubelet.reserved_system_cpus, "such as 0-1,4"
            )


def _is_threshold(text: Any) -> bool:
    if _PERCENT.fullmatch(text):
        return True
    try:
        return Quantity.parse(text).nano > 0
    except ValueError:
        return False
