"""The documents of an input that is too large to be held: gone through once to be indexed, then at will.

JSON is read again from the file, item by item. A stream that can be read only once is copied to a temporary
file. YAML is slow to parse, so its documents are kept as parsed, in a temporary file as well.
"""

from __future__ import annotations

import marshal
import os
import stat
from array import array
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

import orjson

from qos.errors import InputError, SourceRef
from qos.scenario.json_index import JsonIndex, Place, index_json
from qos.scenario.json_marks import HAND_WRITTEN_BYTES, JsonMarks
from qos.scenario.load import (
    MAX_YAML_BYTES,
    STDIN,
    Document,
    copy_aside,
    input_files,
    open_input,
    parse_documents,
    temporary_file,
    too_much_yaml,
)
from qos.scenario.yaml_marks import LateYamlMarks, YamlDocument, yaml_documents

HELD_BYTES: Final = 1 << 20


class Rejoined:
    """A stream of which something was read, as if nothing had been."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head, self._rest = head, rest

    def read(self, size: int = -1) -> bytes:
        """At most so many bytes, fewer before the end too; all without a size."""
        if size < 0:
            head, self._head = self._head, b""
            return head + self._rest.read()
        if self._head:
            taken, self._head = self._head[:size], self._head[size:]
            return taken
        return self._rest.read(size)


def is_large(paths: Sequence[str | os.PathLike[str]], stdin: BinaryIO) -> tuple[bool, BinaryIO]:
    """Whether an input is more than a megabyte, and stdin as it was before that was looked at.

    What is no regular file (a pipe) counts as large.
    """
    size = 0
    for each in paths:
        path = os.fspath(each)
        if path == STDIN:
            head = stdin.read(HELD_BYTES + 1)
            size += len(head)
            stdin = Rejoined(head, stdin)  # type: ignore[assignment]  # read is all that is asked of it
            continue
        for file in input_files(path):
            try:
                status = None if isinstance(file, InputError) else Path(file).stat()
            except (OSError, ValueError):  # reading it will say what is wrong
                status = None
            if status is not None:
                size += status.st_size if stat.S_ISREG(status.st_mode) else HELD_BYTES + 1
    return size > HELD_BYTES, stdin


class StoredDocuments:
    """Every document of an input in order, an error in the place of each unreadable one, as often as wanted.

    A context: what was put aside is gone at its end. JSON of at most ``small_bytes`` is parsed as a whole.
    """

    def __init__(
        self,
        paths: Sequence[str | os.PathLike[str]],
        stdin: BinaryIO | None = None,
        small_bytes: int = HAND_WRITTEN_BYTES,
    ) -> None:
        self._small_bytes = small_bytes
        self._open = ExitStack()
        self._aside = self._open.enter_context(temporary_file())
        self._parts: list[_Part] = []
        for path in paths:
            for file in input_files(os.fspath(path)):
                try:
                    self._parts.append(file if isinstance(file, InputError) else self._part(file, stdin))
                except InputError as error:
                    self._parts.append(error)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._open.close()

    def __iter__(self) -> Iterator[Document | InputError]:
        for part in self._parts:
            if isinstance(part, InputError):
                yield part
            else:
                yield from part.documents()

    def _part(self, file: str, stdin: BinaryIO | None) -> _JsonPart | _SmallPart | _YamlPart:
        text = _Text(file, self._copied(file, stdin))
        with text.opened() as stream:
            head = stream.read(1 << 12).lstrip()[:1]
            size = stream.seek(0, os.SEEK_END)
            stream.seek(0)
            if file.endswith(".json") or head in {b"{", b"["}:
                if size <= self._small_bytes:
                    return _SmallPart(text)
                index = index_json(stream, text.name)
                if file.endswith(".json") or len(index) or not index.error:
                    return _JsonPart(text, index)
                stream.seek(0)
            if size > MAX_YAML_BYTES:
                raise too_much_yaml(size, text.name)
            return _yaml_part(stream.read(), text.name, self._aside)

    def _copied(self, file: str, stdin: BinaryIO | None) -> BinaryIO | None:
        """What cannot be read twice, put aside."""
        if file == STDIN:
            if stdin is None:
                raise InputError("no stdin here", source=SourceRef("<stdin>"), expected="a file or directory")
            return self._open.enter_context(copy_aside(stdin, "<stdin>"))
        with open_input(file) as stream:
            if stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                return None
            return self._open.enter_context(copy_aside(stream, file))


@dataclass(frozen=True, slots=True)
class _Text:
    """A file of the input, or its copy."""

    file: str
    copy: BinaryIO | None

    @property
    def name(self) -> str:
        return "<stdin>" if self.file == STDIN else self.file

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """The bytes, from the begin."""
        if self.copy is not None:
            self.copy.seek(0)
            yield self.copy
            return
        with open_input(self.file) as stream:
            yield stream


@dataclass(frozen=True, slots=True)
class _SmallPart:
    """JSON that a hand may have written: parsed again each time, with all that is checked then."""

    text: _Text

    def documents(self) -> Iterator[Document | InputError]:
        with self.text.opened() as stream:
            raw = stream.read()
        return parse_documents(raw, self.text.name)


@dataclass(frozen=True, slots=True)
class _JsonPart:
    """JSON of which the places are known."""

    text: _Text
    index: JsonIndex

    def documents(self) -> Iterator[Document | InputError]:
        with self.text.opened() as stream:
            for place in self.index:
                stream.seek(place.offset)
                yield self._document(place, stream.read(place.length))
        if self.index.error:
            yield self.index.error

    def _document(self, place: Place, raw: bytes) -> Document | InputError:
        name = self.text.name
        source = SourceRef(name, place.line, place.column)
        try:
            data = orjson.loads(raw)
        except orjson.JSONDecodeError:  # it was changed meanwhile, or has half a character as \\ud83d
            return InputError("is not JSON here", source=source, expected="JSON")
        path = () if place.item is None else ("items", place.item)
        if place.defaults and isinstance(data, dict):
            data = place.defaults | data
        marks = JsonMarks(raw.decode(), name, 0, place.line, place.column, len(path))
        return Document(data, source, marks, path=path)


@dataclass(slots=True)
class _YamlPart:
    """YAML documents, put aside as parsed with their text, which is parsed again for a field's line.

    Attributes:
        aside: where they are.
        places: of each document: bytes before it, its bytes, lines before its text, line and column.
        notes: document's number → what was tolerated in it, or the error in its place.
    """

    aside: BinaryIO
    name: str
    places: array[int] = field(default_factory=lambda: array("Q"))
    notes: dict[int, tuple[InputError, ...] | InputError] = field(default_factory=dict)

    def documents(self) -> Iterator[Document | InputError]:
        places = iter(self.places)
        for number, place in enumerate(zip(*[places] * 5, strict=True)):
            note = self.notes.get(number, ())
            if isinstance(note, InputError):
                yield note
                continue
            offset, length, line_offset, line, column = place
            self.aside.seek(offset)
            data, text = marshal.loads(self.aside.read(length))  # noqa: S302 - written by this process
            source = SourceRef(self.name, line, column)
            yield Document(data, source, LateYamlMarks(text, source, line_offset), note)

    def add(self, read: YamlDocument | InputError, lines: _Lines) -> None:
        """Put the next document aside."""
        number = len(self.places) // 5
        if isinstance(read, InputError):
            self.notes[number] = read
            self.places.extend((0, 0, 0, 0, 0))
            return
        if read.warnings:
            self.notes[number] = read.warnings
        marks = read.marks
        first = marks.root.start_mark.line + marks.line_offset
        text = lines.between(first, marks.root.end_mark.line + marks.line_offset + 1)
        offset = self.aside.seek(0, os.SEEK_END)
        length = self.aside.write(marshal.dumps((read.data, text)))
        source = marks.locate(())
        self.places.extend((offset, length, first, source.line or 0, source.column or 0))


class _Lines:
    """The lines of a text, asked for in order."""

    def __init__(self, raw: bytes) -> None:
        self._raw, self._line, self._position = raw, 0, 0

    def between(self, first: int, end: int) -> bytes:
        """From line ``first`` (from 0) up to before ``end``."""
        self._line, self._position = first, self._skipped(first - self._line)
        return self._raw[self._position : self._skipped(end - first)]

    def _skipped(self, lines: int) -> int:
        position = self._position
        for _ in range(lines):
            newline = self._raw.find(b"\n", position)
            if newline < 0:
                return len(self._raw)
            position = newline + 1
        return position


def _yaml_part(raw: bytes, file: str, aside: BinaryIO) -> _YamlPart:
    part, lines = _YamlPart(aside, file), _Lines(raw)
    for read in yaml_documents(raw, file):
        part.add(read, lines)
    return part


_Part = _JsonPart | _SmallPart | _YamlPart | InputError
