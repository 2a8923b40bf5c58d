"""One finding of API validation, in the API server's words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FieldErrorType = Literal[
    "FieldValueInvalid",
    "FieldValueRequired",
    "FieldValueForbidden",
    "FieldValueDuplicate",
    "FieldValueNotSupported",
]


@dataclass(frozen=True, slots=True, order=True)
class FieldError:
    """What is wrong with one field.

    Attributes:
        field: where, as ``spec.containers[0].resources.limits[cpu]``.
        type: what kind of error.
        detail: why.
        bad_value: the value, as Go prints it; "" where the kind has none.
    """

    field: str
    type: FieldErrorType
    detail: str
    bad_value: str

    def __str__(self) -> str:
        words = {
            "FieldValueInvalid": "Invalid value",
            "FieldValueRequired": "Required value",
            "FieldValueForbidden": "Forbidden",
            "FieldValueDuplicate": "Duplicate value",
            "FieldValueNotSupported": "Unsupported value",
        }[self.type]
        value = f': "{self.bad_value}"' if self.bad_value else ""
        return f"{self.field}: {words}{value}" + (f": {self.detail}" if self.detail else "")


def invalid(field: str, bad_value: object, detail: str) -> FieldError:
    """A value that breaks a rule."""
    return FieldError(field, "FieldValueInvalid", detail, str(bad_value))


def forbidden(field: str, detail: str) -> FieldError:
    """Something that may not be there."""
    return FieldError(field, "FieldValueForbidden", detail, "")


def required(field: str, detail: str = "") -> FieldError:
    """Something that is missing."""
    return FieldError(field, "FieldValueRequired", detail, "")


def duplicate(field: str, bad_value: object) -> FieldError:
    """A name that was used before."""
    return FieldError(field, "FieldValueDuplicate", "", str(bad_value))


def not_supported(field: str, bad_value: object, supported: tuple[str, ...]) -> FieldError:
    """A value that is not one of a closed list."""
    values = ", ".join(f'"{one}"' for one in supported)
    return FieldError(field, "FieldValueNotSupported", f"supported values: {values}", str(bad_value))
