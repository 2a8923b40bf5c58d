"""Everything qos raises on purpose, each with one sentence a tired engineer can act on.

The tree::

    QosError                    base; the command line prints it in one line, exit code 2
    ├── InputError              a document, option or value from outside is wrong
    │   └── InputErrors         several of them, found in one pass
    ├── PlanError               a plan cannot be built or compared
    ├── Interrupted             Ctrl-C; what was done is kept, exit code 130
    ├── RecordingError          a recording cannot be read, or is of another version
    └── HostError               the host refused, or lacks something
        ├── CgroupError         one cgroup file: path, value and the reason in words
        ├── PreflightError      what the host lacks, all at once, with the remedies
        ├── ConflictError       a value was changed by somebody else; exit code 1
        └── SupersededError     another run applied something newer meanwhile
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

_NO_VALUE: Final = object()
_SHOWN_VALUE_LENGTH: Final = 80


def printable(text: str) -> str:
    r"""Text from outside that is safe on any terminal: control characters and broken Unicode are escaped.

    >>> printable("a\x1b[31mb")
    'a\\x1b[31mb'
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


@dataclass(frozen=True, slots=True)
class SourceRef:
    """Where in the input something stands: file, and 1-based line and column where known."""

    file: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        parts = [printable(self.file)]
        if self.line is not None:
            parts.append(str(self.line))
            if self.column is not None:
                parts.append(str(self.column))
        return ":".join(parts)


class QosError(Exception):
    """Base of all errors that qos raises on purpose."""

    exit_code: int = 2


class InputError(QosError):
    """Something from outside is wrong: says where, which field, the value and what would be right.

    ``str()`` is one line: ``file:line:column: field: problem, got 'value'; expected …``.
    """

    def __init__(
        self,
        problem: str,
        *,
        source: SourceRef | None = None,
        field: str | None = None,
        value: Any = _NO_VALUE,
        expected: str | None = None,
    ) -> None:
        super().__init__(problem)
        self.problem = problem
        self.source = source
        self.field = field
        self.value = None if value is _NO_VALUE else value
        self._has_value = value is not _NO_VALUE
        self.expected = expected

    def at(self, source: SourceRef | None = None, field: str | None = None) -> InputError:
        """The same error with the place filled in where it was not yet known."""
        return InputError(
            self.problem,
            source=self.source or source,
            field=self.field or field,
            value=self.value if self._has_value else _NO_VALUE,
            expected=self.expected,
        )

    def __str__(self) -> str:
        line = ""
        if self.source is not None:
            line += f"{self.source}: "
        if self.field:
            line += f"{self.field}: "
        line += self.problem
        if self._has_value:
            shown = repr(self.value)
            if len(shown) > _SHOWN_VALUE_LENGTH:
                shown = shown[: _SHOWN_VALUE_LENGTH - 1] + "…"
            line += f", got {shown}"
        if self.expected:
            line += f"; expected {self.expected}"
        return printable(line.replace("\n", " "))


class InputErrors(InputError):
    """Several input errors found in one pass; ``str()`` is one line for each."""

    def __init__(self, errors: Sequence[InputError]) -> None:
        super().__init__(f"{len(errors)} errors")
        self.errors = tuple(errors)

    def __str__(self) -> str:
        return "\n".join(str(error) for error in self.errors)


class PlanError(QosError):
    """A plan cannot be built or compared."""


class Interrupted(QosError):
    """The user pressed Ctrl-C; says what is kept."""

    exit_code = 130


class RecordingError(QosError):
    """A recording cannot be read, or was written by another version."""


class HostError(QosError):
    """The host refused, or lacks something."""


class SupersededError(HostError):
    """Another run applied something newer meanwhile; what this one wants is not put back over it."""


class CgroupError(HostError):
    """One operation on one cgroup file failed.

    Args:
        path: the cgroup file or directory.
        value: what was to be written, None for a read.
        reason: why, in words, with the likely cause and the remedy where one is known.
        errno: the system's error number, 0 where there was none.
    """

    def __init__(self, path: str, value: str | None, reason: str, errno: int = 0) -> None:
        doing = f"write {value!r}" if value is not None else "read"
        super().__init__(f"{path}: {doing}: {reason}")
        self.path = path
        self.value = value
        self.reason = reason
        self.errno = errno


class PreflightError(HostError):
    """What the host lacks, all of it at once; each line is a lack and its remedy."""

    def __init__(self, lacks: Sequence[str]) -> None:
        super().__init__("; ".join(lacks))
        self.lacks = tuple(lacks)


class ConflictError(HostError):
    """A value that qos manages was changed by somebody else."""

    exit_code = 1
