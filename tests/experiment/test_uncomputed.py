"""What the simulated kernel does not compute is refused, not answered wrongly."""

from dataclasses import replace
from pathlib import Path

import pytest

from qos.errors import InputError
from qos.experiment.rig_network import check_network
from qos.experiment.simulate import load, simulate

SCENARIO = (Path(__file__).resolve().parents[2] / "scenarios" / "large-node.yaml").read_text()
NODE = "    - apiVersion: v1\n      kind: Node\n"
CPU = "      cpu: {shape: spin, threads: 96}\n"


def _refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "asked.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=rf"asked\.yaml.*{said}"):
        simulate(load(path))


def test_several_nodes(tmp_path: Path) -> None:
    """Two nodes are one clear error that names the file and spec.nodes."""
    text = SCENARIO.replace(NODE, f"{NODE}      count: 2\n").replace(
        "      spec:\n        containers:",
        "      spec:\n        nodeName: worker-96cpu-384gi-0\n        containers:",
    )
    _refused(tmp_path, text, r"spec\.nodes: events are simulated of one node")


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        (
            "io: {writePerSecond: 1Mi, direct: false}",
            r"spec\.workloads\[training\]\.io\.direct: .* is not simulated, got 'false'",
        ),
    ],
)
def test_traffic_that_would_be_left_out(tmp_path: Path, shape: str, said: str) -> None:
    """Buffered disk traffic is an error that names the workload and the field."""
    _refused(tmp_path, SCENARIO.replace(CPU, f"{CPU}      {shape}\n", 1), said)


def test_validate_refuses_a_link_that_only_the_simulator_has(tmp_path: Path) -> None:
    """A node's link and weights on it are not enforced, so measuring them would measure something else."""
    path = tmp_path / "scenario.yaml"
    text = SCENARIO.replace(CPU, f"{CPU}      network: {{egressBitsPerSecond: 8M}}\n", 1)
    path.write_text(text)
    scenario = load(str(path))
    linked = scenario.node.model_copy(update={"link_bits_per_second": 1_000_000_000})
    check_network(scenario)
    with pytest.raises(InputError, match="no link that pods share"):
        check_network(replace(scenario, nodes=(linked,)))
