"""`qos explain --before`: what an injected sidecar changes, and lint on the terminal."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

Run = Callable[..., CompletedProcess[str]]

POD = """\
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
    - name: app
      image: app
      resources: {limits: {cpu: "1", memory: 512Mi}}
"""
INJECTED = (
    POD
    + """\
  initContainers:
    - name: proxy
      image: proxy
      restartPolicy: Always
      resources: {requests: {cpu: 100m, memory: 64Mi}}
"""
)


@pytest.fixture
def manifests(tmp_path: Path) -> Path:
    """before.yaml and after.yaml, which has a sidecar without limits."""
    (tmp_path / "before.yaml").write_text(POD)
    (tmp_path / "after.yaml").write_text(INJECTED)
    return tmp_path


@pytest.mark.usefixtures("manifests")
class TestInjection:
    def test_the_class_the_limits_and_the_kill_order_are_told(self, qos: Run) -> None:
        """The pod loses its class and its limits, its container the protection from the OOM killer."""
        ran = qos("explain", "-f", "after.yaml", "--before", "before.yaml")
        assert ran.returncode == 0
        lines = ran.stdout.splitlines()
        assert lines[0] == "default/web  Guaranteed → Burstable  Pod"
        assert "  added   proxy" in lines
        assert any(line.split() == ["memory.max", "536870912", "→", "not", "written"] for line in lines)
        assert any(line.split()[:3] == ["oom_score_adj", "-997", "→"] for line in lines)
        assert max(map(len, lines)) <= 120

    def test_the_machine_form_has_both_versions(self, qos: Run) -> None:
        """Class, files and CPU before and after, as data."""
        ran = qos("explain", "-f", "after.yaml", "--before", "before.yaml", "-o", "json")
        (change,) = json.loads(ran.stdout)["changes"]
        assert change["qosClass"] == {"before": "Guaranteed", "after": "Burstable"}
        assert change["injected"] == ["proxy"]
        assert change["files"]["cpu.max"] == {"before": "100000 100000", "after": None}
        assert change["requests"]["cpu"] == {"before": "1", "after": "1100m"}

    def test_nothing_changes(self, qos: Run) -> None:
        """The same input twice says so, and counts what stays."""
        ran = qos("explain", "-f", "before.yaml", "--before", "before.yaml")
        assert ran.stdout.splitlines()[:2] == ["Nothing changes.", "1 pod stays as it is."]

    @pytest.mark.parametrize(
        ("words", "told"),
        [
            (("--before", "nowhere.yaml"), "nowhere.yaml: cannot be read"),
            (("--before", "before.yaml", "-o", "csv"), "--before is printed as"),
            (("--before", "before.yaml", "--profile", "1.33..1.36"), "not both"),
        ],
    )
    def test_what_cannot_be_compared_is_exit_2(self, qos: Run, words: tuple[str, ...], told: str) -> None:
        """A missing file or options that contradict each other: a sentence, nothing on stdout."""
        ran = qos("explain", "-f", "after.yaml", *words)
        assert (ran.returncode, ran.stdout) == (2, "")
        assert told in ran.stderr
        assert "Traceback" not in ran.stderr


def test_explain_says_what_lint_finds(qos: Run, tmp_path: Path) -> None:
    """A limit of 3m gets 10m, and the fix stands beside it; a plain pod has no such line."""
    (tmp_path / "tiny.yaml").write_text(POD.replace('"1"', "3m"))
    (tmp_path / "fine.yaml").write_text(POD)
    told = " ".join(qos("explain", "-f", "tiny.yaml").stdout.split())
    assert "mind app: a cpu limit of 3m is 300 usec of quota, but the least is 1000: it gets 10m" in told
    assert "  mind  " not in qos("explain", "-f", "fine.yaml").stdout
