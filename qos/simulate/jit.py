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
from typing import Any, Final, cast

import numba
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder

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


class _Nowhere:
    """Takes what numba writes beside a function's machine code: it serves the interpreter's calls only."""

    def set_env(self, name: str, environment: Any) -> None:
        """Nothing."""


class _Part(JITCodeLibrary):
    """The code of a loop that only compiled ones call: optimised and made machine code with its callers only.

    Numba's own libraries are optimised and translated by themselves and again in each caller, which is
    where they are inlined: at six levels of calls most of a compilation is done for nothing.
    """

    def finalize(self) -> None:
        """Bring together what is called, and no more."""
        own: Any = self  # numba is untyped, and has no other door to this
        for library in dict.fromkeys(own._linking_libraries):  # noqa: SLF001
            own._reload_init.update(library._reload_init)  # noqa: SLF001
            own._final_module.link_in(library._get_module_for_linking(), preserve=True)  # noqa: SLF001
        own._finalize_dynamic_globals()  # noqa: SLF001
        own._finalized = True  # noqa: SLF001

    @property
    def codegen(self) -> Any:
        """What would be told where the loop's Python globals are; a part has no address to put that at."""
        return _Nowhere()

    def get_pointer_to_function(self, name: str) -> int:
        """Null: it cannot be called from outside."""
        del name
        own: Any = self
        own._ensure_finalized()  # noqa: SLF001
        return 0


class _PartCompiler(CompilerBase):
    """Numba's ordinary pipeline, into a :class:`_Part`."""

    def define_pipelines(self) -> list[Any]:
        """The passes of nopython mode."""
        state, part, builder = cast("tuple[Any, Any, Any]", (self.state, _Part, DefaultPassBuilder))
        state.library = part(state.targetctx.codegen(), state.func_id.func_qualname)
        return [builder.define_nopython_pipeline(state)]


def compiled(function: Callable[..., Any]) -> Any:
    """Compile a loop on its first call, keep it on disk, run it without the interpreter's lock.

    Division by zero gives inf or nan as in C: loops check where it can happen.
    """
    return _compile(function)


def inner(function: Callable[..., Any]) -> Any:
    """As :func:`compiled`, for loops that only compiled ones call: kept with those, optimised once."""
    return _compile(function, cache=False, no_cpython_wrapper=True, pipeline_class=_PartCompiler)


def _compile(function: Callable[..., Any], *, cache: bool = True, **options: Any) -> Any:
    njit: Any = numba.njit
    before = _CONFIG.CACHE_DIR
    _CONFIG.CACHE_DIR = str(_CACHE)  # read while the decorator is applied, and only then
    try:
        return njit(
            cache=cache, nogil=True, error_model="numpy", no_cfunc_wrapper=True, _nrt=False, **options
        )(function)
    finally:
        _CONFIG.CACHE_DIR = before
