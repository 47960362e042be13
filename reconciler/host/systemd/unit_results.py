"""The words for a unit that is not running, from the output of `systemctl show` and the journal.

No I/O.
"""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.core.basics.frozen import frozen
from reconciler.core.basics.lazy_regex import Late
from reconciler.core.host import UnitState
from reconciler.host.process.run import Result, escape

Properties = Mapping[str, str]
RUNNING = frozenset({"active", "reloading", "refreshing"})
GAVE_UP = 124
"""The exit code of timeout(1)."""
_NO_JOB = "Failed to "
"""The beginning of systemctl's line about a unit that systemd did not even try."""
_LONGEST, _LAST = 400, 8
"""The most characters of one journal line, and how many of the last lines are quoted."""
_KNOWN = Late(
    r"(?:Starting|Started|Stopping|Stopped|Failed to start) \S+\.service(?: - .*)?(?:\.\.\.|\.)$"
    r"|\S+\.service: (?:Failed with result '|Scheduled restart job, |Deactivated successfully\.|Consumed \d)"
)
"""The lines that systemd writes at every start and end; the result before the journal says the same."""
_EXITED = Late(r"\S+\.service: Main process exited, code=")
_REFUSING = Late(r"[Rr]efusing(?: to load| operation)?\.$")
_PARSED = Late(r"/\S+:\d+: ")
STATUS = "ExecMainStatus="

_EXIT = {
    200: "CHDIR",
    201: "NICE",
    202: "FDS",
    203: "EXEC",
    204: "MEMORY",
    205: "LIMITS",
    206: "OOM_ADJUST",
    207: "SIGNAL_MASK",
    208: "STDIN",
    209: "STDOUT",
    210: "CHROOT",
    211: "IOPRIO",
    212: "TIMERSLACK",
    213: "SECUREBITS",
    214: "SETSCHEDULER",
    215: "CPUAFFINITY",
    216: "GROUP",
    217: "USER",
    218: "CAPABILITIES",
    219: "CGROUP",
    220: "SETSID",
    221: "CONFIRM",
    222: "STDERR",
    224: "PAM",
    225: "NETWORK",
    226: "NAMESPACE",
    227: "NO_NEW_PRIVILEGES",
    228: "SECCOMP",
    229: "SELINUX_CONTEXT",
    230: "PERSONALITY",
    231: "APPARMOR",
    232: "ADDRESS_FAMILIES",
    233: "RUNTIME_DIRECTORY",
    235: "CHOWN",
    236: "SMACK_PROCESS_LABEL",
    237: "KEYRING",
    238: "STATE_DIRECTORY",
    239: "CACHE_DIRECTORY",
    240: "LOGS_DIRECTORY",
    241: "CONFIGURATION_DIRECTORY",
    242: "NUMA_POLICY",
    243: "CREDENTIALS",
    245: "BPF",
}
"""systemd.exec(5), "Process Exit Codes": these say what systemd could not set up before the program ran."""

_POINTS = "Job for "
"""The beginning of systemctl's hint to look at the status and the journal, where we have looked."""
_CODES = {"1": "exited", "2": "killed", "3": "dumped"}
"""CLD_EXITED and so on, see waitid(2)."""


@frozen
class Verdict:
    """Whether a unit that was started is as good as running, and what to say about it."""

    words: str
    failed: bool


def blocks(text: bytes) -> list[dict[str, str]]:
    """The output of `systemctl show` for several units: one dict each."""
    chunks = text.decode("utf-8", "replace").strip("\n").split("\n\n")
    return [
        dict(line.partition("=")[::2] for line in chunk.split("\n") if "=" in line)
        for chunk in chunks
        if chunk.strip()
    ]


def verdict(properties: Properties, complaint: str = "", *, replaced: bool = False) -> Verdict:
    """Judge a started unit that is not active, or whose process was replaced.

    `complaint` is systemctl's line about the unit.
    """
    if replaced:
        restarts = properties.get("NRestarts", "?")
        return Verdict(
            f"it ended and was started again (NRestarts={restarts}){_how(properties)}", failed=True
        )
    if properties.get("LoadState", "loaded") != "loaded":
        return Verdict(
            complaint or f"LoadState={properties['LoadState']} {properties.get('LoadError', '')}".rstrip(),
            failed=True,
        )
    if _condition_failed(properties):
        return Verdict("not started: a Condition...= of the unit does not hold", failed=False)
    if properties.get("ActiveState") != "inactive" or properties.get("Result", "success") != "success":
        how = _how(properties)
        return Verdict(
            f"{_state(properties)}{how}{_with('' if how and complaint.startswith(_POINTS) else complaint)}",
            failed=True,
        )
    once = properties.get("Type", "oneshot") == "oneshot"
    words = complaint or (
        "" if once else "it ended by itself with success; a job that is to run once needs type: oneshot"
    )
    return Verdict(words, failed=bool(words))


def said_of(name: str, result: Result) -> str:
    """The line that systemctl printed about one unit; empty if there is none."""
    if result.rc == GAVE_UP:
        return result.message
    lines = result.err.decode("utf-8", "replace").splitlines()
    return escape(next((line.strip() for line in lines if is_about(name, line)), ""))


def is_about(name: str, line: str) -> bool:
    """Whether a line that systemctl printed names this unit."""
    return name in (word.strip('",.:') for word in line.split())


def refused(
    before: Mapping[str, UnitState], after: Mapping[str, UnitState], result: Result
) -> dict[str, str]:
    """The units that run and that systemd would not restart or start, with its reason.

    `before` has the states of the units to be restarted; it is empty for a start. systemd refuses a
    transaction as a whole: a required unit is missing or masked, or would have to be stopped. Nothing is
    stopped then, so the unit is active, with the process that it had.
    """
    running = [name for name, state in after.items() if state.active in RUNNING]
    if before:
        return {
            name: f"not restarted, the old process runs on: {_reason(name, after[name], result)}"
            for name in running
            if name in before and _is_same_process(before[name], after[name])
        }
    words = {name: said_of(name, result) for name in running} if result.rc not in (0, GAVE_UP) else {}
    return {name: line for name, line in words.items() if line.startswith(_NO_JOB)}


def _is_same_process(before: UnitState, after: UnitState) -> bool:
    had_process = before.active in RUNNING and before.invocation != ""
    return had_process and before.invocation == after.invocation


def _reason(name: str, state: UnitState, result: Result) -> str:
    words = said_of(name, result) or result.message
    return f"{words.rstrip('.')}: {state.refusal}" if state.refusal else words


def exit_words(code: str, status: str) -> str:
    """`ExecMainCode` and `ExecMainStatus` in words; empty when nothing has run or it went well."""
    if code not in _CODES or (code == "1" and status == "0"):
        return ""
    if code != "1":
        return f"ExecMainStatus={status} ({_CODES[code]} by signal {status})"
    name = _EXIT.get(int(status)) if status.isdecimal() else None
    return f"ExecMainStatus={status}/{name}" if name else f"ExecMainStatus={status}"


def last_words(journal: bytes, words: str = "") -> str:
    """The last journal lines for the end of a sentence, escaped and masked.

    `words` are the sentence: systemd's lines that say the same are left out.
    """
    lines = [
        line
        for line in journal.decode("utf-8", "replace").split("\n")
        if line.strip() and not _KNOWN.match(line)
    ]
    lines = [line for line in lines if STATUS not in words or not _EXITED.match(line)]
    excerpts = [_shown(line)[:_LONGEST] for line in lines[-_LAST:]]
    return "; journal: " + " | ".join(excerpts) if excerpts else ""


def _shown(line: str) -> str:
    # Imported only where something is wrong. A program may quote its own command line in the journal.
    from reconciler.core.secrets.masking import masked

    return escape(masked(line))


def load_error(name: str, journal: bytes) -> str:
    """The reason why systemd last refused a unit's file, from PID 1's errors about it; empty without one.

    systemd itself writes `NAME: Service has ... Refusing.`, its parser `FILE:LINE: ...`.
    """
    lines = [
        _shown(line.strip().removeprefix(f"{name}: "))
        for line in journal.decode("utf-8", "replace").split("\n")
        if line.strip()
    ]
    return next(
        (line[:_LONGEST] for line in reversed(lines) if _REFUSING.search(line) or _PARSED.match(line)), ""
    )


def _state(properties: Properties) -> str:
    state, sub, result = (properties.get(name, "") for name in ("ActiveState", "SubState", "Result"))
    words = f"{state}/{sub}" if state not in ("failed", "") else "failed"
    return f"{words}, Result={result}" if result not in ("success", "") else words


def _how(properties: Properties) -> str:
    words = exit_words(properties.get("ExecMainCode", ""), properties.get("ExecMainStatus", ""))
    return f", {words}" if words else ""


def _with(words: str) -> str:
    return f", {words}" if words else ""


def _condition_failed(properties: Properties) -> bool:
    """Whether the unit was not started because a condition does not hold.

    A unit that was unloaded says ConditionResult=no as well, but has no time for it.
    """
    if properties.get("ActiveState") != "inactive":
        return False
    was_checked = properties.get("ConditionTimestampMonotonic", "0") != "0"
    return properties.get("Result") == "exec-condition" or (
        was_checked and properties.get("ConditionResult") == "no"
    )
