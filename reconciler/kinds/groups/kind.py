"""groups: a local group in /etc/group.

Its number is never changed, and a group that was there before us is never removed.
"""

# No `from __future__ import annotations`: pydantic would evaluate the text of each annotation at every start.

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Annotated

from pydantic import Field

from reconciler.core.actions import Account, AccountOp
from reconciler.core.address import Address
from reconciler.core.changes import Change, Document, Part, Verb
from reconciler.core.diagnostic import Diagnostic
from reconciler.core.host import HostView
from reconciler.core.kind import Impossible, Kind
from reconciler.core.model.fields import AccountName, Flag
from reconciler.core.model.resource import Resource
from reconciler.core.spec import Declared, Spec
from reconciler.core.steps import Cause, Step
from reconciler.kinds.groups import ORDER
from reconciler.kinds.groups.observe import observe
from reconciler.kinds.shared import account_numbers, elsewhere


class Group(Resource):
    """A group. When its block is removed, the group goes only if we made it."""

    gid: Annotated[int | None, Field(ge=1, le=4_294_967_294, strict=True)] = None
    """Its number; the next free one when left out.

    Cannot be changed later: files on disk carry the number.
    """
    system: Flag = False
    """Take the number from the range for system groups."""


def _group(declared: Declared) -> Group:
    assert isinstance(declared.resource, Group)
    return declared.resource


def expand(declared: Declared, running: bool) -> Iterator[Part]:
    """One part: the group. The range that its number came from is no state to converge to."""
    document: Document = {"type": "group"}
    gid = _group(declared).gid
    if gid is not None:
        document["gid"] = gid
    yield Part(declared.address, document, declared)


def actions(change: Change) -> Iterator[Step]:
    """groupdel, or groupadd, which also completes a half-made group. Raises Impossible for a new number."""
    name, cause = change.address.name, (Cause(change.address),)
    if change.verb is Verb.DELETE:
        yield Step(Account(AccountOp.GROUPDEL, name), cause)
        return
    assert change.part is not None
    if change.verb is Verb.UPDATE and change.touches("gid"):
        raise Impossible(
            f"group {name} has gid {(change.before or {}).get('gid')}, the spec says"
            f" {change.part.document.get('gid')}. Files on disk carry the number, so it is not changed here:"
            " write the number it has, or move the files and change it by hand"
        )
    group = _group(change.part.declared)
    fields = (("gid", str(group.gid)),) if group.gid is not None else ()
    yield Step(
        Account(AccountOp.GROUPADD, name, (*fields, *((("system", "yes"),) if group.system else ()))), cause
    )


def reason_to_keep(view: HostView, address: Address, vanishing: AbstractSet[str]) -> str:
    """Why a group that left the spec stays: it is the primary group of an account that stays."""
    users = account_numbers.members(view, address.name)
    names = [name for name in users if not vanishing & {f"users.{name}", f"users.{name}.group"}]
    return f"left alone: still the primary group of {', '.join(names)}" if names else ""


def check(view: HostView, spec: Spec, changes: Sequence[Change]) -> Iterator[Diagnostic]:
    """Warn where a group takes over the number of one that goes, or goes while accounts are in it."""
    yield from account_numbers.taken_over(view, "groups", "gid", changes)
    yield from account_numbers.losing(view, changes)
    for change in changes:
        if change.address.kind == "groups" and change.verb is Verb.CREATE:
            yield from elsewhere.taken(view, change, group=True)


KIND = Kind(
    name="groups",
    model=Group,
    name_type=AccountName,
    expand=expand,
    observe=observe,
    actions=actions,
    order=ORDER,
    programs=(("groupadd", "passwd"),),
    ownership_keys=("gid",),
    whole=False,
    prunes_adopted=False,
    reason_to_keep=reason_to_keep,
    check=check,
)
