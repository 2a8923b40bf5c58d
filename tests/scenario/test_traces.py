"""Traces from CSV, Parquet and Prometheus."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from qos.errors import InputError
from qos.model.workload import Trace
from qos.scenario.traces import read_trace

TIMES = [100.0, 101.0, 103.5]
CPUS = [0.5, 0.0, 2.25]
TABLE = pd.DataFrame({"time": TIMES, "cpus": CPUS})


def _csv(path: Path) -> None:
    TABLE.to_csv(path, index=False)


def _parquet(path: Path) -> None:
    TABLE.to_parquet(path)


def _prometheus(path: Path) -> None:
    values = [[time, str(value)] for time, value in zip(TIMES, CPUS, strict=True)]
    path.write_text(
        json.dumps({"status": "success", "data": {"resultType": "matrix", "result": [{"values": values}]}})
    )


@pytest.mark.parametrize(("suffix", "write"), [("csv", _csv), ("parquet", _parquet), ("json", _prometheus)])
def test_a_trace_is_read_from_each_format(suffix: str, write: object, tmp_path: Path) -> None:
    """Times begin at 0, values are CPUs times scale."""
    assert callable(write)
    write(tmp_path / f"t.{suffix}")
    trace = read_trace(Trace(file=f"t.{suffix}", scale=2.0), str(tmp_path))
    assert trace.times_seconds == (0.0, 1.0, 3.5)
    assert trace.cpus == (1.0, 0.0, 4.5)


def test_columns_are_chosen_by_name(tmp_path: Path) -> None:
    """TimeColumn and valueColumn pick from many; times may be dates."""
    table = pd.DataFrame(
        {"a": [1, 2], "when": ["2026-01-01T00:00:00Z", "2026-01-01T00:05:00Z"], "use": [1, 3]}
    )
    table.to_csv(tmp_path / "t.csv", index=False)
    trace = read_trace(Trace(file="t.csv", time_column="when", value_column="use"), str(tmp_path))
    assert (trace.times_seconds, trace.cpus) == ((0.0, 300.0), (1.0, 3.0))


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("t.csv", "time,cpus\n1,1\n1,2\n", "row 2 does not come after row 1"),
        ("t.csv", "time,cpus\n1,1\n2,-2\n", "row 2 is negative or not a number, got -2.0"),
        ("t.csv", "time,cpus\n1,\n", "row 1 is negative or not a number, got nan"),
        ("t.csv", "time,cpus\n", "has no rows"),
        ("t.csv", "time,a,b\n1,2,3\n", "valueColumn: has 2 value columns; expected one of a, b"),
        ("t.csv", "time,cpus\n1,x\n", "cannot be read as .csv"),
        ("t.csv", "", "cannot be read as .csv"),
        ("t.parquet", "no parquet", "cannot be read as .parquet"),
        ("t.json", "{}", "holds 0 series"),
        ("t.json", "[1", "cannot be read as .json"),
        (
            "t.json",
            '{"data": {"result": [{"values": [[1, "NaN"]]}]}}',
            "row 1 is negative or not a number, got nan",
        ),
        ("t.txt", "", "file: is no trace, got 't.txt'; expected .csv .parquet .json file"),
    ],
)
def test_a_bad_trace_is_one_line(name: str, text: str, problem: str, tmp_path: Path) -> None:
    """The file, and what is wrong with it."""
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError) as caught:
        read_trace(Trace(file=name), str(tmp_path))
    assert str(caught.value).startswith(f"{tmp_path}/{name}: {problem}")


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    """A column that is not there, with those that are."""
    _csv(tmp_path / "t.csv")
    with pytest.raises(InputError, match=r"valueColumn: is no column, got 'use'; expected one of time, cpus"):
        read_trace(Trace(file="t.csv", value_column="use"), str(tmp_path))
