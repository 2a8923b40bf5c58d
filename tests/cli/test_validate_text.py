"""What `qos validate` prints and draws: the table within 80 columns, what is outside and why."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from qos.cli.validate_text import lines_table, validation_text
from qos.experiment.predict import with_shapes
from qos.experiment.simulate import load, simulate
from qos.experiment.validate import HEADERS, Validation, write_validation_page
from qos.record.fidelity import compare
from qos.record.likely import Facts
from qos.record.measured import Measured

ROOT = Path(__file__).resolve().parents[2]
QUOTA = ROOT / "scenarios" / "fidelity" / "quota-500m.yaml"
KERNEL = {"release": "6.1.0", "cpus": 1, "clock_step_seconds": 0.01}


def _compared(runs: int = 2, release: str = "6.1.0", tolerance: float | None = None) -> Validation:
    """A run of another seed and a shorter quota's use in place of the measured ones."""
    scenario = load(str(QUOTA))
    predicted = with_shapes(simulate(scenario)[0], scenario)
    usage = "cpu_stat_usage_usec"
    columns = dict(predicted.samples.columns)
    columns[usage] = columns[usage] * 0.9
    columns["cpu_stat_throttled_usec"] = columns["cpu_stat_throttled_usec"] * 0.5
    other = replace(
        predicted,
        samples=replace(predicted.samples, columns=columns, source="measured"),
        meta=dict(predicted.meta) | KERNEL | {"release": release},
    )
    measured = (other,) * runs
    kept = Measured.of(measured)
    lines = compare([predicted], kept, None if tolerance is None else {"cpu_usage": tolerance})
    facts = Facts.of(predicted, measured, kept)
    return Validation("s", "kubelet", "uml", release, "", predicted, measured, kept, lines, facts)


def test_the_answer_says_what_is_outside_why_and_what_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line that is outside stands under one cause; one run is told to be too few."""
    monkeypatch.setenv("COLUMNS", "80")
    text = validation_text(_compared(1))
    assert max(map(len, text.splitlines())) <= 80
    assert "lines are OUTSIDE" in text
    assert "- ticks (lab):" in text
    assert "throttled_usec of held, held/c" in text
    assert "cpu_usage of held/c" in text
    assert "Next: --repeat 3, as one run" in text


def test_the_likely_cause_depends_on_the_kernel() -> None:
    """A quota that is off on 6.1 is so by ticks, since 6.4 by its drawn periods."""
    for release, cause in (("6.1.0", "ticks"), ("6.12.0", "phases")):
        found = _compared(release=release)
        (line,) = (
            line for line in found.outside if (line.metric, line.subject) == ("throttled_usec", "held")
        )
        likely = found.likely(line)
        assert likely is not None
        assert likely.name == cause


def test_the_machine_form_has_the_cause_of_lines_that_are_outside_only() -> None:
    """``likely_cause`` is null elsewhere."""
    for line in _compared().to_json()["lines"]:
        assert (line["likely_cause"] is None) == (
            line["verdict"] != "OUTSIDE" or line["metric"] in {"cpu_usage", "cpu_share"}
        )


def test_names_too_long_for_the_table_keep_both_ends() -> None:
    """Pods of one Deployment differ at the end of their names; no line is over 80 columns."""
    cells = (*["123.4 MiB/s"] * 3, "-100.00 %", "lab effect")
    names = [f"checkout-7f9c6d5b8-x2x4{n}/checkout" for n in range(3)]
    rows = [("received_bytes_per_second", name, *cells) for name in names]
    table = lines_table(HEADERS, rows, 80)
    assert max(map(len, table.splitlines())) <= 80
    assert table.count("received_bytes_per_second") == 1
    told = [line.split()[0] for line in table.splitlines()[2:]]
    assert len(set(told)) == 3
    assert all(name.endswith("/checkout") and "…" in name for name in told)


def test_the_page_draws_both_over_each_other_and_has_the_lines(tmp_path: Path) -> None:
    """The answer, the picture of both, the table of errors."""
    path = tmp_path / "page.html"
    write_validation_page(_compared(), path)
    text = path.read_text()
    for words in ("lines are OUTSIDE", "Does the kernel do what was predicted?", "throttled_usec", "OUTSIDE"):
        assert words in text
    assert "Which policy serves whom better?" not in text
