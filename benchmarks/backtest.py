"""The table of docs/capacity.md: strategies back-tested on every bitbrains, crane and kruize series.

Run: python benchmarks/backtest.py ../shared/data/usage-series
"""

from __future__ import annotations

import argparse
import csv
import gzip
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from qos.capacity.backtest import back_test, totals
from qos.capacity.recommend import Objectives
from qos.model.usage import Usage
from qos.scenario.usage import Columns, read_usage_csv

MHZ_OF_VM1 = 2599.999309
GIB = 1 << 30


def small_bitbrains(folder: Path) -> Iterator[Usage]:
    """25 virtual machines whose equal five-minute readings were merged; spread out again."""
    with (folder / "small_meta.csv").open() as stream:
        mhz = {
            row["id"]: float(row["cpu_capacity_mhz"]) / int(row["cpu_count"])
            for row in csv.DictReader(stream)
        }
    rows = defaultdict(list)
    with gzip.open(folder / "small_cpu.csv.gz", "rt") as stream:
        for row in csv.DictReader(stream):
            end, length = float(row["end_offset_s"]), float(row["duration_s"])
            count = max(1, round(length / 300))
            rows[row["id"]] += [(end - length + 300 * step, float(row["cpu_mhz"])) for step in range(count)]
    for name, pairs in rows.items():
        pairs.sort()
        table = np.array(pairs)
        yield Usage(f"bitbrains {name}", table[:, 0], table[:, 1] / (mhz[name] or 1.0))


def series(root: Path) -> Iterator[Usage]:
    """Every series, one at a time."""
    vm1 = Columns("Timestamp [ms]", "CPU usage [MHZ]", "Memory usage [KB]", 1 / MHZ_OF_VM1, 1024)
    yield replace(
        read_usage_csv(str(root / "bitbrains" / "vm1_full_first15d.csv"), vm1), name="bitbrains vm1"
    )
    yield from small_bitbrains(root / "bitbrains")
    for file in sorted((root / "crane").glob("*.csv")):
        yield replace(read_usage_csv(str(file), Columns("ts", "value")), name=f"crane {file.stem}")
    kruize = Columns("interval_start_time", "cpu_usage_max_container", "mem_usage_max_container")
    yield replace(read_usage_csv(str(root / "kruize-tfb" / "tfb_data_first.csv"), kruize), name="kruize tfb")


def main() -> None:
    """Print the table in Markdown."""
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=Path)
    parser.add_argument("--late", type=float, default=0.05)
    parser.add_argument("--fitted", type=float, default=0.7)
    parser.add_argument("--each", action="store_true")
    options = parser.parse_args()
    rows = back_test(series(options.root), objectives=Objectives(options.late), fitted=options.fitted)
    if options.each:
        for row in rows:
            print(row.series, row.strategy, row.resources.cpu_milli, row.resources.memory_bytes, row.replayed)
    print("| series | strategy | of them | OOM kills | CPU late, mean | worst | CPUs wasted | GiB wasted |")
    print("|---|---|---|---|---|---|---|---|")
    for group in ("bitbrains", "crane", "kruize", "all"):
        mine = [row for row in rows if group in {"all", row.series.partition(" ")[0]}]
        for total in totals(mine):
            print(
                f"| {group} | `{total.strategy}` | {total.series} | {total.oom_kills} | {total.late:.1%} | "
                f"{total.worst_late:.1%} | {total.wasted_cpus:.2f} | {total.wasted_bytes / GIB:.3f} |"
            )


if __name__ == "__main__":
    main()
