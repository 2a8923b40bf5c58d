"""Range queries to a Prometheus over HTTP (its API, /api/v1/query_range)."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Final

from qos.errors import InputError, SourceRef
from qos.model.usage import Floats
from qos.scenario.usage import MAX_BYTES, range_answer

CPU_QUERY: Final = (
    "sum by (namespace, pod, container) "
    '(rate(container_cpu_usage_seconds_total{container!="",container!="POD"}[RANGE]))'
)
MEMORY_QUERY: Final = (
    'max by (namespace, pod, container) (container_memory_working_set_bytes{container!="",container!="POD"})'
)
"""Those of cAdvisor's metrics, as the kubelet exposes them."""
_SECONDS: Final = 60.0
_MOST_POINTS: Final = 11_000
"""Prometheus refuses more points a series."""


@dataclass(frozen=True, slots=True)
class Range:
    """What time a query is about, in seconds since 1970, and the step between two points."""

    start: float
    end: float
    step: float


def query_range(url: str, query: str, time: Range) -> list[tuple[dict[str, str], Floats, Floats]]:
    """The series of a range query: labels, times in seconds, values.

    Long ranges are asked in several parts, as a Prometheus gives at most 11,000 points a series.

    Args:
        url: of the server, with a prefix if it has one: ``http://prometheus:9090``.
        query: PromQL; RANGE stands for four steps.
        time: what is asked for.

    Raises:
        InputError: no such server, it refuses, or its answer is none.
    """
    import numpy as np  # noqa: PLC0415 - only where numbers are read

    _checked(url)
    joined: dict[tuple[tuple[str, str], ...], list[tuple[Floats, Floats]]] = {}
    start = time.start
    while start <= time.end:
        end = min(time.end, start + time.step * (_MOST_POINTS - 1))
        for labels, times, values in _part(url, query, Range(start, end, time.step)):
            joined.setdefault(tuple(sorted(labels.items())), []).append((times, values))
        start = end + time.step
    if not joined:
        raise InputError(
            "the server knows no such series", source=SourceRef(url), field="query", value=query,
            expected="metrics of the kubelet's cAdvisor, or --cpu-query and --memory-query",
        )  # fmt: skip
    return [
        (dict(key), np.concatenate([each[0] for each in parts]), np.concatenate([each[1] for each in parts]))
        for key, parts in joined.items()
    ]


def _checked(url: str) -> None:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise InputError(
            "is no address of a server", field="--prometheus", value=url, expected="http://prometheus:9090"
        )


def _part(url: str, query: str, time: Range) -> list[tuple[dict[str, str], Floats, Floats]]:
    form = {
        "query": query.replace("RANGE", f"{max(1, round(4 * time.step))}s"),
        "start": f"{time.start:.3f}", "end": f"{time.end:.3f}", "step": f"{time.step:g}",
    }  # fmt: skip
    address = f"{url.rstrip('/')}/api/v1/query_range"
    request = urllib.request.Request(address, data=urllib.parse.urlencode(form).encode())  # noqa: S310 - checked
    source = SourceRef(address)
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310 - http(s), checked
            raw = answer.read(MAX_BYTES + 1)
    except urllib.error.HTTPError as error:
        raw = error.read(MAX_BYTES)
        if not raw.lstrip().startswith(b"{"):
            raise InputError(
                f"refuses: {error.code} {error.reason}", source=source, expected="a Prometheus"
            ) from None
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise InputError(
            f"cannot be reached: {reason}", source=source, expected="a running Prometheus"
        ) from None
    if len(raw) > MAX_BYTES:
        raise InputError("answers more than can be read", source=source, expected="a larger --step")
    return range_answer(raw, source, empty_ok=True)
