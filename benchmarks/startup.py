"""How long `qos --help` and `qos explain` take to start, beside a bare typer program with plain help.

Alternates the sides in one run and prints medians with their ratio. Run on a quiet machine:
python benchmarks/startup.py [ROUNDS]
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BARE = """
import typer
app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)

@app.command()
def one(name: str = "x") -> None:
    print(name)

@app.command()
def two(name: str = "x") -> None:
    print(name)

app()
"""
POD = """
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
    - name: web
      image: web:1
      resources:
        requests: {cpu: 500m, memory: 256Mi}
        limits: {cpu: "1", memory: 512Mi}
"""
HEAVY = ("numpy", "pandas", "plotly", "numba", "pyarrow")


def main() -> None:
    """Measure, alternating."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    with tempfile.TemporaryDirectory() as folder:
        bare, pod = Path(folder, "bare.py"), Path(folder, "pod.yaml")
        bare.write_text(BARE, encoding="utf-8")
        pod.write_text(POD, encoding="utf-8")
        qos = [str(Path(sys.executable).parent / "qos")]
        sides = {
            "bare typer --help": [sys.executable, str(bare), "--help"],
            "bare typer, a command": [sys.executable, str(bare), "one"],
            "qos --help": [*qos, "--help"],
            "qos explain (one pod)": [*qos, "explain", "-f", str(pod)],
        }
        seconds: dict[str, list[float]] = {name: [] for name in sides}
        for command in sides.values():
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        for _ in range(rounds):
            for name, command in sides.items():
                begin = time.perf_counter()
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
                seconds[name].append(time.perf_counter() - begin)
        for name, values in seconds.items():
            # Like with like: help beside help, a command beside a command.
            base = statistics.median(
                seconds["bare typer --help" if "help" in name else "bare typer, a command"]
            )
            middle = statistics.median(values)
            spread = f"{min(values) * 1000:.0f}-{max(values) * 1000:.0f}"
            print(f"{name:24} {middle * 1000:6.0f} ms  ({spread})  {middle / base:.2f} x")
        for arguments in (["--help"], ["explain", "-f", str(pod)]):
            print(f"qos {arguments[0]} imports of {', '.join(HEAVY)}: {heavy(arguments) or 'none'}")


def heavy(arguments: list[str]) -> str:
    """Which heavy libraries a command imports."""
    code = (
        "import sys; from qos.cli.app import main\n"
        f"try: main({arguments!r})\nexcept SystemExit: pass\n"
        f"print(*[name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return run.stderr.strip()


if __name__ == "__main__":
    main()
