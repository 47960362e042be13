"""A plan that was made, and the other parts of its document: the basis, texts, who gains access."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from reconciler.core.address import Address
from reconciler.core.basics.frozen import frozen
from reconciler.core.basis import SnapshotBasis
from reconciler.core.diagnostic import Diagnostic, errors
from reconciler.core.host import HostError
from reconciler.core.plan import Plan
from reconciler.host.live import LiveHost

if TYPE_CHECKING:
    from reconciler.app.plan.lockout import TrialHost
    from reconciler.core.answers import Answers
    from reconciler.core.changes import Change
    from reconciler.engine.inputs import Request, Situation
    from reconciler.host.tree import TreeHost
    from reconciler.policy.access.changes import Sides

    Host = LiveHost | TreeHost

Texts = Mapping[Address, tuple[str | None, str | None]]
"""Old and new text by address, where they may be shown."""


@frozen
class Planned:
    """A plan with everything that it was made from."""

    diagnostics: tuple[Diagnostic, ...]
    """Everything that is wrong or worth a warning."""
    plan: Plan | None = None
    """None when the host could not be read at all."""
    situation: Situation | None = None
    """The parts, objects and rows that were compared; None when nothing was."""
    request: Request | None = None
    """The spec, the memory and the options; None when nothing was compared."""
    host: Host | None = None
    """None for a plan from a snapshot."""
    sides: Sides | None = None
    """The access before and after the plan; None where it concerns nobody's."""
    trial: TrialHost | None = None
    """The simulated host; None where nothing was planned."""
    recorded: Answers | None = None
    """The answers to the audit that a snapshot has; None for a host that is there."""

    @property
    def plan_is_empty(self) -> bool:
        """Whether there is a plan and apply would do nothing."""
        return self.plan is not None and self.plan.empty

    @property
    def refused(self) -> bool:
        """Whether a guard refuses the plan."""
        return any(diagnostic.refusal for diagnostic in errors(self.diagnostics))


def snapshot_of(request: Request | None) -> SnapshotBasis | None:
    """The snapshot that was planned from, if there is one."""
    made_from = request.view.basis if request is not None else None
    return made_from if isinstance(made_from, SnapshotBasis) else None


def basis(planned: Planned, now: str = "") -> Mapping[str, Any]:
    """The basis that the plan was made from.

    `now` is a UTC time stamp as in RFC 3339; if it is given, the age of a snapshot is included.
    """
    snapshot = snapshot_of(planned.request)
    if snapshot is not None:
        taken = snapshot.taken
        return {"kind": "snapshot", "taken": taken} | ({"age_seconds": _seconds(taken, now)} if now else {})
    return {"kind": "live" if isinstance(planned.host, LiveHost) else "offline"}


def _seconds(earlier: str, later: str) -> int:
    """Seconds between two time stamps; negative if the clocks disagree."""
    from datetime import datetime  # only where a snapshot is

    return round((datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds())


def texts(planned: Planned) -> Texts:
    """Old and new text of changed files, where they may be shown.

    A plan must not be a way to read the host: somebody may have declared `/etc/shadow`. So the old content is
    shown only of files that are ours by the ledger, and no content of sensitive ones.
    """
    if planned.plan is None or planned.request is None:
        return {}
    from reconciler.core.changes import Verb  # only where there is a change to show

    texts_by_address = {}
    for change in planned.plan.changes:
        if not change.sensitive and (change.touches("content") or change.verb is Verb.DELETE):
            before, after = _before(change, planned), _after(change)
            if (before is not None or after is not None) and not _private((before, after)):
                texts_by_address[change.address] = (before, after)
    return texts_by_address


def _private(both: tuple[str | None, str | None]) -> bool:
    """Whether there is a private key in one of the texts, marked sensitive or not."""
    from reconciler.core.secrets.masking import holds_private_key  # only where something changes

    return any(text and holds_private_key(text) for text in both)


def _after(change: Change) -> str | None:
    content = change.part.content if change.part and "content" in change.part.document else None
    return _text_of(content)


def _before(change: Change, planned: Planned) -> str | None:
    assert planned.plan is not None and planned.request is not None
    row = planned.plan.memory.rows.get(change.address)
    paths = tuple(planned.request.kinds[change.address.kind].paths(change.address))
    if row is None or row.document is None or "content" not in (change.before or {}) or len(paths) != 1:
        return None
    try:
        return _text_of(planned.request.view.read(paths[0]))
    except (HostError, FileNotFoundError):
        return None


def access(planned: Planned, shown: Texts) -> list[dict[str, Any]]:
    """Who gains or loses access, as the plan document has it, the most dangerous first.

    `shown` are the `texts` of the same plan.
    """
    if planned.plan is None or planned.plan.empty:
        return []
    from reconciler.app.plan.access import rows  # only where something changes

    return rows(
        planned.plan, shown, planned.sides, planned.request.view if planned.request is not None else None
    )


def _text_of(content: bytes | None) -> str | None:
    try:
        return None if content is None else content.decode("utf-8")
    except UnicodeDecodeError:
        return None
