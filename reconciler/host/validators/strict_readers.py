"""The host's own readers of strict directories as judges of declared files: visudo, logrotate,
systemd-tmpfiles.

They read from memory (memfd_create(2)) or from their standard input. Nothing is written, so a plan can ask
them too.
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
_MOST_LINES = 3
"""The most lines of a program that a message quotes."""
_MAKES_ACCOUNT = (AccountOp.USERADD, AccountOp.GROUPADD, AccountOp.RESTORE)


@frozen
class _Coming:
    """The other effects of the same plan."""

    written: Mapping[str, bytes]
    """The sudo rules that it writes, by path."""
    removed: Collection[str]
    """The paths that it removes."""
    accounts: Collection[str]
    """The names of the users and groups that it makes."""


def refusals(actions: Sequence[Action]) -> dict[WriteFile, str]:
    """The reason why its program does not accept a file, for each file that a strict reader judges.

    Empty if the program accepts the file, or cannot be asked.
    """
    judged_files = {
        action: judge
        for action in actions
        if isinstance(action, WriteFile) and (judge := _JUDGES.get(action.check))
    }
    if not judged_files:
        return {}
    coming = _Coming(
        {action.path: action.content for action in judged_files if action.check is Check.SUDOERS},
        frozenset(action.path for action in actions if isinstance(action, RemovePath)),
        frozenset(
            action.name for action in actions if isinstance(action, Account) and action.op in _MAKES_ACCOUNT
        ),
    )
    return {action: _refusal(action, judge, coming) for action, judge in judged_files.items()}


def judged(actions: Sequence[Action]) -> dict[WriteFile, ActionFailed | None]:
    """The error to raise for each file that a strict reader judges; None for one that is accepted."""
    return {action: _failure(action, reason) for action, reason in refusals(actions).items()}


def judge(action: WriteFile) -> None:
    """Raise ActionFailed unless the reader's program accepts the file."""
    for error in judged([action]).values():
        if error is not None:
            raise error


def _failure(action: WriteFile, reason: str) -> ActionFailed | None:
    return ActionFailed("its reader does not accept the file", f"{action.path}: {reason}") if reason else None


def _refusal(action: WriteFile, judge: Callable[[WriteFile, _Coming], list[str]], coming: _Coming) -> str:
    """The reason why a program does not accept a file; complaints about coming accounts are left out."""
    try:
        lines = judge(action, coming)
    except (HostError, OSError):
        return ""
    complaints = [
        line
        for line in lines
        if not any(re.search(rf"\b{re.escape(name)}\b", line) for name in coming.accounts)
    ]
    if action.sensitive:  # a complaint may quote a word of the file
        complaints = [match[0] if (match := re.match(r"line \d+", line)) else "a line" for line in complaints]
    return escape("; ".join(complaints[:_MOST_LINES]))


# ---------------------------------------------------------------------------------------------------- sudo


def _sudo(action: WriteFile, coming: _Coming) -> list[str]:
    """The complaints of visudo about a file beside the host's rules and the files that come with it.

    A coming file with a line that cannot be read is left out: visudo looks at meanings only where it can read
    every line, so that file would hide a mistake in this one.
    """
    others = {path: content for path, content in coming.written.items() if path != action.path}
    host = _rules(_SUDOERS, frozenset((action.path, *others, *coming.removed)), 0)
    rules = host + b"".join(map(_ended, others.values()))
    if not _visudo(rules + _ended(action.content)):
        return []
    alone = _new(host, action.content)
    if not others or any("not defined" not in line for line in alone):
        return alone
    readable = [content for content in others.values() if not any(map(_is_unreadable, _new(host, content)))]
    return _new(host + b"".join(map(_ended, readable)), action.content)


def _is_unreadable(line: str) -> bool:
    return "not defined" not in line and "unused" not in line


def _new(rules: bytes, content: bytes) -> list[str]:
    """The complaints of visudo that rules get only with this file as the last one, with lines of the file."""
    complaints = _visudo(rules + _ended(content))
    complaints_before = _visudo(rules) if complaints else []
    return [_renumbered(line, rules.count(b"\n")) for line in complaints if line not in complaints_before]


def _visudo(text: bytes) -> list[str]:
    """The complaints of visudo about a text, without the lines that it quotes: a file may be sensitive."""
    result = run(["visudo", "--check", "--file=-"], timeout=_TIMEOUT, input=text)
    lines = (result.out + result.err).decode("utf-8", "replace").splitlines()
    complaints = [line.strip() for line in lines if re.match(r"\s*(?:Warning: |visudo: )?stdin:\d", line)]
    return complaints or ([result.message] if result.rc else [])


def _renumbered(complaint: str, lines_before: int) -> str:
    """The complaint with the line's number in the file itself."""

    def place_in_file(match: re.Match[str]) -> str:
        number = int(match[1]) - lines_before
        return f"line {number}" if number > 0 else "a rule that is there already"

    return re.sub(r"stdin:(\d+)(?::\d+)?", place_in_file, complaint)


def _rules(path: str, without: Collection[str], depth: int) -> bytes:
    """The text of a file of rules, each `@include` replaced by the rules that it names.

    The paths in `without`, and files that sudo does not trust, are left out.
    """
    if depth > _MOST_INCLUDES or path in without or not _is_trusted(path):
        return b""
    with open(path, "rb") as file:
        text = file.read().decode("utf-8", "surrogateescape")
    parts = []
    for line in text.split("\n"):
        included = sudoers_text.include_of(line)
        if included is None:
            parts.append(f"{line}\n".encode("utf-8", "surrogateescape"))
            continue
        directive, target = included
        parts += [
            _rules(path, without, depth + 1)
            for path in _files(directive, target.replace("%h", os.uname().nodename.partition(".")[0]))
        ]
    return b"".join(parts)


def _files(directive: str, path: str) -> list[str]:
    """The files that an `include` or `includedir` names."""
    if directive == "include":
        return [path]
    try:
        names = sorted(os.listdir(path))
    except OSError:
        return []
    return [f"{path.rstrip('/')}/{name}" for name in names if not sudoers_text.is_ignored(name)]


def _is_trusted(path: str) -> bool:
    """Whether sudo trusts a file: it is root's, and only root can write it."""
    try:
        status = os.stat(path)
    except OSError:
        return False
    return (
        status.st_uid == 0 and not status.st_mode & 0o002 and not (status.st_mode & 0o020 and status.st_gid)
    )


def _ended(content: bytes) -> bytes:
    return content if content.endswith(b"\n") else content + b"\n"


# ---------------------------------------------------------------------------------------- logrotate, tmpfiles


def _logrotate(action: WriteFile, _: _Coming) -> list[str]:
    """The errors of `logrotate -d` about the file; a new one is read beside the host's other policies."""
    fd = os.memfd_create("policy", os.MFD_CLOEXEC)
    try:
        os.fchmod(fd, 0o644)
        os.write(fd, action.content)
        memory_path = f"/proc/{os.getpid()}/fd/{fd}"
        others = [_MAIN] if not os.path.lexists(action.path) and os.path.exists(_MAIN) else []
        result = run(
            ["logrotate", "-d", "-s", "/dev/null", *others, memory_path], timeout=_TIMEOUT, cap=16 << 20
        )
    finally:
        os.close(fd)
    lines = (result.out + b"\n" + result.err).decode("utf-8", "replace").splitlines()
    # An unknown directive is an error in 3.21 and a warning since 3.22.
    about = [
        line.partition(": ")[2]
        for line in lines
        if line.startswith(("error: ", "warning: ")) and memory_path in line
    ]
    reasons = [line for line in about if not line.startswith("found error in ")] or about
    return [
        re.sub(rf"{re.escape(memory_path)}:(\d+)", r"line \1:", line).replace(memory_path, action.path)
        for line in reasons
    ]


def _tmpfiles(action: WriteFile, _: _Coming) -> list[str]:
    """The errors of systemd-tmpfiles about the lines of the file.

    Releases before 256 have no --dry-run; with a prefix that no line has, they do nothing either.
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
