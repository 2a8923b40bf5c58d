"""The demand of the simulator handed to real processes: both kernels are asked for the same work."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from qos.experiment.rig_network import PodNetworks
from qos.model.cgroup import CgroupName
from qos.model.workload import Workload

if TYPE_CHECKING:
    from enforcer.cgroupfs import CgroupFS
    from enforcer.load import LoadProcess
    from enforcer.load_pieces import CpuDemand, Kind
    from enforcer.work import Starter

_KINDS: Final[dict[str, Kind]] = {"spin": "spin", "requests": "requests", "batch": "batch"}
"""All other shapes are pieces of work submitted by the period."""


def cpu_demand(workload: Workload, seed: int, cgroup: CgroupName, starts: int) -> CpuDemand | None:
    """A workload's CPU shape as work for real processes: the arrivals and costs the simulator computes with.

    Where this machine's clock of CPU time has ticks (User Mode Linux), a steady rate comes in pieces of one.

    Args:
        workload: what is wanted.
        seed: of the scenario.
        cgroup: the leaf; its last two components are part of the seed.
        starts: how often it was started before.
    """
    from enforcer.load_cpu import COARSE_SECONDS, clock_step
    from enforcer.load_pieces import CpuDemand
    from qos.simulate.demand import demand_of, is_steady, seed_of

    if workload.cpu is None:
        return None
    key = 0
    if workload.cpu.shape == "random":  # its draws are compiled, and a guest takes seconds to import that
        from qos.simulate.step_draw import key_of

        key = key_of(seed, cgroup, starts)
    step = clock_step()
    tick = step if step >= COARSE_SECONDS else 0.0
    seeds = seed_of(seed, cgroup, starts)
    demand = demand_of(workload.cpu, seeds, fluid_period=0.0, key=key, tick_seconds=tick)
    whole = tick > 0.0 and is_steady(workload.cpu)
    return CpuDemand(_KINDS.get(workload.cpu.shape, "work"), demand.threads, demand.feed, whole)


def load_starter(
    fs: CgroupFS, *, seed: int, scratch: Path | None = None, networks: PodNetworks | None = None
) -> Starter:
    """What a :class:`enforcer.kernel.HostKernel` starts workloads with: the scenario's demand, for real.

    Args:
        fs: the tree.
        seed: of the scenario.
        scratch: directory on the disk that page cache and disk shapes are about.
        networks: of the pods whose workloads use one.
    """
    from enforcer.load import start_load

    starts: dict[CgroupName, int] = {}
    there = networks or PodNetworks()

    def start(name: CgroupName, path: str, workload: Workload, oom_score_adj: int) -> LoadProcess:
        nth = starts.get(name, 0)
        starts[name] = nth + 1
        demand = cpu_demand(workload, seed, name, nth)
        namespace, host, _, port = there.places.get(name, (None, "", "", 0))
        return start_load(
            fs, path, workload, demand, oom_score_adj=oom_score_adj, scratch=scratch,
            peer=None if namespace is None else (host, port), peers=there.peers(name, workload),
            joined=None if namespace is None else {"net": namespace},
        )  # fmt: skip

    return start
