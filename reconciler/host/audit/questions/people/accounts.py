"""Accounts: their lines, their homes, and PATH of root."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from reconciler.core.host import Entry, FileType, HostError
from reconciler.formats.accounts import account_files
from reconciler.formats.accounts.passwd import User
from reconciler.formats.audit.people.accounts import path_elements, redact_accounts
from reconciler.host.audit.question import File, Files, Reader

_MOST_HOMES = 5_000
_TRUSTED = (
    *(".bashrc", ".bash_profile", ".bash_login", ".bash_logout", ".profile", ".bash_aliases", ".inputrc"),
    *(".zshrc", ".zshenv", ".zprofile", ".zlogin", ".cshrc", ".tcshrc", ".login", ".kshrc", ".config"),
    *(".ssh", ".ssh/authorized_keys", ".ssh/authorized_keys2", ".ssh/config", ".ssh/rc", ".ssh/environment"),
    *(".netrc", ".rhosts", ".shosts", ".forward", ".gitconfig", ".vimrc", ".exrc", ".emacs", ".tmux.conf"),
    *(".pam_environment", ".xprofile", ".xsession", ".xsessionrc", ".screenrc", ".procmailrc"),
)
_PATH_FILES = (
    *("/etc/login.defs", "/etc/environment", "/etc/profile", "/etc/bash.bashrc"),
    *("/root/.profile", "/root/.bash_profile", "/root/.bash_login", "/root/.bashrc"),
)


def _homes(files: Files, _: str) -> str:
    """The homes of accounts as JSON: `formats.audit.people.accounts.parse_homes` reads it."""
    users = [user for user in account_files.users(files) if user.home.startswith("/")][:_MOST_HOMES]
    return json.dumps({user.name: _home(files, user) for user in users})


def _home(files: Files, user: User) -> dict[str, Any]:
    try:
        home = _real(files, user.home.rstrip("/") or "/")
        entry = files.entry(home)
        if entry is None:
            return {"home": None}
        return {"home": _facts(entry), "files": dict(_trusted(files, home))}
    except HostError as problem:
        return {"unknown": problem.detail or problem.summary}


def _real(files: Files, home: str) -> str:
    """The home behind a link at the top, where only root makes any: /home that leads to /data/home."""
    top, slash, rest = home[1:].partition("/")
    entry = files.entry(f"/{top}") if slash else None
    if entry is None or entry.type is not FileType.LINK or ".." in entry.target.split("/"):
        return home
    return f"/{entry.target.strip('/')}/{rest}"


def _trusted(files: Files, home: str) -> Iterator[tuple[str, list[str]]]:
    for name in _TRUSTED if home != "/" else ():
        entry = files.entry(f"{home}/{name}")
        if entry is not None:
            yield name, _facts(entry)


def _facts(entry: Entry) -> list[str]:
    return [str(entry.type), entry.mode, entry.owner, entry.group]


def _root_path(files: Files, _: str) -> str:
    """The files that set PATH for root, with each element, as JSON."""
    elements: list[tuple[str, str]] = []
    for path in _PATH_FILES:
        with suppress(FileNotFoundError):
            text = files.read(path).decode("utf-8", "replace")
            elements += [(path, element) for element in path_elements(text)]
    return json.dumps(list(dict.fromkeys(elements)))


QUESTIONS = {
    "passwd": File("/etc/passwd", redact_accounts),
    "group": File("/etc/group", redact_accounts),
    "homes": Reader(_homes),
    "root-path": Reader(_root_path),
}
