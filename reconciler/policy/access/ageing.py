"""Accounts that the spec wants in and that their age shuts out, now or soon: an expiry, or a password that is
too old.

Nothing else says so: the accounts are as declared, and no plan changes anything. Every plan therefore asks
the effective state.
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
"""Days ahead for a warning about an age that nobody but root can change."""
_NEAR = 14
"""Days ahead where somebody else can: whoever knows the password changes it, and the spec has the date of an
expiry.
"""
AGEING, EXPIRING = "ageing-password", "expiring-account"
RULES = frozenset((AGEING, EXPIRING))
_NEVER = "never"


@frozen
class Aged:
    """An account that its age shuts out, or will: `what` is a sentence, `remedy` says how to end it."""

    account: str
    rule: str
    summary: str
    what: str
    remedy: str


def wanted_accounts(documents: Iterable[tuple[Address, Document | None]]) -> Mapping[str, str]:
    """The accounts that a spec wants in, declared or by their keys only, each with its declared expiry."""
    expiries: dict[str, str] = {}
    unwanted: set[str] = set()
    for address, document in documents:
        if address.kind == "ssh_keys":
            expiries.setdefault(address.name, _NEVER)
        elif address.kind == "users" and not address.part and document is not None:
            expiries[address.name] = str(document.get("expires", _NEVER))
            if document.get("state") != "present":
                unwanted.add(address.name)
    return {name: expiry for name, expiry in expiries.items() if name not in unwanted}


def shut_out(
    people: People, names: Mapping[str, str], today: int, ask: Callable[[], HostAccess]
) -> Iterator[Aged]:
    """Yield those of these accounts that are shut out or soon will be. `today` counts days since 1970.

    `ask` is called for the first of them only: on most hosts nobody ages, and no keys need be read. Raises
    HostError for what cannot be read.
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


def ageing_warnings(
    accounts: Iterable[Aged], where: Callable[[str], tuple[Address, Source | None]]
) -> list[Diagnostic]:
    """The warnings; `where` has the address and the line of an account."""
    return [
        Diagnostic(
            Severity.WARNING, aged.summary, f"{aged.what} {aged.remedy}", *where(aged.account), rule=aged.rule
        )
        for aged in accounts
    ]


def _expiring(user: User, expires: int, today: int, expiry: str, host: HostAccess) -> Iterator[Aged]:
    remedy = (
        "Write another day, or `state: disabled`."
        if expiry != _NEVER
        else f"If it is to stay: chage --expiredate -1 {user.name}."
    )
    if expires <= today:
        sentence = (
            f"{user.name} cannot {_shut(user, host, expired=True)}:"
            f" {host.people.why_closed(user, today=today)}."
        )
        yield Aged(user.name, EXPIRING, "an account has expired", sentence, remedy)
    elif host.of(user.name).login.can:
        sentence = (
            f"From {as_date(expires)} on {user.name} cannot log in or use sudo: the account expires then."
        )
        yield Aged(user.name, EXPIRING, "an account will expire", sentence, remedy)


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
        sentence = (
            f"From {as_date(day + 1)} on the password of {user.name} is too old, and PAM then ends every"
            " login, by key too, "
        )
        yield Aged(user.name, AGEING, "logins by key will end", f"{sentence}that cannot change it.", remedy)


def _shut(user: User, host: HostAccess, *, expired: bool) -> str:
    """The things that the account can no longer do, in words; empty for none.

    sudo that asks for no password does not look at its age.
    """
    login = host.has_sshd and not host.of(user.name).login.can
    sudo = expired or all(program.password for program in host.becoming.programs(user))
    return " or ".join((*(["log in"] if login else []), *(["use sudo"] if sudo else [])))
