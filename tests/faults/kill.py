"""Kill an apply at one failpoint, look, apply again, look again.

To be used in a process of its own, see `worker`.
"""

from __future__ import annotations

import re
import signal
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults import forks
from tests.faults.forks import Ended, Hits
from tests.faults.scenarios import SCENARIOS
from tests.faults.stage import ACCOUNT_FILES, DECOYS, Facts, Stage, build, is_temporary, kept, ledger, picture
from tests.faults.systemd import PretendedSystemd, TreeWithSystemd

NOBODY = 65534
GATE = "gate.waiting"


@dataclass(frozen=True, slots=True)
class Setting:
    """Where an apply is killed.

    `host`: a tree as `--root` has it, one of an ordinary user, or the live host's code on a tree.

    `live` runs the commands of shadow-utils and has a systemd that is pretended. `first`: what is killed is
    the very first apply.
    """

    scenario: str
    host: str
    first: bool = False

    @property
    def name(self) -> str:
        """For people and for the command line of a worker."""
        return f"{self.scenario}/{self.host}/{'first' if self.first else 'change'}"

    @classmethod
    def parse(cls, name: str) -> Setting:
        """From its name."""
        scenario, host, which = name.split("/")
        return cls(scenario, host, which == "first")


SETTINGS = tuple(
    Setting(scenario, host, first)
    for scenario in SCENARIOS
    for host in ("tree", "live", "ordinary")
    for first in (False, True)
    if ((scenario, host) != ("units", "tree") or not first)
    and (scenario != "gates" or (host == "live" and not first))
)
"""Every way to be killed in."""


@dataclass(frozen=True, slots=True)
class Point:
    """One kill: the ordinal of a hit, counted from 1, and with `again` a second one in the apply that
    recovers.
    """

    at: int
    again: int = 0


@dataclass(slots=True)
class Verdict:
    """The outcome of a point: the failpoint's name, and the violations."""

    setting: str
    point: Point
    name: str
    wrong: list[str] = field(default_factory=list)


class Sweep:
    """All points of one setting. `place` is an empty directory of its own, in memory."""

    def __init__(self, setting: Setting, place: Path) -> None:
        self.setting = setting
        self._place = place
        self.uid = NOBODY if setting.host == "ordinary" else 0
        place.mkdir(parents=True)
        place.chmod(0o755)
        self._start = build(place / "start", SCENARIOS[setting.scenario], self.uid)
        self._wanted = "before" if setting.first else "after"
        self._codes = (0,) if setting.first else SCENARIOS[setting.scenario].codes
        self._use(self._start)
        forks.know([str(self._start.spec(name)) for name in ("before", "after")], str(self._start.tree))
        if not setting.first:
            done = self.apply(self._start, "before")
            assert done.code == 0, done.text
        self.seen_before = picture(self._start.tree)
        undisturbed = self._start.copied(place / "undisturbed")
        self._use(undisturbed)
        hits = Hits()
        done = self.apply(undisturbed, self._wanted, hits)
        assert done.code == self._codes[0], done.text
        self.names = hits.names()
        hits.close()
        self.seen_after = picture(undisturbed.tree)
        self.wanted_ledger = ledger(undisturbed, self.seen_after)
        self._tried = self._while_tried() if GATE in self.names and done.code else {}
        self._use(undisturbed)
        self._stale = self._systemd(undisturbed).stale()
        self.plan_text = self.said(self.plan(undisturbed))

    # ------------------------------------------------------------------------------------------------ running

    def _use(self, stage: Stage) -> None:
        """Which host the commands find from now on."""
        forks.use_host(
            (lambda root: TreeWithSystemd(str(Path(root or "/").resolve()), stage.systemd))
            if self.setting.host == "live"
            else None
        )

    def _systemd(self, stage: Stage) -> PretendedSystemd:
        return PretendedSystemd(stage.tree, stage.systemd)

    def apply(self, stage: Stage, spec: str, hits: Hits | None = None) -> Ended:
        """One apply, as it is typed."""
        return forks.run(self.command(stage, spec), hits, uid=self.uid)

    def command(self, stage: Stage, spec: str = "") -> list[str]:
        """The apply on a command line; of what is to be disturbed, if no other spec is named."""
        return ["apply", str(stage.spec(spec or self._wanted)), "--root", str(stage.tree), "--auto-approve"]

    def plan(self, stage: Stage) -> Ended:
        """One plan, which says by its exit code whether there is anything to do."""
        return forks.run(["plan", str(stage.spec(self._wanted)), "--root", str(stage.tree)], uid=self.uid)

    @staticmethod
    def said(plan: Ended) -> str:
        """The text of a plan, without the numbers of runs."""
        return re.sub(r"\brun \d+", "run N", plan.text)

    def _while_tried(self) -> dict[str, Facts]:
        """The tree while a version is on trial that will be put back."""
        stage = self.copy("tried")
        hits = Hits(self.names.index(GATE) + 1)
        self.apply(stage, self._wanted, hits)
        hits.close()
        return picture(stage.tree)

    def use(self) -> None:
        """This sweep's host from now on, where several take turns."""
        self._use(self._start)

    def copy(self, name: str = "killed") -> Stage:
        """A stage as it was before the apply."""
        stage = self._start.copied(self._place / name)
        self._use(stage)
        return stage

    def judge(self, point: Point) -> Verdict:
        """Kill there and see what comes of it."""
        verdict = Verdict(self.setting.name, point, self.names[point.at - 1])
        stage = self.copy()
        hits = Hits(point.at)
        ended = self.apply(stage, self._wanted, hits)
        names = hits.names()
        hits.close()
        if ended.code != -signal.SIGKILL or names[-1] != verdict.name:
            verdict.wrong.append(
                f"was not killed at {verdict.name}: exit {ended.code}, {names[-1:]}, {ended.text[-300:]}"
            )
            return verdict
        verdict.wrong += self.partial(stage)
        if point.again:
            hits = Hits(point.again)
            ended = self.apply(stage, self._wanted, hits)
            verdict.name += f" then {(hits.names() or ['nothing'])[-1]}"
            hits.close()
            verdict.wrong += self.partial(stage)
        verdict.wrong += self.converges(stage)
        return verdict

    # ------------------------------------------------------------------------------------------------ judging

    def partial(self, stage: Stage) -> Iterator[str]:
        """Everything a reader may see that is neither the old nor the new; and a memory that cannot be read."""
        memory = stage.memory()
        if memory.unreadable or (
            "damaged" in memory.damaged and "killed in the middle" not in memory.damaged
        ):
            yield f"after the kill the memory is damaged: {memory.damaged or memory.unreadable}"
        seen = picture(stage.tree)
        closed = [path for path, facts in seen.items() if self._is_closed(path, facts)]
        for path, facts in seen.items():
            if is_temporary(path):
                if facts[1] & 0o077 & ~self._widest(path):
                    yield f"a temporary file is open to others: {path} {facts[1]:o}"
                continue
            if not self._may_be(path, facts) and not any(path.startswith(f"{above}/") for above in closed):
                yield f"after the kill {path} is neither the old nor the new: {facts[:4]} {facts[4][:80]!r}"
        for path in self.seen_before.keys() & self.seen_after.keys() - seen.keys():
            # Removing renames first; what is to stay is never away.
            yield f"after the kill {path} is not there"

    def _widest(self, path: str) -> int:
        beside = path.rpartition("/")[0]
        modes = [
            facts[1]
            for seen in (self.seen_before, self.seen_after)
            for at, facts in seen.items()
            if at.rpartition("/")[0] == beside
        ]
        found = 0
        for mode in modes:
            found |= mode
        return found

    def _is_closed(self, path: str, facts: Facts) -> bool:
        """A directory in which nobody can be yet: it is new, and closed to all but root."""
        return (
            facts[0] == "directory"
            and path not in self.seen_before
            and facts[1] == 0o700
            and facts[2] == self.uid
        )

    def _may_be(self, path: str, facts: Facts) -> bool:
        either = [seen[path] for seen in (self.seen_before, self.seen_after, self._tried) if path in seen]
        if facts in either:
            return True
        if path in ACCOUNT_FILES:
            # One account after the other: never half a line, and nobody but who was there or shall be.
            accounts = {line.partition(b":")[0] for one in either for line in one[4].splitlines()}
            return {line.partition(b":")[0] for line in facts[4].splitlines()} <= accounts and facts[:4] in {
                one[:4] for one in either
            }
        kinds = {(known[0], known[4]) for known in either}
        if (facts[0], facts[4]) not in kinds:
            return False
        # Content as it should be, and access on its way: at no moment more than before or after.
        most = 0
        for known in either:
            most |= known[1]
        least = either[0][1]
        for known in either:
            least &= known[1]
        owners = {known[2:4] for known in either} | (
            {(self.uid, self.uid)} if path not in self.seen_before else set()
        )
        return facts[2:4] in owners and (
            facts[1] in {known[1] for known in either}
            or facts[1] & ~least == 0
            or self._is_closed(path, facts)
        )

    def converges(self, stage: Stage) -> Iterator[str]:
        """The differences from an undisturbed apply once the spec is applied again."""
        again = self.apply(stage, self._wanted)
        if again.code not in self._codes:
            yield f"the next apply exits {again.code}: {again.text[-600:]}"
        if "Traceback" in again.text or "internal error" in again.text:
            yield f"a traceback: {again.text[-600:]}"
        plan = self.plan(stage)
        if plan.code != 0:
            yield f"the next plan exits {plan.code}: {plan.text[-600:]}"
        elif self.said(plan) != self.plan_text:
            yield f"the next plan is not the undisturbed one's: {plan.text[-600:]}"
        seen = picture(stage.tree)
        yield from _differences("tree", self.seen_after, seen)
        yield from _differences("ledger", self.wanted_ledger, ledger(stage, seen))
        stale = self._systemd(stage).stale() - self._stale
        if stale:
            yield f"systemd is behind: {sorted(stale)}"
        try:
            lost = self._originals() - kept(stage)
        except sqlite3.Error as problem:
            yield f"the undo store cannot be read: {problem}"
            return
        if lost:
            yield f"what was replaced is in no undo store: {sorted(lost)[:2]}"
        for path in DECOYS:
            if seen.get(path) != self.seen_before[path]:
                yield f"a decoy has changed: {path}"

    def _originals(self) -> frozenset[bytes]:
        """The contents of the files that an apply replaces or removes."""
        changed = {
            facts[4]
            for path, facts in self.seen_before.items()
            if facts[0] == "file"
            and path not in ACCOUNT_FILES
            and self.seen_after.get(path, ("", 0, 0, 0, b""))[4] != facts[4]
        }
        return frozenset(changed)


def _differences(what: str, wanted: Mapping[str, object], found: Mapping[str, object]) -> Iterator[str]:
    for key in sorted(wanted.keys() | found.keys()):
        if wanted.get(key) != found.get(key):
            yield f"{what}: {key} is {found.get(key)!r} and not {wanted.get(key)!r}"
