"""What an answer about access is built on and a snapshot does not have, in words: only what could decide it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from reconciler.policy.host_access import HostAccess

_NAMED = 5
"""Paths that are named; of more, the rest is counted."""


def missing_of(hosts: Sequence[HostAccess], names: Collection[str] = ()) -> Iterator[str]:
    """Of whole hosts: the rules about these accounts, or about all, the texts that root reads or runs, and ACLs."""
    yield from (words for host in hosts for words in _rules(host, names))
    yield from _files(dict.fromkeys(key for host in hosts for key in host.doors.files.missing))


def missing_of_change(before: HostAccess, after: HostAccess) -> Iterator[str]:
    """Of what a plan changes: rules that count only after it, and what is missing of the paths that it looks at."""
    known = dict.fromkeys(_rules(before, ()))
    yield from (words for words in _rules(after, ()) if words not in known)
    yield from _files(after.doors.files.missing)


def _rules(host: HostAccess, names: Collection[str]) -> Iterator[str]:
    """An account that is root anyway is so, whatever else it may run."""
    for name, program in host.becoming.masked:
        if (not names or name in names) and not host.of(name).root:
            yield f"with which arguments sudo lets {name} run {program}"


def _files(keys: Collection[str]) -> Iterator[str]:
    texts, lists = (list(dict.fromkeys(key.partition(" ")[2] for key in keys if key.startswith(f"{what} "))) for what in ("content", "ACL"))
    if texts:
        yield f"what root reads or runs in {_listed(texts)}"
    if lists:
        yield f"whom an ACL lets write {_listed(lists)}"


def _listed(paths: Sequence[str]) -> str:
    more = len(paths) - _NAMED
    return ", ".join(paths[:_NAMED]) + (f" and {more} more" if more > 0 else "")
