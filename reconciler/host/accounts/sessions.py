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
"""How long what is told to end may take."""
_PAUSE = 0.05
_PATIENCE = 3.0
"""How long a session has to end by itself before it is killed."""
_NAMED = 5
_LOGGED_IN = "/run/systemd/users"
_TTY_FIELD = 4
"""In /proc/PID/stat behind the name: the controlling terminal, 0 if there is none (proc(5))."""
_COMMAND_SECONDS = 30.0


def end_sessions(ids: Ids, action: EndSessions, *, running: bool) -> Receipt:
    """EndSessions on the machine itself. `running`: a systemd answers. Raises ActionFailed."""
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
    while (left := sorted(_processes(uid))) and (action.services or _is_logged_in(uid)):
        if time.monotonic() > deadline:
            detail = (
                f"{action.user} still runs {_named(left)}; end them, or the service that runs as"
                f" {action.user}. Nothing was removed"
            )
            raise ActionFailed("processes of the account are left", detail)
        time.sleep(_PAUSE)
    return Receipt(f"still runs in the name of {action.user}: {_named(left)}" if left else "")


def _named(processes: list[tuple[int, str]]) -> str:
    more = f" and {len(processes) - _NAMED} more" if len(processes) > _NAMED else ""
    return ", ".join(f"{pid} ({name})" for pid, name in processes[:_NAMED]) + more


def _is_logged_in(uid: int) -> bool:
    """Whether logind still has a session of it.

    Its record stays for some seconds after the last one, as `closing`.
    """
    try:
        with open(f"{_LOGGED_IN}/{uid}", encoding="utf-8", errors="replace") as file:
            return "STATE=closing\n" not in file.readlines()
    except OSError:
        return False


def _end_unknown_sessions(uid: int) -> None:
    """End the sessions that logind does not know, where the PAM module that tells it is not installed.

    Those are the processes which pam_loginuid has marked as begun by a login of the account: its own, and
    those with a terminal, a shell of root's by sudo for one. A service has no such mark. They are asked
    first, and killed when they do not go.
    """
    deadline = time.monotonic() + _PATIENCE
    asked: set[int] = set()
    while marked := [pid for pid in _of_logins(uid) if pid != os.getpid()]:
        late = time.monotonic() > deadline
        for pid in marked if late else set(marked) - asked:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL if late else signal.SIGHUP)
        asked |= set(marked)
        if time.monotonic() > deadline + _PATIENCE:
            return
        time.sleep(_PAUSE)


def _of_logins(uid: int) -> Iterator[int]:
    for name in os.listdir("/proc"):
        if name.isdecimal() and _read(f"/proc/{name}/loginuid") == str(uid):
            said = _status(name)
            if said.get("State", "").startswith(("Z", "X")):
                continue
            if str(uid) in said.get("Uid", "").split() or _has_terminal(name):
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
    """Run a command whose answer does not matter: whether processes are left does."""
    try:
        run(argv, timeout=_COMMAND_SECONDS)
    except HostError:
        return


def _processes(uid: int) -> Iterator[tuple[int, str]]:
    """Number and name of everything that runs with a uid as any of its four; the dead that nobody has reaped
    do not count.
    """
    for name in os.listdir("/proc"):
        if name.isdecimal():
            said = _status(name)
            if str(uid) in said.get("Uid", "").split() and not said.get("State", "").startswith(("Z", "X")):
                yield int(name), escape(said.get("Name", "?"))


def _status(pid: str) -> dict[str, str]:
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
            return {key: value.strip() for key, _, value in (line.partition(":") for line in file)}
    except OSError:
        return {}
