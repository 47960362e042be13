"""The sessions and processes of an account that is about to go."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator

from reconciler.core.actions import EndSessions
from reconciler.core.host import ActionFailed, HostError, Receipt
from reconciler.host.files.ownership import Ids
from reconciler.host.process.run import escape, run

_SECONDS = 10.0
"""Seconds that the processes of an account have to end, once they are told to."""
_PAUSE = 0.05
_PATIENCE = 3.0
"""Seconds that a session has to end by itself before it is killed."""
_NAMED = 5
_LOGGED_IN = "/run/systemd/users"
_TTY_FIELD = 4
"""In /proc/PID/stat behind the name: the controlling terminal, 0 if there is none (proc(5))."""
_COMMAND_SECONDS = 30.0


def end_sessions(ids: Ids, action: EndSessions, *, running: bool) -> Receipt:
    """Execute EndSessions on the machine itself. `running`: systemd answers. Raises ActionFailed."""
    uid = next((user.uid for user in ids.accounts()[0] if user.name == action.user), None)
    if uid is None:
        return Receipt("was gone already")
    if uid in (0, os.getuid()):
        raise ActionFailed(
            "this account is applying",
            f"{action.user} (uid {uid}) cannot be ended by itself; apply as somebody else",
        )
    if running:
        _tell(["loginctl", "disable-linger", action.user])
        _tell(["loginctl", "terminate-user", action.user])
        _tell(["systemctl", "stop", "--", f"user@{uid}.service"])
    _end_unknown_sessions(uid)
    deadline = time.monotonic() + _SECONDS
    while (processes := sorted(_processes(uid))) and (action.services or _is_logged_in(uid)):
        if time.monotonic() > deadline:
            detail = (
                f"{action.user} still runs {_named(processes)}; end them, or the service that runs as"
                f" {action.user}. Nothing was removed"
            )
            raise ActionFailed("processes of the account are left", detail)
        time.sleep(_PAUSE)
    return Receipt(f"still runs in the name of {action.user}: {_named(processes)}" if processes else "")


def _named(processes: list[tuple[int, str]]) -> str:
    more = f" and {len(processes) - _NAMED} more" if len(processes) > _NAMED else ""
    return ", ".join(f"{pid} ({name})" for pid, name in processes[:_NAMED]) + more


def _is_logged_in(uid: int) -> bool:
    """Whether logind still has a session of the account.

    The account's record stays for some seconds after its last session, as `closing`.
    """
    try:
        with open(f"{_LOGGED_IN}/{uid}", encoding="utf-8", errors="replace") as file:
            return "STATE=closing\n" not in file.readlines()
    except OSError:
        return False


def _end_unknown_sessions(uid: int) -> None:
    """End the sessions that logind does not know because its PAM module (pam_systemd) is not installed.

    Their processes have the mark that pam_loginuid sets at a login of the account; those of other accounts
    count only with a terminal, such as a root shell by sudo. A service has no such mark. They get SIGHUP
    first, and are killed when they do not end.
    """
    deadline = time.monotonic() + _PATIENCE
    hung_up: set[int] = set()
    while marked := [pid for pid in _login_processes(uid) if pid != os.getpid()]:
        late = time.monotonic() > deadline
        for pid in marked if late else set(marked) - hung_up:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL if late else signal.SIGHUP)
        hung_up |= set(marked)
        if time.monotonic() > deadline + _PATIENCE:
            return
        time.sleep(_PAUSE)


def _login_processes(uid: int) -> Iterator[int]:
    for name in os.listdir("/proc"):
        if name.isdecimal() and _read(f"/proc/{name}/loginuid") == str(uid):
            status = _status(name)
            if status.get("State", "").startswith(("Z", "X")):
                continue
            if str(uid) in status.get("Uid", "").split() or _has_terminal(name):
                yield int(name)


def _has_terminal(pid: str) -> bool:
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return len(fields) > _TTY_FIELD and fields[_TTY_FIELD] != "0"


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def _tell(argv: list[str]) -> None:
    """Run a command; its result does not matter, for the processes that are left are looked at afterwards."""
    try:
        run(argv, timeout=_COMMAND_SECONDS)
    except HostError:
        return


def _processes(uid: int) -> Iterator[tuple[int, str]]:
    """The pid and name of each process that has the uid as any of its four; zombies are left out."""
    for name in os.listdir("/proc"):
        if name.isdecimal():
            status = _status(name)
            if str(uid) in status.get("Uid", "").split() and not status.get("State", "").startswith(
                ("Z", "X")
            ):
                yield int(name), escape(status.get("Name", "?"))


def _status(pid: str) -> dict[str, str]:
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
            return {key: value.strip() for key, _, value in (line.partition(":") for line in file)}
    except OSError:
        return {}
