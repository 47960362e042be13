"""Plan one host: observe it, compare it with the spec and with what we remember, and ask the guards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from reconciler._version import __version__
from reconciler.app.plan.given_away import given_away
from reconciler.app.plan.lockout import TrialHost, lockout
from reconciler.app.plan.options import PlanOptions
from reconciler.app.plan.planned import Planned, access, snapshot_of, texts
from reconciler.app.plan.sshd_in_force import not_in_force
from reconciler.app.plan.started import read_started
from reconciler.app.plan.strict_readers import refused_files
from reconciler.app.revisions import order_of, revision
from reconciler.app.specs import Loaded
from reconciler.core.actions import WriteFile
from reconciler.core.basics.digest import machine_digest
from reconciler.core.basis import SnapshotBasis, Started
from reconciler.core.content_marks import OTHER
from reconciler.core.diagnostic import Diagnostic, error, errors
from reconciler.core.host import HostError, HostView
from reconciler.core.plan import Plan
from reconciler.core.state import Memory
from reconciler.engine.inputs import Request, Situation
from reconciler.engine.units.own_unit_guard import Inside, nowhere
from reconciler.host.hosts import machine_id, open_host, static_hostname
from reconciler.host.live import LiveHost
from reconciler.host.process.environment import is_root, nanoseconds, now, throwaway_key
from reconciler.host.spec_source.git import Order
from reconciler.host.state.read import read_memory
from reconciler.host.systemd.own_unit import bond
from reconciler.kinds import discover, of_accounts

if TYPE_CHECKING:
    from reconciler.core.answers import Answers
    from reconciler.host.snapshot.view import SnapshotView
    from reconciler.host.tree import TreeHost
    from reconciler.policy.access.changes import Sides

    Host = LiveHost | TreeHost


def inside_of(host: HostView) -> Inside:
    """The function that relates a host's units to this run; on another machine than ours none is related."""
    return bond if isinstance(host, LiveHost) and host.running else nowhere


def plan_host(
    loaded: Loaded,
    options: PlanOptions,
    host: Host | SnapshotView | None = None,
    memory: Memory | None = None,
) -> Planned:
    """The plan of one host. Every problem is among the diagnostics; refusals are marked."""
    from reconciler.engine.planner import make_plan  # a settled host is not planned
    from reconciler.policy.guards import guard
    from reconciler.policy.refusals import Context

    assert loaded.spec is not None
    recorded: Answers | None = None
    if options.snapshot is not None and host is None:
        from reconciler.app.snapshot import load_snapshot

        loaded_snapshot = load_snapshot(options.snapshot, loaded.spec, options.allow)
        if loaded_snapshot.problem is not None:
            return Planned((*loaded.diagnostics, loaded_snapshot.problem))
        host, memory = loaded_snapshot.view, loaded_snapshot.memory
        recorded = _recorded(loaded_snapshot.document)
    try:
        host = host or open_host(options.root)
        memory = memory or read_memory(options.state_directory, machine_id(host))
        memory = memory if memory.key else replace(memory, key=throwaway_key())
        request = _request(loaded, options, host, memory)
        lost = _lost(request)
        if lost:
            return Planned((*loaded.diagnostics, *lost))
        trial = TrialHost()
        _look_twice_after_a_failure(host, memory)
        plan, situation = make_plan(request, trial.simulator)
        declared = frozenset(item.address for item in loaded.spec.resources)
        order = order_of(loaded.reader, memory)
        context = Context(
            static_hostname(host),
            declared,
            order is Order.OLDER,
            order is Order.APART,
            options.allow,
            options.unprotect,
        )
    except HostError as problem:
        return Planned((*loaded.diagnostics, error(problem.summary, problem.detail)))
    locked_out, unknown = lockout(plan.steps, host, context.hostname or plan.host, trial, options.allow)
    sides = _sides(plan, request, trial, context.hostname or plan.host)
    refused = (
        *given_away(plan, request),
        *refused_files(plan.steps, host),
        *not_in_force(plan, host),
        *_unseen(plan, host),
    )
    warned = _access_warnings(plan, situation, host, sides, options)
    judged = (*plan.diagnostics, *guard(plan, context), *locked_out, *refused, *warned)
    diagnostics = (*_not_repeated(loaded.diagnostics, judged), *judged)
    plan = replace(plan, diagnostics=diagnostics, unknown=unknown)
    plan = _fingerprinted(plan, request, situation) if options.fingerprint and not plan.partial else plan
    snapshot = snapshot_of(request)
    live_host = cast("Host", host) if snapshot is None else None
    planned = Planned(diagnostics, plan, situation, request, live_host, sides, trial, recorded)
    return planned if snapshot is None else _with_unknown(planned, snapshot)


def _recorded(document: Mapping[str, Any]) -> Answers:
    from reconciler.host.audit.answers import SnapshotAnswers  # a live host has none

    return SnapshotAnswers(document)


def _not_repeated(linted: Iterable[Diagnostic], judged: Iterable[Diagnostic]) -> list[Diagnostic]:
    """The diagnostics of the spec, without the warnings that are repeated as errors of the host."""
    refused = {(problem.address.resource, problem.detail) for problem in errors(judged) if problem.address}
    return [
        problem
        for problem in linted
        if problem.address is None or (problem.address.resource, problem.detail) not in refused
    ]


def _request(loaded: Loaded, options: PlanOptions, host: Host | SnapshotView, memory: Memory) -> Request:
    assert loaded.spec is not None
    return Request(
        replace(loaded.spec, commit=revision(loaded.reader)),
        options.kinds or discover(),
        host,
        memory,
        __version__,
        options.targets,
        options.excludes,
        options.adopt,
        options.unprotect,
        started=_started(host, options, memory),
        now_ns=nanoseconds() if host.running and not isinstance(host.basis, SnapshotBasis) else 0,
        clock=now(),
        retry=options.retry,
        inside=inside_of(host),
        onlooker=isinstance(host, LiveHost) and not is_root(),
    )


def _unseen(plan: Plan, host: HostView) -> list[Diagnostic]:
    """A diagnostic for each file that root runs and that the plan does not show whole."""
    if not any(isinstance(step.action, WriteFile) for step in plan.steps):
        return []
    from reconciler.policy.unreviewed import unreviewed

    return list(unreviewed(plan.steps, host))


def _sides(plan: Plan, request: Request, trial: TrialHost, name: str) -> Sides | None:
    """The access before and after the plan; None where nobody's is concerned.

    An account file that cannot be read is reported by the guard against lock-outs.
    """
    if plan.empty:
        return None
    from reconciler.app.plan.access import sides_of

    try:
        return sides_of(plan, request, trial, name)
    except HostError:
        return None


def _access_warnings(
    plan: Plan, situation: Situation, host: HostView, sides: Sides | None, options: PlanOptions
) -> list[Diagnostic]:
    """Warnings about the access that the plan leaves behind, or takes over."""
    if not any(address.kind in of_accounts() for address in situation.parts) and sides is None:
        return []
    from reconciler.app.plan.ageing import aged_accounts

    aged = aged_accounts(situation.parts, host, sides, plan.host)
    if (
        sides is None
        and not plan.unreadable
        and not any(part.address.kind == "users" for part in plan.converged)
    ):
        return aged
    from reconciler.app.plan.access import warnings

    return [*warnings(plan, situation.parts, host, sides, options.allow), *aged]


def _look_twice_after_a_failure(host: HostView, memory: Memory) -> None:
    """Let the host look twice at each unit, if the last apply failed: one look may meet a service alive that
    keeps crashing.
    """
    if isinstance(host, LiveHost) and any(row.pending is not None for row in memory.rows.values()):
        host.look_twice()


def _started(host: HostView, options: PlanOptions, memory: Memory) -> Mapping[str, Started]:
    """The memory of processes by unit, from the host or its snapshot."""
    if isinstance(host.basis, SnapshotBasis):
        return host.basis.started
    remembered = read_started(options.state_directory, memory.key) if host.running else None
    return remembered.started if remembered is not None else {}


def _fingerprinted(plan: Plan, request: Request, situation: Situation) -> Plan:
    from reconciler.engine.fingerprint import with_fingerprint  # a plan that is only looked at is no approval

    try:
        snapshot = snapshot_of(request)
        machine = machine_digest(machine_id(request.view)) if snapshot is None else snapshot.machine
    except HostError:
        machine = ""
    return with_fingerprint(plan, request, situation, machine)


def _with_unknown(planned: Planned, snapshot: SnapshotBasis) -> Planned:
    """The plan, with the facts that the snapshot was asked for and does not have.

    Facts that an unreadable part names already are left out.
    """
    plan = planned.plan
    assert plan is not None and planned.request is not None
    access(planned, texts(planned))  # showing the plan asks for facts too
    reasons = set(plan.unreadable.values())
    missing = [
        fact
        for fact in snapshot.unknown.values()
        if f"unknown: the snapshot does not have {fact}" not in reasons
    ]
    # An approval covers the keyed digest of every declared secret, once there is a ledger, and the key never
    # leaves the host.
    secret = [change.address for change in plan.changes if change.sensitive and change.part is not None]
    if plan.approval is not None and planned.situation is not None:
        secret += [address for address, part in planned.situation.parts.items() if part.sensitive]
    secret = (
        [address for address in dict.fromkeys(secret) if address not in plan.unreadable]
        if plan.memory.lineage
        else []
    )
    keys = (f"the key with which the host tells the secret of {address}" for address in secret)
    if planned.sides is not None:
        from reconciler.policy.access.missing import missing_of_change, unread

        sides = planned.sides
        accounts = [*unread((sides.before, sides.after), ("", *sides.names))]
        missing = [
            fact
            for fact in missing
            if not any(words.endswith(f"the snapshot does not have {fact}") for words in accounts)
        ]
        missing += accounts
        missing += (
            words
            for words in missing_of_change(sides.before, sides.after)
            if words.removeprefix("who can write ") not in missing
        )
    unknown = (*plan.unknown, *missing, *keys, *_unknown_starts(plan, snapshot, planned.request.view))
    return replace(planned, plan=replace(plan, unknown=unknown))


def _unknown_starts(plan: Plan, snapshot: SnapshotBasis, view: HostView) -> Iterator[str]:
    """Yield the files that the plan writes and whose content at the start of a process is not known.

    The process was started with other content than the file has now.
    """
    written = [step.action.path for step in plan.steps if isinstance(step.action, WriteFile)]
    for unit, started in snapshot.started.items() if written else ():
        other = [path for path in written if started.marks.get(path) == OTHER]
        if other and view.units([unit])[unit].invocation == started.invocation:
            yield from (f"what {path} was when {unit} was started" for path in other)


def _lost(request: Request) -> list[Diagnostic]:
    """An error for each target and exclude that names nothing: less, or more, would be applied than was
    meant.

    There is none if the ledger cannot be read: it may have them.
    """
    chosen = [text for text in (*request.targets, *request.excludes) if text not in request.kinds]
    if not chosen or request.memory.unreadable:
        return []
    declared = (
        part.address
        for item in request.spec.resources
        for part in request.kinds[item.address.kind].expand(item, request.view.running)
    )
    addresses = {
        str(name) for address in (*declared, *request.memory.rows) for name in (address, address.resource)
    }
    detail = (
        "{} is neither in the spec nor among what was applied here. "
        'The address of a file is written files["/etc/x"], with quotes that the shell must not take.'
    )
    return [error("no such resource", detail.format(text)) for text in chosen if text not in addresses]
