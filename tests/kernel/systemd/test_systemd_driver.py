"""The systemd driver with systemd as PID 1: values are properties, so a daemon-reload keeps them."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from conftest import wait_until

from enforcer.cgroupfs import CgroupFS
from enforcer.controllers import enable
from enforcer.layout import INSIDE, Layout
from enforcer.systemd import SystemdFS
from enforcer.systemd_bus import SystemdBus, SystemdError
from qos.errors import CgroupError
from qos.model.cgroup import CgroupName

POD = CgroupName("qostest/burstable/pod-a")
WEB = CgroupName("qostest/burstable/pod-a/web")
LAYOUT = Layout("systemd")
VALUES = {
    "cpu.weight": "39",
    "cpu.max": "50000 100000",
    "memory.min": "1048576",
    "memory.low": "2097152",
    "memory.high": "max",
    "memory.max": "67108864",
    "memory.swap.max": "0",
    "pids.max": "17",
    "cpuset.cpus": "0",
    "cpu.max.burst": "1000",
    "hugetlb.2MB.max": "0",
    "memory.oom.group": "1",
}


@pytest.fixture
def pod(bus):
    """A pod's slice; everything is stopped after the test."""
    with SystemdFS(bus) as fs:
        for name in ("qostest", "qostest/burstable", POD):
            fs.create(LAYOUT.path(CgroupName(name)))
        yield fs
    bus.stop("qostest.slice")


@pytest.fixture
def web(pod):
    """The path of a container's service in the pod."""
    path = LAYOUT.path(WEB)
    pod.create(path)
    return path


@pytest.fixture
def sleeper():
    """A process of its own, killed after the test."""
    process = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"])
    yield process
    process.kill()
    process.wait()


class TestSlices:
    def test_create_and_remove_are_those_of_the_plain_door(self, pod):
        """Twice is harmless; what is stopped is gone from the tree."""
        path = LAYOUT.path(POD)
        assert pod.exists(path)
        assert pod.create(path) is False
        assert pod.remove(path) is True
        assert not pod.exists(path)
        assert pod.remove(path) is False

    def test_the_place_is_the_one_the_layout_names(self, pod, bus):
        """Layout and systemd agree on where a slice is."""
        assert LAYOUT.path(POD) == "qostest.slice/qostest-burstable.slice/qostest-burstable-pod_a.slice"
        assert bus.is_active("qostest-burstable-pod_a.slice")
        assert pod.children("qostest.slice") == ("qostest-burstable.slice",)

    def test_a_place_systemd_would_not_use_is_refused(self, pod):
        """A slice cannot be made outside the slices its name says."""
        with pytest.raises(CgroupError, match=r"systemd puts .* elsewhere"):
            pod.create("qostest.slice/elsewhere.slice")


class TestValues:
    def test_every_value_survives_a_daemon_reload(self, pod, bus):
        """What was set before is read after, file by file; the one systemd resets of a slice is known."""
        path = LAYOUT.path(POD)
        wanted = {file: text for file, text in VALUES.items() if file.partition(".")[0] in pod.controllers()}
        enable(pod, path, {file.partition(".")[0] for file in wanted})
        for file, text in wanted.items():
            pod.write(path, file, text)
        there = {file for file in wanted if pod.exists(path, file)}
        before = {file: pod.read(path, file).strip() for file in there}
        assert before == {file: wanted[file] for file in there}
        bus.reload()
        after = {file: pod.read(path, file).strip() for file in there}
        assert {file for file in there if after[file] != before[file]} == {
            file for file in there if SystemdFS.resets(path, file)
        }

    def test_a_file_written_behind_its_back_is_reverted(self, pod, bus):
        """The reason for all this: a plain write is gone after a daemon-reload."""
        path = LAYOUT.path(POD)
        pod.write(path, "cpu.weight", "39")
        (pod.root / path / "cpu.weight").write_text("500")
        bus.reload()
        assert pod.read(path, "cpu.weight") == "39\n"

    def test_a_disk_limit_survives_too(self, pod, bus, block_device):
        """io.max of a device is four properties of the unit."""
        path = LAYOUT.path(POD)
        pod.write(path, "io.max", f"{block_device} rbps=1048576 wiops=50")
        bus.reload()
        assert pod.read(path, "io.max") == f"{block_device} rbps=1048576 wbps=max riops=max wiops=50\n"

    def test_a_quota_systemd_would_round_is_refused(self, pod):
        """111 ms of a second is not whole percents: systemd would make it 110 at the next reload."""
        with pytest.raises(CgroupError, match="whole percents"):
            pod.write(LAYOUT.path(POD), "cpu.max", "1110 10000")

    def test_no_limit_is_a_property_too(self, pod, bus):
        """The word max lifts a limit and stays lifted, while another value keeps the controller on."""
        path = LAYOUT.path(POD)
        pod.write(path, "cpu.weight", "39")
        for text in ("50000 100000", "max 100000"):
            pod.write(path, "cpu.max", text)
        for text in ("33554432", "max"):
            pod.write(path, "memory.max", text)
        bus.reload()
        assert pod.read(path, "cpu.max") == "max 100000\n"
        assert pod.read(path, "memory.max") == "max\n"

    def test_nonsense_is_refused_before_systemd_sees_it(self, pod):
        """A text that is no value names the file."""
        with pytest.raises(CgroupError, match=r"memory\.max.*no value of this file"):
            pod.write(LAYOUT.path(POD), "memory.max", "lots")


class TestContainers:
    def test_a_container_is_a_service_that_runs_nothing(self, pod, web, bus):
        """It is active and its cgroup is there without a process, with what the pod's slice offers."""
        assert web.endswith("-pod_a.slice/qostest-burstable-pod_a-web.service")
        assert bus.is_active("qostest-burstable-pod_a-web.service")
        assert not pod.is_populated(web)
        assert pod.controllers(web) >= {"cpu", "io", "memory", "pids"}
        assert pod.read(web, "pids.max") == "max\n"
        assert pod.create(web) is False
        assert pod.children(web) == ()
        assert pod.remove(web) is True
        assert not pod.exists(web)

    def test_every_value_survives_a_daemon_reload_and_a_reexec(self, pod, web, bus):
        """Each file of a container reads as before; what would be reverted of a slice is kept here."""
        wanted = {file: text for file, text in VALUES.items() if pod.exists(web, file)}
        assert "memory.oom.group" in wanted
        for file, text in wanted.items():
            pod.write(web, file, text)
        before = {file: pod.read(web, file).strip() for file in wanted}
        assert before == wanted
        bus.reload()
        assert {file: pod.read(web, file).strip() for file in wanted} == before
        subprocess.run(["systemctl", "daemon-reexec"], check=True)
        with SystemdBus() as again:  # answers once systemd is there again
            assert again.is_active("qostest-burstable-pod_a-web.service")
        assert {file: pod.read(web, file).strip() for file in wanted} == before

    def test_its_processes_live_inside_it_and_stay_at_a_reload(self, pod, web, bus, sleeper):
        """The unit's limits hold for them; the unit stays when the last one has gone."""
        pod.write(web, "cgroup.procs", str(sleeper.pid))
        with CgroupFS() as tree:
            assert tree.procs(LAYOUT.processes_path(WEB)) == (sleeper.pid,)
        bus.reload()
        assert pod.procs(web) == (sleeper.pid,)
        with pytest.raises(CgroupError, match="still holds processes"):
            pod.remove(web)
        sleeper.send_signal(signal.SIGKILL)
        sleeper.wait()
        wait_until(lambda: not pod.is_populated(web), "the container is empty")
        bus.reload()
        assert bus.is_active("qostest-burstable-pod_a-web.service")
        assert pod.procs(web) == ()

    def test_an_oom_kill_after_a_reload_takes_the_group(self, pod, web, bus):
        """The limit is the service's, the group inside it: both processes die, the unit stays."""
        pod.write(web, "memory.max", "33554432")
        pod.write(web, "memory.swap.max", "0")
        pod.write(web, "memory.oom.group", "1")
        bus.reload()
        sleeper = subprocess.Popen(inside(pod, web, "time.sleep(600)"))
        hog = subprocess.Popen(inside(pod, web, "x = bytearray(b'x') * (64 << 20); time.sleep(600)"))
        assert hog.wait() == -signal.SIGKILL
        assert sleeper.wait() == -signal.SIGKILL
        assert "oom_group_kill 1" in pod.read(web, "memory.events")
        assert bus.is_active("qostest-burstable-pod_a-web.service")
        assert pod.read(web, "memory.max") == "33554432\n"


def inside(fs, cgroup, code):
    """A command that moves itself into a container and then does something."""
    procs = fs.root / cgroup / INSIDE / "cgroup.procs"
    return [sys.executable, "-S", "-c", f"import time; open({str(procs)!r}, 'w').write('0'); {code}"]


class TestBus:
    def test_a_refusal_says_what_was_asked(self, bus):
        """An unknown property is named."""
        with pytest.raises(SystemdError, match=r"StartTransientUnit qostest-x\.slice: .*NoSuchProperty"):
            bus.start("qostest-x.slice", [("NoSuchProperty", ("t", 1))])

    def test_the_version_is_told(self, bus):
        """A number first."""
        assert int(bus.version().partition(".")[0]) >= 247
