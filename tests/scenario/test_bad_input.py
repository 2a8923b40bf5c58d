"""Every kind of bad input is one line: file:line:column: field: problem, got value; what is expected."""

from __future__ import annotations

from pathlib import Path

import pytest

from qos.errors import printable
from qos.scenario.manifest import Manifests, read_manifests

POD = """\
apiVersion: v1
kind: Pod
metadata:
  name: web
spec:
  containers:
    - name: app
      image: app:1
      resources:
        requests:
          cpu: 500m
          memory: 256Mi
        limits:
          cpu: "1"
          memory: 512Mi
"""


def manifests(tmp_path: Path, text: str, name: str = "m.yaml") -> Manifests:
    """What a file with this text holds."""
    path = tmp_path / name
    path.write_text(text)
    return read_manifests([path])


def told(found: Manifests, tmp_path: Path) -> list[str]:
    """The errors as printed, without the folder."""
    return [str(error).replace(f"{tmp_path}/", "") for error in found.errors]


def test_the_pod_they_start_from_is_right(tmp_path: Path) -> None:
    """The manifest the cases below break is itself accepted."""
    found = manifests(tmp_path, POD)
    assert not found.errors
    assert not found.warnings
    assert [each.pod.name for each in found.pods] == ["web"]


TEMPLATE = "template left in the manifest; expected rendered YAML (helm template, kustomize build)"
CONFIGURATION = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n"
DEPLOYMENT = """\
kind: Deployment
metadata: {name: d}
spec:
  replicas: REPLICAS
  template: {spec: {containers: [{name: a}]}}
"""
LIMITS = "spec.containers[0].resources.limits"
REQUESTS = "spec.containers[0].resources.requests"
CASES = {
    "malformed quantity": ("cpu: 500m", "cpu: 500q", [f"m.yaml:11:16: {REQUESTS}.cpu: must be a quantity"]),
    "binary suffix misspelt": ("256Mi", "256MB", [f"m.yaml:12:19: {REQUESTS}.memory: must be a quantity"]),
    "quantity of a wrong type": (
        "cpu: 500m",
        "cpu: [1]",
        [f"m.yaml:11:16: {REQUESTS}.cpu: must be a quantity"],
    ),
    "boolean for a quantity": (
        "cpu: 500m",
        "cpu: yes",
        [f"m.yaml:11:16: {REQUESTS}.cpu: must be a quantity"],
    ),
    "negative": (
        "memory: 512Mi",
        "memory: -512Mi",
        [f"m.yaml:15:19: {LIMITS}.memory: is negative, got '-512Mi'; expected 0 or more"],
    ),
    "request above limit": (
        'cpu: "1"',
        "cpu: 250m",
        [f"m.yaml:11:16: {REQUESTS}.cpu: is above the limit of 250m, got '500m'; expected at most 250m"],
    ),
    "typo in resources": (
        "        limits:",
        "        limit:",
        ["m.yaml:13:9: spec.containers[0].resources.limit: unknown field; expected 'limits'"],
    ),
    "resources misspelt": (
        "      resources:",
        "      resource:",
        ["m.yaml:9:7: spec.containers[0].resource: unknown field; expected 'resources'"],
    ),
    "requests one level too high": (
        (
            "      resources:\n        requests:\n          cpu: 500m\n          memory: 256Mi\n"
            "        limits:\n"
            '          cpu: "1"\n          memory: 512Mi\n'
        ),
        "      limits:\n        cpu: 1\n",
        [
            (
                "m.yaml:9:7: spec.containers[0].limits: unknown field; "
                "expected a field that the Kubernetes API knows here"
            )
        ],
    ),
    "containers misspelt": (
        "  containers:",
        "  container: []\n  containers:",
        ["m.yaml:6:3: spec.container: unknown field; expected 'containers'"],
    ),
    "unknown resource": (
        "          memory: 512Mi",
        "          memori: 512Mi",
        [
            (
                f"m.yaml:15:19: {LIMITS}.memori: is no resource of a container; expected cpu, "
                "memory, ephemeral-storage, hugepages-SIZE or a name with a domain (nvidia.com/gpu)"
            )
        ],
    ),
    "list instead of mapping": (
        "        requests:\n          cpu: 500m\n          memory: 256Mi",
        "        requests: [cpu, memory]",
        [f"m.yaml:10:19: {REQUESTS}: is of the wrong type; expected a mapping"],
    ),
    "mapping instead of list": (
        "  containers:\n    - name: app",
        "  containers:\n      name: app",
        ["m.yaml:7:7: spec.containers: is of the wrong type; expected a list"],
    ),
    "number instead of text": (
        "name: app",
        "name: 5",
        [
            (
                "m.yaml:7:13: spec.containers[0].name: is of the wrong type, got 5; "
                "expected a text (numbers, true and null need quotes)"
            )
        ],
    ),
    "container without name": (
        "    - name: app\n      image",
        "    - image",
        ["m.yaml:7:7: spec.containers[0].name: is missing; expected name: …"],
    ),
    "pod without name": (
        "  name: web",
        "  labels: {}",
        ["m.yaml:3:1: metadata.name: is missing; expected a name"],
    ),
    "name that is a path": (
        "name: web",
        "name: ../../etc",
        ["m.yaml:4:9: metadata.name: is no name, got '../../etc'; expected 1 to 253 of a-z, 0-9, - and ."],
    ),
    "uid that is a path": (
        "name: web",
        "name: web\n  uid: a/../b",
        ["m.yaml:5:8: metadata.uid: is no uid, got 'a/../b'; expected letters, digits and -"],
    ),
    "two containers of one name": (
        "  containers:",
        "  containers:\n    - name: app",
        ["m.yaml:8:13: spec.containers[1].name: is the name of two containers, got 'app'"],
    ),
    "hugepages overcommitted": (
        "memory: 512Mi",
        "memory: 512Mi\n          hugepages-2Mi: 3Mi",
        [f"m.yaml:16:26: {LIMITS}.hugepages-2Mi: is no multiple of the page size, got '3Mi'"],
    ),
    "extended resource by halves": (
        "memory: 512Mi",
        "memory: 512Mi\n          nvidia.com/gpu: 500m",
        [f"m.yaml:16:27: {LIMITS}[nvidia.com/gpu]: is not whole, got '500m'; expected a whole number"],
    ),
    "pod-level limit below a container's": (
        "  containers:",
        "  resources: {limits: {cpu: 500m}}\n  containers:",
        [f"m.yaml:15:16: {LIMITS}.cpu: is above the pod's limit of 500m, got '1'; expected at most 500m"],
    ),
    "template in a quantity": (
        "500m",
        '"{{ .Values.cpu }}"',
        [f"m.yaml:11:16: {REQUESTS}.cpu: " + TEMPLATE],
    ),
    "template in an image": (
        "image: app:1",
        'image: "app:{{ .Values.tag }}"',
        ["m.yaml:8:14: spec.containers[0].image: " + TEMPLATE],
    ),
    "kind of a wrong type": (
        "kind: Pod",
        "kind: [Pod]",
        ["m.yaml:2:7: kind: is of the wrong type, got ['Pod']; expected a text"],
    ),
    "negative replicas": (
        POD,
        DEPLOYMENT.replace("REPLICAS", "-1"),
        ["m.yaml:4:13: spec.replicas: is no count, got -1; expected a whole number, 0 or more"],
    ),
    "template in replicas": (
        POD,
        DEPLOYMENT.replace("REPLICAS", '"{{ n }}"'),
        ["m.yaml:4:13: spec.replicas: " + TEMPLATE],
    ),
    "bad kubelet threshold": (
        POD,
        CONFIGURATION + "evictionHard: {memory.available: 5x}\n",
        [
            (
                "m.yaml:3:34: evictionHard[memory.available]: is no threshold, got '5x'; "
                "expected a quantity such as 100Mi, or 5%"
            )
        ],
    ),
    "typo in a kubelet configuration": (
        POD,
        CONFIGURATION + "podPidLimit: 5\n",
        ["m.yaml:3:1: podPidLimit: unknown field; expected 'podPidsLimit'"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_one_line_says_where_and_what(case: str, tmp_path: Path) -> None:
    """File, line and column, field, value and what would be right, for each way to be wrong."""
    before, after, expected = CASES[case]
    assert before in POD
    found = manifests(tmp_path, POD.replace(before, after, 1))
    lines = told(found, tmp_path)
    assert len(lines) == len(expected)
    for line, wanted in zip(lines, expected, strict=True):
        assert line.startswith(wanted)
        assert "\n" not in line
    assert not found.pods


def test_several_errors_in_one_pod_are_all_told(tmp_path: Path) -> None:
    """One pass finds everything that is wrong with a pod's resources."""
    found = manifests(tmp_path, POD.replace("256Mi", "1Gi").replace("500m", "2"))
    assert [line.split(": ")[1] for line in told(found, tmp_path)] == [
        f"{REQUESTS}.cpu",
        f"{REQUESTS}.memory",
    ]


def test_an_unknown_field_deep_inside_is_a_warning(tmp_path: Path) -> None:
    """A probe's field of a newer API changes no resource: it is told and tolerated."""
    text = POD.replace("      image: app:1", "      image: app:1\n      livenessProbe: {newField: 1}")
    found = manifests(tmp_path, text)
    assert len(found.pods) == 1
    assert [str(each.source).rpartition("/")[2] for each in found.warnings] == ["m.yaml:9:23"]


class TestDirectories:
    def test_the_good_are_read_and_the_bad_are_listed(self, tmp_path: Path) -> None:
        """One bad file of several costs only itself."""
        (tmp_path / "sub").mkdir()
        (tmp_path / "a.yaml").write_text(POD)
        (tmp_path / "b.yml").write_text(POD.replace("500m", "oops"))
        (tmp_path / "sub" / "c.json").write_text('{"kind": "Pod", "metadata": {"name": "c"},')
        (tmp_path / "sub" / "d.json").write_text('{"kind": "Pod", "metadata": {"name": "d"}, '
                                                 '"spec": {"containers": [{"name": "x"}]}}')  # fmt: skip
        (tmp_path / "notes.txt").write_text("not: [a manifest")
        (tmp_path / ".git").mkdir()
        (tmp_path / ".git" / "e.yaml").write_text("a: [")
        found = read_manifests([tmp_path])
        assert [each.pod.name for each in found.pods] == ["web", "d"]
        assert [str(each).split(": ")[0] for each in found.errors] == [
            f"{tmp_path}/b.yml:11:16",
            f"{tmp_path}/sub/c.json:1:43",
        ]

    def test_a_directory_without_manifests(self, tmp_path: Path) -> None:
        """Nothing to read is an error, not an empty answer."""
        assert told(read_manifests([tmp_path]), tmp_path) == [
            f"{tmp_path}: holds no manifest; expected *.yaml, *.yml or *.json files"
        ]


@pytest.mark.parametrize(
    ("path", "problem"),
    [("missing.yaml", "cannot be read: No such file or directory"), ("nul\0.yaml", "is no file name")],
)
def test_files_that_cannot_be_read(path: str, problem: str, tmp_path: Path) -> None:
    """A path that leads nowhere is one line with the path."""
    (error,) = read_manifests([f"{tmp_path}/{path}"]).errors
    assert str(error).startswith(f"{tmp_path}/{printable(path)}: {problem}; expected ")


def test_no_text_from_outside_reaches_a_terminal_raw(tmp_path: Path) -> None:
    """Control characters, broken Unicode and odd file names are escaped, in lines and in data."""
    odd = tmp_path / "\udcff\x1b[31m.yaml"
    odd.write_text('"kind": Pod\nmetadata: {name: a}\n"\\e[31mred": 1\nspec: {containers: [{name: b}]}\n')
    bad = tmp_path / "s.json"
    bad.write_text('{"kind": "Pod", "metadata": {"name": "a"}, "\\ud800": 1, "spec": {"containers": [{}]}}')
    skipped = tmp_path / "k.json"
    skipped.write_text('{"kind": "\\ud800\\u0007", "apiVersion": "x/v1"}')
    found = read_manifests([odd, bad, skipped])
    lines = [str(error) for error in found.errors] + [f"{each.source} {each.kind}" for each in found.skipped]
    assert len(lines) >= 3
    for line in lines:
        assert line.isprintable()
        line.encode()


def test_stdin_where_there_is_none() -> None:
    """Asking for stdin from Python without giving one is an error."""
    (error,) = read_manifests(["-"]).errors
    assert str(error) == "<stdin>: no stdin here; expected a file or directory"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "m.json:1:1: is empty; expected a JSON object"),
        ("[1,,2]", "m.json:1:4: is not JSON here; expected JSON"),
        ('{"kind": "Pod"\n "metadata": 1}', "m.json:2:2: is not JSON here; expected JSON"),
        ('{"kind": "Pod"}\n{"kind": oops}', "m.json:2:10: is not JSON here; expected JSON"),
        (
            '{"a": 1, "b": 2,\n "a": 3}',
            "m.json:2:2: key 'a' is repeated in this object; expected every key once",
        ),
        ('{"a": {{ x }}}', "m.json:1:7: " + TEMPLATE),
        (
            (
                '{"kind": "Pod", "metadata": {"name": "a"},\n "spec": {"containers": [{"name": "b",\n'
                '  "resources": {"limits": {"cpu": "1x"}}}]}}'
            ),
            "m.json:3:35: spec.containers[0].resources.limits.cpu: must be a quantity",
        ),
    ],
)
def test_json_has_lines_and_columns_as_well(text: str, line: str, tmp_path: Path) -> None:
    """The place of an error in JSON is found when it is needed."""
    found = manifests(tmp_path, text, "m.json")
    assert len(found.errors) == 1
    assert told(found, tmp_path)[0].startswith(line)
