"""The things that an answer about access is built on and that a snapshot does not have, in words.

Only what could decide the answer is told.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from reconciler.policy.access.host_access import HostAccess

_NAMED = 5
"""Paths that are named; of more, the rest is counted."""


_WORDS = {"content": "what root reads or runs in", "ACL": "whom an ACL lets write", "entry": "who can write"}


def missing_of(hosts: Sequence[HostAccess], names: Collection[str] = ()) -> Iterator[str]:
    """Yield what is missing of whole hosts.

    These are the rules about these accounts, or about all, the texts that root reads or runs, and ACLs.
    """
    yield from (words for host in hosts for words in _rules(host, names))
    yield from _files(dict.fromkeys(key for host in hosts for key in host.doors.files.missing))


def missing_of_change(before: HostAccess, after: HostAccess) -> Iterator[str]:
    """Yield what is missing of what a plan changes.

    These are rules that count only after it, and what is missing of the paths that it looks at.
    """
    known = dict.fromkeys(_rules(before, ()))
    yield from (words for words in _rules(after, ()) if words not in known)
    yield from _files(after.doors.files.missing)


def unread(hosts: Sequence[HostAccess], names: Iterable[str], to: str = "") -> Iterator[str]:
    """Yield what could not be read about these accounts, each reason once; `to` root, to login or both."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    for name in names:
        for answer in (host.of(name) for host in hosts):
            for what, reason in (("login", answer.login_unread), ("root", answer.root_unread)):
                if reason and to in ("", what):
                    found.setdefault((what, reason), {})[name or "everybody"] = None
    for (what, reason), accounts in found.items():
        yield f"{_QUESTIONS[what].format(_listed(list(accounts)))}: {reason}"


_QUESTIONS = {"login": "by what {} can log in", "root": "by what {} can become root"}


def _rules(host: HostAccess, names: Collection[str]) -> Iterator[str]:
    """An account that is root anyway is so, whatever else it may run."""
    for name, program in host.becoming.masked:
        if (not names or name in names) and not host.of(name).root:
            yield f"with which arguments sudo lets {name} run {program}"


def _files(keys: Collection[str]) -> Iterator[str]:
    for what, words in _WORDS.items():
        paths = list(dict.fromkeys(key.partition(" ")[2] for key in keys if key.startswith(f"{what} ")))
        if paths:
            yield f"{words} {_listed(paths)}"


def _listed(paths: Sequence[str]) -> str:
    more = len(paths) - _NAMED
    return ", ".join(paths[:_NAMED]) + (f" and {more} more" if more > 0 else "")
