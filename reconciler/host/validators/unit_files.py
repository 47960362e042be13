"""systemd's own judgement of unit files and drop-ins before they are put in place: `systemd-analyze verify`,
on a stage before its paths.

Only what PID 1 would refuse to load counts: `verify` also fails for a program that is not there, and warns of
what is ignored. With `--recursive-errors=no` (since 250) it loads no unit that another one only refers to. It
runs systemd's environment generators, as PID 1 does, and reads what PID 1 would read, nothing else. It is a
net: where it cannot be asked, systemd says so after the reload.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from reconciler.core.actions import WriteFile
from reconciler.core.basics.lazy_regex import Late
from reconciler.core.host import ActionFailed, HostError
from reconciler.host.process.run import escape, run

_PLACE = "/etc/systemd/system"
_TIMEOUT = 30.0
_VERIFY = ["systemd-analyze", "verify", "--man=no", "--generators=no", "--recursive-errors=no"]
_REFUSED = Late(r"Unit (\S+) (?:has a bad unit file setting|failed to load properly)")
_NO_NEWS = ("ignoring", "will not be started", "is not executable")
_NAMED = 2
"""Lines of systemd that are passed on."""


def judge(action: WriteFile) -> None:
    """Raise ActionFailed if systemd would not load the unit with this file or drop-in."""
    for problem in judged([action]).values():
        if problem is not None:
            raise problem


def judged(actions: Sequence[WriteFile]) -> dict[WriteFile, ActionFailed | None]:
    """The error to raise for each of several, asked once about all of them; None: systemd would load it.

    Each is judged beside the others.
    """
    refused = _refusals(actions) if actions else {}
    return {action: _failure(action, refused.get(_unit(action))) for action in actions}


def _failure(action: WriteFile, reason: str | None) -> ActionFailed | None:
    return None if reason is None else ActionFailed("systemd does not accept it", f"{action.path}: {reason}")


def _unit(action: WriteFile) -> str:
    """The unit that a file defines or a drop-in changes."""
    return action.path.removeprefix(f"{_PLACE}/").partition(".d/")[0]


def _refusals(actions: Sequence[WriteFile]) -> dict[str, str]:
    """The units of these that systemd would not load, with its reason; empty where it cannot be asked."""
    with _stage(actions) as stage:
        paths = [f"{stage}/{name}" for name in dict.fromkeys(map(_unit, actions))]
        try:
            # The colon at the end stands for the directories that systemd looks in by itself.
            result = run([*_VERIFY, *paths], timeout=_TIMEOUT, variables={"SYSTEMD_UNIT_PATH": f"{stage}:"})
        except HostError:
            return {}
    lines = result.err.decode("utf-8", "replace").replace(f"{stage}/", f"{_PLACE}/").splitlines()
    return {found[1]: _reason(found[1], lines) for line in lines if (found := _REFUSED.match(line))}


def _reason(name: str, lines: Sequence[str]) -> str:
    about = [
        line for line in lines if line.startswith((f"{name}: ", f"{_PLACE}/{name}:", f"{_PLACE}/{name}.d/"))
    ]
    told = [line.removeprefix(f"{name}: ") for line in about if not any(word in line for word in _NO_NEWS)]
    return escape(
        "; ".join(told[:_NAMED])
        or next((line for line in lines if f" {name} " in line), "it would not be loaded")
    )


@contextmanager
def _stage(actions: Sequence[WriteFile]) -> Iterator[str]:
    """A directory that only we can enter, with the files under the names that they shall have."""
    stage = tempfile.mkdtemp(prefix="reconciler-units-", dir="/run")
    try:
        for path, content in _files(stage, actions).items():
            os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
            with open(fd, "wb") as file:
                file.write(content)
        yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _files(stage: str, actions: Sequence[WriteFile]) -> Mapping[str, bytes]:
    return {f"{stage}/{action.path.removeprefix(f'{_PLACE}/')}": action.content for action in actions}
