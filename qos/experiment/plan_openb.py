"""The openb trace planned: its pods packed on its nodes, exact totals."""

from __future__ import annotations

from dataclasses import dataclass

from qos.capacity.fleet import Demand, Fleet
from qos.capacity.openb import gpus, openb_demand, openb_fleet, resampled
from qos.capacity.pack import SCORINGS, Placement, Scoring, pack
from qos.capacity.pack_gpu import GPU_SCORINGS, pack_gpu
from qos.errors import InputError
from qos.scenario.openb import read_openb_nodes, read_openb_pods


@dataclass(frozen=True, slots=True)
class FleetPlan:
    """The openb pods on the openb nodes; CPU in thousandths, memory in bytes."""

    nodes: int
    pods: int
    placed: int
    cpu_milli: int
    memory_bytes: int
    cpu_milli_wanted: int
    memory_bytes_wanted: int
    cpu_milli_placed: int
    memory_bytes_placed: int
    gpus: int
    gpu_milli_wanted: int
    gpu_milli_placed: int


def scoring_named(name: str) -> Scoring:
    """A scoring by its name.

    Raises:
        InputError: there is none.
    """
    if name not in SCORINGS:
        raise InputError("is no scoring", field="--scoring", value=name, expected=", ".join(SCORINGS))
    return SCORINGS[SCORINGS.index(name)]


def _placed(fleet: Fleet, demand: Demand, scoring: str, seed: int, percentage: int) -> Placement:
    """Placed by name; a resampled list as in the published experiments, all nodes scored."""
    if scoring in GPU_SCORINGS:
        return pack_gpu(fleet, demand, GPU_SCORINGS[GPU_SCORINGS.index(scoring)])
    if scoring not in SCORINGS:
        known = ", ".join([*SCORINGS, *GPU_SCORINGS])
        raise InputError("is no scoring", field="--scoring", value=scoring, expected=known)
    chosen = scoring_named(scoring)
    return pack(fleet, demand, chosen, seed=seed, percentage_of_nodes_to_score=percentage)


def plan_openb(
    nodes_file: str, pods_file: str, *, scoring: str, seed: int = 0, load: int | None = None
) -> FleetPlan:
    """The openb pods packed on the openb nodes.

    Args:
        nodes_file: the node table.
        pods_file: the pod table.
        scoring: one of qos.capacity.pack.SCORINGS or qos.capacity.pack_gpu.GPU_SCORINGS.
        seed: of the random order and the random scoring.
        load: resample the pods until they want this percentage of the GPUs; None: the list as it stands.

    Raises:
        InputError: a table is unreadable, or there is no such scoring.
    """
    fleet = openb_fleet(read_openb_nodes(nodes_file))
    demand = openb_demand([row[:6] for row in read_openb_pods(pods_file)], fleet)
    if load is not None and len(demand.names):
        demand = resampled(demand, fleet, load, seed)
    placement = _placed(fleet, demand, scoring, seed, 0 if load is None else 100)
    lie = placement.node >= 0
    wanted = demand.device_count * demand.device_milli
    asked, got = demand.requests.sum(axis=0).tolist(), demand.requests[lie].sum(axis=0).tolist()
    return FleetPlan(
        nodes=len(fleet.names),
        pods=len(demand.names),
        placed=placement.placed,
        cpu_milli=fleet.total("cpu"),
        memory_bytes=fleet.total("memory"),
        cpu_milli_wanted=asked[0],
        memory_bytes_wanted=asked[1],
        cpu_milli_placed=got[0],
        memory_bytes_placed=got[1],
        gpus=gpus(fleet),
        gpu_milli_wanted=int(wanted.sum()),
        gpu_milli_placed=int(wanted[lie].sum()),
    )
