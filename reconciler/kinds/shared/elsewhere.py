"""Accounts and groups that are in none of this host's own files: a directory service has them, or systemd."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.core.changes import Change
from reconciler.core.diagnostic import Diagnostic, error
from reconciler.core.host import HostView, Unreadable, UnsafePath
from reconciler.formats.accounts import nsswitch


def taken(view: HostView, change: Change, *, group: bool) -> Iterator[Diagnostic]:
    """Yield an error for a new account or group whose name is taken elsewhere: useradd would refuse it."""
    name, source = change.address.name, change.part.declared.source if change.part else None
    try:
        number = view.named(name, group=group)
    except Unreadable:
        return
    if number is None:
        return
    object_, database, program = ("group", "group", "groupadd") if group else ("account", "passwd", "useradd")
    section, numbered = ("groups", "gid") if group else ("users", "uid")
    if number in nsswitch.TRANSIENT:
        detail = (
            f"{name} ({numbered} {number}) is there while a unit with DynamicUser= runs, and {program} makes"
            f" no other of its name. Take it out of `{section}:`: systemd makes it for the unit. Or take"
            " `DynamicUser` out of the unit, and stop it first."
        )
        yield error(
            f"the {object_} is that of a running unit",
            detail,
            address=change.address,
            source=source,
            rule="dynamic-user",
        )
        return
    detail = (
        f"{name} ({numbered} {number}) exists in {_who(view)}, not on this host (getent {database} {name}),"
        f" and {program} makes no other of its name. Take it out of `{section}:`; files, directories and"
        " services may name it all the same."
    )
    yield error(
        f"the {object_} is not of this host",
        detail,
        address=change.address,
        source=source,
        rule="directory-service",
    )


def _who(view: HostView) -> str:
    try:
        return nsswitch.has_it(view.excerpt(nsswitch.PATH)[0].decode("utf-8", "replace"))
    except (FileNotFoundError, Unreadable, UnsafePath):
        return "a directory service"
