"""`qos schema`: JSON Schema of our own documents, for editors and CI."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated

import typer


class Kind(StrEnum):
    """Kinds of `apiVersion: qos.dev/v1alpha1`."""

    SCENARIO = "Scenario"
    QOS_POLICY = "QoSPolicy"
    PROFILE = "Profile"


def schema(kind: Annotated[Kind, typer.Argument(help="Which document.")] = Kind.SCENARIO) -> None:
    """Print the JSON Schema of a Scenario, QoSPolicy or Profile document.

    Example: qos schema Scenario > scenario.schema.json
    """
    from qos.scenario.document import schemas

    print(json.dumps(schemas()[kind.value], indent=2))
