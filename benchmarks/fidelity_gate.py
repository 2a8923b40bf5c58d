"""The errors that the gate holds (docs/fidelity/accepted.json): read, told apart, accepted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from fidelity_table import KERNELS, RESULTS, Judged, judge, stored

from qos.record.accepted import Held, accept, moves

ACCEPTED = RESULTS / "accepted.json"


def fingerprint(data: Mapping[str, Any]) -> str:
    """Of a stored measurement: another one has other errors, and no change of the simulator is to blame."""
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:12]


def accept_today(kernels: Sequence[str], only: str, reason: str) -> int:
    """Take over today's errors; 1 if some became worse and there was no reason to accept that."""
    told: dict[str, dict[str, Any]] = json.loads(ACCEPTED.read_text()) if ACCEPTED.exists() else {}
    refused = 0
    for kernel in kernels:
        before, there = told.get(kernel, {}), stored(kernel)
        after = {name: each for name, each in before.items() if name in there}
        for name, data in there.items():
            if "skipped" in data or not fnmatchcase(name, only):
                continue
            of = fingerprint(data)
            old = before.get(name, {})
            held = held_lines(old) if old.get("of") == of else {}
            one = judge(kernel, name, data)
            refused += _tell(one, held, reason)
            lines = {line: each.to_json() for line, each in accept(one.lines, held, reason).items()}
            after[name] = {"of": of, "lines": lines}
        told[kernel] = dict(sorted(after.items()))
    ACCEPTED.write_text(_text(told))
    if refused:
        print(f"{refused} lines became worse and are held as before; accept them with --reason 'WHY'")
    return 1 if refused else 0


def held_lines(each: Mapping[str, Any]) -> dict[str, Held]:
    """The accepted errors of one scenario."""
    return {line: Held.from_json(error) for line, error in each.get("lines", {}).items()}


def _tell(one: Judged, held: Mapping[str, Held], reason: str) -> int:
    found = moves(one.lines, held)
    for move in found if held else ():
        print(f"{one.kernel} {one.scenario}: {move.words()}")
    if not held:
        print(f"{one.kernel} {one.scenario}: measured anew, {len(found)} lines")
    return 0 if reason else sum(move.worse for move in found)


def _text(told: Mapping[str, Mapping[str, Any]]) -> str:
    """One line a scenario, so that a change shows which."""
    rows = []
    for kernel in (kernel for kernel in KERNELS if told.get(kernel)):
        inner = ",\n  ".join(f"{json.dumps(name)}: {json.dumps(each)}" for name, each in told[kernel].items())
        rows.append(f" {json.dumps(kernel)}: {{\n  {inner}\n }}")
    return "{\n" + ",\n".join(rows) + "\n}\n"
