"""Recordings are read back as they were written, or refused."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from made_recordings import contention, make_recording

from qos.errors import RecordingError
from qos.model.cgroup import CgroupName
from qos.model.event import Event
from qos.model.sample import Completions, Recording, Samples
from qos.record.store import find_recordings, read_recording, write_recording

NAMES = st.text("abcdefgh-/ü", min_size=1, max_size=12).map(CgroupName)
WORDS = st.text(max_size=20)
FLOATS = st.floats(allow_nan=True, allow_infinity=True)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def recordings(draw: st.DrawFn) -> Recording:
    """Any recording: gaps, infinities, odd names, empty tables."""
    cgroups = tuple(draw(st.lists(NAMES, min_size=1, max_size=4, unique=True)))
    times = draw(npst.arrays(np.float64, st.integers(0, 6), elements=st.floats(0, 1e6)))
    shape = (len(times), len(cgroups))
    names = draw(st.lists(st.sampled_from(["cpu_stat_usage_usec", "memory_current", "x"]), unique=True))
    columns = {name: draw(npst.arrays(np.float64, shape, elements=FLOATS)) for name in names}
    samples = Samples(times, cgroups, columns, draw(st.sampled_from(["simulated", "measured"])))
    count = draw(st.integers(0, 5))
    completions = Completions(
        cgroups,
        draw(npst.arrays(np.int32, count, elements=st.integers(0, len(cgroups) - 1))),
        draw(npst.arrays(np.float64, count, elements=st.floats(0, 1e6))),
        draw(npst.arrays(np.float64, count, elements=st.floats(0, 1e6))),
    )
    events = draw(
        st.lists(
            st.builds(
                Event,
                st.floats(0, 1e6),
                st.sampled_from(["oom_kill", "evict", "exit"]),
                NAMES,
                WORDS,
                st.none() | st.integers(-1, 255),
            ),
            max_size=3,
        )
    )
    return Recording(
        draw(WORDS),
        draw(st.dictionaries(WORDS, PLAIN, max_size=3)),
        tuple(draw(st.lists(st.dictionaries(WORDS, PLAIN, max_size=3), max_size=3))),
        draw(st.dictionaries(NAMES, st.dictionaries(WORDS, WORDS, max_size=3), max_size=3)),
        samples,
        tuple(events),
        completions,
    )


def assert_same(one: Recording, other: Recording) -> None:
    """Equal in every part; arrays element by element, NaN like NaN."""
    for part in ("policy", "meta", "pods", "files", "events"):
        assert getattr(one, part) == getattr(other, part)
    assert one.samples.cgroups == other.samples.cgroups
    assert one.samples.source == other.samples.source
    assert list(one.samples.columns) == list(other.samples.columns)
    np.testing.assert_array_equal(one.samples.times, other.samples.times)
    for name, values in one.samples.columns.items():
        np.testing.assert_array_equal(values, other.samples.columns[name])
    assert one.completions.cgroups == other.completions.cgroups
    for part in ("cgroup", "arrival_seconds", "latency_seconds"):
        np.testing.assert_array_equal(getattr(one.completions, part), getattr(other.completions, part))


class TestRoundTrip:
    @given(recording=recordings())
    @settings(max_examples=60, deadline=None)
    def test_any_recording_is_read_back_as_written(
        self, recording: Recording, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        """Writing then reading gives every part back, gaps and infinities included."""
        path = tmp_path_factory.mktemp("store") / "run"
        write_recording(recording, path)
        assert_same(read_recording(path), recording)

    def test_the_tables_are_plain_parquet(self, tmp_path: Path) -> None:
        """Any Parquet reader finds a row for each time and cgroup with the file's names as columns."""
        recording = make_recording(seconds=10)
        write_recording(recording, tmp_path / "run")
        table = pq.read_table(tmp_path / "run" / "samples.parquet").to_pandas()
        assert len(table) == len(recording.samples.times) * len(recording.samples.cgroups)
        web = table[table["cgroup"] == "kubepods/burstable/pod-web-0/web"]
        expected = recording.samples.column("memory_current", "kubepods/burstable/pod-web-0/web")
        np.testing.assert_array_equal(web["memory_current"].to_numpy(), expected)

    def test_a_recording_of_two_minutes_is_small(self, tmp_path: Path) -> None:
        """Five containers read every half second for two minutes take less than 400 kB."""
        write_recording(make_recording(), tmp_path / "run")
        assert sum(file.stat().st_size for file in (tmp_path / "run").iterdir()) < 400_000


class TestWriting:
    def test_a_recording_replaces_an_older_one(self, tmp_path: Path) -> None:
        """The second recording of a name is what is read, and nothing else is left beside it."""
        write_recording(make_recording("kubelet"), tmp_path / "run")
        write_recording(make_recording("no-cpu-limits"), tmp_path / "run")
        assert read_recording(tmp_path / "run").policy == "no-cpu-limits"
        assert [child.name for child in tmp_path.iterdir()] == ["run"]

    @pytest.mark.parametrize("name", ["file", "directory", "link"])
    def test_what_is_not_a_recording_is_not_written_over(self, tmp_path: Path, name: str) -> None:
        """A user's file, directory or symbolic link stays as it is."""
        (tmp_path / "file").write_text("mine")
        (tmp_path / "directory").mkdir()
        (tmp_path / "directory" / "notes.txt").write_text("mine")
        (tmp_path / "link").symlink_to(tmp_path / "directory")
        with pytest.raises(RecordingError, match="not"):
            write_recording(make_recording(seconds=2), tmp_path / name)
        assert (tmp_path / "file").read_text() == "mine"
        assert [child.name for child in (tmp_path / "directory").iterdir()] == ["notes.txt"]

    def test_a_recording_that_cannot_be_written_leaves_the_older_one(self, tmp_path: Path) -> None:
        """Meta that is not plain data is refused in one line, and the earlier recording is still whole."""
        write_recording(make_recording("kubelet", seconds=2), tmp_path / "run")
        bad = make_recording("other", seconds=2)
        bad.meta["node"] = object()  # type: ignore[index]  # meta is a dict here
        with pytest.raises(RecordingError, match="not plain data"):
            write_recording(bad, tmp_path / "run")
        assert read_recording(tmp_path / "run").policy == "kubelet"
        assert [child.name for child in tmp_path.iterdir()] == ["run"]

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
    def test_a_directory_without_leave_is_named(self, tmp_path: Path) -> None:
        """A directory that may not be written to gives one error with the path."""
        tmp_path.chmod(0o500)
        with pytest.raises(RecordingError, match="cannot be written"):
            write_recording(make_recording(seconds=2), tmp_path / "run")

    def test_a_path_below_a_file_is_refused(self, tmp_path: Path) -> None:
        """A parent that is a file gives a RecordingError, not a traceback."""
        (tmp_path / "file").write_text("mine")
        with pytest.raises(RecordingError, match="cannot be written"):
            write_recording(make_recording(seconds=2), tmp_path / "file" / "run")


class TestReading:
    @pytest.fixture
    def stored(self, tmp_path: Path) -> Path:
        """A recording to be damaged."""
        return write_recording(make_recording(seconds=5), tmp_path / "run")

    def test_another_version_is_refused(self, stored: Path) -> None:
        """A recording of a later format is named as such."""
        index = json.loads((stored / "recording.json").read_text())
        index["format"] = "qos.dev/recording/v9"
        (stored / "recording.json").write_text(json.dumps(index))
        with pytest.raises(RecordingError, match=r"recording/v9.*reads qos\.dev/recording/v1"):
            read_recording(stored)

    @given(data=st.data())
    @settings(max_examples=40, deadline=None)
    def test_a_changed_byte_is_found(
        self, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        """Any byte of any table changed, or any tail cut off, is a RecordingError."""
        stored = write_recording(make_recording(seconds=2), tmp_path_factory.mktemp("damage") / "run")
        file = stored / f"{data.draw(st.sampled_from(['samples', 'events', 'completions']))}.parquet"
        content = bytearray(file.read_bytes())
        at = data.draw(st.integers(0, len(content) - 1))
        if data.draw(st.booleans()):
            content[at] ^= data.draw(st.integers(1, 255))
            file.write_bytes(bytes(content))
        else:
            file.write_bytes(bytes(content[:at]))
        with pytest.raises(RecordingError, match="damaged"):
            read_recording(stored)

    @given(junk=st.binary(max_size=60))
    @settings(max_examples=40, deadline=None)
    def test_an_index_of_junk_is_refused(self, junk: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
        """Any other bytes as recording.json are a RecordingError."""
        directory = tmp_path_factory.mktemp("junk")
        (directory / "recording.json").write_bytes(junk)
        with pytest.raises(RecordingError):
            read_recording(directory)

    @pytest.mark.parametrize("part", ["policy", "meta", "pods", "files", "samples", "completions", "tables"])
    def test_an_index_that_lacks_a_part_is_refused(self, stored: Path, part: str) -> None:
        """Each part of recording.json is needed; without it, or as a number, the recording is damaged."""
        index = json.loads((stored / "recording.json").read_text())
        for broken in ({key: value for key, value in index.items() if key != part}, index | {part: 3}):
            (stored / "recording.json").write_text(json.dumps(broken))
            with pytest.raises(RecordingError, match="damaged"):
                read_recording(stored)

    def test_a_missing_recording_is_named(self, tmp_path: Path) -> None:
        """A path without a recording, and a file, give one line that says what was expected."""
        (tmp_path / "file").write_text("")
        for path in (tmp_path / "nothing", tmp_path, tmp_path / "file"):
            with pytest.raises(
                RecordingError, match=r"no recording; expected a directory with recording\.json"
            ):
                read_recording(path)

    def test_a_missing_table_is_named(self, stored: Path) -> None:
        """A table that was deleted is named."""
        (stored / "events.parquet").unlink()
        with pytest.raises(RecordingError, match=r"events\.parquet"):
            read_recording(stored)


class TestFinding:
    def test_the_recordings_of_a_run_are_found_by_name(self, tmp_path: Path) -> None:
        """A directory of recordings gives them all, in order of name; a recording gives itself."""
        for recording in contention():
            write_recording(recording, tmp_path / recording.policy)
        found = find_recordings(tmp_path)
        assert [path.name for path in found] == ["kubelet", "memory-qos", "no-cpu-limits"]
        assert find_recordings(found[0]) == (found[0],)

    def test_nothing_to_find_is_said(self, tmp_path: Path) -> None:
        """A directory without recordings is an error that says what was expected."""
        with pytest.raises(RecordingError, match="expected"):
            find_recordings(tmp_path)
