"""The things that could decide an answer about access and that a snapshot does not have, in words."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from reconciler.policy.access.host_access import HostAccess

_NAMED = 5
"""Paths that are named; of more, the rest is counted."""

_WORDS = {"content": "what root reads or runs in", "ACL": "whom an ACL lets write", "entry": "who can write"}


def missing_of(hosts: Sequence[HostAccess], names: Collection[str] = ()) -> Iterator[str]:
    """Yield what is missing of whole hosts: rules about these accounts, or about all; texts that root reads
    or runs; ACLs.
    """
    yield from (words for host in hosts for words in _rules(host, names))
    yield from _files(dict.fromkeys(key for host in hosts for key in host.doors.files.missing))


def missing_of_change(before: HostAccess, after: HostAccess) -> Iterator[str]:
    """Yield what is missing of what a plan changes: rules that count only after it, and the paths that it
    looks at.
    """
    words_before = dict.fromkeys(_rules(before, ()))
    yield from (words for words in _rules(after, ()) if words not in words_before)
    yield from _files(after.doors.files.missing)


def unread(hosts: Sequence[HostAccess], names: Iterable[str], to: str = "") -> Iterator[str]:
    """Yield what could not be read about these accounts, each reason once; `to` root, to login or both."""
    accounts_by_reason: dict[tuple[str, str], dict[str, None]] = {}
    for name in names:
        for answer in (host.of(name) for host in hosts):
            for question, reason in (("login", answer.login_unread), ("root", answer.root_unread)):
                if reason and to in ("", question):
                    accounts_by_reason.setdefault((question, reason), {})[name or "everybody"] = None
    for (question, reason), accounts in accounts_by_reason.items():
        yield f"{_QUESTIONS[question].format(_listed(list(accounts)))}: {reason}"


_QUESTIONS = {"login": "by what {} can log in", "root": "by what {} can become root"}


def _rules(host: HostAccess, names: Collection[str]) -> Iterator[str]:
    """Yield masked rules, but for accounts that are root anyway: nothing else that they run counts."""
    for name, program in host.becoming.masked:
        if (not names or name in names) and not host.of(name).root:
            yield f"with which arguments sudo lets {name} run {program}"


def _files(keys: Collection[str]) -> Iterator[str]:
    for lack, words in _WORDS.items():
        paths = list(dict.fromkeys(key.partition(" ")[2] for key in keys if key.startswith(f"{lack} ")))
        if paths:
            yield f"{words} {_listed(paths)}"


def _listed(paths: Sequence[str]) -> str:
    more = len(paths) - _NAMED
    return ", ".join(paths[:_NAMED]) + (f" and {more} more" if more > 0 else "")
