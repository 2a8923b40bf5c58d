"""One self-contained page of any recordings: opened offline, forwarded as one file, printed."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from qos.errors import RecordingError
from qos.model.sample import Recording
from qos.model.summary import Summary
from qos.report.keys import legend
from qos.report.picture import Absent, Panel, Picture, Table
from qos.report.plotly_json import figure_text
from qos.report.registry import FIGURES, Draw
from qos.report.run import Run, contended
from qos.report.script import SCRIPT
from qos.report.style import style_sheet
from qos.report.summary_table import summary_table
from qos.report.theme import DARK

_SOURCES: Final = {"simulated": "simulated", "measured": "measured on a real kernel"}
NO_SCRIPT: Final = (
    "<noscript><p>The charts below need JavaScript, which this page carries itself.</p></noscript>"
)
_FACTS: Final = (
    ("scenario", "scenario"),
    ("scenario_hash", "scenario hash"),
    ("seed", "seed"),
    ("profile", "profile"),
    ("node", "node"),
    ("versions", "versions"),
    ("started", "started"),
    ("command", "command"),
)


def write_report(
    recordings: Sequence[Recording],
    summaries: Sequence[Summary],
    answer: Sequence[str],
    path: Path,
    figures: Mapping[str, Draw] = FIGURES,
) -> None:
    """Write the page of :func:`render_page` to ``path``, whole or not at all.

    Raises:
        RecordingError: the disk refused.
        ValueError: as :func:`render_page`.
    """
    write_html(render_page(recordings, summaries, answer, figures), path)


def write_html(text: str, path: Path) -> None:
    """Write a page whole or not at all.

    Raises:
        RecordingError: the disk refused.
    """
    content = text.encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            try:
                file.write(content)
                file.flush()
                Path(file.name).chmod(0o644)
                Path(file.name).replace(path)
            except OSError:
                Path(file.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        raise RecordingError(
            f"{path}: the report cannot be written: {os.strerror(error.errno or 0)}"
        ) from error


def render_page(
    recordings: Sequence[Recording],
    summaries: Sequence[Summary],
    answer: Sequence[str],
    figures: Mapping[str, Draw] = FIGURES,
) -> str:
    """The page as HTML, plotly's script inside; it asks the network for nothing and forbids it by its CSP.

    Args:
        recordings: runs of one scenario, one a policy, in the order they shall be shown.
        summaries: theirs, in the same order.
        answer: the sentences that answer first, the most important one in front.
        figures: what is drawn, by name, in this order.

    Raises:
        ValueError: no recording, or not as many summaries.
    """
    runs = [Run.of(recording, summary) for recording, summary in zip(recordings, summaries, strict=True)]
    if not runs:
        raise ValueError("no recording to report")
    pictures = {name: draw(runs) for name, draw in figures.items()}
    title = _title(runs)
    sections = [section(name, picture) for name, picture in pictures.items() if isinstance(picture, Picture)]
    absent = {name: picture.reason for name, picture in pictures.items() if isinstance(picture, Absent)}
    main = [
        f"{answer_box(answer)}{_classes(runs)}{summary_table(runs)}",
        NO_SCRIPT,
        *sections,
        _left_out(absent),
        _facts(runs),
    ]
    return html_document(title, _header(runs, title), main)


def html_document(title: str, header: str, main: Sequence[str]) -> str:
    """A complete page: style, plotly's library and our script inside, nothing from anywhere else."""
    library = _library()
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f'<meta http-equiv="Content-Security-Policy" content="{_policy(library, SCRIPT)}">',
            f'<title>{escape(title)}</title><link rel="icon" href="data:,">',
            f"<style>{style_sheet()}</style></head><body>",
            header,
            "<main>",
            *main,
            "</main><footer>Made by qos. This file is complete: it loads nothing from anywhere.</footer>",
            f'<script type="application/json" id="dark-colours">{json.dumps(dict(DARK))}</script>',
            f"<script>{library}</script>",
            f"<script>{SCRIPT}</script></body></html>",
        ]
    )


def _library() -> str:
    """plotly.js as plotly's package carries it; the package itself is not imported.

    Raises:
        RecordingError: the package or the file is not there.
    """
    spec = find_spec("plotly")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / "package_data" / "plotly.min.js"
        if path.is_file():
            return path.read_bytes().decode().replace("\r\n", "\n")
    raise RecordingError("plotly.min.js of the package plotly is not there: install plotly again")


def _policy(*scripts: str) -> str:
    """A Content-Security-Policy that lets these scripts run and nothing be fetched."""
    sums = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
        for script in scripts
    )
    return f"default-src 'none'; script-src {sums}; style-src 'unsafe-inline'; img-src data: blob:"


def _title(runs: Sequence[Run]) -> str:
    scenario = runs[0].recording.meta.get("scenario")
    return str(scenario) if scenario else ", ".join(run.policy for run in runs)


def _header(runs: Sequence[Run], title: str) -> str:
    meta = runs[0].recording.meta
    sources = dict.fromkeys(_SOURCES[run.recording.samples.source] for run in runs)
    seconds = max(run.summary.duration_seconds for run in runs)
    policies = ", ".join(dict.fromkeys(run.policy for run in contended(runs)))
    said = f"{policies} · {round(seconds, 2):g} seconds, {' and '.join(sources)}"
    return header_of(title, str(meta.get("description") or ""), said)


def header_of(title: str, question: str, said: str) -> str:
    """The top of a page: its name, the question it answers, what ran."""
    asked = f'<p class="sub">{escape(question)}</p>' if question else ""
    return (
        f'<header><div><h1>{escape(title)}</h1>{asked}<p class="sub">{escape(said)}</p></div>'
        '<button id="theme" type="button" aria-label="switch between light and dark">light / dark</button>'
        "</header>"
    )


def answer_box(answer: Sequence[str]) -> str:
    """The sentences that answer first."""
    if not answer:
        return ""
    rest = "".join(f"<li>{escape(sentence)}</li>" for sentence in answer[1:])
    return f'<div class="answer"><p class="first">{escape(answer[0])}</p><ul>{rest}</ul></div>'


def _classes(runs: Sequence[Run]) -> str:
    """What the colours mean, for the classes that occur."""
    found = {run.qos_class(name) for run in runs for name in run.workloads}
    chips = "".join(
        f'<span><span class="chip {name}"></span>{name}</span>'
        for name in ("Guaranteed", "Burstable", "BestEffort")
        if name in found
    )
    return f'<p class="classes">{chips}</p>' if chips else ""


def section(name: str, picture: Picture) -> str:
    """A picture with its question, legend, charts and notes."""
    panels = "".join(
        _panel(f"{name}-{index}", panel, picture.question) for index, panel in enumerate(picture.panels)
    )
    notes = "".join(f'<p class="note">{escape(note)}</p>' for note in picture.notes)
    return (
        f'<section id="{name}"><h2>{escape(picture.question)}</h2>'
        f'<p class="reading">{escape(picture.reading)}</p>'
        f"{legend(picture.keys)}"
        f'<div class="panels{" wide" if picture.wide else ""}">{panels}</div>'
        f"{_table(picture.table)}{notes}</section>"
    )


def _table(table: Table | None) -> str:
    if table is None or not table.rows:
        return ""
    heads = "".join(f'<th class="name">{escape(head)}</th>' for head in table.heads)
    rows = "".join(
        f'<tr>{"".join(map(_cell, row[:-1]))}<td class="words">{escape(row[-1])}</td></tr>'
        for row in table.rows
    )
    return f'<div class="scroll"><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'


def _cell(text: str) -> str:
    return f'<td class="name">{escape(text)}</td>'


def _panel(identity: str, panel: Panel, question: str) -> str:
    content = figure_text(panel.figure)
    title = f"<h3>{escape(panel.title)}</h3>" if panel.title else ""
    spoken = escape(f"{question} {panel.title}".strip())
    return (
        f'<figure class="panel">{title}'
        f'<div class="chart" id="{identity}" role="img" aria-label="{spoken}" '
        f'style="min-height:{int(panel.figure["layout"]["height"])}px"></div>'
        f'<script type="application/json" id="{identity}-figure">{content}</script></figure>'
    )


def _left_out(absent: Mapping[str, str]) -> str:
    if not absent:
        return ""
    items = "; ".join(f"{name.replace('-', ' ')} ({reason})" for name, reason in absent.items())
    return f'<p class="note">Charts that are not here: {escape(items)}.</p>'


def _facts(runs: Sequence[Run]) -> str:
    """What is needed to get the same result again."""
    meta = runs[0].recording.meta
    rows = [(title, _plain(meta[key])) for key, title in _FACTS if meta.get(key) not in (None, "", {})]
    times = [len(run.recording.samples.times) for run in runs]
    cgroups = [len(run.recording.samples.cgroups) for run in runs]
    rows.append(("readings", f"{max(times):,} times of {max(cgroups):,} cgroups"))
    return facts_of(rows)


def facts_of(rows: Sequence[tuple[str, str]]) -> str:
    """The section that says how to get the same result."""
    items = "".join(f"<dt>{escape(title)}</dt><dd>{escape(text)}</dd>" for title, text in rows)
    return f'<section id="facts"><h2>How to get the same result</h2><dl>{items}</dl></section>'


def _plain(value: Any) -> str:
    return ", ".join(_pairs(value)) if isinstance(value, Mapping) else str(value)


def _pairs(values: Mapping[str, Any]) -> Iterator[str]:
    for key, value in values.items():
        if key.endswith("_bytes") and isinstance(value, int | float):
            yield f"{key.removesuffix('_bytes').replace('_', ' ')} {value / 2**30:.4g} GiB"
        else:
            yield f"{key.replace('_', ' ')} {value}"
