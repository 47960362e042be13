"""Power cuts while the real command applies: state and files on one small file system, cut at any moment,
mounted again and looked at.

The host goes back and forth between two specs, so that each apply creates, replaces and removes; every tenth
one begins without a state. An apply is a fork of this process, which has everything loaded already: a cut
costs a tenth of a second.
"""

from __future__ import annotations

import gc
import mmap
import os
import random
import shutil
import signal
import stat
import struct
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from reconciler.cli.main import run as run_command
from reconciler.core.host import HostError
from reconciler.host import tree
from reconciler.host.files.temporary_names import is_temporary
from reconciler.host.live import LiveHost
from reconciler.host.process import failpoints
from reconciler.host.state.read import read_memory
from reconciler.host.state.store import open_history, recover
from tests.faults.disk import FLUSH_JOURNAL, FLUSH_NOTHING, Disk

MACHINE = "0123456789abcdef0123456789abcdef"
UID = 41500
_NEVER = 1 << 30
_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE/IKyauy0fShoxO++NYFzKj58vMbC77MgYsCBcKBe64 alice@one"
_OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGtR1DHfXX8UHL7OzPee3z3YYcO0Bp8LEWYaPu+su6kY alice@two"

_SPEC = """\
version: 1
host: power
directories:
  /etc/app: {{mode: "0755"}}
  /srv/{name}: {{mode: "{mode}"}}
files:
  /etc/app/a.conf: {{content: "{name}\\n{long}", mode: "{mode}"}}
  /etc/app/b.conf: {{content: "{name}{name}\\n", mode: "0600"}}
  /etc/app/same.conf: {{content: "same\\n", mode: "0644"}}
  /etc/{name}.conf: {{content: "only {name}\\n", mode: "0640"}}
services:
  web: {{exec_start: [/bin/true, "{name}"], enabled: {enable}, state: stopped}}
  {name}: {{exec_start: [/bin/true]}}
timers:
  tick: {{schedule: "{hour} 2 * * *", exec_start: [/bin/true]}}
ssh_keys:
  alice: {{exactly: ["{key}"]}}
"""


def specs() -> dict[str, str]:
    """The two specs by name."""
    one = _SPEC.format(name="one", mode="0750", long="a" * 9000, enable="true", hour=1, key=_KEY)
    two = _SPEC.format(name="two", mode="0755", long="b" * 11, enable="false", hour=2, key=_OTHER)
    return {"one": one, "two": two}


Seen = Mapping[str, tuple[object, ...]]


def look(root: Path) -> dict[str, tuple[object, ...]]:
    """Type, mode, owner and content of everything in a tree.

    Nobody promises that a directory's mode and owner survive alone.
    """
    found: dict[str, tuple[object, ...]] = {}
    for directory, subdirectories, files in os.walk(root):
        for name in (*subdirectories, *files):
            path = Path(directory) / name
            facts = path.lstat()
            content = (
                str(path.readlink()) if path.is_symlink() else path.read_bytes() if path.is_file() else b""
            )
            found[f"/{path.relative_to(root)}"] = (
                stat.filemode(facts.st_mode),
                facts.st_uid,
                facts.st_gid,
                content,
            )
    return found


_DEAD = -1


class _Fuse:
    """Kills at the n-th failpoint of any name.

    It is shared with the children that act as users: where one died, its parent dies.
    """

    def __init__(self, hits: int) -> None:
        self._shared = mmap.mmap(-1, 4)
        self._set(hits)

    @property
    def left(self) -> int:
        """How many hits are left."""
        return int(struct.unpack("i", self._shared[:4])[0])

    def _set(self, left: int) -> None:
        self._shared[:4] = struct.pack("i", left)

    def hit(self, _name: str) -> None:
        """In place of `failpoints.hit`."""
        left = self.left
        if left in (1, _DEAD):
            self._set(_DEAD)
            os.kill(os.getpid(), signal.SIGKILL)
        self._set(left - 1)

    def follow(self, *_: object) -> None:
        """In place of `failpoints.follow`."""
        if self.left == _DEAD:
            os.kill(os.getpid(), signal.SIGKILL)

    def arm(self) -> None:
        """Put it everywhere, whatever is armed by name."""
        ours = failpoints.hit
        for module in list(sys.modules.values()):
            if getattr(module, "hit", None) is ours:
                vars(module)["hit"] = self.hit
        vars(failpoints)["follow"] = self.follow


@dataclass
class Moment:
    """When the power goes: at a failpoint, after so many seconds, or when everything is done (both zero)."""

    hit: int = 0
    seconds: float = 0.0


@dataclass
class Bench:
    """A host on a disk, with the two specs."""

    disk: Disk
    place: Path
    live: bool = True
    plant: Callable[[], None] = lambda: None
    violations: list[str] = field(default_factory=list)
    bare: Seen = field(default_factory=dict)
    wanted: dict[str, Seen] = field(default_factory=dict)
    seconds: float = 0.0
    cuts: int = 0
    interrupted: int = 0

    @property
    def root(self) -> Path:
        """The tree."""
        return self.disk.root / "tree"

    @property
    def state(self) -> Path:
        """Its state."""
        return self.disk.root / "tree.reconciler"

    def begin(self) -> None:
        """Lay out the tree and learn what both specs make of it."""
        for name in ("etc/systemd/system", "etc/cron.d", "srv", "usr/bin", "root", "var/lib", "home", "bin"):
            (self.root / name).mkdir(parents=True)
        etc = self.root / "etc"
        (etc / "machine-id").write_text(MACHINE + "\n")
        (etc / "hostname").write_text("power\n")
        (etc / "passwd").write_text(
            f"root:x:0:0:root:/root:/bin/sh\nalice:x:{UID}:{UID}::/home/alice:/bin/sh\n"
        )
        (etc / "group").write_text(f"root:x:0:\nalice:x:{UID}:\n")
        (etc / "shadow").write_text("root:*:20000:0:99999:7:::\nalice:*:20000:0:99999:7:::\n")
        (self.root / "bin/true").write_text("")
        (self.root / "bin/true").chmod(0o755)
        (self.root / "home/alice").mkdir(mode=0o750)
        os.chown(self.root / "home/alice", UID, UID)
        for name, text in specs().items():
            (self.place / f"{name}.yaml").write_text(text)
        self._warm_up()
        # Learnt before anything is planted.
        plant, self.plant = self.plant, lambda: None
        self.bare = look(self.root)
        for name in ("one", "two", "one"):
            started = time.monotonic()
            assert self.apply(name) == 0, self.said()
            self.seconds = time.monotonic() - started
            self.wanted[name] = look(self.root)
        self.plant = plant
        self.disk.sync()

    def _warm_up(self) -> None:
        """Load here what an apply loads, so that its forks need not."""
        other = self.place / "warm"
        shutil.copytree(self.root, other)
        os.chown(other / "home/alice", UID, UID)
        with Path(os.devnull).open("w", encoding="utf-8") as nothing, redirect_stdout(nothing):
            for command in (["apply", "--auto-approve"], ["plan"]):
                run_command([command[0], str(self.place / "one.yaml"), "--root", str(other), *command[1:]])
        gc.collect()

    def apply(self, name: str, moment: Moment | None = None) -> int:
        """Apply a spec in a fork, with the power going at that moment: its exit status, negative for a
        signal.
        """
        pid = os.fork()
        if pid == 0:
            self._live(
                ["apply", str(self.place / f"{name}.yaml"), "--root", str(self.root), "--auto-approve"],
                moment.hit if moment else 0,
            )
        if moment and moment.seconds:
            time.sleep(moment.seconds)
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def said(self) -> str:
        """The output of the last command."""
        return (self.place / "said").read_text(errors="replace")

    def _live(self, argv: list[str], hit: int) -> NoReturn:
        code, fuse = 99, _Fuse(hit or _NEVER)
        try:
            with suppress(ProcessLookupError, PermissionError):
                os.setpgid(0, 0)
            said = os.open(self.place / "said", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            os.dup2(said, 1)
            os.dup2(said, 2)
            sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
            if self.live:
                tree.TreeHost = lambda root, _state: LiveHost(root)  # type: ignore[assignment,misc,return-value]  # batches, as live
            self.plant()
            fuse.arm()
            code = int(run_command(argv))
        except BaseException:  # noqa: BLE001  # whatever it is, the parent reads it
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            (self.place / "left").write_text(str(fuse.left))
            os._exit(code)

    def plan(self, name: str) -> tuple[int, str]:
        """Exit status and words of `plan --detailed-exitcode`."""
        pid = os.fork()
        if pid == 0:
            self._live(
                ["plan", str(self.place / f"{name}.yaml"), "--root", str(self.root), "--detailed-exitcode"], 0
            )
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), self.said()

    def cut(self, new: str, moment: Moment, flush: int, *, check: bool = False) -> None:
        """One power cut on the way to `new`: what is wrong right after it, and after the next apply, is
        noted.
        """
        before, wanted = look(self.root), self.wanted[new]
        ended = self.apply(new, moment)
        words = self.said()
        broken = self.disk.cut(flush, check=check)
        self.cuts += 1
        self.interrupted += ended == -signal.SIGKILL
        where = (
            f"{self.disk.kind} flag {flush} {'live' if self.live else 'tree'} to {new} at {moment}, ended"
            f" {ended}"
        )
        found = [broken] if broken else []
        if "Traceback" in words:
            found.append(f"a traceback\n{words}")
        found += [f"right after: {said}" for said in self._right_after(before, wanted, ended)]
        found += [f"afterwards: {said}" for said in self._afterwards(new, wanted)]
        self.violations += [f"{where}: {said}" for said in found]

    def _right_after(self, before: Seen, wanted: Seen, ended: int) -> Iterator[str]:
        now = look(self.root)
        for path in sorted({*before, *now, *wanted}):
            old, new, seen = before.get(path), wanted.get(path), now.get(path)
            if is_temporary(path.rpartition("/")[2]):
                # Under construction it may have any content, but never more rights than what it will be.
                if (
                    seen
                    and str(seen[0])[7:] != "---"
                    and seen[3] not in {facts[3] for facts in (*before.values(), *wanted.values())}
                ):
                    yield f"{path} is open to all and has neither the old nor the new content"
                continue
            if seen not in (old, new) and not (seen and str(seen[0]).startswith("d")):
                yield f"{path} is {_short(seen)}, was {_short(old)}, will be {_short(new)}"
            if ended == 0 and seen != new and not (seen and new and str(seen[0]).startswith("d")):
                yield f"{path} is {_short(seen)}, but the apply said that it was done: {_short(new)}"
        try:
            recover(str(self.state))
        except HostError as problem:
            yield f"the state cannot be recovered: {problem}"
        memory = read_memory(str(self.state), MACHINE)
        if memory.damaged or memory.unreadable:
            yield f"the ledger: {memory.damaged}{memory.unreadable}"
        if not self._kept(before, now, memory.interrupted):
            yield "what was replaced is not in the undo store"

    def _kept(self, before: Seen, now: Seen, run: int) -> bool:
        """Whether the undo store of the interrupted run has the content of every
        file that is not as before.
        """
        if not run:
            return True
        lost = {
            path for path, facts in before.items() if str(facts[0]).startswith("-") and now.get(path) != facts
        }
        lost = {path for path in lost if not is_temporary(path.rpartition("/")[2])}
        history = open_history(str(self.state))
        if history is None:
            return not lost
        with history:
            saved = {found.path: found.content for found in history.undo(run)}
        return all(saved.get(path) == before[path][3] for path in lost)

    def _afterwards(self, new: str, wanted: Seen) -> Iterator[str]:
        code = self.apply(new)
        words = self.said()
        planned, shown = self.plan(new)
        if code or planned:
            yield f"apply exits with {code}, plan with {planned}\n{words}\n{shown}"
        now = look(self.root)
        differing = [path for path in {*now, *wanted} if now.get(path) != wanted.get(path)]
        yield from (
            f"{path} is {_short(now.get(path))}, should be {_short(wanted.get(path))}" for path in differing
        )

    def run(self, cuts: int, seed: int, *, enough: int = 1 << 30, check_every: int = 25) -> None:
        """So many cuts: most at a random failpoint, some at a random time, some when all is done; both flags
        in turn.

        No more when `enough` violations are found.
        """
        chance = random.Random(seed)  # noqa: S311  # the same moments every time
        hits = {name: self._hits(name) for name in ("two", "one")}
        self._forget_all()
        hits["first"] = self._hits("one")
        self.disk.sync()
        for number in range(cuts):
            if len(self.violations) >= enough:
                return
            first = number % 10 == 9
            new = "one" if first or not (self.root / "etc/one.conf").exists() else "two"
            if first:
                self._forget_all()
            moment = Moment(hit=chance.randint(1, hits["first" if first else new]))
            if number % 5 == 3:
                moment = Moment(seconds=chance.uniform(0.005, self.seconds))
            elif number % 16 == 7:
                moment = Moment()
            self.live = number % 4 != 0
            flush = (FLUSH_JOURNAL, FLUSH_NOTHING)[number % 2]
            self.cut(new, moment, flush, check=number % check_every == 0)

    def _forget_all(self) -> None:
        """Back to a host on which nothing was ever applied."""
        for path in sorted(look(self.root).keys() - self.bare.keys(), reverse=True):
            there = self.root / path[1:]
            there.rmdir() if there.is_dir() and not there.is_symlink() else there.unlink()
        for file in self.state.iterdir():
            file.unlink()
        self.state.rmdir()
        self.disk.sync()

    def _hits(self, new: str) -> int:
        """How many failpoints an apply passes, which is done for it."""
        assert self.apply(new, Moment(hit=_NEVER)) == 0, self.said()
        return _NEVER - int((self.place / "left").read_text())


def _short(facts: tuple[object, ...] | None) -> str:
    return "absent" if facts is None else " ".join(repr(fact)[:60] for fact in facts)
