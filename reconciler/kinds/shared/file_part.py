"""One regular file as a part: the steps that write, change or remove it (`file_observe` has its state)."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from reconciler.core.actions import Check, MakeDirectory, RemovePath, SetAccess, WriteFile
from reconciler.core.basics.digest import digest
from reconciler.core.changes import Change, Verb
from reconciler.core.kind import Impossible
from reconciler.core.steps import Cause, Step
from reconciler.kinds.shared import ownership


def steps(
    change: Change,
    path: str,
    keys: Collection[str],
    *,
    check: Check = Check.NONE,
    directories: Collection[str] = (),
) -> Iterator[Step]:
    """Write the file, set its access, or remove it.

    It is written where it is absent or one of the `keys` of its document differs, after the missing
    `directories` above it are made. Raises Impossible.
    """
    cause, expects = (Cause(change.address),), ownership.expected(change.observed)
    if change.verb is Verb.DELETE:
        yield Step(RemovePath(path, expects, sensitive=change.sensitive), cause)
        return
    part, before = change.part, change.before
    assert part is not None and part.content is not None
    if before is not None and before["type"] not in ("file", "link"):
        raise in_the_way(path, before["type"], "file")
    access = ownership.access_of(part.document)
    if before is None or any(change.touches(key) for key in ("type", *keys)):
        for directory in directories:
            yield Step(MakeDirectory(directory, "0755", "root", "root"), cause)
        write = WriteFile(
            path,
            part.content,
            digest(part.content),
            **access,
            expects=expects,
            sensitive=part.sensitive,
            check=check,
        )
        yield Step(write, cause)
    elif any(change.touches(key) for key in ownership.ACCESS):
        yield Step(SetAccess(path, **access), cause)


def in_the_way(path: str, type_: str, declared_type: str = "") -> Impossible:
    """The refusal to put anything at a path where something of another type is."""
    other = f", not a {declared_type}" if declared_type else ""
    return Impossible(f"{path} is a {type_}{other}; {BY_HAND}")


BY_HAND = "move it away by hand, nothing here deletes it"
