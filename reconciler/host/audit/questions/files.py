"""Files: one pass over all of them, the packages that they came with, and programs that were changed."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

from reconciler.core.answers import NotInstalled
from reconciler.core.host import Unreadable
from reconciler.formats import acl
from reconciler.formats.accounts import account_files
from reconciler.formats.audit.files import HASHES
from reconciler.formats.file_scan import Scope, scan_text
from reconciler.host.audit.question import Files, Reader
from reconciler.host.scan.child import scan

_DYNAMIC_USERS = (61184, 65519)
"""systemd's numbers for DynamicUser=: what such a service leaves behind belongs to the next start of it."""
_INFO = "/var/lib/dpkg/info"
_DIVERSIONS = "/var/lib/dpkg/diversions"
_CHECKED = re.compile(
    r"(?:usr/)?(?:s?bin/"
    r"|lib/(?:[^/]+/)?(?:systemd|openssh|security|sudo|cron|apt|dbus-1\.0|policykit-1|polkit-1)/)"
)
"""Programs and modules that run as root, or on everybody's behalf."""
_SECONDS = 20.0


def file_scan(files: Files, argument: str) -> str:
    """The pass over the files, as a line of JSON. The argument: `paths`, `skip`, `seconds`, `files` of its
    scope as JSON, those that are not the usual ones.
    """
    users = account_files.users(files)
    scope = Scope(
        homes={
            user.home.rstrip("/"): user.uid for user in users if user.home.count("/") > 1 or user.uid == 0
        },
        uids=frozenset(user.uid for user in users),
        gids=frozenset(group.gid for group in account_files.groups(files)),
        ranges=(_DYNAMIC_USERS, *_subordinate(files)),
    )
    narrowed: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in (json.loads(argument) if argument else {}).items()
    }
    try:
        return scan_text(scan(replace(scope, **narrowed)))
    except OSError as error:
        raise Unreadable("cannot be read", f"the pass over the files: {error.strerror}") from error


def _subordinate(files: Files) -> Iterator[tuple[int, int]]:
    """Yield the numbers that accounts use in containers of their own (subuid(5))."""
    for name in ("subuid", "subgid"):
        for line in (account_files.known_text(files, name) or "").splitlines():
            match = re.fullmatch(r"[^:]+:(\d{1,10}):(\d{1,10})", line.strip())
            if match is not None:
                yield int(match[1]), int(match[1]) + int(match[2]) - 1


def packages_of(files: Files, argument: str) -> str:
    """The package of each path that came with one, as JSON. The argument: the paths, as JSON."""
    paths = {name: path for path in json.loads(argument) for name in _names_of(path)}
    packages: dict[str, str] = {}
    for name in _info(".list"):
        with suppress(FileNotFoundError), open(f"{_INFO}/{name}", "rb") as file:
            for line in frozenset(file.read().split(b"\n")) & paths.keys():
                packages[paths[line]] = name.removesuffix(".list").partition(":")[0]
    return json.dumps(packages, sort_keys=True)


def _names_of(path: str) -> Iterator[bytes]:
    """Yield the names that dpkg may have for a path: packages of a merged /usr still say /bin."""
    yield os.fsencode(path)
    if path.startswith(("/usr/bin/", "/usr/sbin/", "/usr/lib")):
        yield os.fsencode(path.removeprefix("/usr"))


def _info(ending: str) -> list[str]:
    """The files of dpkg with this ending. Raises NotInstalled where there is no dpkg."""
    try:
        return sorted(name for name in os.listdir(_INFO) if name.endswith(ending))
    except FileNotFoundError:
        raise NotInstalled("dpkg") from None
    except OSError as error:
        raise Unreadable("cannot be read", f"{_INFO}: {error.strerror}") from error


def changed_programs(files: Files, _: str) -> str:
    """Programs that are not as their package brought them, as JSON: `{"changed": {path: package}, "missing":
    {...}, "unread": {path: why}, "checked": 123, "partial": false}`.
    """
    deadline = time.monotonic() + _SECONDS
    diverted = _diverted()
    answer: dict[str, dict[str, str]] = {"changed": {}, "missing": {}, "unread": {}}
    checked = 0
    for package, digest, path in _digests():
        if path in diverted:
            continue
        if time.monotonic() > deadline:
            return json.dumps({**answer, "checked": checked, "partial": True}, sort_keys=True)
        checked += 1
        try:
            if _md5(path) != digest:
                answer["changed"][path] = package
        except FileNotFoundError:
            answer["missing"][path] = package
        except OSError as error:
            answer["unread"][path] = error.strerror or str(error)
    return json.dumps({**answer, "checked": checked, "partial": False}, sort_keys=True)


def _digests() -> Iterator[tuple[str, str, str]]:
    """Yield package, digest and path of each program that dpkg knows a digest of."""
    top = "/usr/" if os.path.islink("/bin") else "/"
    for name in _info(".md5sums"):
        package = name.removesuffix(".md5sums").partition(":")[0]
        with (
            suppress(FileNotFoundError),
            open(f"{_INFO}/{name}", encoding="utf-8", errors="surrogateescape") as file,
        ):
            for line in file:
                digest, _, path = line.rstrip("\n").partition("  ")
                if _CHECKED.match(path):
                    yield package, digest, f"/{path}" if path.startswith("usr/") else f"{top}{path}"


def _diverted() -> frozenset[str]:
    """The paths that dpkg-divert(1) has put elsewhere."""
    try:
        with open(_DIVERSIONS, encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read().splitlines()
    except OSError:
        return frozenset()
    return frozenset(name for path in lines[::3] for name in (path, f"/usr{path}"))


def _md5(path: str) -> str:
    """The digest of a file. Raises OSError, for a link too: no package lists one with a digest."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    with open(fd, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def hash_readers(files: Files, _: str) -> str:
    """Whom the access lists of the files with hashes let read them, as JSON: see formats.audit.files."""
    rows = [
        {"path": path, "group": tag == acl.GROUP, "number": number}
        for path in HASHES
        if files.entry(path) is not None
        for name, value in files.attributes(path)
        if name == acl.ATTRIBUTE
        for tag, rights, number in acl.entries(value)
        if tag in (acl.USER, acl.GROUP) and rights & acl.READ
    ]
    return json.dumps(rows)


QUESTIONS = {
    "hash-readers": Reader(hash_readers),
    "file-scan": Reader(file_scan, live=True),
    "packages-of": Reader(packages_of, live=True),
    "changed-programs": Reader(changed_programs, live=True),
}
