"""YAML by PyYAML's C parser: plain data as kubectl reads it, with line and column of every field.

Nodes are composed in C and turned into data here, because the stock constructor forgets the marks, lets a
repeated key win silently, and knows other booleans and numbers than kubectl (sigs.k8s.io/yaml, that is
go-yaml v2) does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from yaml.cyaml import CParser  # type: ignore[attr-defined]  # not in the stubs
from yaml.error import MarkedYAMLError, YAMLError
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from qos.errors import InputError, SourceRef
from qos.scenario.yaml_scalars import plain_value

MAX_DEPTH: Final = 100
MAX_NODES: Final = 2_000_000
MAX_ERRORS_PER_FILE: Final = 50

_STR: Final = "tag:yaml.org,2002:str"
_PLAIN: Final = "plain"
_MERGE: Final = "merge"
_COLLECTION: Final = "collection"
_ROOT: Final = "root"
_ALIAS_ALLOWANCE: Final = 100_000
_TEMPLATE: Final = re.compile(rb"\{\{|\{%")
_CONTENT_LINE: Final = re.compile(rb"^(?!---(?:\s|$))[^\s#%].*$|^[ \t]+[^\s#].*$", re.MULTILINE)
_NEXT_DOCUMENT: Final = re.compile(rb"^---(?:\s|$)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class YamlMarks:
    """Where the fields of one document stand."""

    root: Node
    file: str
    line_offset: int = 0

    def locate(self, path: Sequence[str | int], *, key: bool = False) -> SourceRef:
        """Line and column of the value at ``path`` or its key; where absent, of the nearest around it."""
        node, mark = self.root, self.root.start_mark
        for step in path:
            if isinstance(node, SequenceNode) and isinstance(step, int) and 0 <= step < len(node.value):
                node = node.value[step]
                mark = node.start_mark
                continue
            found = _child(node, step)
            if found is None:
                break
            node = found[1]
            mark = found[0].start_mark if key or _is_implicit(found[1]) else found[1].start_mark
        return SourceRef(self.file, mark.line + 1 + self.line_offset, mark.column + 1)


@dataclass(slots=True)
class LateYamlMarks:
    """As :class:`YamlMarks`, of a document whose nodes were let go: its text is parsed again when asked.

    Attributes:
        text: whole lines, the document's first in them.
        start: where the document begins; told if the text cannot be parsed by itself (a %TAG before it).
    """

    text: bytes
    start: SourceRef
    line_offset: int
    _marks: YamlMarks | None = None

    def locate(self, path: Sequence[str | int], *, key: bool = False) -> SourceRef:
        """Line and column of the value at ``path`` or its key; where absent, of the nearest around it."""
        if not path:
            return self.start
        if self._marks is None:
            first = next(yaml_documents(self.text, self.start.file), None)
            if not isinstance(first, YamlDocument):
                return self.start
            self._marks = YamlMarks(first.marks.root, self.start.file, self.line_offset)
        return self._marks.locate(path, key=key)


def _is_implicit(node: Node) -> bool:
    """Whether a value was left out, as in ``limits:`` with nothing behind it."""
    return isinstance(node, ScalarNode) and node.start_mark.index == node.end_mark.index


def _child(node: Node, step: str | int) -> tuple[Node, Node] | None:
    if not isinstance(node, MappingNode):
        return None
    merged: list[Node] = []
    for key_node, value_node in node.value:
        if key_node.tag == _MERGE:
            merged += value_node.value if isinstance(value_node, SequenceNode) else [value_node]
        elif isinstance(key_node, ScalarNode) and str(_key_text(key_node)) == str(step):
            return key_node, value_node
    for base in merged:
        if base is not node and (found := _child(base, step)) is not None:
            return found
    return None


class _Composer(CParser):
    """The C parser with kubectl's words for plain scalars, bounded in depth and size."""

    def __init__(self, stream: bytes, file: str, line_offset: int) -> None:
        super().__init__(stream)
        self.file = file
        self.line_offset = line_offset
        self.depth = 0
        self.nodes = 0

    def descend_resolver(self, parent: Node | None, index: Any) -> None:  # noqa: ARG002 - PyYAML's interface
        self.depth += 1
        self.nodes += 1
        if parent is None:
            self.nodes = 0
        elif self.depth > MAX_DEPTH or self.nodes > MAX_NODES:
            mark = parent.start_mark
            what = f"nested more than {MAX_DEPTH} deep" if self.depth > MAX_DEPTH else "document too large"
            raise InputError(
                what,
                source=SourceRef(self.file, mark.line + 1 + self.line_offset, mark.column + 1),
                expected=f"at most {MAX_DEPTH} levels and {MAX_NODES} values in one document",
            )

    def ascend_resolver(self) -> None:
        self.depth -= 1

    def resolve(self, kind: type[Node], value: str, implicit: tuple[bool, bool] | bool) -> str:
        if kind is not ScalarNode:
            return _COLLECTION
        if not isinstance(implicit, tuple) or not implicit[0]:
            return _STR
        if value == "<<":
            return _MERGE
        return _STR if isinstance(plain_value(value), str) else _PLAIN


def _key_text(node: ScalarNode) -> str | None:
    """A key as kubectl's conversion to JSON spells it, None where it cannot."""
    value = plain_value(node.value) if node.tag == _PLAIN else node.value
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)


_OPEN: Final = object()


class _Constructor:
    """Nodes of one document to plain data; repeated keys, alias bombs and templates are refused."""

    def __init__(self, marks: YamlMarks, warnings: list[InputError]) -> None:
        self.marks = marks
        self.warnings = warnings
        self.size = 0
        self.aliased = 0
        self.done: dict[int, tuple[Any, int]] = {}

    def construct(self, node: Node) -> Any:
        if isinstance(node, ScalarNode):
            return node.value if node.tag == _STR else _scalar(node)
        identity = id(node)
        if identity in self.done:
            return self._again(node, *self.done[identity])
        self.done[identity] = (_OPEN, 0)
        before = self.size
        self.size += len(node.value)
        data: Any
        if isinstance(node, MappingNode):
            data = self._mapping(node)
        else:
            data = [
                item.value if item.tag == _STR and type(item) is ScalarNode else self.construct(item)
                for item in node.value
            ]
        self.done[identity] = (data, self.size - before)
        return data

    def _again(self, node: Node, data: Any, size: int) -> Any:
        if data is _OPEN:
            raise self._error(node, "an alias refers to the value it stands in", "aliases without cycles")
        self.size += size
        self.aliased += size
        if self.aliased > _ALIAS_ALLOWANCE:
            raise self._error(
                node, "aliases expand without bound", f"at most {_ALIAS_ALLOWANCE} values by alias"
            )
        return data

    def _mapping(self, node: MappingNode) -> dict[str, Any]:
        data: dict[str, Any] = {}
        merges: list[Node] = []
        for key_node, value_node in node.value:
            if key_node.tag == _STR and type(key_node) is ScalarNode:
                key = key_node.value
            elif key_node.tag == _MERGE:
                merges += value_node.value if isinstance(value_node, SequenceNode) else [value_node]
                continue
            else:
                key = self._key(node, key_node)
            if type(value_node) is ScalarNode:
                value = value_node.value if value_node.tag == _STR else _scalar(value_node)
            else:
                value = self.construct(value_node)
            if key in data:
                self._repeated(key_node, key, same=data[key] == value)
            data[key] = value
        for base in merges:
            inherited = self.construct(base)
            if not isinstance(inherited, dict):
                raise self._error(base, "'<<' merges mappings only", "a mapping or an alias of one")
            for key, value in inherited.items():
                data.setdefault(key, value)
        return data

    def _key(self, parent: Node, node: Node) -> str:
        if isinstance(node, ScalarNode):
            text = _key_text(node)
            if text is not None:
                return text
        elif (
            isinstance(node, MappingNode)
            and node.flow_style
            and parent.start_mark.index + 1 == node.start_mark.index
        ):
            raise template_error(self._source(parent))
        raise self._error(node, "a key must be text", "a word or a quoted text")

    def _repeated(self, node: Node, key: str, *, same: bool) -> None:
        error = self._error(node, f"key {key!r} is repeated in this mapping", "every key once")
        if not same:
            raise error
        self.warnings.append(error)

    def _source(self, node: Node) -> SourceRef:
        mark = node.start_mark
        return SourceRef(self.marks.file, mark.line + 1 + self.marks.line_offset, mark.column + 1)

    def _error(self, node: Node, problem: str, expected: str) -> InputError:
        return InputError(problem, source=self._source(node), expected=expected)


def _scalar(node: ScalarNode) -> Any:
    if node.tag == _PLAIN or (
        node.tag.startswith("tag:yaml.org,2002:") and node.tag != "tag:yaml.org,2002:binary"
    ):
        return plain_value(node.value) if node.tag != _STR else node.value
    return node.value


def template_error(source: SourceRef) -> InputError:
    """The error for ``{{ … }}`` or ``{% … %}`` where a value should be."""
    return InputError(
        "template left in the manifest",
        source=source,
        expected="rendered YAML (helm template, kustomize build)",
    )


@dataclass(frozen=True, slots=True)
class YamlDocument:
    """One document: data, marks, and what was tolerated in it."""

    data: Any
    marks: YamlMarks
    warnings: tuple[InputError, ...]


def yaml_documents(raw: bytes, file: str) -> Iterator[YamlDocument | InputError]:
    """The documents of a YAML stream in order, an error in the place of each that cannot be read.

    After an error, reading goes on at the next ``---`` line, as kubectl splits files.
    """
    offset = line_offset = errors = 0
    while offset < len(raw):
        composer = _Composer(raw[offset:] if offset else raw, file, line_offset)
        end_line = 0
        try:
            while composer.check_node():
                node: Any = composer.get_node()
                end_line = node.end_mark.line
                yield _construct(node, file, line_offset)
        except (YAMLError, InputError) as error:
            start = _line_position(raw, offset, end_line)
            following = _following_document(raw, start)
            yield _syntax_error(
                error,
                raw[start:following],
                SourceRef(file, line_offset + raw.count(b"\n", offset, start) + 1),
                line_offset,
            )
        else:
            return
        finally:
            composer.dispose()
        errors += 1
        if following is None or errors >= MAX_ERRORS_PER_FILE:
            return
        line_offset += raw.count(b"\n", offset, following)
        offset = following


def _construct(node: Node, file: str, line_offset: int) -> YamlDocument | InputError:
    marks = YamlMarks(node, file, line_offset)
    warnings: list[InputError] = []
    try:
        data = _Constructor(marks, warnings).construct(node)
    except InputError as error:
        return error
    return YamlDocument(data, marks, tuple(warnings))


def _line_position(raw: bytes, start: int, line: int) -> int:
    position = start
    for _ in range(line):
        position = raw.find(b"\n", position) + 1
    return position


def _following_document(raw: bytes, start: int) -> int | None:
    content = _CONTENT_LINE.search(raw, start)
    following = _NEXT_DOCUMENT.search(raw, content.end()) if content else None
    return following.start() if following else None


def _syntax_error(error: Exception, text: bytes, start: SourceRef, line_offset: int) -> InputError:
    if isinstance(error, InputError):
        return error
    template = _TEMPLATE.search(text)
    if template:
        line = (start.line or 1) + text.count(b"\n", 0, template.start())
        column = template.start() - text.rfind(b"\n", 0, template.start())
        return template_error(SourceRef(start.file, line, column))
    if isinstance(error, MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        source = SourceRef(start.file, mark.line + 1 + line_offset, mark.column + 1) if mark else start
        context = f" {error.context}" if error.context else ""
        return InputError(f"is not YAML: {error.problem}{context}", source=source, expected="YAML")
    reason = str(getattr(error, "reason", error)).splitlines()[0]
    return InputError(f"is not YAML: {reason}", source=start, expected="YAML in UTF-8")
