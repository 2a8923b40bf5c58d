"""The gate's rules: what counts as worse, and what accepting keeps."""

from __future__ import annotations

import math

from qos.model.cgroup import CgroupName
from qos.record.accepted import Held, accept, moves
from qos.record.fidelity import Line, Verdict


def _line(error: float, verdict: Verdict = "close", metric: str = "cpu_usage") -> Line:
    return Line(metric, CgroupName("a/b"), "pod/c", 1.0, 1.0, 0.0, error, 0.02, verdict)


class TestMoves:
    """Which lines are not where they were accepted."""

    def test_a_larger_error_of_either_sign_is_worse(self) -> None:
        """The sign does not matter, and a tenth of a per cent is not told apart."""
        held = {"cpu_usage pod/c": Held(0.01)}
        assert [move.worse for move in moves([_line(-0.02)], held)] == [True]
        assert [move.worse for move in moves([_line(-0.002)], held)] == [False]
        assert moves([_line(0.0109)], held) == []

    def test_noise_excuses_a_larger_error(self) -> None:
        """What the measurement cannot tell apart is no regression."""
        assert not moves([_line(0.03, "in noise")], {"cpu_usage pod/c": Held(0.01)})[0].worse

    def test_a_lost_line_is_worse_and_one_side_only_is_worst(self) -> None:
        """A metric that vanishes would leave the gate; an infinite error is larger than any."""
        held = {"cpu_usage pod/c": Held(0.01), "throttled_ratio pod": Held(math.inf)}
        found = moves([_line(math.inf, "OUTSIDE")], held)
        assert {(move.line, move.worse) for move in found} == {
            ("cpu_usage pod/c", True), ("throttled_ratio pod", True),
        }  # fmt: skip


class TestAccept:
    """What is held from now on."""

    def test_only_a_reason_lets_an_error_grow_and_it_is_kept(self) -> None:
        """Without one the old error stays; with one it is written beside the new one."""
        held = {"cpu_usage pod/c": Held(0.01)}
        assert accept([_line(0.05)], held) == held
        kept = accept([_line(0.05)], held, "measured with ticks of 10 ms")
        assert kept == {"cpu_usage pod/c": Held(0.05, "measured with ticks of 10 ms")}
        assert Held.from_json(kept["cpu_usage pod/c"].to_json()) == kept["cpu_usage pod/c"]

    def test_what_came_closer_is_held_closer_and_loses_its_reason(self) -> None:
        """The gate is a ratchet."""
        assert accept([_line(0.004)], {"cpu_usage pod/c": Held(0.05, "once")}) == {
            "cpu_usage pod/c": Held(0.004)
        }
