"""Finished runs of a sweep: one small JSON file a run, named by its key, there whole or not at all.

Shards of one sweep may write to the same folder, or their folders be copied together: a run has one name
wherever it ran, so nothing is counted twice.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from qos.record.store import read_text, write_text

FORMAT: Final = "qos.dev/run/v1"


class StoredRun(BaseModel):
    """What is kept of one run.

    Attributes:
        key: scenario, point, policy, seed and the code they ran on, hashed.
        classes: workload → QoS class.
        figures: workload → figure → value, None where it has none.
        about: values of the point, policy and seed, for people.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    format: str = FORMAT
    key: str
    classes: dict[str, str]
    figures: dict[str, dict[str, float | int | None]]
    about: dict[str, Any] = {}


@dataclass(frozen=True, slots=True)
class RunStore:
    """The folder of one sweep's finished runs."""

    folder: Path

    def finished(self, keys: Collection[str]) -> dict[str, StoredRun]:
        """Those of ``keys`` that are there, as they were run; a damaged file counts as not there.

        Raises:
            RecordingError: the disk refused.
        """
        found = {}
        for key in keys:
            text = read_text(self._path(key))
            run = None if text is None else _parsed(text)
            if run is not None and run.key == key:
                found[key] = run.model_copy(update={"about": {}})
        return found

    def keep(self, run: StoredRun, about: Mapping[str, Any]) -> None:
        """Store a finished run.

        Raises:
            RecordingError: the disk refused.
        """
        told = run.model_copy(update={"about": dict(about)}).model_dump()
        write_text(self._path(run.key), json.dumps(told, allow_nan=False) + "\n")

    def _path(self, key: str) -> Path:
        return self.folder / f"{key[:40]}.json"


def _parsed(text: str) -> StoredRun | None:
    try:
        run = StoredRun.model_validate_json(text)
    except ValidationError:
        return None
    return run if run.format == FORMAT else None
