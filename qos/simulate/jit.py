"""How the loops of this box are compiled: numba, cached on disk for the exact sources they came from.

Numba's own cache looks at the file of each function only; a constant or a callee changed in another file
would go unnoticed. Here the cache's directory is named by the state of all files of this box, so a changed
source is never met by an old binary.
"""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, cast

import numba
from numba.core import types
from numba.core.caching import FunctionCache
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase
from numba.core.compiler_machinery import PassManager
from numba.core.typed_passes import (
    AnnotateTypes,
    IRLegalization,
    NativeLowering,
    NoPythonBackend,
    NopythonTypeInference,
    PreLowerStripPhis,
)
from numba.core.typing.context import Context
from numba.core.untyped_passes import (
    DeadBranchPrune,
    FixupArgs,
    IRProcessing,
    ReconstructSSA,
    TranslateByteCode,
)

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

    def add_llvm_module(self, module: Any) -> None:
        """Take what was lowered as it is."""
        own: Any = self  # numba is untyped, and has no other door to this
        own._final_module.link_in(module)  # noqa: SLF001

    def finalize(self) -> None:
        """Bring together what is called, and no more."""
        own: Any = self
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


_PASSES: Final[tuple[Any, ...]] = (
    TranslateByteCode,
    FixupArgs,
    IRProcessing,
    DeadBranchPrune,
    ReconstructSSA,
    NopythonTypeInference,
    PreLowerStripPhis,
    IRLegalization,
    AnnotateTypes,
    NativeLowering,
    NoPythonBackend,
)
"""Those of numba's passes that a plain loop needs. The others look for closures, generators, expressions of
arrays and parallel loops, and after each numba finds the life of every variable again."""


_Context: Final[Any] = Context


class _Typing(_Context):  # type: ignore[misc]  # numba is untyped
    """Numba's own typing context; a loop is compiled once for all whole numbers, not for 0 and 1 again."""

    def __init__(self, ordinary: Any) -> None:
        self.__dict__ = ordinary.__dict__
        for function in list(self._globals.values()):
            if isinstance(function, types.Function):
                _remember(function)

    def resolve_function_type(self, func: Any, args: Any, kws: Any) -> Any:
        """The signature of a call."""
        if isinstance(func, types.Dispatcher):
            args = tuple(map(types.unliteral, args))
        return super().resolve_function_type(func, args, kws)


def _remember(function: Any) -> None:
    """Let an operator or built-in function remember its signatures.

    Numba tries all overloads (of strings, sets, dates) at each place, to infer types and again to lower it.
    """
    ordinary, known = function.get_call_type, {}

    def get_call_type(context: Any, args: Any, kws: Any) -> Any:
        if kws or not all(arg.is_precise() for arg in args):
            return ordinary(context, args, kws)
        key = tuple(args)
        if key not in known:
            known[key] = ordinary(context, args, kws)
        return known[key]

    function.get_call_type = get_call_type


class _Clock:
    """How long was compiled in this process; a loop that another one calls counts within it."""

    def __init__(self) -> None:
        self.seconds, self.depth, self.began = 0.0, 0, 0.0

    def __enter__(self) -> None:
        if self.depth == 0:
            self.began = time.perf_counter()
        self.depth += 1

    def __exit__(self, *_: object) -> None:
        self.depth -= 1
        if self.depth == 0:
            self.seconds += time.perf_counter() - self.began


_CLOCK: Final = _Clock()


def compile_seconds() -> float:
    """Seconds that this process spent compiling loops; 0 where all came from the cache."""
    return _CLOCK.seconds


class _LoopCompiler(CompilerBase):
    """Numba's compiler with fewer passes, for loops over numbers and arrays."""

    def compile_extra(self, function: Any) -> Any:
        """Compile a function, and count how long that takes."""
        with _CLOCK:
            return cast("Any", super()).compile_extra(function)

    def define_pipelines(self) -> list[Any]:
        """The passes of nopython mode that loops need."""
        state = cast("Any", self.state)
        state.typingctx = _typing_of(state.typingctx)
        manager = cast("Any", PassManager)("loop")
        for each in _PASSES:
            manager.add_pass(each, each.__name__)
        manager.finalize()
        return [manager]


class _PartCompiler(_LoopCompiler):
    """The same, into a :class:`_Part`."""

    def define_pipelines(self) -> list[Any]:
        """The passes, and where the code goes."""
        state, part = cast("tuple[Any, Any]", (self.state, _Part))
        state.library = part(state.targetctx.codegen(), state.func_id.func_qualname)
        return super().define_pipelines()


@functools.cache
def _typing_of(ordinary: Any) -> _Typing:
    return ordinary if isinstance(ordinary, _Typing) else _Typing(ordinary)


def compiled(function: Callable[..., Any]) -> Any:
    """Compile a loop on its first call, keep it on disk, run it without the interpreter's lock.

    Division by zero gives inf or nan as in C: loops check where it can happen.
    """
    return _compile(function, pipeline_class=_LoopCompiler)


def inner(function: Callable[..., Any]) -> Any:
    """As :func:`compiled`, for loops that only compiled ones call: kept with those, optimised once."""
    return _compile(function, cache=False, no_cpython_wrapper=True, pipeline_class=_PartCompiler)


class _Cache(FunctionCache):
    """Numba's cache on disk, which loads machine code without what only compiling needs.

    Numba first takes in all that it can compile, of numpy's linear algebra, random numbers and the rest.
    """

    def load_overload(self, signature: Any, context: Any) -> Any:
        """The compiled function, None where there is none."""
        own: Any = self
        with own._guard_against_spurious_io_errors():  # noqa: SLF001
            return own._load_overload(signature, context)  # noqa: SLF001


def _compile(function: Callable[..., Any], *, cache: bool = True, **options: Any) -> Any:
    njit: Any = numba.njit
    before = _CONFIG.CACHE_DIR
    _CONFIG.CACHE_DIR = str(_CACHE)  # read while the decorator is applied, and only then
    try:
        made = njit(nogil=True, error_model="numpy", no_cfunc_wrapper=True, _nrt=False, **options)(function)
        if cache:
            made._cache = cast("Any", _Cache)(function)  # noqa: SLF001 — as its enable_caching does
        return made
    finally:
        _CONFIG.CACHE_DIR = before
