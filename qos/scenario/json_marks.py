"""JSON by orjson, with line and column found only when somebody asks.

A cluster dump of 100,000 pods is read at orjson's speed; the text is searched again only for the fields
that an error or a list item's source has to name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from json.decoder import scanstring  # type: ignore[attr-defined]  # not in the stubs
from typing import Any, Final

import orjson

from qos.errors import InputError, SourceRef
from qos.scenario.yaml_marks import MAX_DEPTH, template_error

_DECODER: Final = json.JSONDecoder()
_SPACE: Final = re.compile(r"[ \t\r\n]*")
HAND_WRITTEN_BYTES: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class JsonMarks:
    """Where the fields of one JSON value in a text stand.

    Attributes:
        start: the value's position in ``text``.
        line: of the text's first character in the file.
        column: of the text's first character.
        within: how many first steps of every path lead to the text, which is a part of the file alone.
    """

    text: str
    file: str
    start: int = 0
    line: int = 1
    column: int = 1
    within: int = 0

    def locate(self, path: Sequence[str | int], *, key: bool = False) -> SourceRef:
        """Line and column of the value at ``path`` or its key; where absent, of the nearest around it."""
        position = shown = self.start
        for step in path[self.within :]:
            found = next((child for child in self._children(position) if child[0] == step), None)
            if found is None:
                break
            position = found[2]
            shown = found[1] if key else position
        return self._source(shown)

    def items(self, path: Sequence[str | int]) -> Iterator[SourceRef]:
        """The source of every item of the list at ``path``, in one pass over the text."""
        position = self._position(path)
        line, counted = self.line + self.text.count("\n", 0, position), position
        for _, _, place in self._children(position):
            line += self.text.count("\n", counted, place)
            counted = place
            yield SourceRef(self.file, line, self._column(place))

    def locate_repeated(self, path: Sequence[str | int], key: str) -> SourceRef:
        """Line and column of the second ``key`` in the object at ``path``."""
        places = [place for name, place, _ in self._children(self._position(path)) if name == key]
        return self._source(places[min(1, len(places) - 1)])

    def _position(self, path: Sequence[str | int]) -> int:
        position = self.start
        for step in path[self.within :]:
            position = next(child[2] for child in self._children(position) if child[0] == step)
        return position

    def _children(self, position: int) -> Iterator[tuple[str | int, int, int]]:
        """Key or index, position of the key and of the value, for each child of the value at ``position``."""
        opening = self.text[position]
        if opening not in "{[":
            return
        position = skip_space(self.text, position + 1)
        index = 0
        while self.text[position] not in "}]":
            name: str | int = index
            place = position
            if opening == "{":
                name, position = scanstring(self.text, position + 1)
                position = skip_space(self.text, skip_space(self.text, position) + 1)
            yield name, place, position
            _, position = _DECODER.raw_decode(self.text, position)
            position = skip_space(self.text, position)
            if self.text[position] == ",":
                position = skip_space(self.text, position + 1)
            index += 1

    def _source(self, position: int) -> SourceRef:
        return SourceRef(self.file, self.line + self.text.count("\n", 0, position), self._column(position))

    def _column(self, position: int) -> int:
        newline = self.text.rfind("\n", 0, position)
        return position - newline if newline >= 0 else position + self.column


@dataclass(frozen=True, slots=True)
class JsonDocument:
    """One value: data, marks, and what was tolerated in it."""

    data: Any
    marks: JsonMarks
    warnings: tuple[InputError, ...] = ()


def source_at(text: str, position: int, file: str) -> SourceRef:
    """Line and column of a position in a text."""
    return SourceRef(file, 1 + text.count("\n", 0, position), position - text.rfind("\n", 0, position))


def json_documents(raw: bytes, file: str) -> Iterator[JsonDocument | InputError]:
    """The values of a JSON text: one as a rule, several when a stream of them stands in one file."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        yield InputError(
            "is not UTF-8 text",
            source=SourceRef(file, 1 + raw.count(b"\n", 0, error.start)),
            expected="UTF-8",
        )
        return
    try:
        data = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        yield from _stream(text, file, error)
        return
    yield _checked(data, JsonMarks(text, file, skip_space(text, 0)))


def skip_space(text: str, position: int) -> int:
    """The position of the next character that is no space."""
    match = _SPACE.match(text, position)
    return match.end() if match else position


def _stream(text: str, file: str, error: orjson.JSONDecodeError) -> Iterator[JsonDocument | InputError]:
    """Several values one after another, as kubectl reads them; a bad one ends the stream."""
    position = skip_space(text, 0)
    while position < len(text):
        start = position
        try:
            data, end = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError) as problem:
            place = problem.pos if start and isinstance(problem, json.JSONDecodeError) else None
            yield _decode_error(text, source_at(text, place, file) if place else None, file, error)
            return
        yield _checked(data, JsonMarks(text, file, start))
        position = skip_space(text, end)
    if not text.strip():
        yield _decode_error(text, None, file, error)


def _decode_error(
    text: str, source: SourceRef | None, file: str, error: orjson.JSONDecodeError
) -> InputError:
    source = source or SourceRef(file, error.lineno, max(error.colno, 1))
    if not text.strip():
        return InputError("is empty", source=SourceRef(file, 1, 1), expected="a JSON object")
    template = text.find("{{")
    if template >= 0:
        return template_error(source_at(text, template, file))
    if "depth" in error.msg:
        return too_deep(source)
    return InputError("is not JSON here", source=source, expected="JSON")


def too_deep(source: SourceRef) -> InputError:
    """The error for a value nested without end."""
    return InputError(
        f"nested more than {MAX_DEPTH} deep", source=source, expected=f"at most {MAX_DEPTH} levels"
    )


def _checked(data: Any, marks: JsonMarks) -> JsonDocument | InputError:
    """Depth and repeated keys of small texts; large ones were written by a machine."""
    if len(marks.text) > HAND_WRITTEN_BYTES:
        return JsonDocument(data, marks)
    level, depth = [data], 0
    while level := [child for value in level for child in _values(value)]:
        depth += 1
        if depth > MAX_DEPTH:
            return too_deep(marks.locate(()))
    repeated: list[tuple[dict[str, Any], str, bool]] = []

    def pairs_to_dict(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(pairs)
        if len(result) < len(pairs):
            seen: dict[str, Any] = {}
            for key, value in pairs:
                if key in seen:
                    repeated.append((result, key, seen[key] == value))
                seen[key] = value
        return result

    if "{" in marks.text:
        data = json.JSONDecoder(object_pairs_hook=pairs_to_dict).raw_decode(marks.text, marks.start)[0]
    problems = [(_repeated_key(data, marks, mapping, key), same) for mapping, key, same in repeated]
    fatal = next((problem for problem, same in problems if not same), None)
    return fatal or JsonDocument(data, marks, tuple(problem for problem, _ in problems))


def _values(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _repeated_key(data: Any, marks: JsonMarks, mapping: dict[str, Any], key: str) -> InputError:
    """The error for the second ``key`` of ``mapping``, found again by identity."""
    stack: list[tuple[Any, tuple[str | int, ...]]] = [(data, ())]
    path: tuple[str | int, ...] = ()
    while stack:
        value, path = stack.pop()
        if value is mapping:
            break
        children = value.items() if isinstance(value, dict) else enumerate(value)
        stack += [(child, (*path, name)) for name, child in children if isinstance(child, dict | list)]
    return InputError(
        f"key {key!r} is repeated in this object",
        source=marks.locate_repeated(path, key),
        expected="every key once",
    )
