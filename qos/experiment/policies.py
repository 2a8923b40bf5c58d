"""Policies by name, or written as a QoSPolicy document: a file, or a document in a scenario's file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

from qos.errors import InputError
from qos.policy.registry import find_policy

if TYPE_CHECKING:
    from qos.policy.base import Policy
    from qos.scenario.load import FieldPath
    from qos.scenario.scenario import SourcedPolicy

_SUFFIXES: Final = frozenset({".yaml", ".yml", ".json"})
_RULE_FIELD: Final = re.compile(r"spec\.rules\[(\d+)\](?:\.(set|factor|pod|container)(?:\.(.+))?)?")


def policy_named(name: str, documents: Sequence[SourcedPolicy] = ()) -> Policy:
    """The policy of a name, of one of ``documents``, or of a file with a QoSPolicy document.

    Raises:
        InputError: there is none, or the document's rules cannot work; with file, line and column.
    """
    for each in documents:
        if each.name == name:
            return _of_document(each)
    if PurePath(name).suffix in _SUFFIXES:
        from qos.scenario.document import PolicyDocument
        from qos.scenario.load import read_document
        from qos.scenario.scenario import SourcedPolicy
        from qos.scenario.validation import validate

        place = read_document(name)
        return _of_document(SourcedPolicy(validate(PolicyDocument, place.data, place), place))
    return find_policy(name)


def _of_document(sourced: SourcedPolicy) -> Policy:
    from qos.policy.document import DocumentRule, document_policy

    document = sourced.document
    rules = [
        DocumentRule(each.level, each.qos_class, each.set, each.factor, each.pod, each.container)
        for each in document.spec.rules
    ]
    try:
        base = find_policy(document.spec.base)
        return document_policy(document.metadata.name, base, rules, document.metadata.description)
    except InputError as error:
        raise error.at(sourced.place.locate(_path(error.field or ""))) from None


def _path(field: str) -> FieldPath:
    """Where in the document the field of an error of ``document_policy`` stands."""
    rule = _RULE_FIELD.fullmatch(field)
    if rule is None:
        return ("spec", "base")
    number, side, file = rule.groups()
    return ("spec", "rules", int(number), *(part for part in (side, file) if part))
