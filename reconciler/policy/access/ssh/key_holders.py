"""Who becomes root by a key: whoever holds it logs in as an account that is root.

The account itself gains nothing by another key, so its own ways do not show it. The rows compare the keys
that give a shell of an account that is root, before and after the plan; a key that gave one before, for
whatever account, is nobody's gain.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from reconciler.core.basics.frozen import frozen
from reconciler.formats.accounts.passwd import User
from reconciler.formats.ssh import authorized_keys
from reconciler.formats.ssh.authorized_keys import Key
from reconciler.formats.ssh.sshd_match import Origin
from reconciler.policy.access.changes import ROOT, Access, Sides
from reconciler.policy.access.host_access import HostAccess
from reconciler.policy.access.ways import quoted

_FEW = 3
"""Accounts with the same key that are named."""


@frozen
class _Door:
    """A key that gives a shell of an account that is root.

    `likely`: whoever logs in then needs a password, or the account only may become root.
    """

    user: User
    key: Key
    by: str
    likely: bool


def key_holders(sides: Sides) -> list[Access]:
    """Rows of those who become root by a key that comes, that loses its fixed command, or that sshd takes
    from now on.
    """
    return [*_authorities(sides), *_holders(sides)]


def _authorities(sides: Sides) -> Iterator[Access]:
    """Yield who signs logins of every account from now on (TrustedUserCAKeys), where one of them is root."""
    old_fingerprints = {key.fingerprint for key in _signing(sides.before)}
    new = [key for key in _signing(sides.after) if key.fingerprint not in old_fingerprints]
    people = sides.after.people.users.values() if new else ()
    user = next(
        (
            user
            for user in people
            if _way(sides.after, user) is not None and sides.after.of(user.name).login.can
        ),
        None,
    )
    if user is None:
        return
    for key in new:
        words = _words(key)
        how = (
            f"signs certificates with which anybody logs in as any account, as {user.name} too"
            " (TrustedUserCAKeys)"
        )
        owners = _owners(key, sides, "")
        if owners:
            yield from (
                Access(owner, "gains", ROOT, f"{owner}'s key {words} {how}", None) for owner in owners
            )
        else:
            yield Access(user.name, "gains", ROOT, how, None, holder=f"the key {words}")


def _words(key: Key) -> str:
    return key.fingerprint + (f" (comment {quoted(key.comment)})" if key.comment else "")


def _signing(host: HostAccess) -> list[Key]:
    """The keys whose certificates sshd takes (TrustedUserCAKeys)."""
    root = host.people.users.get("root")
    path = (
        host.doors.ssh.settings(root, Origin()).word("trustedusercakeys", "none")
        if host.has_sshd and root is not None
        else ""
    )
    text = host.doors.files.text(path) if path.startswith("/") else None
    return [key for key in map(authorized_keys.read, (text or "").split("\n")) if key is not None]


def _holders(sides: Sides) -> list[Access]:
    new_doors = [door for door in _doors(sides.after, sides.names) if _is_new(door, sides.before)]
    if not new_doors:
        return []
    old_fingerprints = {door.key.fingerprint for door in _doors(sides.before, sides.before.people.users)}
    rows = (_row(door, sides) for door in new_doors if door.key.fingerprint not in old_fingerprints)
    return [row for row in rows if row is not None]


def _doors(host: HostAccess, names: Collection[str]) -> Iterator[_Door]:
    for user in filter(None, map(host.people.users.get, names)):
        way = _way(host, user)
        if way is not None:
            yield from (_Door(user, key, *way) for key in host.ssh.shells(user).values())


def _way(host: HostAccess, user: User) -> tuple[str, bool] | None:
    """The way by which somebody who logs in with a key alone is root, and whether it is only likely, or
    None.
    """
    if user.uid == 0:
        return "", False
    ways = host.of(user.name).root
    asking = {way.by for way in host.becoming.of(user)} - {way.by for way in host.becoming.free(user)}
    sure = next((way for way in ways if not way.likely and way.by not in asking), None)
    best = sure or next(iter(ways), None)
    return None if best is None else (best.by, sure is None)


def _is_new(door: _Door, before: HostAccess) -> bool:
    user = before.people.users.get(door.user.name)
    return user is None or door.key.fingerprint not in before.ssh.shells(user) or _way(before, user) is None


def _row(door: _Door, sides: Sides) -> Access | None:
    """The row of whoever holds the key.

    None where another row has the account become root by the same plan, and the key is its own: one that it
    has had, or its first.
    """
    name, key = door.user.name, door.key
    owners = _owners(key, sides, name)
    user_before = sides.before.people.users.get(name)
    is_told = user_before is None or _way(sides.before, user_before) is None
    if (
        is_told
        and not owners
        and (user_before is None or key.fingerprint in sides.before.ssh.listed(user_before))
    ):
        return None
    how = f"logs in as {name}" + (
        f", who {'may become' if door.likely else 'is'} root by {door.by}" if door.by else ""
    )
    words = _words(key)
    if len(owners) == 1:
        return Access(owners[0], "gains", ROOT, f"{owners[0]}'s key {words} {how}", None, likely=door.likely)
    others = (
        "; the key of"
        f" {', '.join(owners[:_FEW])}{f' and {len(owners) - _FEW} more' if len(owners) > _FEW else ''} too"
        if owners
        else ""
    )
    return Access(name, "gains", ROOT, how + others, None, likely=door.likely, holder=f"the key {words}")


def _owners(key: Key, sides: Sides, name: str) -> list[str]:
    """The other accounts that the key belongs to, before or after."""
    return sorted(
        {
            user.name
            for host in (sides.before, sides.after)
            for user in host.people.users.values()
            if user.name != name and user.uid and key.fingerprint in host.ssh.listed(user)
        }
    )
