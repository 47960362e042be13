"""The started units that do not run, and the reason for each, from `systemctl show` and the journal."""

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
"""The sub-state of a unit that waits for its restart (Restart=)."""
MOST_JOURNALS = 5
"""The most failed units of one action that the journal is asked about: each is a process of its own."""
_SKIPPED = b" was skipped because of an unmet condition check "
"""systemd's words for a start that it has skipped; they have the MESSAGE_ID of every start."""
_SETTLING = 1.0
"""Seconds that a unit which is being started again has to end once more."""
_PROPERTIES = (
    "Id,Names,Type,LoadState,LoadError,ActiveState,SubState,Result,ExecMainCode,ExecMainStatus,ConditionResult,"
    "ConditionTimestampMonotonic,NRestarts,InvocationID"
)


def show(names: Sequence[str]) -> dict[str, Properties]:
    """The properties of units by the name that was asked for; empty when systemd cannot be asked."""
    if not names:
        return {}
    argv = ["systemctl", "show", "--no-pager", f"--property={_PROPERTIES}", "--", *names]
    try:
        answers = blocks(run(argv, timeout=ASK_TIMEOUT, cap=MOST_OUTPUT).out)
    except HostError:
        return {}
    by_name = {name: block for block in answers for name in block.get("Names", block.get("Id", "")).split()}
    return {name: by_name[name] for name in names if name in by_name}


def _show_settled(names: Sequence[str]) -> dict[str, Properties]:
    """The properties of units, after a short wait for those that systemd is starting again already.

    The reason why such a unit ended is gone; it is there again as soon as the unit ends once more.
    """
    properties = show(names)
    deadline = time.monotonic() + _SETTLING
    while (
        starting := [name for name, answer in properties.items() if _is_starting_again(answer)]
    ) and time.monotonic() < deadline:
        time.sleep(POLL)
        properties |= show(starting)
    return properties


def _is_starting_again(properties: Properties) -> bool:
    return (
        properties.get("ActiveState") == "activating"
        and properties.get("SubState") != RESTARTING
        and properties.get("NRestarts", "0") != "0"
    )


def verdicts(
    doubtful: Mapping[str, str], *, result: Result | None = None, replaced: frozenset[str] = frozenset()
) -> tuple[dict[str, str], dict[str, str]]:
    """The units that failed, with the reason, and the notes about others that did not.

    `doubtful` has the invocation of each unit whose journal tells the reason; empty: the last one. `result`
    is that of the start. `replaced` are units whose process was replaced since.
    """
    failed: dict[str, str] = {}
    notes: dict[str, str] = {}
    answers = _show_settled(tuple(doubtful))
    for name, invocation in doubtful.items():
        properties = answers.get(name, {})
        # The unit may have been started again since it was seen not to run.
        is_another = (
            properties.get("InvocationID") != invocation
            if invocation
            else properties.get("NRestarts", "0") != "0"
        )
        was_restarted = is_another and properties.get("ActiveState") in RUNNING
        judgement = verdict(
            properties,
            said_of(name, result) if result and result.rc else "",
            replaced=name in replaced or was_restarted,
        )
        if properties.get("LoadState") in ("bad-setting", "error") and (reason := why_refused(name)):
            judgement = replace(judgement, words=f"{judgement.words.rstrip('.')}: {reason}")
        if judgement.failed and _was_passed_over(name, properties):
            judgement = verdict({**properties, "ConditionTimestampMonotonic": "1"})
        if judgement.failed:
            asks_journal = len(failed) < MOST_JOURNALS
            failed[name] = judgement.words + (
                journal(invocation or properties.get("InvocationID", ""), judgement.words)
                if asks_journal
                else ""
            )
        elif judgement.words:
            notes[name] = judgement.words
    return failed, notes


def _was_passed_over(name: str, properties: Properties) -> bool:
    """Whether systemd skipped the last start of a unit for its condition, and has unloaded it since."""
    traces = (
        properties.get("LoadState"),
        properties.get("ActiveState"),
        properties.get("Result"),
        properties.get("ConditionResult"),
        properties.get("InvocationID"),
    )
    if traces != ("loaded", "inactive", "success", "no", ""):
        return False
    argv = ["journalctl", "--no-pager", "--quiet", "--output=cat", "--lines=1", "_PID=1", f"UNIT={name}"]
    try:
        return _SKIPPED in run(argv, timeout=ASK_TIMEOUT).out
    except HostError:
        return False


def journal(invocation: str, words: str = "") -> str:
    """The last journal lines about an invocation; empty where the journal cannot be read.

    `words` are the sentence before: lines that say the same are left out.
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
    return last_words(result.out, words)


def why_refused(name: str) -> str:
    """PID 1's reason when it last refused the unit file of a unit; empty where there is none to read."""
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
