"""Files: one pass over all of them, the packages that they came with, and programs that were changed."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from reconciler.core.host import HostError, Unreadable
from reconciler.formats import acl
from reconciler.formats.accounts import account_files
from reconciler.formats.accounts.passwd import Group, User
from reconciler.formats.audit.files import HASHES
from reconciler.formats.file_scan import FileScan, ScannedEntry, Scope, scan_text
from reconciler.host.audit.package_files import Digests, diverted, info_files, is_merged, top
from reconciler.host.audit.question import Files, Reader
from reconciler.host.process.environment import is_root
from reconciler.host.scan.child import scan

_DYNAMIC_USERS = (61184, 65519)
"""systemd's numbers for DynamicUser=: what such a service leaves behind belongs to the next start of it."""
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
    users, groups = account_files.users(files), account_files.groups(files)
    is_foreign = top(files) != "/" and not is_root()
    own = (os.geteuid(),) if is_foreign else ()
    own_groups = (os.getegid(), *os.getgroups()) if is_foreign else ()
    scope = Scope(
        homes={
            user.home.rstrip("/"): user.uid for user in users if user.home.count("/") > 1 or user.uid == 0
        },
        uids=frozenset((*own, *(user.uid for user in users))),
        gids=frozenset((*own_groups, *(group.gid for group in groups))),
        ranges=(_DYNAMIC_USERS, *_subordinate(files)),
    )
    narrowed: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in (json.loads(argument) if argument else {}).items()
    }
    try:
        outcome = scan(replace(scope, **narrowed), top(files))
    except OSError as error:
        raise Unreadable("cannot be read", f"the pass over the files: {error.strerror}") from error
    return scan_text(_in_tree(outcome, files, users, groups) if is_foreign else outcome)


def _subordinate(files: Files) -> Iterator[tuple[int, int]]:
    """Yield the numbers that accounts use in containers of their own (subuid(5))."""
    for name in ("subuid", "subgid"):
        for line in (account_files.known_text(files, name) or "").splitlines():
            match = re.fullmatch(r"[^:]+:(\d{1,10}):(\d{1,10})", line.strip())
            if match is not None:
                yield int(match[1]), int(match[1]) + int(match[2]) - 1


def _in_tree(scan: FileScan, files: Files, users: Iterable[User], groups: Iterable[Group]) -> FileScan:
    """The pass of an ordinary user over a tree, with the owners and modes that the host will have: ours are
    root's, unless they are recorded.
    """
    uids = {"root": 0} | {user.name: user.uid for user in users}
    gids = {"root": 0} | {group.name: group.gid for group in groups}

    def with_owner(seen: ScannedEntry) -> ScannedEntry:
        try:
            entry = files.entry(seen.path)
        except HostError:
            entry = None  # no plain path, or no longer there
        if entry is None:
            return seen
        uid, gid = uids.get(entry.owner, seen.uid), gids.get(entry.group, seen.gid)
        return replace(seen, uid=uid, gid=gid, mode=entry.mode)

    return replace(scan, seen={name: tuple(map(with_owner, rows)) for name, rows in scan.seen.items()})


def packages_of(files: Files, argument: str) -> str:
    """The package of each path that came with one, as JSON. The argument: the paths, as JSON."""
    paths = {name: path for path in json.loads(argument) for name in _names_of(path)}
    packages: dict[str, str] = {}
    for package, content in info_files(files, ".list"):
        for line in frozenset(content.split(b"\n")) & paths.keys():
            packages[paths[line]] = package
    return json.dumps(packages, sort_keys=True)


def _names_of(path: str) -> Iterator[bytes]:
    """Yield the names that dpkg may have for a path: packages of a merged /usr still say /bin."""
    yield os.fsencode(path)
    if path.startswith(("/usr/bin/", "/usr/sbin/", "/usr/lib")):
        yield os.fsencode(path.removeprefix("/usr"))


def changed_programs(files: Files, _: str) -> str:
    """Programs that are not as their package brought them, as JSON: `{"changed": {path: package}, "missing":
    {...}, "unread": {path: why}, "checked": 123, "partial": false}`.
    """
    deadline = time.monotonic() + _SECONDS
    elsewhere, digests = diverted(files), Digests(files)
    answer: dict[str, dict[str, str]] = {"changed": {}, "missing": {}, "unread": {}}
    checked = 0
    for package, digest, path in _listed(files):
        if path in elsewhere:
            continue
        if time.monotonic() > deadline:
            return json.dumps({**answer, "checked": checked, "partial": True}, sort_keys=True)
        checked += 1
        try:
            if digests.of(path) != digest:
                answer["changed"][path] = package
        except FileNotFoundError:
            answer["missing"][path] = package
        except HostError as problem:
            answer["unread"][path] = problem.detail or problem.summary
        except OSError as error:
            answer["unread"][path] = error.strerror or str(error)
    return json.dumps({**answer, "checked": checked, "partial": False}, sort_keys=True)


def _listed(files: Files) -> Iterator[tuple[str, str, str]]:
    """Yield package, digest and path of each program that dpkg knows a digest of."""
    merged = "/usr/" if is_merged(files) else "/"
    for package, content in info_files(files, ".md5sums"):
        for line in content.decode("utf-8", "surrogateescape").split("\n"):
            digest, _, path = line.partition("  ")
            if _CHECKED.match(path):
                yield package, digest, f"/{path}" if path.startswith("usr/") else f"{merged}{path}"


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
    "file-scan": Reader(file_scan),
    "packages-of": Reader(packages_of),
    "changed-programs": Reader(changed_programs),
}
