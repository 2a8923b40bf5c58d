"""A headless Chromium and the pages it opens: a real run's, a real kernel's, and one of nasty names."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from made_recordings import contention, make_recording, measured
from playwright.sync_api import Browser, sync_playwright

from qos.model.sample import Recording
from qos.record.answer import answer
from qos.record.summarize import summarize
from qos.report.page import write_report

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
NASTY = "</script><img src=x onerror=\"document.title='broken'\"><b>&amp;'"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The system's Chromium, with a profile of its own that is thrown away."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip("no Chromium on PATH: on Debian, apt-get install chromium")
    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=path, headless=True, args=list(FLAGS))
        yield opened
        opened.close()


def write(recordings: list[Recording], path: Path) -> Path:
    """The page of some recordings."""
    summaries = [summarize(recording) for recording in recordings]
    write_report(recordings, summaries, answer(recordings, summaries), path)
    return path


@pytest.fixture(scope="session")
def simulated_page(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `qos simulate scenarios/contention.yaml` leaves: a real run of the simulator."""
    from qos.experiment.simulate import simulate
    from qos.experiment.tell import tell, write_page
    from qos.scenario.scenario import load_scenario

    scenario = load_scenario(str(repository / "scenarios" / "contention.yaml"))
    path = tmp_path_factory.mktemp("simulated") / "contention.html"
    write_page(tell(simulate(scenario, baseline=True)), path)
    return path


@pytest.fixture(scope="session")
def measured_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run as a real kernel tells it: pressure, but no latencies and no waits by cause."""
    return write([measured(run) for run in contention()], tmp_path_factory.mktemp("measured") / "page.html")


@pytest.fixture(scope="session")
def nasty_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in which every name from outside tries to be HTML."""
    run = make_recording(seconds=20)
    pods = tuple(dict(pod) | {"workload": f"{pod['workload']}{NASTY}", "pod": NASTY} for pod in run.pods)
    events = tuple(replace(event, reason=NASTY) for event in run.events)
    named = replace(run, policy=NASTY, pods=pods, events=events, meta={**run.meta, "scenario": NASTY})
    return write([named, replace(named, policy="b")], tmp_path_factory.mktemp("nasty") / "page.html")
