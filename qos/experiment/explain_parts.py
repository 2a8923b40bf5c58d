"""`qos explain` of inputs too large to be held: the same answer, made and given away some pods at a time.

The input is gone through twice. The first time finds what concerns other documents than its own: objects
such as LimitRanges, and uids that several pods have. The second time the pods are explained in parts. What
stays of a pod are the place of its document and what it adds to the totals of its level.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import orjson

from qos.experiment.admission import as_stored
from qos.experiment.explain import (
    ExplainedPod,
    Explanation,
    choose_node,
    choose_profile,
    selector_of,
    without_stated_class,
)
from qos.experiment.policies import policy_named
from qos.model.limit_range import LimitRange
from qos.model.pod import Pod
from qos.policy.base import NO_PODS, LevelTotals, PartwisePolicy, PlanDetails
from qos.policy.kubelet import distinct_uids
from qos.policy.parted_shares import PartedShares
from qos.policy.pod_cgroup import pod_uid, uuid5_text
from qos.scenario.load import Document, temporary_file
from qos.scenario.manifest import Found, is_object, items_of

if TYPE_CHECKING:
    from qos.scenario.pod_document import SourcedPod
    from qos.scenario.selector import LabelSelector
    from qos.scenario.stored import StoredDocuments

PART_PODS: Final = 256
_COPIED_BYTES: Final = 1 << 20
_INDENT: Final = b"\n  "


@dataclass(slots=True)
class PartedExplanation:
    """What :class:`qos.experiment.explain.Explanation` knows, to be had part by part.

    Attributes:
        whole: the answer without any pod: profile, node, what to say of them.
        objects: what in the input concerns other documents.
        uids: uid that several pods have → the uid that each of them goes by, in order of the input.
        pods: how many the input holds, whatever the selector; known when the parts were gone through.
        shown: how many of them the selector matches; likewise.
        totals: what the pods come to for the levels; likewise.
        rest: the last part; likewise.
    """

    documents: StoredDocuments
    policy: PartwisePolicy
    whole: Explanation
    objects: Found
    selector: LabelSelector | None
    uids: Mapping[str, Sequence[str]] = field(default_factory=dict)
    pods: int = 0
    shown: int = 0
    totals: LevelTotals = NO_PODS
    rest: Explanation | None = None

    def parts(self) -> Iterator[Explanation]:
        """The pods in order of the input, some at a time; at the end a part without pods, but with the rest.

        Only the last has the values of the levels, and what was skipped and wrong.
        """
        found = Found()
        self.pods, self.shown, self.totals = 0, 0, NO_PODS
        for part in self._parts(found, None):
            self.pods += len(part.details.pods)
            self.shown += len(part.pods)
            self.totals = self.totals.plus(part.details.totals)
            yield part
        self.rest = replace(
            self.whole,
            details=self._plan([], self.totals),
            skipped=tuple(found.skipped),
            errors=tuple(found.errors),
            warnings=(*found.warnings, *self.whole.warnings),
        )
        yield self.rest

    def parts_with_shares(self) -> Iterator[Explanation]:
        """As :meth:`parts`, every part with the values of the levels and the CPU each cgroup is sure to get.

        The pods are planned twice: what one gets depends on what all may use.
        """
        shares = PartedShares(self.whole.node)
        for part in self.parts():
            shares.add(part.details)
        rest = self.rest or self.whole
        self.rest = replace(rest, shares=shares.share_out(rest.details))
        for part in self._parts(Found(), self.totals):
            yield replace(part, shares=shares.of(part.details))

    def _parts(self, found: Found, totals: LevelTotals | None) -> Iterator[Explanation]:
        """Parts with the levels planned for ``totals``; what else the input holds is found."""
        uids = {uid: iter(own) for uid, own in self.uids.items()}
        for sourced in self._sourced(found):
            pods = [_renamed(pod, uids) for pod in _stored(sourced, self.objects)]
            details = self._plan(pods, totals)
            explained = tuple(
                ExplainedPod(each, planned)
                for each, planned in zip(sourced, details.pods, strict=True)
                if self.selector is None or self.selector.matches(each.pod.metadata.labels)
            )
            yield replace(self.whole, pods=explained, details=details)

    def _sourced(self, found: Found) -> Iterator[list[SourcedPod]]:
        """The pods as admission leaves them; the rest of the input is found."""
        for document in self.documents:
            found.add(document)
            found.objects.clear()
            while len(found.pods) >= PART_PODS:
                yield list(self.objects.admission(found.pods[:PART_PODS]))
                del found.pods[:PART_PODS]
        if found.pods:
            yield list(self.objects.admission(found.pods))

    def _plan(self, pods: Sequence[Pod], totals: LevelTotals | None) -> PlanDetails:
        return self.policy.part(pods, self.whole.node, self.whole.profile, totals)


def policy_in_parts(name: str) -> PartwisePolicy | None:
    """The policy of a name, None where it has to see all pods of a node at once, as a user's own may.

    Raises:
        InputError: there is no such policy.
    """
    policy = policy_named(name)
    return policy if isinstance(policy, PartwisePolicy) else None


def explain_in_parts(
    documents: StoredDocuments,
    policy: PartwisePolicy,
    *,
    node: str | None = None,
    profile: str | None = None,
    selector: str | None = None,
) -> PartedExplanation:
    """As :func:`qos.experiment.explain.explain_manifests`, of documents that are not held.

    Raises:
        InputError: an option is wrong.
    """
    wanted = selector_of(selector)
    objects, repeated = _survey(documents)
    machine, assumed, warnings = choose_node(objects.manifests(), node)
    used = choose_profile(profile, machine)
    whole = Explanation(
        profile=used,
        policy=policy.name,
        node=machine,
        node_assumed=assumed,
        pods=(),
        details=policy.part([], machine, used, None),
        shares={},
        skipped=(),
        errors=(),
        warnings=tuple(warnings),
    )
    uids = _told_apart(documents, objects, repeated) if repeated else {}
    return PartedExplanation(documents, policy, whole, objects, wanted, uids)


def _items(documents: StoredDocuments) -> Iterator[Document]:
    for document in documents:
        if isinstance(document, Document):
            for item in items_of(document):
                if isinstance(item, Document) and isinstance(item.data, dict):
                    yield item


def _survey(documents: StoredDocuments) -> tuple[Found, set[str]]:
    """The objects of an input that concern pods, and the uids that more than one document has.

    What is wrong in an object is told when the input is gone through for its pods.
    """
    objects, seen, repeated = Found(), set[int](), set[str]()
    for item in _items(documents):
        if is_object(item.data.get("kind")):
            objects.add(item)
            continue
        uid = _uid_of(item)
        mark = hash(uid)  # a tenth of the memory; two of one hash only cost time
        if mark in seen:
            repeated.add(uid)
        seen.add(mark)
    return objects, repeated


def _uid_of(item: Document) -> str:
    """The uid that the pod of a workload document goes by, if it is one."""
    metadata = item.data.get("metadata")
    known = metadata if isinstance(metadata, dict) else {}
    if item.data.get("kind") == "Pod" and known.get("uid"):
        return str(known["uid"])
    name = known.get("name") or known.get("generateName")
    return uuid5_text(f"{known.get('namespace') or 'default'}/{name}")


def _told_apart(documents: StoredDocuments, objects: Found, repeated: set[str]) -> dict[str, list[str]]:
    """Uid that several pods have → the uids they go by; these pods are held while they are compared."""
    found = Found()
    for item in _items(documents):
        if _uid_of(item) in repeated and not is_object(item.data.get("kind")):
            found.add(item)
    pods = _stored(list(objects.admission(found.pods)), objects)
    told: dict[str, list[str]] = {}
    for pod, uid in zip(pods, distinct_uids(pods), strict=True):
        told.setdefault(pod_uid(pod), []).append(uid)
    return told


def _stored(admitted: Sequence[SourcedPod], objects: Found) -> list[Pod]:
    return as_stored([without_stated_class(each.pod) for each in admitted], objects.all_of(LimitRange))


def _renamed(pod: Pod, uids: Mapping[str, Iterator[str]]) -> Pod:
    """The pod under the uid it goes by where several have the same."""
    if not uids or (uid := pod_uid(pod)) not in uids:
        return pod
    return pod.model_copy(update={"metadata": pod.metadata.model_copy(update={"uid": next(uids[uid])})})


def json_pieces(parted: PartedExplanation) -> Iterator[bytes]:
    """The machine form, byte for byte as of the whole answer, piece by piece.

    The cgroups stand behind the pods, so their text waits in a temporary file.
    """
    yield _dump(parted.whole.head_json())[:-2] + b',\n  "pods": ['
    between = b""
    with temporary_file() as cgroups:
        for part in parted.parts():
            files = part.files(part.pod_cgroups)
            if part.pods:
                yield between + _inner(part.pods_json(files))
                between = b","
                cgroups.write(b"," + _inner(files))
        levels = _inner(part.files(part.levels))
        yield (b"\n  ]" if between else b"]") + b',\n  "cgroups": {' + levels
        cgroups.seek(0)
        while copied := cgroups.read(_COPIED_BYTES):
            yield copied
    yield b"\n  }," + _dump(part.tail_json())[1:] + b"\n"


def _dump(data: Any) -> bytes:
    return orjson.dumps(data, option=orjson.OPT_INDENT_2)


def _inner(data: Any) -> bytes:
    """What stands between the brackets of a list or mapping one level further in."""
    return _dump(data)[1:-2].replace(b"\n", _INDENT)
