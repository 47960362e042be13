"""The sessions and processes of an account that is about to go."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

from reconciler.core.actions import EndSessions
from reconciler.core.host import ActionFailed, HostError, Receipt
from reconciler.host.owners import Ids
from reconciler.host.run import escape, run

_SECONDS = 10.0
"""How long what is told to end may take."""
_PAUSE = 0.05
_NAMED = 5
_COMMAND_SECONDS = 30.0


def end_sessions(ids: Ids, action: EndSessions, *, running: bool) -> Receipt:
    """EndSessions on the machine itself. `running`: a systemd answers. Raises ActionFailed."""
    uid = next((user.uid for user in ids.accounts()[0] if user.name == action.user), None)
    if uid is None:
        return Receipt("was gone already")
    if uid in (0, os.getuid()):
        raise ActionFailed("this account is applying", f"{action.user} (uid {uid}) cannot be ended by itself; apply as somebody else")
    if running:
        _tell(["loginctl", "terminate-user", action.user])
        _tell(["systemctl", "stop", "--", f"user@{uid}.service"])
    deadline = time.monotonic() + _SECONDS
    while left := sorted(_processes(uid)):
        if time.monotonic() > deadline:
            named = ", ".join(f"{pid} ({name})" for pid, name in left[:_NAMED])
            more = f" and {len(left) - _NAMED} more" if len(left) > _NAMED else ""
            detail = f"{action.user} still runs {named}{more}; end them, or the service that runs as {action.user}. Nothing was removed"
            raise ActionFailed("processes of the account are left", detail)
        time.sleep(_PAUSE)
    return Receipt()


def _tell(argv: list[str]) -> None:
    """What it says does not matter: whether processes are left does."""
    try:
        run(argv, timeout=_COMMAND_SECONDS)
    except HostError:
        return


def _processes(uid: int) -> Iterator[tuple[int, str]]:
    """Number and name of everything that runs with a uid as any of its four; the dead that nobody has reaped do not count."""
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
