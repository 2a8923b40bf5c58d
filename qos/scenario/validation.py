"""From pydantic's errors to ours: one InputError with file, line, column, field, value, expectation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from qos.errors import InputError, InputErrors
from qos.scenario.known_fields import nearest, unknown_fields
from qos.scenario.load import Document, FieldPath
from qos.scenario.resource_checks import Problem
from qos.scenario.yaml_marks import template_error

_Model = TypeVar("_Model", bound=BaseModel)
_MUST_BE: Final = {
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "dict_type": "a mapping",
    "tuple_type": "a list",
    "list_type": "a list",
    "string_type": "a text (numbers, true and null need quotes)",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
}


def validate(model: type[_Model], data: Any, document: Document, prefix: FieldPath = ()) -> _Model:
    """``data``, which stands at ``prefix`` of ``document``, as a model object.

    Raises:
        InputError: the first thing wrong; InputErrors where several are.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise one_or_all(list(input_errors(error, model, data, document, prefix))) from None


def error_at(
    document: Document,
    path: FieldPath,
    problem: str,
    expected: str | None,
    *,
    key: bool = False,
    **value: Any,
) -> InputError:
    """The error for one field of a document; ``value=`` where a value is to blame."""
    return InputError(
        problem,
        source=document.locate(path, key=key),
        field=document.field(path),
        expected=expected,
        **value,
    )


def problem_errors(problems: Iterable[Problem], document: Document, prefix: FieldPath) -> list[InputError]:
    """Problems of what stands at ``prefix`` of a document as errors with their places."""
    found: list[InputError] = []
    for each in problems:
        value: dict[str, Any] = {} if each.value is None else {"value": each.value}
        found.append(error_at(document, (*prefix, *each.path), each.problem, each.expected, **value))
    return found


def named_in(document: Document, path: FieldPath, error: InputError) -> InputError:
    """An error about another file as a whole, told where a document names that file."""
    if error.source is not None and error.source.line is not None:
        return error
    file = f"{error.source.file} " if error.source else ""
    about = f"{error.field}: " if error.field else ""
    return error_at(document, path, f"{file}{about}{error.problem}", error.expected or "a readable file")


def one_or_all(errors: Sequence[InputError]) -> InputError:
    """The one error, or all of them as one."""
    return errors[0] if len(errors) == 1 else InputErrors(errors)


def input_errors(
    error: ValidationError, model: type[BaseModel], data: Any, document: Document, prefix: FieldPath = ()
) -> Iterator[InputError]:
    """Each of pydantic's errors as one of ours."""
    for details in error.errors(include_url=False):
        path, value = _existing(details["loc"], data)
        yield _input_error(details, model, path, value, document, prefix)


def _existing(loc: Sequence[str | int], data: Any) -> tuple[FieldPath, Any]:
    """The part of ``loc`` that stands in the data (pydantic adds names of union members), and its value."""
    path: list[str | int] = []
    value = data
    for step in loc:
        inside: Any = value
        if (isinstance(inside, dict) and step in inside) or (
            isinstance(inside, list) and isinstance(step, int) and step < len(inside)
        ):
            value = inside[step]  # type: ignore[index]  # a key of a dict or an index of a list
            path.append(step)
    return tuple(path), value


def _input_error(
    details: ErrorDetails,
    model: type[BaseModel],
    path: FieldPath,
    value: Any,
    document: Document,
    prefix: FieldPath,
) -> InputError:
    where = (*prefix, *path)
    kind = details["type"]
    if kind == "extra_forbidden":
        return error_at(document, where, "unknown field", _known_names(model, details["loc"]), key=True)
    if kind.startswith("union_tag"):
        tag = str(details.get("ctx", {}).get("discriminator", "")).strip("'")
        choices = "one of " + ", ".join(_tags(_model_at(model, details["loc"]), tag))
        if not isinstance(value, dict) or tag not in value:
            return error_at(document, (*where, tag), "is missing", f"{tag}: {choices}")
        return error_at(document, (*where, tag), "is not known", choices, value=value[tag])
    if kind == "missing":
        missing = details["loc"][-1]
        return error_at(document, (*where, missing), "is missing", f"{missing}: …")
    if isinstance(value, str) and "{{" in value:
        return template_error(document.locate(where)).at(field=document.field(where))
    shown: dict[str, Any] = {} if isinstance(value, dict | list) else {"value": value}
    if kind in _MUST_BE:
        return error_at(document, where, "is of the wrong type", _MUST_BE[kind], **shown)
    return error_at(document, where, _sentence(details), None, **shown)


def _sentence(details: ErrorDetails) -> str:
    message = details["msg"]
    if details["type"] == "too_short":
        return f"must have at least {details.get('ctx', {}).get('min_length', 1)} item"
    for before, after in (("Value error, ", ""), ("Input should be", "must be"), ("Input tag", "tag")):
        if message.startswith(before):
            message = after + message[len(before) :]
    return message


def _known_names(model: type[BaseModel], path: Sequence[str | int]) -> str | None:
    """What an unknown field may have meant, from the model that refused it; ``path`` may name a tag."""
    owners = _model_at(model, path[:-1])
    if len(owners) != 1:
        return None
    names = {field.alias or name: None for name, field in owners[0].model_fields.items()}
    close = nearest(str(path[-1]), names)
    return repr(close) if close else "one of " + ", ".join(names)


_Models = tuple[type[BaseModel], ...]


def _model_at(model: type[BaseModel], path: Sequence[str | int]) -> _Models:
    """The model, or members of a union, that a path of pydantic's leads to; none where it is plain data."""
    owners: _Models = (model,)
    for step in path:
        if isinstance(step, int):
            continue
        if len(owners) > 1:
            owners = tuple(each for each in owners if step in _defaults(each))
        else:
            fields = owners[0].model_fields.items() if owners else ()
            found = [field for name, field in fields if step in {name, field.alias}]
            owners = tuple(_models_in(found[0].annotation)) if found else ()
    return owners


def _defaults(model: type[BaseModel]) -> list[Any]:
    return [field.default for field in model.model_fields.values()]


def _tags(models: _Models, discriminator: str) -> list[str]:
    """The value of the discriminator in each member of a union."""
    return [
        str(field.default)
        for model in models
        for name, field in model.model_fields.items()
        if discriminator in {name, field.alias}
    ]


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        return
    for argument in getattr(annotation, "__args__", ()):
        yield from _models_in(argument)


def unknown_field_errors(
    document: Document, type_name: str, prefix: FieldPath = ()
) -> tuple[list[InputError], list[InputError]]:
    """Errors and warnings for the fields at ``prefix`` that the API's type does not know."""
    errors: list[InputError] = []
    warnings: list[InputError] = []
    data: Any = document.data
    for step in prefix:
        data = data[step]
    for path, severity, close in unknown_fields(data, type_name, prefix):
        expected = repr(close) if close else "a field that the Kubernetes API knows here"
        error = error_at(document, path, "unknown field", expected, key=True)
        (errors if severity == "error" else warnings).append(error)
    return errors, warnings
