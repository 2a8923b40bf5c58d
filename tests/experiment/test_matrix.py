"""The same promises under several versions: qos test --profile, --runtime, --kernel."""

from pathlib import Path

import pytest

from qos.check.formats import FORMATS
from qos.errors import InputError
from qos.experiment.check import CheckOptions, check
from qos.experiment.matrix import variants

SHARE = str(Path(__file__).resolve().parents[2] / "scenarios" / "sidecar-share.yaml")


def test_every_combination_of_the_axes_is_a_variant() -> None:
    """Two versions, three runtimes and two kernels give twelve variants, each once."""
    found = variants("1.36,1.37", "runc-1.2,runc-1.3.2,crun-1.23", "6.1,6.12")
    assert len(found) == len(set(found)) == 12
    assert found[0] == "1.36/runc-1.2/linux-6.1"


def test_a_range_holds_every_known_version_between_its_ends() -> None:
    """1.33..1.37 is five versions in order."""
    assert variants("1.33..1.37") == ("1.33", "1.34", "1.35", "1.36", "1.37")


def test_nothing_asked_is_the_scenarios_own_versions() -> None:
    """Without an axis there is no variant, and scenarios run under their own profile."""
    assert variants() == ()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("1.37..1.33", None, None), "--profile: is an empty range, got '1.37..1.33'"),
        (("1.12..1.36", None, None), "is not known"),
        (("newest", None, None), "--profile: is no version"),
        ((None, "docker-1", None), "--runtime: is no version"),
        ((None, "1.36", None), "--runtime: is no runtime"),
        ((None, None, "foo"), "--kernel: is no version, got 'foo'"),
        (("1.36,", None, None), "--profile: is no version, got ''"),
    ],
)
def test_what_is_no_version_is_refused_by_its_option(
    words: tuple[str | None, str | None, str | None], said: str
) -> None:
    """The error names the option and the word as typed."""
    with pytest.raises(InputError, match=said):
        variants(*words)


def test_the_promise_on_weights_breaks_only_under_runtimes_with_the_linear_formula() -> None:
    """Runc 1.2 and crun 1.20 give the sidecar less than promised; the text says so in one place."""
    options = CheckOptions(workers=1, variants=variants("1.36", "runc-1.2,runc-1.3.2,crun-1.20,crun-1.23"))
    outcomes = check([SHARE], options)
    assert {outcome.variant for outcome in outcomes if outcome.failed} == {"1.36/runc-1.2", "1.36/crun-1.20"}
    text = FORMATS["text"](outcomes)
    assert text.count("FAILED") == 1
    assert "breaks in: 1.36/runc-1.2, 1.36/crun-1.20; holds in the other 2" in text
    assert "6 of 8 hold; all of them under 2 of 4 versions" in text


@pytest.mark.parametrize("name", sorted(set(FORMATS) - {"text"}))
def test_every_format_tells_the_versions_apart(name: str) -> None:
    """A failure in one version is not mixed up with the same promise in another."""
    options = CheckOptions(workers=1, variants=variants("1.36", "runc-1.2,crun-1.20"))
    text = FORMATS[name](check([SHARE], options))
    assert "1.36/runc-1.2" in text
    assert "1.36/crun-1.20" in text
