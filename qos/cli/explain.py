"""`qos explain`: the class of every pod and why, every cgroup file and what it buys."""

from __future__ import annotations

import gc
import re
import sys
from typing import TYPE_CHECKING, Annotated, BinaryIO, Final

import typer

from qos.cli.explain_print import (
    Output,
    print_data,
    print_explanation,
    print_parts,
    style_of,
    talk,
    write_lines,
)

if TYPE_CHECKING:
    from qos.experiment.explain import Explanation
    from qos.experiment.upgrade import Upgrade


# A..B; a path such as ../profile.yaml is none
_RANGE: Final = re.compile(r"(.+?)\.\.(?!/)(.+)")


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
    from qos.scenario.stored import is_large

    both = _RANGE.fullmatch(profile or "")
    large, stdin = is_large(filename, sys.stdin.buffer)
    if large and not both and output is not Output.YAML:
        explained = _explain_large(filename, stdin, node, policy, profile, selector, output)
        if explained:
            return explained
    manifests = read_manifests(filename, stdin)
    if both:
        from qos.experiment.upgrade import upgrade

        found = upgrade(manifests, both[1], both[2], node=node, policy=policy, selector=selector)
        _print_upgrade(found, output)
        explanation = found.after
    else:
        explanation = explain_manifests(
            manifests, node=node, policy=policy, profile=profile, selector=selector
        )
        print_explanation(explanation, output)
    talk(explanation, pods=len(manifests.pods), shown=len(explanation.pods))
    return explanation


def _explain_large(
    filename: list[str],
    stdin: BinaryIO,
    node: str | None,
    policy: str,
    profile: str | None,
    selector: str | None,
    output: Output,
) -> Explanation | None:
    """As :func:`_explain`, without holding what was read; None where the policy wants all at once."""
    from qos.experiment.explain_parts import explain_in_parts, policy_in_parts
    from qos.scenario.stored import StoredDocuments

    chosen = policy_in_parts(policy)
    if chosen is None:
        return None
    gc.freeze()
    gc.enable()
    with StoredDocuments(filename, stdin) as documents:
        parted = explain_in_parts(documents, chosen, node=node, profile=profile, selector=selector)
        print_parts(parted, output)
    rest = parted.rest
    if rest is not None:
        talk(rest, pods=parted.pods, shown=parted.shown)
    return rest


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
        talk(found.before, pods=len(old.pods), shown=len(found.before.pods))
        return found.before
    if output in {Output.JSON, Output.YAML}:
        print_data(found.to_json(), output)
    else:
        from qos.cli.injection_text import injection_lines

        write_lines(injection_lines(found, style_of(output)))
    talk(found.after, pods=len(new.pods), shown=len(found.after.pods))
    return found.after


def _print_policies() -> None:
    from qos.cli.table import text_table
    from qos.policy.registry import all_policies

    print(
        text_table(
            ("POLICY", "WHAT IT DOES"), [(name, each.describe) for name, each in all_policies().items()]
        )
    )


def _print_upgrade(found: Upgrade, output: Output) -> None:
    if output in {Output.JSON, Output.YAML}:
        print_data(found.to_json(), output)
        return
    if output in {Output.NAME, Output.CSV}:
        raise typer.BadParameter("A..B is printed as table, wide, json or yaml", param_hint="-o")
    from qos.cli.explain_text import upgrade_lines

    write_lines(upgrade_lines(found, style_of(output)))
