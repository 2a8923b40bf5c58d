"""The fast way from cgroup files to columns gives what the parsers give, for good and broken texts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enforcer.counters import SAMPLED, columns_of
from enforcer.layouts import Layouts

NUMBER = st.integers(0, 2**63)
KEYS = st.lists(
    st.sampled_from(["anon", "file", "oom", "usage_usec", "a.b", "pgfault"]), unique=True, max_size=6
)
PRESSURE = "{line} avg10={share}.05 avg60=0.00 avg300=0.00 total={total}\n"


@st.composite
def texts(draw: st.DrawFn) -> tuple[str, str]:
    """A sampled file and a text of its format."""
    file = draw(st.sampled_from(sorted(SAMPLED)))
    if file.endswith(".pressure"):
        lines = draw(st.sampled_from([("some",), ("some", "full"), ("full",)]))
        return file, "".join(
            PRESSURE.format(line=one, share=draw(st.integers(0, 99)), total=draw(NUMBER)) for one in lines
        )
    if file.endswith((".current", ".peak")):
        return file, f"{draw(st.one_of(NUMBER.map(str), st.just('max')))}\n"
    if file == "io.stat":
        devices = draw(st.lists(st.sampled_from(["8:0", "254:16", "7:1"]), unique=True))
        keys = ("rbytes", "wbytes", "rios", "wios", "dbytes", "dios")
        return file, "".join(
            f"{device} " + " ".join(f"{key}={draw(NUMBER)}" for key in keys) + "\n" for device in devices
        )
    return file, "".join(f"{key} {draw(st.one_of(NUMBER.map(str), st.just('max')))}\n" for key in draw(KEYS))


@given(st.lists(texts(), min_size=1, max_size=12))
def test_every_text_reads_as_by_the_parsers(all_texts: list[tuple[str, str]]) -> None:
    """Whatever was read of a file before: same columns in the same order, same numbers."""
    layouts = Layouts()
    for file, text in [*all_texts, *all_texts]:
        names, values = layouts.read(file, text.encode())
        assert list(zip(names, values, strict=True)) == columns_of(file, text)


def test_a_max_that_becomes_a_number_is_a_column() -> None:
    """What is left out of one text is not left out of the next."""
    layouts = Layouts()
    assert layouts.read("memory.events", b"low 0\nhigh max\n")[0] == ("memory_events_low",)
    assert layouts.read("memory.events", b"low 0\nhigh 1\n")[0] == ("memory_events_low", "memory_events_high")


@pytest.mark.parametrize("broken", ["low x\n", "low\n", "low 1 2\n", "low -\n", "low 1e5\n", "low nan\n"])
def test_garbage_is_the_parsers_to_refuse(broken: str) -> None:
    """Also where the file was fine before."""
    layouts = Layouts()
    layouts.read("memory.events", b"low 0\n")
    with pytest.raises(ValueError, match=r"."):
        layouts.read("memory.events", broken.encode())
