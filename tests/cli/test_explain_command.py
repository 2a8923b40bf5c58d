"""`qos explain` as a user runs it."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from qos import explain

Run = Callable[..., subprocess.CompletedProcess[str]]

SHOP = """\
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: shop, labels: {app: db}}
spec:
  containers:
    - name: postgres
      resources:
        limits: {cpu: 1, memory: 2Gi}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 3
  template:
    metadata: {labels: {app: web}}
    spec:
      initContainers:
        - name: setup
          resources: {limits: {cpu: 500m}}
        - name: proxy
          restartPolicy: Always
      containers:
        - name: server
          resources:
            requests: {cpu: 500m, memory: 256Mi}
            limits: {cpu: 1, memory: 512Mi}
---
apiVersion: v1
kind: Service
metadata: {name: web}
"""
NODE = """\
apiVersion: v1
kind: Node
metadata: {name: worker}
status: {capacity: {cpu: 4, memory: 8Gi, pods: 110}}
---
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
kubeReserved: {cpu: 100m, memory: 512Mi}
podPidsLimit: 1000
cpuCFSQuotaPeriod: 50ms
singleProcessOOMKill: true
"""


@pytest.fixture(autouse=True)
def _files(tmp_path: Path) -> None:
    """shop.yaml: a Guaranteed pod, a Burstable Deployment, a Service; node.yaml: a node and its kubelet."""
    (tmp_path / "shop.yaml").write_text(SHOP)
    (tmp_path / "node.yaml").write_text(NODE)


class TestTable:
    def test_class_and_reason_come_first(self, qos: Run) -> None:
        """Name and class, why, the change, what is sure, the place; then files with formulas."""
        ran = qos("explain", "-f", "shop.yaml", "--node", "node.yaml", "-l", "app=web")
        assert ran.returncode == 0
        lines = ran.stdout.splitlines()
        assert lines[0] == "shop/web  Burstable  Deployment, 3 replicas"
        assert lines[1] == "  why     init container `setup` has no memory limit"
        assert lines[2].startswith("  change  set limits.memory of init container `setup`; ")
        assert any(line.startswith("  sure    ") and "of 4 CPUs" in line for line in lines)
        assert "  from    shop.yaml:10" in lines
        text = " ".join(ran.stdout.split())
        assert "cpu.weight 20 pod requests 500m → 512 shares → 1 + (512 - 2) · 9999 / 262142 = 20" in text
        assert "cpu.max 50000 50000" in text
        assert "pids.max 1000" in text
        assert "…/setup (init)" in text
        assert "…/proxy (sidecar)" in text
        assert "memory.oom.group" not in text
        assert "On node worker (4 CPUs, 8Gi)" in text

    def test_it_fits_a_terminal_of_80_columns(self, qos: Run) -> None:
        """No line of the usual form is wider than the terminal, but for names that cannot be broken."""
        ran = qos("explain", "-f", "shop.yaml")
        assert max(len(line) for line in ran.stdout.splitlines() if "kubepods/" not in line) <= 80
        wide = qos("explain", "-f", "shop.yaml", "-o", "wide")
        assert max(len(line) for line in wide.stdout.splitlines()) > 80
        assert "hugetlb.2MB.max" in wide.stdout
        assert "hugetlb" not in ran.stdout

    def test_colours_are_for_terminals_without_no_color(self, tmp_path: Path) -> None:
        """Escape codes on a terminal; none with NO_COLOR there, none in a pipe."""
        program = [str(Path(sys.executable).with_name("qos")), "explain", "-f", str(tmp_path / "shop.yaml")]
        plain = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
        assert "\x1b[" in _on_terminal(program, plain)
        assert "\x1b[" not in _on_terminal(program, plain | {"NO_COLOR": "1"})
        piped = subprocess.run(program, capture_output=True, text=True, env=plain, check=True)
        assert "\x1b[" not in piped.stdout


def _on_terminal(program: list[str], environment: dict[str, str]) -> str:
    """What a program prints when its stdout is a terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(program, stdout=theirs, stderr=subprocess.DEVNULL, env=environment):
        os.close(theirs)
        chunks = []
        while True:
            try:
                chunk = os.read(ours, 65536)
            except OSError:  # Linux says EIO when the other end is closed
                break
            if not chunk:
                break
            chunks.append(chunk)
    os.close(ours)
    return b"".join(chunks).decode()


class TestMachineForms:
    def test_json_has_the_shape_that_is_kept_stable(self, qos: Run) -> None:
        """The keys that scripts rely on, and file values as the kernel would be written them."""
        ran = qos("explain", "-f", "shop.yaml", "--node", "node.yaml", "-o", "json")
        data = json.loads(ran.stdout)
        assert list(data) == ["profile", "node", "pods", "cgroups", "skipped", "errors"]
        db, web = data["pods"]
        assert list(db)[:9] == [
            "namespace", "name", "uid", "qosClass", "reason", "cgroup", "files", "containers", "source",
        ]  # fmt: skip
        assert (db["qosClass"], db["source"]) == ("Guaranteed", "shop.yaml:1")
        assert db["cgroup"] == f"kubepods/pod{db['uid']}"
        assert (
            db["files"] | {"cpu.weight": "39", "cpu.max": "50000 50000", "memory.max": "2147483648"}
            == db["files"]
        )
        assert list(db["containers"][0]) == ["name", "type", "cgroup", "files", "oomScoreAdj"]
        assert db["containers"][0]["files"]["cpu.weight"] == "100"
        assert [(each["name"], each["type"]) for each in web["containers"]] == [
            ("setup", "init"), ("proxy", "sidecar"), ("server", "regular"),
        ]  # fmt: skip
        assert [each["oomScoreAdj"] for each in db["containers"]] == [-997]
        assert list(data["cgroups"])[:3] == ["kubepods", "kubepods/besteffort", "kubepods/burstable"]
        assert data["cgroups"][web["cgroup"]] == web["files"]
        assert data["skipped"] == [
            {"source": "shop.yaml:29:1", "kind": "Service", "why": "runs no pods by itself"}
        ]
        assert data["errors"] == []

    def test_python_gives_the_same(self, qos: Run, tmp_path: Path) -> None:
        """qos.explain is qos explain -o json."""
        shop, node = tmp_path / "shop.yaml", tmp_path / "node.yaml"
        ran = qos("explain", "-f", shop, "--node", node, "-o", "json", "--policy", "no-cpu-limits")
        assert json.loads(ran.stdout) == explain([shop], node=node, policy="no-cpu-limits")

    def test_yaml_is_the_same_data(self, qos: Run) -> None:
        """-o yaml and -o json say the same."""
        as_json = qos("explain", "-f", "shop.yaml", "-o", "json")
        as_yaml = qos("explain", "-f", "shop.yaml", "-o", "yaml")
        assert yaml.safe_load(as_yaml.stdout) == json.loads(as_json.stdout)

    def test_names_and_rows(self, qos: Run) -> None:
        """-o name names the owners; -o csv has a row for every value of every cgroup."""
        assert qos("explain", "-f", "shop.yaml", "-o", "name").stdout == "pod/db\ndeployment/web\n"
        rows = list(csv.DictReader(io.StringIO(qos("explain", "-f", "shop.yaml", "-o", "csv").stdout)))
        data = json.loads(qos("explain", "-f", "shop.yaml", "-o", "json").stdout)
        wanted = {
            (name, file): text for name, files in data["cgroups"].items() for file, text in files.items()
        }
        found = {(row["cgroup"], row["file"]): row["value"] for row in rows}
        pods = {pod["cgroup"] for pod in data["pods"]}
        assert {key: text for key, text in wanted.items() if any(key[0].startswith(pod) for pod in pods)} == {
            key: text for key, text in found.items() if key[1] != "oom_score_adj"
        }
        assert all(row["why"] for row in rows)


class TestOptions:
    def test_stdin_directories_and_several_files(self, qos: Run, tmp_path: Path) -> None:
        """-f takes -, a directory, and may be repeated."""
        (tmp_path / "dir").mkdir()
        (tmp_path / "dir" / "a.yaml").write_text(SHOP)
        by_stdin = qos("explain", "-f", "-", "-o", "json", stdin=SHOP)
        assert [pod["source"] for pod in json.loads(by_stdin.stdout)["pods"]] == ["<stdin>:1", "<stdin>:10"]
        both = qos("explain", "-f", "dir", "-f", "shop.yaml", "-o", "name")
        assert both.stdout == "pod/db\ndeployment/web\n" * 2

    def test_a_selector_shows_some_and_plans_for_all(self, qos: Run) -> None:
        """-l chooses what is shown; the other pods still count for the levels."""
        everything = json.loads(qos("explain", "-f", "shop.yaml", "-o", "json").stdout)
        some = json.loads(qos("explain", "-f", "shop.yaml", "-l", "app=db", "-o", "json").stdout)
        assert [pod["name"] for pod in some["pods"]] == ["db"]
        assert some["cgroups"]["kubepods/burstable"] == everything["cgroups"]["kubepods/burstable"]
        nobody = qos("explain", "-f", "shop.yaml", "-l", "app=x", "-o", "name")
        assert (nobody.returncode, nobody.stdout) == (0, "")
        assert "no pod matches the selector" in nobody.stderr

    def test_policies_are_listed(self, qos: Run) -> None:
        """--policy help names each policy with what it does."""
        ran = qos("explain", "--policy", "help")
        assert ran.returncode == 0
        assert "kubelet " in ran.stdout
        assert "no-cpu-limits " in ran.stdout

    def test_what_an_upgrade_changes(self, qos: Run) -> None:
        """--profile A..B: runtimes before and after the weight change give containers other weights."""
        ran = qos(
            "explain", "-f", "shop.yaml", "--profile", "1.36/runc-1.2.0..1.36/runc-1.3.2", "-l", "app=db"
        )
        text = " ".join(ran.stdout.split())
        assert ran.returncode == 0
        assert "container postgres of shop/db" in text
        assert "cpu.weight 39 → 100" in text
        data = qos("explain", "-f", "shop.yaml", "--profile", "1.36..1.36", "-o", "json")
        assert json.loads(data.stdout)["changes"] == []

    def test_the_only_node_of_the_input_is_used(self, qos: Run) -> None:
        """A Node and a KubeletConfiguration among the manifests do as well as --node."""
        among = json.loads(qos("explain", "-f", "shop.yaml", "-f", "node.yaml", "-o", "json").stdout)
        beside = json.loads(qos("explain", "-f", "shop.yaml", "--node", "node.yaml", "-o", "json").stdout)
        assert among["cgroups"] == beside["cgroups"]
        assert among["node"] == beside["node"]
        assert among["node"]["assumed"] is False

    def test_a_limit_range_of_the_namespace_is_applied(self, qos: Run) -> None:
        """Defaults of the namespace decide the class; another namespace's do not."""
        limits = (
            "---\napiVersion: v1\nkind: LimitRange\nmetadata: {name: d, namespace: NS}\nspec:\n  limits:\n"
        )
        limits += "    - {type: Container, default: {cpu: 1, memory: 1Gi}}\n"
        pod = "kind: Pod\nmetadata: {name: a, namespace: shop}\nspec: {containers: [{name: a}]}\n"
        for namespace, qos_class in (("shop", "Guaranteed"), ("other", "BestEffort")):
            ran = qos("explain", "-f", "-", "-o", "json", stdin=pod + limits.replace("NS", namespace))
            assert [each["qosClass"] for each in json.loads(ran.stdout)["pods"]] == [qos_class]


class TestBadInput:
    def test_the_good_is_explained_and_the_bad_listed(self, qos: Run) -> None:
        """Exit 2, errors on stderr and in the data, and the good pods all the same."""
        bad = SHOP.replace("256Mi", "256Mb")
        for form in ("table", "json"):
            ran = qos("explain", "-f", "-", "-f", "shop.yaml", "-o", form, stdin=bad)
            assert ran.returncode == 2
            line = ran.stderr.splitlines()[0]
            field = "spec.template.spec.containers[0].resources.requests.memory"
            assert line.startswith(f"qos: <stdin>:26:43: {field}: must be a quantity")
            assert "web" in ran.stdout
        data = json.loads(ran.stdout)
        assert [pod["name"] for pod in data["pods"]] == ["db", "db", "web"]
        assert [error["message"] for error in data["errors"]] == [line.removeprefix("qos: ")]

    @pytest.mark.parametrize(
        ("words", "line"),
        [
            (["-f", "missing.yaml"], "qos: missing.yaml: cannot be read: No such file or directory; "),
            (["-f", "shop.yaml", "--node", "no.yaml"], "qos: no.yaml: cannot be read: "),
            (
                ["-f", "shop.yaml", "--node", "shop.yaml"],
                "qos: shop.yaml: holds 0 Nodes; expected one v1 Node",
            ),
            (
                ["-f", "shop.yaml", "--policy", "kublet"],
                "qos: policy: no such policy, got 'kublet'; expected one of ",
            ),
            (
                ["-f", "shop.yaml", "--profile", "1.2"],
                "qos: profile: is not known, got '1.2'; expected Kubernetes 1.32 ",
            ),
            (
                ["-f", "shop.yaml", "--profile", "new"],
                "qos: profile: is no profile, got 'new'; expected a version ",
            ),
            (["-f", "shop.yaml", "--profile", "..1.36"], "qos: profile: "),
            (["-f", "shop.yaml", "-l", "a b"], "qos: selector: is not a selector such as "),
        ],
    )
    def test_wrong_options_are_one_line(self, words: list[str], line: str, qos: Run) -> None:
        """Exit 2, one line on stderr, nothing on stdout."""
        ran = qos("explain", *words)
        assert ran.returncode == 2
        assert ran.stderr.startswith(line)
        assert len(ran.stderr.splitlines()) == 1
        assert not ran.stdout

    def test_a_node_that_reserves_more_than_it_has(self, qos: Run, tmp_path: Path) -> None:
        """The kubelet would not start; neither is anything explained."""
        (tmp_path / "node.yaml").write_text(NODE.replace("memory: 512Mi", "memory: 9Gi"))
        ran = qos("explain", "-f", "shop.yaml", "--node", "node.yaml")
        assert ran.returncode == 2
        assert ran.stderr.startswith(
            "qos: node.yaml: kubeReserved + systemReserved + evictionHard: reserves more"
        )

    def test_without_manifests_it_says_how(self, qos: Run) -> None:
        """No -f is a usage error that names the option."""
        ran = qos("explain")
        assert ran.returncode == 2
        assert "-f FILE" in ran.stderr


def test_start_up_is_light() -> None:
    """Explaining one pod imports no numpy, pandas, plotly, numba, pyarrow or rich."""
    code = (
        "import sys, io; from qos.cli.app import main\n"
        "pod = b'kind: Pod\\nmetadata: {name: a}\\nspec: {containers: [{name: b}]}'\n"
        "sys.stdin = io.TextIOWrapper(io.BytesIO(pod))\n"
        "try: main(['explain', '-f', '-'])\n"
        "except SystemExit as stop: assert not stop.code\n"
        "heavy = {'numpy', 'pandas', 'plotly', 'numba', 'pyarrow', 'rich'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
