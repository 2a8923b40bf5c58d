"""`qos plan recommend`: which requests and limits, from usage, back-tested."""

from __future__ import annotations

import csv
import io
import json
import sys
from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from qos.cli.table import text_table, wrapped

if TYPE_CHECKING:
    from qos.capacity.patches import Target
    from qos.capacity.recommend import Resources
    from qos.experiment.plan_recommend import Recommendation, Sources
    from qos.scenario.manifest import Manifests

MIB = 1 << 20
HEADERS = ("CONTAINER", "STRATEGY", "CPU", "MEMORY", "OOM", "LATE", "CPU WASTED", "MEMORY WASTED", "COST")


class Output(StrEnum):
    """Formats of `qos plan recommend`."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    PATCH = "patch"
    KUSTOMIZE = "kustomize"
    HELM = "helm"


class StrategyName(StrEnum):
    """How a request is found."""

    SLO = "slo"
    PERCENTILE = "percentile"
    VPA = "vpa"


Paths = Annotated[
    list[str] | None,
    typer.Argument(help="Recordings, and CSV files with time, cpu and memory.", metavar="[USAGE]..."),
]
CpuFiles = Annotated[
    list[str] | None,
    typer.Option("--cpu", metavar="FILE", help="Answer of a Prometheus range query, in CPUs; repeat."),
]
MemoryFiles = Annotated[
    list[str] | None, typer.Option("--memory", metavar="FILE", help="The same in bytes; repeat.")
]
Server = Annotated[
    str, typer.Option("--prometheus", metavar="URL", help="Ask this server: http://prometheus:9090.")
]
Window = Annotated[str, typer.Option(metavar="TIME", help="With --prometheus: so long back from now.")]
Step = Annotated[str, typer.Option(metavar="TIME", help="With --prometheus: between two points.")]
CpuQuery = Annotated[str, typer.Option(metavar="PROMQL", help="With --prometheus: CPUs; RANGE is 4 steps.")]
MemoryQuery = Annotated[str, typer.Option(metavar="PROMQL", help="With --prometheus: bytes.")]
ManifestFiles = Annotated[
    list[str] | None,
    typer.Option("-f", "--filename", metavar="FILE|DIR|-", help="Workloads the usage belongs to."),
]
StrategyOption = Annotated[StrategyName, typer.Option(help="Whose values are printed as patches.")]
Late = Annotated[
    str, typer.Option(metavar="PERCENT", help="slo: CPU work that may come late under full contention.")
]
Fitted = Annotated[str, typer.Option(metavar="PERCENT", help="The first part, which the back-test fits on.")]
PriceOption = Annotated[
    str, typer.Option(metavar="cpu=N,memory=N", help="An hour of a CPU and of a GiB, for the cost a month.")
]
ForOption = Annotated[
    str, typer.Option("--for", metavar="KIND/NAME:CONTAINER", help="What the CSV files are of.")
]
TimeColumn = Annotated[str, typer.Option(help="CSV: column of times.")]
CpuColumn = Annotated[str, typer.Option(help="CSV: column of CPUs.")]
MemoryColumn = Annotated[str, typer.Option(help="CSV: column of bytes.")]
Anyway = Annotated[bool, typer.Option("--anyway", help="Print patches also of what the back-test kills.")]


def recommend(
    usage: Paths = None,
    cpu: CpuFiles = None,
    memory: MemoryFiles = None,
    filename: ManifestFiles = None,
    strategy: StrategyOption = StrategyName.SLO,
    late: Late = "5%",
    fitted: Fitted = "70%",
    price: PriceOption = "",
    of: ForOption = "",
    time_column: TimeColumn = "",
    cpu_column: CpuColumn = "",
    memory_column: MemoryColumn = "",
    prometheus: Server = "",
    window: Window = "14d",
    step: Step = "5m",
    cpu_query: CpuQuery = "",
    memory_query: MemoryQuery = "",
    anyway: Anyway = False,
    output: Annotated[Output, typer.Option("-o", "--output", help="How to print.")] = Output.TABLE,
) -> None:
    """Recommend requests and limits from usage by three strategies, each back-tested on the rest of it.

    OOM: kills in the rest. LATE: CPU work that comes late when the container has its request and no more.

    Exit code 0, 1 when the printed strategy kills in the back-test, 2 for bad input.

    Example: qos plan recommend --cpu cpu.json --memory memory.json -f deploy/ -o patch
    """
    from qos.capacity.recommend import Objectives
    from qos.cli.plan_common import price_of
    from qos.experiment.plan_recommend import Sources, named_by, read_usage
    from qos.experiment.plan_recommend import recommend as run
    from qos.scenario.usage import Columns

    columns = Columns(time_column, cpu_column, memory_column)
    sources = Sources(tuple(usage or ()), tuple(cpu or ()), tuple(memory or ()), columns, _target(of))
    if prometheus:
        sources = _asked(sources, prometheus, window, step, (cpu_query, memory_query))
    objectives, costs, part = Objectives(_part(late, "--late")), price_of(price), _part(fitted, "--fitted")
    measured = read_usage(sources)
    now: dict[Target, Resources] = {}
    if filename:
        measured, now = named_by(measured, _manifests(filename))
    found = run(measured, objectives=objectives, fitted=part, price=costs)
    raise typer.Exit(_told(found, strategy, output, now, anyway))


def _told(
    found: list[Recommendation], strategy: str, output: Output, now: dict[Target, Resources], anyway: bool
) -> int:
    """Print it; 1 where the printed strategy kills, whose patches are withheld."""
    deadly = [each for each in found if each.kills(strategy)]
    if output in {Output.PATCH, Output.KUSTOMIZE, Output.HELM} and not anyway:
        found = [each for each in found if each not in deadly]
    print(_printed(found, strategy, output, now))
    for each in deadly:
        print(
            f"qos: {each.target}: {strategy} kills {each.kills(strategy)} times in the back-test",
            file=sys.stderr,
        )
    return 1 if deadly else 0


def _asked(sources: Sources, url: str, window: str, step: str, queries: tuple[str, str]) -> Sources:
    """The sources with a server, asked from now back."""
    import time
    from dataclasses import replace

    from qos.cli.options import parse_duration
    from qos.scenario.prometheus import Range

    now, between = time.time(), parse_duration(step, "--step", least_seconds=1)
    length = parse_duration(window, "--window", least_seconds=between)
    cpu, memory = (own or usual for own, usual in zip(queries, sources.queries, strict=True))
    return replace(sources, prometheus=url, time=Range(now - length, now, between), queries=(cpu, memory))


def _printed(found: list[Recommendation], strategy: str, output: Output, now: dict[Target, Resources]) -> str:
    from qos.capacity.patches import helm, kubectl, kustomize

    chosen = [(each.target, each.found[strategy]) for each in found]
    if output is Output.PATCH:
        return kubectl(chosen)
    if output is Output.KUSTOMIZE:
        return kustomize(chosen)
    if output is Output.HELM:
        return helm(chosen)
    if output is Output.JSON:
        return json.dumps([asdict(each) for each in found], indent=2)
    rows = [row for each in found for row in _rows(each)]
    if output is Output.CSV:
        stream = io.StringIO()
        csv.writer(stream, lineterminator="\n").writerows([HEADERS, *rows])
        return stream.getvalue().rstrip()
    costs = any(row.replayed.cost_a_month for each in found for rows in each.tested.values() for row in rows)
    width = len(HEADERS) if costs else len(HEADERS) - 1
    table = text_table(HEADERS[:width], [row[:width] for row in rows])
    return f"{wrapped([_sentence(each, strategy, now) for each in found])}\n\n{table}"


def _sentence(each: Recommendation, strategy: str, now: dict[Target, Resources]) -> str:
    resources = each.found[strategy]
    told = f"{each.target} {each.target.container}: {_amounts(resources.cpu_milli, resources.memory_bytes)}"
    have = now.get(each.target)
    if have:
        told += f" (now {_amounts(have.cpu_milli, have.memory_bytes)})"
    return f"{told}. {strategy}: {resources.reason}."


def _amounts(cpu_milli: int | None, memory_bytes: int | None) -> str:
    from qos.capacity.patches import cpu_text

    cpu = cpu_text(cpu_milli) if cpu_milli is not None else "no"
    memory = f"{memory_bytes // MIB}Mi" if memory_bytes is not None else "no"
    return f"{cpu} CPU, {memory} memory"


def _rows(each: Recommendation) -> list[list[str]]:
    """A line a strategy: its values, and how it fared; over pods, sums and the worst lateness."""
    from qos.capacity.patches import cpu_text
    from qos.record.words import digits, percent_text

    rows: list[list[str]] = []
    for name, resources in each.found.items():
        tested = [row.replayed for row in each.tested[name]]
        lates = [one.late for one in tested if one.late is not None]
        memory = resources.memory_bytes
        kills = [one.oom_kills for one in tested if one.oom_kills is not None]
        label = f"{each.target.name}:{each.target.container}" if not rows else ""
        rows.append(
            [
                label[:24],
                name,
                cpu_text(resources.cpu_milli) if resources.cpu_milli is not None else "-",
                f"{memory // MIB}Mi" if memory is not None else "-",
                str(sum(kills)) if kills else "-",
                percent_text(max(lates)) if lates else "-",
                digits(sum(one.wasted_cpus for one in tested)) if lates else "-",
                f"{sum(one.wasted_bytes for one in tested) / MIB:.0f}Mi" if kills else "-",
                f"{sum(one.cost_a_month for one in tested):.2f}",
            ]
        )
    return rows


def _manifests(filename: list[str]) -> Manifests:
    from qos.scenario.manifest import read_manifests
    from qos.scenario.validation import one_or_all

    read = read_manifests(filename, sys.stdin.buffer)
    if read.errors:
        raise one_or_all(read.errors)
    return read


def _target(text: str) -> Target | None:
    from qos.capacity.patches import KINDS, Target
    from qos.errors import InputError

    if not text:
        return None
    workload, _, container = text.partition(":")
    kind, _, name = workload.partition("/")
    known = next((each for each in KINDS if each.lower() == kind.lower()), None)
    if known is None or not name or not container:
        raise InputError(
            "names no container", field="--for", value=text, expected="such as deployment/web:app"
        )
    return Target("default", known, name, container)


def _part(text: str, field: str) -> float:
    from qos.errors import InputError
    from qos.model.expectation import parse_value

    try:
        value = parse_value(text)
    except ValueError:
        value = -1.0
    if not 0 < value < 1:
        raise InputError("is no part", field=field, value=text, expected="more than 0% and less than 100%")
    return value
