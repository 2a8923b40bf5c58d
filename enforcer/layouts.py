"""The columns of cgroup files, fast: where a file's numbers stand is learned once, then only they are read.

What does not look as it was learned (another key, a ``max``, garbage) goes through the parsers of
:mod:`enforcer.counters`, which say what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Final

from enforcer.counters import columns_of

Row = tuple[tuple[str, ...], Sequence[float]]
"""Column names, and their values."""

_PAIRS_OF_PRESSURE: Final = 4


@dataclass(frozen=True, slots=True)
class _Layout:
    """One file's words: how many, which of them are keys (as they must be), and which are the numbers."""

    names: tuple[str, ...]
    length: int
    keys_of: Callable[[list[bytes]], object]
    keys: object
    numbers_of: Callable[[list[bytes]], Sequence[bytes]]

    def values(self, data: bytes) -> list[float] | None:
        """The numbers; None if the text is not of this layout."""
        words = data.replace(b"=", b" ").split()
        if len(words) != self.length or self.keys_of(words) != self.keys:
            return None
        numbers = self.numbers_of(words)
        if not b"".join(numbers).replace(b".", b"").isdigit():
            return None
        return list(map(float, numbers))


class Layouts:
    """Turns file texts into columns, faster from the second text of a file on."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], _Layout] = {}

    def read(self, file: str, data: bytes) -> Row:
        r"""The columns of one file's text.

        >>> Layouts().read("memory.events", b"low 0\noom_kill 3\n")
        (('memory_events_low', 'memory_events_oom_kill'), [0.0, 3.0])

        Raises:
            ValueError: not of the file's format.
            KeyError: a file that is not sampled.
        """
        shape = (file, data.count(b"\n"))  # a leaf has more lines than what has no limits of its own
        layout = self._known.get(shape)
        if layout is not None:
            values = layout.values(data)
            if values is not None:
                return layout.names, values
        columns = columns_of(file, data.decode())
        names = tuple(name for name, _ in columns)
        learned = _learn(file, data, names)
        if learned is not None:
            self._known[shape] = learned
        return names, [value for _, value in columns]


def _learn(file: str, data: bytes, names: tuple[str, ...]) -> _Layout | None:
    """Where the columns of a text stand; None where one is no single word of it."""
    words = data.replace(b"=", b" ").split()
    places = dict(_places(file, words))
    if not names or b"max" in words or not all(name in places for name in names):
        return None
    numbers = [places[name] for name in names]
    keys = sorted(set(range(len(words))) - set(places.values()))
    keys_of = _several(keys)
    return _Layout(names, len(words), keys_of, keys_of(words), _several(numbers))


def _several(places: Sequence[int]) -> Callable[[list[bytes]], tuple[bytes, ...]]:
    if not places:
        return lambda _: ()
    if len(places) == 1:
        return lambda words: (words[places[0]],)
    return itemgetter(*places)


def _places(file: str, words: Sequence[bytes]) -> Iterator[tuple[str, int]]:
    prefix = file.replace(".", "_")
    if file == "io.stat":  # sums over devices: of one device its own numbers
        first = 1 if sum(b":" in word for word in words) == 1 else len(words)
        for at in range(first, len(words) - 1, 2):
            yield f"{prefix}_{words[at].decode().replace('.', '_')}", at + 1
    elif len(words) == 1:
        yield prefix, 0
    elif file.endswith(".pressure"):
        for start in range(0, len(words), 1 + 2 * _PAIRS_OF_PRESSURE):
            line = words[start].decode()
            for at in range(start + 1, min(start + 2 * _PAIRS_OF_PRESSURE, len(words) - 1), 2):
                yield f"{prefix}_{line}_{words[at].decode()}", at + 1
    else:
        for at in range(0, len(words) - 1, 2):
            yield f"{prefix}_{words[at].decode().replace('.', '_')}", at + 1
