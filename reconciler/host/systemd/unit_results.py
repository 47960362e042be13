"""The account that `systemctl show` and the journal give of a unit that is not running, in words.

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
"""How systemctl begins to tell what systemd would not even try."""
_LONGEST, _LAST = 400, 8
"""Characters kept of one journal line, and how many of the last lines."""
_KNOWN = Late(
    r"(?:Starting|Started|Stopping|Stopped|Failed to start) \S+\.service(?: - .*)?(?:\.\.\.|\.)$"
    r"|\S+\.service: (?:Failed with result '|Scheduled restart job, |Deactivated successfully\.|Consumed \d)"
)
"""The lines that systemd writes at every start and end, beside the result that stands in front of the
journal.
"""
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
"""How systemctl's hint begins to look where we have looked."""
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


def verdict(properties: Properties, said: str = "", *, replaced: bool = False) -> Verdict:
    """Judge a started unit that is not active, or whose process was replaced.

    `said` is what systemctl complained about it.
    """
    if replaced:
        restarts = properties.get("NRestarts", "?")
        return Verdict(
            f"it ended and was started again (NRestarts={restarts}){_how(properties)}", failed=True
        )
    if properties.get("LoadState", "loaded") != "loaded":
        return Verdict(
            said or f"LoadState={properties['LoadState']} {properties.get('LoadError', '')}".rstrip(),
            failed=True,
        )
    if _condition_failed(properties):
        return Verdict("not started: a Condition...= of the unit does not hold", failed=False)
    if properties.get("ActiveState") != "inactive" or properties.get("Result", "success") != "success":
        how = _how(properties)
        return Verdict(
            f"{_state(properties)}{how}{_with('' if how and said.startswith(_POINTS) else said)}", failed=True
        )
    once = properties.get("Type", "oneshot") == "oneshot"
    words = said or (
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
    """Units that run and that systemd would not restart or start, with its reason.

    `before` has the state of those to be restarted.

    It refuses a transaction as a whole: a required unit is missing or masked, or would have to be stopped.
    Nothing is stopped then, so the unit is active, with the process that it had.
    """
    running = [name for name, state in after.items() if state.active in RUNNING]
    if before:
        old = [
            name
            for name in running
            if name in before and before[name].active in RUNNING and before[name].invocation
        ]
        same = [name for name in old if before[name].invocation == after[name].invocation]
        return {
            name: f"not restarted, the old process runs on: {_reason(name, after[name], result)}"
            for name in same
        }
    words = {name: said_of(name, result) for name in running} if result.rc not in (0, GAVE_UP) else {}
    return {name: line for name, line in words.items() if line.startswith(_NO_JOB)}


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


def last_words(journal: bytes, said: str = "") -> str:
    """Journal lines for the end of a sentence, control characters escaped; without those in which systemd
    says what has been `said`.
    """
    lines = [
        line
        for line in journal.decode("utf-8", "replace").split("\n")
        if line.strip() and not _KNOWN.match(line)
    ]
    lines = [line for line in lines if STATUS not in said or not _EXITED.match(line)]
    told = [_shown(line)[:_LONGEST] for line in lines[-_LAST:]]
    return "; journal: " + " | ".join(told) if told else ""


def _shown(line: str) -> str:
    from reconciler.core.secrets.masking import (
        masked,
    )  # only where something is wrong: a program may quote its own command line

    return escape(masked(line))


def load_error(name: str, journal: bytes) -> str:
    """Why systemd last refused a unit's file, from what PID 1 wrote about the unit as errors; empty if that
    is not there.

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
    place = f"{state}/{sub}" if state not in ("failed", "") else "failed"
    return f"{place}, Result={result}" if result not in ("success", "") else place


def _how(properties: Properties) -> str:
    words = exit_words(properties.get("ExecMainCode", ""), properties.get("ExecMainStatus", ""))
    return f", {words}" if words else ""


def _with(said: str) -> str:
    return f", {said}" if said else ""


def _condition_failed(properties: Properties) -> bool:
    """A unit that was unloaded says ConditionResult=no as well, but has no time for it."""
    if properties.get("ActiveState") != "inactive":
        return False
    looked = properties.get("ConditionTimestampMonotonic", "0") != "0"
    return properties.get("Result") == "exec-condition" or (
        looked and properties.get("ConditionResult") == "no"
    )
