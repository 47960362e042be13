"""The plan: changes, the steps that make them, and why. Reads the host through a view and changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from reconciler.core.actions import MakeLink, RemovePath, Unit, WriteFile
from reconciler.core.address import Address
from reconciler.core.changes import Change, Part, Verb
from reconciler.core.content_marks import concerned
from reconciler.core.diagnostic import Diagnostic, Severity, error, warning
from reconciler.core.host import Executor, HostView
from reconciler.core.plan import Plan, UnitEffect
from reconciler.core.state import OwedRow
from reconciler.core.steps import Step
from reconciler.engine import compare, ordering, unread
from reconciler.engine.draft import Draft
from reconciler.engine.feasible import is_impossible, refuse_adoption, source_of, steps_of
from reconciler.engine.inputs import Request, Situation, survey
from reconciler.engine.makers import above, makers
from reconciler.engine.units import daemon_reload, gates, owed, own_unit_guard, stale_processes

if TYPE_CHECKING:
    from reconciler.engine.units.dependents import Trial

Simulator = Callable[[HostView], Executor]


def make_plan(request: Request, simulator: Simulator) -> tuple[Plan, Situation]:
    """Plan, and try the plan on a simulated host. A change that would not converge there is blocked, with its
    dependants.
    """
    situation = survey(request)
    draft = _draft(request, situation)
    if not draft.changes and not draft.pending:
        return _finish(draft, (), None), situation
    steps, trial = _tried(draft, simulator)
    while (closed := unread.closed(trial, request)).keys() - draft.untried.keys():
        draft.untried |= unread.with_dependants(closed, draft.needs, draft.changes)
        steps, trial = _tried(draft, simulator)
    for address, reason in trial.failures.items():
        draft.block(address, reason)
        draft.diagnostics.append(
            error(
                "would not converge", reason, address=address, source=source_of(situation.parts.get(address))
            )
        )
    if trial.failures:
        steps, trial = _tried(draft, simulator)
    return _finish(draft, steps, trial), situation


def _tried(draft: Draft, simulator: Simulator) -> tuple[tuple[Step, ...], Trial]:
    """The steps and their outcome on a simulated host, made again until they take nothing along that they
    must not.
    """
    from reconciler.engine.simulate import simulate  # not where there is nothing to do
    from reconciler.engine.units import dependents

    request, situation = draft.request, draft.situation
    units = dependents.declared_units(situation.parts.values(), request.kinds) if request.view.running else {}
    while True:
        steps = _steps(draft)
        doing = {change.address for change in draft.changes if change.verb not in (Verb.FORGET, Verb.NONE)}
        trial = simulate(steps, doing - draft.idle, situation, request, simulator(request.view))
        removed = dependents.removed_units(steps)
        if not trial.along and not (
            units and (removed or any(isinstance(step.action, Unit) for step in steps))
        ):
            return trial.steps, trial
        context = dependents.Context(units, steps, removed, draft.why_held, draft.idle, draft.place)
        judgement = dependents.judge(trial, context, draft.again)
        if judgement.empty:
            return trial.steps, trial
        draft.take(judgement)


def _draft(request: Request, situation: Situation) -> Draft:
    memory = request.memory
    changes = list(compare.changes(situation, request.kinds, request.tool))
    changes += compare.absences(
        situation, memory.rows, {name for _, name in memory.tombstones}, request.kinds
    )
    if not memory.damaged and not memory.unreadable:
        changes += compare.removals(situation, request.kinds, request.view, request.spec, changes)
    if memory.unreadable:
        changes = [unread.of_unknown_owner(change) for change in changes]
    pending, settled = owed.sort_out(_selected_rows(request), request.view, situation, request.kinds)
    refused = gates.refused(pending, situation)
    pending = [row for row in pending if not gates.is_refusal(row)]
    processes = stale_processes.processes(request, situation)
    pending += _derived(request, situation, processes, changes, pending)
    draft = Draft(
        request, situation, tuple(changes), _needs(situation, changes, request), pending, settled, {}
    )
    if memory.holds:
        from reconciler.engine import holds  # rarely needed

        draft.held = holds.held(memory.holds, changes, pending)
        draft.hold_dependants()
        draft.held |= holds.waiting(changes, draft.held, request)
    if refused and not request.retry:
        _not_again(draft, refused)
    if changes:
        refuse_adoption(draft)
        _require(draft)
    draft.diagnostics += [
        *_of_others(request, situation),
        *_excused(situation),
        *stale_processes.unseen(processes),
    ]
    return draft


def _not_again(draft: Draft, refused: Mapping[Address, OwedRow]) -> None:
    """Block the parts that did not become healthy and were put back, until the spec has another version or
    somebody asks for it.
    """
    for change in draft.changes:
        row = refused.get(change.address)
        if row is not None and change.part is not None and change.verb is not Verb.NONE:
            draft.block(change.address, gates.words(row))


def _of_others(request: Request, situation: Situation) -> list[Diagnostic]:
    """Diagnostics about what others have put beside the declared objects, whether or not anything is to be
    done.
    """
    asked = [
        address
        for address, observed in situation.observed.items()
        if (observed.others or observed.refusal) and address in situation.parts
    ]
    return [
        diagnostic
        for address in asked
        for diagnostic in request.kinds[address.kind].foreign_overrides(
            situation.parts[address], situation.observed[address]
        )
    ]


def _excused(situation: Situation) -> Iterable[Diagnostic]:
    """A diagnostic for each unit that does not run because its own condition does not hold."""
    for address, observed in situation.observed.items():
        if observed.excused and address in situation.parts:
            detail = (
                "It is started by the first apply that finds it to hold. Until then this is as declared, and"
                " no failure."
            )
            where = {"address": address, "source": source_of(situation.parts[address]), "rule": "condition"}
            yield warning(f"{observed.excused} does not hold: systemd will not start it", detail, **where)


def _derived(
    request: Request,
    situation: Situation,
    processes: Collection[stale_processes.Process],
    changes: Iterable[Change],
    pending: Iterable[OwedRow],
) -> list[OwedRow]:
    """The rows that are due though nobody wrote them down. A row that is written down already is told once,
    with its own time.
    """
    changing = {change.address for change in changes if change.moves}
    written = {(row.verb, row.unit, row.address) for row in pending}
    rows = stale_processes.derive(request, situation, processes, changing)
    return [row for row in rows if (row.verb, row.unit, row.address) not in written]


def _selected_rows(request: Request) -> list[OwedRow]:
    return [row for row in request.memory.owed if request.selects(row.address)]


def _needs(
    situation: Situation, changes: Iterable[Change], request: Request
) -> dict[Address, frozenset[Address]]:
    """The parts that each changed part, and each watcher of one, needs first, among the parts that change."""
    moving = {change.address for change in changes if change.moves}
    if not moving:
        return {}
    needs: dict[Address, frozenset[Address]] = {}
    made = makers(situation.parts, moving, request.kinds)
    for address, part in situation.parts.items():
        around = above(address, made, situation.parts, request.kinds) if made else ()
        needed = moving.intersection(
            (*request.kinds[address.kind].references(part.declared), *part.needs, *around)
        ) - {address}
        # An unchanged part is not drawn into what happens to another part of the same resource.
        if address in moving or any(need.resource != address.resource for need in needed):
            needs[address] = frozenset(needed)
    return needs


def _require(draft: Draft) -> None:
    from reconciler.engine.requirements import Host, missing  # not where there is nothing to do

    host = Host(draft.request.view, draft.request.spec)
    keys: set[tuple[Address, str]] = set()
    for change in draft.changes:
        if not change.moves or change.address in draft.held:
            continue
        for diagnostic in missing(change, draft.request.kinds, host):
            # A warning is about the resource: once is enough, whichever of its parts change. An error blocks
            # each of them.
            key = (change.address.resource, diagnostic.summary)
            if diagnostic.severity is Severity.ERROR or key not in keys:
                draft.note(diagnostic)
            keys.add(key)
    for diagnostic in _objections(draft):
        draft.note(diagnostic)


def _objections(draft: Draft) -> Iterator[Diagnostic]:
    """Yield the diagnostics of the kinds about the changes."""
    request = draft.request
    changes = tuple(change for change in draft.changes if change.moves and change.address not in draft.held)
    for name in sorted({change.address.kind for change in changes if change.verb is not Verb.FORGET}):
        yield from request.kinds[name].check(request.view, request.spec, changes)
        if request.clock:
            own = [change for change in changes if change.address.kind == name]
            yield from request.kinds[name].overdue(own, request.clock)
    if changes:
        for name in sorted({declared.address.kind for declared in request.spec.resources}):
            yield from request.kinds[name].objections(request.view, request.spec, changes)


def _steps(draft: Draft) -> tuple[Step, ...]:
    """All steps in order: of the changes that are not blocked, of their watchers, and of owed effects."""
    request, situation = draft.request, draft.situation
    draft.block_dependants()
    steps: list[Step] = []
    for change in draft.changes:
        stays = draft.is_idle(change.address) or not change.moves or change.verb is Verb.FORGET
        if not stays and not is_impossible(draft, change):
            steps += steps_of(draft, change)
    draft.block_dependants()
    steps = [step for step in steps if not draft.is_left_out(step.causes[0].address)]
    steps += [*_watchers(draft, steps), *daemon_reload.of_generators(steps)]
    steps += owed.steps(
        [row for row in draft.pending if row.address not in draft.impossible], situation, request.kinds
    )
    steps += [step for step in draft.again.values() if not draft.is_idle(step.causes[0].address)]
    steps = list(own_unit_guard.spared(steps, request.inside))
    if draft.kept:
        from reconciler.engine.units import dependents  # rarely needed

        steps = list(dependents.spared(steps, draft.kept))
    if request.memory.holds:
        from reconciler.engine import holds

        steps = list(holds.owing(steps, draft.why_held))
        owing = {cause.address for step in steps if step.held for cause in step.causes}
        draft.held |= {address: why for address in sorted(owing) if (why := draft.why_held(address))}
    if not request.view.running:
        steps = [step for step in steps if not isinstance(step.action, Unit)]
    due = [row for row in draft.pending if not draft.is_idle(row.address) and not draft.why_held(row.address)]
    asked = [*gates.steps(steps, due, situation, request.kinds)]
    return daemon_reload.placed(ordering.in_order([*steps, *asked], draft.needs), request.view)


def _watchers(draft: Draft, steps: Iterable[Step]) -> list[Step]:
    actions = [step.action for step in steps if isinstance(step.action, WriteFile | MakeLink | RemovePath)]
    touched = {action.path for action in actions}
    written = {action.path: action.content for action in actions if isinstance(action, WriteFile)}
    config_steps: list[Step] = []
    for address, part in draft.situation.parts.items() if touched else ():
        kind = draft.request.kinds[address.kind]
        watched, observed = (
            list(dict.fromkeys(kind.config_paths(part.declared))),
            draft.situation.observed[address],
        )
        if (
            address in draft.blocked
            or address in draft.untried
            or not watched
            or not any(True for _ in kind.on_config_change(part, observed, watched))
        ):
            continue
        paths = [path for path in watched if concerned(draft.request.view, path, touched)]
        paths = stale_processes.unlike(draft.request, part, paths, written) if paths else paths
        config_steps += kind.on_config_change(part, observed, paths)
    return config_steps


def _finish(draft: Draft, steps: tuple[Step, ...], trial: Trial | None) -> Plan:
    request, situation, memory = draft.request, draft.situation, draft.request.memory
    changed = {change.address for change in draft.changes}
    effects = _effects(draft, steps, trial) if trial is not None and trial.along else ()
    return Plan(
        host=request.spec.host,
        spec_digest=request.spec.digest,
        spec_commit=request.spec.commit,
        changes=draft.changes,
        steps=steps,
        effects=effects,
        owed=tuple(draft.pending),
        settled=tuple(draft.settled),
        converged=tuple(_unrecorded(draft, changed)) if not memory.unreadable else (),
        needs=draft.needs,
        blocked=draft.blocked,
        held=draft.held,
        unreadable=unread.rows(situation) | draft.untried | dict(trial.unseen if trial else {}),
        diagnostics=(*draft.diagnostics, *unread.unknown_kinds(request)),
        memory=memory,
        targets=tuple(request.targets),
        excludes=tuple(request.excludes),
    )


def _effects(draft: Draft, steps: tuple[Step, ...], trial: Trial) -> tuple[UnitEffect, ...]:
    """The effects that systemd adds to the steps, and a warning for each running unit that is not in the
    spec.
    """
    from reconciler.engine.units import dependents

    units = dependents.declared_units(draft.situation.parts.values(), draft.request.kinds)
    effects = dependents.effects(trial, units, steps)
    draft.diagnostics += dependents.warnings(effects)
    return effects


def _unrecorded(draft: Draft, changed: set[Address]) -> Iterable[Part]:
    """Yield the parts that the ledger does not know so yet. A held part is not recorded, unless the ledger is
    begun again.
    """
    memory = draft.request.memory
    for part in compare.unrecorded(draft.situation, changed, anew=bool(memory.damaged)):
        if memory.damaged or not memory.holds or not draft.why_held(part.address):
            yield part
