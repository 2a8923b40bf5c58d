"""The places of values in JSON texts that are not held."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qos.scenario.json_index import index_json
from qos.scenario.load import Document, parse_documents

TEXT = st.text(st.characters(codec="utf-8"))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
LISTS = st.builds(
    lambda head, items, tail: {**head, "items": items, **tail},
    st.dictionaries(st.sampled_from(["kind", "apiVersion", "metadata"]), st.sampled_from(["PodList", "v1"])),
    st.lists(VALUES, max_size=5),
    st.fixed_dictionaries({}, optional={"kind": st.sampled_from(["List", "Pod", 3]), "more": VALUES}),
)
INDENTS = st.sampled_from([None, 0, 3])


def _expected(value: Any) -> list[Any]:
    """The values that one value of a text stands for: itself, or a List's items with its defaults."""
    kind = value.get("kind") if isinstance(value, dict) else None
    if not isinstance(kind, str) or not kind.endswith("List") or "items" not in value:
        return [value]
    return list(value["items"])


@given(
    st.lists(VALUES | LISTS, min_size=1, max_size=4),
    INDENTS,
    st.integers(1, 40),
    st.booleans(),
    st.booleans(),
)
def test_every_value_is_found_however_small_the_window(
    values: list[Any], indent: int | None, window: int, plain: bool, mark: bool
) -> None:
    """Bytes, line and column of each value and item are right, whatever is read at once."""
    texts = [json.dumps(value, indent=indent, ensure_ascii=plain) for value in values]
    text = "\n \t".join(texts)
    raw = text.encode("utf-8-sig" if mark else "utf-8")
    index = index_json(io.BytesIO(raw), "dump.json", window)
    assert index.error is None
    found = [json.loads(raw[place.offset : place.offset + place.length]) for place in index]
    assert found == [item for value in values for item in _expected(value)]
    lines = raw.decode("utf-8-sig").split("\n")
    for place in index:
        first = raw[place.offset : place.offset + place.length].decode()[0]
        assert lines[place.line - 1][place.column - 1] == first


@given(VALUES | LISTS, st.integers(0, 200), st.integers(1, 40))
def test_a_text_cut_short_is_an_error_and_has_no_half_values(value: Any, cut: int, window: int) -> None:
    """A List or object that does not end counts for nothing, and the error stands in it."""
    text = json.dumps({"kind": "List", "items": [1, value, 2]})
    raw = text.encode()[: min(cut, len(text) - 1)]
    index = index_json(io.BytesIO(raw), "dump.json", window)
    assert len(index) == 0
    assert (index.error is not None) == bool(raw)


@pytest.mark.parametrize("window", [1, 7, 1000])
@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ('{"kind": "List", "items": [{"a": 1},\n {"b" 2}]}', 2, 7),
        ('{"kind": "List", "items": [{"a": 1},\n {"b": "two}]}', 2, 8),
        ('{"kind": "List", "items": [{"a": 1}\n {"b": 2}]}', 2, 2),
        ('{"kind": "List",\n "items": [{"a": tru}]}', 2, 18),
        ('{"kind": "List",\n items: []}', 2, 2),
        ('{"kind": "List", "items": [1, NaN]}', 1, 31),
    ],
)
def test_bad_json_is_told_with_its_place(text: str, line: int, column: int, window: int) -> None:
    """Line and column of where it goes wrong; a value before the bad one is told."""
    index = index_json(io.BytesIO(f'{{"first": "✓"}}\n{text}{" " * 50}'.encode()), "dump.json", window)
    assert len(index) == 1
    assert index.error is not None
    source = index.error.source
    assert source is not None
    assert (source.line, source.column) == (line + 1, column)


def test_what_is_not_utf8_has_no_values() -> None:
    """As the whole text would be refused, with the line of the bad byte."""
    index = index_json(io.BytesIO(b'{"a": 1}\n{"b": "\xff"}\n'), "dump.json", 4)
    assert len(index) == 0
    assert str(index.error) == "dump.json:2: is not UTF-8 text; expected UTF-8"


def test_items_of_a_typed_list_have_its_kind() -> None:
    """A PodList's items need no kind of their own, wherever the list says its own."""
    raw = b'{"items": [{"a": 1}], "kind": "PodList", "apiVersion": "v1"}'
    (place,) = index_json(io.BytesIO(raw), "dump.json")
    assert place.defaults == {"kind": "Pod", "apiVersion": "v1"}
    assert place.item == 0
    (whole,) = parse_documents(raw, "dump.json")
    assert isinstance(whole, Document)
    assert [item.data for item in whole.items("items", place.defaults)] == [{**place.defaults, "a": 1}]
