"""The fidelity suite: scenarios from a grid, measured on real kernels once, predicted again at any time.

python benchmarks/fidelity_grid.py make                     # write scenarios/fidelity/*.yaml
python benchmarks/fidelity_grid.py run --kernel uml         # measure; one guest for many scenarios
python benchmarks/fidelity_grid.py run --kernel qemu --only 'two-cpus-*' --repeat 5 --again
python benchmarks/fidelity_grid.py quick                    # eight of them measured now, nothing stored: CI
python benchmarks/fidelity_grid.py show --kernel uml --only 'quota-*'   # predicted, measured, error
python benchmarks/fidelity_grid.py table                    # the tables of docs/model.md and docs/fidelity.md
python benchmarks/fidelity_grid.py accept                   # hold what came closer; says what became worse
python benchmarks/fidelity_grid.py accept --reason 'ticks'  # hold what became worse too, the reason beside it

Measurements lie in docs/fidelity/KERNEL/NAME.json and hold no prediction: `show`, `table` and the gate in
tests/experiment/test_fidelity_gate.py ask the simulator of today.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import groupby
from pathlib import Path
from typing import Any

import yaml
from fidelity_cases import quota_cases, service_cases, task_cases, two_cpu_cases, weight_cases
from fidelity_gate import accept_today
from fidelity_memory_cases import eviction_cases, limit_cases, oom_cases, protection_cases
from fidelity_parts import MADE_BY, Case
from fidelity_table import KERNELS, judge, line_text, show, unexplained, write_tables

from enforcer.lab.launcher import run_in_guest, unwind_on_signals
from qos.errors import HostError, QosError
from qos.experiment.laboratory import LANES_CPUS, guest_words, missing_features
from qos.experiment.measure import measure, node_size
from qos.experiment.predict import run_hash_of
from qos.experiment.simulate import load
from qos.record.measured import Measured
from qos.scenario.scenario import Scenario

ROOT = Path(__file__).resolve().parents[1]
SCENARIOS = ROOT / "scenarios" / "fidelity"
RESULTS = ROOT / "docs" / "fidelity"
FAMILIES = (
    weight_cases, quota_cases, service_cases, two_cpu_cases, task_cases,
    limit_cases, oom_cases, eviction_cases, protection_cases,
)  # fmt: skip
QUICK = (
    "weights-1-to-3", "weights-containers-of-a-pod", "quota-500m", "quota-2-spinners", "batch-beside-spinner",
    "oom-of-one-of-two", "growth-into-max-256mi-at-64mi", "pids-above-limit",
)  # fmt: skip
"""Short, of different families, and predicted within tolerance on every kernel: CI measures them."""
_SLOWER = {"uml": 2.0, "built": 2.0, "qemu": 5.0}
_STEP_SECONDS = {"uml": 8.0, "built": 8.0, "qemu": 60.0}


class _Plain(yaml.SafeDumper):
    """YAML without anchors: the same load twice is written twice."""

    def ignore_aliases(self, data: object) -> bool:
        """Never an alias."""
        del data
        return True


def cases() -> list[Case]:
    """The whole grid."""
    return [case for family in FAMILIES for case in family()]


def make() -> None:
    """Write every case as YAML, and remove those made before that are none any more."""
    SCENARIOS.mkdir(parents=True, exist_ok=True)
    wanted = {SCENARIOS / f"{case.name}.yaml": case for case in cases()}
    for stale in set(SCENARIOS.glob("*.yaml")) - wanted.keys():
        if stale.read_text().startswith(MADE_BY):
            stale.unlink()
    for path, case in wanted.items():
        text = "---\n".join(
            yaml.dump(each, Dumper=_Plain, sort_keys=False, width=100) for each in case.documents()
        )
        path.write_text(MADE_BY + text)
    print(f"{len(wanted)} scenarios in {SCENARIOS.relative_to(ROOT)}")


def chosen(only: str) -> list[str]:
    """Names of scenarios that a glob means."""
    return [path.stem for path in sorted(SCENARIOS.glob("*.yaml")) if fnmatchcase(path.stem, only)]


def missing(kernel: str, names: Sequence[str], *, again: bool) -> Iterator[tuple[str, Scenario]]:
    """The scenarios without a stored measurement of what they are today, that fit a guest of this kernel."""
    for name in names:
        scenario = load(str(SCENARIOS / f"{name}.yaml"))
        if node_size(scenario)[0] not in LANES_CPUS[kernel]:
            continue
        path = RESULTS / kernel / f"{name}.json"
        if not again and path.exists():
            stored = json.loads(path.read_text())
            if "skipped" in stored or stored["run_hash"] == run_hash_of(
                scenario, stored["policy"], stored["seed"], stored["release"]
            ):
                continue
        yield name, scenario


def run(kernel: str, names: Sequence[str], repeat: int, minutes: float, *, again: bool) -> int:
    """Measure what is missing, one boot for each size of node; how many were not measured."""
    folder = RESULTS / kernel
    folder.mkdir(parents=True, exist_ok=True)
    wanted = sorted(missing(kernel, names, again=again), key=lambda pair: node_size(pair[1]))
    left, end = len(wanted), time.monotonic() + 60 * minutes
    for _, group in groupby(wanted, key=lambda pair: node_size(pair[1])):
        found, began = dict(group), time.time()
        _in_guest(kernel, found, repeat, (end - time.monotonic()) / 60, folder)
        left -= sum(
            (folder / f"{name}.json").exists() and (folder / f"{name}.json").stat().st_mtime >= began
            for name in found
        )
    print(f"{kernel}: {left} of {len(wanted)} not measured", flush=True)
    return left


def _in_guest(kernel: str, found: Mapping[str, Scenario], repeat: int, minutes: float, folder: Path) -> None:
    """Boot a guest that is the node of these scenarios, and measure them there into a folder."""
    cpus, memory = node_size(next(iter(found.values())))
    budget = sum(
        _STEP_SECONDS[kernel] + repeat * _SLOWER[kernel] * each.duration_seconds for each in found.values()
    )
    words = [sys.executable, __file__, "inside", "--kernel", kernel, "--repeat", str(repeat)]
    done = run_in_guest(
        [*words, "--minutes", str(minutes), "--into", str(folder), *found],
        lane=kernel,
        env={"PYTHONPATH": str(ROOT)},
        writable=[folder],
        timeout_seconds=120 + budget,
        cpus=int(cpus),
        memory_mib=memory >> 20,
        on_output=lambda text: (sys.stdout.write(text.decode(errors="replace")), sys.stdout.flush()),
        **guest_words(*found.values()),
    )
    if done.exit_code:
        print(f"{kernel}: exit code {done.exit_code}; {done.console[-500:]}", flush=True)


def quick(kernel: str) -> int:
    """Measure a few short scenarios once; those with a line outside its tolerance again, three times.

    Returns:
        1 if a line is outside then too, or something was not measured.
    """
    wrong: list[str] = list(QUICK)
    for repeat in (1, 3):
        found = {name: load(str(SCENARIOS / f"{name}.yaml")) for name in wrong}
        with tempfile.TemporaryDirectory(prefix="qos-fidelity-") as folder:
            _in_guest(kernel, found, repeat, 10.0, Path(folder))
            wrong = [name for name in wrong if not _within(kernel, name, Path(folder) / f"{name}.json")]
        if not wrong:
            return 0
    print(f"{kernel}: outside: {', '.join(wrong)}")
    return 1


def _within(kernel: str, name: str, path: Path) -> bool:
    """Whether a measurement is as predicted; its lines are printed."""
    if not path.exists():
        return False
    lines = judge(kernel, name, json.loads(path.read_text())).lines
    print("\n".join(line_text(name, line) for line in lines), flush=True)
    return all(line.verdict != "OUTSIDE" for line in lines)


def inside(names: Sequence[str], repeat: int, minutes: float, folder: Path) -> int:
    """What runs in the guest: each scenario measured, its figures kept at once; stops when time is up."""
    end = time.monotonic() + 60 * minutes
    for name in names:
        began = time.monotonic()
        scenario = load(str(SCENARIOS / f"{name}.yaml"))
        if began + repeat * (scenario.duration_seconds + 1.0) > end:
            break
        policy = scenario.policies[0]
        path = folder / f"{name}.json"
        lacks = missing_features(scenario, policy)
        if lacks:
            _write(path, {"skipped": f"this kernel has no {', '.join(lacks)}", "scenario": name})
            print(f"{name}: skipped, no {', '.join(lacks)}", flush=True)
            continue
        try:
            runs = list(measure(scenario, policy=policy, seed=scenario.seed, repeat=repeat))
        except QosError as error:
            print(f"{name}: {error}", flush=True)
            if isinstance(error, HostError):
                os.sync()
            continue
        _write(path, Measured.of(runs).to_json())
        print(f"{name}: {time.monotonic() - began:.1f} s", flush=True)
    return 0


def _write(path: Path, data: dict[str, Any]) -> None:
    lines = json.dumps({key: value for key, value in data.items() if key != "figures"}, indent=1)
    if "figures" in data:  # one line a figure
        rows = ",\n  ".join(json.dumps(each) for each in data["figures"])
        lines = f'{lines[:-2]},\n "figures": [\n  {rows}\n ]\n}}'
    path.write_text(lines + "\n")


def main() -> int:
    """Do what the words say."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("what", choices=("make", "run", "quick", "inside", "show", "table", "accept"))
    options.add_argument("--kernel", default="uml", choices=("uml", "built", "qemu"))
    options.add_argument("--only", default="*", help="glob of scenario names")
    options.add_argument("--repeat", type=int, default=3)
    options.add_argument(
        "--minutes", type=float, default=600.0, help="stop after so long; the rest another time"
    )
    options.add_argument("--into", type=Path, help=argparse.SUPPRESS)
    options.add_argument("--reason", default="", help="accept: why worse lines shall be held")
    options.add_argument("--again", action="store_true", help="also what has a result")
    options.add_argument("scenario", nargs="*", help="only these")
    told = options.parse_intermixed_args()
    unwind_on_signals()
    names = told.scenario or chosen(told.only)
    if told.what == "make":
        make()
    elif told.what == "run":
        return 1 if run(told.kernel, names, told.repeat, told.minutes, again=told.again) else 0
    elif told.what == "inside":
        return inside(names, told.repeat, told.minutes, told.into or RESULTS / told.kernel)
    elif told.what == "quick":
        return quick(told.kernel)
    elif told.what == "show":
        show(told.kernel, names)
    elif told.what == "accept":
        return accept_today(KERNELS, told.only, told.reason)
    else:
        write_tables()
        left = unexplained()
        print("\n".join(f"no cause is known: {line}" for line in left))
        return 1 if left else 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
