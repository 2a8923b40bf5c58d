"""The openb trace: its totals to the last thousandth, and its pods packed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from qos.capacity.openb import gpu_milli_wanted, gpus, openb_demand, openb_fleet, resampled
from qos.capacity.pack import pack
from qos.errors import InputError
from qos.scenario.openb import read_openb_nodes, read_openb_pods

MIB = 1 << 20


@pytest.mark.shared
def test_totals_are_exact(shared_dir: Path) -> None:
    """1,523 and 1,213 nodes and 8,152 pods sum to the figures of the trace."""
    folder = shared_dir / "data" / "openb"
    fleet = openb_fleet(read_openb_nodes(folder / "openb_node_list_all_node.csv"))
    assert (len(fleet.names), fleet.total("cpu"), gpus(fleet)) == (1523, 125_514_000, 6212)
    assert fleet.total("memory") == 597_684 << 30
    with_gpus = openb_fleet(read_openb_nodes(folder / "openb_node_list_gpu_node.csv"))
    assert (len(with_gpus.names), with_gpus.total("cpu"), gpus(with_gpus)) == (1213, 107_018_000, 6212)
    demand = openb_demand(read_openb_pods(folder / "openb_pod_list_default.csv"), fleet)
    cpu, memory = demand.requests.sum(axis=0).tolist()
    assert (len(demand.names), cpu) == (8152, 85_436_012)
    assert round(memory / (1 << 30), 1) == 296_431.8


@pytest.mark.shared
def test_packed_pods_overfill_nothing(shared_dir: Path) -> None:
    """On all nodes no CPU, memory or single GPU is over its size, and GPU taken equals GPU placed."""
    folder = shared_dir / "data" / "openb"
    fleet = openb_fleet(read_openb_nodes(folder / "openb_node_list_all_node.csv"))
    demand = openb_demand(read_openb_pods(folder / "openb_pod_list_default.csv"), fleet)
    placement = pack(fleet, demand, "best-fit")
    assert (placement.used <= fleet.allocatable).all()
    there = fleet.device_milli >= 0
    assert (placement.device_used[there] <= 1000).all()
    wanted = (demand.device_count * demand.device_milli)[placement.node >= 0]
    assert placement.device_used[there].sum() == wanted.sum()


def test_resampled_pods_reach_the_load_by_less_than_one_pod() -> None:
    """Drawn pods want the asked share of the GPUs, and without the last one they do not; a seed repeats."""
    fleet = openb_fleet([("n", 8000, 1024, 4, "T4")])
    demand = openb_demand(
        [("a", 1, 1, 1, 300, ()), ("b", 1, 1, 1, 1000, ("T4",)), ("c", 1, 1, 0, 0, ())], fleet
    )
    drawn = resampled(demand, fleet, 130, 7)
    wanted = drawn.device_count * drawn.device_milli
    assert wanted[:-1].sum() < 5200 <= gpu_milli_wanted(drawn)
    assert drawn.names == resampled(demand, fleet, 130, 7).names


def test_a_pod_takes_only_the_gpu_models_it_names() -> None:
    """gpu_spec keeps a pod on nodes of those models, even where others are empty."""
    fleet = openb_fleet([("p", 8000, 1024, 1, "P100"), ("t", 8000, 1024, 1, "T4")])
    demand = openb_demand([("a", 1, 1, 1, 1000, ("T4", "A10")), ("b", 1, 1, 1, 1000, ("T4",))], fleet)
    placement = pack(fleet, demand)
    assert placement.node.tolist() == [1, -1]
    assert int(placement.lacking[1]) in {len(fleet.resources), len(fleet.resources) + 1}
    assert np.array_equal(placement.used[1], [1, MIB])


@pytest.mark.parametrize(
    "text", ["", "sn,cpu_milli\n", "sn,cpu_milli,memory_mib,gpu,model\nn,-1,1,1,T4\n", "\xff"]
)
def test_a_bad_table_is_one_clear_error(tmp_path: Path, text: str) -> None:
    """An empty file, a missing column, a negative number and no UTF-8 are named with their file."""
    file = tmp_path / "nodes.csv"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=r"nodes\.csv"):
        read_openb_nodes(file)
