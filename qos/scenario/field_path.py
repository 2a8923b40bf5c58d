"""Paths to fields as people type them: ``pods[web].limits.cpu``, ``workloads[web].cpu.rate``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

from qos.errors import InputError
from qos.scenario.load import FieldPath

EXPECTED: Final = "a path such as spec.pods[web].limits.cpu"
_STEP: Final = re.compile(r"(?P<name>[A-Za-z][A-Za-z0-9_-]*)|\[(?P<key>[^\[\]]+)\]|\{(?P<set>[^{}]+)\}")


@dataclass(frozen=True, slots=True)
class Step:
    """One step: a field's name, or what stood in brackets (an item's name, number or labels)."""

    text: str
    bracket: bool = False

    def __str__(self) -> str:
        return f"[{self.text}]" if self.bracket else self.text


def parse_path(text: str) -> tuple[tuple[Step, ...], ...]:
    """The steps of a path; several paths where it has a set, ``pods[web].{requests,limits}.cpu``.

    >>> [str(step) for step in parse_path("spec.pods[app=web].replicas")[0]]
    ['pods', '[app=web]', 'replicas']

    Raises:
        InputError: no path.
    """
    paths: list[tuple[Step, ...]] = [()]
    rest = text
    while rest:
        match = _STEP.match(rest)
        if match is None:
            raise InputError("is no path", field="--sweep", value=text, expected=EXPECTED)
        if match["set"] is not None:
            choices = [Step(each.strip()) for each in match["set"].split(",")]
        else:
            choices = [Step(match["name"] or match["key"].strip(), match["key"] is not None)]
        paths = [(*path, choice) for path in paths for choice in choices]
        rest = rest[match.end() :]
        if rest.startswith("."):
            rest = rest[1:]
            if not rest or rest[0] == "[":
                raise InputError("is no path", field="--sweep", value=text, expected=EXPECTED)
        elif rest and rest[0] != "[":
            raise InputError("is no path", field="--sweep", value=text, expected=EXPECTED)
    return tuple(path[1:] if path[:1] == (Step("spec"),) else path for path in paths)


def path_text(steps: Sequence[Step]) -> str:
    """Steps as they are typed.

    >>> path_text((Step("pods"), Step("web", bracket=True), Step("replicas")))
    'pods[web].replicas'
    """
    text = ""
    for step in steps:
        text += str(step) if step.bracket or not text else f".{step}"
    return text


def resolve(data: Any, steps: Sequence[Step]) -> FieldPath:
    """Where steps lead in plain data; steps behind what is there are taken as keys.

    Raises:
        InputError: a bracket names no item, or a field is looked for in something that has none.
    """
    path: list[str | int] = []
    for done, step in enumerate(steps):
        if isinstance(data, list):
            index = item_index(data, step, path_text(steps[:done]))
            path.append(index)
            data = data[index]
        elif isinstance(data, dict) or data is None:
            path.append(step.text)
            data = data.get(step.text) if data else None
        else:
            raise InputError(
                f"{path_text(steps[:done])} is {data!r} and has no fields", expected=path_text(steps[:done])
            )
    return tuple(path)


def item_index(items: Sequence[Any], step: Step, where: str) -> int:
    """The number of the item that a step names: by ``name``, ``metadata.name``, or its number.

    Raises:
        InputError: none of that name; the nearest is told.
    """
    names = [item_name(item) for item in items]
    if step.text in names:
        return names.index(step.text)
    if step.text.isdecimal() and int(step.text) < len(items):
        return int(step.text)
    raise none_such(f"{where}[{step.text}]", step.text, [name for name in names if name])


def item_name(item: Any) -> str:
    """An item's ``name`` or ``metadata.name``, "" where it has none."""
    if not isinstance(item, dict):
        return ""
    metadata = item.get("metadata")
    name = item.get("name") or (metadata.get("name") if isinstance(metadata, dict) else None)
    return name if isinstance(name, str) else ""


def none_such(what: str, name: str, known: Sequence[str]) -> InputError:
    """The error for a name that nothing has; says the nearest, or the first few."""
    if len(known) == 1:
        return InputError(f"{what} matches nothing", expected=repr(known[0]))
    # Names are short, and there are few: a likeness of one half is near.
    close = get_close_matches(name, known, n=1, cutoff=0.5)
    some = ", ".join(known[:8]) + (", …" if len(known) > 8 else "")
    return InputError(
        f"{what} matches nothing", expected=repr(close[0]) if close else f"one of {some}" if some else None
    )


def with_value(data: Any, path: FieldPath, value: Any) -> Any:
    """Plain data with another value at ``path``; what is changed is copied, never shared with ``data``.

    >>> with_value({"a": [{"b": 1}], "c": 2}, ("a", 0, "b"), 3)
    {'a': [{'b': 3}], 'c': 2}
    """
    if not path:
        return value
    step, rest = path[0], path[1:]
    if isinstance(step, int):
        items = list(data)
        items[step] = with_value(items[step], rest, value)
        return items
    fields = dict(data or {})
    fields[step] = with_value(fields.get(step), rest, value)
    return fields
