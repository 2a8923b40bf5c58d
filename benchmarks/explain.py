"""`qos explain` on 1,000 pods beside parsing the same YAML with PyYAML's C loader, alternating in one run.

python benchmarks/explain.py [ROUNDS] [PODS]

Both sides are whole processes; "net" takes away what each needs to start (python with yaml; qos --help).
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

POD = """\
apiVersion: v1
kind: Pod
metadata:
  name: web-{index}
  namespace: shop
  labels: {{app: web, index: "{index}"}}
spec:
  containers:
    - name: web
      image: web:1
      ports: [{{containerPort: 8080}}]
      env: [{{name: A, value: "1"}}, {{name: B, value: "2"}}]
      resources:
        requests: {{cpu: {cpu}m, memory: {memory}Mi}}
        limits: {{cpu: {cpu}m, memory: 512Mi}}
    - name: sidecar
      image: proxy:1
      resources:
        requests: {{cpu: 10m, memory: 32Mi}}
        limits: {{memory: 64Mi}}
"""
PARSE = "import sys, yaml\nwith open(sys.argv[1], 'rb') as file: list(yaml.load_all(file, yaml.CSafeLoader))"


def main() -> None:
    """Measure, alternating."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    pods = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    qos = str(Path(sys.executable).parent / "qos")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "pods.yaml")
        texts = (POD.format(index=i, cpu=100 + i % 400, memory=64 + i % 300) for i in range(pods))
        path.write_text("---\n".join(texts), encoding="utf-8")
        sides = {
            "parse": [sys.executable, "-c", PARSE, str(path)],
            "explain": [qos, "explain", "-f", str(path), "-o", "json"],
            "python with yaml": [sys.executable, "-c", "import yaml"],
            "qos --help": [qos, "--help"],
        }
        seconds: dict[str, list[float]] = {name: [] for name in sides}
        for _ in range(rounds + 1):
            for name, command in sides.items():
                begin = time.perf_counter()
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                seconds[name].append(time.perf_counter() - begin)
    middle = {name: statistics.median(values[1:]) for name, values in seconds.items()}
    for name, values in seconds.items():
        print(f"{name:18} {middle[name] * 1000:6.0f} ms  ({min(values[1:]):.3f}-{max(values[1:]):.3f} s)")
    own, parsing = middle["explain"] - middle["qos --help"], middle["parse"] - middle["python with yaml"]
    whole = middle["explain"] / middle["parse"]
    print(f"explain / parse: {whole:.2f} whole processes, {own / parsing:.2f} net of start-up")


if __name__ == "__main__":
    main()
