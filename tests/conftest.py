"""Fixtures every test may use."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

# No test judges by the clock: a busy machine is no failure.
settings.register_profile("qos", deadline=None)
settings.load_profile("qos")

REPOSITORY = Path(__file__).resolve().parent.parent
WEB_TIER = """\
apiVersion: qos.dev/v1alpha1
kind: Scenario
metadata: {name: web-tier}
spec:
  question: How much limit does the web tier need?
  duration: 4s
  seed: 4
  nodes:
    - apiVersion: v1
      kind: Node
      metadata: {name: node-a}
      status: {capacity: {cpu: "2", memory: 4Gi}}
  pods:
    - apiVersion: v1
      kind: Pod
      metadata: {name: web, labels: {app: web}}
      spec:
        containers:
          - {name: web, image: i, resources: {requests: {cpu: 100m}, limits: {cpu: 500m}}}
  policies: [kubelet, no-cpu-limits]
  workloads:
    - {name: web, selector: app=web, cpu: {shape: requests, rate: 40, cpuPerRequest: 10ms, cost: exponential}}
"""


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The team's real manifests, dumps and traces, which lie beside the checkout and not in it."""
    path = REPOSITORY.parent / "shared"
    if not (path / "data").is_dir():
        pytest.skip("no ../shared beside the checkout: real manifests, dumps and traces are not here")
    return path


@pytest.fixture
def web_tier(tmp_path: Path) -> Path:
    """A scenario's file: a web tier whose limit decides its latency, four seconds, two policies."""
    path = tmp_path / "web-tier.yaml"
    path.write_text(WEB_TIER, encoding="utf-8")
    return path
