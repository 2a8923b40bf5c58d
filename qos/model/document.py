"""The base of every document from outside: Kubernetes' field names outside, Python's inside."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class ApiObject(BaseModel):
    """A Kubernetes API type: ``initContainers`` in documents is ``init_containers`` in Python.

    Fields that qos does not use are ignored here; which names the API knows at all is checked by
    ``qos.scenario`` where file and line are known.
    """

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore", defer_build=True
    )


class OwnObject(BaseModel):
    """A ``qos.dev`` type: as :class:`ApiObject`, but an unknown field is an error."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, frozen=True, extra="forbid", defer_build=True
    )
