"""Accounts that the spec wants in and that their age shuts out, now or soon: an expiry, or a password that is
too old.

Nothing else tells it: the accounts are as declared, so no plan changes anything. It is asked of the effective
state, by every plan.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from reconciler.core.address import Address
from reconciler.core.basics.frozen import frozen
from reconciler.core.changes import Document
from reconciler.core.diagnostic import Diagnostic, Severity, Source
from reconciler.formats.accounts.passwd import User
from reconciler.policy.access.login_accounts import People, as_date

if TYPE_CHECKING:
    from reconciler.policy.access.host_access import HostAccess

_SOON = 90
"""Days ahead in which an age is told that nobody but root can do anything about."""
_NEAR = 14
"""The same of one that somebody has in hand: whoever knows the password can change it, and the spec has the
date of an expiry.
"""
AGEING, EXPIRING = "ageing-password", "expiring-account"
RULES = frozenset((AGEING, EXPIRING))
_NEVER = "never"


@frozen
class Aged:
    """An account that is shut out by its age. `what` is a sentence, `remedy` what to do about it."""

    account: str
    rule: str
    summary: str
    what: str
    remedy: str


def wanted(documents: Iterable[tuple[Address, Document | None]]) -> Mapping[str, str]:
    """The accounts that a spec wants in, declared or by their keys only, each with the expiry that it says
    for itself.
    """
    found: dict[str, str] = {}
    unwanted: set[str] = set()
    for address, document in documents:
        if address.kind == "ssh_keys":
            found.setdefault(address.name, _NEVER)
        elif address.kind == "users" and not address.part and document is not None:
            found[address.name] = str(document.get("expires", _NEVER))
            if document.get("state") != "present":
                unwanted.add(address.name)
    return {name: expiry for name, expiry in found.items() if name not in unwanted}


def shut_out(
    people: People, names: Mapping[str, str], today: int, ask: Callable[[], HostAccess]
) -> Iterator[Aged]:
    """Those of these accounts that are shut out or soon will be. `today` counts days since 1970.

    `ask` is called where one is: on most hosts nobody ages, and nobody's keys need be read. Raises HostError
    for what cannot be read.
    """
    for name, expiry in names.items():
        user = people.users.get(name)
        if user is None or people.why_no_shell(user, pam=False):
            continue
        expires, ages_out = people.expires(name), people.ages_out(name)
        if expires is not None and expires <= today:
            yield from _expiring(user, expires, today, expiry, ask())
        elif people.why_aged(name, today=today):
            yield from _ageing(user, today, today, ask())
        else:
            if expires is not None and expires < today + _NEAR:
                yield from _expiring(user, expires, today, expiry, ask())
            if ages_out is not None and ages_out < today + (_NEAR if people.password_works(name) else _SOON):
                yield from _ageing(user, ages_out, today, ask())


def told(aged: Iterable[Aged], where: Callable[[str], tuple[Address, Source | None]]) -> list[Diagnostic]:
    """The warnings; `where` has the address and the line of an account."""
    return [
        Diagnostic(
            Severity.WARNING, one.summary, f"{one.what} {one.remedy}", *where(one.account), rule=one.rule
        )
        for one in aged
    ]


def _expiring(user: User, expires: int, today: int, expiry: str, host: HostAccess) -> Iterator[Aged]:
    remedy = (
        "Write another day, or `state: disabled`."
        if expiry != _NEVER
        else f"If it is to stay: chage --expiredate -1 {user.name}."
    )
    if expires <= today:
        what = (
            f"{user.name} cannot {_shut(user, host, expired=True)}:"
            f" {host.people.why_closed(user, today=today)}."
        )
        yield Aged(user.name, EXPIRING, "an account has expired", what, remedy)
    elif host.of(user.name).login.can:
        what = f"From {as_date(expires)} on {user.name} cannot log in or use sudo: the account expires then."
        yield Aged(user.name, EXPIRING, "an account will expire", what, remedy)


def _ageing(user: User, day: int, today: int, host: HostAccess) -> Iterator[Aged]:
    remedy = (
        f"To end the ageing: chage --maxdays -1 {user.name}. For new accounts it is PASS_MAX_DAYS in"
        " /etc/login.defs."
    )
    why = host.people.why_closed(user, today=today)
    if why and not (shut := _shut(user, host, expired=False)):
        return
    if why:
        change = f"passwd {user.name}, or chage --lastday {as_date(today)} {user.name}"
        yield Aged(
            user.name,
            AGEING,
            "a password is too old",
            f"{user.name} cannot {shut}: {why}.",
            f"To begin its age anew: {change}. {remedy}",
        )
    elif host.of(user.name).login.can and host.ssh.asks_pam(user):
        what = (
            f"From {as_date(day + 1)} on the password of {user.name} is too old, and PAM then ends every"
            " login, by key too, "
        )
        yield Aged(user.name, AGEING, "logins by key will end", f"{what}that cannot change it.", remedy)


def _shut(user: User, host: HostAccess, *, expired: bool) -> str:
    """The things that are refused, in words; empty for nothing.

    The age of a password is no matter to sudo that asks for none.
    """
    login = host.has_sshd and not host.of(user.name).login.can
    sudo = expired or all(program.password for program in host.becoming.programs(user))
    return " or ".join((*(["log in"] if login else []), *(["use sudo"] if sudo else [])))
