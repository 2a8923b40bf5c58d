"""What the kernel prints after a write, and whose a value is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enforcer.drift import companions
from enforcer.ownership import OwnedValue
from enforcer.readback import agrees, default_text, is_vacuous, keeping, keyed_lines, printed, restoring
from qos.model.cgroup import knobs

BYTES = st.integers(0, 2**63 - 1)
DEVICE = st.builds(lambda major, minor: f"{major}:{minor}", st.integers(1, 9), st.integers(0, 9))
LIMITS = st.dictionaries(DEVICE, st.integers(1, 10**9).map(lambda number: f"rbps={number}"), max_size=4)


def text_of(lines: dict[str, str]) -> str:
    """A keyed file's text."""
    return "\n".join(f"{key} {rest}" for key, rest in lines.items())


def full(lines: dict[str, str]) -> str:
    """As io.max is printed: every field of each device that has a limit."""
    return "\n".join(f"{key} {rest} wbps=max riops=max wiops=max" for key, rest in lines.items())


@given(BYTES)
def test_memory_is_in_whole_pages_and_stays_so(size: int) -> None:
    """Rounded down by less than a page, and printed again the same; all but infinite is max."""
    once = printed("memory.max", str(size), 4096)
    assert printed("memory.max", once, 4096) == once
    if once == "max":
        assert size >= 2**63 - 4096
    else:
        assert 0 <= size - int(once) < 4096


@given(LIMITS, LIMITS)
def test_keyed_files_are_restored_line_by_line(before: dict[str, str], live: dict[str, str]) -> None:
    """Applying what restoring() says to the live file gives the file of before."""
    state = keyed_lines(full(live))
    for key, rest in keyed_lines(restoring("io.max", full(before), full(live))).items():
        state[key] = rest
    left = {key: rest for key, rest in state.items() if rest != "rbps=max wbps=max riops=max wiops=max"}
    assert left == keyed_lines(full(before))


@given(LIMITS, LIMITS)
def test_a_device_no_longer_wanted_goes_back(old: dict[str, str], new: dict[str, str]) -> None:
    """keeping() has every wanted device as wanted, and every other one once written at its default."""
    lines = keyed_lines(keeping("io.max", text_of(new), text_of(old), ""))
    assert {key: lines[key] for key in new} == new
    assert all("rbps=max" in lines[key] for key in old.keys() - new.keys())
    assert lines.keys() == old.keys() | new.keys()


@given(LIMITS)
def test_fields_that_are_not_wanted_do_not_matter(wanted: dict[str, str]) -> None:
    """The kernel prints all four fields of a device, and other devices too."""
    assert agrees("io.max", text_of(wanted), full(wanted) + "\n99:0 rbps=5 wbps=max riops=max wiops=max")


@pytest.mark.parametrize("knob", knobs().values(), ids=lambda knob: knob.file)
def test_every_default_agrees_with_itself(knob) -> None:
    """A fresh cgroup's value is recognised as the default, so an interrupted run is not a conflict."""
    text = default_text(knob.file)
    assert text is not None
    assert agrees(knob.file, text, text + "\n")
    assert OwnedValue(None, None, "anything").is_ours(knob.file, text)


class TestWhose:
    def test_only_what_was_written_is_ours_when_nothing_is_pending(self) -> None:
        """Also the value of before is then somebody's doing."""
        value = OwnedValue("100", "39")
        assert value.is_ours("cpu.weight", "39\n")
        assert not value.is_ours("cpu.weight", "100")

    def test_an_interrupted_run_leaves_either_end(self) -> None:
        """Before, written and pending are ours; anything else is not."""
        value = OwnedValue("100", "39", "50")
        assert all(value.is_ours("cpu.weight", text) for text in ("100", "39", "50"))
        assert not value.is_ours("cpu.weight", "51")

    def test_a_keyed_file_may_be_half_written(self) -> None:
        """Each line of it is judged by itself."""
        value = OwnedValue("8:0 rbps=1", "8:0 rbps=2", "8:0 rbps=3\n8:16 rbps=4")
        assert value.is_ours("io.max", "8:0 rbps=3 wbps=max riops=max wiops=max")
        assert not value.is_ours("io.max", "8:0 rbps=9 wbps=max riops=max wiops=max")


def test_some_values_limit_nothing_where_their_file_is_missing() -> None:
    """No huge pages, or no swap, to limit; but memory.max always limits."""
    assert is_vacuous("hugetlb.2MB.max", "0")
    assert is_vacuous("hugetlb.2MB.max", str(1 << 62))
    assert not is_vacuous("hugetlb.2MB.max", "2097152")
    assert is_vacuous("memory.swap.max", "max")
    assert not is_vacuous("memory.swap.max", "0")


def test_the_weight_is_kept_where_idle_destroys_it() -> None:
    """cpu.idle and cpu.weight.nice both lose the exact cpu.weight."""
    assert companions(["cpu.idle"]) == {"cpu.weight"}
    assert companions(["cpu.max"]) == frozenset()
