"""A pod's bandwidth annotations as limits of its network devices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from qos.errors import InputError
from qos.model.quantity import Quantity

if TYPE_CHECKING:
    from enforcer.network import Bandwidth
    from qos.model.pod import Pod

INGRESS: Final = "kubernetes.io/ingress-bandwidth"
EGRESS: Final = "kubernetes.io/egress-bandwidth"


def bandwidth_of(pod: Pod) -> Bandwidth:
    """The limits of ``kubernetes.io/ingress-bandwidth`` and ``egress-bandwidth``, in bits a second.

    >>> from qos.model.pod import Pod
    >>> pod = Pod.model_validate({"metadata": {"annotations": {INGRESS: "10M"}}})
    >>> bandwidth_of(pod).ingress_bits
    10000000

    Raises:
        InputError: not a quantity, or not of 1k to 1P.
    """
    from enforcer.network import Bandwidth

    return Bandwidth(_bits(pod, INGRESS), _bits(pod, EGRESS))


def _bits(pod: Pod, annotation: str) -> int | None:
    text = pod.metadata.annotations.get(annotation)
    if text is None:
        return None
    try:
        return Quantity.parse(text).value()
    except (InputError, ValueError) as error:
        raise InputError(
            "not a quantity",
            field=f"metadata.annotations[{annotation}]",
            value=text,
            expected="bits a second, such as 10M",
        ) from error
