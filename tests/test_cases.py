"""Every case, on a simulated host with a systemd and in a tree: the plan, the apply, a crash at every moment,
a failure of every step.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from reconciler.app.plan.options import PlanOptions
from reconciler.app.plan.planned import Planned, basis, texts
from reconciler.core.action_data import as_data
from reconciler.core.actions import Unit
from reconciler.core.basics.digest import data_digest
from reconciler.core.changes import Change
from reconciler.core.diagnostic import errors
from reconciler.core.host import FileType
from reconciler.core.kind import Kind
from reconciler.core.plan import Plan
from reconciler.core.result import Status
from reconciler.engine.units.owed import OWABLE
from reconciler.host.state.read import read_memory
from reconciler.kinds import discover
from reconciler.render.plan.json import plan_to_json
from reconciler.render.plan.phrases import action_words
from reconciler.render.plan.text import plan_text
from tests import worlds
from tests.breaking import crashing, failing, sample, some
from tests.case import FOLDER, Case, Reader, all_cases, full, read
from tests.pictures import picture
from tests.worlds import World, prepared, watched_paths

_VERBS = {"+": "create", "~": "update", "-": "delete", ".": "forget", " ": "no-op"}
_SCHEMA = Path(__file__).parents[1] / "schemas/host.2020-12.schema.json"

every = pytest.mark.parametrize("case", all_cases(), ids=lambda case: case.name)
_APPLIED = [case for case in all_cases() if not case.refused]
applying = pytest.mark.parametrize("case", _APPLIED, ids=lambda case: case.name)
_FREE = [case for case in all_cases() if not case.refused and not case.blocked]
_REVOCABLE = [case for case in _FREE if case.name != "users/absent-and-adopted"]
"""Not an account that goes and was never ours: half gone it is shut, and no earlier spec says that it should
be open.
"""
converging = pytest.mark.parametrize("case", _FREE, ids=lambda case: case.name)
everywhere = pytest.mark.parametrize("running", [True, False], ids=["simulated", "tree"])


def more_often_simulated(cases: Sequence[Case], turn: int) -> pytest.MarkDecorator:
    """All of them on a simulated host, and a third in a tree, where less happens; all in the full form."""
    chosen = [*((case, True) for case in cases), *((case, False) for case in some(cases, turn))]
    names = [f"{'simulated' if running else 'tree'}-{case.name}" for case, running in chosen]
    return pytest.mark.parametrize(("case", "running"), chosen, ids=names)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A directory for many small states: in memory where there is such a file system, for each transaction
    waits for the disk.
    """
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as directory:
        yield Path(directory)


def world_of(case: Case, place: Path, *, running: bool) -> World:
    """The world as the case has it, before its spec."""
    world = worlds.simulated(place, read=watched_paths(case)) if running else worlds.tree(place)
    return prepared(world, case)


def words(change: Change, wanted: str) -> str:
    """A change as a case says it: with its origin only where the case names one."""
    return f"{_VERBS[change.verb]} ({change.origin})" if "(" in wanted else _VERBS[change.verb]


def changes_of(plan: Plan, case: Case, *, running: bool) -> dict[str, str]:
    """The changes of a plan as a case says them."""
    wanted = case.expected(running=running).changes
    return {
        str(change.address): words(change, wanted.get(str(change.address), "(")) for change in plan.changes
    }


def effects_of(plan: Plan) -> list[str]:
    """The actions of systemd along with the steps, as a case words them."""
    return [
        f"{effect.taken.verb} {effect.taken.unit} along with {effect.taken.root}" for effect in plan.effects
    ]


def steps_of(plan: Plan) -> list[str]:
    """The steps of a plan as a case says them."""
    return [
        ("(held) " if step.held else "") + action_words(as_data(step.action), all_units=True)
        for step in plan.steps
    ]


def forgotten(plan: Plan) -> list[str]:
    """Restarts and reloads that nobody would do after a kill: their kind has no `resume_owed`."""
    without = {field.default for field in fields(Kind) if field.name == "resume_owed"}
    return [
        f"{step.action.verb} {cause.unit}: an apply that is killed before it owes it, and KIND in"
        f" reconciler/kinds/{cause.address.kind}/kind.py has no `resume_owed` that yields it again"
        for step in plan.steps
        if isinstance(step.action, Unit) and step.action.verb in OWABLE
        for cause in step.causes
        if cause.unit and discover()[cause.address.kind].resume_owed in without
    ]


def planned(world: World, case: Case) -> Planned:
    """The plan for the case's spec."""
    loaded = case.loaded()
    assert loaded.spec is not None, [str(found.detail) for found in loaded.diagnostics]
    return world.plan(loaded, case.options)


def plan_of(world: World, case: Case) -> Plan:
    """The plan for the case's spec, alone."""
    plan = planned(world, case).plan
    assert plan is not None
    return plan


@cache
def _validator() -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(json.loads(_SCHEMA.read_text()))


# --------------------------------------------------------------------------------------- the cases themselves


def test_every_kind_has_cases() -> None:
    """A kind without cases is not finished, and a folder without a kind is a mistake."""
    assert sorted(discover()) == sorted(
        path.name for path in FOLDER.iterdir() if path.is_dir() and any(path.glob("*.yaml"))
    )


def test_every_case_file_is_used() -> None:
    """No file under cases/ is left out, and each is about its kind."""
    files = {
        str(path.relative_to(FOLDER).with_suffix(""))
        for path in FOLDER.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }

    assert files == {case.name for case in all_cases()}
    for case in all_cases():
        assert case.name.split("/")[0] in {*case.spec, *(case.applied or {})}, case.name


def test_a_case_says_nothing_twice(tmp_path: Path) -> None:
    """A duplicate key, of which a reader sees one and the test uses the other, is refused."""
    from ruamel.yaml.constructor import DuplicateKeyError

    file = tmp_path / "case.yaml"
    file.write_text("about: a\nspec: {}\nspec: {}\n")
    with pytest.raises(DuplicateKeyError):
        read(file)


def test_a_forgotten_restart_names_the_hook(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who writes a kind that restarts a unit, and no `resume_owed`, reads the name of what is missing."""
    case = next(case for case in all_cases() if case.name == "files/drop-in-of-a-timer")
    plan = plan_of(world_of(case, place / "world", running=True), case)
    default: Any = next(field.default for field in fields(Kind) if field.name == "resume_owed")
    without = {**discover(), "files": replace(discover()["files"], resume_owed=default)}

    assert [] == forgotten(plan)

    monkeypatch.setattr("tests.test_cases.discover", lambda: without)

    assert forgotten(plan)
    assert all("reconciler/kinds/files/kind.py has no `resume_owed`" in line for line in forgotten(plan))


@pytest.mark.slow
@every
def test_the_published_schema_accepts_it(case: Case) -> None:
    """An editor with our schema shows no error in the spec of a case."""
    for spec in filter(None, (case.spec, case.applied)):
        found = [error.message for error in _validator().iter_errors(full(spec))]

        assert [] == found


# ---------------------------------------------------------------------------------------------------- plan


@every
@everywhere
def test_the_plan_is_exactly_this(case: Case, running: bool, place: Path) -> None:
    """The plan has these changes, these steps in this order, and nothing else."""
    world = world_of(case, place / "world", running=running)
    loaded = case.loaded()
    assert loaded.spec is not None, loaded.diagnostics
    if not loaded.ok:
        assert case.refused == tuple(found.rule for found in errors(loaded.diagnostics) if found.refusal)
        return
    found = world.plan(loaded, case.options)
    plan, wanted = found.plan, case.expected(running=running)
    assert plan is not None

    assert dict(wanted.changes) == changes_of(plan, case, running=running)
    unforeseen = {
        str(address): why for address, why in plan.blocked.items() if str(address) not in case.blocked
    }
    assert {} == unforeseen  # before the steps: it says why they are not there
    assert list(wanted.steps) == steps_of(plan)
    assert [] == forgotten(plan)
    assert list(case.effects if running else ()) == effects_of(plan)
    assert sorted(case.refused) == sorted({item.rule for item in errors(found.diagnostics) if item.refusal})
    assert sorted(case.blocked) == sorted(map(str, plan.blocked))
    for address, why in plan.blocked.items():
        assert case.blocked[str(address)] in why
    assert sorted(case.unreadable) == sorted(map(str, plan.unreadable))
    assert plan.complete == (not case.unreadable)


@pytest.mark.slow
@more_often_simulated(all_cases(), 2)
def test_a_plan_changes_nothing(case: Case, running: bool, place: Path) -> None:
    """Making a plan leaves the host and our memory as they were."""
    world = world_of(case, place / "world", running=running)
    before = picture(world)
    world.plan(case.loaded(), case.options)

    assert before == picture(world)


@pytest.mark.slow
@pytest.mark.parametrize("case", [case for case in all_cases() if case.secret], ids=lambda case: case.name)
def test_a_secret_is_not_shown(case: Case, place: Path) -> None:
    """A sensitive value is in no plan, in no form in which it could be guessed, and not in our memory of what
    we applied.
    """
    world = world_of(case, place / "world", running=True)
    found = planned(world, case)
    assert found.plan is not None
    data = plan_to_json(
        found.plan, basis=basis(found), now="2026-01-01T00:00:00Z", tool="0", texts=texts(found)
    )
    told = [json.dumps(data), plan_text(data, colour=False, verbose=True)]
    world.apply(case.loaded(), case.options)
    memory = read_memory(world.state, "")
    told.append(repr(memory.rows))
    told.append(json.dumps([as_data(step.action) for step in found.plan.steps]))

    for text in told:
        assert case.secret not in text
        for guessed in _digests(case):
            assert guessed not in text


def _digests(case: Case) -> Iterator[str]:
    """Digests, in hex, that somebody could make who guesses the secret: of the content, and of the whole
    declaration.
    """
    for loaded in (case.loaded(), case.loaded(case.applied or {})):
        assert loaded.spec is not None
        for declared in loaded.spec.resources:
            content = getattr(declared.resource, "content", None)
            if content and case.secret in content:
                yield hashlib.sha256(content.encode()).hexdigest()
                yield data_digest(declared.resource.model_dump(mode="json", exclude_defaults=True)).partition(
                    ":"
                )[2]


# ---------------------------------------------------------------------------------------------------- apply


@pytest.mark.slow
@more_often_simulated(_APPLIED, 0)
def test_apply_converges(case: Case, running: bool, place: Path) -> None:
    """After one apply the next plan is empty and the next apply writes nothing, neither to the host nor to
    our state.
    """
    world = world_of(case, place / "world", running=running)
    result = world.apply(case.loaded(), case.options).result
    after, serial = picture(world), _state_files(world)
    assert result is not None
    left = plan_of(world, case)
    again = world.apply(case.loaded(), case.options)
    undone = sorted(
        str(address) for address in (*result.having(Status.FAILED), *result.having(Status.SKIPPED))
    )

    assert sorted({**case.blocked, **case.unreadable}) == undone
    assert set(changes_of(left, case, running=running)) == {*case.blocked, *_reported(case, running=running)}
    assert not [step for step in left.steps if not step.held]
    assert list(case.owed if running else ()) == [
        f"{'(held) ' * held}{verb} {unit}" for verb, unit, _, held in sorted(after.owed)
    ]
    assert after == picture(world)
    assert serial == _state_files(world) or case.blocked
    assert again.result is not None
    assert not again.result.changed


@pytest.mark.slow
@pytest.mark.parametrize("case", some(_APPLIED, 0), ids=lambda case: case.name)
@everywhere
def test_the_short_way_says_what_the_long_way_says(case: Case, running: bool, place: Path) -> None:
    """Where "No changes" is told without the models of the spec, it is what the plan says; and of a clean
    host it is told so.
    """
    world = world_of(case, place / "world", running=running)
    loaded = replace(case.loaded(), path="/host.yaml")
    plain = replace(case.options, targets=(), excludes=())
    world.apply(loaded, plain)
    world.apply(loaded, plain)
    short = world.short(loaded.reader)
    plan = world.plan(loaded, PlanOptions()).plan
    assert plan is not None
    nothing = plan.complete and not (
        plan.changes or plan.steps or plan.owed or plan.converged or plan.diagnostics
    )
    # From an empty ledger nothing is written down, and where drift is ignored the host is not as the ledger has
    # it.
    ignored = (
        any(declared.resource.drift == "ignore" for declared in loaded.spec.resources)
        if loaded.spec
        else False
    )
    # Whether a version is new enough, only the declaration tells.
    ignored = ignored or any("at_least" in (row.document or {}) for row in plan.memory.rows.values())
    assert (short is not None) == (nothing and bool(plan.memory.rows)) or (short is None and ignored)
    if short is not None:
        assert short.plan is not None
        said, wanted = (
            plan_to_json(one, basis={}, now="", tool="")
            for one in (short.plan, replace(plan, fingerprint="", approval=None))
        )

        assert wanted == said
        # One byte more, and it is another spec.
        assert isinstance(loaded.reader, Reader)
        assert world.short(replace(loaded.reader, text=loaded.reader.text + "\n")) is None


@pytest.mark.slow
@converging
def test_what_runs_has_what_is_on_disk(case: Case, place: Path) -> None:
    """After an apply systemd knows every unit as it is on disk, and every process has read its files as they
    are, or is owed it.
    """
    world = world_of(case, place / "world", running=True)
    world.apply(case.loaded(), case.options)
    host, after = world.host(), picture(world)
    owed = {unit for _, unit, _, _ in after.owed} | {
        row.unit for row in plan_of(world, case).owed if row.held
    }
    theirs = set(case.meanwhile.paths) - {word for step in case.running.steps for word in step.split()}
    on_disk = {unit: file for unit in after.loaded if (file := unit_file(host, unit)) and file not in theirs}

    for unit, path in on_disk.items():
        assert after.loaded[unit] in (host.read(path), None), unit
    for unit, process in after.processes.items():
        if unit not in owed:
            name = unit.removesuffix(".service")
            for field in ("environment_file", "load_credential"):
                assert files_read(case, name, process.at_start, field) == files_read(case, name, host, field)
            assert files_read(case, name, process.at_reload, "watch") == files_read(case, name, host, "watch")


def unit_file(host: Any, unit: str) -> str:
    """Where a unit's file is: ours, or a package's; empty for what is only a link."""
    places = (f"{directory}/{unit}" for directory in ("/etc/systemd/system", "/usr/lib/systemd/system"))
    return next(
        (place for place in places if (entry := host.entry(place)) and entry.type is FileType.FILE), ""
    )


def files_read(case: Case, service: str, source: Any, field: str) -> list[bytes | None]:
    """The content of the files that a service reads, as they are on a host, or as a process has them."""
    said = (case.spec.get("services") or {}).get(service, {}).get(field, ())
    paths = [path.removeprefix("-") for path in (said.values() if isinstance(said, dict) else said)]
    if isinstance(source, dict):
        return [source.get(path) for path in paths]
    return [source.read(path) if source.entry(path) else None for path in paths]


def _reported(case: Case, *, running: bool) -> set[str]:
    """The addresses of changes that a plan reports and an apply leaves undone."""
    return {
        address
        for address, verb in case.expected(running=running).changes.items()
        if verb.startswith("no-op")
    }


def _state_files(world: World) -> dict[str, tuple[int, int, bytes]]:
    files = {
        path: path.stat() for path in Path(world.state).rglob("*") if path.name != "lock" and path.is_file()
    }
    return {path.name: (facts.st_ino, facts.st_mtime_ns, path.read_bytes()) for path, facts in files.items()}


@pytest.mark.slow
@pytest.mark.parametrize("case", [case for case in all_cases() if case.refused], ids=lambda case: case.name)
def test_what_is_refused_has_no_effect(case: Case, place: Path) -> None:
    """An apply that a guard refuses changes neither the host nor our state."""
    world = world_of(case, place / "world", running=True)
    before = picture(world)
    loaded = case.loaded()
    if not loaded.ok:
        return
    applied = world.apply(loaded, case.options)

    assert applied.result is None
    assert applied.planned.refused
    assert before == picture(world)


# --------------------------------------------------------------------------------------- crashes and failures


@pytest.mark.slow
@applying
def test_a_crash_anywhere_loses_nothing(case: Case, place: Path) -> None:
    """Killed before or after any effect or note in the journal, and applied again: all is as after one
    undisturbed apply.
    """
    start, loaded = world_of(case, place / "start", running=True), case.loaded()
    undisturbed = start.copied(place / "undisturbed")
    moments = crashing(undisturbed, loaded, case.options, at=-1)
    expected = picture(undisturbed)
    for at in sample(len(moments.names), case):
        world = start.copied(place / f"crash-{at}")
        crashing(world, loaded, case.options, at)
        world.apply(loaded, case.options)

        assert expected == picture(world), (
            f"after a crash at moment {at}, {moments.names[at]}, of {moments.names}: where a restart or a reload"
            " is missing or still owed, `resume_owed` of its kind does not yield it again"
        )
        assert plan_of(world, case).empty or case.blocked


@pytest.mark.slow
@pytest.mark.parametrize("case", some(_REVOCABLE, 2), ids=lambda case: case.name)
def test_a_crash_and_then_the_old_spec_again(case: Case, place: Path) -> None:
    """Killed anywhere, and then the earlier spec again: it converges, each path as it was before or as
    without the crash.
    """
    start, loaded, earlier = (
        world_of(case, place / "start", running=True),
        case.loaded(),
        case.loaded(case.applied or {}),
    )
    options = PlanOptions(
        adopt=True, allow=("empty-spec", "many-destroyed"), unprotect=case.options.unprotect
    )
    there_and_back = start.copied(place / "back")
    moments = crashing(there_and_back, loaded, case.options, at=-1)
    there_and_back.apply(earlier, options)
    only_back = start.copied(place / "only-back")
    only_back.apply(earlier, options)
    ends = picture(there_and_back), picture(only_back)
    plans = [world.plan(earlier, options).plan for world in (there_and_back, only_back)]
    blocked = {address for plan in plans if plan for address in plan.blocked}
    for at in sample(len(moments.names), case):
        name = moments.names[at]
        world = start.copied(place / f"crash-{at}")
        crashing(world, loaded, case.options, at)
        world.apply(earlier, options)
        plan, found = world.plan(earlier, options).plan, picture(world)

        assert plan is not None
        assert plan.empty or (blocked and plan.blocked.keys() <= blocked), (
            f"after a crash at moment {at}, {name}: {plan.changes}"
        )
        for path in {*found.paths, *ends[0].paths, *ends[1].paths}:
            if path.endswith(".service.d") and not any(other.startswith(f"{path}/") for other in found.paths):
                # an empty directory for drop-ins says nothing, and nobody knows any more who made it
                continue
            assert found.paths.get(path) in [end.paths.get(path) for end in ends], (
                f"{path} after a crash at moment {at}, {name}"
            )
        for unit, process in found.processes.items():
            assert process.unit in [end.processes[unit].unit for end in ends if unit in end.processes], (
                f"{unit}, moment {at}, {name}"
            )


@pytest.mark.slow
@pytest.mark.parametrize("case", some(_APPLIED, 1), ids=lambda case: case.name)
@pytest.mark.parametrize("receipt", [False, True], ids=["raised", "told"])
def test_a_failure_of_any_step_fails_only_what_depends_on_it(case: Case, receipt: bool, place: Path) -> None:
    """A step that fails is told with its reason, dependants are skipped with theirs, all else converges, and
    the next apply repairs it.
    """
    start, loaded = world_of(case, place / "start", running=True), case.loaded()
    undisturbed = start.copied(place / "undisturbed")
    undisturbed.apply(loaded, case.options)
    expected = picture(undisturbed)
    steps = sum(not step.held for step in plan_of(start, case).steps)
    for at in (*sample(steps, case), steps):
        world = start.copied(place / f"failure-{at}")
        result = failing(world, loaded, case.options, at, receipt=receipt).result
        assert result is not None
        out = {
            address: outcome
            for address, outcome in result.outcomes.items()
            if outcome.status in (Status.FAILED, Status.SKIPPED)
        }
        broken = {
            str(address): outcome
            for address, outcome in out.items()
            if str(address) not in {**case.blocked, **case.unreadable}
        }
        assert bool(broken) == (at < steps), f"action {at} of {steps}"
        if not broken:
            break
        left = plan_of(world, case)

        assert any(
            "broken on purpose" in outcome.reason
            for outcome in broken.values()
            if outcome.status is Status.FAILED
        )
        assert all(
            outcome.reason.startswith("needs ")
            for outcome in broken.values()
            if outcome.status is Status.SKIPPED
        )
        assert {str(change.address) for change in left.changes} <= {
            *broken,
            *case.blocked,
            *_reported(case, running=True),
        }
        along = {
            str(effect.declared) for effect in left.effects
        }  # what is taken along again with what is done again
        assert {str(cause.address) for step in left.steps if not step.held for cause in step.causes} <= {
            *broken,
            *along,
        }
        assert world.plan(loaded, case.options).plan is not None
        world.apply(loaded, replace(case.options, retry=True))  # what was put back is not tried again unasked

        assert expected == picture(world), f"after a failure of action {at}"
