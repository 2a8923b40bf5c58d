"""The openb trace: its totals to the last thousandth, and its pods packed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from qos.capacity.openb import gpu_milli_wanted, gpus, openb_demand, openb_fleet, resampled
from qos.capacity.pack import pack
from qos.capacity.pack_gpu import GPU_SCORINGS, GpuScoring, pack_gpu
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


class TestGpuScorers:
    """The published scorers for shared GPUs."""

    @pytest.mark.parametrize("scoring", GPU_SCORINGS)
    def test_no_scorer_overfills_anything(self, scoring: GpuScoring) -> None:
        """Random pods on a few nodes: no CPU, memory or GPU over its size, and what fits is placed."""
        draw = np.random.default_rng(5)
        fleet = openb_fleet([(f"n{index}", 16000, 65536, 4, "T4") for index in range(6)])
        rows = [
            (f"p{index}", int(draw.integers(500, 4000)), 1024, 1, int(draw.integers(1, 11)) * 100, ())
            for index in range(60)
        ]
        placed = pack_gpu(fleet, openb_demand(rows, fleet), scoring)
        assert (placed.used <= fleet.allocatable).all()
        assert (placed.device_used <= 1000).all()
        taken = sum(row[4] for row, node in zip(rows, placed.node, strict=True) if node >= 0)
        assert placed.device_used.sum() == taken
        assert taken > 0.8 * 24_000

    def test_packing_fills_shared_gpus_before_idle_ones(self) -> None:
        """Two halves share a GPU; a whole one opens the used node's other GPU before an idle node."""
        fleet = openb_fleet([("idle", 8000, 1024, 2, "T4"), ("used", 8000, 1024, 2, "T4")])
        rows = [("a", 1, 1, 1, 500, ()), ("b", 1, 1, 1, 500, ()), ("c", 1, 1, 1, 1000, ())]
        placed = pack_gpu(fleet, openb_demand(rows, fleet), "gpu-packing")
        assert len(set(placed.node.tolist())) == 1

    def test_clustering_keeps_kinds_of_pods_apart(self) -> None:
        """A pod of a whole GPU avoids the node of sharing pods while another one is idle."""
        fleet = openb_fleet([("one", 8000, 1024, 2, "T4"), ("two", 8000, 1024, 2, "T4")])
        rows = [("a", 1, 1, 1, 500, ()), ("b", 1, 1, 1, 1000, ()), ("c", 1, 1, 1, 400, ())]
        placed = pack_gpu(fleet, openb_demand(rows, fleet), "gpu-clustering")
        assert placed.node.tolist() == [0, 1, 0]

    def test_fgd_leaves_whole_gpus_to_those_that_need_them(self) -> None:
        """Half a GPU goes beside the other half, not onto the whole GPU that most pods ask for."""
        fleet = openb_fleet([("one", 64000, 1024, 1, "T4"), ("two", 64000, 1024, 1, "T4")])
        rows = [
            ("a", 1, 1, 1, 500, ()),
            ("b", 1, 1, 1, 500, ()),
            *[(f"w{n}", 1, 1, 1, 1000, ()) for n in range(5)],
        ]
        placed = pack_gpu(fleet, openb_demand(rows, fleet), "fgd")
        assert placed.node[0] == placed.node[1]
        assert int((placed.node >= 0).sum()) == 3

    @pytest.mark.shared
    @pytest.mark.parametrize(
        ("scoring", "published"),
        [("dot-product", 90.85), ("gpu-clustering", 91.88), ("gpu-packing", 92.0), ("gpu-best-fit", 93.08)],
    )
    def test_the_published_allocation_within_two_points(
        self, shared_dir: Path, scoring: GpuScoring, published: float
    ) -> None:
        """One draw of the default list at 130 % of the GPUs, beside the mean of the ten published."""
        folder = shared_dir / "data" / "openb"
        fleet = openb_fleet(read_openb_nodes(folder / "openb_node_list_gpu_node.csv"))
        pods = [row[:6] for row in read_openb_pods(folder / "openb_pod_list_default.csv")]
        drawn = resampled(openb_demand(pods, fleet), fleet, 130, 42)
        placed = pack_gpu(fleet, drawn, scoring)
        got = (drawn.device_count * drawn.device_milli)[placed.node >= 0].sum()
        assert 100 * got / (1000 * gpus(fleet)) == pytest.approx(published, abs=2)
