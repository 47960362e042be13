"""Secrets: the sort of what a file holds, and nothing of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from reconciler.core.host import FileType, HostError
from reconciler.core.secrets.masking import holds_private_key, holds_secret, masked, names_secret
from reconciler.core.secrets.secrecy import HIDDEN
from reconciler.host.audit.question import Files, Reader

_LARGEST = 1 << 18
_UNITS = ("/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system")
_ENVIRONMENT = ("/etc/environment", "/etc/crontab", "/etc/profile", "/etc/bash.bashrc", "/etc/rc.local")
_DIRECTORIES = ("/etc/default", "/etc/cron.d", "/etc/profile.d", "/etc/environment.d")
_NAMES_A_FILE = re.compile(r"^[ \t]*EnvironmentFile[ \t]*=[ \t]*-?(/[^\s%*?\[]+)[ \t]*$", re.MULTILINE)
_NAME = re.compile(r"""([A-Za-z][A-Za-z0-9_.-]{0,60})["']?[ \t]*[=:][ \t]*["']?""" + re.escape(HIDDEN))
_KEY, _SECRET = "a private key", "a password or a token"


def kinds_of(files: Files, argument: str) -> str:
    """The sort of secret in each file that has one, as JSON. The argument: the paths, as JSON.

    A file that cannot be read has the word `unread`.
    """
    kinds = {path: _kind(files, path) for path in json.loads(argument)}
    return json.dumps({path: kind for path, kind in kinds.items() if kind}, sort_keys=True)


def _kind(files: Files, path: str) -> str:
    try:
        entry = files.entry(path)
        if entry is None or entry.type is not FileType.FILE or entry.size > _LARGEST:
            return ""
        text = files.read(path).decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    except HostError:
        return "unread"
    if holds_private_key(text):
        return _KEY
    return _SECRET if holds_secret(text) else ""


def secret_lines(files: Files, _: str) -> str:
    """Lines with secrets in units and in files of environments that everybody can read, as JSON: `{"units":
    [[path, line, name]], "files": [...], "unread": [path]}`.
    """
    unread: list[str] = []
    units = {path: _text(files, path, unread) for path in _unit_files(files)}
    named = [match for text in units.values() for match in _NAMES_A_FILE.findall(text)]
    listed = [f"{directory}/{name}" for directory in _DIRECTORIES for name in _names(files, directory)]
    others = dict.fromkeys((*_ENVIRONMENT, *listed, *named))
    texts = {path: _text(files, path, unread) for path in others if _is_open(files, path)}
    answer = {
        "units": [row for path, text in units.items() for row in _rows(path, text)],
        "files": [row for path, text in texts.items() for row in _rows(path, text)],
        "unread": unread,
    }
    return json.dumps(answer, sort_keys=True)


def _unit_files(files: Files) -> Iterator[str]:
    """Yield the units that no package brought, and all drop-ins."""
    for directory in _UNITS:
        for name in _names(files, directory):
            path = f"{directory}/{name}"
            if name.endswith(".d"):
                yield from (f"{path}/{below}" for below in _names(files, path) if below.endswith(".conf"))
            elif name.endswith((".service", ".socket", ".mount", ".timer", ".path")):
                yield path


def _names(files: Files, directory: str) -> tuple[str, ...]:
    try:
        return files.names(directory)
    except (FileNotFoundError, HostError):
        return ()


def _is_open(files: Files, path: str) -> bool:
    """Whether everybody can read a file, through all directories above it."""
    try:
        entry = files.entry(path)
        if entry is None or entry.type is not FileType.FILE or not int(entry.mode, 8) & 0o004:
            return False
        while path := path.rpartition("/")[0]:
            above = files.entry(path)
            if above is None or not int(above.mode, 8) & 0o001:
                return False
    except HostError:
        return False
    return True


def _text(files: Files, path: str, unread: list[str]) -> str:
    """The text of a file; empty for a link, and for what cannot be read, which is noted."""
    try:
        entry = files.entry(path)
        if entry is None or entry.type is not FileType.FILE or entry.size > _LARGEST:
            return ""
        return files.read(path).decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    except HostError:
        unread.append(path)
        return ""


def _rows(path: str, text: str) -> Iterator[tuple[str, int, str]]:
    """Yield path, line and name of each secret: the name before it, where it is a name for one."""
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith(("#", ";")):
            continue
        hidden = masked(line)
        if hidden != line:
            match = _NAME.search(hidden)
            yield path, number, match[1] if match is not None and names_secret(match[1]) else "a secret"


QUESTIONS = {"secret-kinds": Reader(kinds_of), "secret-lines": Reader(secret_lines)}
