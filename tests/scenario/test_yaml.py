"""YAML as kubectl reads it, with the place of every field."""

from __future__ import annotations

import textwrap
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from qos.errors import InputError
from qos.scenario.load import Document, parse_documents
from qos.scenario.yaml_scalars import plain_value

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=12)
PLAIN_DATA = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**15), 10**15) | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=12,
)


def read(text: str) -> list[Document | InputError]:
    """Every document of a text, indented as it may be."""
    return list(parse_documents(textwrap.dedent(text).encode(), "f.yaml"))


def one(text: str) -> Document:
    """The only document of a text."""
    (document,) = read(text)
    assert isinstance(document, Document), document
    return document


def errors(text: str) -> list[str]:
    """The errors of a text as they are printed."""
    return [str(each) for each in read(text) if isinstance(each, InputError)]


class TestScalars:
    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("yes", True), ("off", False), ("y", True), ("N", False), ("True", True), ("~", None), ("", None),
            ("012", 10), ("0x1F", 31), ("0b101", 5), ("1_000", 1000), ("-5", -5), ("+7", 7), ("08", 8.0),
            (".5", 0.5), ("1e3", 1000.0), ("1.", 1.0), ("-.inf", float("-inf")),
            ("22:22", "22:22"), ("1e9999", "1e9999"), ("2024-01-01", "2024-01-01"), ("100m", "100m"),
            ("1Gi", "1Gi"), ("null-ish", "null-ish"), ("-", "-"), ("0o17", 15), ("_", "_"), ("=", "="),
        ],
    )  # fmt: skip
    def test_plain_words_mean_what_kubectl_takes_them_for(self, text: str, value: Any) -> None:
        """Unquoted booleans, octals and exponents are YAML 1.1's; times and bases of 60 are text."""
        assert plain_value(text) == value
        assert type(plain_value(text)) is type(value)

    def test_quotes_and_tags_make_text(self) -> None:
        """Quoted words and !!str are text; an unknown tag is ignored, never an object of Python's."""
        data = one("a: 'yes'\nb: \"1\"\nc: !!str 2\nd: !Ref x\ne: !!python/object/apply:os.getcwd []\n").data
        assert data == {"a": "yes", "b": "1", "c": "2", "d": "x", "e": []}

    def test_keys_are_text(self) -> None:
        """Numbers and booleans as keys become the text that JSON has for them."""
        assert one("80: a\non: b\n1.5: c").data == {"80": "a", "true": "b", "1.5": "c"}

    @given(PLAIN_DATA)
    def test_what_was_dumped_is_read_back(self, data: Any) -> None:
        """Any plain data dumped with quotes and tags is read as it was."""
        text = yaml.dump(data, default_style='"', allow_unicode=True)
        (found,) = parse_documents(text.encode(), "f.yaml")
        assert isinstance(found, Document)
        assert found.data == data


class TestDocuments:
    def test_a_stream_holds_several(self) -> None:
        """Documents are separated by ---; empty ones have no data."""
        assert [each.data for each in read("---\na: 1\n---\n---\n# only a comment\n---\nb: 2\n")] == [
            {"a": 1}, None, None, {"b": 2},
        ]  # fmt: skip

    def test_reading_goes_on_after_a_bad_document(self) -> None:
        """A document that cannot be read is one error; those around it are read."""
        found = read("a: 1\n---\nb: [\n---\nc: 3\n---\n{{ x }}\n---\nd: 4\n")
        assert [each.data for each in found if isinstance(each, Document)] == [{"a": 1}, {"c": 3}, {"d": 4}]
        assert [str(each.source) for each in found if isinstance(each, InputError)] == [
            "f.yaml:4:1",
            "f.yaml:7:1",
        ]

    def test_many_bad_documents_end_the_file(self) -> None:
        """A file of nothing but errors is given up after 50 of them."""
        assert len(read("a: [\n---\n" * 500)) == 50

    def test_merge_keys_and_aliases(self) -> None:
        """<< merges mappings, own keys win; an alias is the value it stands for."""
        text = (
            "base: &b {p: 1, q: 2}\nother: &o {z: 9}\none: {<<: *b, q: 3}\nboth: {<<: [*b, *o]}\nsame: *b\n"
        )
        data = one(text).data
        assert data["one"] == {"p": 1, "q": 3}
        assert data["both"] == {"p": 1, "q": 2, "z": 9}
        assert data["same"] == {"p": 1, "q": 2}

    def test_byte_order_marks_are_not_text(self) -> None:
        """A byte order mark in front is skipped."""
        (document,) = parse_documents(b"\xef\xbb\xbfa: 1", "f.yaml")
        assert isinstance(document, Document)
        assert document.data == {"a": 1}


class TestPlaces:
    TEXT = """\
        kind: Pod
        spec:
          containers:
            - name: web
              resources: {limits: {cpu: 2}}
            - name: proxy
              empty:
        base: &b {x: 1}
        derived:
          <<: *b
        """

    @pytest.mark.parametrize(
        ("path", "key", "place"),
        [
            (("kind",), False, "1:7"), (("kind",), True, "1:1"),
            (("spec", "containers", 0, "resources", "limits", "cpu"), False, "5:33"),
            (("spec", "containers", 0, "resources", "limits", "cpu"), True, "5:28"),
            (("spec", "containers", 1, "name"), False, "6:13"),
            (("spec", "containers", 1, "empty"), False, "7:7"),
            (("spec", "containers", 1, "missing"), False, "6:7"),
            (("spec", "containers", 9), False, "4:5"),
            (("derived", "x"), False, "8:14"),
            ((), False, "1:1"),
        ],
    )  # fmt: skip
    def test_every_field_has_line_and_column(
        self, path: tuple[str | int, ...], key: bool, place: str
    ) -> None:
        """A value, its key, or the nearest thing around what is not there."""
        assert str(one(self.TEXT).locate(path, key=key)) == f"f.yaml:{place}"

    def test_lines_count_on_after_an_error(self) -> None:
        """Places in documents behind a bad one are those of the file."""
        *_, last = read("a: [\n---\nb: 1\nc:\n  d: 2\n")
        assert isinstance(last, Document)
        assert str(last.locate(("c", "d"))) == "f.yaml:5:6"


class TestRefused:
    def test_a_key_repeated_with_another_value(self) -> None:
        """Which of two values counts is not guessed; the second key is pointed at."""
        assert errors("a: 1\nb: 2\na: 3\n") == [
            "f.yaml:3:1: key 'a' is repeated in this mapping; expected every key once"
        ]

    def test_a_key_repeated_with_the_same_value_is_told(self) -> None:
        """The same line twice changes nothing: a warning."""
        document = one("a: {x: 1}\na: {x: 1}\n")
        assert document.data == {"a": {"x": 1}}
        assert [str(each.source) for each in document.warnings] == ["f.yaml:2:1"]

    @pytest.mark.parametrize(
        ("text", "place"),
        [
            ("replicas: {{ .Values.replicas }}\n", "1:11"),
            ("a: 1\n{{- if .Values.x }}\nb: 2\n{{- end }}\n", "2:1"),
            ("a: 1\n{% if x %}\nb: [\n", "2:1"),
            ('{{ include "all" . }}\n', "1:1"),
        ],
    )
    def test_templates(self, text: str, place: str) -> None:
        """A leftover template is called one, at its line and column."""
        expected = "expected rendered YAML (helm template, kustomize build)"
        assert errors(text) == [f"f.yaml:{place}: template left in the manifest; {expected}"]

    @pytest.mark.parametrize(
        ("text", "place", "what"),
        [
            ("a: b: c\n", "1:5", "mapping values are not allowed"),
            ("a:\n\t- b\n", "2:1", "cannot start any token"),
            ("a: 'open\n", "2:1", "unexpected end of stream"),
            ("a: *nowhere\n", "1:4", "undefined alias"),
            ("? [a, b]\n: 1\n", "1:3", "a key must be text"),
            ("~: 1\n", "1:1", "a key must be text"),
            ("a: &a [*a]\n", "1:4", "an alias refers to the value it stands in"),
            ("<<: 5\n", "1:5", "merges mappings only"),
        ],
    )
    def test_what_is_not_yaml(self, text: str, place: str, what: str) -> None:
        """One line with line and column for each way to be unreadable."""
        (error,) = errors(text)
        assert error.startswith(f"f.yaml:{place}: ")
        assert what in error

    @pytest.mark.parametrize("raw", [b"a: \xff\xfe\xfa", b"\x00\x01\x02", b"a: \x07"])
    def test_bytes_that_are_no_text(self, raw: bytes) -> None:
        """Binary input is one error, with the file's name."""
        (error,) = parse_documents(raw, "f.yaml")
        assert isinstance(error, InputError)
        assert str(error).startswith("f.yaml:1: is not YAML: ")
