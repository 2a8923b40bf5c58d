"""`qos explain`: the class of every pod and why, every cgroup file and what it buys."""

from __future__ import annotations

import gc
import os
import re
import shutil
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

if TYPE_CHECKING:
    from qos.experiment.explain import Explanation
    from qos.experiment.upgrade import Upgrade
    from qos.scenario.manifest import Manifests


# A..B; a path such as ../profile.yaml is none
_RANGE: Final = re.compile(r"(.+?)\.\.(?!/)(.+)")


class Output(StrEnum):
    """Formats of `qos explain`."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"
    CSV = "csv"


def explain(
    filename: Annotated[
        list[str] | None,
        typer.Option("-f", "--filename", metavar="FILE|DIR|-", help="Manifests; repeat for several."),
    ] = None,
    node: Annotated[
        str | None, typer.Option(metavar="FILE", help="A v1 Node and its KubeletConfiguration.")
    ] = None,
    policy: Annotated[
        str, typer.Option("--policy", "-p", help="Whose values; `help` lists them.")
    ] = "kubelet",
    profile: Annotated[
        str | None, typer.Option(help="Version (1.36), or A..B for what an upgrade changes.")
    ] = None,
    selector: Annotated[
        str | None, typer.Option("-l", "--selector", help="Only pods with these labels.")
    ] = None,
    before: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|DIR", help="Say what -f changes against these, such as an injected sidecar."
        ),
    ] = None,
    output: Annotated[Output, typer.Option("-o", "--output", help="How to print.")] = Output.TABLE,
) -> None:
    """Say each pod's QoS class and why, every cgroup file with its formula, and the CPU it is sure to get.

    Example: qos explain -f deploy/ --node node.yaml
    """
    if policy == "help":
        _print_policies()
        return
    if not filename:
        raise typer.BadParameter("say what to explain: -f FILE, a directory, or - for stdin")
    from qos.scenario.load import garbage_collector_paused

    with garbage_collector_paused():
        if before is None:
            explanation = _explain(filename, node, policy, profile, selector, output)
        else:
            explanation = _compare(before, filename, node, policy, profile, selector, output)
    if explanation.errors:
        raise typer.Exit(2)


def _explain(
    filename: list[str],
    node: str | None,
    policy: str,
    profile: str | None,
    selector: str | None,
    output: Output,
) -> Explanation:
    """Read, explain and print; what was explained."""
    # One pass, then the process ends: collecting garbage would only look at what is still needed.
    gc.disable()
    from qos.experiment.explain import explain_manifests
    from qos.scenario.manifest import read_manifests

    manifests = read_manifests(filename, sys.stdin.buffer)
    both = _RANGE.fullmatch(profile or "")
    if both:
        from qos.experiment.upgrade import upgrade

        found = upgrade(manifests, both[1], both[2], node=node, policy=policy, selector=selector)
        _print_upgrade(found, output)
        explanation = found.after
    else:
        explanation = explain_manifests(
            manifests, node=node, policy=policy, profile=profile, selector=selector
        )
        _print(explanation, output)
    _talk(explanation, manifests)
    return explanation


def _compare(
    before: str,
    filename: list[str],
    node: str | None,
    policy: str,
    profile: str | None,
    selector: str | None,
    output: Output,
) -> Explanation:
    """Read both inputs, say what the later changes; the one with errors, else the later."""
    from qos.experiment.injection import compare_manifests
    from qos.scenario.manifest import read_manifests

    if output in {Output.NAME, Output.CSV}:
        raise typer.BadParameter("--before is printed as table, wide, json or yaml", param_hint="-o")
    if _RANGE.fullmatch(profile or ""):
        raise typer.BadParameter(
            "either an upgrade (A..B) or an edit (--before), not both", param_hint="--profile"
        )
    old, new = read_manifests([before]), read_manifests(filename, sys.stdin.buffer)
    found = compare_manifests(old, new, node=node, policy=policy, profile=profile, selector=selector)
    if found.before.errors:
        _talk(found.before, old)
        return found.before
    if output in {Output.JSON, Output.YAML}:
        _print_data(found.to_json(), output)
    else:
        from qos.cli.injection_text import injection_lines

        _write(injection_lines(found, _style(output)))
    _talk(found.after, new)
    return found.after


def _print_policies() -> None:
    from qos.cli.table import text_table
    from qos.policy.registry import all_policies

    print(
        text_table(
            ("POLICY", "WHAT IT DOES"), [(name, each.describe) for name, each in all_policies().items()]
        )
    )


def _print(explanation: Explanation, output: Output) -> None:
    if output in {Output.JSON, Output.YAML}:
        _print_data(explanation.to_json(), output)
    elif output is Output.NAME:
        _write(f"{each.sourced.owner_kind.lower()}/{each.details.pod.name}" for each in explanation.pods)
    elif output is Output.CSV:
        _print_csv(explanation)
    elif explanation.pods:
        from qos.cli.explain_text import explanation_lines

        _write(explanation_lines(explanation, _style(output)))


def _print_upgrade(found: Upgrade, output: Output) -> None:
    if output in {Output.JSON, Output.YAML}:
        _print_data(found.to_json(), output)
        return
    if output in {Output.NAME, Output.CSV}:
        raise typer.BadParameter("A..B is printed as table, wide, json or yaml", param_hint="-o")
    from qos.cli.explain_text import upgrade_lines

    _write(upgrade_lines(found, _style(output)))


def _style(output: Output) -> Any:
    from qos.cli.explain_text import Style

    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    return Style(shutil.get_terminal_size().columns, output is Output.WIDE, colour)


def _print_data(data: dict[str, Any], output: Output) -> None:
    if output is Output.JSON:
        import orjson

        sys.stdout.write(orjson.dumps(data, option=orjson.OPT_INDENT_2).decode() + "\n")
        return
    import yaml

    yaml.dump(data, sys.stdout, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True)


def _print_csv(explanation: Explanation) -> None:
    import csv

    from qos.model.cgroup import format_value

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(("namespace", "name", "qosClass", "container", "type", "cgroup", "file", "value", "why"))
    for pod in explanation.pods:
        details = pod.details
        head = (details.pod.namespace, details.pod.name, details.qos_class.value)
        rows = [("", "pod", details.cgroup)]
        rows += [(each.container.name, each.type, each.cgroup) for each in details.containers]
        for name, kind, cgroup in rows:
            for knob, value in explanation.details.cgroups.get(cgroup, {}).items():
                file = knob.replace("_", ".")
                writer.writerow((*head, name, kind, cgroup, file, format_value(value.value), value.formula))
        for each in details.containers:
            score = each.oom_score_adj
            writer.writerow(
                (
                    *head,
                    each.container.name,
                    each.type,
                    each.cgroup,
                    "oom_score_adj",
                    score.value,
                    score.formula,
                )
            )


def _write(lines: Any) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def _talk(explanation: Explanation, manifests: Manifests) -> None:
    """What was wrong, tolerated and skipped, on stderr."""
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
    if not explanation.pods and not explanation.errors:
        what = "no pod matches the selector" if manifests.pods else "nothing here runs pods"
        print(f"qos: {what}", file=sys.stderr)
