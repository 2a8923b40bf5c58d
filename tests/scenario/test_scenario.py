"""Scenarios: what they resolve to, and the impossible ones refused where they stand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from qos.errors import InputError
from qos.model.profile import Profile
from qos.model.workload import Requests, Spin
from qos.scenario.scenario import Scenario, load_scenario

NODE = """\
apiVersion: v1
kind: Node
metadata: {name: worker}
status: {capacity: {cpu: 4, memory: 8Gi}}
---
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
systemReserved: {cpu: 100m}
"""
SHOP = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 2
  template:
    metadata: {labels: {app: web, tier: front}}
    spec:
      initContainers:
        - {name: setup}
        - {name: proxy, restartPolicy: Always}
      containers: [{name: server, resources: {requests: {cpu: 500m}}}]
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent, namespace: kube-system}
spec:
  template:
    metadata: {labels: {app: agent}}
    spec: {containers: [{name: one}, {name: two}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
"""
SCENARIO = """\
apiVersion: qos.dev/v1alpha1
kind: Scenario
metadata:
  name: test
  description: A test.
spec:
  question: Does it work?
  duration: 1m
  seed: 7
  profile: {kubernetes: "1.34", runtime: crun, featureGates: {MemoryQoS: true}}
  nodes:
    - file: node.yaml
  manifests: [shop.yaml]
  pods:
    - kind: Pod
      metadata: {name: batch, labels: {app: batch}}
      spec: {containers: [{name: job}]}
  workloads:
    - name: web
      selector: app=web
      cpu: {shape: requests, rate: 30, cpuPerRequest: 20ms}
    - name: batch
      selector: {matchLabels: {app: batch}}
      cpu: {shape: spin, threads: 2}
  policies: [kubelet, no-cpu-limits]
  agents: [restart]
  expect:
    - {metric: memory_peak, workload: web, comparator: "<", value: 1Gi, policy: kubelet}
"""

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A folder with a node, a shop and a scenario of a text."""
    (tmp_path / "node.yaml").write_text(NODE)
    (tmp_path / "shop.yaml").write_text(SHOP)

    def scenario(text: str) -> Path:
        path = tmp_path / "s.yaml"
        path.write_text(text)
        return path

    return scenario


@pytest.fixture
def scenario(write: Write) -> Scenario:
    """The scenario of SCENARIO."""
    return load_scenario(write(SCENARIO))


class TestResolved:
    def test_replicas_have_names_of_their_own(self, scenario: Scenario) -> None:
        """Two replicas are two pods; a DaemonSet has one on the only node."""
        assert [(each.pod.namespace, each.pod.name, each.node) for each in scenario.placed] == [
            ("default", "batch", "worker"), ("shop", "web-0", "worker"), ("shop", "web-1", "worker"),
            ("kube-system", "agent-0", "worker"),
        ]  # fmt: skip

    def test_workloads_are_bound_to_containers(self, scenario: Scenario) -> None:
        """Each selected pod's only regular container runs the workload; others are idle."""
        assert {key: load.name for key, load in scenario.demand.items()} == {
            (0, "job"): "batch", (1, "server"): "web", (2, "server"): "web",
        }  # fmt: skip
        assert isinstance(scenario.demand[0, "job"].cpu, Spin)
        assert isinstance(scenario.demand[1, "server"].cpu, Requests)
        assert scenario.demand[1, "server"].cpu.cpu_per_request == 0.02

    def test_node_profile_and_times(self, scenario: Scenario) -> None:
        """The node carries its kubelet's configuration; times are seconds; what is left out is default."""
        assert str(scenario.node.kubelet.system_reserved["cpu"]) == "100m"
        assert (scenario.profile.kubernetes, scenario.profile.runtime) == ((1, 34), "crun")
        assert scenario.profile.runtime_version == (1, 23)
        assert scenario.profile.kernel == Profile().kernel
        assert scenario.profile.feature_gates == {"MemoryQoS": True}
        assert (scenario.duration_seconds, scenario.sample_interval_seconds, scenario.seed) == (60.0, 1.0, 7)
        assert scenario.description == "A test."
        assert [str(source).rpartition("/")[2] for _, source in scenario.expect] == ["s.yaml:28:7"]
        assert [each.kind for each in scenario.skipped] == ["Service"]

    def test_the_hash_is_of_everything_that_matters(self, write: Write, tmp_path: Path) -> None:
        """Same input, same hash; another manifest, node or seed gives another; the folder does not matter."""
        first = load_scenario(write(SCENARIO)).hash
        assert load_scenario(write(SCENARIO)).hash == first
        others = [load_scenario(write(SCENARIO.replace("seed: 7", "seed: 8"))).hash]
        (tmp_path / "shop.yaml").write_text(SHOP.replace("500m", "600m"))
        others.append(load_scenario(write(SCENARIO)).hash)
        (tmp_path / "shop.yaml").write_text(SHOP)
        (tmp_path / "node.yaml").write_text(NODE.replace("8Gi", "9Gi"))
        others.append(load_scenario(write(SCENARIO)).hash)
        assert len({first, *others}) == 4

    def test_nodes_inline_with_counts(self, write: Write) -> None:
        """Count makes numbered nodes; a pod says which is its own, a DaemonSet runs on each."""
        node = "{metadata: {name: m}, status: {capacity: {cpu: 2, memory: 1Gi}}, "
        node += "kubelet: {maxPods: 9}, count: 3}"
        text = SCENARIO.replace("file: node.yaml", node)
        text = text.replace("spec: {containers", "spec: {nodeName: m-1, containers")
        text = text.replace("[shop.yaml]", "[agent.yaml]").replace(
            "app=web", "app=agent\n      container: two"
        )
        path = write(text)
        (path.parent / "agent.yaml").write_text(SHOP.split("---\n")[1])
        found = load_scenario(path)
        assert [node.name for node in found.nodes] == ["m-0", "m-1", "m-2"]
        assert {node.kubelet.max_pods for node in found.nodes} == {9}
        assert [each.node for each in found.placed] == ["m-1", "m-0", "m-1", "m-2"]

    def test_a_policy_document_may_stand_beside_it(self, write: Write) -> None:
        """A QoSPolicy in the same file is a name that policies: may use."""
        policy = "---\napiVersion: qos.dev/v1alpha1\nkind: QoSPolicy\nmetadata: {name: mine}\nspec:\n"
        policy += (
            "  rules: [{level: pod, qosClass: Burstable, set: {cpu.max: null}, factor: {cpu.weight: 2}}]\n"
        )
        text = SCENARIO.replace("no-cpu-limits", "mine") + policy
        found = load_scenario(write(text), known_policies=["kubelet"])
        assert [each.name for each in found.policy_documents] == ["mine"]

    def test_the_scenarios_of_this_repository(self, repository: Path) -> None:
        """Every scenario that is shipped can be loaded."""
        files = sorted((repository / "scenarios").glob("*.yaml"))
        assert len(files) >= 6
        for file in files:
            assert load_scenario(file).demand, file


# what replaces what in SCENARIO → where the error stands, its field, and how it goes on
REFUSED = {
    "no duration": ("duration: 1m", "duration: 0", "8:13", "spec.duration: must be greater than 0, got 0"),
    "negative duration": ("duration: 1m", "duration: -5s", "8:13", "spec.duration: is not a duration"),
    "interval longer than duration": (
        "seed: 7", "sampleInterval: 2m",
        "9:19", "spec.sampleInterval: is longer than the duration, got 120.0; expected at most 60 s",
    ),
    "no node": ("\n    - file: node.yaml", " []", "11:10", "spec.nodes: must have at least 1 item"),
    "node file missing": (
        "node.yaml", "nod.yaml", "12:13", "spec.nodes[0].file: nod.yaml cannot be read: No such file",
    ),
    "node without memory": (
        "file: node.yaml", "{metadata: {name: a}, status: {capacity: {cpu: 1}}}",
        "12:37", "spec.nodes[0].status.capacity.memory: is missing",
    ),
    "typo in a node": (
        "file: node.yaml", "{metadata: {name: a}, status: {capcity: {cpu: 1}}}",
        "12:38", "spec.nodes[0].status.capcity: unknown field; expected 'capacity'",
    ),
    "typo in a kubelet": (
        "file: node.yaml", "{metadata: {name: a}, kubelet: {kubeReservd: {cpu: 1}}}",
        "12:39", "spec.nodes[0].kubelet.kubeReservd: unknown field; expected 'kubeReserved'",
    ),
    "bad threshold in a kubelet": (
        "file: node.yaml", "{metadata: {name: a}, kubelet: {evictionHard: {memory.available: 5x}}}",
        "12:72", "spec.nodes[0].kubelet.evictionHard[memory.available]: is no threshold, got '5x'",
    ),
    "no nodes in count": (
        "file: node.yaml", "{file: node.yaml, count: 0}",
        "12:32", "spec.nodes[0].count: is no number of nodes, got 0",
    ),
    "manifest missing": (
        "[shop.yaml]", "[shap.yaml]", "13:15", "spec.manifests[0]: shap.yaml cannot be read: No such file",
    ),
    "bad pod inline": (
        "{containers: [{name: job}]}", "{containers: [{name: job, resources: {limits: {cpu: -1}}}]}",
        "17:65", "spec.pods[0].spec.containers[0].resources.limits.cpu: is negative, got '-1'",
    ),
    "selector matches nothing": (
        "app=web", "app=wob",
        "20:17", "spec.workloads[0].selector: matches no pod; expected a label of a pod: app=agent, app=",
    ),
    "selector malformed": (
        "app=web", "app in web", "20:17", "spec.workloads[0].selector: is not a selector such as",
    ),
    "selector empty": ("app=web", "{}", "20:17", "spec.workloads[0].selector: selects nothing in particular"),
    "container not told": (
        "app=web", "app=agent",
        "19:7", "spec.workloads[0].container: pod 'agent-0' has 2 containers; expected one or two",
    ),
    "container missing": (
        "app=web", "app=web\n      container: db",
        "21:18", "spec.workloads[0].container: pod 'web-0' has no lasting container 'db'; expected proxy",
    ),
    "container that does not last": (
        "app=web", "app=web\n      container: setup",
        "21:18", "spec.workloads[0].container: pod 'web-0' has no lasting",
    ),
    "two workloads in one container": (
        "{matchLabels: {app: batch}}", "tier=front",
        "23:17", "spec.workloads[1].selector: container 'server' of pod 'web-0' already runs workload 'web'",
    ),
    "unknown policy": (
        "no-cpu-limits", "no-cpu-limit",
        "25:23", "spec.policies[1]: is not known, got 'no-cpu-limit'; expected 'no-cpu-limits'",
    ),
    "policy twice": ("no-cpu-limits", "kubelet", "25:23", "spec.policies[1]: is named twice, got 'kubelet'"),
    "unknown agent": (
        "[restart]", "[restrt]", "26:12", "spec.agents[0]: is not known, got 'restrt'; expected 'restart'",
    ),
    "unknown field": ("seed: 7", "sed: 7", "9:3", "spec.sed: unknown field; expected 'seed'"),
    "unknown field of a shape": (
        "threads: 2", "treads: 2", "24:26", "spec.workloads[1].cpu.treads: unknown field; expected 'threads'",
    ),
    "unknown shape": (
        "shape: spin", "shape: spun",
        "24:20", "spec.workloads[1].cpu.shape: is not known, got 'spun'; expected one of spin, constant,",
    ),
    "no shape": (
        "shape: spin, ", "",
        "24:12", "spec.workloads[1].cpu.shape: is missing; expected shape: one of spin, constant,",
    ),
    "rate negative": (
        "rate: 30", "rate: -1",
        "21:36", "spec.workloads[0].cpu.rate: must be greater than or equal to 0, got -1",
    ),
    "no question": ("  question: Does it work?\n", "", "7:3", "spec.question: is missing"),
    "kubernetes as a number": ('"1.34"', "1.30", "10:25", "spec.profile.kubernetes: must be one of"),
    "expectation of an unknown workload": (
        "workload: web", "workload: wob",
        "28:39", "spec.expect[0].workload: is not in this scenario, got 'wob'; expected one of batch, web",
    ),
    "expectation without a subject": (
        "workload: web, ", "", "28:7", "spec.expect[0]: exactly one of workload, cgroup and pod must be set",
    ),
    "other kind": ("kind: Scenario", "kind: Pod", "2:7", "kind: is no scenario, got 'Pod'; expected"),
    "two scenarios": (SCENARIO, SCENARIO + "---\n" + SCENARIO, "30:1", "holds 2 Scenarios; expected one"),
    "no scenario": (SCENARIO, "# nothing\n", "", "holds 0 Scenarios; expected one"),
    "trace missing": (
        "{shape: spin, threads: 2}", "{shape: trace, file: t.csv}",
        "24:12", "spec.workloads[1].cpu: t.csv cannot be read",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_an_impossible_scenario_is_refused_where_it_stands(case: str, write: Write) -> None:
    """One line with file, line and column, the field and what would be right."""
    before, after, place, expected = REFUSED[case]
    assert before in SCENARIO
    path = write(SCENARIO.replace(before, after, 1))
    with pytest.raises(InputError) as caught:
        load_scenario(path, known_policies=["kubelet", "no-cpu-limits"], known_agents=["restart", "eviction"])
    line = str(caught.value).replace(f"{path.parent}/", "")
    assert line.splitlines()[0].startswith(f"s.yaml:{place}: {expected}" if place else f"s.yaml: {expected}")


def test_a_pod_that_is_there_twice(write: Write) -> None:
    """Two pods of one name cannot be told apart in results; both places are named."""
    path = write(SCENARIO.replace("name: batch, labels", "name: web-0, namespace: shop, labels"))
    with pytest.raises(InputError) as caught:
        load_scenario(path)
    line = str(caught.value).replace(f"{path.parent}/", "")
    assert line == "shop.yaml:1:1: pod shop/web-0 is there twice, first at s.yaml:15:7; expected it once"


def test_the_hash_covers_policy_documents_and_work_beside_the_pods(repository: Path, tmp_path: Path) -> None:
    """A house policy's value or system.slice's threads changed: another hash, as another result."""
    policy = (
        "apiVersion: qos.dev/v1alpha1\nkind: QoSPolicy\nmetadata: {name: house}\n"
        "spec: {rules: [{level: pod, set: {pids.max: 64}}]}\n---\n"
    )
    base = policy + (repository / "scenarios" / "system-starved.yaml").read_text()
    texts = [base, base.replace("pids.max: 64", "pids.max: 65"), base.replace("threads: 8", "threads: 9")]
    hashes = set()
    for number, text in enumerate(texts):
        path = tmp_path / f"{number}.yaml"
        path.write_text(text)
        hashes.add(load_scenario(path).hash)
    assert len(hashes) == len(texts)
