"""`qos apply`, `diff`, `get` and `delete`: a plan in force on this host."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from qos.experiment.applied import Result
    from qos.experiment.desired import Desired
    from qos.experiment.enforce import Host

_WORDS = {True: " (dry run)", False: ""}


class Output(StrEnum):
    """How to print what became of the objects."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


class DryRun(StrEnum):
    """What a dry run may look at."""

    NONE = "none"
    CLIENT = "client"
    HOST = "host"


class Driver(StrEnum):
    """Who writes cgroup files: qos itself, or systemd by unit properties."""

    CGROUPFS = "cgroupfs"
    SYSTEMD = "systemd"


Files = Annotated[
    list[str] | None,
    typer.Option("-f", "--filename", metavar="FILE|DIR|-", help="Manifests; repeat for several."),
]
Policy = Annotated[str | None, typer.Option("--policy", "-p", help="Whose values; else as before.")]
Profile = Annotated[str | None, typer.Option(help="Kubernetes version, runtime, kernel: 1.36/crun.")]
NodeFile = Annotated[
    str | None,
    typer.Option("--node", metavar="FILE", help="A Node with its KubeletConfiguration."),
]
Root = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Cgroup to work below; else all that is ours."),
]
StateDir = Annotated[Path | None, typer.Option(metavar="DIR", help="Where the record lies; else /run/qos.")]
ForceConflicts = Annotated[
    bool, typer.Option("--force-conflicts", help="Overwrite what somebody else changed.")
]
Force = Annotated[bool, typer.Option("--force", help="Push memory.max below current use, whatever it kills.")]
Selector = Annotated[str | None, typer.Option("-l", "--selector", help="Pods with these labels.")]
CgroupDriver = Annotated[
    Driver | None, typer.Option("--cgroup-driver", help="Who writes; else as before, cgroupfs at first.")
]
OutputFormat = Annotated[Output, typer.Option("-o", "--output", help="How to print.")]


def apply(
    filename: Files = None,
    policy: Policy = None,
    profile: Profile = None,
    node: NodeFile = None,
    output: OutputFormat = Output.TABLE,
    dry_run: Annotated[
        DryRun, typer.Option(help="client: plan only; host: look and refuse as usual, write nothing.")
    ] = DryRun.NONE,
    prune: Annotated[bool, typer.Option("--prune", help="Give back pods that are not in the files.")] = False,
    run: Annotated[bool, typer.Option("--run", help="Start the containers that have a command.")] = False,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Stay, repair drift and let the agents act.")
    ] = False,
    agent: Annotated[
        list[str] | None,
        typer.Option(help="Agents of --watch: eviction, restart (with --run always), qosLevels, suppress."),
    ] = None,
    force_conflicts: ForceConflicts = False,
    force: Force = False,
    cgroup_driver: CgroupDriver = None,
    root: Root = None,
    state_dir: StateDir = None,
) -> None:
    """Bring this host to the manifests: cgroups made, values written and read back, per object what changed.

    Example: qos apply -f deploy/ --dry-run host
    """
    from qos.experiment.desired import read_asked

    asked = read_asked(_files(filename), sys.stdin.buffer, policy=policy, profile=profile, node=node)
    if dry_run is DryRun.CLIENT:
        _plan_only(asked, output, cgroup_driver)
        return
    with _host(root, state_dir, cgroup_driver) as host:
        wanted = host.desired(asked, prune=prune)
        dry = dry_run is DryRun.HOST
        result = host.apply(wanted, force_conflicts=force_conflicts, force_shrink=force, dry_run=dry)
        _print_result(result, output, dry=dry)
        if not dry:
            _go_on(host, wanted, agent, _logs(state_dir), run=run, watch=watch)


def _logs(state_dir: Path | None) -> Path:
    import os

    from enforcer.state import default_directory

    return (state_dir or default_directory(os.environ)) / "logs"


def _go_on(
    host: Host, wanted: Desired, agents: list[str] | None, logs: Path, *, run: bool, watch: bool
) -> None:
    from qos.experiment.launch_pods import without_root

    for words in without_root(wanted) if run else ():
        print(f"qos: {words}", file=sys.stderr)
    if watch:
        _watch(host, wanted, tuple(agents or ()), logs, run=run)
    elif run:
        _start(host, wanted, logs)


def _start(host: Host, wanted: Desired, logs: Path) -> None:
    from qos.experiment.launch_pods import launch_pods

    for name, pid in launch_pods(host, wanted, logs).items():
        print(f"pod/{name} started as process {pid}, output in {logs}", file=sys.stderr)


def diff(
    filename: Files = None,
    policy: Policy = None,
    profile: Profile = None,
    node: NodeFile = None,
    output: OutputFormat = Output.TABLE,
    prune: Annotated[bool, typer.Option("--prune", help="As apply --prune would.")] = False,
    cgroup_driver: CgroupDriver = None,
    root: Root = None,
    state_dir: StateDir = None,
) -> None:
    """Show what apply would write, or without -f what drifted since. Exit code 0 same, 1 differs, 2 failed.

    Example: qos diff -f deploy/
    """
    from qos.experiment.desired import read_asked

    with _host(root, state_dir, cgroup_driver) as host:
        if filename:
            asked = read_asked(filename, sys.stdin.buffer, policy=policy, profile=profile, node=node)
            result = host.diff(host.desired(asked, prune=prune))
        else:
            result = host.diff(host.kept())
    _print_diff(result, output)
    if result.differs:
        raise typer.Exit(1)


def get(
    names: Annotated[list[str] | None, typer.Argument(help="Pods: web, pod/web, pod/NAMESPACE/web.")] = None,
    selector: Selector = None,
    output: OutputFormat = Output.TABLE,
    cgroup_driver: CgroupDriver = None,
    root: Root = None,
    state_dir: StateDir = None,
) -> None:
    """List the pods in force on this host, and whether their values still are as applied.

    Example: qos get -o wide
    """
    from qos.experiment.enforce import Choice
    from qos.experiment.listing import listing

    with _host(root, state_dir, cgroup_driver) as host:
        choice = Choice(names or (), selector=selector, everything=not (names or selector))
        found = listing(host, choice)
    if output in (Output.JSON, Output.YAML):
        _print_data([each.to_json() for each in found], output)
    elif output is Output.NAME:
        print("".join(f"pod/{each.name}\n" for each in found), end="")
    elif found:
        from qos.cli.table import text_table

        wide = output is Output.WIDE
        print(text_table(found[0].headers(wide=wide), [each.cells(wide=wide) for each in found]))
    else:
        print("no pods are in force on this host", file=sys.stderr)


def delete(
    names: Annotated[list[str] | None, typer.Argument(help="Pods: web, pod/web, pod/NAMESPACE/web.")] = None,
    filename: Files = None,
    selector: Selector = None,
    everything: Annotated[bool, typer.Option("--all", help="Everything qos ever wrote here.")] = False,
    kill: Annotated[bool, typer.Option("--kill", help="Kill the processes of those pods first.")] = False,
    output: OutputFormat = Output.TABLE,
    force_conflicts: ForceConflicts = False,
    force: Force = False,
    cgroup_driver: CgroupDriver = None,
    root: Root = None,
    state_dir: StateDir = None,
) -> None:
    """Give pods back: their cgroups go, values that were there before return, byte for byte.

    Example: qos delete --all
    """
    from qos.experiment.desired import pods_of, read_asked
    from qos.experiment.enforce import Choice

    if not (names or filename or selector or everything):
        raise typer.BadParameter("say what to delete: names, -f FILE, -l SELECTOR or --all")
    keys = pods_of(read_asked(filename, sys.stdin.buffer).manifests).keys() if filename else ()
    with _host(root, state_dir, cgroup_driver) as host:
        result = host.delete(
            Choice(names or (), keys, selector, everything),
            kill=kill,
            force_conflicts=force_conflicts,
            force_shrink=force,
        )
    _print_result(result, output, dry=False, changed_only=True)


def _files(filename: list[str] | None) -> list[str]:
    if not filename:
        raise typer.BadParameter("say what to apply: -f FILE, a directory, or - for stdin")
    return filename


@contextmanager
def _host(root: Path | None, state_dir: Path | None, driver: Driver | None) -> Iterator[Host]:
    """The host; what could not be undone after a failure is told before the failure itself."""
    from qos.errors import QosError
    from qos.experiment.enforce import Host

    with Host(root, state_dir, driver.value if driver else None) as host:
        try:
            yield host
        except QosError as error:
            for note in getattr(error, "__notes__", ()):
                print(f"qos: {note}", file=sys.stderr)
            raise


def _plan_only(asked: Any, output: Output, driver: Driver | None) -> None:
    from qos.experiment.enforce import planned

    _print_result(planned(asked, driver.value if driver else None), output, dry=True)


def _watch(host: Host, wanted: Desired, agents: tuple[str, ...], logs: Path, *, run: bool) -> None:
    from qos.experiment.watch import watch

    def tell(line: str) -> None:
        print(line, flush=True)

    try:
        watch(host, wanted, agents, tell, logs=logs, run=run)
    except KeyboardInterrupt:
        print("qos: stopped; values stay in force, what was started goes on", file=sys.stderr)


def _print_result(result: Result, output: Output, *, dry: bool, changed_only: bool = False) -> None:
    if output in (Output.JSON, Output.YAML):
        _print_data(result.to_json(), output)
    else:
        for each in result.objects:
            if changed_only and each.outcome == "unchanged":
                continue
            print(each.name if output is Output.NAME else f"{each.name} {each.outcome}{_WORDS[dry]}")
            if output is Output.WIDE:
                print("".join(f"  {difference}\n" for difference in each.differences), end="")
    for note in result.notes:
        print(f"qos: {note}", file=sys.stderr)


def _print_diff(result: Result, output: Output) -> None:
    if output in (Output.JSON, Output.YAML):
        _print_data(result.to_json(), output)
        return
    for each in result.objects:
        if each.outcome == "unchanged":
            continue
        print(each.name if output is Output.NAME else f"{each.name}: to be {each.outcome}")
        if output is not Output.NAME:
            for difference in each.differences:
                print(f"  {difference.conflict if difference.foreign else difference}")


def _print_data(data: Any, output: Output) -> None:
    if output is Output.JSON:
        import orjson

        sys.stdout.write(orjson.dumps(data, option=orjson.OPT_INDENT_2).decode() + "\n")
        return
    import yaml

    yaml.dump(data, sys.stdout, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True)
