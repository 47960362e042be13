"""The homes of accounts that are still to be made: the spec says where, and what is there already counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconciler.core.address import Address
from reconciler.core.changes import Observed, Part
from reconciler.core.host import HostView, Unreadable, UnsafePath
from reconciler.kinds.shared import ownership
from reconciler.kinds.shared.keys import observe as key_observe
from reconciler.kinds.users.model import User, home_of
from reconciler.kinds.users.observe import DIRECTORIES, KEYS, directory_at, home_at


def locate(
    view: HostView, parts: Mapping[Address, Part], observed: Mapping[Address, Observed]
) -> Mapping[Address, Observed]:
    """The state of the homes, and of parts in them, whose accounts are still to be made."""
    new = {
        address.name
        for address, object_there in observed.items()
        if not address.part and object_there.document is None and not object_there.unreadable
    }
    if not new:
        return {}
    located: dict[Address, Observed] = {}
    for address, part in parts.items():
        if (
            address.kind == "users"
            and address.name in new
            and address in observed
            and isinstance(part.declared.resource, User)
        ):
            located.update(_located(view, address, home_of(part.declared.resource, address.name)))
    return {**located, **_keys(view, parts, observed, new)}


def _located(view: HostView, address: Address, home: str) -> Iterator[tuple[Address, Observed]]:
    try:
        if address.part == "home":
            yield address, home_at(view, home)
        elif address.part.startswith(DIRECTORIES):
            yield address, directory_at(view, f"{home}/{address.part.removeprefix(DIRECTORIES)}")
    except (Unreadable, UnsafePath) as failed:
        yield address, ownership.unreadable(failed)


def _keys(
    view: HostView, parts: Mapping[Address, Part], observed: Mapping[Address, Observed], new: set[str]
) -> Mapping[Address, Observed]:
    """The state of the keys in homes that root prepared.

    Keys in any other home belong to nobody yet, or to a number that the account may get.
    """
    keys = [
        address
        for address in observed
        if address.name in new and key_observe.is_ours(address, KEYS) and address in parts
    ]
    homes: dict[str, str] = {}
    for address in keys:
        user = parts[address].declared.resource
        if isinstance(user, User) and key_observe.is_roots_directory(view, home_of(user, address.name)):
            homes[address.name] = home_of(user, address.name)
    return (
        key_observe.observe(view, {address: address.name for address in keys if address.name in homes}, homes)
        if homes
        else {}
    )
