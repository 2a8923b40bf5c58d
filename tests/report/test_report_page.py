"""The page: complete in one file, safe with any name, small, and never without a reason."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_recordings import CONTENTION, contention, make_recording, measured, undisturbed

from qos.errors import RecordingError
from qos.model.cgroup import CgroupName
from qos.model.sample import Completions, Recording, Samples
from qos.record.answer import answer
from qos.record.summarize import summarize
from qos.report.page import render_page, write_report
from qos.report.registry import FIGURES

MEGABYTE = 1_000_000


def page_of(*recordings: Recording) -> str:
    """The page as `qos simulate` makes it."""
    summaries = [summarize(recording) for recording in recordings]
    return render_page(recordings, summaries, answer(recordings, summaries))


def _refuse(word: str) -> None:
    """NaN and Infinity are not JSON: a browser would draw nothing."""
    raise AssertionError(word)


class Elements(HTMLParser):
    """Elements of a page with their attributes, and the text of its scripts by id."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.text: list[str] = []
        self._in_script = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.tags.append((tag, dict(attrs)))
        self._in_script = tag == "script"
        if self._in_script:
            self.scripts.append((dict(attrs), ""))

    def handle_endtag(self, tag: str) -> None:
        """A script ends."""
        self._in_script = self._in_script and tag != "script"

    def handle_data(self, data: str) -> None:
        """Text of the page, or of the script that is open."""
        if self._in_script:
            attrs, before = self.scripts[-1]
            self.scripts[-1] = (attrs, before + data)
        else:
            self.text.append(data)

    def figures(self) -> dict[str, Any]:
        """Every plotly figure in the page, by the id of its chart."""
        return {
            str(attrs["id"]).removesuffix("-figure"): json.loads(text, parse_constant=_refuse)
            for attrs, text in self.scripts
            if str(attrs.get("id", "")).endswith("-figure")
        }


@pytest.fixture(scope="module")
def page() -> str:
    """The page of a baseline and three policies."""
    return page_of(undisturbed(), *contention())


@pytest.fixture(scope="module")
def elements(page: str) -> Elements:
    """Its elements."""
    return Elements(page)


class TestOneFile:
    def test_nothing_is_loaded_from_anywhere(self, elements: Elements) -> None:
        """No element has a source or a link but the empty icon."""
        links = [
            value for _, attrs in elements.tags for key, value in attrs.items() if key in {"src", "href"}
        ]
        assert links == ["data:,"]

    def test_its_policy_lets_only_its_own_scripts_run(self, elements: Elements) -> None:
        """The CSP names the hash of each script that runs, and forbids every request."""
        (policy,) = (
            attrs["content"] for tag, attrs in elements.tags if tag == "meta" and "http-equiv" in attrs
        )
        assert policy is not None
        running = [text for attrs, text in elements.scripts if "type" not in attrs]
        hashes = {base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in running}
        assert len(running) == 2
        assert set(re.findall(r"'sha256-([^']+)'", policy)) == hashes
        assert policy.startswith("default-src 'none';")
        assert "connect-src" not in policy

    def test_plotly_is_embedded_once(self, page: str) -> None:
        """Its four megabytes stand in the page a single time."""
        assert page.count("plotly.js v") == 1

    def test_it_is_small(self, page: str) -> None:
        """Four tenants under three policies, plotly's script included, stay below 6 MB."""
        assert len(page.encode()) < 6 * MEGABYTE

    def test_three_hundred_pods_stay_below_eight_megabytes(self) -> None:
        """Long series are thinned and the workloads that matter are chosen, with a note."""
        many = tuple(
            replace(CONTENTION[index % 4], workload=f"{CONTENTION[index % 4].workload}-{index}", replicas=3)
            for index in range(100)
        )
        runs = [
            make_recording(name, many, seconds=300, interval=0.1, cpus=64) for name in ("kubelet", "other")
        ]
        page = page_of(*runs)
        assert len(page.encode()) < 8 * MEGABYTE
        assert "8 of 100 workloads are drawn" in page
        assert "16 of 100 workloads are listed" in page


class TestAnswerFirst:
    def test_the_answer_comes_before_the_table_and_the_charts(self, page: str) -> None:
        """A reader who stops after one line has read the most important one."""
        order = [page.index(mark) for mark in ("web p99", "<table>", 'class="chart"', "How to get the same")]
        assert order == sorted(order)

    def test_every_figure_of_the_registry_is_drawn(self, elements: Elements) -> None:
        """A complete recording leaves no picture out, and each asks a question."""
        drawn = {name.rpartition("-")[0] for name in elements.figures()}
        assert drawn == set(FIGURES)
        text = "".join(elements.text)
        assert text.count("?") >= len(FIGURES)
        assert "not here" not in text

    def test_the_result_can_be_reproduced(self, elements: Elements) -> None:
        """Scenario, its hash, seed, profile, versions, node and command line stand at the end."""
        text = "".join(elements.text)
        for fact in (
            "sha256:3f9ac1d2",
            "kubernetes-1.36/runc-1.3.2",
            "qos simulate scenarios/contention.yaml",
            "qos 0.1.0",
            "memory 4 GiB",
        ):
            assert fact in text

    def test_the_baseline_is_in_the_latency_chart_and_nowhere_else(self, elements: Elements) -> None:
        """The undisturbed run is compared with, but it is no policy."""
        figures = elements.figures()
        assert [trace["name"] for trace in figures["latency-0"]["data"]][-1] == "uncontended"
        assert "memory-3" not in figures
        assert "kubelet, no-cpu-limits, memory-qos · 120 seconds, simulated" in "".join(elements.text)


NASTY = st.text(
    st.sampled_from("<>&\"'/\\-abc \u2028\u202e😀{}%`$"), min_size=1, max_size=20
) | st.sampled_from(
    [
        "</script><script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        '"><svg onload=alert(1)>',
        "<!--",
        "%{y}",
        "<a href='javascript:alert(1)'>x</a>",
    ]
)


class TestNames:
    @given(name=NASTY)
    @settings(max_examples=12, deadline=None)
    def test_no_name_changes_the_page(self, name: str) -> None:
        """Whatever a policy, workload, reason or scenario is called, the page has the same elements."""
        base = make_recording("kubelet", seconds=4, interval=1.0)
        pods = tuple(dict(pod) | {"workload": name, "pod": name, "namespace": name} for pod in base.pods)
        events = tuple(replace(event, reason=name) for event in base.events)
        named = replace(
            base,
            policy=name,
            pods=pods,
            events=events,
            meta={**base.meta, "scenario": name, "description": name},
        )
        plain = replace(
            named,
            policy="x",
            pods=tuple(pod | {"workload": "x", "pod": "x", "namespace": "x"} for pod in pods),
            events=tuple(replace(event, reason="x") for event in events),
            meta={**base.meta, "scenario": "x", "description": "x"},
        )
        found, expected = Elements(page_of(named)), Elements(page_of(plain))
        assert [tag for tag, _ in found.tags] == [tag for tag, _ in expected.tags]
        assert found.figures().keys() == expected.figures().keys()


def without(*prefixes: str) -> Callable[[Recording], Recording]:
    """The recording of a kernel that does not tell some columns."""
    return lambda recording: measured(recording, *prefixes)


class TestAbsence:
    @pytest.mark.parametrize(
        ("change", "absent"),
        [
            (lambda recording: recording, {"policies"}),
            (measured, {"policies", "latency"}),
            (
                without("cpu_stat"),
                {"policies", "latency", "throttling", "cpu-over-time", "share"},
            ),
            (without("memory_current", "memory_peak"), {"policies", "latency", "memory"}),
            (without("cpu_pressure", "memory_pressure"), {"policies", "latency", "pressure"}),
            (without("net_tx_bytes"), {"policies", "latency", "traffic"}),
            (lambda recording: replace(recording, files={}), {"policies", "tree"}),
            (lambda recording: replace(recording, events=()), {"policies", "events"}),
            (lambda recording: replace(recording, completions=Completions()), {"policies", "latency"}),
            (lambda recording: replace(recording, pods=()), {"policies"}),
            (lambda recording: replace(recording, meta={}), {"policies"}),
        ],
    )
    def test_what_is_not_known_is_left_out_with_a_reason(
        self, change: Callable[[Recording], Recording], absent: set[str]
    ) -> None:
        """Each missing part costs exactly the pictures that need it, and a footnote says why."""
        elements = Elements(page_of(change(make_recording(seconds=60))))
        drawn = {name.rpartition("-")[0] for name in elements.figures()}
        assert set(FIGURES) - drawn == absent
        text = "".join(elements.text)
        (note,) = re.findall(r"Charts that are not here: (.*?)\.\n", text + "\n") or [text]
        for name in absent:
            assert f"{name.replace('-', ' ')} (" in note

    @pytest.mark.parametrize("count", [0, 1, 2])
    def test_a_recording_of_hardly_any_reading_is_a_page(self, count: int) -> None:
        """A run that was stopped at once still gives its facts."""
        recording = make_recording(seconds=2)
        samples = recording.samples
        short = Samples(
            samples.times[:count],
            samples.cgroups,
            {name: values[:count] for name, values in samples.columns.items()},
            "simulated",
        )
        assert "How to get the same result" in page_of(replace(recording, samples=short))

    @given(data=st.data())
    @settings(max_examples=10, deadline=None)
    def test_gaps_anywhere_are_drawn_as_gaps(self, data: st.DataObject) -> None:
        """Containers that come and go, or whose files vanish, break no chart."""
        recording = make_recording(seconds=10, interval=1.0)
        samples = recording.samples
        columns = {name: values.copy() for name, values in samples.columns.items()}
        for values in columns.values():
            gap = data.draw(st.slices(len(samples.times)))
            values[gap, data.draw(st.integers(0, len(samples.cgroups) - 1))] = np.nan
        broken = Samples(samples.times, samples.cgroups, columns, "simulated")
        figures = Elements(page_of(replace(recording, samples=broken))).figures()
        assert {"cpu-over-time-0", "memory-0"} <= figures.keys()

    def test_a_policy_that_lacks_a_workload_is_compared_all_the_same(self) -> None:
        """An evicted or rejected pod is missing under one policy only."""
        one, other = contention()[:2]
        fewer = replace(other, pods=tuple(pod for pod in other.pods if pod["workload"] != "batch"))
        assert "batch" in page_of(one, fewer)

    def test_no_recording_is_an_error(self) -> None:
        """There is no page of nothing."""
        with pytest.raises(ValueError, match="no recording"):
            render_page([], [], [])


class TestWriting:
    def test_the_file_is_the_page(self, tmp_path: Path) -> None:
        """Folders are made, nothing is left beside the file, and everybody may read it."""
        recording = make_recording(seconds=4)
        summaries = [summarize(recording)]
        path = tmp_path / "reports" / "out" / "page.html"
        write_report([recording], summaries, ["yes"], path)
        assert path.read_text() == render_page([recording], summaries, ["yes"])
        assert [child.name for child in path.parent.iterdir()] == ["page.html"]
        assert path.stat().st_mode & 0o777 == 0o644

    def test_a_place_that_cannot_be_written_is_named(self, tmp_path: Path) -> None:
        """A path below a file gives one line with the path, and nothing is written."""
        (tmp_path / "file").write_text("mine")
        recording = make_recording(seconds=4)
        with pytest.raises(RecordingError, match=r"page\.html.*cannot be written"):
            write_report([recording], [summarize(recording)], [], tmp_path / "file" / "page.html")
        (tmp_path / "page.html").mkdir()
        with pytest.raises(RecordingError, match="cannot be written"):
            write_report([recording], [summarize(recording)], [], tmp_path / "page.html")
        assert sorted(child.name for child in tmp_path.iterdir()) == ["file", "page.html"]

    def test_the_same_recordings_give_the_same_bytes(self) -> None:
        """A page can be compared with an earlier one."""
        assert page_of(make_recording(seconds=4)) == page_of(make_recording(seconds=4))


def test_a_cgroup_without_a_name_is_the_machine() -> None:
    """The simulator reads the root as well; it is no workload."""
    recording = make_recording(seconds=4)
    samples = recording.samples
    root = {
        name: np.column_stack([np.nansum(values, axis=1), values]) for name, values in samples.columns.items()
    }
    with_root = Samples(samples.times, (CgroupName(""), *samples.cgroups), root, "simulated")
    assert page_of(replace(recording, samples=with_root, pods=()))
