"""Properties of thresholds, ranking and admission beside the golden vectors."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qos.agent.admission import admit, tolerates
from qos.agent.ranking import PodUsage, rank, sort_key
from qos.agent.thresholds import SIGNALS, Observation, Threshold, ThresholdValue, is_met, parse_thresholds
from qos.errors import InputError
from qos.model.pod import Toleration
from qos.model.qos_class import QOSClass
from qos.model.quantity import Quantity

_amounts = st.integers(0, 6).map(Quantity.from_int)
_usages = st.builds(
    PodUsage,
    st.text("abc", min_size=1, max_size=6),
    st.integers(-2, 2),
    st.booleans(),
    st.fixed_dictionaries({"memory": _amounts, "ephemeral-storage": _amounts}),
    st.fixed_dictionaries(
        {"memory": _amounts, "ephemeral-storage": _amounts, "inodes": _amounts, "pids": _amounts}
    ),
)
_signals = st.sampled_from(sorted(SIGNALS))


@given(_signals, st.lists(_usages, max_size=8), st.randoms(use_true_random=False))
def test_the_order_does_not_depend_on_the_order_given(signal: str, pods: list[PodUsage], random) -> None:
    """Shuffled pods rank alike, equals apart; nobody is lost or told twice."""
    distinct = list({pod.key: pod for pod in pods}.values())
    shuffled = list(distinct)
    random.shuffle(shuffled)
    order, other = rank(signal, distinct), rank(signal, shuffled)
    assert sorted(pod.key for pod in order) == sorted(pod.key for pod in distinct)
    key = sort_key(signal)
    assert list(map(key, order)) == list(map(key, other))


@given(_signals, _usages, _usages)
def test_within_one_priority_using_more_is_never_safer(signal: str, one: PodUsage, other: PodUsage) -> None:
    """Of two pods alike but for what they use, the one that uses more is evicted first."""
    resource = SIGNALS[signal][1]
    twin = PodUsage(other.key + "!", one.priority, one.found, one.request, other.used)
    if not one.found or one.used[resource] == twin.used[resource]:
        return
    first = rank(signal, (one, twin))[0]
    assert first.used[resource] == max(one.used[resource], twin.used[resource])


@given(st.integers(1, 2**50), st.integers(0, 2**50))
def test_a_threshold_is_met_strictly_below(quantity: int, available: int) -> None:
    """Exactly as much as the threshold is enough."""
    threshold = Threshold("memory.available", ThresholdValue(quantity=Quantity.from_int(quantity)))
    assert is_met(threshold, Observation(available, 2**50)) is (available < quantity)


@given(
    st.dictionaries(st.sampled_from(sorted(SIGNALS)), st.text("0123456789.%MiG-e ", max_size=6), max_size=3)
)
def test_any_statement_is_read_or_refused_with_its_place(statements: dict[str, str]) -> None:
    """Thresholds of garbage are an InputError that names the field, never anything else."""
    refusal = None
    try:
        thresholds = parse_thresholds(statements)
    except InputError as error:
        refusal, thresholds = error, ()
    if refusal is not None:
        assert str(refusal.field).startswith("evictionHard")
        assert refusal.expected
    assert all(one.value.of(10**12).nano >= 0 for one in thresholds)


@pytest.mark.parametrize("text", ["0%", "100%"])
def test_nought_and_all_turn_a_threshold_off(text: str) -> None:
    """The two spellings that drop a threshold."""
    assert parse_thresholds({"memory.available": text}) == ()


class TestAdmission:
    @given(st.lists(st.sampled_from(["MemoryPressure", "DiskPressure", "PIDPressure"]), unique=True))
    def test_critical_pods_are_always_taken(self, conditions: list[str]) -> None:
        """Whatever the pressure."""
        assert admit(conditions, critical=True, qos_class=QOSClass.BEST_EFFORT).admit

    @pytest.mark.parametrize("qos_class", list(QOSClass))
    def test_memory_pressure_alone_refuses_best_effort_only(self, qos_class: QOSClass) -> None:
        """And a toleration of the taint lets it in as well."""
        answer = admit(["MemoryPressure"], critical=False, qos_class=qos_class)
        assert answer.admit is (qos_class is not QOSClass.BEST_EFFORT)
        everything = (Toleration(operator="Exists"),)
        assert admit(["MemoryPressure"], critical=False, qos_class=qos_class, tolerations=everything).admit
        both = ["MemoryPressure", "DiskPressure"]
        assert not admit(both, critical=False, qos_class=qos_class, tolerations=everything).admit

    def test_a_toleration_of_another_effect_does_not_count(self) -> None:
        """NoExecute does not bear NoSchedule; an empty effect bears all."""
        key = "node.kubernetes.io/memory-pressure"
        assert not tolerates([Toleration(key=key, operator="Exists", effect="NoExecute")], key, "NoSchedule")
        assert tolerates([Toleration(key=key, operator="Exists")], key, "NoSchedule")
        assert not tolerates([Toleration(key=key, value="x")], key, "NoSchedule")
