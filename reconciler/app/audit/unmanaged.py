"""`unmanaged`: what nobody declared, on a host, a tree or a snapshot."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from reconciler.app.audit.audit import basis_data
from reconciler.audit.facts import Facts
from reconciler.audit.intent import intent_of
from reconciler.audit.policy import policy_of
from reconciler.audit.unmanaged import unmanaged_data
from reconciler.core.answers import Answers
from reconciler.core.basics.frozen import frozen
from reconciler.core.basis import SnapshotBasis, in_vain
from reconciler.core.diagnostic import Diagnostic, error
from reconciler.core.host import HostError, HostView
from reconciler.core.spec import Spec
from reconciler.host.audit.answers import HostAnswers, SnapshotAnswers
from reconciler.host.hosts import open_host, static_hostname


@frozen
class Listed:
    """The document, or the problem because of which there is none."""

    data: dict[str, Any] | None = None
    problem: Diagnostic | None = None


def list_unmanaged(spec: Spec | None, root: str | None, snapshot: str | None, now: str) -> Listed:
    """List what the spec does not declare. `now` is a UTC time stamp as in RFC 3339."""
    try:
        if snapshot is not None:
            return _of_snapshot(spec, snapshot, now)
        host = open_host(root)
        name = static_hostname(host)
        if spec is not None and name and spec.host != name:
            detail = f"the spec is for host {spec.host}, this one is {name}; name the spec of this host."
            return Listed(problem=error("spec of another host", detail, refusal=True))
        return Listed(_data(host, HostAnswers(host), spec, name, now))
    except HostError as problem:
        return Listed(problem=error(problem.summary, problem.detail))


def _of_snapshot(spec: Spec | None, path: str, now: str) -> Listed:
    from reconciler.app.snapshot import OTHER_HOST, load_snapshot

    loaded = load_snapshot(path, spec or Spec(""), () if spec is not None else (OTHER_HOST,))
    if loaded.view is None:
        return Listed(problem=loaded.problem)
    name = str(loaded.document["host"]["name"])
    return Listed(_data(loaded.view, SnapshotAnswers(loaded.document), spec, name, now))


def _data(view: HostView, answers: Answers, spec: Spec | None, name: str, now: str) -> dict[str, Any]:
    moment = view.basis.taken if isinstance(view.basis, SnapshotBasis) else now
    facts = Facts(view, answers, intent_of(spec), datetime.fromisoformat(moment), policy_of(spec, view))
    with in_vain(view.basis):
        return unmanaged_data(facts, name, basis_data(view), now)
