"""Asking apt-get what a transaction would do. It takes no lock, downloads nothing and writes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from reconciler.core.host import Transaction, Unreadable
from reconciler.formats.packages import apt_simulation
from reconciler.host.process.run import NotRun, ProgramMissing, Result, TimedOut, escape, run

_TIMEOUT = 60.0
_FIRST_WORDS = 3
"""Sentences of a refusal that are told."""


def transaction(install: Sequence[str], remove: Sequence[str]) -> Transaction | None:
    """The outcome of a transaction; None on a host without apt-get. Raises Unreadable."""
    argv = ["apt-get", "--simulate", "--quiet", "--option=Debug::NoLocking=true", *words(install, remove)]
    try:
        result = run(argv, timeout=_TIMEOUT)
    except ProgramMissing:
        return None
    except (NotRun, TimedOut) as error:
        raise Unreadable("apt-get does not answer", str(error)) from error
    answer = apt_simulation.parse(result.out.decode("utf-8", "replace"))
    return replace(answer, refusal=complaint(result)) if result.rc else answer


def words(install: Sequence[str], remove: Sequence[str]) -> list[str]:
    """The words of apt-get(8) for a transaction: a package that goes has a minus sign behind its name."""
    return [
        "install",
        *(wanted.partition(">=")[0] for wanted in install),
        *(f"{name}-" for name in remove),
    ]


def complaint(result: Result) -> str:
    """The words of apt-get about why it failed: the lines that begin with `E:`, else the first of stderr."""
    lines = (line.strip() for line in result.err.decode("utf-8", "replace").splitlines())
    errors = [escape(line.removeprefix("E: ")) for line in lines if line.startswith("E: ")]
    return "; ".join(errors[:_FIRST_WORDS]) or result.message
