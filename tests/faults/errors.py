"""Break one system call of an apply, or end the process at it; look, apply again without the fault, look again."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tests.faults import strace
from tests.faults.forks import Ended
from tests.faults.kill import Setting, Sweep
from tests.faults.stage import Stage, ledger, picture
from tests.faults.strace import Call

ERRORS = ("EIO", "ENOSPC", "EROFS", "EACCES", "EMFILE")
KILL = "signal=KILL"

_NAMES_SOMETHING = re.compile(r"/|\b(?:files|directories|groups|users|ssh_keys|services|timers|logrotate|backups)[.\[]|state|lock|witness")
_EMPTY = re.compile(r"tree: \S+ is \('directory', .*, b''\) and not None")
"""A directory that could not be removed although it was empty: it is told, and then it is nobody's."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is injected where: `signal=KILL`, `error=EIO`, or `error=EIO+` at this and at every later call of the name."""

    call: Call
    what: str

    @property
    def about_durability(self) -> bool:
        """Whether what was written is said not to be on disk."""
        return self.call.name in ("fsync", "fdatasync")


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

    def judge_fault(self, fault: Fault) -> list[str]:
        """What must not be."""
        stage = self.copy("broken")
        ended, happened = strace.injected(self.command(stage), self._trace, fault.call, fault.what, uid=self.uid)
        if not happened:
            return [f"the fault was not injected: exit {ended.code}: {ended.text[-300:]}"]
        if fault.what == KILL:
            found = [] if ended.code == -signal.SIGKILL else [f"was not killed: exit {ended.code}"]
            return [*found, *self.partial(stage), *self.converges(stage)]
        wrong = [*self._told(stage, ended, fault), *self.partial(stage), *self.converges(stage)]
        return [one for one in wrong if not (fault.call.name == "unlinkat" and _EMPTY.match(one))]

    def _told(self, stage: Stage, ended: Ended, fault: Fault) -> Iterator[str]:
        if "Traceback" in ended.text or "internal error" in ended.text or not 0 <= ended.code < 99:
            yield f"it ends with {ended.code} and a traceback: {ended.text[-900:]}"
        if ended.code and not _NAMES_SOMETHING.search(ended.text):
            yield f"nobody is told what failed: {ended.text[-300:]}"
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
