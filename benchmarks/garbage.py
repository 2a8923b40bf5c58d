"""Garbage in, errors out: mutated manifests through reading and explaining; counts, and the slowest one.

python benchmarks/garbage.py [DOCUMENTS] [FOLDER-OF-MANIFESTS]

Every document is a real or a small manifest with some bytes changed, words swapped or lines moved. An
exception other than QosError ends the run with the document that caused it.
"""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path

from qos.errors import QosError
from qos.experiment.explain import explain_manifests
from qos.scenario.load import parse_documents
from qos.scenario.manifest import collect

SMALL = Path(__file__).parents[1] / "scenarios"
LARGEST_BYTES = 8_000
WORDS = (
    b"cpu memory limits requests resources containers initContainers spec template -1 1e9999 0 100m 1Gi null "
    b"{} [] yes {{ &a *a --- !!float \t \xff Always List items"
).split(b" ")


def mutate(chance: random.Random, text: bytes) -> bytes:
    """The text with one to eight changes."""
    data = bytearray(text)
    for _ in range(chance.randint(1, 8)):
        at = chance.randrange(len(data) + 1)
        kind = chance.randrange(4)
        if kind == 0:
            data[at : at + chance.randint(0, 3)] = bytes([chance.randrange(256)])
        elif kind == 1:
            data[at : at + chance.randint(0, 12)] = chance.choice(WORDS)
        elif kind == 2:
            start = chance.randrange(len(data) + 1)
            data[at:at] = data[start : start + chance.randint(1, 200)]
        else:
            del data[at : at + chance.randint(1, 60)]
    return bytes(data)


def main() -> None:
    """Run."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000
    folder = Path(sys.argv[2]) if len(sys.argv) > 2 else SMALL
    seeds = [
        path.read_bytes() for path in sorted(folder.rglob("*.yaml")) if path.stat().st_size < LARGEST_BYTES
    ]
    chance = random.Random(20261124)  # noqa: S311 - not for secrets
    slowest, refused, explained = 0.0, 0, 0
    for _ in range(count):
        text = mutate(chance, chance.choice(seeds))
        begin = time.process_time()
        try:
            manifests = collect(parse_documents(text, "garbage.yaml"))
            explanation = explain_manifests(manifests).to_json()
        except QosError:
            refused += 1
        except BaseException:
            sys.stderr.buffer.write(text)
            raise
        else:
            refused += bool(explanation["errors"])
            explained += len(explanation["pods"])
        slowest = max(slowest, time.process_time() - begin)
    print(f"{count} documents, {refused} with errors, {explained} pods explained")
    print(f"slowest {slowest * 1000:.0f} ms of CPU time")


if __name__ == "__main__":
    main()
