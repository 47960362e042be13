"""The undoing of a run: a comparison of what was there before it, what it left, and what is there now.

Like a plan it looks at states, not at events: a thing that is as it was before needs no step, so that a
rollback which was killed is finished by the same rollback. A thing that is neither as it was nor as the run
left it was changed since: it is refused, unless that is to be overwritten.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from typing import assert_never

from reconciler.core.action_data import UnknownAction
from reconciler.core.actions import (
    Account,
    ArchiveTree,
    ChangePackages,
    EditLines,
    EndSessions,
    Gate,
    MakeDirectory,
    MakeLink,
    RemovePath,
    RemoveTree,
    RestoreTree,
    SetAccess,
    Unit,
    WriteFile,
    path_of,
)
from reconciler.core.address import Address
from reconciler.core.basics.frozen import frozen
from reconciler.core.host import HostError, HostView
from reconciler.core.journal import PastRun, PastStep
from reconciler.core.state import OwedRow
from reconciler.core.steps import Cause, Step
from reconciler.engine import ordering
from reconciler.engine.undo import path_state
from reconciler.engine.undo.undo_accounts import Accounting, AccountStep, account_steps
from reconciler.engine.undo.undo_paths import Draft, PathStep, TouchedPath, UndoRequest, undoing
from reconciler.engine.undo.undo_units import unit_steps
from reconciler.formats.accounts import account_files


@frozen
class Reversal:
    """`steps` undo the run; `refused` says what was changed since, and `kept` what does not come back, each
    with the reason.

    `addresses` are the parts that are undone; `clear` are owed rows that are void when they are.
    """

    past: PastRun
    addresses: tuple[Address, ...] = ()
    steps: tuple[Step, ...] = ()
    refused: Mapping[Address, str] = field(default_factory=dict)
    kept: Mapping[Address, tuple[str, ...]] = field(default_factory=dict)
    clear: tuple[OwedRow, ...] = ()

    @property
    def moving(self) -> tuple[Address, ...]:
        """The parts for which there is something to do."""
        doing = {cause.address for step in self.steps if not step.held for cause in step.causes}
        return tuple(address for address in self.addresses if address in doing)


def reversal(wish: UndoRequest, view: HostView) -> Reversal:
    """Compare, and work out the steps. Reads the host and changes nothing."""
    past = wish.past
    touched = {*past.rows, *(address for step in past.steps for address in step.addresses)}
    addresses = tuple(sorted(address for address in touched if wish.selects(address)))
    draft = Draft(wish, view)
    steps = [step for step in past.steps if step.state in ("done", "started") and not step.held]
    chosen = [step for step in steps if any(address in addresses for address in step.addresses)]
    done = _sorted_out(chosen)
    for action, owners in done.unknown:
        draft.refuse(owners, f"its run did {action.name}, which this version does not know: update the tool")
    for owners in done.packages:
        draft.keep(owners, "packages stay as that run left them: others may need them by now")
    accounts = _accounts(draft, done.accounts)
    paths = [*_paths(draft, done.paths)]
    good = [
        step
        for step in (*accounts, *paths)
        if not any(cause.address in draft.refused for cause in step.causes)
    ]
    good = _emptying(draft, good)
    units = unit_steps(
        past, view, wish.memory.owed, addresses, restored=[step for step in good if path_of(step.action)]
    )
    good += [
        step for unit_step in units.steps if (step := unit_step.without(frozenset(draft.refused))) is not None
    ]
    for unit, mine in units.kept.items():
        draft.keep(
            mine, f"{unit} goes on as it is: its unit file was gone before that run, and will be gone again"
        )
    ordered = ordering.in_order(good, {})
    undone_addresses = tuple(address for address in addresses if address not in draft.refused)
    kept_reasons = {
        address: tuple(dict.fromkeys(why))
        for address, why in draft.kept.items()
        if address not in draft.refused
    }
    return Reversal(
        past,
        undone_addresses,
        ordered,
        draft.refused,
        kept_reasons,
        tuple(row for row in units.clear if row.address in undone_addresses),
    )


@frozen
class _Done:
    """The steps of the run, sorted by the way in which they are undone. Units are undone by their state
    before.
    """

    accounts: list[AccountStep]
    paths: list[PathStep]
    unknown: list[tuple[UnknownAction, tuple[Address, ...]]]
    packages: list[tuple[Address, ...]]
    """The addresses of transactions of packages."""


def _sorted_out(steps: Iterable[PastStep]) -> _Done:
    done = _Done([], [], [], [])
    for step in steps:
        match step.action:
            case Account() as action:
                done.accounts.append(AccountStep(action, step.addresses, step.saved))
            case WriteFile() | EditLines() | MakeLink() | RemovePath() as action:
                done.paths.append(PathStep(action, step.addresses, step.saved))
            case MakeDirectory() | SetAccess() | ArchiveTree() | RemoveTree() | RestoreTree() as action:
                done.paths.append(PathStep(action, step.addresses, step.saved))
            case UnknownAction() as action:
                done.unknown.append((action, step.addresses))
            case ChangePackages():
                done.packages.append(step.addresses)
            case Unit() | EndSessions() | Gate():
                pass
            case _:
                assert_never(step.action)
    return done


def _accounts(draft: Draft, steps: Collection[AccountStep]) -> list[Step]:
    if not steps:
        return []
    before = draft.wish.past.before
    if before is None:
        draft.refuse(
            (address for step in steps for address in step.addresses),
            "its run was made by a version that did not write down accounts",
        )
        return []
    now, wish = account_files.known_accounts(draft.view), draft.wish
    accounting = Accounting(before, now, wish.overwrites, draft.refuse, draft.keep, frozenset(now.groups))
    return list(account_steps(steps, accounting))


# ---------------------------------------------------------------------------------------------------- paths


def _paths(draft: Draft, steps: Iterable[PathStep]) -> Iterator[Step]:
    """One step for each path that is not as it was: directories before their content."""
    by_path: dict[str, list[PathStep]] = {}
    for step in steps:
        for path in dict.fromkeys((step.action.path, *(saved.path for saved in step.saved))):
            by_path.setdefault(path, []).append(step)
    trees = {path: archive for path, mine in by_path.items() if (archive := _removed_tree(mine)) is not None}
    path_steps = [step for path, mine in by_path.items() for step in _path(draft, path, mine, trees)]
    yield from sorted(
        path_steps,
        key=lambda step: (not isinstance(step.action, _FIRST), (path_of(step.action) or "").count("/")),
    )


_FIRST = (MakeDirectory, RestoreTree)
"""The actions that make what other things are in."""


def _removed_tree(steps: Iterable[PathStep]) -> str | None:
    """The archive of a directory that was removed with everything in it, empty when none was made; None when
    it was not.
    """
    return next((step.action.archive for step in steps if isinstance(step.action, RemoveTree)), None)


def _path(draft: Draft, path: str, steps: Sequence[PathStep], trees: Mapping[str, str]) -> Iterator[Step]:
    addresses = tuple(dict.fromkeys(address for step in steps for address in step.addresses))
    others = [address for address in addresses if not draft.wish.selects(address)]
    if others:
        draft.refuse(
            addresses, f"{path} is also that of {others[0]}, which is left out; name both or neither"
        )
        return
    saved = next((pre_image for step in steps for pre_image in step.saved if pre_image.path == path), None)
    if saved is None:
        draft.refuse(addresses, f"what stood at {path} before is not kept any more")
        return
    try:
        now = path_state.present(draft.view, path)
    except HostError as problem:
        draft.refuse(addresses, str(problem))
        return
    situation = TouchedPath(saved, now, trees, next((top for top in trees if path.startswith(f"{top}/")), ""))
    action = undoing(draft, path, [step.action for step in steps], situation, addresses)
    if action is not None:
        yield Step(action, tuple(Cause(address) for address in addresses))


def _emptying(draft: Draft, steps: list[Step]) -> list[Step]:
    """The steps without the removal of directories that would not be empty then: their content is somebody
    else's.
    """
    going = {step.action.path for step in steps if isinstance(step.action, RemovePath)}
    staying: set[str] = set()
    for path in sorted(going, key=lambda path: -path.count("/")):
        try:
            inside = [f"{path.rstrip('/')}/{name}" for name in draft.view.names(path)]
        except HostError:
            inside = []
        if any(path_inside not in going or path_inside in staying for path_inside in inside):
            staying.add(path)
    for step in steps:
        if isinstance(step.action, RemovePath) and step.action.path in staying:
            draft.keep(
                (cause.address for cause in step.causes),
                f"{step.action.path} stays: there is something in it",
            )
    return [
        step for step in steps if not (isinstance(step.action, RemovePath) and step.action.path in staying)
    ]
