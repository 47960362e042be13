"""Services as systemd and the journal tell of them, for people: all that `reconciler
service` asks and does.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence

from reconciler.core.actions import Unit, UnitVerb
from reconciler.core.basics.frozen import frozen
from reconciler.core.host import ActionFailed, HostError, Receipt
from reconciler.formats.systemd.timespan import seconds as span_seconds
from reconciler.host.process.run import run
from reconciler.host.systemd.unit_results import blocks, exit_words

_BOOTED = "/run/systemd/system"
_ASK_TIMEOUT = 30.0
_VERB_TIMEOUT = 120.0
_LIST_CAP = 64 << 20
_PROPERTIES = (
    "Id,Names,Description,Type,RemainAfterExit,LoadState,LoadError,ActiveState,SubState,Result,UnitFileState,MainPID,MemoryCurrent,NRestarts,"
    "FragmentPath,DropInPaths,ActiveEnterTimestamp,InactiveEnterTimestamp,ExecMainCode,ExecMainStatus,NeedDaemonReload,TasksCurrent,"
    "InvocationID,ConditionResult,ConditionTimestampMonotonic,StartLimitIntervalUSec,StartLimitBurst"
)
UNKNOWN = "unknown"
"""The load state of a unit of which systemd has told nothing: it has no such word,
and it is not `not-found`.
"""
_NO_NUMBER = ("", "[not set]", "18446744073709551615")
"""How systemd writes a number that it does not have."""


@frozen
class Facts:
    """One service, in systemctl's words.

    `memory` is bytes, `since` seconds since the epoch of the last change; 0 where there is none.

    systemd starts it at most `limit` times in `limit_seconds`; 0: as often as it likes. `invocation` is the
    id of its last process. `refusal` is why systemd does not load its unit file, where it does not.
    """

    unit: str
    description: str = ""
    load: str = "not-found"
    active: str = "inactive"
    sub: str = "dead"
    result: str = "success"
    enabled: str = ""
    type: str = ""
    remains: bool = False
    pid: int = 0
    memory: int = 0
    tasks: int = 0
    restarts: int = 0
    since: int = 0
    path: str = ""
    drop_ins: tuple[str, ...] = ()
    outdated: bool = False
    exit: str = ""
    invocation: str = ""
    condition_failed: bool = False
    limit: int = 0
    limit_seconds: float = 0
    refusal: str = ""

    @property
    def installed(self) -> bool:
        """Whether systemd has the unit, masked ones included."""
        return self.load != "not-found"

    @property
    def known(self) -> bool:
        """Whether systemd has said anything of it."""
        return self.load != UNKNOWN

    @property
    def limited(self) -> bool:
        """Whether its starts are counted."""
        return self.limit > 0 and self.limit_seconds > 0


def ask(units: Sequence[str]) -> dict[str, Facts]:
    """These units by the name that was asked for, in one question; one that is not in the answer is
    `UNKNOWN`.

    Raises HostError.
    """
    if not units:
        return {}
    argv = ["systemctl", "show", "--no-pager", "--timestamp=unix", f"--property={_PROPERTIES}", "--", *units]
    result = run(_checked(argv), timeout=_ASK_TIMEOUT, cap=_LIST_CAP)
    found = blocks(result.out)
    if len(found) < 1:
        raise HostError("systemd cannot be asked", result.message)
    by_name = {
        name: block for block in found for name in (block.get("Id", ""), *block.get("Names", "").split())
    }
    return {
        unit: _facts(unit, by_name[unit]) if unit in by_name else Facts(unit, load=UNKNOWN) for unit in units
    }


def all_services() -> list[str]:
    """Every service that systemd has loaded or knows a file of, templates left out. Raises HostError."""
    names: set[str] = set()
    for command, column in (("list-units", 0), ("list-unit-files", 0)):
        argv = ["systemctl", command, "--type=service", "--all", "--plain", "--no-legend", "--no-pager"]
        result = run(_checked(argv), timeout=_ASK_TIMEOUT, cap=_LIST_CAP)
        if result.rc:
            raise HostError("systemd cannot be asked", result.message)
        names.update(
            line.split()[column]
            for line in result.out.decode("utf-8", "replace").splitlines()
            if line.split()
        )
    return sorted(name for name in names if name.endswith(".service") and not name.endswith("@.service"))


def change(verb: UnitVerb, units: Sequence[str]) -> Receipt:
    """Start, stop or restart through the action that apply uses. Raises HostError."""
    from reconciler.host.systemd.systemctl import Systemd

    _checked([])
    systemd = Systemd()
    receipt = systemd.execute(Unit(verb, tuple(units)))
    if verb is UnitVerb.STOP or receipt.failed:
        return receipt
    # A service that dies at once is active for a moment.
    return Receipt(receipt.note, systemd.settle(units, 0.4) or None)


def revive(units: Sequence[str], watched: Sequence[str], seconds: float) -> dict[str, str]:
    """Start some, and watch these and others for so long; those that are not up all the time, with the
    reason.

    Raises HostError.

    Nothing is reset: the starts count towards the limit of each unit, and beyond it systemd itself refuses.
    """
    from reconciler.host.systemd.systemctl import Systemd

    argv = _checked(["systemctl", "--no-ask-password", "--no-pager", "start", "--", *units])
    if units:
        run(argv, timeout=_VERB_TIMEOUT)
    return Systemd().settle(watched, seconds)


def wait(seconds: float) -> None:
    """Let so many seconds pass."""
    time.sleep(seconds)


def recent(invocation: str, lines: int) -> list[str]:
    """The end of what one process of a unit, and systemd about it, wrote to the journal, in local time.

    Empty if we may not read it.
    """
    if not invocation:
        return []
    argv = ["journalctl", "--no-pager", "--quiet", "--output=short-iso", "--no-hostname", f"--lines={lines}"]
    try:
        result = run(
            [*argv, f"_SYSTEMD_INVOCATION_ID={invocation}", "+", f"INVOCATION_ID={invocation}"],
            timeout=_ASK_TIMEOUT,
            variables=_zone(),
        )
    except HostError:
        return []
    return [line for line in result.out.decode("utf-8", "replace").split("\n") if line.strip()]


def set_enabled(units: Sequence[str], *, enabled: bool) -> None:
    """`systemctl enable` or `disable`.

    That of a unit without [Install] does nothing and succeeds. Raises ActionFailed.
    """
    verb = "enable" if enabled else "disable"
    result = run(
        _checked(["systemctl", "--no-ask-password", "--no-pager", verb, "--", *units]), timeout=_VERB_TIMEOUT
    )
    if result.rc:
        raise ActionFailed(f"systemctl {verb} failed", result.message)


def logs(units: Sequence[str], *, follow: bool, lines: int | None, since: str, as_json: bool = False) -> int:
    """Hand our output over to journalctl; its exit status.

    Ends with it, or with the keyboard. `units` may have `*`. Raises HostError.
    """
    import subprocess

    from reconciler.host.process.run import ENVIRONMENT, find_program, not_run

    if not units:
        return 0

    program = find_program("journalctl")
    argv = [program, "--no-pager", *(f"--unit={unit}" for unit in units)]
    argv += ["--follow"] if follow else []
    argv += [f"--lines={lines}"] if lines is not None else []
    argv += [f"--since={since}"] if since else []
    argv += ["--output=json"] if as_json else []
    environment: Mapping[str, str] = {
        **{name: value for name, value in ENVIRONMENT.items() if name != "TZ"},
        **_zone(),
    }
    try:
        started = subprocess.Popen(argv, stdin=subprocess.DEVNULL, env=environment, cwd="/")
    except OSError as error:
        raise not_run(program, error) from error
    with started as process:
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.terminate()
            return process.wait() if not follow else 0


def _zone() -> dict[str, str]:
    """The zone of who reads it, in which journalctl writes times: theirs, else the host's."""
    return {"TZ": os.environ.get("TZ", ":/etc/localtime")}


def _checked(argv: list[str]) -> list[str]:
    if not os.path.isdir(_BOOTED):
        raise HostError("no systemd is running", "there are no services to ask about or to change")
    return argv


def _refusal(unit: str, load: str) -> str:
    if load not in ("bad-setting", "error"):
        return ""
    from reconciler.host.systemd.unit_verdicts import why_refused

    return why_refused(unit)


def _facts(unit: str, said: Mapping[str, str]) -> Facts:
    active = said.get("ActiveState", "inactive")
    stamp = said.get("ActiveEnterTimestamp" if active == "active" else "InactiveEnterTimestamp", "")
    return Facts(
        unit=unit,
        description=said.get("Description", ""),
        load=said.get("LoadState", "not-found"),
        active=active,
        sub=said.get("SubState", "dead"),
        result=said.get("Result", "success"),
        enabled=said.get("UnitFileState", ""),
        type=said.get("Type", ""),
        remains=said.get("RemainAfterExit") == "yes",
        pid=_number(said.get("MainPID", "")),
        memory=_number(said.get("MemoryCurrent", "")),
        tasks=_number(said.get("TasksCurrent", "")),
        restarts=_number(said.get("NRestarts", "")),
        since=_number(stamp.removeprefix("@")),
        path=said.get("FragmentPath", ""),
        drop_ins=tuple(said.get("DropInPaths", "").split()),
        outdated=said.get("NeedDaemonReload") == "yes",
        exit=exit_words(said.get("ExecMainCode", ""), said.get("ExecMainStatus", "")),
        invocation=said.get("InvocationID", ""),
        condition_failed=active == "inactive"
        and said.get("ConditionResult") == "no"
        and said.get("ConditionTimestampMonotonic", "0") != "0",
        limit=_number(said.get("StartLimitBurst", "")),
        limit_seconds=_span(said.get("StartLimitIntervalUSec", "")),
        refusal=_refusal(unit, said.get("LoadState", "")),
    )


def _span(text: str) -> float:
    """A time span as `systemctl show` writes it, in seconds."""
    try:
        return span_seconds(text) if text not in _NO_NUMBER else 0
    except (ValueError, OverflowError):
        return 0


def _number(text: str) -> int:
    return int(text) if text not in _NO_NUMBER and text.isascii() and text.isdigit() else 0
