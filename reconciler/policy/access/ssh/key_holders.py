"""Who becomes root by a key: whoever holds it logs in as an account that is root.

The account itself gains nothing by a further key, so its own ways say nothing of that. Both hosts are asked
which keys give a shell of an account that is root; a key that gave one before, for whatever account, is
nobody's gain.
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

    `likely`: the account then has to know its password, or may become root only.
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
    """Who signs logins of every account from now on (TrustedUserCAKeys), where one of them is root."""
    known = {key.fingerprint for key in _signing(sides.before)}
    new = [key for key in _signing(sides.after) if key.fingerprint not in known]
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
        said = key.fingerprint + (f" (comment {quoted(key.comment)})" if key.comment else "")
        how = (
            f"signs certificates with which anybody logs in as any account, as {user.name} too"
            " (TrustedUserCAKeys)"
        )
        owners = _owners(key, sides, "")
        if owners:
            yield from (Access(owner, "gains", ROOT, f"{owner}'s key {said} {how}", None) for owner in owners)
        else:
            yield Access(user.name, "gains", ROOT, how, None, holder=f"the key {said}")


def _signing(host: HostAccess) -> list[Key]:
    """The keys of which sshd takes certificates."""
    root = host.people.users.get("root")
    path = (
        host.doors.ssh.settings(root, Origin()).word("trustedusercakeys", "none")
        if host.has_sshd and root is not None
        else ""
    )
    text = host.doors.files.text(path) if path.startswith("/") else None
    return [key for key in map(authorized_keys.read, (text or "").split("\n")) if key is not None]


def _holders(sides: Sides) -> list[Access]:
    found = [door for door in _doors(sides.after, sides.names) if _is_new(door, sides.before)]
    if not found:
        return []
    known = {door.key.fingerprint for door in _doors(sides.before, sides.before.people.users)}
    rows = (_row(door, sides) for door in found if door.key.fingerprint not in known)
    return [row for row in rows if row is not None]


def _doors(host: HostAccess, names: Collection[str]) -> Iterator[_Door]:
    for user in filter(None, map(host.people.users.get, names)):
        way = _way(host, user)
        if way is not None:
            yield from (_Door(user, key, *way) for key in host.ssh.shells(user).values())


def _way(host: HostAccess, user: User) -> tuple[str, bool] | None:
    """By what who logs in with a key alone is root, and whether that is only likely; None: by nothing."""
    if user.uid == 0:
        return "", False
    ways = host.of(user.name).root
    asking = {way.by for way in host.becoming.of(user)} - {way.by for way in host.becoming.free(user)}
    sure = next((way for way in ways if not way.likely and way.by not in asking), None)
    best = sure or next(iter(ways), None)
    return None if best is None else (best.by, sure is None)


def _is_new(door: _Door, before: HostAccess) -> bool:
    known = before.people.users.get(door.user.name)
    return (
        known is None or door.key.fingerprint not in before.ssh.shells(known) or _way(before, known) is None
    )


def _row(door: _Door, sides: Sides) -> Access | None:
    """None where the account is told as becoming root by the same plan, and the key is one that it has had,
    or its first and its own.
    """
    name, key = door.user.name, door.key
    owners = _owners(key, sides, name)
    known = sides.before.people.users.get(name)
    is_told = known is None or _way(sides.before, known) is None
    if is_told and not owners and (known is None or key.fingerprint in sides.before.ssh.listed(known)):
        return None
    how = f"logs in as {name}" + (
        f", who {'may become' if door.likely else 'is'} root by {door.by}" if door.by else ""
    )
    said = key.fingerprint + (f" (comment {quoted(key.comment)})" if key.comment else "")
    if len(owners) == 1:
        return Access(owners[0], "gains", ROOT, f"{owners[0]}'s key {said} {how}", None, likely=door.likely)
    others = (
        "; the key of"
        f" {', '.join(owners[:_FEW])}{f' and {len(owners) - _FEW} more' if len(owners) > _FEW else ''} too"
        if owners
        else ""
    )
    return Access(name, "gains", ROOT, how + others, None, likely=door.likely, holder=f"the key {said}")


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
