"""The only opener of input: files, directories, ``-`` for stdin; YAML and JSON, one or many documents.

Every document comes with a way to the file, line and column of each of its fields.
"""

from __future__ import annotations

import gc
import os
import stat
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from qos.errors import InputError, SourceRef
from qos.scenario.json_marks import JsonDocument, JsonMarks, json_documents
from qos.scenario.yaml_marks import LateYamlMarks, YamlDocument, YamlMarks, yaml_documents

STDIN: Final = "-"
SUFFIXES: Final = (".yaml", ".yml", ".json")
MAX_YAML_BYTES: Final = 64 * 2**20
MAX_BYTES: Final = 2 * 2**30
_CHUNK_BYTES: Final = 1 << 20

FieldPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """One document of the input.

    Attributes:
        data: plain data as YAML or JSON has it: dict, list, str, int, float, bool, None.
        source: where it begins.
        marks: finds line and column of its fields.
        warnings: what was tolerated while reading it.
        path: where in the marks' document it stands; not () for an item of a List.
    """

    data: Any
    source: SourceRef
    marks: YamlMarks | JsonMarks | LateYamlMarks
    warnings: tuple[InputError, ...] = ()
    path: FieldPath = ()

    def locate(self, path: Sequence[str | int] = (), *, key: bool = False) -> SourceRef:
        """File, line and column of the value at ``path``, or of its key."""
        return self.marks.locate((*self.path, *path), key=key)

    def field(self, path: Sequence[str | int]) -> str:
        """The field at ``path`` as people write it, from the top of the file's document."""
        return field_text((*self.path, *path))

    def items(self, field: str, defaults: dict[str, Any]) -> Iterator[Document]:
        """The items of a list field as documents of their own; ``defaults`` fill keys an item lacks."""
        items = self.data[field]
        if isinstance(self.marks, JsonMarks):
            sources = self.marks.items((*self.path, field))
        else:
            sources = (self.locate((field, index)) for index in range(len(items)))
        for index, (item, source) in enumerate(zip(items, sources, strict=True)):
            data = defaults | item if isinstance(item, dict) else item
            yield Document(data, source, self.marks, path=(*self.path, field, index))


def read_documents(
    paths: Sequence[str | os.PathLike[str]], stdin: BinaryIO | None = None
) -> Iterator[Document | InputError]:
    """Every document of ``paths`` in order; an :class:`InputError` in the place of each unreadable one.

    A path is a file, a directory (read recursively: ``*.yaml``, ``*.yml``, ``*.json``, hidden directories
    left out) or ``-`` for ``stdin``. Empty documents are given as documents whose data is None.
    """
    for path in paths:
        for file in input_files(os.fspath(path)):
            if isinstance(file, InputError):
                yield file
                continue
            try:
                raw = _read(file, stdin)
            except InputError as error:
                yield error
                continue
            yield from parse_documents(raw, "<stdin>" if file == STDIN else file)


def parse_documents(raw: bytes, file: str) -> Iterator[Document | InputError]:
    """The documents of a text; JSON by its name or its first character, else YAML."""
    if file.endswith(".json") or raw.lstrip()[:1] in {b"{", b"["}:
        values = list(json_documents(raw, file))
        if file.endswith(".json") or not (values and isinstance(values[0], InputError)):
            yield from (_document(value) for value in values)
            return
    if len(raw) > MAX_YAML_BYTES:
        yield too_much_yaml(len(raw), file)
        return
    yield from (_document(document) for document in yaml_documents(raw, file))


def too_much_yaml(size: int, file: str) -> InputError:
    """The error for a YAML text of more bytes than are read."""
    return InputError(
        f"is {size >> 20} MiB of YAML",
        source=SourceRef(file),
        expected=f"at most {MAX_YAML_BYTES >> 20} MiB; JSON (kubectl get -o json) may be larger",
    )


def _document(read: YamlDocument | JsonDocument | InputError) -> Document | InputError:
    if isinstance(read, InputError):
        return read
    return Document(read.data, read.marks.locate(()), read.marks, read.warnings)


def read_document(path: str | os.PathLike[str]) -> Document:
    """The one document of a file.

    Raises:
        InputError: it cannot be read, or holds none or several documents.
    """
    found: list[Document] = []
    for document in read_documents([path]):
        if isinstance(document, InputError):
            raise document
        if document.data is not None:
            found.append(document)
    if len(found) != 1:
        source = found[1].source if found else SourceRef(os.fspath(path))
        raise InputError(f"holds {len(found)} documents", source=source, expected="one")
    return found[0]


def read_bytes(path: str | os.PathLike[str], max_bytes: int = MAX_BYTES) -> bytes:
    """The bytes of a file.

    Raises:
        InputError: missing, unreadable, not a file, or larger than ``max_bytes``.
    """
    with open_input(path, max_bytes) as stream:
        try:
            raw = _up_to(stream, max_bytes + 1)
        except OSError as error:
            raise _unreadable(path, error) from None
    if len(raw) > max_bytes:
        raise _too_large(os.fspath(path), max_bytes)
    return raw


def open_input(path: str | os.PathLike[str], max_bytes: int = MAX_BYTES) -> BinaryIO:
    """A file, open for reading.

    Raises:
        InputError: missing, unreadable, not a file, or larger than ``max_bytes``.
    """
    try:
        stream = Path(path).open("rb")  # noqa: SIM115 - the caller closes it
    except ValueError:
        source = SourceRef(os.fspath(path))
        raise InputError("is no file name", source=source, expected="a path without NUL") from None
    except OSError as error:
        raise _unreadable(path, error) from None
    status = os.fstat(stream.fileno())
    if stat.S_ISBLK(status.st_mode):
        stream.close()
        raise InputError("is a device", source=SourceRef(os.fspath(path)), expected="a file")
    if status.st_size > max_bytes:
        stream.close()
        raise _too_large(os.fspath(path), max_bytes)
    return stream


def copy_aside(stream: BinaryIO, file: str) -> BinaryIO:
    """All of a stream that can be read but once, in a temporary file without a name; at its begin.

    Raises:
        InputError: it cannot be read, or does not end within the most that is read.
    """
    copy = temporary_file()
    left = MAX_BYTES
    try:
        while chunk := stream.read(_CHUNK_BYTES):
            left -= len(chunk)
            if left < 0:
                raise _too_large(file, MAX_BYTES)
            copy.write(chunk)
    except OSError as error:
        raise _unreadable(file, error) from None
    copy.seek(0)
    return copy


def temporary_file() -> BinaryIO:
    """A file without a name, for what is written to be read again; gone when it is closed."""
    return tempfile.TemporaryFile()


@contextmanager
def garbage_collector_paused() -> Iterator[None]:
    """No collections inside: reading makes many objects and no garbage cycles (5 times faster)."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _up_to(stream: BinaryIO, most: int) -> bytes:
    """At most so many bytes; ``read(most)`` would set aside all of them first, however short the file."""
    chunks = []
    while most > 0 and (chunk := stream.read(min(most, _CHUNK_BYTES))):
        chunks.append(chunk)
        most -= len(chunk)
    return b"".join(chunks)


def _too_large(file: str, max_bytes: int) -> InputError:
    problem = f"is larger than {max_bytes >> 20} MiB"
    return InputError(problem, source=SourceRef(file), expected="a smaller file, or several")


def _unreadable(path: str | os.PathLike[str], error: OSError) -> InputError:
    source = SourceRef(os.fspath(path))
    return InputError(f"cannot be read: {error.strerror}", source=source, expected="a readable file")


def input_files(path: str) -> Iterator[str | InputError]:
    """The files that a path of the input stands for: itself, or those of a directory, in order."""
    if path == STDIN or not os.path.isdir(path):  # noqa: PTH112 - "-" and bytes paths stay as typed
        yield path
        return
    found = False
    for folder, folders, files in os.walk(path, onerror=None):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if name.endswith(SUFFIXES):
                found = True
                yield os.path.join(folder, name)  # noqa: PTH118 - sources are shown as typed
    if not found:
        yield InputError(
            "holds no manifest", source=SourceRef(path), expected="*.yaml, *.yml or *.json files"
        )


def _read(file: str, stdin: BinaryIO | None) -> bytes:
    if file != STDIN:
        return read_bytes(file)
    if stdin is None:
        raise InputError("no stdin here", source=SourceRef("<stdin>"), expected="a file or directory")
    raw = _up_to(stdin, MAX_BYTES + 1)
    if len(raw) > MAX_BYTES:
        raise _too_large("<stdin>", MAX_BYTES)
    return raw


def field_text(path: Sequence[str | int]) -> str:
    """A path as people write it.

    >>> field_text(("spec", "containers", 0, "resources", "limits", "cpu"))
    'spec.containers[0].resources.limits.cpu'
    """
    text = ""
    for step in path:
        if isinstance(step, int) or "." in step or "/" in step:
            text += f"[{step}]"
        else:
            text += f".{step}" if text else step
    return text
