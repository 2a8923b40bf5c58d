"""`qos explain` on 1,000 pods beside parsing the same YAML with PyYAML's C loader, alternating in one run.

python benchmarks/explain.py [ROUNDS] [PODS]; "large": 10,000 pods of YAML, a stream of 100,000 of JSON, and
100,000 in a List as of `kubectl get pods -A -o json` on stdin, once each, with the time until the first byte
and the greatest memory of the process. A word more ("large list") chooses one of yaml, stream, list.

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


FORMS = {"yaml": 10_000, "stream": 100_000, "list": 100_000}


def write_input(path: Path, form: str, pods: int) -> None:
    """Pods as separate YAML documents, as JSON documents one after another, or as one JSON List."""
    document = yaml.safe_load(POD.format(index=0, cpu=100, memory=64))
    with path.open("w", encoding="utf-8") as file:
        if form == "list":
            file.write('{\n    "apiVersion": "v1",\n    "items": [\n')
        for index in range(pods):
            document["metadata"]["name"] = f"web-{index}"
            asked = {"cpu": f"{100 + index % 400}m", "memory": f"{64 + index % 300}Mi"}
            resources = {"requests": asked, "limits": {"cpu": asked["cpu"], "memory": "512Mi"}}
            document["spec"]["containers"][0]["resources"] = resources
            if form == "yaml":
                file.write(POD.format(index=index, cpu=100 + index % 400, memory=64 + index % 300) + "---\n")
            elif form == "stream":
                file.write(json.dumps(document) + "\n")
            else:
                text = json.dumps(document, indent=4).replace("\n", "\n        ")
                file.write(f"        {text}{',' if index < pods - 1 else ''}\n")
        if form == "list":
            file.write('    ],\n    "kind": "List",\n    "metadata": {"resourceVersion": ""}\n}\n')


def large(form: str) -> None:
    """Print wall and CPU seconds, until the first byte and in all, and the greatest resident memory."""
    qos = str(Path(sys.executable).parent / "qos")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "pods.yaml" if form == "yaml" else "pods.json")
        write_input(path, form, FORMS[form])
        command = [qos, "explain", "-f", "-" if form == "list" else str(path), "-o", "json"]
        begin = time.perf_counter()
        with path.open("rb") as stdin:
            process = subprocess.Popen(
                command, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        assert process.stdout
        size = len(process.stdout.read(1))
        first = time.perf_counter() - begin
        while chunk := process.stdout.read(1 << 20):
            size += len(chunk)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        print(
            f"{form}, {FORMS[form]:,} pods, {path.stat().st_size / 2**20:.0f} MiB: exit {process.returncode},"
            f" first byte {first:.1f} s, all {size / 2**20:.0f} MiB {time.perf_counter() - begin:.1f} s,"
            f" CPU {used.ru_utime + used.ru_stime:.1f} s, {used.ru_maxrss / 1024:.0f} MiB"
        )


def main() -> None:
    """Measure, alternating."""
    if sys.argv[1:2] == ["large"]:
        for form in sys.argv[2:] or FORMS:
            large(form)
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
