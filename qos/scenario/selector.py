"""Label selectors as kubectl writes them (``app=web,tier in (a,b),!canary``) and as the API does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import Field, GetJsonSchemaHandler, ValidationError, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import core_schema

from qos.model.document import OwnObject

Operator = Literal["In", "NotIn", "Exists", "DoesNotExist"]
EXPECTED: Final = "a selector such as app=web, tier!=db, env in (a,b), !canary"

_KEY: Final = r"[A-Za-z0-9](?:[-A-Za-z0-9_./]{0,315}[A-Za-z0-9])?"
_VALUE: Final = r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?|"
_EQUALITY: Final = re.compile(rf"({_KEY})\s*(==|=|!=)\s*({_VALUE})")
_SET: Final = re.compile(rf"({_KEY})\s+(in|notin)\s*\(([^()]*)\)")
_EXISTS: Final = re.compile(rf"(!?)\s*({_KEY})")
# a comma that stands outside parentheses
_COMMA: Final = re.compile(r",(?![^(]*\))")


class Requirement(OwnObject):
    """One requirement on one label."""

    key: Annotated[str, Field(min_length=1)]
    operator: Operator
    values: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _values_fit(self) -> Requirement:
        if bool(self.values) != (self.operator in {"In", "NotIn"}):
            msg = f"operator {self.operator} takes {'no values' if self.values else 'values'}"
            raise ValueError(msg)
        return self

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether labels meet the requirement; NotIn is met by a missing label, as in the API."""
        if self.operator == "In":
            return labels.get(self.key) in self.values
        if self.operator == "NotIn":
            return labels.get(self.key) not in self.values
        return (self.key in labels) == (self.operator == "Exists")


class LabelSelector(OwnObject):
    """All of these labels and requirements; at least one. A text in kubectl's form is read as one."""

    match_labels: dict[str, str] = Field(default_factory=dict)
    match_expressions: tuple[Requirement, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"matchExpressions": _requirements(value)}
        return value

    @model_validator(mode="after")
    def _not_empty(self) -> LabelSelector:
        if not self.match_labels and not self.match_expressions:
            msg = f"selects nothing in particular; expected {EXPECTED}"
            raise ValueError(msg)
        return self

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """The published schema: the API's form, or a text."""
        return {"anyOf": [handler(schema), {"type": "string", "examples": ["app=web,tier!=db"]}]}

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether a pod with these labels is selected.

        >>> parse_selector("app=web,env in (a,b),!canary").matches({"app": "web", "env": "a"})
        True
        """
        return all(labels.get(key) == value for key, value in self.match_labels.items()) and all(
            each.matches(labels) for each in self.match_expressions
        )


def parse_selector(text: str) -> LabelSelector:
    """The selector of a text.

    Raises:
        ValueError: not a selector.
    """
    try:
        return LabelSelector.model_validate(text)
    except ValidationError as error:
        raise ValueError(error.errors()[0]["msg"].removeprefix("Value error, ")) from None


def _requirements(text: str) -> tuple[Requirement, ...]:
    parts = [part.strip() for part in _COMMA.split(text)]
    return tuple(_requirement(part) for part in parts if part or len(parts) > 1)


def _requirement(part: str) -> Requirement:
    if match := _EQUALITY.fullmatch(part):
        operator: Operator = "NotIn" if match[2] == "!=" else "In"
        return Requirement(key=match[1], operator=operator, values=(match[3],))
    if match := _SET.fullmatch(part):
        values = tuple(value.strip() for value in match[3].split(","))
        return Requirement(key=match[1], operator="In" if match[2] == "in" else "NotIn", values=values)
    if match := _EXISTS.fullmatch(part):
        return Requirement(key=match[2], operator="DoesNotExist" if match[1] else "Exists")
    msg = f"is not {EXPECTED}"
    raise ValueError(msg)
