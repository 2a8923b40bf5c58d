"""Figures as text, without plotly's Python objects.

Figures are plain data here, and plotly.js takes plain data: building its Python objects, which check each
property, took a fifth of a whole ``qos simulate``. That all figures are valid is what the tests ask.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import orjson

_TYPES: Final[Mapping[str, str]] = {
    "int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4",
    "float32": "f4", "float64": "f8",
}  # fmt: skip
"""numpy's name of a type → that of plotly.js' typed arrays; whole numbers of 64 bits are written out."""


def figure_text(figure: Mapping[str, Any]) -> str:
    r"""A figure as JSON for a page's script element: arrays in base64, NaN as null.

    >>> figure_text({"data": [{"y": np.array([1.0])}], "name": "<b>"})
    '{"data":[{"y":{"dtype":"f8","bdata":"AAAAAAAA8D8="}}],"name":"\\u003cb>"}'
    """
    # "<" is written so that no name from a manifest can end the script element
    return orjson.dumps(figure, default=_plain).decode().replace("<", "\\u003c")


def _plain(value: Any) -> Any:
    """What JSON does not know: arrays and numbers of numpy."""
    if isinstance(value, np.ndarray):
        if value.size and value.ndim == 1 and value.dtype.name in _TYPES:
            content = base64.b64encode(np.ascontiguousarray(value).tobytes()).decode()
            return {"dtype": _TYPES[value.dtype.name], "bdata": content}
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} is not JSON")
