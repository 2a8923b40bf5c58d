"""Which resource names the API knows, and what it says of those that it does not.

Source: pkg/apis/core/v1/helper/helpers.go and k8s.io/apimachinery/pkg/util/validation of Kubernetes 1.36.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from qos.model.pod import CPU, EPHEMERAL_STORAGE, HUGEPAGES_PREFIX, MEMORY
from qos.model.quantity import Quantity

REQUESTS_PREFIX: Final = "requests."
NATIVE_DOMAIN: Final = "kubernetes.io/"
_CONTAINER_RESOURCES: Final = frozenset({CPU, MEMORY, EPHEMERAL_STORAGE})
_COUNTED_OBJECTS: Final = frozenset(
    {
        "pods", "resourcequotas", "services", "replicationcontrollers", "secrets", "configmaps",
        "persistentvolumeclaims", "services.nodeports", "services.loadbalancers",
    }
)  # fmt: skip
_STANDARD: Final = (
    _CONTAINER_RESOURCES
    | _COUNTED_OBJECTS
    | {f"{side}.{name}" for side in ("requests", "limits") for name in _CONTAINER_RESOURCES}
    | {"storage", "requests.storage"}
)
_MAX_NAME: Final = 63
_MAX_SUBDOMAIN: Final = 253
_LABEL_FORMAT: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN_FORMAT: Final = rf"{_LABEL_FORMAT}(\.{_LABEL_FORMAT})*"
_NAME_FORMAT: Final = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_NAME_SHAPE: Final = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    f"'{_NAME_FORMAT}')"
)
_SUBDOMAIN_SHAPE: Final = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
    "start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    f"'{_SUBDOMAIN_FORMAT}')"
)
_LABEL_SHAPE: Final = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start "
    "and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    f"'{_LABEL_FORMAT}')"
)


def is_hugepages(name: str) -> bool:
    """Whether it is ``hugepages-<size>``."""
    return name.startswith(HUGEPAGES_PREFIX)


def is_native(name: str) -> bool:
    """Whether it belongs to Kubernetes itself: no domain, or one under kubernetes.io."""
    return "/" not in name or NATIVE_DOMAIN in name


def is_extended(name: str) -> bool:
    """Whether it is an extended resource such as ``example.com/gpu``."""
    if is_native(name) or name.startswith(REQUESTS_PREFIX):
        return False
    return not any(qualified_name_problems(REQUESTS_PREFIX + name))


def is_overcommit_allowed(name: str) -> bool:
    """Whether a request may be below its limit: not for huge pages and extended resources."""
    return is_native(name) and not is_hugepages(name)


def is_integer(name: str) -> bool:
    """Whether only whole units exist of it."""
    return name in _COUNTED_OBJECTS or is_extended(name)


def is_standard(name: str) -> bool:
    """Whether Kubernetes knows the name anywhere, quota included."""
    return name in _STANDARD or is_hugepages(name)


def is_standard_for_containers(name: str) -> bool:
    """Whether a container may name it without a domain."""
    return name in _CONTAINER_RESOURCES or is_hugepages(name)


def is_divisible(name: str, quantity: Quantity) -> bool:
    """Whether an amount of huge pages is a whole number of them.

    >>> is_divisible("hugepages-2Mi", Quantity.parse("3Mi"))
    False
    """
    try:
        size = Quantity.parse(name.removeprefix(HUGEPAGES_PREFIX))
    except ValueError:
        return False
    return size.sign > 0 and size.milli_value() % 1000 == 0 and quantity.value() % size.value() == 0


def qualified_name_problems(name: str) -> Iterator[str]:
    """What keeps a text from being a qualified name (``name`` or ``prefix/name``), in the API's words."""
    prefix, slash, last = name.rpartition("/")
    if "/" in prefix:
        yield (
            f"a qualified name {_NAME_SHAPE} with an optional DNS subdomain prefix and '/' "
            "(e.g. 'example.com/MyName')"
        )
        return
    if slash:
        yield from (f"prefix part {problem}" for problem in _prefix_problems(prefix))
    if not last:
        yield "name part must be non-empty"
    elif len(last.encode()) > _MAX_NAME:
        yield f"name part must be no more than {_MAX_NAME} characters"
    if re.fullmatch(_NAME_FORMAT, last) is None:
        yield f"name part {_NAME_SHAPE}"


def label_problems(name: str) -> Iterator[str]:
    """What keeps a text from being a DNS label, such as a container's name must be."""
    if len(name.encode()) > _MAX_NAME:
        yield f"must be no more than {_MAX_NAME} characters"
    if re.fullmatch(_LABEL_FORMAT, name) is None:
        yield _LABEL_SHAPE


def _prefix_problems(prefix: str) -> Iterator[str]:
    if not prefix:
        yield "must be non-empty"
        return
    if len(prefix.encode()) > _MAX_SUBDOMAIN:
        yield f"must be no more than {_MAX_SUBDOMAIN} characters"
    if re.fullmatch(_SUBDOMAIN_FORMAT, prefix) is None:
        yield _SUBDOMAIN_SHAPE
