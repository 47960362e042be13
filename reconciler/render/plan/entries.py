"""The effect of a plan on each object, in its public form.

This is an entry with before and after, the fields, and what happens to units.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.core.action_data import as_data
from reconciler.core.actions import Gate, Unit, UnitVerb
from reconciler.core.address import Address
from reconciler.core.basics.frozen import frozen
from reconciler.core.basics.lazy_regex import Late
from reconciler.core.changes import Change, Document, FieldChange, Origin, Verb
from reconciler.core.diagnostic import Source
from reconciler.core.plan import Plan, UnitEffect
from reconciler.render.masking import mask, mask_diff
from reconciler.render.plan.text_diff import unified

Texts = Mapping[Address, tuple[str | None, str | None]]
"""Content before and after, only where it may be shown; None for no content."""
_ACTIONS = {
    Verb.CREATE: ["create"],
    Verb.UPDATE: ["update"],
    Verb.DELETE: ["delete"],
    Verb.FORGET: ["forget"],
    Verb.NONE: ["no-op"],
}
_OUTSIDE = (Origin.DRIFT, Origin.CONFLICT)
FAILED = "failed"
"""The origin of a unit that has failed: the engine cannot tell that from a change by hand."""
_FAILURES = ("failed", "restarting")
"""States of a unit that nobody has put it into."""
_DISRUPTIVE = (UnitVerb.STOP, UnitVerb.RESTART)
_ACCESS = frozenset({"type", "mode", "owner", "group", "target"})
"""Keys of a sensitive document that are not its content."""
_LEDGER_SOURCE = Late(r"(?P<file>.+?):(?P<line>\d+)(?::(?P<column>\d+))?")


@frozen
class Redaction:
    """The parts that must not be seen, and how places are named."""

    texts: Texts
    sensitive: frozenset[Address]
    root: str
    reported: frozenset[Address] = frozenset()

    def hides(self, address: Address) -> bool:
        """Whether the content of this part is secret."""
        return address in self.sensitive or address.resource in self.sensitive

    def place(self, source: Source | None) -> dict[str, Any] | None:
        """A place in the spec as JSON."""
        if source is None:
            return None
        return {"file": source.file.removeprefix(self.root), "line": source.line, "column": source.column}


def drifted(change: Change) -> bool:
    """Whether the object, or a field of it, was changed outside of the spec."""
    if not change.fields:
        return change.origin in _OUTSIDE
    return any(item.origin in _OUTSIDE and not _is_failure(item) for item in change.fields)


def failed(change: Change) -> bool:
    """Whether a unit has failed, or is started again and again, which is nobody's change."""
    return any(_is_failure(item) for item in change.fields)


def _is_failure(item: FieldChange) -> bool:
    return item.origin is Origin.DRIFT and item.path == ("state",) and item.before in _FAILURES


def origin_of(change: Change) -> str:
    """The origin of a change, in the words of the plan's document."""
    return (
        FAILED
        if change.origin is Origin.DRIFT and failed(change) and not drifted(change)
        else change.origin.value
    )


def _held(plan: Plan, address: Address) -> str | None:
    why = plan.held.get(address)
    masked: dict[str, Any] = mask({"why": why})
    return masked["why"] if why else None


def blocked(plan: Plan, address: Address) -> str | None:
    """Why nothing can be done about a part, or about the resource that it belongs to."""
    return plan.blocked.get(address) or plan.blocked.get(address.resource)


def idle(plan: Plan, address: Address) -> bool:
    """Whether nothing is done about it, for whatever reason."""
    return address in plan.held or bool(blocked(plan, address))


def entries_of(plan: Plan, sight: Redaction) -> list[dict[str, Any]]:
    """An entry for each change, then one without action for each part that is not changed but affected,
    blocked or held.
    """
    effects = _effects(plan)
    changed = [_entry(change, plan, sight, effects.pop(change.address, [])) for change in plan.changes]
    touched = {change.address for change in plan.changes} | {
        change.address.resource for change in plan.changes
    }
    idle = dict.fromkeys((*plan.blocked, *plan.held))
    others = list(effects) + [
        address for address in idle if address not in touched and address not in effects
    ]
    converged = {part.address: part for part in plan.converged}
    for address in others:
        part = converged.get(address)
        document = mask(_covered(part.document if part else None, hidden=sight.hides(address)))
        entry = _named(
            address, sight.place(part.declared.source) if part else _remembered_place(plan, address)
        )
        entry["change"] = _change_data(["no-op"], document, document)
        entry |= {"action_reason": None, "reason": "", "paths": [], "effects": effects.get(address, [])}
        changed.append(entry | {"blocked": blocked(plan, address), "held": _held(plan, address)})
    return changed


def _effects(plan: Plan) -> dict[Address, list[dict[str, Any]]]:
    """The effects on units, by the changed part that asked for each, else by the part itself."""
    parts = {change.address: change.address for change in reversed(plan.changes)}
    wholes = {change.address.resource: change.address for change in reversed(plan.changes)}
    effects: dict[Address, list[dict[str, Any]]] = {}
    for step in plan.steps:
        action = step.action
        if not isinstance(action, Unit | Gate):
            continue
        verb = action.verb if isinstance(action, Unit) else None
        for cause in step.causes:
            home = parts.get(cause.address) or wholes.get(cause.address) or cause.address
            effect: dict[str, Any] = {
                "kind": verb.value if verb else "gate",
                "unit": cause.unit,
                "why": cause.reason,
                "disruptive": verb in _DISRUPTIVE and not step.held,
                "held": step.held,
            }
            effect |= {"kept": cause.kept} if cause.kept else {}
            effect |= {"on_hold": True} if step.held and cause.address in plan.held else {}
            effect |= (
                {"gate": {name: as_data(action)[name] for name in ("probe", "window", "then")}}
                if isinstance(action, Gate)
                else {}
            )
            effect = mask(effect)
            rows = effects.setdefault(home, [])
            if effect not in rows:
                rows.append(effect)
    for along in plan.effects:
        home = parts.get(along.address) or wholes.get(along.address) or along.address
        effects.setdefault(home, []).append(along_data(along))
    return effects


def along_data(effect: UnitEffect) -> dict[str, Any]:
    """The JSON of an effect that systemd has on another unit of its own accord."""
    return {
        "kind": effect.taken.verb.value,
        "unit": effect.taken.unit,
        "why": effect.taken.why,
        "disruptive": effect.disruptive,
        "held": False,
        "along_with": effect.taken.root,
        "declared": str(effect.declared) if effect.declared else None,
        "stays_down": effect.stays_down,
    }


def _named(address: Address, source: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "address": str(address),
        "mode": "managed",
        "type": address.kind,
        "name": address.name,
        "part": address.part or None,
        "source": source,
    }


def _entry(change: Change, plan: Plan, sight: Redaction, effects: list[dict[str, Any]]) -> dict[str, Any]:
    hidden = sight.hides(change.address)
    block = (
        change.part.declared
        if change.part
        else change.declared
        if change.address not in plan.memory.rows
        else None
    )
    source = sight.place(block.source) if block else _remembered_place(plan, change.address)
    entry = _named(change.address, source)
    foreign_keys = _foreign_texts(change, plan)
    before = _covered(change.before, hidden=hidden)
    if before is not None:
        before = {key: {} if key in foreign_keys else value for key, value in before.items()}
    after = _covered(change.after, hidden=hidden)
    data = _change_data(_ACTIONS[change.verb], mask(before), mask(after, before))
    data["before_sensitive"] = dict.fromkeys(foreign_keys, True)
    data["importing"] = {"id": str(change.address)} if change.origin is Origin.ADOPTION else None
    if hidden:
        data["before_sensitive"], data["after_sensitive"] = _marks(change.before), _marks(change.after)
    else:
        # Drift that is only reported has an entry of its own.
        told_apart = (
            change.verb is not Verb.NONE
            and change.address in sight.reported
            and not change.touches("content")
        )
        data |= _content(change, None if told_apart else sight.texts.get(change.address))
    entry["change"] = data
    entry |= {"action_reason": origin_of(change), "reason": mask(change.reason)}
    entry["paths"] = [_path(item, hidden=hidden, foreign_keys=foreign_keys) for item in change.fields]
    entry["paths"] += [_path(item, hidden=False) | {"policy": True} for item in change.policy]
    # A part is blocked by itself only: a right or a key is withdrawn though the account cannot be changed.
    return entry | {
        "effects": effects,
        "blocked": plan.blocked.get(change.address),
        "held": _held(plan, change.address),
    }


def _change_data(actions: list[str], before: Document | None, after: Document | None) -> dict[str, Any]:
    return {
        "actions": actions,
        "before": before,
        "after": after,
        "after_unknown": {},
        "before_sensitive": {},
        "after_sensitive": {},
        "replace_paths": [],
        "importing": None,
    }


def _content(change: Change, texts: tuple[str | None, str | None] | None) -> dict[str, Any]:
    """The difference in content as far as it may be shown, and the size in bytes of the new content."""
    size = len(change.part.content) if change.part and change.part.content is not None else None
    data: dict[str, Any] = {} if size is None else {"after_size": size}
    lines = unified(*texts) if texts else None
    return data if lines is None else data | {"diff": mask_diff(lines)}


def _foreign_texts(change: Change, plan: Plan) -> tuple[str, ...]:
    """The keys of the texts in an object that is not ours: whoever can write a spec must not read the host
    with it.
    """
    row = plan.memory.rows.get(change.address)
    begun = row is not None and row.document is None  # a creation that failed, or an adoption that was killed
    if change.ours and not begun:
        return ()
    wrote = row.pending or {} if row is not None and begun else {}
    return tuple(
        key for key, value in (change.before or {}).items() if is_text(key, value) and value != wrote.get(key)
    )


def is_text(key: str, value: Any) -> bool:
    """Whether a value is text that somebody wrote, and not a fact about the object.

    A digest counts as text, since the text may be guessed from it.
    """
    is_digest = isinstance(value, str) and value.startswith("sha256:")
    return isinstance(value, dict) or is_digest or (key == "unexpected" and bool(value))


def _path(item: FieldChange, *, hidden: bool, foreign_keys: tuple[str, ...] = ()) -> dict[str, Any]:
    secret = hidden and not (item.path and item.path[-1] in _ACCESS)
    before: Any
    after: Any
    if secret:
        before, after = _cover(item.before), _cover(item.after)
    else:
        before, after = mask(item.before, None, item.path), mask(item.after, item.before, item.path)
    data = {
        "path": list(item.path),
        "before": before,
        "after": after,
        "origin": FAILED if _is_failure(item) else item.origin.value,
    }
    if before is not None and item.path[:1] and item.path[0] in foreign_keys:
        data |= {"before": {}, "before_hidden": True}
    return data | {"sensitive": True} if secret else data


def _cover(value: Any) -> dict[str, str] | None:
    """The stand-in for a secret: its keyed digest if there is one, else an empty object."""
    if value is None:
        return None
    return {"digest": value} if isinstance(value, str) and value.startswith("hmac:") else {}


def _covered(document: Document | None, *, hidden: bool) -> Document | None:
    if document is None or not hidden:
        return document
    return {key: value if key in _ACCESS else _cover(value) for key, value in document.items()}


def _marks(document: Document | None) -> dict[str, bool]:
    return {key: True for key in document or {} if key not in _ACCESS}


def _remembered_place(plan: Plan, address: Address) -> dict[str, Any] | None:
    """The position at which a part was declared, by the ledger, for one that the spec no longer has."""
    row = plan.memory.rows.get(address)
    match = _LEDGER_SOURCE.fullmatch(row.source) if row else None
    return (
        {"file": match["file"], "line": int(match["line"]), "column": int(match["column"] or 1)}
        if match
        else None
    )


def drift_entry(change: Change, sight: Redaction) -> dict[str, Any]:
    """The drift on the host, as OpenTofu has it: before is what we last applied,
    after is what is there now.
    """
    hidden = sight.hides(change.address)
    actions = (
        ["delete"]
        if change.before is None
        else ["create"]
        if change.applied is None and change.after is None
        else ["update"]
    )
    entry = _named(change.address, sight.place(change.part.declared.source) if change.part else None)
    applied, present = _covered(change.applied, hidden=hidden), _covered(change.before, hidden=hidden)
    entry["change"] = _change_data(actions, mask(applied), mask(present, applied))
    outside = [item for item in change.fields if item.origin in _OUTSIDE]
    policy = "report" if change.verb is Verb.NONE else "enforce"
    return entry | {"paths": [_path(item, hidden=hidden) for item in outside], "policy": policy}
