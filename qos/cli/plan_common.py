"""What the commands of `qos plan` share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from qos.capacity.price import Price


def plain_json(value: Any) -> Any:
    """Infinity is no JSON: null; arrays as lists."""
    if isinstance(value, dict):
        return {str(key): plain_json(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain_json(each) for each in value]
    if isinstance(value, np.ndarray):
        return plain_json(value.tolist())
    return None if isinstance(value, float) and not np.isfinite(value) else value


def price_of(text: str) -> Price:
    """The price of an option.

    Raises:
        InputError: it is none.
    """
    from qos.capacity.price import parse_price
    from qos.errors import InputError

    try:
        return parse_price(text)
    except ValueError as error:
        raise InputError(
            str(error), field="--price", value=text, expected="cpu=0.03,memory=0.004 (an hour)"
        ) from None
