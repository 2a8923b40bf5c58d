"""A scenario of several nodes is refused by the one-node simulation, not answered wrongly."""

from pathlib import Path

import pytest

from qos.errors import InputError
from qos.experiment.simulate import load, simulate

SCENARIO = (Path(__file__).resolve().parents[2] / "scenarios" / "large-node.yaml").read_text()


def test_several_nodes_are_refused_with_file_and_field(tmp_path: Path) -> None:
    """Two nodes are one clear error that names the file and spec.nodes."""
    text = SCENARIO.replace(
        "    - apiVersion: v1\n      kind: Node\n", "    - apiVersion: v1\n      kind: Node\n      count: 2\n"
    )
    text = text.replace(
        "      spec:\n        containers:",
        "      spec:\n        nodeName: worker-96cpu-384gi-0\n        containers:",
    )
    path = tmp_path / "two.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=r"two\.yaml.*spec\.nodes: one node is simulated at a time"):
        simulate(load(path))
