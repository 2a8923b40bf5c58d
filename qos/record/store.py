"""Recordings on disk: a directory a run, three Parquet tables and one ``recording.json``.

``samples.parquet`` (a row for each time and cgroup, a column for each file and key),
``completions.parquet`` and ``events.parquet`` can be read by anything that reads Parquet;
``recording.json`` holds the rest and the size and SHA-256 of each table, so that a recording that was
cut short, mixed up or changed is refused instead of read.

A recording appears whole or not at all: it is written beside its place and moved there. One that stood
there before is replaced; a directory that is not a recording is never touched.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, NonNegativeInt, ValidationError

from qos.errors import RecordingError
from qos.model.cgroup import CgroupName
from qos.model.sample import Recording, Source
from qos.record import tables

FORMAT: Final = "qos.dev/recording/v1"
INDEX: Final = "recording.json"
_TABLES: Final = ("samples", "completions", "events")


class _Shape(BaseModel):
    """What the rows of the samples' table cannot say."""

    source: Source
    times: NonNegativeInt
    cgroups: list[str]
    columns: list[str]


class _Index(BaseModel):
    """``recording.json``; ``tables`` are their SHA-256, ``completions`` the cgroups they index."""

    format: str
    policy: str
    meta: dict[str, Any]
    pods: list[dict[str, Any]]
    files: dict[str, dict[str, str]]
    samples: _Shape
    completions: list[str]
    tables: dict[str, str]


def write_recording(recording: Recording, path: Path) -> Path:
    """Store one run as the directory ``path``; what is read back equals what was written.

    Raises:
        RecordingError: the directory holds something else, meta is not plain data, or the disk refused.
    """
    _check_replaceable(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as error:
        raise RecordingError(f"{path}: cannot be written: {error.strerror}") from error
    try:
        _fill(recording, beside)
        _swap(beside, path)
    except OSError as error:
        raise RecordingError(f"{path}: cannot be written: {error.strerror}") from error
    except (TypeError, ValueError) as error:
        raise RecordingError(f"{path}: not plain data: {error}") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return path


def read_recording(path: Path) -> Recording:
    """The run stored in the directory ``path``.

    Raises:
        RecordingError: no recording there, one of another version, or one that is damaged.
    """
    index = _read_index(path)
    contents = {name: _read_table(path, name, index.tables) for name in _TABLES}
    shape = index.samples
    try:
        return Recording(
            policy=index.policy,
            meta=index.meta,
            pods=tuple(index.pods),
            files={CgroupName(name): files for name, files in index.files.items()},
            samples=tables.samples_of(
                contents["samples"], shape.times, shape.cgroups, shape.columns, shape.source
            ),
            events=tables.events_of(contents["events"]),
            completions=tables.completions_of(contents["completions"], index.completions),
        )
    except (KeyError, TypeError, ValueError, pa.ArrowException) as error:
        raise RecordingError(f"{path}: damaged: {error}") from error


def is_recording(path: Path) -> bool:
    """Whether a recording lies at ``path``, readable or not."""
    return (path / INDEX).is_file()


def find_recordings(path: Path) -> tuple[Path, ...]:
    """``path`` itself, or the recordings directly in it, by name.

    Raises:
        RecordingError: neither.
    """
    if is_recording(path):
        return (path,)
    found = tuple(child for child in sorted(path.iterdir()) if is_recording(child)) if path.is_dir() else ()
    if not found:
        raise RecordingError(f"{path}: no recording; expected a directory with {INDEX}, or one of those")
    return found


def write_text(path: Path, text: str) -> None:
    """Write a text file at once or not at all, its folder made where missing.

    Raises:
        RecordingError: it cannot be written; the reason in words.
    """
    beside = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_synced(beside, text.encode())
        beside.replace(path)
    except OSError as error:
        raise RecordingError(f"{path}: cannot be written: {error.strerror}") from None


def read_text(path: Path) -> str | None:
    """The text of a file, None where there is no such file.

    Raises:
        RecordingError: it cannot be read; the reason in words.
    """
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read: {error.strerror}") from None


def _check_replaceable(path: Path) -> None:
    if path.is_symlink() or (path.exists() and not path.is_dir()):
        raise RecordingError(f"{path}: exists and is not a directory; a recording is not written over it")
    if path.is_dir() and not is_recording(path) and any(path.iterdir()):
        raise RecordingError(f"{path}: holds something that is not a recording; not written over")


def _fill(recording: Recording, directory: Path) -> None:
    samples, completions = recording.samples, recording.completions
    contents = {
        "samples": tables.samples_table(samples),
        "completions": tables.completions_table(completions),
        "events": tables.events_table(recording.events),
    }
    index = {
        "format": FORMAT,
        "policy": recording.policy,
        "meta": dict(recording.meta),
        "pods": [dict(pod) for pod in recording.pods],
        "files": {name: dict(files) for name, files in recording.files.items()},
        "samples": {
            "source": samples.source,
            "times": len(samples.times),
            "cgroups": list(samples.cgroups),
            "columns": list(samples.columns),
        },
        "completions": list(completions.cgroups),
        "tables": {name: _write_table(table, directory, name) for name, table in contents.items()},
    }
    text = json.dumps(index, ensure_ascii=False, allow_nan=False, indent=1, default=_plain)
    if json.loads(text) != index:
        raise ValueError("meta or pods would not be read back as they are; expected text keys and lists")
    _write_synced(directory / INDEX, text.encode())
    directory.chmod(0o755)


def _plain(value: Any) -> Any:
    """A numpy number as Python's own; everything else that JSON does not know is refused."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} {value!r} is not JSON")


def _write_table(table: pa.Table, directory: Path, name: str) -> str:
    """Write one table; its SHA-256."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    content = sink.getvalue().to_pybytes()
    _write_synced(directory / f"{name}.parquet", content)
    return hashlib.sha256(content).hexdigest()


def _write_synced(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _swap(beside: Path, path: Path) -> None:
    """Move ``beside`` to ``path``; a recording there is put aside first and back if the move fails."""
    if not path.exists():
        beside.rename(path)
        return
    aside = Path(tempfile.mkdtemp(prefix=f".{path.name}.old.", dir=path.parent)) / path.name
    path.rename(aside)
    try:
        beside.rename(path)
    except OSError:
        aside.rename(path)
        raise
    finally:
        shutil.rmtree(aside.parent, ignore_errors=True)


def _read_index(path: Path) -> _Index:
    try:
        plain = json.loads((path / INDEX).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise RecordingError(f"{path}: no recording; expected a directory with {INDEX}") from None
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise RecordingError(f"{path}: damaged: {INDEX}: {error}") from error
    version = plain.get("format") if isinstance(plain, dict) else None
    if version != FORMAT:
        raise RecordingError(f"{path}: is of format {version!r}; this version of qos reads {FORMAT}")
    try:
        return _Index.model_validate(plain, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise RecordingError(f"{path}: damaged: {INDEX}: {where}: {first['msg']}") from error


def _read_table(path: Path, name: str, sums: Mapping[str, str]) -> pa.Table:
    file = path / f"{name}.parquet"
    try:
        content = file.read_bytes()
    except OSError as error:
        raise RecordingError(f"{file}: cannot be read: {error.strerror}") from error
    if hashlib.sha256(content).hexdigest() != sums.get(name):
        raise RecordingError(f"{file}: damaged or changed: its SHA-256 is not the one in {INDEX}")
    try:
        return pq.read_table(pa.BufferReader(content))
    except (pa.ArrowException, OSError) as error:
        raise RecordingError(f"{file}: damaged: {error}") from error
