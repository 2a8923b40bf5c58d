"""The tree of cgroups with the values of its files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from qos.model.cgroup import ROOT, CgroupName, knobs, parent
from qos.report import theme
from qos.report.picture import Absent, Panel, Picture, label, noted
from qos.report.run import Run, chosen, contended

_MOST: Final = 120
_SHOWN: Final = ("cpu.weight", "cpu.max", "memory.min", "memory.low", "memory.high", "memory.max")
_BYTES: Final = (("Ti", 40), ("Gi", 30), ("Mi", 20), ("Ki", 10))
# on a phone there is room for names only; a tap still tells the values
_NARROW: Final = {"narrow": {"texttemplate": "<b>%{label}</b>"}}
_TOP_CLASS: Final = {"burstable": "Burstable", "besteffort": "BestEffort"}

Files = Mapping[CgroupName, Mapping[str, str]]


def draw(runs: Sequence[Run]) -> Picture | Absent:
    """One tree of all policies' cgroups; a value that differs names its policies."""
    runs = contended(runs)
    names = _complete(dict.fromkeys(name for run in runs for name in run.recording.files))
    if not names:
        return Absent("the recording holds no plan")
    shown, note = names, ""
    if len(names) > _MOST:
        shown = _complete(
            {cgroup: None for run in runs for name in chosen(runs) for cgroup in run.cgroups(name)}
        )
        note = f"{len(shown)} of {len(names)} cgroups are drawn: those of the workloads in the other charts."
    return Picture(
        "What was written into which cgroup?",
        "The cgroup tree, children to the right of their parent; a value that differs between policies is "
        "marked with ≠. Point at a cgroup for all its files under each policy; click one to enlarge it.",
        (Panel("", _figure(runs, shown)),),
        notes=noted(note),
        wide=True,
    )


def _complete(names: Mapping[CgroupName, None]) -> list[CgroupName]:
    """The cgroups and all above them, parents first."""
    every: set[CgroupName] = set()
    for name in names:
        above = name
        while above != ROOT and above not in every:
            every.add(above)
            above = parent(above)
    return sorted(every, key=lambda name: (name.count("/"), name))


def _figure(runs: Sequence[Run], names: Sequence[CgroupName]) -> dict[str, Any]:
    classes = _classes(runs, names)
    called = {
        CgroupName(str(pod["podCgroup"])): f"pod {pod['pod']}"
        for run in runs
        for pod in run.recording.pods
        if pod.get("podCgroup") and pod.get("pod")
    }
    leaves = len(names) - len({parent(name) for name in names if parent(name) != ROOT})
    # plotly puts a nameless box before several tops, and complains on the console that it has no label
    tops = sum(parent(name) == ROOT for name in names)
    node = CgroupName("/")
    boxes = [node, *names] if tops > 1 else list(names)
    trace = {
        "type": "icicle",
        "ids": boxes,
        "parents": ["" if name == node else parent(name) or (node if tops > 1 else "") for name in boxes],
        "labels": ["node" if name == node else label(called.get(name, _last(name))) for name in boxes],
        "text": [_text(runs, name) or " " for name in boxes],
        "hovertext": [_hover(runs, name) for name in boxes],
        "texttemplate": "<b>%{label}</b><br>%{text}",
        "hovertemplate": "%{hovertext}<extra></extra>",
        "marker": {
            "colors": [theme.faint(theme.class_colour(classes.get(name, "")), 0.28) for name in boxes],
            "line": {"color": theme.PAPER, "width": 2},
        },
        "textfont": {"color": theme.INK, "size": 11},
        "textposition": "middle left",
        "tiling": {"orientation": "h", "pad": 1},
        "pathbar": {"visible": True, "thickness": 20, "textfont": {"color": theme.INK}},
        "root": {"color": "rgba(0,0,0,0)"},
        "count": "leaves",
    }
    height = min(900, max(260, 40 + 56 * leaves))
    margin = {"l": 0, "r": 0, "t": 28, "b": 4}
    return {"data": [trace], "layout": theme.layout(height, margin=margin, meta=_NARROW)}


def _last(name: CgroupName) -> str:
    return name.rpartition("/")[2]


def _classes(runs: Sequence[Run], names: Sequence[CgroupName]) -> dict[CgroupName, str]:
    """The QOSClass of pods and containers as recorded, and of the kubelet's own levels by their name."""
    found: dict[CgroupName, str] = {}
    for run in runs:
        for record in run.recording.pods:
            for key in ("cgroup", "podCgroup"):
                if record.get(key) and record.get("qosClass"):
                    found[CgroupName(str(record[key]))] = str(record["qosClass"])
    for name in names:
        top, _, rest = name.partition("/")
        if top == "kubepods" and rest in _TOP_CLASS:
            found.setdefault(name, _TOP_CLASS[rest])
    return found


def _text(runs: Sequence[Run], name: CgroupName) -> str:
    """The values that matter most and are not the kernel's default, a line a controller.

    Where policies differ, the first of them that sets a value is told, with ≠.
    """
    lines: dict[str, list[str]] = {}
    for file in _SHOWN:
        usual = knobs()[file.replace(".", "_")].default
        told = [run.recording.files.get(name, {}).get(file, usual) for run in runs]
        values = list(dict.fromkeys(told))
        first = next((value for value in values if value != usual), None)
        managed = any(file in run.recording.files.get(name, {}) for run in runs)
        if first is not None or (file == "cpu.weight" and managed):
            controller, _, knob = file.partition(".")
            differs = " ≠" if len(values) > 1 else ""
            lines.setdefault(controller, []).append(f"{knob} {label(_short(file, first or usual))}{differs}")
    return "<br>".join(f"{controller} {' · '.join(parts)}" for controller, parts in lines.items())


def _hover(runs: Sequence[Run], name: CgroupName) -> str:
    files = dict.fromkeys(file for run in runs for file in run.recording.files.get(name, {}))
    lines = [f"<b>{label(name)}</b>"]
    for file in files:
        values: dict[str | None, list[str]] = {}
        for run in runs:
            values.setdefault(run.recording.files.get(name, {}).get(file), []).append(run.policy)
        if len(values) == 1:
            lines.append(f"{file}: {label(_long(file, next(iter(values))))}")
        else:
            lines += [
                f"{file}: {label(_long(file, v))} ({label(', '.join(who))})" for v, who in values.items()
            ]
    return "<br>".join(lines if files else [*lines, "no file is managed here"])


def _long(file: str, value: str | None) -> str:
    if value is None:
        return "not managed"
    short = _short(file, value)
    flat = value.replace("\n", "; ")
    return flat if short == flat else f"{flat} = {short}"


def _short(file: str, value: str) -> str:
    """A value as a person says it: "50000 100000" of cpu.max is 0.5 CPU, bytes in powers of 1024."""
    words = value.split()
    if file == "cpu.max" and len(words) == 2 and all(word.isdigit() for word in words):
        return f"{int(words[0]) / int(words[1]):g} CPU"
    if file == "cpu.max":
        return "max"
    if file.startswith(("memory.", "hugetlb.")) and value.isdigit() and file != "memory.oom.group":
        size = int(value)
        for unit, power in _BYTES:
            if size >= 1 << power:
                return f"{size / (1 << power):.3g}{unit}"
    return value.replace("\n", "; ")
