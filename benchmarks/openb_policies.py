"""Scorers beside the published allocation of the openb trace: python benchmarks/openb_policies.py DATA.

DATA is the folder with the trace's tables and fgd_expected_allo_by_arrival.csv.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from statistics import mean

from qos.capacity.openb import gpus, openb_demand, openb_fleet, resampled
from qos.capacity.pack import pack
from qos.capacity.pack_gpu import GPU_SCORINGS, pack_gpu
from qos.scenario.openb import read_openb_nodes, read_openb_pods

PUBLISHED = {
    "random": "01-Random", "dot-product": "02-DotProd", "gpu-clustering": "03-GpuClustering",
    "gpu-packing": "04-GpuPacking", "gpu-best-fit": "05-BestFit", "fgd": "06-FGD",
}  # fmt: skip


def main() -> None:
    """Print the table in Markdown."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--workload", default="openb_pod_list_default")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--scorings", nargs="*", default=list(PUBLISHED))
    options = parser.parse_args()
    published: dict[str, list[float]] = {}
    with (options.data / "fgd_expected_allo_by_arrival.csv").open() as stream:
        for row in csv.DictReader(stream):
            if row["workload"] == options.workload:
                published.setdefault(row["sc_policy"], []).append(float(row["130"]))
    fleet = openb_fleet(read_openb_nodes(options.data / "openb_node_list_gpu_node.csv"))
    pods = [row[:6] for row in read_openb_pods(options.data / f"{options.workload}.csv")]
    demand = openb_demand(pods, fleet)
    print("| scoring | published, lowest | mean | highest | here, lowest | mean | highest | difference |")
    print("|---|---|---|---|---|---|---|---|")
    for scoring in options.scorings:
        found = []
        for seed in range(42, 42 + options.seeds):
            drawn = resampled(demand, fleet, 130, seed)
            if scoring in GPU_SCORINGS:
                placed = pack_gpu(fleet, drawn, scoring)
            else:
                placed = pack(fleet, drawn, scoring, seed=seed, percentage_of_nodes_to_score=100)
            lie = placed.node >= 0
            got = int((drawn.device_count * drawn.device_milli)[lie].sum())
            found.append(100 * got / (1000 * gpus(fleet)))
        said = published[PUBLISHED[scoring]]
        print(
            f"| `{scoring}` | {min(said):.2f} | {mean(said):.2f} | {max(said):.2f} | {min(found):.2f} | "
            f"{mean(found):.2f} | {max(found):.2f} | {mean(found) - mean(said):+.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
