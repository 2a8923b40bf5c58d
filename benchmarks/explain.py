"""`qos explain` on 1,000 pods beside parsing the same YAML with PyYAML's C loader, alternating in one run.

python benchmarks/explain.py [ROUNDS] [PODS]; "large": 10,000 pods of YAML and a stream of 100,000 of JSON,
once each, with the greatest memory of the process.

Both sides are whole processes; "net" takes away what each needs to start (python with yaml; qos --help).
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

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


def large() -> None:
    """Print wall and CPU seconds and the greatest resident memory on large inputs."""
    qos = str(Path(sys.executable).parent / "qos")
    with tempfile.TemporaryDirectory() as folder:
        for name, pods in (("pods.yaml", 10_000), ("pods.json", 100_000)):
            path = Path(folder, name)
            with path.open("w", encoding="utf-8") as file:
                document = yaml.safe_load(POD.format(index=0, cpu=100, memory=64))
                for index in range(pods):
                    if name.endswith("yaml"):
                        text = POD.format(index=index, cpu=100 + index % 400, memory=64 + index % 300) + "---"
                    else:
                        document["metadata"]["name"] = f"web-{index}"
                        text = json.dumps(document)
                    file.write(f"{text}\n")
            begin = time.perf_counter()
            command = [qos, "explain", "-f", str(path), "-o", "json"]
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            print(
                f"{name}, {pods:,} pods, {path.stat().st_size / 2**20:.0f} MiB: exit {process.returncode},"
                f" {time.perf_counter() - begin:.1f} s, CPU {used.ru_utime + used.ru_stime:.1f} s,"
                f" {used.ru_maxrss / 1024:.0f} MiB"
            )


def main() -> None:
    """Measure, alternating."""
    if sys.argv[1:] == ["large"]:
        large()
        return
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
