"""Calls of systemctl with a verb, and their receipts."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from reconciler.core.actions import UnitVerb
from reconciler.core.basics.lazy_regex import Late
from reconciler.core.host import Receipt
from reconciler.host.process.run import Result, TimedOut, run
from reconciler.host.systemd.unit_results import GAVE_UP, is_about, said_of

_UNITS = "/etc/systemd/system"
_NOT_FOUND = Late(r"Unit (\S+) not found\.$")
_VERB_TIMEOUT = 900.0
"""Seconds for any other verb: above any sensible TimeoutStartSec (systemd's default is 90).

A unit without a limit of its own is not waited for any longer.
"""
_RELOAD_TIMEOUT = 200.0
"""Seconds for a daemon-reload. systemd ends its generators after 90, systemctl itself gives up after 180."""


def call_systemctl(verb: UnitVerb, names: Sequence[str]) -> Result:
    """The result of a call, however it ends. After the timeout only the wait ends; systemd's jobs go on."""
    timeout = _RELOAD_TIMEOUT if verb is UnitVerb.DAEMON_RELOAD else _VERB_TIMEOUT
    try:
        return run(
            ["systemctl", "--no-ask-password", "--no-pager", verb.value, "--", *names], timeout=timeout
        )
    except TimedOut:
        return Result(GAVE_UP, b"", f"systemd was still at it after {timeout:g} s".encode())


def start_units(verb: UnitVerb, names: Sequence[str]) -> Result:
    """The result of `start` or `restart`; a unit that systemd has not noticed yet is started after a reload.

    systemd looks for new files when the time of their directory differs from its last look. That time is
    counted in ticks of some milliseconds: a file that comes within the tick of a look is not found.
    """
    result = call_systemctl(verb, names)
    unseen = [name for name in names if _lacks_unseen(name, result)]
    if not unseen:
        return result
    call_systemctl(UnitVerb.DAEMON_RELOAD, ())
    again = call_systemctl(verb, unseen)
    lines = result.err.decode("utf-8", "replace").splitlines()
    of_others = "\n".join(line for line in lines if not any(is_about(name, line) for name in unseen))
    return Result(
        again.rc or (result.rc if of_others.strip() else 0), b"", again.err + b"\n" + of_others.encode()
    )


def _lacks_unseen(name: str, result: Result) -> bool:
    """Whether systemd did not find the unit, or one that it requires, although its file is there."""
    missing = _NOT_FOUND.search(said_of(name, result)) if result.rc else None
    return missing is not None and os.path.lexists(f"{_UNITS}/{missing[1]}")


def receipt(failed: Mapping[str, str]) -> Receipt:
    """The receipt of a verb with which these units failed, and why."""
    return Receipt(failed=failed or None)
