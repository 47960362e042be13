"""Which units that were started do not run, and why: `systemctl show` and the
journal are asked about each.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from reconciler.core.host import HostError
from reconciler.host.process.run import Result, run
from reconciler.host.systemd.unit_results import (
    RUNNING,
    Properties,
    blocks,
    last_words,
    load_error,
    said_of,
    verdict,
)

ASK_TIMEOUT = 30.0
MOST_OUTPUT = 64 << 20
POLL = 0.05
RESTARTING = "auto-restart"
MOST_JOURNALS = 5
"""The most failed units of one action that the journal is asked about: each is a process of its own."""
_SKIPPED = b" was skipped because of an unmet condition check "
"""How systemd says that it has passed over a start; with the MESSAGE_ID of every start."""
_SETTLING = 1.0
"""Seconds that one which is being started again is given to say why."""
_PROPERTIES = (
    "Id,Names,Type,LoadState,LoadError,ActiveState,SubState,Result,ExecMainCode,ExecMainStatus,ConditionResult,"
    "ConditionTimestampMonotonic,NRestarts,InvocationID"
)


def show(names: Sequence[str]) -> dict[str, Properties]:
    """Properties by the name that was asked for; empty when systemd cannot be asked."""
    if not names:
        return {}
    argv = ["systemctl", "show", "--no-pager", f"--property={_PROPERTIES}", "--", *names]
    try:
        found = blocks(run(argv, timeout=ASK_TIMEOUT, cap=MOST_OUTPUT).out)
    except HostError:
        return {}
    by_name = {name: block for block in found for name in block.get("Names", block.get("Id", "")).split()}
    return {name: by_name[name] for name in names if name in by_name}


def _show_settled(names: Sequence[str]) -> dict[str, Properties]:
    """Nothing tells any more why a unit ended that systemd is starting again already.

    That is told as soon as it ends once more.
    """
    found = show(names)
    deadline = time.monotonic() + _SETTLING
    while (
        starting := [name for name, said in found.items() if _is_starting_again(said)]
    ) and time.monotonic() < deadline:
        time.sleep(POLL)
        found |= show(starting)
    return found


def _is_starting_again(said: Properties) -> bool:
    return (
        said.get("ActiveState") == "activating"
        and said.get("SubState") != RESTARTING
        and said.get("NRestarts", "0") != "0"
    )


def verdicts(
    doubtful: Mapping[str, str], *, said: Result | None = None, replaced: frozenset[str] = frozenset()
) -> tuple[dict[str, str], dict[str, str]]:
    """Which of these units failed and why, and what is to be noted about the others.

    `doubtful` gives the invocation of each whose journal tells why; empty: the last one.
    """
    failed: dict[str, str] = {}
    notes: dict[str, str] = {}
    properties = _show_settled(tuple(doubtful))
    for name, invocation in doubtful.items():
        known = properties.get(name, {})
        # Since it was found not to run it may have been started again.
        another = (
            known.get("InvocationID") != invocation if invocation else known.get("NRestarts", "0") != "0"
        )
        again = another and known.get("ActiveState") in RUNNING
        found = verdict(
            known, said_of(name, said) if said and said.rc else "", replaced=name in replaced or again
        )
        if known.get("LoadState") in ("bad-setting", "error") and (reason := why_refused(name)):
            found = replace(found, words=f"{found.words.rstrip('.')}: {reason}")
        if found.failed and _was_passed_over(name, known):
            found = verdict({**known, "ConditionTimestampMonotonic": "1"})
        if found.failed:
            asked = len(failed) < MOST_JOURNALS
            failed[name] = found.words + (
                journal(invocation or known.get("InvocationID", ""), found.words) if asked else ""
            )
        elif found.words:
            notes[name] = found.words
    return failed, notes


def _was_passed_over(name: str, known: Properties) -> bool:
    """Whether the last that systemd did with a unit that it has unloaded since was to find its condition not
    to hold.
    """
    said = (
        known.get("LoadState"),
        known.get("ActiveState"),
        known.get("Result"),
        known.get("ConditionResult"),
        known.get("InvocationID"),
    )
    if said != ("loaded", "inactive", "success", "no", ""):
        return False
    argv = ["journalctl", "--no-pager", "--quiet", "--output=cat", "--lines=1", "_PID=1", f"UNIT={name}"]
    try:
        return _SKIPPED in run(argv, timeout=ASK_TIMEOUT).out
    except HostError:
        return False


def journal(invocation: str, said: str = "") -> str:
    """The end of what the unit and systemd wrote about this one invocation, beside what is `said` already;
    best effort.
    """
    if not invocation:
        return ""
    argv = ["journalctl", "--no-pager", "--quiet", "--output=cat", "--lines=30"]
    try:
        result = run(
            [*argv, f"_SYSTEMD_INVOCATION_ID={invocation}", "+", f"INVOCATION_ID={invocation}"],
            timeout=ASK_TIMEOUT,
        )
    except HostError:
        return ""
    return last_words(result.out, said)


def why_refused(name: str) -> str:
    """The message of PID 1 when it last refused the unit file of a unit; empty if it cannot be had."""
    argv = [
        "journalctl",
        "--no-pager",
        "--quiet",
        "--boot",
        "--output=cat",
        "--lines=30",
        "--priority=err",
        "_PID=1",
        f"UNIT={name}",
    ]
    try:
        return load_error(name, run(argv, timeout=ASK_TIMEOUT).out)
    except HostError:
        return ""
