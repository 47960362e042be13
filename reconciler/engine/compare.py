"""From a Situation to Changes: the differences, their origin, and the objects that have left the spec."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

from reconciler.core.address import Address
from reconciler.core.basics.digest import data_digest
from reconciler.core.changes import (
    DECLARED_ABSENT,
    Change,
    Document,
    FieldChange,
    Observed,
    Origin,
    Part,
    Verb,
)
from reconciler.core.host import HostView
from reconciler.core.kind import Kind, Kinds
from reconciler.core.spec import Spec
from reconciler.core.state import LedgerRow
from reconciler.engine.inputs import Situation


def inputs(part: Part) -> str:
    """The digest of a part's declaration, defaults left out: equal for two versions of the tool.

    For a sensitive part it is the digest of the document, in which digests are keyed: a short secret could be
    guessed from a plain one.
    """
    if part.sensitive:
        return data_digest(part.document)
    return data_digest(part.declared.resource.model_dump(mode="json", exclude_defaults=True))


def applied(row: LedgerRow | None, observed: Document | None) -> Document | None:
    """The document that we last applied.

    A killed apply may have got as far as its pending document.
    """
    if row is None:
        return None
    if row.pending is not None and (row.document is None or row.pending == observed):
        return row.pending
    return row.document


def changes(situation: Situation, kinds: Kinds, tool: str) -> Iterator[Change]:
    """One Change for every declared part that is not as declared, in the order of the spec."""
    speakers = _speakers(situation)
    for address, part in situation.parts.items():
        observed, row = situation.observed[address], situation.rows.get(address)
        if observed.unreadable:
            continue
        otherwise = _policy_changes(part, row) if address in speakers else ()
        if otherwise or observed.document != part.document:
            yield from _compare(part, observed, row, kinds[address.kind], tool, otherwise)


def policy(part: Part) -> Document:
    """The declared policy for later applies of a part; nothing for a part that has left the spec."""
    from reconciler.core.model.resource import policy_of

    return {} if part.retired else policy_of(part.declared.resource)


def _speakers(situation: Situation) -> frozenset[Address]:
    """The first part of each resource. A change of the whole declaration is told there, once."""
    first: dict[Address, Address] = {}
    for address in situation.parts:
        first.setdefault(address.resource, address)
    return frozenset(first.values())


def _policy_changes(part: Part, row: LedgerRow | None) -> tuple[FieldChange, ...]:
    """The changes of the declared policy for later applies; an older version of the tool did not write that
    down.
    """
    if row is None or row.document is None or part.retired:
        return ()
    protect, now = part.declared.resource.protect, policy(part)
    before = now if row.policy is None else row.policy
    pairs = {name: (before.get(name), now.get(name)) for name in sorted(before.keys() | now.keys())}
    if protect is not None:
        pairs["protect"] = (row.protect, protect)
    return tuple(
        FieldChange((name,), old, new, Origin.INTENT) for name, (old, new) in pairs.items() if old != new
    )


def _classified(
    part: Part, observed: Observed, row: LedgerRow | None, kind: Kind, tool: str
) -> tuple[FieldChange, ...]:
    from reconciler.engine.diff import classify  # not where there is nothing to do

    upgrade = row is not None and row.tool != tool and row.inputs == inputs(part)
    pending = row.pending if row is not None else None
    fields = classify(
        applied(row, observed.document),
        observed.document,
        part.document,
        whole=kind.whole,
        upgrade=upgrade,
        pending=pending,
    )
    if kind.unowned:
        return tuple(
            replace(item, origin=Origin.INTENT) if item.origin is Origin.ADOPTION else item for item in fields
        )
    return fields


def only_reported(
    address: Address, situation: Situation, kinds: Kinds, tool: str
) -> frozenset[tuple[str, ...]]:
    """The fields that were changed by hand and are left so, because the part is not to be enforced."""
    from reconciler.core.model.resource import DriftPolicy

    part = situation.parts[address]
    if part.declared.resource.drift is DriftPolicy.ENFORCE:
        return frozenset()
    fields = _classified(
        part, situation.observed[address], situation.rows.get(address), kinds[address.kind], tool
    )
    return frozenset(item.path for item in fields if item.origin is Origin.DRIFT)


def _compare(
    part: Part,
    observed: Observed,
    row: LedgerRow | None,
    kind: Kind,
    tool: str,
    otherwise: tuple[FieldChange, ...],
) -> Iterator[Change]:
    from reconciler.core.model.resource import DriftPolicy

    before, fields = applied(row, observed.document), _classified(part, observed, row, kind, tool)
    policy = part.declared.resource.drift
    if policy is not DriftPolicy.ENFORCE:
        by_hand = tuple(item for item in fields if item.origin is Origin.DRIFT)
        fields = tuple(item for item in fields if item.origin is not Origin.DRIFT)
        if by_hand and policy is DriftPolicy.REPORT:
            yield _change(part, observed, by_hand, Verb.NONE, before, "drift: report")
    if fields or otherwise:
        verb = Verb.CREATE if fields and observed.document is None else Verb.UPDATE
        change = _change(
            part, observed, fields, verb, before, part.note if verb is Verb.CREATE else part.retired
        )
        meant = otherwise and change.origin is Origin.DRIFT
        yield replace(change, policy=otherwise, origin=Origin.INTENT if meant else change.origin)


def _change(
    part: Part,
    observed: Observed,
    fields: tuple[FieldChange, ...],
    verb: Verb,
    before: Document | None,
    reason: str = "",
) -> Change:
    from reconciler.engine.diff import strongest  # as above

    origin = strongest(fields) if fields else Origin.INTENT
    return Change(part.address, verb, origin, fields, part, observed, before, reason, part.sensitive)


def leaving(change: Change, kinds: Kinds) -> Iterator[str]:
    """Yield what a change takes away, as `Kind.reason_to_keep` is told it: an object with its paths, or the
    old values of fields, as ADDRESS.FIELD.
    """
    if change.verb is Verb.DELETE:
        yield str(change.address)
        yield from kinds[change.address.kind].paths(change.address)
    elif change.moves:
        yield from (f"{change.address}.{item.path[0]}" for item in change.fields)


def removals(
    situation: Situation, kinds: Kinds, view: HostView, spec: Spec, changing: Iterable[Change]
) -> list[Change]:
    """One Change for everything that is ours and has left the spec: removed if it still is what we wrote,
    else forgotten.

    `changing` are the changes of what is declared.
    """
    gone = [(address, row) for address, row in situation.rows.items() if address not in situation.parts]
    gone = [(address, row) for address, row in gone if not situation.observed[address].unreadable]
    # The deepest first, so that a directory is asked after its content; and parts before the whole.
    gone.sort(key=lambda item: (item[0].name, item[0].part), reverse=True)
    declared = {declaration.address: declaration for declaration in spec.resources}
    vanishing = {name for change in changing for name in leaving(change, kinds)} if gone else set()
    elsewhere = (
        {thing: address for address in situation.parts for thing in kinds[address.kind].identity(address)}
        if gone
        else {}
    )
    result: dict[Address, Change] = {}
    # An object that others build on is asked last: a group after accounts whose primary group it is.
    for address, row in sorted(gone, key=lambda item: -kinds[item[0].kind].order):
        observed = situation.observed[address]
        kind, block = kinds[address.kind], declared.get(address.resource)
        moved = next((elsewhere[thing] for thing in kind.identity(address) if thing in elsewhere), None)
        goes = block is not None and observed.document is not None and kind.wants_removal(block, address)
        stays = (
            ""
            if goes
            else _stays(address, row, observed, kind) or kind.reason_to_keep(view, address, vanishing)
        )
        reason = f"declared as {moved} now" if moved else stays
        reason = DECLARED_ABSENT if goes and kind.unowned else reason
        verb = Verb.FORGET if reason and reason != DECLARED_ABSENT else Verb.DELETE
        before = applied(row, observed.document)
        result[address] = Change(
            address, verb, Origin.REMOVED, (), None, observed, before, reason, row.sensitive, block
        )
        vanishing.update(leaving(result[address], kinds))
    return [result[address] for address, _ in gone]


def absences(
    situation: Situation, rows: Collection[Address], reserved: Collection[str], kinds: Kinds
) -> Iterator[Change]:
    """One Change for every object that is on the host, is not in the ledger, and is declared absent.

    An object that belongs to something of ours goes with it; so does what is left of it. Any other is not
    ours: it goes when somebody adopts it. `reserved` are the names of accounts of ours that went, `rows` the
    whole ledger.
    """
    for address, declared in situation.unwanted.items():
        observed = situation.observed[address]
        if address in rows or observed.document is None:
            continue
        whole = situation.observed.get(address.resource)
        left_over = address.name in reserved and (whole is None or whole.document is None)
        unowned = kinds[address.kind].unowned
        ours = unowned or address.resource in rows or (bool(address.part) and left_over)
        origin, reason = Origin.REMOVED if ours else Origin.ADOPTION, DECLARED_ABSENT if unowned else ""
        yield Change(address, Verb.DELETE, origin, (), None, observed, None, reason, declared=declared)


def _stays(address: Address, row: LedgerRow, observed: Observed, kind: Kind) -> str:
    """Why an object that left the spec must not be removed; empty if it goes."""
    if observed.document is None:
        return "already gone"
    changed = [
        key
        for key in kind.ownership_keys
        if key in observed.document and not _is_ours(row, key, observed.document[key])
    ]
    if changed and not kind.grants_access(address):
        return f"left alone: changed by hand since ({', '.join(changed)})"
    if not row.created and not kind.prunes_adopted:
        return "left alone: it was there before us"
    return ""


def _is_ours(row: LedgerRow, key: str, value: object) -> bool:
    """Whether the value is the one that we wrote, or that a killed apply was about to write: it may have done
    one field and not another.
    """
    values = [
        document[key] for document in (row.document, row.pending) if document is not None and key in document
    ]
    return not values or value in values


def unrecorded(situation: Situation, changed: set[Address], *, anew: bool) -> Iterator[Part]:
    """Parts that are as declared, and that the ledger does not know so yet.

    `anew`: all of them, for a ledger that is begun again.
    """
    for address, part in situation.parts.items():
        if address in changed or situation.observed[address].unreadable:
            continue
        row, protect = situation.rows.get(address), part.declared.resource.protect
        settled = (
            row is not None
            and row.document == part.document
            and row.pending is None
            and row.sensitive == part.sensitive
        )
        settled = (
            settled and address not in situation.revealed and row is not None and row.policy == policy(part)
        )
        if anew or row is None or not settled or (protect is not None and protect != row.protect):
            yield part
