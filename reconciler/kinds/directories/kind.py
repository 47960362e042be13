"""directories: one directory with its mode and owner.

The content of a directory is not ours and is never deleted.
"""

# No `from __future__ import annotations`: pydantic would evaluate the text of each annotation at every start.

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from typing import Annotated

from pydantic import Field

from reconciler.core.actions import MakeDirectory, RemovePath, SetAccess
from reconciler.core.address import Address
from reconciler.core.changes import Change, Part, Verb
from reconciler.core.host import FileType, HostView, Unreadable
from reconciler.core.kind import Kind, Requirement
from reconciler.core.model.fields import AbsolutePath, KnownName, Mode
from reconciler.core.model.resource import RefersTo, Resource
from reconciler.core.spec import Declared
from reconciler.core.steps import Cause, Step
from reconciler.kinds.directories import ORDER
from reconciler.kinds.directories.observe import observe
from reconciler.kinds.shared import file_part, ownership, requirements


class Directory(Resource):
    """A directory. When its block is removed, the directory goes only if we made it and it is empty."""

    mode: Mode
    """Permissions, as four octal digits in quotes.

    Required: there is no mode that is right for everything.
    """
    owner: Annotated[KnownName, RefersTo("users")] = "root"
    """The user who owns it."""
    group: Annotated[KnownName, RefersTo("groups")] = "root"
    """The group that owns it."""


def expand(declared: Declared, running: bool) -> Iterator[Part]:
    """One part: the directory."""
    directory = declared.resource
    assert isinstance(directory, Directory)
    document = {
        "type": "directory",
        "mode": directory.mode,
        "owner": directory.owner,
        "group": directory.group,
    }
    yield Part(declared.address, document, declared)


def reason_to_keep(view: HostView, address: Address, vanishing: AbstractSet[str]) -> str:
    """Why a directory that left the spec stays: an entry in it does not go with it."""
    try:
        staying = [name for name in view.names(address.name) if f"{address.name}/{name}" not in vanishing]
    except Unreadable as error:
        return str(error)
    return (
        f"not empty ({len(staying)} {'entry' if len(staying) == 1 else 'entries'}, such as {staying[0]!r})"
        if staying
        else ""
    )


def actions(change: Change) -> Iterator[Step]:
    """Make the directory, set its access, or remove it when empty. Raises Impossible."""
    path, cause = change.address.name, (Cause(change.address),)
    if change.verb is Verb.DELETE:
        yield Step(RemovePath(path, expects=str(FileType.DIRECTORY)), cause)
        return
    assert change.after is not None
    if change.verb is Verb.CREATE:
        yield Step(MakeDirectory(path, **ownership.access_of(change.after)), cause)
    elif change.touches("type"):
        raise file_part.in_the_way(path, (change.before or {})["type"], "directory")
    else:
        yield Step(SetAccess(path, **ownership.access_of(change.after)), cause)


def references(declared: Declared) -> Iterable[Address]:
    """Its owners and the directories above it."""
    directory = declared.resource
    assert isinstance(directory, Directory)
    return (*ownership.owners(directory.owner, directory.group), *ownership.above(declared.address.name))


def requires(declared: Declared) -> Iterable[Requirement]:
    """Its owners and the directory above it."""
    directory = declared.resource
    assert isinstance(directory, Directory)
    return (
        *requirements.owner_requirements(directory.owner, directory.group),
        *requirements.parent_requirement(declared.address.name),
    )


KIND = Kind(
    name="directories",
    model=Directory,
    name_type=Annotated[AbsolutePath, Field(description="Where the directory is.")],
    expand=expand,
    observe=observe,
    actions=actions,
    order=ORDER,
    tells_access=True,
    ownership_keys=("type",),
    prunes_adopted=False,
    reason_to_keep=reason_to_keep,
    references=references,
    requires=requires,
    paths=lambda address: (address.name,),
)
