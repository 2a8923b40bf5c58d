"""A watch beside other runs of qos, on a real kernel: newer wins, and the machine's memory is seen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from applying import enforcer_of, plan_of

from enforcer.cgroupfs import CgroupFS
from enforcer.kernel import HostKernel
from enforcer.place import memory_bytes
from enforcer.procfs import ProcFS
from qos.agent.reading import Reading
from qos.errors import SupersededError
from qos.experiment.desired import Desired, read_asked
from qos.experiment.enforce import Choice, Host
from qos.experiment.status import statuses
from qos.experiment.watch import watch
from qos.model.cgroup import ROOT

POD = """
apiVersion: v1
kind: Pod
metadata: {{name: {name}}}
spec:
  restartPolicy: OnFailure
  containers:
  - name: app
    command: [sh, -c, "{script}"]
    resources: {{requests: {{cpu: {cpu}}}}}
---
"""


@pytest.fixture
def host(fs: CgroupFS, tmp_path: Path) -> Iterator[Host]:
    """This guest, in a cgroup of the test's own; everything is given back in the end."""
    with Host(fs.root, tmp_path / "state") as one:
        yield one
        one.delete(Choice(everything=True), kill=True)
    assert fs.children() == ()


def _wanted(host: Host, folder: Path, **pods: tuple[str, str]) -> Desired:
    manifest = folder / "pods.yaml"
    manifest.write_text(
        "".join(POD.format(name=name, cpu=cpu, script=script) for name, (cpu, script) in pods.items())
    )
    return host.desired(read_asked([manifest]), prune=True)


class _Elsewhere:
    """Another run of qos, as soon as the watch tells of its first event."""

    def __init__(self, do: object) -> None:
        self.told: list[str] = []
        self._do = do

    def __call__(self, line: str) -> None:
        self.told.append(line)
        if callable(self._do):
            do, self._do = self._do, None
            do()


def test_a_newer_apply_is_kept_not_undone(host: Host, fs: CgroupFS, tmp_path: Path) -> None:
    """The watch takes the newer state over, starts its new pod, and learns how the older one ends."""
    wanted = _wanted(host, tmp_path, web=("100m", "sleep 6"), job=("50m", "exit 0"))
    host.apply(wanted)
    newer = _wanted(host, tmp_path, web=("300m", "sleep 6"), more=("50m", "exec sleep 1000"))

    def apply() -> None:
        with Host(fs.root, tmp_path / "state") as other:
            other.apply(newer)

    tell = _Elsewhere(apply)
    watch(host, wanted, (), tell, logs=tmp_path / "logs", run=True, seconds=12, repair_seconds=1.0)
    (line,) = (line for line in tell.told if "another run applied" in line)
    assert "new pod/default/more; changed pod/default/web; gone pod/default/job" in line
    assert host.kept().pods.keys() == newer.pods.keys()
    assert not host.diff(host.kept()).differs
    cgroups = {each.pod.name: each.cgroup for each in newer.details.pods}
    assert fs.is_populated(cgroups["more"])
    known = statuses(host.objects())
    assert known["default/web:app"].exit_code == 0, "started before, its end is still known"
    assert known["default/web:app"].restarts == 0


def test_when_all_is_deleted_the_watch_ends(host: Host, fs: CgroupFS, tmp_path: Path) -> None:
    """It makes nothing again and says why it stops, long before its time."""
    wanted = _wanted(host, tmp_path, job=("50m", "exit 0"))
    host.apply(wanted)

    def delete() -> None:
        with Host(fs.root, tmp_path / "state") as other:
            other.delete(Choice(everything=True), kill=True)

    tell = _Elsewhere(delete)
    watch(host, wanted, (), tell, logs=tmp_path / "logs", run=True, seconds=300, repair_seconds=1.0)
    assert tell.told[-1].startswith("another run deleted all pods")
    assert fs.children() == ()


def test_nothing_is_written_over_a_newer_record(fs: CgroupFS, tmp_path: Path) -> None:
    """The kernel of a watch refuses to begin, to repair and to change once the record is another's."""
    plan = plan_of({"pods": {"memory.max": "67108864"}})
    current = {"is": True}
    with HostKernel(fs, enforcer_of(fs, tmp_path / "s"), plan, only_if=lambda _: current["is"]) as kernel:
        fs.write("pods", "memory.max", "33554432")
        current["is"] = False
        with pytest.raises(SupersededError):
            kernel.repair()
        with pytest.raises(SupersededError):
            kernel.apply(())
        assert fs.read("pods", "memory.max") == "33554432\n"
        current["is"] = True
        assert [each.file for each in kernel.repair()] == ["memory.max"]
    enforcer_of(fs, tmp_path / "s").delete()


def test_the_eviction_agent_sees_the_whole_machine(fs: CgroupFS, tmp_path: Path) -> None:
    """With the node's row, memory in use is the machine's (MemTotal less MemFree), not the pods' only."""
    with HostKernel(
        fs, enforcer_of(fs, tmp_path / "s"), plan_of({"pods": {}}), node=ProcFS().node_columns
    ) as kernel:
        kernel.advance(0.1)
        reading = Reading(kernel.read())
    used = reading.node_working_set_bytes()
    assert used is not None
    assert 8 * 2**20 < used < memory_bytes()
    assert used > (reading.working_set_bytes("pods") or 0)  # type: ignore[arg-type]
    assert (reading.value("pids_current", ROOT) or 0) > 1
    enforcer_of(fs, tmp_path / "s").delete()
