"""Applied pods whose containers have commands, on a real kernel."""

from __future__ import annotations

from pathlib import Path

from conftest import wait_until

from enforcer import network
from enforcer.cgroupfs import CgroupFS
from enforcer.procfs import ProcFS
from qos.experiment.desired import read_asked
from qos.experiment.enforce import Choice, Host
from qos.experiment.launch_pods import launch_pods

MANIFEST = """
apiVersion: v1
kind: Pod
metadata:
  name: web
  annotations: {kubernetes.io/egress-bandwidth: 10M}
spec:
  containers:
  - name: app
    command: [sleep, "1000"]
    resources: {requests: {cpu: 100m, memory: 32Mi}}
  - name: log
    command: [sh, -c, "echo $(GREETING); exec sleep 1000"]
    env: [{name: GREETING, value: hello}]
"""


def test_containers_of_a_pod_run_in_their_cgroups_and_share_a_network(fs: CgroupFS, tmp_path: Path) -> None:
    """Each in its own cgroup, one network, limited as annotated, logged; a second time nothing starts."""
    manifest = tmp_path / "pod.yaml"
    manifest.write_text(MANIFEST)
    with Host(fs.root, tmp_path / "state") as host:
        wanted = host.desired(read_asked([manifest]))
        host.apply(wanted)
        started = launch_pods(host, wanted, tmp_path / "logs")
        assert sorted(started) == ["default/web:app", "default/web:log"]
        proc = ProcFS()
        for container in wanted.details.pods[0].containers:
            pid = started[f"default/web:{container.container.name}"]
            assert fs.procs(host.path(container.cgroup)) == (pid,)
            assert proc.read(pid, "oom_score_adj") == f"{container.oom_score_adj.value}\n".encode()
        inodes = {Path(f"/proc/{pid}/ns/net").stat().st_ino for pid in started.values()}
        assert len(inodes) == 1
        assert inodes != {Path("/proc/self/ns/net").stat().st_ino}
        log = tmp_path / "logs" / "default_web" / "log.0.log"
        wait_until(lambda: log.read_text() == "hello\n", "the container has said hello")
        link = network.read("default/web", started["default/web:app"])
        assert link is not None
        assert link.bandwidth.egress_bits == 10_000_000
        assert launch_pods(host, wanted, tmp_path / "logs") == {}
        host.delete(Choice(everything=True), kill=True)
    assert fs.children() == ()
