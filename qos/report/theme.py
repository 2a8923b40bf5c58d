"""Colours, axes and sizes of all charts: by QOSClass, safe for colour-blind readers, for light and dark.

Figures are drawn in the light colours below. The page's script swaps each for its dark counterpart where
the reader's system, or the page's button, asks for dark; so figures name no other colours.

Colours: Okabe and Ito, "Color Universal Design" (2008), blue made darker and green lighter, because theirs
are one colour to readers with tritanopia; a test computes what colour-blind readers see.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

INK: Final = "#1B1F24"
MUTED: Final = "#57606A"
RULE: Final = "#D8DEE4"
PAPER: Final = "#FFFFFF"
BLUE: Final = "#0060A8"
GREEN: Final = "#00A57A"
VERMILION: Final = "#D55E00"
PURPLE: Final = "#CC79A7"
ORANGE: Final = "#E69F00"
GREY: Final = "#8C959F"

DARK: Final[Mapping[str, str]] = {
    INK: "#E6EDF3",
    MUTED: "#9DA7B3",
    RULE: "#30363D",
    PAPER: "#0D1117",
    BLUE: "#3D9BE0",
    GREEN: "#6FE3BE",
    VERMILION: "#FF8F4A",
    PURPLE: "#E8A5CC",
    ORANGE: "#F2C14E",
    GREY: "#768390",
}
CSS_NAMES: Final[Mapping[str, str]] = {
    INK: "ink",
    MUTED: "muted",
    RULE: "rule",
    PAPER: "paper",
    BLUE: "blue",
    GREEN: "green",
    VERMILION: "vermilion",
    PURPLE: "purple",
    ORANGE: "orange",
    GREY: "grey",
}
CLASS_COLOUR: Final[Mapping[str, str]] = {
    "Guaranteed": BLUE,
    "Burstable": GREEN,
    "BestEffort": VERMILION,
}
POLICY_COLOURS: Final = (INK, PURPLE, ORANGE, GREY)
OWN_LIMIT: Final = PURPLE
BUSY_NODE: Final = ORANGE
LIMIT_LINE: Final = INK
DASHES: Final = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
SYMBOLS: Final = ("circle", "diamond", "square", "triangle-up", "x", "cross")
FONT: Final = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', sans-serif"


def class_colour(qos_class: str) -> str:
    """The colour of a QOSClass; grey where the class is mixed or unknown.

    >>> class_colour("Guaranteed"), class_colour("")
    ('#0060A8', '#8C959F')
    """
    return CLASS_COLOUR.get(qos_class, GREY)


def policy_colour(index: int) -> str:
    """The colour of a policy where policies, not classes, are told apart; dash and symbol differ as well."""
    return POLICY_COLOURS[index % len(POLICY_COLOURS)]


def faint(colour: str, alpha: float = 0.25) -> str:
    """The colour let through, as ``#RRGGBBAA``.

    >>> faint("#0060A8", 0.2)
    '#0060A833'
    """
    return f"{colour}{round(alpha * 255):02X}"


def layout(height: int, **more: Any) -> dict[str, Any]:
    """What every chart's layout shares: transparent paper, no legend (the page has one a picture)."""
    return {
        "autosize": True,
        "height": height,
        "margin": {"l": 8, "r": 12, "t": 8, "b": 40},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": FONT, "size": 12, "color": INK},
        "hoverlabel": {"align": "left", "bgcolor": PAPER, "bordercolor": RULE, "font": {"color": INK}},
        "showlegend": False,
        "dragmode": False,
    } | more


def log_ticks(low: float, high: float) -> dict[str, Any]:
    """A logarithmic axis from just below ``low`` to just above ``high`` with ticks at 1, 2 and 5.

    >>> log_ticks(30.0, 400.0)["tickvals"]
    [50, 100, 200]
    """
    low, high = max(low, 1e-9), max(high, low * 1.01, 1e-9)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [digit * 10.0**power for power in powers for digit in (1, 2, 5)]
    kept = [int(tick) if tick >= 1 else tick for tick in ticks if low <= tick <= high]
    if len(kept) > 8:
        kept = [tick for tick in kept if round(math.log10(tick), 6).is_integer()]
    return {
        "type": "log",
        "tickvals": kept,
        "ticktext": [f"{tick:,g}" if tick < 1e6 else f"{tick:.0e}" for tick in kept],
        "range": [math.log10(low) - 0.03, math.log10(high) + 0.03],
    }


def axis(title: str = "", **more: Any) -> dict[str, Any]:
    """What every axis shares; ``title`` names the quantity and its unit."""
    return {
        "title": {"text": title, "font": {"size": 11, "color": MUTED}, "standoff": 6},
        "automargin": True,
        "gridcolor": RULE,
        "linecolor": RULE,
        "zeroline": False,
        "ticks": "",
        "tickfont": {"size": 11, "color": MUTED},
        "fixedrange": True,
    } | more
