"""The golden pods in force on a real kernel: every file reads back, twice is nothing, delete restores."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from applying import enforcer_of, plan_of, settings

from enforcer.cgroupfs import CgroupFS

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
HUGE_BYTES = {"2MB": 2 << 20, "1GB": 1 << 30}
BATCH = 100
PARTS = 10  # each is every tenth pod: one of them takes 12 s where QEMU emulates

Files = dict[str, dict[str, str]]


def pods_of(repository: Path) -> list[dict[str, Any]]:
    """Expectations of every golden pod."""
    with gzip.open(repository / "tests/data/vectors/pod.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line)["expect"] for line in lines]


def can_be_enforced(fs: CgroupFS, pod: dict[str, Any]) -> bool:
    """Whether this kernel has the huge pages that the pod limits: User Mode Linux has none to give."""
    there = fs.files()
    cgroups = [pod["podCgroup"], *pod["containers"]]
    return all(text == "0" or file in there for each in cgroups for file, text in each["files"].items())


def batches(pods: list[dict[str, Any]]) -> Iterator[Files]:
    """The cgroups of some pods at a time, as the kubelet and its runtime would write them."""
    for start in range(0, len(pods), BATCH):
        cgroups: Files = {}
        for pod in pods[start : start + BATCH]:
            path = pod["podCgroup"]["cgroupfsPath"].strip("/")
            cgroups[path] = pod["podCgroup"]["files"]
            for container in pod["containers"]:
                cgroups[f"{path}/{container['name']}"] = container["files"]
        yield cgroups


def as_printed(file: str, text: str) -> str:
    """What the kernel prints for a value: bytes in whole pages, as page_counter_memparse rounds."""
    unit = PAGE_BYTES
    if file.startswith("hugetlb."):
        unit = HUGE_BYTES[file.split(".")[1]]
    elif not file.startswith("memory.") or file == "memory.oom.group":
        return text
    if text == "max" or int(text) // unit >= (2**63 - 1) // unit:
        return "max"
    return str(int(text) // unit * unit)


def offered(fs: CgroupFS, cgroups: Mapping[str, Mapping[str, str]]) -> Files:
    """The files this kernel has: no huge pages on User Mode Linux, none of 1 GB on an old CPU."""
    there = fs.files()
    return {
        name: {file: text for file, text in files.items() if file in there} for name, files in cgroups.items()
    }


@pytest.mark.parametrize("part", range(PARTS))
def test_every_golden_pod_is_enforced_to_the_file(
    fs: CgroupFS, tmp_path: Path, repository: Path, part: int
) -> None:
    """Applied: each file reads what the kubelet wants; applied again: no write; deleted: byte for byte."""
    pods = [pod for pod in pods_of(repository)[part::PARTS] if can_be_enforced(fs, pod)]
    before = settings(fs)
    enforcer = enforcer_of(fs, tmp_path / "s")
    checked = 0
    for cgroups in batches(pods):
        plan = plan_of(cgroups)
        assert "created" in enforcer.apply(plan).outcomes.values()
        for name, files in offered(fs, cgroups).items():
            for file, text in files.items():
                assert fs.read(name, file).strip() == as_printed(file, text), f"{name}/{file}"
                checked += 1
        again = enforcer.apply(plan)
        assert again.writes == 0
        assert again.is_unchanged
        enforcer.delete()
        assert settings(fs) == before
    assert len(pods) > 60
    assert checked > 10 * len(pods)


@pytest.mark.parametrize("seed", range(3))
def test_a_pod_becomes_another_and_back(fs: CgroupFS, tmp_path: Path, repository: Path, seed: int) -> None:
    """One golden pod's values over another's, each step read back, and the first again: as at first."""
    pods = pods_of(repository)[seed::7][:8]
    enforcer = enforcer_of(fs, tmp_path / "s")
    first: dict[str, dict[str, str]] | None = None
    for pod in [*pods, pods[0]]:
        files = offered(fs, {"pod": pod["podCgroup"]["files"], "pod/c": pod["containers"][0]["files"]})
        enforcer.apply(plan_of(files), prune=True)
        assert all(
            fs.read(name, file).strip() == as_printed(file, text)
            for name, values in files.items()
            for file, text in values.items()
        )
        first = first or settings(fs)
    assert settings(fs) == first
