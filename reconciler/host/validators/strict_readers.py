"""The host's own readers of strict directories as judges of files that are to come: visudo, logrotate,
systemd-tmpfiles.

Nothing is written anywhere, so that a plan can ask too: they read what is in memory (memfd_create(2)) or on
their standard input.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Mapping, Sequence

from reconciler.core.actions import Account, AccountOp, Action, Check, RemovePath, WriteFile
from reconciler.core.basics.frozen import frozen
from reconciler.core.host import ActionFailed, HostError
from reconciler.formats.sudo import sudoers_text
from reconciler.host.process.run import escape, run

_TIMEOUT = 30.0
_SUDOERS = "/etc/sudoers"
_MAIN = "/etc/logrotate.conf"
_MOST_INCLUDES = 16
_NAMED = 3
"""Lines of a program that are passed on."""
_NOBODY_MADE = (AccountOp.USERADD, AccountOp.GROUPADD, AccountOp.RESTORE)


@frozen
class _Coming:
    """The other effects of the same plan: files that it writes, paths that it removes, accounts that it
    makes.
    """

    written: Mapping[str, bytes]
    removed: Collection[str]
    accounts: Collection[str]


def refusals(actions: Sequence[Action]) -> dict[WriteFile, str]:
    """For each file among these that a strict reader judges, why its program does not take it; empty: it
    does, or cannot be asked.
    """
    asked = {
        action: judge
        for action in actions
        if isinstance(action, WriteFile) and (judge := _JUDGES.get(action.check))
    }
    if not asked:
        return {}
    coming = _Coming(
        {action.path: action.content for action in asked if action.check is Check.SUDOERS},
        frozenset(action.path for action in actions if isinstance(action, RemovePath)),
        frozenset(
            action.name for action in actions if isinstance(action, Account) and action.op in _NOBODY_MADE
        ),
    )
    return {action: _asked(action, judge, coming) for action, judge in asked.items()}


def judged(actions: Sequence[Action]) -> dict[WriteFile, ActionFailed | None]:
    """The same as what is to be raised; None: the file is accepted."""
    return {action: _failure(action, why) for action, why in refusals(actions).items()}


def judge(action: WriteFile) -> None:
    """Raise ActionFailed unless the reader's program takes the file."""
    for problem in judged([action]).values():
        if problem is not None:
            raise problem


def _failure(action: WriteFile, why: str) -> ActionFailed | None:
    return ActionFailed("its reader does not accept the file", f"{action.path}: {why}") if why else None


def _asked(action: WriteFile, judge: Callable[[WriteFile, _Coming], list[str]], coming: _Coming) -> str:
    try:
        lines = judge(action, coming)
    except (HostError, OSError):
        return ""
    strange = [
        line
        for line in lines
        if not any(re.search(rf"\b{re.escape(name)}\b", line) for name in coming.accounts)
    ]
    if action.sensitive:  # the complaint may quote a word of it
        strange = [found[0] if (found := re.match(r"line \d+", line)) else "a line" for line in strange]
    return escape("; ".join(strange[:_NAMED]))


# ---------------------------------------------------------------------------------------------------- sudo


def _sudo(action: WriteFile, coming: _Coming) -> list[str]:
    """The complaints of visudo about a file by itself beside the host's rules, else beside those that come
    with it.

    A file with a wrong line must not hide what is wrong in another: visudo looks at meanings only where every
    line can be read.
    """
    others = {path: content for path, content in coming.written.items() if path != action.path}
    host = _rules(_SUDOERS, frozenset((action.path, *others, *coming.removed)), 0)
    rest = host + b"".join(map(_ended, others.values()))
    if not _visudo(rest + _ended(action.content)):
        return []
    alone = _new(host, action.content)
    if not others or any("not defined" not in line for line in alone):
        return alone
    readable = [content for content in others.values() if not any(map(_is_unreadable, _new(host, content)))]
    return _new(host + b"".join(map(_ended, readable)), action.content)


def _is_unreadable(line: str) -> bool:
    return "not defined" not in line and "unused" not in line


def _new(rest: bytes, content: bytes) -> list[str]:
    """The complaints of visudo that rules get only with this file as the last one, with lines of the file."""
    lines = _visudo(rest + _ended(content))
    known = _visudo(rest) if lines else []
    return [_place(line, rest.count(b"\n")) for line in lines if line not in known]


def _visudo(text: bytes) -> list[str]:
    """Its complaints. The lines that it repeats are left out: a file may be sensitive."""
    result = run(["visudo", "--check", "--file=-"], timeout=_TIMEOUT, input=text)
    said = (result.out + result.err).decode("utf-8", "replace").splitlines()
    found = [line.strip() for line in said if re.match(r"\s*(?:Warning: |visudo: )?stdin:\d", line)]
    return found or ([result.message] if result.rc else [])


def _place(line: str, before: int) -> str:
    """The complaint with the line of the file itself."""

    def renumbered(match: re.Match[str]) -> str:
        number = int(match[1])
        return f"line {number - before}" if number > before else "a rule that is there already"

    return re.sub(r"stdin:(\d+)(?::\d+)?", renumbered, line)


def _rules(path: str, without: Collection[str], depth: int) -> bytes:
    """A file of rules with what it includes in its place, but for these paths.

    Nothing of what sudo does not trust.
    """
    if depth > _MOST_INCLUDES or path in without or not _is_trusted(path):
        return b""
    with open(path, "rb") as file:
        text = file.read().decode("utf-8", "surrogateescape")
    found = []
    for line in text.split("\n"):
        included = sudoers_text.include_of(line)
        if included is None:
            found.append(f"{line}\n".encode("utf-8", "surrogateescape"))
            continue
        how, place = included
        found += [
            _rules(path, without, depth + 1)
            for path in _files(how, place.replace("%h", os.uname().nodename.partition(".")[0]))
        ]
    return b"".join(found)


def _files(how: str, path: str) -> list[str]:
    if how == "include":
        return [path]
    try:
        names = sorted(os.listdir(path))
    except OSError:
        return []
    return [f"{path.rstrip('/')}/{name}" for name in names if not sudoers_text.is_ignored(name)]


def _is_trusted(path: str) -> bool:
    try:
        about = os.stat(path)
    except OSError:
        return False
    return about.st_uid == 0 and not about.st_mode & 0o002 and not (about.st_mode & 0o020 and about.st_gid)


def _ended(content: bytes) -> bytes:
    return content if content.endswith(b"\n") else content + b"\n"


# ---------------------------------------------------------------------------------------- logrotate, tmpfiles


def _logrotate(action: WriteFile, _: _Coming) -> list[str]:
    """The errors that `logrotate -d` says about the file; beside the host's other policies where it is a new
    one.
    """
    fd = os.memfd_create("policy", os.MFD_CLOEXEC)
    try:
        os.fchmod(fd, 0o644)
        os.write(fd, action.content)
        place = f"/proc/{os.getpid()}/fd/{fd}"
        others = [_MAIN] if not os.path.lexists(action.path) and os.path.exists(_MAIN) else []
        result = run(["logrotate", "-d", "-s", "/dev/null", *others, place], timeout=_TIMEOUT, cap=16 << 20)
    finally:
        os.close(fd)
    lines = (result.out + b"\n" + result.err).decode("utf-8", "replace").splitlines()
    # An unknown word is an error in 3.21 and a warning since 3.22.
    about = [
        line.partition(": ")[2]
        for line in lines
        if line.startswith(("error: ", "warning: ")) and place in line
    ]
    reasons = [line for line in about if not line.startswith("found error in ")] or about
    return [
        re.sub(rf"{re.escape(place)}:(\d+)", r"line \1:", line).replace(place, action.path)
        for line in reasons
    ]


def _tmpfiles(action: WriteFile, _: _Coming) -> list[str]:
    """The lines that systemd-tmpfiles calls an error.

    Releases before 256 have no --dry-run: with a prefix that no line has they do nothing.
    """
    result = run(["systemd-tmpfiles", "--create", "--dry-run", "-"], timeout=_TIMEOUT, input=action.content)
    if b"unrecognized option" in result.err:
        result = run(
            ["systemd-tmpfiles", "--create", "--prefix=/.no-line-has-this", "-"],
            timeout=_TIMEOUT,
            input=action.content,
        )
    lines = result.err.decode("utf-8", "replace").splitlines()
    return [
        re.sub(r"^<stdin>:(\d+): ", r"line \1: ", line).rstrip(".")
        for line in lines
        if line.startswith("<stdin>:")
    ]


_JUDGES: Mapping[Check, Callable[[WriteFile, _Coming], list[str]]] = {
    Check.SUDOERS: _sudo,
    Check.LOGROTATE_FILE: _logrotate,
    Check.TMPFILES: _tmpfiles,
}
CHECKS = frozenset(_JUDGES)
