"""Where the values of a large JSON file stand, found by one pass over it with a small window.

What is in a List is found item by item, so that each can later be read by itself: a dump of 100,000 pods is
never in memory as a whole, neither as text nor as objects.
"""

from __future__ import annotations

import codecs
import json
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final, NamedTuple, NoReturn

from qos.errors import InputError, SourceRef
from qos.scenario.json_marks import skip_space, too_deep

WINDOW_BYTES: Final = 1 << 20
# json says where a value goes wrong; so near the end of what was read it may only be cut off
_CUT_OFF: Final = 16
# "1e+" is 1 and two characters more before it is cut off and is 1e+5
_OF_A_NUMBER: Final = 2


class Place(NamedTuple):
    """Where one value stands.

    Attributes:
        offset: bytes before it in the file.
        length: its bytes.
        line: from 1.
        column: from 1, in characters.
        item: which one of its List; None for a value that stands by itself.
        defaults: keys that an item of a typed List may leave out.
    """

    offset: int
    length: int
    line: int
    column: int
    item: int | None
    defaults: dict[str, Any]


@dataclass(slots=True)
class JsonIndex:
    """The places of all values of a file, 24 bytes each; where it is no JSON any more, the error.

    Attributes:
        error: why reading ended there, after the values that are told.
    """

    error: InputError | None = None
    _offsets: array[int] = field(default_factory=lambda: array("Q"))
    _lengths: array[int] = field(default_factory=lambda: array("I"))
    _lines: array[int] = field(default_factory=lambda: array("I"))
    _columns: array[int] = field(default_factory=lambda: array("Q"))
    _lists: list[tuple[int, int, dict[str, Any]]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self._offsets)

    def __iter__(self) -> Iterator[Place]:
        lists = iter((*self._lists, (len(self), len(self), {})))
        first, end, defaults = next(lists)
        columns = zip(self._offsets, self._lengths, self._lines, self._columns, strict=True)
        for number, (offset, length, line, column) in enumerate(columns):
            while number >= end:
                first, end, defaults = next(lists)
            inside = number >= first
            index = number - first if inside else None
            yield Place(offset, length, line, column, index, defaults if inside else {})

    def add(self, start: tuple[int, int, int], length: int) -> None:
        """One more value: bytes before it, line and column; and its bytes."""
        offset, line, column = start
        self._offsets.append(offset)
        self._lengths.append(length)
        self._lines.append(line)
        self._columns.append(column)

    def forget(self, first: int) -> None:
        """Nothing from value number ``first`` on."""
        for numbers in (self._offsets, self._lengths, self._lines, self._columns):
            del numbers[first:]

    def is_list(self, first: int, defaults: dict[str, Any]) -> None:
        """The values from number ``first`` on are the items of one List."""
        if first < len(self):
            self._lists.append((first, len(self), defaults))


def index_json(stream: BinaryIO, file: str, window_bytes: int = WINDOW_BYTES) -> JsonIndex:
    """The values of a JSON text, one or several one after another, items of Lists as values of their own.

    Bad JSON ends it: the whole values before are told, and the error. A text that is not UTF-8 has no values.
    ``window_bytes`` are held at once, and more where a value is longer.
    """
    index = JsonIndex()
    whole = 0
    try:
        window = _Window(stream, file, window_bytes)
        while (character := window.next()) != "":
            if character == "{":
                _index_object(window, index)
            else:
                start = window.start
                window.value()
                index.add(start, window.offset - start[0])
            whole = len(index)
    except _NotUtf8Error as error:
        index.forget(0)
        index.error = error
    except InputError as error:
        index.forget(whole)
        index.error = error
    return index


def _index_object(window: _Window, index: JsonIndex) -> None:
    """The object that begins here: its items if it is a List, else itself."""
    start, first = window.start, len(index)
    head: dict[str, Any] = {}
    has_items = False
    for key in window.members():
        if key == "items":
            index.forget(first)
            has_items = window.next() == "["
        if key == "items" and has_items:
            for item in window.items():
                window.value()
                index.add(item, window.offset - item[0])
        else:
            value = window.value()
            if key in {"kind", "apiVersion"}:
                head[key] = value
    kind, api_version = head.get("kind"), head.get("apiVersion")
    if has_items and isinstance(kind, str) and kind.endswith("List") and isinstance(api_version or "", str):
        item_kind = kind.removesuffix("List")
        index.is_list(first, {"kind": item_kind, "apiVersion": api_version} if item_kind else {})
        return
    index.forget(first)
    index.add(start, window.offset - start[0])


class _NotUtf8Error(InputError):
    """Nothing of such a text is used."""


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


class _Window:
    """The part of a text that is looked at; what lies behind is dropped, what is missing is read.

    Attributes:
        offset: bytes of the file before the position.
        line: of the position, from 1.
        column: of the position, from 1.
    """

    def __init__(self, stream: BinaryIO, file: str, window_bytes: int) -> None:
        self.file = file
        self._least = window_bytes
        self.offset, self.line, self.column = 0, 1, 1
        self._stream = stream
        self._decode = codecs.getincrementaldecoder("utf-8")().decode
        self._json = json.JSONDecoder(parse_constant=_no_constant)
        self._text = ""
        self._at = 0
        while not self._text and self._more():
            pass
        if self._text.startswith("\ufeff"):
            self._text, self.offset = self._text[1:], 3

    @property
    def start(self) -> tuple[int, int, int]:
        """Bytes before the position, its line and column."""
        return self.offset, self.line, self.column

    def next(self) -> str:
        """The next character that is no space, at which the position then is; "" at the end."""
        while True:
            end = skip_space(self._text, self._at)
            self._pass(end)
            if end < len(self._text):
                return self._text[end]
            if not self._more():
                return ""

    def value(self) -> Any:
        """The value that begins here; the position goes behind it."""
        self.next()
        while True:
            try:
                data, end = self._json.raw_decode(self._text, self._at)
            except RecursionError:
                raise too_deep(self._source(self._at)) from None
            except ValueError as problem:
                place = problem.pos if isinstance(problem, json.JSONDecodeError) else self._at
                if self._may_go_on(place) and self._more():
                    continue
                raise self._error(min(place, len(self._text))) from None
            passed = end - self._at
            if end + _OF_A_NUMBER < len(self._text) or not self._more():
                self._pass(self._at + passed)
                return data

    def members(self) -> Iterator[str]:
        """The keys of the object that begins here; the caller passes each value."""
        for _ in self._children("}"):
            if self.next() != '"':
                raise self._error(self._at)
            key: str = self.value()
            self._expect(":")
            yield key

    def items(self) -> Iterator[tuple[int, int, int]]:
        """The start of each item of the list that begins here; the caller passes each."""
        for _ in self._children("]"):
            yield self.start

    def _children(self, closing: str) -> Iterator[None]:
        self._pass(self._at + 1)
        if self.next() == closing:
            self._pass(self._at + 1)
            return
        while True:
            self.next()
            yield
            if self.next() == closing:
                self._pass(self._at + 1)
                return
            self._expect(",")

    def _expect(self, character: str) -> None:
        if self.next() != character:
            raise self._error(self._at)
        self._pass(self._at + 1)

    def _pass(self, end: int) -> None:
        passed = self._text[self._at : end]
        lines = passed.count("\n")
        self.line += lines
        self.column = len(passed) - passed.rfind("\n") if lines else self.column + len(passed)
        self.offset += len(passed) if passed.isascii() else len(passed.encode())
        self._at = end

    def _may_go_on(self, place: int) -> bool:
        """Whether a value that goes wrong at ``place`` may only have been cut off by the window's end."""
        if place >= len(self._text) - _CUT_OFF:
            return True
        if self._text[place] != '"':
            return False
        try:  # an error at a quote: the text that begins there has no end yet, or stands where none may
            self._json.raw_decode(self._text, place)
        except json.JSONDecodeError as problem:
            return problem.pos == place
        return False

    def _more(self) -> bool:
        """Read on, as much again as is held (a long value is gone through few times); False at the end."""
        kept = self._text[self._at :]
        raw = self._stream.read(max(self._least, len(kept)))
        try:
            more = self._decode(raw, not raw)
        except UnicodeDecodeError as error:
            line = self.line + kept.count("\n") + raw.count(b"\n", 0, error.start)
            source = SourceRef(self.file, line)
            raise _NotUtf8Error("is not UTF-8 text", source=source, expected="UTF-8") from None
        if raw:
            self._text, self._at = kept + more, 0
        return bool(raw)

    def _source(self, place: int) -> SourceRef:
        before = self._text[self._at : place]
        lines = before.count("\n")
        column = len(before) - before.rfind("\n") if lines else self.column + len(before)
        return SourceRef(self.file, self.line + lines, column)

    def _error(self, place: int) -> InputError:
        return InputError("is not JSON here", source=self._source(place), expected="JSON")
