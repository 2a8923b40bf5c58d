"""Tests of qos.policy.decisions.cpu_assignment and cpu_manager beside the golden vectors."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qos.errors import InputError, PlanError
from qos.model.node import Node
from qos.model.pod import Pod
from qos.model.profile import Profile
from qos.model.qos_class import QOSClass
from qos.policy.decisions.cpu_assignment import AssignmentOptions, assign_cpus
from qos.policy.decisions.cpu_manager import StaticOptions, assign_pods, container_cpusets
from qos.policy.decisions.cpu_topology import Cpu, CpuTopology, parse_lscpu, uniform_topology
from qos.policy.registry import find_policy, plan_node

_topologies = st.builds(
    uniform_topology, st.integers(1, 3), st.integers(1, 3), st.integers(1, 4), st.integers(1, 2)
)
_options = st.builds(AssignmentOptions, st.booleans(), st.booleans(), st.booleans(), st.sampled_from([1, 2]))


@given(st.data(), _topologies, _options)
def test_exactly_as_many_of_the_available_cpus(
    data: st.DataObject, topology: CpuTopology, options: AssignmentOptions
) -> None:
    """Whatever is free and however it is chosen, the answer is that many different free CPUs."""
    free = data.draw(st.sets(st.sampled_from(sorted(topology.cpus)), min_size=1))
    count = data.draw(st.integers(0, len(free)))
    taken = assign_cpus(topology, free, count, options)
    assert len(taken) == len(set(taken)) == count
    assert set(taken) <= free
    assert list(taken) == sorted(taken)


@given(_topologies, _options, st.integers(1, 50))
def test_more_than_there_are_is_refused(topology: CpuTopology, options: AssignmentOptions, over: int) -> None:
    """One sentence says how many were asked for and how many there are."""
    count = len(topology.cpus) + over
    with pytest.raises(PlanError, match=f"requested={count}, available={len(topology.cpus)}"):
        assign_cpus(topology, topology.cpus, count, options)


@given(_topologies, st.data())
def test_packed_breaks_at_most_one_core_of_an_idle_machine(
    topology: CpuTopology, data: st.DataObject
) -> None:
    """On an idle machine whole cores are taken; at most one core is shared with somebody else."""
    count = data.draw(st.integers(1, len(topology.cpus)))
    taken = set(assign_cpus(topology, topology.cpus, count))
    broken = [
        core
        for core in topology.parts("core", taken)
        if not topology.inside("core", core, topology.cpus) <= taken
    ]
    assert len(broken) <= 1


@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 4), st.data())
def test_distributed_gives_nodes_equal_parts(
    sockets: int, numa: int, cores: int, data: st.DataObject
) -> None:
    """On an idle machine no chosen NUMA node gives more than one CPU more than another."""
    topology = uniform_topology(sockets, numa, cores, 1)
    count = data.draw(st.integers(1, len(topology.cpus)))
    taken = assign_cpus(topology, topology.cpus, count, AssignmentOptions(across_numa=True))
    parts = [len(topology.inside("numa", node, taken)) for node in topology.parts("numa", taken)]
    assert max(parts) - min(parts) <= 1


def test_a_topology_names_each_cpu_once() -> None:
    """A CPU that is listed twice, or no CPU at all, is bad input."""
    for cpus in ([Cpu(0, 0), Cpu(0, 1)], []):
        with pytest.raises(InputError):
            CpuTopology(cpus)


def _pod(name: str, *cpus: str, init: str = "") -> Pod:
    def container(index: object, amount: str) -> dict[str, object]:
        return {"name": f"c{index}", "resources": {"requests": {"cpu": amount}, "limits": {"cpu": amount}}}

    spec: dict[str, object] = {"containers": [container(index, one) for index, one in enumerate(cpus)]}
    if init:
        spec["initContainers"] = [container("i", init)]
    return Pod.model_validate({"metadata": {"name": name}, "spec": spec})


class TestCpuManager:
    def test_whole_requests_of_guaranteed_pods_are_exclusive(self) -> None:
        """Whole CPUs of a Guaranteed pod are its own, a fraction or another class shares the rest."""
        machine = uniform_topology(1, 1, 4)
        pods = [
            (_pod("a", "2", "500m"), QOSClass.GUARANTEED),
            (_pod("b", "2"), QOSClass.BURSTABLE),
        ]
        assigned = assign_pods(pods, machine, reserved=2)
        assert assigned.exclusive == {("default", "a", "c0"): (2, 3)}
        assert assigned.shared == (0, 1, 4, 5, 6, 7)

    def test_an_init_containers_cpus_are_used_again(self) -> None:
        """A pod with an init container of 6 CPUs and one of 6 fits 8 CPUs with 2 reserved."""
        machine = uniform_topology(1, 1, 4)
        assigned = assign_pods([(_pod("a", "6", init="6"), QOSClass.GUARANTEED)], machine, reserved=[0, 1])
        assert not assigned.refused
        assert assigned.exclusive["default", "a", "c0"] == (2, 3, 4, 5, 6, 7)
        assert assigned.shared == (0, 1)

    def test_full_cores_only_refuses_half_a_core(self) -> None:
        """With full-pcpus-only an odd number of threads is refused, and said so."""
        machine = uniform_topology(1, 1, 4)
        options = StaticOptions(full_pcpus_only=True)
        assigned = assign_pods([(_pod("a", "3"), QOSClass.GUARANTEED)], machine, [0, 1], options)
        assert assigned.refused == {
            ("default", "a", "c0"): "SMT Alignment Error: requested 3 cpus not multiple cpus per core = 2"
        }

    def test_reserved_cpus_are_never_exclusive(self) -> None:
        """A container that would need a reserved CPU is refused."""
        machine = uniform_topology(1, 1, 2)
        assigned = assign_pods([(_pod("a", "3"), QOSClass.GUARANTEED)], machine, [0, 1])
        assert ("default", "a", "c0") in assigned.refused
        assert assigned.shared == (0, 1, 2, 3)


class TestTopologyOfThisMachine:
    def test_lscpus_columns_are_read(self) -> None:
        """Two sockets with one core of two threads each, and an offline CPU that has no core."""
        text = (
            "# The following is the parsable format, which can be fed to other\n"
            "# CPU,Core,Socket,Node,,L1d,L1i,L2,L3\n"
            "0,0,0,0,,0,0,0,0\n1,1,1,1,,1,1,1,1\n2,0,0,0,,0,0,0,0\n3,1,1,1,,1,1,1,1\n4,,,\n"
        )
        topology = parse_lscpu(text)
        assert topology.cpus == {
            0: Cpu(0, 0, 0, 0, 0), 1: Cpu(1, 1, 1, 1, 1), 2: Cpu(2, 0, 0, 0, 0), 3: Cpu(3, 1, 1, 1, 1),
        }  # fmt: skip
        assert assign_cpus(topology, topology.cpus, 2) == (0, 2)

    @pytest.mark.parametrize("text", ["", "0,0,0,0\n", "# CPU,Core\nx,0\n"])
    def test_what_is_not_lscpus_output_is_refused(self, text: str) -> None:
        """Bad input, in one sentence."""
        with pytest.raises(InputError):
            parse_lscpu(text)

    def test_every_container_gets_a_cpuset(self) -> None:
        """The Guaranteed container its own CPUs, the other what is left; together the whole machine."""
        node = Node.model_validate({"status": {"capacity": {"cpu": "8", "memory": "8Gi"}}})
        resources = {"requests": {"cpu": "2", "memory": "1Gi"}, "limits": {"cpu": "2", "memory": "1Gi"}}
        own = Pod.model_validate(
            {"metadata": {"name": "own"}, "spec": {"containers": [{"name": "c", "resources": resources}]}}
        )
        rest = Pod.model_validate({"metadata": {"name": "rest"}, "spec": {"containers": [{"name": "c"}]}})
        details = plan_node(find_policy("kubelet"), [own, rest], node, Profile())
        classed = [(one.pod, one.qos_class) for one in details.pods]
        assignment = assign_pods(classed, uniform_topology(1, 1, 4), reserved=1)
        cpusets = container_cpusets(details.pods, assignment)
        assert list(cpusets.values()) == ["2-3", "0-1,4-7"]
