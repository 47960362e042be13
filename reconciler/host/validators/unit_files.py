"""systemd as the judge of unit files and drop-ins that are about to be put in place.

`systemd-analyze verify` reads them from a stage before its own paths.

Only a unit that PID 1 would refuse to load counts: `verify` also fails for a program that is not there, and
warns about lines that are ignored. With `--recursive-errors=no` (since 250) it loads no unit that another one
only refers to. It runs systemd's environment generators, as PID 1 does, and reads only what PID 1 would read.
It is a safety net: where it cannot be asked, a mistake shows after the reload.
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

_DIRECTORY = "/etc/systemd/system"
_TIMEOUT = 30.0
_VERIFY = ["systemd-analyze", "verify", "--man=no", "--generators=no", "--recursive-errors=no"]
_REFUSED = Late(r"Unit (\S+) (?:has a bad unit file setting|failed to load properly)")
_HARMLESS = ("ignoring", "will not be started", "is not executable")
"""The words in lines that are no reason for PID 1 to refuse a unit."""
_MOST_LINES = 2
"""The most lines of systemd that a message quotes."""


def judge(action: WriteFile) -> None:
    """Raise ActionFailed if systemd would not load the unit with this file or drop-in."""
    for error in judged([action]).values():
        if error is not None:
            raise error


def judged(actions: Sequence[WriteFile]) -> dict[WriteFile, ActionFailed | None]:
    """The error to raise for each file; None if systemd would load it.

    systemd is asked once, so each file is judged beside the others.
    """
    refused = _refusals(actions) if actions else {}
    return {action: _failure(action, refused.get(_unit(action))) for action in actions}


def _failure(action: WriteFile, reason: str | None) -> ActionFailed | None:
    return None if reason is None else ActionFailed("systemd does not accept it", f"{action.path}: {reason}")


def _unit(action: WriteFile) -> str:
    """The unit that a file defines or a drop-in changes."""
    return action.path.removeprefix(f"{_DIRECTORY}/").partition(".d/")[0]


def _refusals(actions: Sequence[WriteFile]) -> dict[str, str]:
    """The units that systemd would not load with these files, and why; empty if it cannot be asked."""
    with _stage(actions) as stage:
        paths = [f"{stage}/{name}" for name in dict.fromkeys(map(_unit, actions))]
        try:
            # The colon at the end stands for the directories that systemd looks in by itself.
            result = run([*_VERIFY, *paths], timeout=_TIMEOUT, variables={"SYSTEMD_UNIT_PATH": f"{stage}:"})
        except HostError:
            return {}
    lines = result.err.decode("utf-8", "replace").replace(f"{stage}/", f"{_DIRECTORY}/").splitlines()
    return {match[1]: _reason(match[1], lines) for line in lines if (match := _REFUSED.match(line))}


def _reason(name: str, lines: Sequence[str]) -> str:
    about = [
        line
        for line in lines
        if line.startswith((f"{name}: ", f"{_DIRECTORY}/{name}:", f"{_DIRECTORY}/{name}.d/"))
    ]
    reasons = [
        line.removeprefix(f"{name}: ") for line in about if not any(word in line for word in _HARMLESS)
    ]
    return escape(
        "; ".join(reasons[:_MOST_LINES])
        or next((line for line in lines if f" {name} " in line), "it would not be loaded")
    )


@contextmanager
def _stage(actions: Sequence[WriteFile]) -> Iterator[str]:
    """A directory that only we can enter, with the files under their final names."""
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
    return {f"{stage}/{action.path.removeprefix(f'{_DIRECTORY}/')}": action.content for action in actions}
