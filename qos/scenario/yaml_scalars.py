"""What unquoted YAML scalars mean to kubectl (sigs.k8s.io/yaml, that is go-yaml v2's rules of YAML 1.1)."""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import Final

_LONGEST_PLAIN_WORD: Final = 400
_TRUE: Final = frozenset({"y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"})
_FALSE: Final = frozenset({"n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"})
_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
_INT: Final = re.compile(r"[-+]?(?:0b[01]+|0x[0-9a-fA-F]+|0o?[0-7]+|0|[1-9][0-9]*)")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_SPECIAL_FLOATS: Final = {".inf": math.inf, "+.inf": math.inf, "-.inf": -math.inf, ".nan": math.nan}


@lru_cache(maxsize=65536)
def plain_value(text: str) -> str | int | float | bool | None:
    """What an unquoted scalar means to kubectl (go-yaml v2): ``yes`` is true, ``1:30`` is text.

    >>> [plain_value(text) for text in ("no", "1_000", "010", "22:22", "1e9999")]
    [False, 1000, 8, '22:22', '1e9999']
    """
    if len(text) > _LONGEST_PLAIN_WORD:
        return text
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if text[0] not in "+-.0123456789":
        return text
    if text.lower() in _SPECIAL_FLOATS:
        return _SPECIAL_FLOATS[text.lower()]
    bare = text.replace("_", "")
    if _INT.fullmatch(bare):
        digits = bare.lstrip("+-")
        if digits[0] == "0" and digits[1:].isdigit():
            return int(digits, 8) * (-1 if bare[0] == "-" else 1)
        return int(bare, 0)
    if _FLOAT.fullmatch(bare):
        number = float(bare)
        # out of range: go-yaml keeps the text
        return number if math.isfinite(number) else text
    return text
