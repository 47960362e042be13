"""The facts of services that systemd and the journal have, and the verbs on them: the host side of
`reconciler service`.
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
"""The load state of a unit about which systemd has not answered; systemd has no such word itself."""
_NO_NUMBER = ("", "[not set]", "18446744073709551615")
"""systemd's texts for a number that it does not have."""


@frozen
class Facts:
    """One service, in systemctl's words. A number is 0 where systemd has none."""

    unit: str
    """Its name, with the suffix."""
    description: str = ""
    """Description=."""
    load: str = "not-found"
    """LoadState, or UNKNOWN."""
    active: str = "inactive"
    """ActiveState."""
    sub: str = "dead"
    """SubState."""
    result: str = "success"
    """Result of its last run."""
    enabled: str = ""
    """UnitFileState: `enabled`, `disabled`, `static`, `masked`."""
    type: str = ""
    """Type=: `simple`, `oneshot`."""
    remains: bool = False
    """RemainAfterExit=."""
    pid: int = 0
    """The id of its main process."""
    memory: int = 0
    """Bytes of memory that it uses."""
    tasks: int = 0
    """The number of its tasks."""
    restarts: int = 0
    """The number of times that systemd has started it again by itself (NRestarts)."""
    since: int = 0
    """When it became active, or stopped being so; in seconds since the epoch."""
    path: str = ""
    """The path of its unit file."""
    drop_ins: tuple[str, ...] = ()
    """The paths of its drop-ins."""
    outdated: bool = False
    """Whether its files changed since systemd read them (NeedDaemonReload)."""
    exit: str = ""
    """The end of its last main process, in words; empty when it ended well."""
    invocation: str = ""
    """The InvocationID of its last process."""
    condition_failed: bool = False
    """Whether its last start was skipped because a Condition...= did not hold."""
    limit: int = 0
    """The most starts that systemd allows in `limit_seconds`; 0: any number."""
    limit_seconds: float = 0
    """The seconds in which starts are counted."""
    refusal: str = ""
    """The reason why systemd does not load its unit file; empty when it does."""

    @property
    def installed(self) -> bool:
        """Whether systemd has the unit, masked ones included."""
        return self.load != "not-found"

    @property
    def is_known(self) -> bool:
        """Whether systemd has answered about it."""
        return self.load != UNKNOWN

    @property
    def limited(self) -> bool:
        """Whether its starts are counted."""
        return self.limit > 0 and self.limit_seconds > 0


def ask(units: Sequence[str]) -> dict[str, Facts]:
    """The facts of these units by the name that was asked for, in one call.

    A unit that is not in the answer is UNKNOWN. Raises HostError.
    """
    if not units:
        return {}
    argv = ["systemctl", "show", "--no-pager", "--timestamp=unix", f"--property={_PROPERTIES}", "--", *units]
    result = run(_checked(argv), timeout=_ASK_TIMEOUT, cap=_LIST_CAP)
    answers = blocks(result.out)
    if not answers:
        raise HostError("systemd cannot be asked", result.message)
    by_name = {
        name: block for block in answers for name in (block.get("Id", ""), *block.get("Names", "").split())
    }
    return {
        unit: _facts(unit, by_name[unit]) if unit in by_name else Facts(unit, load=UNKNOWN) for unit in units
    }


def all_services() -> list[str]:
    """Every service that systemd has loaded or has a file of, templates left out. Raises HostError."""
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
    """The receipt of a start, stop or restart, through the action that apply uses. Raises HostError."""
    from reconciler.host.systemd.systemctl import Systemd

    _checked([])
    systemd = Systemd()
    receipt = systemd.execute(Unit(verb, tuple(units)))
    if verb is UnitVerb.STOP or receipt.failed:
        return receipt
    # A service that dies at once is active for a moment.
    return Receipt(receipt.note, systemd.settle(units, 0.4) or None)


def revive(units: Sequence[str], watched: Sequence[str], seconds: float) -> dict[str, str]:
    """Start `units` and watch `watched` for so many seconds.

    Returns those that did not stay up, with the reason. No counter is reset: the starts count towards the
    limit of each unit, beyond which systemd refuses them. Raises HostError.
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
    """The last journal lines of one invocation of a unit, with systemd's own about it, in local time.

    Empty if we may not read the journal.
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
    """`systemctl enable` or `disable`; on a unit without [Install] it does nothing and succeeds.

    Raises ActionFailed.
    """
    verb = "enable" if enabled else "disable"
    result = run(
        _checked(["systemctl", "--no-ask-password", "--no-pager", verb, "--", *units]), timeout=_VERB_TIMEOUT
    )
    if result.rc:
        raise ActionFailed(f"systemctl {verb} failed", result.message)


def logs(units: Sequence[str], *, follow: bool, lines: int | None, since: str, as_json: bool = False) -> int:
    """Let journalctl write to our output. Returns its exit status.

    It ends by itself or by an interrupt from the keyboard. `units` may have `*`. Raises HostError.
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
    """The variable that makes journalctl write times in the reader's time zone: their TZ, else the host's."""
    return {"TZ": os.environ.get("TZ", ":/etc/localtime")}


def _checked(argv: list[str]) -> list[str]:
    """The command itself. Raises HostError where no systemd runs."""
    if not os.path.isdir(_BOOTED):
        raise HostError("no systemd is running", "there are no services to ask about or to change")
    return argv


def _refusal(unit: str, load: str) -> str:
    """The reason why systemd does not load a unit file; empty where it does."""
    if load not in ("bad-setting", "error"):
        return ""
    from reconciler.host.systemd.unit_verdicts import why_refused

    return why_refused(unit)


def _facts(unit: str, properties: Mapping[str, str]) -> Facts:
    active = properties.get("ActiveState", "inactive")
    stamp = properties.get("ActiveEnterTimestamp" if active == "active" else "InactiveEnterTimestamp", "")
    return Facts(
        unit=unit,
        description=properties.get("Description", ""),
        load=properties.get("LoadState", "not-found"),
        active=active,
        sub=properties.get("SubState", "dead"),
        result=properties.get("Result", "success"),
        enabled=properties.get("UnitFileState", ""),
        type=properties.get("Type", ""),
        remains=properties.get("RemainAfterExit") == "yes",
        pid=_number(properties.get("MainPID", "")),
        memory=_number(properties.get("MemoryCurrent", "")),
        tasks=_number(properties.get("TasksCurrent", "")),
        restarts=_number(properties.get("NRestarts", "")),
        since=_number(stamp.removeprefix("@")),
        path=properties.get("FragmentPath", ""),
        drop_ins=tuple(properties.get("DropInPaths", "").split()),
        outdated=properties.get("NeedDaemonReload") == "yes",
        exit=exit_words(properties.get("ExecMainCode", ""), properties.get("ExecMainStatus", "")),
        invocation=properties.get("InvocationID", ""),
        condition_failed=_condition_failed(properties),
        limit=_number(properties.get("StartLimitBurst", "")),
        limit_seconds=_span(properties.get("StartLimitIntervalUSec", "")),
        refusal=_refusal(unit, properties.get("LoadState", "")),
    )


def _condition_failed(properties: Mapping[str, str]) -> bool:
    was_checked = properties.get("ConditionTimestampMonotonic", "0") != "0"
    is_inactive = properties.get("ActiveState", "inactive") == "inactive"
    return is_inactive and was_checked and properties.get("ConditionResult") == "no"


def _span(text: str) -> float:
    """A time span as `systemctl show` writes it, in seconds."""
    try:
        return span_seconds(text) if text not in _NO_NUMBER else 0
    except (ValueError, OverflowError):
        return 0


def _number(text: str) -> int:
    return int(text) if text not in _NO_NUMBER and text.isascii() and text.isdigit() else 0
