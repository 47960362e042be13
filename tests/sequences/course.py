"""A course of events on one host, with a model of what must be so after each of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from reconciler.app.plan.options import PlanOptions
from reconciler.app.plan.planned import Planned
from reconciler.core.action_data import as_data
from reconciler.core.changes import Verb
from reconciler.core.diagnostic import errors
from reconciler.core.plan import Plan
from reconciler.core.result import Status
from reconciler.host.state.read import read_memory
from reconciler.render.plan.phrases import action_words
from tests.breaking import crashing
from tests.case import Case, Expected
from tests.sequences import draw, hands
from tests.sequences.draw import BEFORE, DECOYS, OF_FILES, OF_UNITS, Spec, Step
from tests.sequences.observer import Fact, Seen, complaints, key_lines, look
from tests.test_rollback_cases import rolled_back
from tests.worlds import World

ALLOW = ("empty-spec", "many-destroyed")
_NOTHING = Case("sequence", "", {}, Expected(), Expected())


@dataclass(slots=True)
class Course:
    """The course of events so far, and its consequences.

    `spec` is the one applied last, to its end if `certain`. `ours`: objects that some apply may have made
    ours; `touched`: objects that somebody changed since. `theirs`: paths that must never change, with their
    text. `keys`: key lines of users that must stay, but for `exactly`.
    """

    world: World
    spec: Spec = field(default_factory=dict)
    certain: bool = True
    ours: set[str] = field(default_factory=set)
    protected: set[str] = field(default_factory=set)
    once_protected: set[str] = field(default_factory=set)
    touched: set[str] = field(default_factory=set)
    theirs: dict[str, str] = field(default_factory=dict)
    keys: dict[str, set[str]] = field(default_factory=dict)
    edited: dict[str, str] = field(default_factory=dict)
    once_edited: dict[str, str] = field(default_factory=dict)
    story: list[str] = field(default_factory=list)
    decoys: dict[str, Fact] = field(default_factory=dict)
    before: Course | None = None

    @classmethod
    def begin(cls, place: Path, *, running: bool) -> Course:
        """On a host where somebody lived before us."""
        return cls.on(hands.fresh(place, running=running))

    @classmethod
    def on(cls, world: World) -> Course:
        """On this host."""
        course = cls(world)
        course.theirs = {
            path: said["content"]
            for path, said in BEFORE.items()
            if path in ("/srv/old/data", "/home/carol/thesis")
        }
        course.keys = {"carol": {" ".join(draw.OLD_KEY.split()[:2])}}
        course.decoys = decoys_of(course.look())
        return course

    def look(self) -> Seen:
        """Everything on the host now."""
        return look(self.world, tuple(OF_UNITS))

    def step(self, step: Step) -> None:
        """Let one thing happen, and see that all is as it must be."""
        self.story.append(str(step))
        {
            "apply": self.apply,
            "kill": self.kill,
            "plan": self.plan,
            "rollback": self.roll_back,
            "hand": self.hand,
        }[step.do](step)
        now = decoys_of(self.look())

        assert self.decoys == now, difference(self.decoys, now)

    # ------------------------------------------------------------------------------------------- what happens

    def apply(self, step: Step) -> None:
        """Apply, with whatever a refusal asks for."""
        before = self.look()
        applied = self.world.apply(loaded(step.spec), PlanOptions(allow=ALLOW))
        if applied.planned.refused:
            assert applied.result is None
            assert before == self.look()
            applied = self.world.apply(loaded(step.spec), self.insist(step.spec, applied.planned))
        result = applied.result
        assert result is not None, [found.detail for found in applied.planned.diagnostics]
        bad = {
            str(address): one.reason
            for address, one in result.outcomes.items()
            if one.status in (Status.FAILED, Status.SKIPPED)
        }

        assert not bad, bad

        self.before = replace(
            self,
            touched=set(self.touched),
            ours=set(self.ours),
            protected=set(self.protected),
            edited=dict(self.edited),
        )
        self.took(step.spec)
        self.converged(step.spec)

    def insist(self, spec: Spec, planned: Planned) -> PlanOptions:
        """The options to apply in spite of a refusal, which must be one that the model knows a reason for."""
        refusals = [found for found in errors(planned.diagnostics) if found.refusal]
        assert len(refusals) == len(errors(planned.diagnostics)), errors(planned.diagnostics)
        for found in refusals:
            assert found.address is not None
            name = f"{found.address.kind}.{found.address.name}"

            # A directory with something in it stays when it leaves the spec, and is nobody's from then on;
            # keys may have moved to the user.
            left = found.address.kind in ("directories", "ssh_keys") and name not in addresses(self.spec)

            assert found.rule in ("adoption", "protected"), found
            assert (
                found.rule != "adoption"
                or found.address.part
                or left
                or name not in self.ours
                or not self.certain
            ), found.detail
            assert found.rule != "protected" or name in self.protected, found.detail
        unprotect = tuple(str(found.address) for found in refusals if found.rule == "protected")
        return PlanOptions(
            allow=ALLOW, adopt=any(found.rule == "adoption" for found in refusals), unprotect=unprotect
        )

    def took(self, spec: Spec) -> None:
        """Bring the course up to date after a whole apply."""
        declared = addresses(spec)
        stays = {
            name for name in self.touched & declared if said(spec, name).get("drift") in ("report", "ignore")
        }
        self.theirs |= {
            path: text
            for path, text in self.edited.items()
            if OF_FILES.get(path) not in declared and not is_right(path)
        }
        self.edited = {path: text for path, text in self.edited.items() if OF_FILES.get(path) in stays}
        self.theirs = {path: text for path, text in self.theirs.items() if OF_FILES.get(path) not in declared}
        self.touched = stays
        self.protected = {
            name for name in self.protected & declared if said(spec, name).get("protect") is not False
        }
        self.protected |= {name for name in declared if said(spec, name).get("protect")}
        self.once_protected |= self.protected
        self.ours |= declared
        self.spec, self.certain = spec, True
        for name in {name.partition(".")[2] for name in declared if "exactly" in keys_said(spec, name)}:
            self.keys.pop(name, None)

    def converged(self, spec: Spec) -> None:
        """The host is as the spec says, nothing of anybody else's is lost, and there
        is nothing left to do.
        """
        seen, state = self.look(), state_files(self.world)
        left = plan_of(self.world, spec)
        again = self.world.apply(loaded(spec), PlanOptions(allow=ALLOW))
        seen_again = self.look()

        lacking = complaints(seen, spec, frozenset(self.touched))

        assert [] == lacking, lacking
        assert [] == [step_words(step) for step in left.steps if not step.held]
        assert {} == {str(one.address): one.verb for one in left.changes if one.verb is not Verb.NONE}
        assert again.result is not None
        assert not again.result.changed
        assert seen == seen_again, difference(seen.paths, seen_again.paths)
        assert state == state_files(self.world)
        self.nothing_lost(seen)
        self.nothing_left(seen)
        self.processes_know(seen)

    def nothing_lost(self, seen: Seen) -> None:
        """Everything that is somebody's is there, to the byte."""
        found = {path: seen.text(path) for path in self.theirs}

        assert self.theirs == found, difference(self.theirs, found)
        for name, keys in self.keys.items():
            assert keys <= key_lines(seen, name), f"a key of {name} is lost"

    def nothing_left(self, seen: Seen) -> None:
        """An object that left the spec left the host: files unless somebody changed them, links, units and
        rights.
        """
        declared = addresses(self.spec)
        gone = {
            path
            for path, name in OF_FILES.items()
            if name in self.ours - declared and path not in self.theirs
        }
        assert set() == {
            path for path in gone if path in seen.paths and not (path in BEFORE and not self.was_taken(path))
        }
        shadow = seen.rows("/etc/shadow")
        for name in draw.USERS:
            if f"users.{name}" in self.ours - declared and name in shadow:
                assert name == "carol" or "1" == shadow[name][7], f"{name} left the spec and can log in"

    def was_taken(self, path: str) -> bool:
        """Whether what was there before us is ours by now."""
        return OF_FILES[path] in self.ours

    def processes_know(self, seen: Seen) -> None:
        """Every process has read its files as they are, or is owed it."""
        if self.world.simulated is None:
            return
        owed = {row.unit for row in read_memory(self.world.state, "").owed}
        for name, one in self.spec.get("services", {}).items():
            unit = f"{name}.service"
            process = self.world.simulated.started.get(unit)
            watched = {f"files.{path}" for path in one.get("watch", ())} | {
                "files./etc/z.conf",
                f"services.{name}",
            }
            if process is None or unit in owed or watched & self.touched:
                continue
            read = {path: process.at_reload.get(path, b"").decode() for path in one.get("watch", ())}

            assert {path: seen.text(path) for path in read} == read, unit
            if "environment_file" in one:
                assert seen.text("/etc/z.conf") == process.at_start.get("/etc/z.conf", b"").decode(), unit

    def kill(self, step: Step) -> None:
        """An apply that is killed; nobody has been asked about what it would take over."""
        planned = self.world.plan(loaded(step.spec), PlanOptions(allow=ALLOW))
        options = self.insist(step.spec, planned) if planned.refused else PlanOptions(allow=ALLOW)
        crashing(self.world, loaded(step.spec), options, step.at)
        declared = addresses(step.spec)
        self.ours |= declared
        self.protected |= {name for name in declared if said(step.spec, name).get("protect")}
        self.once_protected |= self.protected
        self.theirs |= {
            path: text
            for path, text in self.edited.items()
            if OF_FILES.get(path) not in declared and not is_right(path)
        }
        self.edited = {path: text for path, text in self.edited.items() if path in self.theirs}
        self.theirs = {path: text for path, text in self.theirs.items() if OF_FILES.get(path) not in declared}
        for name in {name.partition(".")[2] for name in declared if "exactly" in keys_said(step.spec, name)}:
            self.keys.pop(name, None)
        self.certain, self.before = False, None
        self.nothing_lost(self.look())

    def plan(self, step: Step) -> None:
        """A plan writes nothing."""
        before, state = self.look(), state_files(self.world)
        self.world.plan(loaded(step.spec), PlanOptions(allow=ALLOW))

        assert before == self.look()
        assert state == state_files(self.world)

    def roll_back(self, step: Step) -> None:
        """Undo the last run; what was changed by hand since is refused, and then nothing happens."""
        before = self.look()
        done = rolled_back(self.world)
        if done.result is None:
            assert before == self.look()
            return
        bad = {
            str(address): one.reason
            for address, one in done.result.outcomes.items()
            if one.status is Status.FAILED
        }

        assert not bad, bad
        # The ledger is as before that run; the model only knows that less may be ours than it
        # thought.
        self.certain = False
        self.protected = set(self.once_protected)
        # An object that was there before us, and was taken over by that run, is somebody's again.
        there = {OF_FILES[path] for path in BEFORE if path in OF_FILES} | {"users.carol", "ssh_keys.carol"}
        self.ours -= there - (self.before.ours if self.before else set())
        self.touched |= addresses(self.spec) | (addresses(self.before.spec) if self.before else set())
        self.theirs = {path: text for path, text in self.theirs.items() if path in hands_only()}
        now = self.look()
        # The run may have put right what somebody had edited: then the edit is back.
        self.edited = {path: text for path, text in self.once_edited.items() if now.text(path) == text}
        self.nothing_lost(now)

    def hand(self, step: Step) -> None:
        """Somebody does something."""
        hand = step.hand
        assert hand is not None
        if not hands.do(self.world, hand):
            return
        self.touched |= hands.addresses(hand)
        if hand.verb == "put":
            self.theirs[hand.target] = hand.more[0]
        if hand.verb == "append":
            self._appended(hand.target, hand.more[0])
        if hand.verb == "remove":
            self.edited.pop(hand.target, None)
            self.theirs.pop(hand.target, None)

    def _appended(self, path: str, text: str) -> None:
        if path.endswith("/authorized_keys"):
            if not text.startswith("#"):
                self.keys.setdefault(path.split("/")[2], set()).add(" ".join(text.split()[:2]))
            return
        self.edited[path] = self.once_edited[path] = self.look().text(path)
        if OF_FILES.get(path) not in self.ours or path in self.theirs:
            self.theirs[path] = self.edited.pop(path)


def is_right(path: str) -> bool:
    """Whether it lets somebody do something: that is taken back, whoever has changed it since."""
    return path.startswith("/etc/sudoers.d/")


def hands_only() -> set[str]:
    """Paths that no spec can declare."""
    return {*draw.FOREIGN, "/srv/old/data", "/home/carol/thesis"}


def addresses(spec: Spec) -> set[str]:
    """Every resource."""
    return {f"{kind}.{name}" for kind, named in spec.items() for name in named}


def said(spec: Spec, address: str) -> dict[str, Any]:
    """The fields of a resource in a spec; empty for a resource that is not in it."""
    kind, _, name = address.partition(".")
    found: dict[str, Any] = spec.get(kind, {}).get(name, {})
    return found


def keys_said(spec: Spec, address: str) -> dict[str, Any]:
    """The keys that a spec gives somebody, in the long form."""
    kind = address.partition(".")[0]
    keys = (
        said(spec, address).get("ssh_keys", {})
        if kind == "users"
        else said(spec, address)
        if kind == "ssh_keys"
        else {}
    )
    return keys if isinstance(keys, dict) else {"keys": keys}


def loaded(spec: Spec) -> Any:
    """The spec through the loader and the lint."""
    found = _NOTHING.loaded(spec)

    assert found.ok, [f"{one.summary}: {one.detail}" for one in errors(found.diagnostics)]
    return found


def plan_of(world: World, spec: Spec, options: PlanOptions | None = None) -> Plan:
    """The plan for a spec."""
    found = world.plan(loaded(spec), options or PlanOptions(allow=ALLOW))
    assert found.plan is not None, [one.detail for one in found.diagnostics]
    return found.plan


def step_words(step: Any) -> str:
    """A step as a plan says it."""
    return ("(held) " if step.held else "") + action_words(as_data(step.action), all_units=True)


def state_files(world: World) -> dict[str, tuple[int, int, bytes]]:
    """Our own state, but for the lock, and for the copy of figures that may be deleted at any time."""
    files = (
        {path: path.stat() for path in Path(world.state).iterdir() if path.is_file() and path.name != "lock"}
        if Path(world.state).exists()
        else {}
    )
    return {path.name: (facts.st_ino, facts.st_mtime_ns, path.read_bytes()) for path, facts in files.items()}


def decoys_of(seen: Seen) -> dict[str, Any]:
    """Objects that are nobody's business: the decoys, and the lines of the account files for those who have
    nothing to do with any spec.
    """
    found: dict[str, Any] = {path: seen.paths.get(path) for path in DECOYS}
    for file in draw.CAROL:
        rows = {
            name: row
            for name, row in seen.rows(file).items()
            if name in ("root", "daemon", "nobody", "decoy", "nogroup")
        }
        found[file] = rows
    return found


def difference(one: Any, other: Any) -> dict[str, Any]:
    """Only what differs."""
    return {key: (one.get(key), other.get(key)) for key in {*one, *other} if one.get(key) != other.get(key)}
