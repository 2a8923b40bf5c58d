"""`qos test --rules`: the lint rules over manifests, each finding with its file and line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from qos.check.lint import Finding
from qos.check.lint_rules import RULES
from qos.check.outcome import Outcome, Status
from qos.check.waivers import ratchet, ratchet_text, read_annotation, read_ratchet, waive
from qos.errors import InputError, InputErrors, SourceRef
from qos.experiment.explain import ExplainedPod, Explanation, explain_manifests
from qos.scenario.load import read_bytes
from qos.scenario.manifest import read_manifests

if TYPE_CHECKING:
    import os


@dataclass(frozen=True, slots=True)
class RuleOptions:
    """How manifests are judged.

    Attributes:
        node: file with a v1 Node; None takes the only Node of the input, else a small one.
        profile: which Kubernetes, runtime and kernel; None is the node's own.
        ratchet: file of old findings, None where there is none.
        accept: write the ratchet file instead of comparing with it.
    """

    node: str | None = None
    profile: str | None = None
    ratchet: Path | None = None
    accept: bool = False


def check_rules(paths: Sequence[str | os.PathLike[str]], options: RuleOptions) -> list[Outcome]:
    """Outcomes of the manifests under ``paths``: one a finding, and one for a pod without any.

    Raises:
        InputError: a document or an option is wrong, or nothing there runs pods.
    """
    explanation = explain_manifests(read_manifests(paths), node=options.node, profile=options.profile)
    if explanation.errors:
        raise InputErrors(explanation.errors)
    if not explanation.pods:
        raise InputError("no pod found", value=" ".join(map(str, paths)), expected="manifests that run pods")
    outcomes = [outcome for pod in explanation.pods for outcome in _of_pod(explanation, pod)]
    if options.ratchet is None:
        return outcomes
    return _ratcheted(outcomes, options.ratchet, accept=options.accept)


def _of_pod(explanation: Explanation, pod: ExplainedPod) -> list[Outcome]:
    details, source = pod.details, pod.sourced.source
    suite = f"{details.pod.namespace}/{details.pod.name}"
    waivers, wrong = read_annotation(details.pod.metadata.annotations, tuple(RULES), suite, source)
    found = [_of_finding(finding, suite, source) for finding in explanation.findings(pod)]
    outcomes = wrong + waive(found, waivers, suite, source)
    return outcomes or [Outcome(suite, f"{len(RULES)} rules", "passed", "", "rules", source)]


def _of_finding(finding: Finding, suite: str, source: SourceRef) -> Outcome:
    """A finding that loses something fails; one that is only worth knowing is noted."""
    container = finding.where.removeprefix(suite).lstrip("/")
    name = f"{finding.id}: {container}" if container else finding.id
    status: Status = "noted" if finding.severity == "info" else "failed"
    return Outcome(suite, name, status, finding.reason, finding.id, source, finding.severity, finding.fix)


def _ratcheted(outcomes: list[Outcome], path: Path, *, accept: bool) -> list[Outcome]:
    source = SourceRef(str(path), 1)
    if accept:
        from qos.record.store import write_text

        write_text(path, ratchet_text(outcomes))
        accepted = read_ratchet(ratchet_text(outcomes), source)
    elif path.exists():
        accepted = read_ratchet(read_bytes(path).decode("utf-8", "replace"), source)
    else:
        expected = "a file written by qos test --rules --ratchet FILE --accept"
        raise InputError("no such ratchet file", field="--ratchet", value=str(path), expected=expected)
    return ratchet(outcomes, accepted, source)
