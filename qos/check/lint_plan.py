"""Lint rules that look at what became of a manifest: the values of cgroup files.

Kernel facts: Documentation/admin-guide/cgroup-v2.rst and Documentation/scheduler/sched-bwc.rst of Linux 6.12.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from qos.check.lint import Finding, LintInput
from qos.model.cgroup import ROOT, CgroupSpec, CpuMax, parent
from qos.model.pod import CPU, MEMORY, Container
from qos.model.quantity import Quantity

LEAST_QUOTA_USEC: Final = 1000
_NOTHING: Final = Quantity.zero()


def quota_rounded_up(given: LintInput) -> Iterator[Finding]:
    """The kernel's least quota is 1 ms: at a period of 100 ms, limits of 1m to 10m are all 10m."""
    for container, _, spec in given.planned():
        limit = container.resources.limits.get(CPU, _NOTHING)
        quota = _quota(spec)
        if quota is None or limit.sign <= 0:
            continue
        wanted = limit.milli_value() * quota.period_usec / 1000
        if wanted < LEAST_QUOTA_USEC and quota.quota_usec == LEAST_QUOTA_USEC:
            yield Finding(
                "quota-rounded-up", "warning", given.where(container.name),
                f"a cpu limit of {limit} is {wanted:g} usec of quota, but the least is {LEAST_QUOTA_USEC}: "
                f"it gets {quota.cpus * 1000:g}m",
                f"write {quota.cpus * 1000:g}m, which is what it gets",
            )  # fmt: skip


def weight_one(given: LintInput) -> Iterator[Finding]:
    """A request so small that it weighs no more than BestEffort, in the container's cgroup or the pod's."""
    asked = []
    for container, _, spec in given.planned():
        request = container.resources.requests.get(CPU, _NOTHING)
        if request.sign > 0:
            asked.append(request)
            if spec.cpu_weight == 1:
                yield _weighs_nothing(given.where(container.name), str(request))
    if asked and given.spec(given.cgroup).cpu_weight == 1:
        yield _weighs_nothing(given.where(), " + ".join(map(str, asked)))


def weights_alike(given: LintInput) -> Iterator[Finding]:
    """Siblings whose requests differ but whose weights do not: the difference buys nothing."""
    rows = [
        (container.name, container.resources.requests.get(CPU, _NOTHING), spec.cpu_weight)
        for container, kind, spec in given.planned()
        if kind != "init" and spec.cpu_weight is not None
    ]
    weights = {weight for _, _, weight in rows}
    requests = {request for _, request, _ in rows}
    if len(rows) > 1 and len(weights) == 1 and len(requests) > 1:
        shown = ", ".join(f"{name} {request}" for name, request, _ in rows)
        yield Finding(
            "weights-alike", "warning", given.where(),
            f"the containers' cpu requests differ ({shown}), but all have cpu.weight {next(iter(weights))}",
            "so small requests cannot be told apart by the runtime's conversion; scale them up together",
        )  # fmt: skip


def protected_page_cache(given: LintInput) -> Iterator[Finding]:
    """memory.min equal to memory.max: its page cache can never be reclaimed for others.

    The container's own limit still reclaims it (a limit's reclaim heeds no protection of its own cgroup),
    but pressure from outside does not, and the kubelet counts inactive cache as available all the same.
    """
    for container, _, spec in given.planned():
        low, limit = spec.memory_min, spec.memory_max
        if not isinstance(low, int) or not isinstance(limit, int) or low < limit:
            continue
        known = container.name in given.page_cache
        yield Finding(
            "min-equals-max", "warning" if known else "info", given.where(container.name),
            f"memory.min {low} equals memory.max: page cache of files it works on fills the limit and is "
            "never reclaimed for other pods, while the kubelet counts it as available and evicts too late",
            "set the memory request below the limit by the size of those files",
        )  # fmt: skip


def quota_below_threads(given: LintInput) -> Iterator[Finding]:
    """More busy threads than CPUs of quota: all of it is burnt early in the period, then all wait."""
    for container, _, spec in given.planned():
        threads = given.threads.get(container.name) or _threads_of(container)
        quota = _quota(spec)
        if threads is None or quota is None or not isinstance(quota.quota_usec, int):
            continue
        running = min(float(threads), given.node_cpus or float(threads))
        if running <= quota.cpus:
            continue
        burnt = quota.quota_usec / running / 1000
        period = quota.period_usec / 1000
        yield Finding(
            "quota-below-threads", "warning", given.where(container.name),
            f"{threads} busy threads burn a quota of {quota.cpus:g} CPUs in {burnt:.1f} of {period:g} ms, "
            f"then all stand still for {period - burnt:.1f} ms",
            f"run at most {max(1, int(quota.cpus))} threads, raise the limit to {running:g}, or leave it out",
        )  # fmt: skip


def void_protection(given: LintInput) -> Iterator[Finding]:
    """memory.min or memory.low above an ancestor's: the kernel protects no more than the ancestor."""
    names = [(given.cgroup, ""), *((name, container) for container, name in given.containers.items())]
    for knob, file in (("memory_min", "memory.min"), ("memory_low", "memory.low")):
        for cgroup, container in names:
            mine = getattr(given.spec(cgroup), knob)
            above = parent(cgroup)
            if not isinstance(mine, int) or mine == 0 or above == ROOT or above not in given.plan.cgroups:
                continue
            most = _protection(given.spec(above), knob)
            if most is not None and most < mine:
                yield Finding(
                    "void-protection", "warning", given.where(container),
                    f"{file} is {mine}, but that of {above} is only {most}, and no more is protected",
                    f"set {file} of {above} to at least the sum of what its children have",
                )  # fmt: skip


def limit_above_parent(given: LintInput) -> Iterator[Finding]:
    """A container's limit above its pod's is never reached."""
    pod = given.spec(given.cgroup)
    pod_quota, pod_memory = _quota(pod), pod.memory_max
    for container, _, spec in given.planned():
        quota = _quota(spec)
        if quota is not None and pod_quota is not None and quota.cpus > pod_quota.cpus:
            yield _above(given, container, CPU, f"{quota.cpus:g}", f"{pod_quota.cpus:g}")
        if isinstance(spec.memory_max, int) and isinstance(pod_memory, int) and spec.memory_max > pod_memory:
            yield _above(given, container, MEMORY, str(spec.memory_max), str(pod_memory))


def _weighs_nothing(where: str, request: str) -> Finding:
    return Finding(
        "weight-one", "warning", where,
        f"a cpu request of {request} becomes cpu.weight 1, the same as no request at all",
        "request at least 29m, which weighs 2 by the kubelet's and by every runtime's conversion",
    )  # fmt: skip


def _above(given: LintInput, container: Container, name: str, mine: str, pods: str) -> Finding:
    return Finding(
        "limit-above-pod", "info", given.where(container.name),
        f"its {name} limit of {mine} is above the pod's {pods}, which binds first",
        f"lower it to the pod's {pods}, or leave it out",
    )  # fmt: skip


def _quota(spec: CgroupSpec) -> CpuMax | None:
    return spec.cpu_max if spec.cpu_max is not None and spec.cpu_max.quota_usec != "max" else None


def _protection(spec: CgroupSpec, knob: str) -> int | None:
    """What a cgroup protects: 0 where the policy leaves the kernel's default, None where all."""
    value = getattr(spec, knob)
    return None if value == "max" else (value or 0)


def _threads_of(container: Container) -> int | None:
    """GOMAXPROCS and its like, where the manifest sets it."""
    for one in container.env or ():
        if one.name in {"GOMAXPROCS", "OMP_NUM_THREADS", "UV_THREADPOOL_SIZE", "WEB_CONCURRENCY"}:
            text = (one.value or "").strip()
            if text.isdecimal() and int(text) > 0:
                return int(text)
    return None
