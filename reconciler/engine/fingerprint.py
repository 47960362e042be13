"""The things that an approval of a plan covers: the resolved spec, the actions of intended changes, and the
objects they touch.

Commit, time, process ids, the ledger's serial, untouched objects and steps that only repair drift are not in
it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from reconciler.core import content_marks
from reconciler.core.action_data import as_data
from reconciler.core.actions import Action, EditLines, Unit, path_of
from reconciler.core.address import Address
from reconciler.core.approval import Approval, ApprovedChange, fingerprint
from reconciler.core.basics.digest import canonical, data_digest, digest, keyed_digest
from reconciler.core.basics.lazy_regex import Late
from reconciler.core.changes import Change, Document, Origin, Part, Verb
from reconciler.core.host import HostError, NotInSnapshot
from reconciler.core.model.resource import Resource
from reconciler.core.plan import Plan, UnitEffect
from reconciler.core.spec import Declared
from reconciler.core.state import Memory
from reconciler.core.steps import Step
from reconciler.engine.inputs import Request, Situation
from reconciler.formats import redaction

_FINGERPRINT = Late(r"SHA256:[A-Za-z0-9+/]+")
SETTINGS = "settings"
"""The name that stands for the spec's settings among the addresses of its resources."""


def with_fingerprint(plan: Plan, request: Request, situation: Situation, machine: str = "") -> Plan:
    """The plan with what an approval of it covers, and the digest of that.

    `machine` says which machine it is, as a digest.
    """
    intended = {change.address: change for change in plan.changes if _intended(change, plan)}
    has_key = bool(plan.memory.lineage)
    steps, along = _steps(plan.steps, intended), _along(plan.effects)
    approval = Approval(
        host=plan.host,
        machine=machine,
        tool=request.tool,
        inputs=dict(sorted(_inputs(request, situation, has_key=has_key))),
        changes={
            str(address): _approved(change, steps.get(address, ()), along.get(address, ()), request)
            for address, change in sorted(intended.items())
        },
        blocked=tuple(sorted(map(str, plan.blocked))),
        uncovered=(
            ()
            if has_key
            else tuple(sorted(str(address) for address, change in intended.items() if change.sensitive))
        ),
    )
    return replace(plan, approval=approval, fingerprint=fingerprint(approval.as_data()))


def _intended(change: Change, plan: Plan) -> bool:
    """Whether the plan would make the change. A held one is not covered: an approval says nothing about the
    time after the hold.
    """
    return (
        change.origin is not Origin.DRIFT and change.verb is not Verb.NONE and change.address not in plan.held
    )


# ------------------------------------------------------------------------------------------- what is declared


def _inputs(request: Request, situation: Situation, *, has_key: bool) -> Iterator[tuple[str, str]]:
    secret: dict[Address, list[Part]] = {}
    for part in situation.parts.values():
        if part.sensitive:
            secret.setdefault(part.address.resource, []).append(part)
    yield SETTINGS, data_digest(dict(request.spec.settings))
    for declared in request.spec.resources:
        parts = secret.get(declared.address)
        yield (
            str(declared.address),
            _declared(declared) if parts is None else _secretly(declared, parts, has_key=has_key),
        )


def _declared(declared: Declared) -> str:
    """The digest of the declaration and of the source files it names.

    Defaults are left out, so that it is equal for two versions of the tool.
    """
    fields = declared.resource.model_dump(mode="json", exclude_defaults=True)
    return data_digest(
        {"declared": fields, "sources": {name: digest(content) for name, content in declared.sources.items()}}
    )


def _secretly(declared: Declared, parts: Iterable[Part], *, has_key: bool) -> str:
    """The digest of a secret declaration, from documents in which digests are keyed: from a plain digest a
    short secret could be guessed.
    """
    common = declared.resource.model_dump(
        mode="json", include=set(Resource.model_fields), exclude_defaults=True
    )
    return data_digest(
        {
            "declared": common,
            "documents": {str(part.address): _document(part.document, has_key=has_key) for part in parts},
        }
    )


def _document(document: Document | None, *, has_key: bool) -> Document | None:
    """The document as an approval covers it. Where the host has no key of its own, keyed digests are left
    out: another key would change them each time.
    """
    if document is None or has_key:
        return document
    return {
        key: value
        for key, value in document.items()
        if not (isinstance(value, str) and value.startswith("hmac:"))
    }


# ----------------------------------------------------------------------------------------------- what is done


def _steps(steps: Iterable[Step], intended: Mapping[Address, Change]) -> dict[Address, list[Step]]:
    """Every step by the intended changes that it is for. A step that serves several changes is cut down to
    the one.
    """
    by_address: dict[Address, list[Step]] = {}
    for step in steps:
        causes = frozenset(cause.address for cause in step.causes)
        for address in causes & intended.keys():
            own = step.without(causes - {address})
            if own is not None:
                by_address.setdefault(address, []).append(own)
    return by_address


def _along(effects: Iterable[UnitEffect]) -> dict[Address, list[dict[str, str]]]:
    """The running units that systemd stops, restarts or reloads along with the steps, by the address that
    causes it.
    """
    along: dict[Address, list[dict[str, str]]] = {}
    for effect in effects:
        taken = effect.taken
        if taken.ran:
            data = {"action": "TakenAlong", "verb": taken.verb.value, "unit": taken.unit, "root": taken.root}
            along.setdefault(effect.address, []).append(data)
    return along


def _approved(
    change: Change, steps: Sequence[Step], along: Iterable[dict[str, str]], request: Request
) -> ApprovedChange:
    has_key, closed = (
        bool(request.memory.lineage),
        any(_is_closed(step.action, change, request) for step in steps),
    )
    actions = sorted((*map(_canonical, steps), *along), key=canonical)
    expects = [(action.get("path"), action.pop("expects", None)) for action in actions]
    before = change.before
    if before is not None and change.after is not None:
        # Undeclared fields are not touched either: a comment that useradd wrote, groups of somebody else's
        # making. A plan does not show the values of foreign objects; `expects` tells whether the file is
        # still the same.
        before = {
            key: value
            for key, value in before.items()
            if key in change.after and (change.ours or not isinstance(value, dict))
        }
    observed = {"before": _document(before, has_key=has_key), "expects": expects}
    return ApprovedChange(
        change.verb.name.lower(), data_digest(actions), _found_digest(observed, request.memory, closed=closed)
    )


def _found_digest(observed: dict[str, Any], memory: Memory, *, closed: bool) -> str:
    """The digest of what is on the host.

    Closed content goes in with the host's own key, because all else about it is known and it could be
    guessed. While the host has no key, an approval covers only that the object is there, with its mode and
    owner.
    """
    if not closed:
        return data_digest(observed)
    if memory.lineage:
        return keyed_digest(canonical(observed), memory.key)
    before = {key: value for key, value in (observed["before"] or {}).items() if not _is_plain_digest(value)}
    return data_digest({"before": before, "expects": [path for path, _ in observed["expects"]]})


def _is_closed(action: Action, change: Change, request: Request) -> bool:
    """Whether the action replaces content that is not (all) ours and that not everybody may read.

    A file of keys is open where it holds nothing but keys, as for a snapshot.
    """
    expects = getattr(action, "expects", "")
    path = path_of(action)
    if path is None or not _is_plain_digest(expects) or (change.ours and not isinstance(action, EditLines)):
        return False
    view = request.view
    try:
        if content_marks.readable_by_all(
            lambda at: entry.mode if (entry := view.entry(at)) is not None else "", path
        ):
            return False
        if not isinstance(action, EditLines):
            return True
        rows = [address for address in request.memory.rows if address.name == change.address.name]
        fingerprints = {match[0] for address in rows if (match := _FINGERPRINT.search(address.part or ""))}
        keys = redaction.keys(view.excerpt(path)[0].decode("utf-8", "replace"), fingerprints)
    except NotInSnapshot:
        return False  # of what is closed, a snapshot has no digest
    except (HostError, FileNotFoundError):
        return True
    return keys is None or keys[1]


def _is_plain_digest(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("sha256:")


def _canonical(step: Step) -> dict[str, Any]:
    data = as_data(step.action)
    if isinstance(
        step.action, EditLines
    ):  # a line that is not shown goes by its digest, and `expects` covers it
        data["remove"] = ["" if _is_plain_digest(line) else line for line in data["remove"]]
    return {**data, "units": sorted(data["units"])} if isinstance(step.action, Unit) else data
