"""How the loops of this box are compiled: numba, cached on disk for the exact sources they came from.

Numba's own cache looks at the file of each function only; a constant or a callee changed in another file
would go unnoticed. Here the cache's directory is named by the state of all files of this box, so a changed
source is never met by an old binary.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numba

_HERE: Final = Path(__file__).parent
_PREFIX: Final = "compiled-"
_CONFIG: Final[Any] = numba.config


def _stamp() -> str:
    """A name for the state of this box's sources: names, sizes and times of change."""
    digest = hashlib.sha256()
    for path in sorted(_HERE.glob("*.py")):
        state = path.stat()
        digest.update(f"{path.name} {state.st_size} {state.st_mtime_ns}\n".encode())
    return _PREFIX + digest.hexdigest()[:16]


def _cache_directory() -> Path:
    """Where compiled code is kept: NUMBA_CACHE_DIR, beside the sources, or the user's cache."""
    if _CONFIG.CACHE_DIR:
        return Path(_CONFIG.CACHE_DIR) / "qos" / _stamp()
    beside = _HERE / "__pycache__"
    if os.access(beside if beside.exists() else _HERE, os.W_OK):
        return beside / _stamp()
    users = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(users) / "qos" / _stamp()


def _forget_older(directory: Path) -> None:
    """Remove what older states of the same sources left beside ``directory``."""
    if directory.exists() or not directory.parent.exists():
        return
    for other in directory.parent.glob(f"{_PREFIX}*"):
        shutil.rmtree(other, ignore_errors=True)


_CACHE: Final = _cache_directory()
_forget_older(_CACHE)


def compiled(function: Callable[..., Any]) -> Any:
    """Compile a loop on its first call, keep it on disk, run it without the interpreter's lock.

    Division by zero gives inf or nan as in C: loops check where it can happen.
    """
    return _compile(function)


def inner(function: Callable[..., Any]) -> Any:
    """As :func:`compiled`, for loops that only compiled ones call: a third less to compile."""
    return _compile(function, no_cpython_wrapper=True)


def _compile(function: Callable[..., Any], **options: bool) -> Any:
    njit: Any = numba.njit
    before = _CONFIG.CACHE_DIR
    _CONFIG.CACHE_DIR = str(_CACHE)  # read while the decorator is applied, and only then
    try:
        return njit(
            cache=True, nogil=True, error_model="numpy", no_cfunc_wrapper=True, _nrt=False, **options
        )(function)
    finally:
        _CONFIG.CACHE_DIR = before
