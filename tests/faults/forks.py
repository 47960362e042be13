"""The real command line in a forked child of a process that has imported everything: a run costs a fork
instead of a start of Python.

The forking process must have one thread only. The child's output goes into memory; every failpoint that it,
or a child of its own, comes by is counted in memory that they share, which survives a SIGKILL.
"""

from __future__ import annotations

import gc
import importlib
import mmap
import os
import pkgutil
import signal
import struct
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import reconciler
from reconciler.app.plan.options import PlanOptions
from reconciler.app.plan.plan import plan_host
from reconciler.app.specs import SpecChoice, load_spec
from reconciler.cli.main import main
from reconciler.cli.shared.output import plan_data
from reconciler.host import hosts
from reconciler.host.process import failpoints
from reconciler.render.plan.text import plan_text

_SIZE = 1 << 20
_HEAD = struct.Struct("<qqq")
"""Hits so far, the ordinal to kill at (0: none), bytes of names."""


def import_all() -> None:
    """Everything that a command could import later, once."""
    for found in pkgutil.walk_packages(reconciler.__path__, "reconciler."):
        importlib.import_module(found.name)
    for name in (
        "deepdiff",
        "subprocess",
        "ctypes",
        "jsonschema",
        "sqlite3",
        "uuid",
        "encodings.idna",
        "selectors",
        "zlib",
        "socket",
    ):
        importlib.import_module(name)


def know(specs: Iterable[str], root: str) -> None:
    """Work out what a process works out once for the specs that its children will read: models, expressions,
    how it is all written down.
    """
    for spec in specs:
        found = load_spec(SpecChoice(spec, ""), bytes)
        assert found.spec is not None, found.diagnostics
        for declared in found.spec.resources:
            declared.resource.model_dump(mode="json", exclude_defaults=True)
        plan_text(dict(plan_data(plan_host(found, PlanOptions(root)))), colour=False, verbose=False)
    # Objects that exist by now belong to nobody: no child looks through it, so the memory stays shared.
    gc.collect()
    gc.freeze()


class Hits:
    """The failpoints that a child came by, in order. With `at` it is killed at that one, counted from 1."""

    def __init__(self, at: int = 0) -> None:
        self._memory = mmap.mmap(-1, _SIZE)
        self._memory[: _HEAD.size] = _HEAD.pack(0, at, 0)

    def __call__(self, name: str) -> None:
        """One hit."""
        count, at, size = _HEAD.unpack(self._memory[: _HEAD.size])
        text = name.encode() + b"\n"
        start = _HEAD.size + size
        self._memory[start : start + len(text)] = text
        self._memory[: _HEAD.size] = _HEAD.pack(count + 1, at, size + len(text))
        if count + 1 == at:
            os.kill(os.getpid(), signal.SIGKILL)

    def names(self) -> list[str]:
        """The names of the failpoints that were hit."""
        _, _, size = _HEAD.unpack(self._memory[: _HEAD.size])
        return self._memory[_HEAD.size : _HEAD.size + size].decode().splitlines()

    def close(self) -> None:
        """Give the memory back."""
        self._memory.close()


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended: exit code, negative for a signal; and what it printed, errors included."""

    code: int
    text: str


def start(
    argv: Sequence[str],
    output: int,
    hits: Callable[[str], None] | None = None,
    *,
    uid: int = 0,
    gate: int = -1,
) -> int:
    """Fork a child that runs the command; its pid.

    With a `gate`, a descriptor, it waits until something can be read there.
    """
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    try:
        _live(argv, output, hits, uid, gate)
    except SystemExit as leave:
        os._exit(leave.code if isinstance(leave.code, int) else 1)
    except BaseException:  # noqa: BLE001  # whatever it is, it must not leave the child
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(99)


def _live(argv: Sequence[str], output: int, hits: Callable[[str], None] | None, uid: int, gate: int) -> None:
    os.setsid()
    gc.disable()
    nothing = os.open("/dev/null", os.O_RDONLY)
    for target, source in ((0, nothing), (1, output), (2, output)):
        os.dup2(source, target)
    # As at the start of a process: what pytest or a worker put in their place is none of the command's
    # business.
    sys.stdin, sys.stdout, sys.stderr = (
        os.fdopen(os.dup(fd), mode, encoding="utf-8") for fd, mode in ((0, "r"), (1, "w"), (2, "w"))
    )
    if uid:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    if gate >= 0:
        os.read(gate, 1)
    failpoints.watch(hits)
    sys.argv = ["reconciler", *argv]
    main()


def wait(pid: int) -> int:
    """The exit code of a child, negative for a signal."""
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


@contextmanager
def paper() -> Iterator[int]:
    """Something to print on."""
    fd = os.memfd_create("output")
    try:
        yield fd
    finally:
        os.close(fd)


def printed(fd: int) -> str:
    """The text that was printed on the descriptor."""
    return os.pread(fd, 1 << 22, 0).decode("utf-8", "replace")


def run(argv: Sequence[str], hits: Callable[[str], None] | None = None, *, uid: int = 0) -> Ended:
    """Run the command to its end."""
    with paper() as fd:
        code = wait(start(argv, fd, hits, uid=uid))
        return Ended(code, printed(fd))


def use_host(make: Callable[[str | None], Any] | None) -> None:
    """From now on commands of children find this host instead of the one that `--root` says; None: the real
    one again.
    """
    host = make or hosts.open_host
    for name, module in list(sys.modules.items()):
        if (
            name.startswith("reconciler.")
            and name != "reconciler.host.hosts"
            and hasattr(module, "open_host")
        ):
            module.open_host = host  # type: ignore[attr-defined]  # every module that imported it by name
