"""Meaning of a changed file or directory for access: who can read or write it, and what it says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconciler.core.changes import Change, Verb
from reconciler.policy.access.ways import named
from reconciler.policy.file_meaning import meaning
from reconciler.policy.root_reach.places import place_of

_KEY_FILES = ("/.ssh/authorized_keys", "/.ssh/authorized_keys2")


Effects = Iterator[tuple[str, str, str]]
"""The effect, what it is about, and the detail: as in an Access of `policy.access.changes`."""


def of_file(change: Change, texts: tuple[str | None, str | None]) -> Effects:
    """Yield the change of a file that decides who comes in, or that root reads or runs; none where its
    meaning for access stays the same.
    """
    path = change.address.name
    place = place_of(path)
    verb = "is created" if change.before is None else "is removed" if change.after is None else "changes"
    if _means_the_same(change, texts, place.reader if place is not None else ""):
        return
    if place is not None:
        yield "changes", "file", f"root {place.use} {named(path)}, which {verb}"
    elif path.endswith(_KEY_FILES):
        yield "changes", "file", f"{named(path)}, by whose keys somebody logs in, {verb}"
    yield from _opened(
        change, {"read": (_OTHERS_READ, _OTHERS_READ), "write": (_OTHERS_WRITE, _OTHERS_WRITE)}
    )


def of_directory(change: Change, texts: tuple[str | None, str | None]) -> Effects:
    """Yield what everybody can do with a directory from now on."""
    yield from _opened(
        change, {"look into": (_OTHERS_LIST, _OTHERS_LIST), "write in": (_OTHERS_MAKE, _OTHERS_MAKE)}
    )


def _opened(change: Change, powers: Mapping[str, tuple[int, int]]) -> Effects:
    """Yield what everybody can do with a path from now on, and its new owner, for paths that were there."""
    before, after = change.before or {}, change.after or {}
    was, will = str(before.get("mode", "")), str(after.get("mode", ""))
    path = (
        f"the home of {change.address.name}" if change.address.kind == "users" else named(change.address.name)
    )
    if was and will:
        for power, (bits, granting) in powers.items():
            if int(was, 8) & bits != granting and int(will, 8) & bits == granting:
                yield "gains", "open", f"everybody can {power} {path} (mode {was} -> {will})"
    owner = str(after.get("owner", ""))
    if before.get("owner") and owner not in ("", "root", before["owner"]):
        yield "gains", "open", f"{owner} owns {path}, which was {before['owner']}'s"


_OTHERS_READ, _OTHERS_WRITE, _OTHERS_LIST, _OTHERS_MAKE = 0o004, 0o002, 0o005, 0o003


def _means_the_same(change: Change, texts: tuple[str | None, str | None], reader: str) -> bool:
    """Whether only parts differ that do not matter for access: remarks, the order of a set, a schedule.

    A script may write what looks like a remark (<<).
    """
    if change.verb is not Verb.UPDATE or {item.path[0] for item in change.fields} != {"content"}:
        return False
    content = change.part.content if change.part is not None else None
    if texts[0] is None or content is None:
        return False
    old, new = texts[0], content.decode("utf-8", "replace")
    return "<<" not in old + new and meaning(old, reader) == meaning(new, reader)
