"""Legends as HTML: they wrap on a phone, follow dark and light, and never lie over a chart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

from qos.report import theme
from qos.report.picture import Key

_DASHES: Final[Mapping[str, str]] = {
    "solid": "none",
    "dash": "6 3",
    "dot": "2 2",
    "dashdot": "6 2 2 2",
    "longdash": "9 3",
    "longdashdot": "9 2 2 2",
}
_MARKERS: Final[Mapping[str, str]] = {
    "circle": "M8 6a5 5 0 1 0 10 0a5 5 0 1 0 -10 0Z",
    "diamond": "M13 .5L18.5 6L13 11.5L7.500 6Z",
    "square": "M8.500 1.500h9v9h-9Z",
    "triangle-up": "M13 1L18.500 11H7.500Z",
    "triangle-down": "M13 11L18.500 1H7.500Z",
    "x": "M9 2L13 6M13 6L17 10M17 2L9 10",
    "cross": "M13 1V11M8 6H18",
    "line-ns": "M13 0V12",
}
_STROKED: Final = frozenset({"x", "cross", "line-ns"})


def legend(keys: Sequence[Key]) -> str:
    """The legend as a list, "" for none."""
    items = "".join(f"<li>{_swatch(key)}{escape(key.text)}</li>" for key in keys)
    return f'<ul class="keys">{items}</ul>' if items else ""


def _swatch(key: Key) -> str:
    colour = f"var(--{theme.CSS_NAMES[key.colour]})"
    return f'<svg viewBox="0 0 26 12" aria-hidden="true">{_shape(key, colour)}</svg>'


def _shape(key: Key, colour: str) -> str:
    if key.shape == "line":
        style = f"stroke:{colour};stroke-width:2;stroke-dasharray:{_DASHES[key.dash]}"
        return f'<path d="M0 6H26" style="{style}"/>'
    if key.shape == "box":
        return f'<path d="M1 1h24v10h-24Z" style="fill:{colour};fill-opacity:{key.alpha:g}"/>'
    symbol, _, is_open = key.shape.partition("-open")
    hollow = key.shape.endswith("-open") or symbol in _STROKED or bool(is_open)
    fill = "none" if hollow else colour
    return f'<path d="{_MARKERS[symbol]}" style="fill:{fill};stroke:{colour};stroke-width:2"/>'
