"""How `qos explain` reads on a terminal: class and why first, then every file with its formula."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from qos.experiment.explain import ExplainedPod, Explanation
from qos.model.cgroup import CgroupName, format_value
from qos.policy.base import ContainerDetails, Explained

if TYPE_CHECKING:
    from qos.experiment.upgrade import Upgrade, ValueChange

_LABEL: Final = 8
_LEAST_FORMULA: Final = 24
_UNBOUNDED_BYTES: Final = 1 << 62
_UNITS: Final = (("Ti", 1 << 40), ("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10))
_COLOURS: Final = {"Guaranteed": "\x1b[1;34m", "Burstable": "\x1b[1;33m", "BestEffort": "\x1b[1;35m"}
_SAID: Final = {"error": "ERROR", "warning": "mind", "info": "note"}
_BOLD, _DIM, _RESET = "\x1b[1m", "\x1b[2m", "\x1b[0m"
_BYTES_FILES: Final = ("memory.", "hugetlb.")


@dataclass(frozen=True, slots=True)
class Style:
    """How wide, how much, and whether in colour.

    Attributes:
        width: columns of the terminal; formulas are wrapped to it.
        wide: no wrapping, and huge page files that say nothing as well.
    """

    width: int = 80
    wide: bool = False
    colour: bool = False

    def paint(self, text: str, code: str) -> str:
        """``text`` in a colour, where there are any."""
        return f"{code}{text}{_RESET}" if self.colour else text


def explanation_lines(explanation: Explanation, style: Style) -> Iterator[str]:
    """The whole answer, line by line."""
    yield from pods_lines(explanation, style)
    yield from end_lines(explanation, style)


def pods_lines(explanation: Explanation, style: Style) -> Iterator[str]:
    """The pods' part of the answer."""
    for pod in explanation.pods:
        yield from _pod_lines(pod, explanation, style)
        yield ""


def end_lines(explanation: Explanation, style: Style) -> Iterator[str]:
    """What stands behind the pods: the levels, the node and whose rules."""
    yield from _level_lines(explanation, style)
    yield ""
    yield from _paragraph(footer(explanation), 0, style)


def footer(explanation: Explanation) -> str:
    """On what node, by whose rules."""
    capacity = explanation.node.status.capacity
    node = f"node {explanation.node.name} ({capacity['cpu']} CPUs, {capacity['memory']})"
    if explanation.node_assumed:
        node = f"an assumed node ({capacity['cpu']} CPUs, {capacity['memory']}; --node FILE for yours)"
    return f"On {node}, profile {explanation.profile}, policy {explanation.policy}."


def _pod_lines(pod: ExplainedPod, explanation: Explanation, style: Style) -> Iterator[str]:
    details, sourced = pod.details, pod.sourced
    qos_class = details.qos_class.value
    name = f"{details.pod.namespace}/{details.pod.name}"
    owner = sourced.owner_kind
    if sourced.per_node:
        owner += ", one a node"
    elif sourced.replicas != 1:
        owner += f", {sourced.replicas} replicas"
    title = (style.paint(name, _BOLD), style.paint(qos_class, _COLOURS[qos_class]), style.paint(owner, _DIM))
    yield "  ".join(title)
    yield from _labelled("why", pod.reason, style)
    change = details.decision.to_guaranteed
    if change:
        yield from _labelled("change", f"{change} → Guaranteed", style)
    yield from _labelled("sure", _sure(explanation, details.cgroup, of_node=True), style)
    for finding in explanation.findings(pod):
        inside = finding.where.removeprefix(name).lstrip("/")
        about = f"{inside}: " if inside else ""
        yield from _labelled(_SAID[finding.severity], f"{about}{finding.reason}; {finding.fix}", style)
    yield from _labelled("from", str(replace(sourced.source, column=None)), style)
    yield f"  {style.paint(details.cgroup, _DIM)}"
    yield from _file_lines(explanation.details.cgroups.get(details.cgroup, {}), style)
    for container in details.containers:
        yield from _container_lines(container, explanation, style)


def _container_lines(container: ContainerDetails, explanation: Explanation, style: Style) -> Iterator[str]:
    kind = "" if container.type == "regular" else f" ({container.type})"
    sure = _sure(explanation, container.cgroup)
    if container.type == "init":
        sure += " while it runs"
    yield f"  …/{container.cgroup.rpartition('/')[2]}{kind}  {style.paint(sure, _DIM)}"
    values = dict(explanation.details.cgroups.get(container.cgroup, {}))
    yield from _file_lines(values, style, {"oom_score_adj": container.oom_score_adj})


def _sure(explanation: Explanation, cgroup: CgroupName, *, of_node: bool = False) -> str:
    share = explanation.shares.get(cgroup, 0.0)
    text = f"{share:.3g}" if share < 10 else f"{share:.1f}"
    if of_node:
        total = explanation.node.status.capacity["cpu"]
        return f"{text} of {total} CPUs when every container wants all it may use"
    return f"sure of {text} CPUs"


def _level_lines(explanation: Explanation, style: Style) -> Iterator[str]:
    for name in explanation.levels:
        yield f"{style.paint(name, _BOLD)}  {style.paint(_sure(explanation, name), _DIM)}"
        yield from _file_lines(explanation.details.cgroups.get(name, {}), style)


def _file_lines(
    values: Mapping[str, Explained], style: Style, more: Mapping[str, Explained] | None = None
) -> Iterator[str]:
    rows: list[tuple[str, str, Explained]] = []
    for knob, explained in values.items():
        if style.wide or not _says_nothing(knob, explained.value):
            rows.append((_file_name(knob), format_value(explained.value), explained))
    rows += [(name, str(explained.value), explained) for name, explained in (more or {}).items()]
    if not rows:
        yield "    nothing managed"
        return
    names = max(len(row[0]) for row in rows)
    texts = max(len(row[1]) for row in rows)
    indent = 4 + names + 2 + texts + 2
    for name, text, explained in rows:
        start = f"    {name:<{names}}  {text:<{texts}}  "
        formula = _human(name, explained) + explained.formula
        if style.wide:
            yield start + formula
        elif style.width - indent < _LEAST_FORMULA:
            yield start.rstrip()
            yield from _paragraph(formula, 6, style)
        else:
            first, *rest = _wrap(formula, style.width - indent)
            yield start + first
            yield from (" " * indent + line for line in rest)


def _file_name(knob: str) -> str:
    return knob.replace("_", ".") if "oom_score" not in knob else knob


def _says_nothing(knob: str, value: object) -> bool:
    """Huge pages: none, or no bound."""
    return knob.startswith("hugetlb_") and (
        value == 0 or (isinstance(value, int) and value >= _UNBOUNDED_BYTES)
    )


def _human(file: str, explained: Explained) -> str:
    """``512Mi: `` before the formula of a number of bytes that is a round one."""
    value = explained.value
    if not file.startswith(_BYTES_FILES) or not isinstance(value, int):
        return ""
    for unit, size in _UNITS:
        if value >= size and value * 10 % size == 0:
            return f"{value / size:g}{unit}: "
    return ""


def _labelled(label: str, text: str, style: Style) -> Iterator[str]:
    indent = 2 + _LABEL
    lines = [text] if style.wide else _wrap(text, style.width - indent)
    yield f"  {style.paint(label.ljust(_LABEL), _DIM)}{lines[0]}"
    yield from (" " * indent + line for line in lines[1:])


def _paragraph(text: str, indent: int, style: Style) -> Iterator[str]:
    yield from (" " * indent + line for line in ([text] if style.wide else _wrap(text, style.width - indent)))


@lru_cache(maxsize=4096)
def _wrap(text: str, width: int) -> tuple[str, ...]:
    """Words put into lines of at most ``width``; textwrap would take most of the time of 1,000 pods."""
    lines: list[str] = []
    line = ""
    for word in text.split(" "):
        if line and len(line) + 1 + len(word) > width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return (*lines, line)


def upgrade_lines(found: Upgrade, style: Style) -> Iterator[str]:
    """What an upgrade changes: for whom, which value, from what to what, and why."""
    by_cgroup: dict[CgroupName, list[ValueChange]] = {}
    for change in found.changes:
        by_cgroup.setdefault(change.cgroup, []).append(change)
    titles = {name: title for pod in found.after.pods for name, title in _titles(pod)}
    for name, changes in by_cgroup.items():
        title = titles.get(name, name)
        before, after = found.before.shares.get(name, 0.0), found.after.shares.get(name, 0.0)
        sure = f"sure of {before:.3g} → {after:.3g} CPUs" if f"{before:.3g}" != f"{after:.3g}" else ""
        yield f"{style.paint(title, _BOLD)}  {style.paint(sure, _DIM)}".rstrip()
        width = max(len(each.file) for each in changes)
        for each in changes:
            yield f"    {each.file:<{width}}  {each.before or 'not written'} → {each.after or 'not written'}"
            yield from _paragraph(each.formula, 8 + width - width, style)
    if not by_cgroup:
        yield "Nothing changes."
    yield ""
    yield from _paragraph(
        f"From {found.before.profile} to {found.after.profile}. {footer(found.after)}", 0, style
    )


def _titles(pod: ExplainedPod) -> Iterator[tuple[CgroupName, str]]:
    name = f"{pod.details.pod.namespace}/{pod.details.pod.name}"
    yield pod.details.cgroup, f"pod {name}"
    for container in pod.details.containers:
        yield container.cgroup, f"container {container.container.name} of {name}"
