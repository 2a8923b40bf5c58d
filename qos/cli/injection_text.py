"""How `qos explain --before` reads on a terminal: what an edit or an injected sidecar changes."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any, Final

from qos.cli.explain_text import Style, footer
from qos.experiment.injection import Injection, PodChange
from qos.policy.decisions.compare import ContainerComparison, Pair

BOLD: Final = "\x1b[1m"
_NONE: Final = "not written"


def injection_lines(found: Injection, style: Style) -> Iterator[str]:
    """The whole answer, line by line; pods that stay as they are are counted only."""
    for change in found.changes:
        yield from _pod_lines(change, style)
        yield ""
    for words, keys in (("new", found.added), ("gone", found.removed)):
        for namespace, kind, name in keys:
            yield f"{namespace}/{name}  {words}  {kind}"
    if not found.changes and not found.added and not found.removed:
        yield "Nothing changes."
    if found.same:
        yield f"{found.same} pods stay as they are." if found.same > 1 else "1 pod stays as it is."
    yield from _wrapped(footer(found.after), "", style)


def _pod_lines(change: PodChange, style: Style) -> Iterator[str]:
    namespace, kind, name = change.key
    found = change.comparison
    title = style.paint(f"{namespace}/{name}", BOLD)
    yield f"{title}  {_arrow(found.qos_class)}  {kind}"
    if found.injected:
        yield f"  added   {', '.join(found.injected)}"
    if found.qos_class.changed:
        why = f"  why     {found.reason.after} (before: {found.reason.before})"
        yield from _wrapped(why, " " * 10, style)
    yield f"  sure    {_cpus(found.cpus)} CPUs when every container wants all it may use"
    for label, amounts in (("asks", found.requests), ("limits", found.limits)):
        if amounts:
            yield f"  {label:<8}" + ", ".join(f"{one} {_arrow(pair)}" for one, pair in amounts.items())
    yield f"  {_arrow(found.cgroup)}"
    yield from _file_lines(found.files)
    for container in found.containers:
        yield from _container_lines(container)


def _container_lines(container: ContainerComparison) -> Iterator[str]:
    if container.fate == "same" and not container.cpus.changed:
        return
    words = [word for word in (container.type if container.type != "regular" else "", container.fate) if word]
    if container.fate in {"same", "changed"}:
        words.remove(container.fate)
    kind = f" ({', '.join(words)})" if words else ""
    yield f"  …/{container.name}{kind}  sure of {_cpus(container.cpus)} CPUs"
    score: Mapping[str, Pair[Any]] = (
        {"oom_score_adj": container.oom_score_adj} if container.oom_score_adj.changed else {}
    )
    files = {**container.files, **score}
    if container.fate == "added":  # all of it is new; an arrow from nothing says no more
        files = {name: Pair(pair.after, pair.after) for name, pair in files.items()}
    if container.fate != "removed":
        yield from _file_lines(files)


def _file_lines(files: Mapping[str, Pair[Any]]) -> Iterator[str]:
    told = {name: pair for name, pair in files.items() if not name.startswith("hugetlb.")}
    width = max(map(len, told), default=0)
    for name, pair in told.items():
        yield f"    {name:<{width}}  {_arrow(pair)}"


def _wrapped(text: str, indent: str, style: Style) -> list[str]:
    if style.wide:
        return [text]
    return textwrap.wrap(text, style.width, subsequent_indent=indent, break_on_hyphens=False)


def _arrow(pair: Pair[Any]) -> str:
    if not pair.changed:
        return str(pair.after)
    before, after = (_NONE if one is None else str(one) for one in (pair.before, pair.after))
    return f"{before} → {after}"


def _cpus(pair: Pair[Any]) -> str:
    before, after = (None if one is None else f"{one:.3g}" for one in (pair.before, pair.after))
    if before is None or before == after:
        return str(after)
    return f"{before} → {after or 'gone'}"
