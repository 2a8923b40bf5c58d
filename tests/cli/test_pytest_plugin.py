"""The pytest plugin, in a pytest of its own: scenario files are tests, the two fixtures work."""

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

SCENARIO = """\
apiVersion: qos.dev/v1alpha1
kind: Scenario
metadata: {name: half}
spec:
  question: Does a limit of half a CPU hold?
  duration: 10s
  nodes:
    - apiVersion: v1
      kind: Node
      metadata: {name: small}
      status: {capacity: {cpu: "2", memory: 2Gi, pods: "10"}}
  pods:
    - apiVersion: v1
      kind: Pod
      metadata: {name: spin, labels: {app: spin}}
      spec:
        containers:
          - {name: c, image: i, resources: {limits: {cpu: 500m, memory: 64Mi}}}
  workloads:
    - {name: spin, selector: app=spin, cpu: {shape: spin}}
"""
HOLDS = """\
  expect:
    - {workload: spin, metric: cpu_usage_cpus, comparator: "==", value: 0.5, tolerance: 0.01}
"""
BREAKS = (
    HOLDS
    + """\
    - {workload: spin, metric: throttled_ratio, comparator: "==", value: 0}
"""
)


def _file(pytester: pytest.Pytester, text: str, name: str = "half.yaml") -> Path:
    path = pytester.path / name
    path.write_text(text)
    return path


def test_every_promise_is_a_test_of_its_own(pytester: pytest.Pytester) -> None:
    """One promise holds and one breaks: one test passes, one fails, in the words and place of qos test."""
    _file(pytester, SCENARIO + BREAKS)
    result = pytester.runpytest_subprocess("half.yaml")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*FAILED half: spin: throttled_ratio == 0*", "*at *half.yaml:23:7"])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_a_broken_scenario_is_one_line_and_no_traceback(pytester: pytest.Pytester) -> None:
    """A field that does not exist is a collection error with its line."""
    _file(pytester, SCENARIO.replace("duration:", "durration:"))
    result = pytester.runpytest_subprocess("half.yaml")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*half.yaml:6:3: spec.durration: *"])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_other_yaml_files_are_left_alone(pytester: pytest.Pytester) -> None:
    """Broken YAML, a manifest and a binary file beside the tests are nobody's business."""
    _file(pytester, "a: [", "broken.yaml")
    _file(pytester, "kind: Pod\n", "pod.yml")
    (pytester.path / "binary.yaml").write_bytes(b"\x00\xff" * 50)
    _file(pytester, SCENARIO + HOLDS)
    pytester.runpytest_subprocess(".").assert_outcomes(passed=1)


def test_without_a_promise_it_is_skipped_with_a_word(pytester: pytest.Pytester) -> None:
    """A scenario that promises nothing is neither passed nor failed."""
    _file(pytester, SCENARIO)
    result = pytester.runpytest_subprocess("-rs", "half.yaml")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*no expect: block*"])


def test_a_baseline_is_one_more_test(pytester: pytest.Pytester) -> None:
    """A folder without the scenario's figures fails; the message says how to write them."""
    _file(pytester, SCENARIO + HOLDS)
    result = pytester.runpytest_subprocess("--qos-baseline", "baseline", "half.yaml")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*no baseline; write one with qos test --accept*"])


def test_the_fixtures_simulate_and_plan(pytester: pytest.Pytester) -> None:
    """A test of the user's own asks a run's summary and a plan's class and files."""
    _file(pytester, SCENARIO)
    _file(
        pytester,
        """\
kind: Pod
apiVersion: v1
metadata: {name: p}
spec: {containers: [{name: c, image: i, resources: {limits: {cpu: 500m, memory: 64Mi}}}]}
""",
        "pod.yaml",
    )
    pytester.makepyfile(
        test_policy="""
        def test_throttled(qos_simulate):
            spin = qos_simulate("half.yaml")["kubelet"].workloads["spin"]
            assert abs(spin.cpu_seconds - 5) < 0.1

        def test_class(qos_plan):
            (pod,) = qos_plan("pod.yaml", profile="1.36")["pods"]
            assert pod["qosClass"] == "Guaranteed"
            assert pod["files"]["cpu.max"] == "50000 100000"
        """
    )
    pytester.runpytest_subprocess("test_policy.py").assert_outcomes(passed=2)


def test_a_run_without_scenarios_imports_nothing_of_the_simulator(pytester: pytest.Pytester) -> None:
    """Whoever has qos installed pays nothing in tests that have no scenario."""
    pytester.makepyfile(
        """
        import sys

        def test_light():
            assert not {"numpy", "numba", "pandas", "pydantic"} & set(sys.modules)
        """
    )
    pytester.runpytest_subprocess("-p", "no:hypothesispytest").assert_outcomes(passed=1)


def test_no_seeds_is_a_usage_error(pytester: pytest.Pytester) -> None:
    """Zero seeds are refused in one line that says what would be right."""
    result = pytester.runpytest_subprocess("--qos-seeds", "0")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*'0' is no number of seeds; expected 1 or more*"])
