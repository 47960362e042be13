"""Plan one host: observe it, compare it with the spec and with what we remember, and ask the guards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from reconciler._version import __version__
from reconciler.app.plan.given_away import given_away
from reconciler.app.plan.lockout import TrialHost, lockout
from reconciler.app.plan.planned import Planned, access, snapshot_of, texts
from reconciler.app.plan.processes import read_started
from reconciler.app.plan.sshd_in_force import not_in_force
from reconciler.app.plan.strict_readers import refused_files
from reconciler.app.revisions import order_of, revision
from reconciler.app.specs import Loaded
from reconciler.core.actions import WriteFile
from reconciler.core.address import Address
from reconciler.core.basics.digest import machine_digest
from reconciler.core.basics.frozen import frozen
from reconciler.core.basis import SnapshotBasis, Started
from reconciler.core.content_marks import OTHER
from reconciler.core.diagnostic import Diagnostic, error, errors
from reconciler.core.host import HostError, HostView
from reconciler.core.kind import Kinds
from reconciler.core.plan import Plan
from reconciler.core.state import Memory
from reconciler.engine.inputs import Request, Situation
from reconciler.engine.units.own_unit_guard import Inside, nowhere
from reconciler.host.hosts import machine_id, open_host, state_directory, static_hostname
from reconciler.host.live import LiveHost
from reconciler.host.process.environment import is_root, nanoseconds, now, throwaway_key
from reconciler.host.spec_source.git import Order
from reconciler.host.state.read import read_memory
from reconciler.host.systemd.own_unit import bond
from reconciler.kinds import discover, of_accounts

if TYPE_CHECKING:
    from reconciler.host.snapshot.view import SnapshotView
    from reconciler.host.tree import TreeHost
    from reconciler.policy.access.changes import Sides

    Host = LiveHost | TreeHost


@frozen
class PlanOptions:
    """The options of a plan on the command line.

    `root` is a tree and `snapshot` a file instead of the running host. `kinds` and `state` are other than a
    spec's for our own units (`install`): what there is to declare, and where it is remembered. `retry`: also
    what did not become healthy before.
    """

    root: str | None = None
    targets: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    adopt: bool = False
    unprotect: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    fingerprint: bool = False
    snapshot: str | None = None
    kinds: Kinds | None = None
    state: str = ""
    retry: bool = False

    @property
    def state_directory(self) -> str:
        """Where is remembered what was applied."""
        return self.state or state_directory(self.root)


def check_options(options: PlanOptions) -> list[Diagnostic]:
    """Addresses and names that cannot be meant."""
    found: list[Diagnostic] = []
    kinds = discover()
    if options.root is not None and not options.root.strip("/"):
        found.append(
            error(
                "not a tree",
                f"--root {options.root!r}: name a directory; to work on the running host, leave --root out",
            )
        )
    if options.root is not None and options.snapshot is not None:
        found.append(
            error("two hosts", "--root and --snapshot: the facts come from one of them; leave the other out")
        )
    for text in (*options.targets, *options.excludes, *options.unprotect):
        if text in kinds:
            continue
        try:
            address = Address.parse(text)
        except ValueError as problem:
            found.append(error("not an address", str(problem)))
            continue
        if address.kind not in kinds:
            found.append(
                error(
                    "not an address",
                    f"{text!r}: there is no kind {address.kind!r}; the kinds are {', '.join(kinds)}",
                )
            )
    if options.allow:
        from reconciler.policy.guards import ALLOWABLE, LOCK_OUT, OF_ACCESS, is_allowable

        guards = ", ".join((*ALLOWABLE, *OF_ACCESS, f"{LOCK_OUT}:ACCOUNT"))
        found += [
            error("not a guard", f"--allow {text!r}: choose from {guards}")
            for text in options.allow
            if not is_allowable(text)
        ]
    return found


def inside_of(host: HostView) -> Inside:
    """The relation of a host's units to this run: none, if it is not the machine that we run on."""
    return bond if isinstance(host, LiveHost) and host.running else nowhere


def plan_host(
    loaded: Loaded,
    options: PlanOptions,
    host: Host | SnapshotView | None = None,
    memory: Memory | None = None,
) -> Planned:
    """Plan. Whatever is wrong is among the diagnostics; those that refuse are marked so."""
    from reconciler.engine.planner import make_plan  # a settled host is not planned
    from reconciler.policy.guards import Context, guard

    assert loaded.spec is not None
    if options.snapshot is not None and host is None:
        from reconciler.app.snapshot import load_snapshot

        found = load_snapshot(options.snapshot, loaded.spec, options.allow)
        if found.problem is not None:
            return Planned((*loaded.diagnostics, found.problem))
        host, memory = found.view, found.memory
    try:
        host = host or open_host(options.root)
        memory = memory or read_memory(options.state_directory, machine_id(host))
        memory = memory if memory.key else replace(memory, key=throwaway_key())
        request = _request(loaded, options, host, memory)
        lost = _lost(request)
        if lost:
            return Planned((*loaded.diagnostics, *lost))
        tried = TrialHost()
        _look_twice_after_a_failure(host, memory)
        plan, situation = make_plan(request, tried.simulator)
        declared = frozenset(found.address for found in loaded.spec.resources)
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
    locked_out, unknown = lockout(plan.steps, host, context.hostname or plan.host, tried, options.allow)
    sides = _sides(plan, request, tried, context.hostname or plan.host)
    refused = (
        *given_away(plan, request),
        *refused_files(plan.steps, host),
        *not_in_force(plan, host),
        *_unseen(plan, host),
    )
    warned = _access_warnings(plan, situation, host, sides, options)
    judged = (*plan.diagnostics, *guard(plan, context), *locked_out, *refused, *warned)
    told = (*_not_repeated(loaded.diagnostics, judged), *judged)
    plan = replace(plan, diagnostics=told, unknown=unknown)
    plan = _fingerprinted(plan, request, situation) if options.fingerprint and not plan.partial else plan
    snapshot = snapshot_of(request)
    itself = cast("Host", host) if snapshot is None else None
    planned = Planned(told, plan, situation, request, itself, sides)
    return planned if snapshot is None else _with_unknown(planned, snapshot)


def _not_repeated(linted: Iterable[Diagnostic], judged: Iterable[Diagnostic]) -> list[Diagnostic]:
    """The diagnostics of the spec but for the warnings of which the host makes errors, in the same words."""
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
    """Files that root runs and that the plan does not show whole."""
    if not any(isinstance(step.action, WriteFile) for step in plan.steps):
        return []
    from reconciler.policy.unreviewed import unreviewed

    return list(unreviewed(plan.steps, host))


def _sides(plan: Plan, request: Request, tried: TrialHost, name: str) -> Sides | None:
    """Who can do what, before and after.

    The guard against lock-outs, which asks the same, tells what cannot be read.
    """
    if plan.empty:
        return None
    from reconciler.app.plan.access import sides_of

    try:
        return sides_of(plan, request, tried, name)
    except HostError:
        return None


def _access_warnings(
    plan: Plan, situation: Situation, host: HostView, sides: Sides | None, options: PlanOptions
) -> list[Diagnostic]:
    """Faults of the access that the plan leaves behind, or takes over."""
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
    """Where the last apply did not get through, what crashes every moment may be met alive: no plan calls
    that done for one lucky look.
    """
    if isinstance(host, LiveHost) and any(row.pending is not None for row in memory.rows.values()):
        host.look_twice()


def _started(host: HostView, options: PlanOptions, memory: Memory) -> Mapping[str, Started]:
    """The memory of processes, on the host or in its snapshot."""
    if isinstance(host.basis, SnapshotBasis):
        return host.basis.started
    found = read_started(options.state_directory, memory.key) if host.running else None
    return found.started if found is not None else {}


def _fingerprinted(plan: Plan, request: Request, situation: Situation) -> Plan:
    from reconciler.engine.approval import with_fingerprint  # a plan that is only looked at is no approval

    try:
        snapshot = snapshot_of(request)
        machine = machine_digest(machine_id(request.view)) if snapshot is None else snapshot.machine
    except HostError:
        machine = ""
    return with_fingerprint(plan, request, situation, machine)


def _with_unknown(planned: Planned, snapshot: SnapshotBasis) -> Planned:
    """With what a snapshot was asked for in vain, but for what a part that could not be read says itself."""
    plan = planned.plan
    assert plan is not None and planned.request is not None
    access(planned, texts(planned))  # what will be asked for to show the plan
    told = set(plan.unreadable.values())
    missing = [
        what
        for what in snapshot.unknown.values()
        if f"unknown: the snapshot does not have {what}" not in told
    ]
    # An approval covers the keyed digest of a secret, once there is a ledger; and the key never leaves the
    # host. That is so of each secret that is declared, for an approval covers all that the spec says.
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
            what
            for what in missing
            if not any(words.endswith(f"the snapshot does not have {what}") for words in accounts)
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
    """Files to be written of which a process has neither what is there, nor is it known whether it has what
    will be there.
    """
    written = [step.action.path for step in plan.steps if isinstance(step.action, WriteFile)]
    for unit, started in snapshot.started.items() if written else ():
        other = [path for path in written if started.marks.get(path) == OTHER]
        if other and view.units([unit])[unit].invocation == started.invocation:
            yield from (f"what {path} was when {unit} was started" for path in other)


def _lost(request: Request) -> list[Diagnostic]:
    """Targets and excludes that name nothing: an apply of less, or of more, than was meant.

    A ledger that cannot be read may know them.
    """
    chosen = [text for text in (*request.targets, *request.excludes) if text not in request.kinds]
    if not chosen or request.memory.unreadable:
        return []
    declared = (
        part.address
        for item in request.spec.resources
        for part in request.kinds[item.address.kind].expand(item, request.view.running)
    )
    known = {
        str(name) for address in (*declared, *request.memory.rows) for name in (address, address.resource)
    }
    detail = (
        "{} is neither in the spec nor among what was applied here. "
        'The address of a file is written files["/etc/x"], with quotes that the shell must not take.'
    )
    return [error("no such resource", detail.format(text)) for text in chosen if text not in known]
