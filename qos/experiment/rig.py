"""What a scenario needs of a real machine beside cgroups: a disk to use up that is like its node's.

In a guest of the lab the disk is ``$QOS_LAB_DISK``; elsewhere files are made in ``$TMPDIR``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from qos.model.cgroup import CgroupSpec
from qos.model.plan import Plan
from qos.model.workload import Workload
from qos.scenario.scenario import Scenario

if TYPE_CHECKING:
    from enforcer.cgroupfs import CgroupFS

_LOADS_MIB: Final = 1024
"""Room for the files of several loads that do direct I/O; what is not written takes no space."""

_DISK_VARIABLE: Final = "QOS_LAB_DISK"
_BY_DEVICE: Final = ("io_max", "io_weight", "io_latency")


@dataclass(frozen=True, slots=True)
class Rig:
    """A machine made ready.

    Attributes:
        scratch: where loads make files.
        devices: the node's devices → those of this machine.
    """

    scratch: Path | None = None
    devices: Mapping[str, str] = field(default_factory=dict)

    def plan(self, plan: Plan) -> Plan:
        """The plan with this machine's devices in it."""
        specs = {name: _on(spec, self.devices) for name, spec in plan.cgroups.items()}
        return Plan.of(specs, plan.oom_score_adj)


def needs_disk(scenario: Scenario) -> bool:
    """Whether some workload uses a disk, or files through the page cache."""
    return any(_uses_files(workload) for workload in scenario.demand.values())


def disk_mib(scenario: Scenario) -> int:
    """How large a guest's disk must be for all files that loads make there; 0 where none makes any.

    A file of 1 GiB to be read through the page cache: 1024 + 1.25 · 1024 = 2304 MiB.
    """
    if not needs_disk(scenario):
        return 0
    cached = (load.memory.cache for load in scenario.demand.values() if load.memory is not None)
    files = sum(cache.file.value() for cache in cached if cache is not None)
    return _LOADS_MIB + int(1.25 * files / (1 << 20))


@contextmanager
def rig_of(scenario: Scenario, fs: CgroupFS) -> Iterator[Rig]:
    """This machine made ready for a scenario, and as it was afterwards.

    Raises:
        HostError: there is no file system to be made, or no io.cost here.
    """
    temporary = Path(os.environ["TMPDIR"]) if "TMPDIR" in os.environ else None
    disk = os.environ.get(_DISK_VARIABLE)
    if disk is None or temporary is None or not needs_disk(scenario):
        yield Rig(temporary)
        return
    from enforcer.disk import device_of, file_system, io_cost
    from qos.model.node import Disk

    device = device_of(Path(disk))
    node_disk = (scenario.node.disks or (Disk(),))[0]
    with ExitStack() as opened:
        folder = opened.enter_context(file_system(Path(disk), temporary / "disk"))
        if node_disk.io_cost:
            opened.enter_context(io_cost(fs, device, node_disk))
        yield Rig(folder, {node_disk.device: device})


def _uses_files(workload: Workload) -> bool:
    return workload.io is not None or (workload.memory is not None and workload.memory.cache is not None)


def _on(spec: CgroupSpec, devices: Mapping[str, str]) -> CgroupSpec:
    changed = {
        knob: {devices.get(key, key): value for key, value in lines.items()}
        for knob in _BY_DEVICE
        if (lines := getattr(spec, knob)) is not None
    }
    return spec.model_copy(update=changed) if changed else spec
