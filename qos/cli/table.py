"""Tables for a terminal: kubectl's manner, columns by their widest cell, no lines."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Sequence

_WIDEST = 100


def wrapped(sentences: Sequence[str]) -> str:
    """Sentences as paragraphs no wider than the terminal (100 columns at most), continued lines indented."""
    width = min(shutil.get_terminal_size().columns, _WIDEST)
    return "\n".join(
        textwrap.fill(sentence, width, subsequent_indent="  ", break_on_hyphens=False)
        for sentence in sentences
    )


def text_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Left-aligned columns two spaces apart; the last one is not padded.

    A row of one cell and nothing else is a title: it may be longer than the first column is wide.

    >>> print(text_table(["NAME", "AGE"], [["web", "3d"], ["database", "1h"]]))
    NAME      AGE
    web       3d
    database  1h
    """
    table = [list(headers), *(list(row) for row in rows)]
    widths = [
        max(len(row[column]) for row in table if column or not _is_title(row))
        for column in range(len(headers))
    ]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    )


def _is_title(row: Sequence[str]) -> bool:
    return len(row) > 1 and not any(row[1:])
