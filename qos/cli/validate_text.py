"""What `qos validate` prints for people: the table within the terminal's width, then what to make of it."""

from __future__ import annotations

import shutil
import textwrap
from typing import TYPE_CHECKING, Final

from qos.cli.table import text_table, wrapped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qos.experiment.validate import Validation

_NARROWEST: Final = 80
_SHORTEST_NAME: Final = 12
_CAUSES: Final = "docs/fidelity.md has the causes and how large each was measured to be"


def validation_text(found: Validation) -> str:
    """The whole of it, ending with the answer: what is outside, of what likely cause, and what to do next."""
    from qos.experiment.validate import HEADERS

    on = ", ".join(filter(None, (found.release, found.emulator)))
    runs = len(found.measured)
    title = f"{found.scenario} under {found.policy} on {found.kernel} ({on}), {runs} run{'s'[: runs != 1]}"
    width = max(_NARROWEST, shutil.get_terminal_size().columns)
    return "\n".join((wrapped([title]), lines_table(HEADERS, found.rows(), width), "", _answer(found)))


def lines_table(headers: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> str:
    """The lines as one table, or where that is too wide with each metric above its lines, long names cut.

    >>> print(lines_table(["METRIC", "WHOSE", "ERROR"], [["cpu", "a-long-name-7f9c6/web", "1 %"]], 24))
    WHOSE              ERROR
    cpu
      a-lon…7f9c6/web  1 %
    """
    plain = text_table(headers, rows)
    if _width(plain) <= width:
        return plain
    rest = [("", *row[1:]) for row in rows]
    spare = width - _width(text_table(("", *headers[1:]), rest)) + max(len(row[1]) for row in rows)
    names = [_shortened(row[1], max(spare, _SHORTEST_NAME)) for row in rows]
    cells = [[f"  {name}", *row[2:]] for name, row in zip(names, rows, strict=True)]
    heading, *lines = text_table([headers[1], *headers[2:]], cells).splitlines()
    told = [heading]
    for at, (row, line) in enumerate(zip(rows, lines, strict=True)):
        if at == 0 or rows[at - 1][0] != row[0]:
            told.append(row[0])
        told.append(line)
    return "\n".join(told)


def _width(table: str) -> int:
    return max(len(line) for line in table.splitlines())


def _shortened(name: str, most: int) -> str:
    """Both ends of a name that is too long: pods of one Deployment differ at the end, containers, too."""
    if len(name) <= most:
        return name
    behind = (most - 1) * 2 // 3
    return f"{name[: most - 1 - behind]}…{name[len(name) - behind :]}"


def _answer(found: Validation) -> str:
    first, *causes = found.sentences()
    parts = [wrapped([first]), *(_indented(words) for words in causes)]
    if found.outside:
        parts.append(wrapped([f"Next: {'; '.join(_next(found))}."]))
    return "\n".join(parts)


def _indented(words: str) -> str:
    width = min(max(_NARROWEST, shutil.get_terminal_size().columns), 100)
    cause, _, whose = words.partition(" → ")
    return "\n".join(
        textwrap.fill(
            text, width, initial_indent=mark, subsequent_indent=" " * len(mark), break_on_hyphens=False
        )
        for mark, text in (("- ", cause), ("  → ", whose))
    )


def _next(found: Validation) -> list[str]:
    """What an engineer can do now, the cheapest first."""
    told = []
    if len(found.measured) == 1:
        told.append("--repeat 3, as one run does not show how much runs differ")
    elif any(line.noise > line.tolerance * abs(line.measured or 0.0) for line in found.outside):
        runs = len(found.measured)
        told.append(f"--repeat {max(5, 2 * runs)}, as the runs differ by more than the tolerance themselves")
    told.append("--report shows both curves in one picture")
    if len(found.measured) > 1:
        told.append("--record DIR keeps all runs")
    return [*told, _CAUSES]
