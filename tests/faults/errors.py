"""Break one system call of an apply, or end the process at it; look, apply again without the fault, look
again.
"""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.faults import forks, strace
from tests.faults.forks import Ended
from tests.faults.kill import Setting, Sweep
from tests.faults.stage import Stage, is_temporary, ledger, picture
from tests.faults.strace import Call

ERRORS = ("EIO", "ENOSPC", "EROFS", "EACCES", "EMFILE")
KILL = "signal=KILL"

_OUR_OWN = re.compile(r"\b[Tt]he (?:state|lock|witness)\b")
_TEMPORARY = re.compile(r"\.?reconciler\.[0-9a-f]+\.tmp~?")
_BLAMED = re.compile(r"^  x (\S+)$", re.MULTILINE)
OURS = "our state"
_AFTER_PLAN = "\nPlan: "
_EMPTY = re.compile(r"tree: \S+ is \('directory', .*, b''\) and not None")
"""A directory that could not be removed although it was empty: it is told, and then it is nobody's."""


def _places(call: Call) -> list[str]:
    """The paths of a call, the same for every copy of the stage."""
    return [_TEMPORARY.sub("temporary", path.partition("/tree")[2]) for path in call.paths()]


def blamed(said: str) -> frozenset[str]:
    """The addresses that an apply says have failed, and OURS where it names our state or lock."""
    return frozenset(map(_base, _BLAMED.findall(said))) | ({OURS} if _OUR_OWN.search(said) else set())


def _base(address: str) -> str:
    """An address without the part of its resource."""
    return address if '"' in address else address.partition("/")[0]


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault and the call that it hits: `signal=KILL`, `error=EIO`, or `error=EIO+` at this and at every
    later call of the name.
    """

    call: Call
    what: str

    @property
    def about_durability(self) -> bool:
        """Whether what was written is said not to be on disk.

        What SQLite makes of the directory it passes over; that our own fsync of it counts is shown in
        tests/state/test_store.py.
        """
        return self.call.name == "fsync" or (
            self.call.name == "fdatasync" and not self.call.paths()[0].endswith(".reconciler")
        )

    @property
    def lasts(self) -> bool:
        """Whether later calls of the name fail as well."""
        return self.what.endswith("+")


class Faulty(Sweep):
    """The same stages, with faults in system calls."""

    def __init__(self, setting: Setting, place: Path) -> None:
        super().__init__(setting, place)
        self._trace = place / "trace"

    @cached_property
    def calls(self) -> list[Call]:
        """Every call of an undisturbed apply that changes something, from the lock on."""
        ended, calls = strace.counted(self.command(self.copy("counted")), self._trace, uid=self.uid)
        assert ended.code == 0, ended.text
        first = next((at for at, call in enumerate(calls) if call.name == "flock"), 0)
        return calls[first:]

    @cached_property
    def _steps(self) -> list[dict[str, Any]]:
        """The steps of an undisturbed apply, each with the resources that it is for."""
        stage = self.copy("planned")
        argv = ["plan", str(stage.spec(self._wanted)), "--root", str(stage.tree), "--json"]
        said = forks.run(argv, uid=self.uid).text
        return list(json.loads(said)["steps"])

    @cached_property
    def _other_names(self) -> dict[str, str]:
        """Temporary names, of an undisturbed apply, and what each becomes, or was."""
        pairs = [call.paths() for call in self.calls if call.name.startswith("rename")]
        return {
            temporary: other
            for pair in pairs
            for temporary, other in (pair, pair[::-1])
            if is_temporary(temporary)
        }

    def subjects(self, call: Call) -> frozenset[str]:
        """The addresses for which a call was made; OURS of our own state and lock."""
        paths = [self._other_names.get(path, path) for path in call.paths()]
        if any("/tree.reconciler" in path for path in paths):
            return frozenset({OURS})
        inside = [path.partition("/counted/tree")[2] or path for path in paths]
        found = [step for step in self._steps if self._is_about(step, inside)]
        # An action without a path is about an account: its lines, its home, the program that makes it.
        found = found or [step for step in self._steps if step["action"] == "Account"]
        return frozenset(_base(cause["address"]) for step in found for cause in step["causes"])

    @staticmethod
    def _is_about(step: Mapping[str, Any], paths: Sequence[str]) -> bool:
        if step["action"] == "Account":
            return any(
                path.startswith(f"/home/{step['name']}/") or path == f"/home/{step['name']}" for path in paths
            )
        path = step.get("path", "")
        above = path.rpartition("/")[0]
        near = {path, above}
        if step["action"] == "MakeLink" or step.get(
            "prune_parent"
        ):  # it may make or remove the directory it is in
            near.add(above.rpartition("/")[0])
        return bool(path) and not near.isdisjoint(paths)

    def judge_fault(self, fault: Fault) -> list[str]:
        """The violations after an apply with the fault."""
        hit = self._hit(
            fault
        )  # before the copy: the last stage that was made is the one whose systemd is asked
        stage = self.copy("broken")
        ended, happened = strace.injected(
            self.command(stage), self._trace, fault.call, fault.what, uid=self.uid
        )
        if happened is None:
            return [f"the fault was not injected: exit {ended.code}: {ended.text[-300:]}"]
        if fault.what == KILL:
            found = [] if ended.code == -signal.SIGKILL else [f"was not killed: exit {ended.code}"]
            return [*found, *self.partial(stage), *self.converges(stage)]
        # One call more or less before it, of those that only look, and it has hit another one: whom, only the
        # call itself could tell.
        hit = hit if _places(happened) == _places(fault.call) else None
        wrong = [*self._told(stage, ended, fault, hit), *self.partial(stage), *self.converges(stage)]
        return [one for one in wrong if not (fault.call.name == "unlinkat" and _EMPTY.match(one))]

    def _hit(self, fault: Fault) -> frozenset[str] | None:
        """Whom it may hit, by address or OURS; None where it hits what is printed as well: then only the exit
        code can tell.
        """
        if not fault.lasts:
            return self.subjects(fault.call)
        if fault.call.name == "write":
            return None
        later = [call for call in self.calls if call.name == fault.call.name and call.n >= fault.call.n]
        return frozenset[str]().union(*(self.subjects(call) for call in later))

    def _told(self, stage: Stage, ended: Ended, fault: Fault, hit: frozenset[str] | None) -> Iterator[str]:
        if "Traceback" in ended.text or "internal error" in ended.text or not 0 <= ended.code < 99:
            yield f"it ends with {ended.code} and a traceback: {ended.text[-900:]}"
        said = ended.text.rpartition(_AFTER_PLAN)[2]  # the plan above names everything
        if ended.code and hit is not None and not hit & blamed(said):
            yield f"what failed is not told, {sorted(hit)}: {said[-700:]}"
        if not ended.code and fault.about_durability:
            yield "exit 0 after an fsync that failed"
        seen = picture(stage.tree)
        as_wanted = seen == self.seen_after
        if not ended.code and not as_wanted:
            yield "exit 0, and the tree is not as declared"
        if not ended.code and self.wanted_ledger != ledger(stage, seen):
            yield "exit 0, and the ledger is not as after an undisturbed apply"
        if not as_wanted and self.said(self.plan(stage)) == self.plan_text:
            yield "the tree is not as declared, and the next plan does not say so"
