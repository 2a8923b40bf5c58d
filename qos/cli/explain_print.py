"""How the answer of `qos explain` is written: whole, or part by part."""

from __future__ import annotations

import os
import shutil
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from qos.cli.explain_text import Style
    from qos.experiment.explain import Explanation
    from qos.experiment.explain_parts import PartedExplanation


class Output(StrEnum):
    """Formats of `qos explain`."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"
    CSV = "csv"


def print_explanation(explanation: Explanation, output: Output) -> None:
    """Write the whole answer to stdout."""
    if output in {Output.JSON, Output.YAML}:
        print_data(explanation.to_json(), output)
    elif output is Output.NAME:
        write_lines(_names(explanation))
    elif output is Output.CSV:
        writer = _csv_writer()
        writer.writerows(_csv_rows(explanation))
    elif explanation.pods:
        from qos.cli.explain_text import explanation_lines

        write_lines(explanation_lines(explanation, style_of(output)))


def print_parts(parted: PartedExplanation, output: Output) -> None:
    """Write the answer to stdout as it is made; the bytes are those of the whole one."""
    if output is Output.JSON:
        from qos.experiment.explain_parts import json_pieces

        for piece in json_pieces(parted):
            sys.stdout.buffer.write(piece)
    elif output is Output.NAME:
        for part in parted.parts():
            write_lines(_names(part))
    elif output is Output.CSV:
        writer = _csv_writer()
        for part in parted.parts():
            writer.writerows(_csv_rows(part))
    else:
        from qos.cli.explain_text import end_lines, pods_lines

        style = style_of(output)
        for part in parted.parts_with_shares():
            write_lines(pods_lines(part, style))
        if parted.shown and parted.rest:
            write_lines(end_lines(parted.rest, style))


def style_of(output: Output) -> Style:
    """How text is set on this terminal, or in a pipe."""
    from qos.cli.explain_text import Style

    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    return Style(shutil.get_terminal_size().columns, output is Output.WIDE, colour)


def print_data(data: dict[str, Any], output: Output) -> None:
    """Write a machine form to stdout."""
    if output is Output.JSON:
        import orjson

        sys.stdout.write(orjson.dumps(data, option=orjson.OPT_INDENT_2).decode() + "\n")
        return
    import yaml

    yaml.dump(data, sys.stdout, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True)


def _names(explanation: Explanation) -> Iterator[str]:
    for each in explanation.pods:
        yield f"{each.sourced.owner_kind.lower()}/{each.details.pod.name}"


def _csv_writer() -> Any:
    import csv

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(("namespace", "name", "qosClass", "container", "type", "cgroup", "file", "value", "why"))
    return writer


def _csv_rows(explanation: Explanation) -> Iterator[tuple[Any, ...]]:
    from qos.model.cgroup import format_value

    for pod in explanation.pods:
        details = pod.details
        head = (details.pod.namespace, details.pod.name, details.qos_class.value)
        places = [("", "pod", details.cgroup)]
        places += [(each.container.name, each.type, each.cgroup) for each in details.containers]
        for name, kind, cgroup in places:
            for knob, value in explanation.details.cgroups.get(cgroup, {}).items():
                file = knob.replace("_", ".")
                yield *head, name, kind, cgroup, file, format_value(value.value), value.formula
        for each in details.containers:
            place = (each.container.name, each.type, each.cgroup)
            yield *head, *place, "oom_score_adj", each.oom_score_adj.value, each.oom_score_adj.formula


def write_lines(lines: Iterable[str]) -> None:
    """Write lines to stdout."""
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def talk(explanation: Explanation, *, pods: int, shown: int) -> None:
    """What was wrong, tolerated and skipped, on stderr.

    Args:
        explanation: with all of that.
        pods: how many the input holds.
        shown: how many of them were written.
    """
    for error in explanation.errors:
        print(f"qos: {error}", file=sys.stderr)
    for warning in explanation.warnings:
        print(f"qos: warning: {warning}", file=sys.stderr)
    if explanation.skipped:
        counts: dict[str, int] = {}
        for each in explanation.skipped:
            counts[each.kind or "no kind"] = counts.get(each.kind or "no kind", 0) + 1
        most = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        kinds = ", ".join(f"{count} {kind}" for kind, count in most[:6]) + (", …" if len(most) > 6 else "")
        count = len(explanation.skipped)
        print(
            f"qos: skipped {count} documents that run no pods ({kinds}); -o json names each", file=sys.stderr
        )
    if not shown and not explanation.errors:
        what = "no pod matches the selector" if pods else "nothing here runs pods"
        print(f"qos: {what}", file=sys.stderr)
