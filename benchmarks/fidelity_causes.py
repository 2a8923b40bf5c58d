"""Why a prediction is off where it is: in words, for every line outside its tolerance.

A line without a cause here is told as unexplained, and `fidelity_grid.py table` ends with 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

UML = ("uml", "built")
EVERY = ("uml", "built", "qemu")
CPU = ("cpu_usage", "cpu_share")
THROTTLING = ("throttled_*",)


@dataclass(frozen=True)
class Cause:
    """What makes some lines of some scenarios differ.

    Attributes:
        name: short, for tables.
        whose: "lab": not so on a real host; "model": not computed; "load": the load is not what was asked.
        words: the explanation.
        where: (kernels, globs of scenarios, globs of metrics), of which one must fit.
    """

    name: str
    whose: str
    words: str
    where: Sequence[tuple[Sequence[str], Sequence[str], Sequence[str]]]

    def fits(self, kernel: str, scenario: str, metric: str) -> bool:
        """Whether it explains a line."""
        return any(
            kernel in kernels
            and any(fnmatchcase(scenario, glob) for glob in scenarios)
            and any(fnmatchcase(metric, glob) for glob in metrics)
            for kernels, scenarios, metrics in self.where
        )


CAUSES = (
    Cause(
        "ticks",
        "lab",
        "User Mode Linux looks at its clock every 10 ms. A wait of a throttled group is told in whole "
        "ticks and begins at one: of 10 ms a period nothing is seen, of 50 ms after a burst some 40. A "
        "period of 10 or 20 ms is a tick or two long, so a quota is overrun by a tick and paid back in "
        "the next one, which then is throttled and not counted, or not throttled at all.",
        (
            (UML, ("quota-*", "bursts-*", "batch-under-*", "constant-above-quota"), THROTTLING),
            (UML, ("quota-two-of-them", "quota-beside-spinner"), CPU),
        ),
    ),
    Cause(
        "aliasing",
        "lab",
        "Not measured again on the built kernel: its steady loads submitted work every 10 ms, a tick, where "
        "CPU time is booked to whoever runs at it, so that pieces of 2 to 5 ms were booked as nothing, or as "
        "10 ms. On 6.1 they come in whole ticks, and the misses are gone.",
        ((("built",), ("weights-half-idle-*", "weights-overloaded-*", "idle-class-beside-*"), CPU),),
    ),
    Cause(
        "slices",
        "model",
        "The kernel gives a contended CPU in slices, and a group whose quota was just refilled is soon on "
        "it: it uses its quota up sooner than by a fluid share, and is throttled for longer.",
        ((EVERY, ("weights-three-levels", "quota-of-a-pod-over-a-container"), THROTTLING),),
    ),
    Cause(
        "wake-up",
        "model",
        "A woken thread waits until the running one's slice is over (10 ms on User Mode Linux), and "
        "requests in service take turns by slices; the simulator shares the CPU among them as a fluid. "
        "With some hundred requests p99 is that of a handful, and differs between repeats by as much. Shown "
        "by tracing each request: the load, told in ticks that it used two too many, halved its "
        "next ones; that is mended, and under a quota of 30 ms p99 is no closer: why is not known.",
        (
            (EVERY, ("requests-*",), ("latency_*", *CPU, *THROTTLING)),
            (
                EVERY,
                ("constant-below-quota",),
                ("psi_cpu",),
            ),  # a fluid waits for nobody on a CPU that is not full
        ),
    ),
    Cause(
        "load balancing",
        "model",
        "Which threads share a CPU is the load balancer's choice; here a group of equal weight has its half "
        "of two CPUs, however many threads. On 7.3 the spinner shared its CPU with one of the job's, which "
        "had half of the job's weight there (calc_group_shares in kernel/sched/fair.c): 2/3 of a CPU and not "
        "a whole one, so the job took 3 / (4/3) = 2.25 s and 0.1 s to end; 6.12 kept the two apart.",
        ((("built",), ("two-cpus-batch-*",), (*CPU, "completion_seconds", "psi_cpu")),),
    ),
    Cause(
        "end of processes",
        "lab",
        "Each thread of a load is a process, and its end costs some 10 ms of CPU time under User Mode Linux, "
        "which the kernel bills to the job; in emulation more. Before, threads that were done early ended "
        "beside those that still worked, so that the job was done later, too.",
        ((EVERY, ("batch-*", "two-cpus-batch-*"), (*CPU, "completion_seconds", *THROTTLING)),),
    ),
    Cause(
        "tokens lost",
        "lab",
        "Not verified: a bucket of 8 Mbit/s holds 16 ms; where the guest waits longer for its host, "
        "tokens are lost that are never made up for. Three runs on a busier machine were 1 to 10 % off; "
        "measured again with the same load, five of the six lines then outside are within 0.4 to 2.3 %. "
        "In tbf-after-the-stop more comes than until its stop was due: why is not known.",
        ((UML, ("tbf-*",), ("*_bytes_per_second",)),),
    ),
    Cause(
        "page cache under pressure",
        "load",
        "Not verified: QEMU's emulated CPU is busy with the 100 MiB a second that the reader is asked for, "
        "and the grower beside it is late. On User Mode Linux, where it was asked for 300 MiB a second "
        "before, nothing is outside any more.",
        ((("qemu",), ("cache-*",), ("memory_*", "oom_*")),),
    ),
    Cause(
        "phases",
        "model",
        "Since 6.4 the periods of a cgroup begin at an offset drawn when it is made, so pod and container "
        "with one quota take turns, and how they divide the wait stays as it began. Measured before the "
        "reading at the start was taken ahead of it: what the pods lost of their first 50 ms (up to 38) "
        "decides, and is not known. Of batches that had ended the offsets were not seen either. On two CPUs "
        "slices are not computed.",
        (
            (
                ("built", "qemu"),
                (
                    "quota-*",
                    "batch-*",
                    "bursts-*",
                    "constant-above-quota",
                    "two-cpus-quota-*",
                    "weights-three-levels",
                ),
                (*THROTTLING, "psi_cpu"),
            ),
        ),
    ),
    Cause(
        "shared disk",
        "lab",
        "The guest's disk is a file of a machine with other work on its disk, and its requests wait there "
        "for some of the time for which a stream is predicted to wait. Not verified.",
        ((EVERY, ("io-*",), ("psi_io", "disk_*")),),
    ),
    Cause(
        "time taken from the guest",
        "lab",
        "What the machine under the guest takes away is not told as steal, and is missing from the use of "
        "pods that never stop; their shares are right.",
        ((EVERY, ("weights-*", "quota-*"), ("cpu_usage",)),),
    ),
    Cause(
        "two emulated CPUs",
        "lab",
        "Not verified. With QEMU 10, a thread for each CPU, two CPUs are had for 1.85 to 1.91 (7.2, one "
        "thread: 1.7 to 1.9): a host of two cores has its file server and others, and what is "
        "not had is not told as steal. That pods of small weight get a fifth more than their share came with "
        "both.",
        ((("qemu",), ("two-cpus-*",), (*CPU, "psi_cpu", "completion_seconds")),),
    ),
    Cause(
        "memory used up",
        "model",
        "Where the machine has nothing left, the kernel gives up the page cache of the running programs, "
        "the measuring one among them, and reads it back again and again: in eviction-at-25mi on QEMU 78 % "
        "of the CPU went to that (measuring_cpus), growth and the agent's looks came late. Here reclaim "
        "takes no time.",
        (
            (
                EVERY,
                ("eviction-at-100mi", "eviction-at-25mi", "global-oom-*"),
                ("memory_*", "oom_*", "evict*", "loss_order"),
            ),
        ),
    ),
    Cause(
        "reclaim and refaults",
        "model",
        "The kernel counts as pressure of memory the time of direct reclaim (mm/vmscan.c, "
        "try_to_free_mem_cgroup_pages) and of waiting for page cache that was given up and is read again "
        "(mm/filemap.c, folio_wait_bit_common), the programs' own files among it. Here reclaim and reading "
        "take no time: memory.pressure is computed of memory.high and of swapping out only.",
        ((("qemu", "built"), ("cache-*", "growth-*", "global-oom-*", "eviction-*"), ("psi_memory",)),),
    ),
    Cause(
        "pressure in ticks",
        "lab",
        "Pressure of User Mode Linux is told in whole ticks of 10 ms, as its CPU time is.",
        ((UML, ("*",), ("psi_cpu",)),),
    ),
    Cause(
        "cost of faults",
        "model",
        "A machine whose memory is used up (global-oom-*): what a pod starts with has no room, is touched "
        "in the run and waits for reclaim under its quota; reclaim takes no time here. In oom-in- "
        "kubepods-by-score the load used no CPU time that a tick saw, so that no period was counted, and "
        "a ratio is 0 of 0.",
        ((EVERY, ("global-oom-*", "oom-*"), (*CPU, *THROTTLING, "memory_peak", "oom_seconds")),),
    ),
    Cause(
        "workers of requests",
        "load",
        "Each worker of requests is a process, 64 of them where nothing else is said: they hold 0.7 MiB "
        "each, more than the container was to hold, and their first page faults cost CPU time.",
        ((UML, ("mixed-requests-*",), (*CPU, "memory_*", "latency_*")),),
    ),
    Cause(
        "network work",
        "lab",
        "Not verified: the kernel's work for a sender is done in interrupts and billed to whoever runs, "
        "here the pod beside it, which so has more than its quota, and is throttled at other moments.",
        ((UML, ("mixed-quota-network-*",), (*CPU, *THROTTLING)),),
    ),
    Cause(
        "steady loads on a full CPU",
        "load",
        "Not verified: steady loads that want more than the CPU together were billed 5 to 11 % more than "
        "their work, and BestEffort pays. On a CPU that is not full they are not.",
        ((UML, ("weights-curves-*",), (*CPU, *THROTTLING)),),
    ),
)


def cause_of(kernel: str, scenario: str, metric: str) -> Cause | None:
    """The first cause that fits; None: not explained."""
    return next((cause for cause in CAUSES if cause.fits(kernel, scenario, metric)), None)
