"""`user audit`: how the accounts of a host, a tree or a snapshot are used."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from reconciler.audit.facts import Facts
from reconciler.audit.intent import Intent
from reconciler.audit.user_audit import user_audit
from reconciler.core.answers import Answers
from reconciler.core.basics.frozen import frozen
from reconciler.core.basis import SnapshotBasis, TreeBasis, in_vain
from reconciler.core.diagnostic import Diagnostic, error
from reconciler.core.host import HostError, HostView
from reconciler.core.spec import Spec
from reconciler.host.audit.answers import HostAnswers, SnapshotAnswers
from reconciler.host.hosts import open_host, static_hostname


@frozen
class UserAudited:
    """The document, or the problem because of which there is none."""

    data: dict[str, Any] | None = None
    problem: Diagnostic | None = None


def audit_users(root: str | None, snapshot: str | None, now: str) -> UserAudited:
    """Look at the accounts of a host. `now` is a UTC time stamp as in RFC 3339."""
    try:
        if snapshot is not None:
            return _of_snapshot(snapshot, now)
        host = open_host(root)
        return UserAudited(_data(host, HostAnswers(host), static_hostname(host), now))
    except HostError as problem:
        return UserAudited(problem=error(problem.summary, problem.detail))


def _of_snapshot(path: str, now: str) -> UserAudited:
    from reconciler.app.snapshot import OTHER_HOST, load_snapshot

    loaded = load_snapshot(path, Spec(""), (OTHER_HOST,))
    if loaded.view is None:
        return UserAudited(problem=loaded.problem)
    name = str(loaded.document["host"]["name"])
    return UserAudited(_data(loaded.view, SnapshotAnswers(loaded.document), name, now))


def _data(view: HostView, answers: Answers, name: str, now: str) -> dict[str, Any]:
    basis = view.basis
    moment = basis.taken if isinstance(basis, SnapshotBasis) else now
    facts = Facts(view, answers, Intent(), datetime.fromisoformat(moment))
    with in_vain(basis):
        return user_audit(facts, name, _basis(view), now)


def _basis(view: HostView) -> dict[str, str]:
    basis = view.basis
    if isinstance(basis, SnapshotBasis):
        return {"kind": "snapshot", "taken": basis.taken}
    return {"kind": "offline" if isinstance(basis, TreeBasis) else "live"}
