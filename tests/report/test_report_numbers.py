"""What charts are computed from: rates, thinned series, promises, limits, levels."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_recordings import contention, make_recording

from qos.model.cgroup import CgroupName
from qos.model.sample import Recording
from qos.record.summarize import summarize
from qos.report import theme
from qos.report.figures import cpu_over_time, events, memory, policies, share, throttling, tree
from qos.report.picture import Picture
from qos.report.registry import FIGURES
from qos.report.run import Run, chosen
from qos.report.series import rate, thinned

SERIES = st.lists(st.one_of(st.floats(-1e6, 1e6), st.just(float("nan"))), min_size=1, max_size=400)


def run_of(recording: Recording) -> Run:
    """A run with its summary."""
    return Run.of(recording, summarize(recording))


def picture(found: object) -> Picture:
    """A picture that must have been drawn."""
    assert isinstance(found, Picture)
    return found


@pytest.fixture(scope="module")
def runs() -> list[Run]:
    """Three policies."""
    return [run_of(recording) for recording in contention()]


class TestThinning:
    @given(SERIES, st.integers(4, 60))
    def test_peaks_and_troughs_stay(self, values: list[float], most: int) -> None:
        """At most as many points as asked for, in order, all of them real, the extremes among them."""
        times, series = np.arange(len(values), dtype=np.float64), np.array(values)
        kept_times, kept = thinned(times, series, most)
        assert len(kept) <= max(most, len(values) if len(values) <= most else 0)
        assert (np.diff(kept_times) > 0).all()
        np.testing.assert_array_equal(series[kept_times.astype(int)], kept)
        if not np.isnan(series).all():
            assert np.nanmax(kept) == np.nanmax(series)
            assert np.nanmin(kept) == np.nanmin(series)

    def test_a_long_gap_stays_a_gap(self) -> None:
        """A container that was gone for a while is not drawn through."""
        series = np.concatenate([np.ones(500), np.full(500, np.nan), np.ones(500)])
        _, kept = thinned(np.arange(1500.0), series, 100)
        assert np.isnan(kept).any()

    @given(st.lists(st.integers(0, 1000), min_size=2, max_size=50))
    def test_rates_add_up_to_the_rise(self, steps: list[int]) -> None:
        """Rate times time, summed, is what the counter rose by."""
        counter = np.cumsum(np.array(steps, dtype=np.float64))
        times = np.arange(len(steps)) * 0.5
        moments, rates = rate(times, counter)
        assert (rates * 0.5).sum() == pytest.approx(counter[-1] - counter[0])
        assert moments.tolist() == times[1:].tolist()


class TestPromise:
    def test_weights_share_level_by_level(self) -> None:
        """Two siblings of 100 and 300 on 4 CPUs are promised 1 and 3, and a child what its parent has."""
        files = {
            CgroupName("a"): {"cpu.weight": "100"},
            CgroupName("b"): {"cpu.weight": "300"},
            CgroupName("b/x"): {"cpu.weight": "7"},
        }
        assert share.promised(files, 4.0) == {"a": 1.0, "b": 3.0, "b/x": 3.0}

    @given(st.lists(st.integers(1, 10_000), min_size=1, max_size=8), st.floats(0.5, 256))
    def test_promises_of_siblings_are_the_whole(self, weights: list[int], cpus: float) -> None:
        """Nothing is promised twice and nothing is left over."""
        files = {CgroupName(f"c{i}"): {"cpu.weight": str(weight)} for i, weight in enumerate(weights)}
        assert sum(share.promised(files, cpus).values()) == pytest.approx(cpus)


class TestLimits:
    def test_a_limit_is_the_sum_over_containers(self) -> None:
        """Two replicas with 1 CPU each may use 2 together."""
        run = run_of(make_recording(seconds=2))
        assert run.cpu_limit("web") == 2.0
        assert run.memory_knob("web", "memory.max") == 2 * 512 * 2**20

    def test_one_container_without_a_limit_has_none_for_all(self) -> None:
        """A sum over some of the containers would be too low a line."""
        recording = make_recording(seconds=2)
        leaf = CgroupName("kubepods/burstable/pod-web-0/web")
        above = CgroupName("kubepods/burstable/pod-web-0")
        files = {name: dict(knobs) for name, knobs in recording.files.items()}
        for name in (leaf, above):
            files[name]["cpu.max"] = "max 100000"
        assert run_of(replace(recording, files=files)).cpu_limit("web") is None

    def test_a_pods_limit_binds_its_containers(self) -> None:
        """A container without a quota of its own is held by its pod's, counted once for both."""
        recording = make_recording(seconds=2)
        files = {name: dict(knobs) for name, knobs in recording.files.items()}
        for name, knobs in files.items():
            if name.endswith("/web"):
                knobs.pop("cpu.max", None)
        assert run_of(replace(recording, files=files)).cpu_limit("web") == 2.0


class TestChosen:
    def test_the_workload_that_was_killed_is_kept(self) -> None:
        """Of many, those that used little but suffered are drawn."""
        run = run_of(make_recording())
        assert "neighbour" in chosen([run], most=2)

    def test_few_are_all_kept_in_their_order(self) -> None:
        """Four tenants are drawn as the manifests have them."""
        assert chosen([run_of(make_recording(seconds=4))]) == ("database", "web", "batch", "neighbour")


class TestPictures:
    def test_the_parts_of_a_bar_are_the_whole_time(self, runs: list[Run]) -> None:
        """Ran, kept back and waited add up to all the time CPU was wanted, under every policy."""
        for panel in picture(throttling.draw(runs)).panels:
            parts = np.array([trace["x"] for trace in panel.figure["data"]], dtype=np.float64)
            np.testing.assert_allclose(parts.sum(axis=0), 1.0)

    def test_panels_of_one_picture_have_the_same_axes(self, runs: list[Run]) -> None:
        """Policies are compared by eye, so no panel has a scale of its own."""
        for draw in (cpu_over_time.draw, memory.draw, share.draw):
            ranges = [
                {key: axis.get("range") for key, axis in panel.figure["layout"].items() if "axis" in key}
                for panel in picture(draw(runs)).panels
            ]
            assert all(other == ranges[0] for other in ranges)

    def test_an_oom_kill_is_marked_where_it_happened(self, runs: list[Run]) -> None:
        """At 31 s, at the memory it had just before, with the kernel's reason."""
        marks = [t for t in picture(memory.draw(runs)).panels[0].figure["data"] if t["name"] == "OOM kill"]
        assert [mark["x"] for mark in marks] == [[31.0]]
        assert float(marks[0]["y"][0]) > 0.4
        assert "nothing left to reclaim" in marks[0]["text"][0]

    def test_protection_is_drawn_only_where_a_policy_sets_it(self, runs: list[Run]) -> None:
        """memory.min appears under memory-qos and under no other."""
        panels = picture(memory.draw(runs)).panels
        found = [any(trace["name"] == "memory.min" for trace in panel.figure["data"]) for panel in panels]
        assert found == [False, False, True]

    def test_the_tree_tells_what_differs(self, runs: list[Run]) -> None:
        """A limit that one policy takes away is marked, and the hover names both values."""
        trace = picture(tree.draw(runs)).panels[0].figure["data"][0]
        where = trace["ids"].index("kubepods/burstable/pod-web-0/web")
        assert "max 1 CPU ≠" in trace["text"][where]
        assert "cpu.max: 100000 100000 = 1 CPU (kubelet, memory-qos)" in trace["hovertext"][where]
        assert "cpu.max: not managed (no-cpu-limits)" in trace["hovertext"][where]
        assert trace["labels"][trace["ids"].index("kubepods/burstable/pod-web-0")] == "pod web-0"

    def test_only_what_tells_policies_apart_is_compared(self, runs: list[Run]) -> None:
        """Three runs of one policy differ in nothing, and the chart says so instead of drawing it."""
        titles = [panel.title for panel in picture(policies.draw(runs)).panels]
        assert "p99 latency" in titles
        assert "batch done after" not in titles
        assert not isinstance(policies.draw([runs[0], runs[0]]), Picture)

    def test_kills_are_readable_without_pointing(self, runs: list[Run]) -> None:
        """On paper and on a phone the reasons stand in a table."""
        table = picture(events.draw(runs)).table
        assert table is not None
        assert table.rows[0][1:4] == ("kubelet", "OOM kill", "neighbour")
        assert table.rows[0][4].startswith("memory.max 768 MiB reached")


class TestValidity:
    def test_plotly_knows_every_property_of_every_figure(self, runs: list[Run]) -> None:
        """Pages are written without plotly's checks, so plotly's own classes take each figure here."""
        for draw in FIGURES.values():
            drawn = draw(runs)
            for panel in drawn.panels if isinstance(drawn, Picture) else ():
                go.Figure(panel.figure)


class TestTheme:
    def test_figures_name_only_colours_with_a_dark_counterpart(self, runs: list[Run]) -> None:
        """A colour that is not in the theme would not change with light and dark."""
        known = set(theme.DARK)
        for draw in (cpu_over_time.draw, memory.draw, share.draw, throttling.draw, events.draw, tree.draw):
            for panel in picture(draw(runs)).panels:
                text = json.dumps(panel.figure, default=lambda array: array.tolist())
                colours = {word[:7] for word in text.split('"') if word.startswith("#")}
                assert colours <= known

    @pytest.mark.parametrize("dark", [False, True])
    def test_text_can_be_read_on_its_paper(self, dark: bool) -> None:
        """Ink, muted text and the classes' colours reach the contrast of WCAG AA (4.5; 3 for graphics)."""
        shade = theme.DARK if dark else {}
        paper = _luminance(shade.get(theme.PAPER, theme.PAPER))
        for colour, wanted in (
            (theme.INK, 7.0),
            (theme.MUTED, 4.5),
            *((colour, 3.0) for colour in theme.CLASS_COLOUR.values()),
        ):
            pair = sorted([_luminance(shade.get(colour, colour)), paper])
            assert (pair[1] + 0.05) / (pair[0] + 0.05) >= wanted

    @pytest.mark.parametrize("kind", ["protanopia", "deuteranopia", "tritanopia"])
    def test_classes_are_told_apart_by_colour_blind_readers(self, kind: str) -> None:
        """The three classes stay apart in what such a reader sees (CIE 1976 difference), light and dark."""
        for shade in ({}, theme.DARK):
            seen = [_seen(shade.get(colour, colour), kind) for colour in theme.CLASS_COLOUR.values()]
            for index, one in enumerate(seen):
                for other in seen[index + 1 :]:
                    assert np.linalg.norm(one - other) > 18


# Viénot, Brettel and Mollon (1999) for red and green, first plane of Brettel (1997) for blue; in linear RGB
_BLIND = {
    "protanopia": [[0.11238, 0.88762, 0.0], [0.11238, 0.88762, 0.0], [0.00401, -0.00401, 1.0]],
    "deuteranopia": [[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]],
    "tritanopia": [[1.01277, 0.13548, -0.14826], [-0.01243, 0.86812, 0.14431], [0.07589, 0.805, 0.11911]],
}


_TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def _linear(colour: str) -> np.ndarray:
    parts = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def _luminance(colour: str) -> float:
    return float(_linear(colour) @ [0.2126, 0.7152, 0.0722])


def _seen(colour: str, kind: str) -> np.ndarray:
    """CIE L*a*b* of a colour as a colour-blind reader sees it, under D65."""
    xyz = _TO_XYZ @ np.clip(np.array(_BLIND[kind]) @ _linear(colour), 0, 1)
    root = np.cbrt(xyz / _TO_XYZ.sum(axis=1))
    return np.array([116 * root[1] - 16, 500 * (root[0] - root[1]), 200 * (root[1] - root[2])])
