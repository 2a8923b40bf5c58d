"""The published JSON Schemas, by a validator that is not ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from qos.scenario.document import schemas


@pytest.mark.parametrize("kind", ["Scenario", "QoSPolicy", "Profile"])
def test_each_schema_is_a_schema(kind: str) -> None:
    """Draft 2020-12, with the kind and the API version fixed."""
    schema = schemas()[kind]
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["properties"]["kind"]["const"] == kind
    assert schema["properties"]["apiVersion"]["const"] == "qos.dev/v1alpha1"


def test_the_shipped_scenarios_fit_the_schema(repository: Path) -> None:
    """What the loader accepts, the schema accepts."""
    validator = jsonschema.Draft202012Validator(schemas()["Scenario"])
    for file in sorted((repository / "scenarios").glob("*.yaml")):
        for document in yaml.safe_load_all(file.read_text()):
            if document["kind"] == "Scenario":  # a QoSPolicy may stand beside it
                assert not list(validator.iter_errors(document)), file


@pytest.mark.parametrize(
    "change",
    [
        {"duration": -1},
        {"duration": "5 minutes"},
        {"sed": 1},
        {"nodes": []},
        {"question": ""},
        {"agents": "eviction"},
    ],
)
def test_a_wrong_document_does_not_fit(change: dict[str, Any]) -> None:
    """Negative times, unknown fields, missing nodes and wrong types are found by the schema alone."""
    spec = {"question": "q?", "duration": "1m", "nodes": [{"file": "n.yaml"}]}
    document = {"apiVersion": "qos.dev/v1alpha1", "kind": "Scenario", "metadata": {"name": "a"}, "spec": spec}
    validator = jsonschema.Draft202012Validator(schemas()["Scenario"])
    assert validator.is_valid(document)
    assert not validator.is_valid(document | {"spec": spec | change})
