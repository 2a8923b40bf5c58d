"""Which resources are refused, against the API server's own validation."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from qos.model.pod import Pod
from qos.scenario.resource_checks import resource_problems

# Refused by the API server for reasons that concern neither resources nor what a container is called.
_NOT_RESOURCES = ("metadata.",)


def _cases(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [case for case in map(json.loads, lines) if "validationErrors" in case["expect"]]


@pytest.mark.shared
def test_what_the_api_server_refuses_is_refused_and_nothing_else(shared_dir: Path) -> None:
    """A pod has a problem exactly where the API server's validation of its resources finds an error."""
    cases = _cases(shared_dir / "vectors" / "pod_validation.jsonl.gz")
    differing = []
    for case in cases:
        pod = Pod.model_validate(case["input"]["pod"])
        wanted = [e for e in case["expect"]["validationErrors"] if not e["field"].startswith(_NOT_RESOURCES)]
        if bool(wanted) != bool(list(resource_problems(pod.spec))):
            differing.append(case["id"])
    assert len(cases) > 200
    assert not differing


@pytest.mark.shared
def test_the_field_to_blame_is_the_api_servers(shared_dir: Path) -> None:
    """A problem of one container stands at a container where the API server has one as well."""
    for case in _cases(shared_dir / "vectors" / "pod_validation.jsonl.gz"):
        pod = Pod.model_validate(case["input"]["pod"])
        wanted = " ".join(error["field"] for error in case["expect"]["validationErrors"])
        for problem in resource_problems(pod.spec):
            if problem.path[0] in {"containers", "initContainers"}:
                where = f"{problem.path[0]}[{problem.path[1]}]"
                assert where in wanted or f"containers[{problem.path[1]}]" in wanted, case["id"]
