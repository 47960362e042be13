"""`audit`: the checks, run on a host, a tree or a snapshot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from reconciler.app.specs import DEFAULT_SPEC
from reconciler.audit.facts import Facts
from reconciler.audit.intent import intent_of
from reconciler.audit.model import Check, Report, Result, Severity, Status
from reconciler.audit.policy import notices, policy_of, with_waivers
from reconciler.audit.registry import chosen
from reconciler.audit.run import run
from reconciler.core.answers import Answers
from reconciler.core.basics.frozen import frozen
from reconciler.core.basis import Basis, LiveBasis, SnapshotBasis, TreeBasis, in_vain
from reconciler.core.diagnostic import Diagnostic, error
from reconciler.core.host import HostError, HostView
from reconciler.core.spec import Spec
from reconciler.host.audit.answers import HostAnswers, SnapshotAnswers
from reconciler.host.hosts import open_host, state_directory, static_hostname
from reconciler.host.process.environment import is_root


@frozen
class Audited:
    """The outcome of an audit, or the problem because of which there is none."""

    report: Report | None = None
    problem: Diagnostic | None = None


@frozen
class AuditOptions:
    """The options of the command line."""

    root: str | None = None
    snapshot: str | None = None
    only: tuple[str, ...] = ()
    """Ids and areas; empty: all."""


def audit(spec: Spec | None, options: AuditOptions, now: str) -> Audited:
    """Run the checks. `now` is a UTC time stamp as in RFC 3339."""
    try:
        if options.snapshot is not None:
            return _of_snapshot(spec, options, now)
        host = open_host(options.root)
        name = static_hostname(host)
        if spec is not None and name and spec.host != name:
            detail = f"the spec is for host {spec.host}, this one is {name}; name the spec of this host."
            return Audited(problem=error("spec of another host", detail, refusal=True))
        report = _report(host, HostAnswers(host), spec, options, now, name)
    except HostError as problem:
        return Audited(problem=error(problem.summary, problem.detail))
    return Audited(report)


def default_spec_exists(root: str | None, snapshot: str | None) -> bool:
    """Whether there is a spec where the command line names none: one that was applied last, or on the live
    host the usual one.
    """
    from reconciler.host.spec_source.last_spec import last_spec

    if last_spec(state_directory(root)):
        return True
    return root is None and snapshot is None and open_host(None).entry(DEFAULT_SPEC) is not None


def _of_snapshot(spec: Spec | None, options: AuditOptions, now: str) -> Audited:
    from reconciler.app.snapshot import OTHER_HOST, load_snapshot

    assert options.snapshot is not None
    allow = () if spec is not None else (OTHER_HOST,)
    loaded = load_snapshot(options.snapshot, spec or Spec(""), allow)
    if loaded.view is None:
        return Audited(problem=loaded.problem)
    name = str(loaded.document["host"]["name"])
    return Audited(_report(loaded.view, SnapshotAnswers(loaded.document), spec, options, now, name))


def _report(
    view: HostView, answers: Answers, spec: Spec | None, options: AuditOptions, now: str, name: str
) -> Report:
    checks: list[Check] = chosen(options.only)
    basis = view.basis
    moment = basis.taken if isinstance(basis, SnapshotBasis) else now
    rules = policy_of(spec, view)
    facts = Facts(view, answers, intent_of(spec), datetime.fromisoformat(moment), rules)
    with in_vain(basis):
        results = run(checks, facts)
    today = datetime.fromisoformat(now).date()
    sentences = (*notices(results, rules, today), *_as_ordinary_user(results, basis))
    judged = with_waivers(results, rules, today)
    return Report(name, basis_data(view), now, Severity(rules.fail_on), judged, sentences)


def _as_ordinary_user(results: Sequence[Result], basis: Basis) -> Iterator[str]:
    """The sentence that tells why so much was not checked, and how it is."""
    is_unknown = any(result.status is Status.NOT_CHECKED for result in results)
    if is_unknown and isinstance(basis, LiveBasis) and not is_root():
        yield (
            "an ordinary user may not read all that the audit looks at: run it as root to check the rest"
            " (`sudo reconciler audit`)"
        )


def basis_data(view: HostView) -> dict[str, str]:
    """The basis of a document, as JSON has it."""
    basis = view.basis
    if isinstance(basis, SnapshotBasis):
        return {"kind": "snapshot", "taken": basis.taken}
    return {"kind": "offline" if isinstance(basis, TreeBasis) else "live"}


def wrong_names(names: Sequence[str]) -> str:
    """The problem with the names of --only; empty without one."""
    from reconciler.audit.registry import modules, unknown

    wrong = unknown(names)
    if not wrong:
        return ""
    return f"--only {wrong[0]}: no check and no area has that name; areas are {', '.join(modules())}"
