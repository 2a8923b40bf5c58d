"""`qos test --profile A..B --runtime R,…`: the same promises under every combination of versions."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Final

from qos.errors import InputError
from qos.experiment.profiles import RANGE, read_profile
from qos.model.profile import KUBERNETES_VERSIONS, Profile, format_version

_SEPARATOR: Final = ","


def variants(
    profiles: str | None = None, runtimes: str | None = None, kernels: str | None = None
) -> tuple[str, ...]:
    """Every combination, each in the words of :func:`qos.experiment.profiles.read_profile`.

    >>> variants("1.35..1.37", "runc-1.2,runc-1.3.2")[:3]
    ('1.35/runc-1.2', '1.35/runc-1.3.2', '1.36/runc-1.2')

    Args:
        profiles: versions of Kubernetes or whole profiles, commas between; ``1.33..1.37`` is all of them.
        runtimes: such as ``runc-1.2,crun-1.23``.
        kernels: such as ``6.1,6.12``.

    Raises:
        InputError: one of them is no version, or a range that goes nowhere.
    """
    axes = [
        [each for word in _words(profiles) for each in _range(word)],
        [_checked(word, "--runtime", "runc-1.3.2 or crun-1.23") for word in _words(runtimes)],
        [_checked(f"linux-{word}", "--kernel", "6.12") for word in _words(kernels)],
    ]
    named = [axis for axis in axes if axis]
    return tuple("/".join(parts) for parts in itertools.product(*named)) if named else ()


def under(variant: str, profile: Profile) -> Profile:
    """A scenario's profile with a variant's versions instead of its own.

    Raises:
        InputError: it is no variant.
    """
    return read_profile(variant, profile)


def _words(text: str | None) -> Sequence[str]:
    return [word.strip() for word in text.split(_SEPARATOR)] if text else ()


def _range(word: str) -> list[str]:
    """A range's versions; a single profile is itself."""
    first, between, last = word.partition(RANGE)
    if not between or "/" in word:
        return [_checked(word, "--profile", "1.36 or 1.33..1.37, of 1.32 to 1.37")]
    ends = [read_profile(end).kubernetes for end in (first, last)]
    found = [version for version in KUBERNETES_VERSIONS if ends[0] <= version <= ends[1]]
    if not found:
        raise InputError("is an empty range", field="--profile", value=word, expected="the older one first")
    return [format_version(version) for version in found]


def _checked(word: str, field: str, expected: str) -> str:
    try:
        read_profile(word)
    except InputError as error:
        value = word.removeprefix("linux-") if field == "--kernel" else word
        raise InputError("is no version", field=field, value=value, expected=expected) from error
    if field == "--runtime" and not word.startswith(("runc", "crun")):
        raise InputError("is no runtime", field=field, value=word, expected=expected)
    return word
