"""What the commands of `qos plan` share."""

from __future__ import annotations

from typing import Any

import numpy as np


def plain_json(value: Any) -> Any:
    """Infinity is no JSON: null; arrays as lists."""
    if isinstance(value, dict):
        return {str(key): plain_json(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain_json(each) for each in value]
    if isinstance(value, np.ndarray):
        return plain_json(value.tolist())
    return None if isinstance(value, float) and not np.isfinite(value) else value
