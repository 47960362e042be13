"""Warnings about the access that a plan leaves behind.

The rules compare the host before and after the plan, for the accounts that the plan concerns. Each is about
something that is applied without a complaint and then is not what was meant: a key that sshd does not take,
one that leaves the spec and still lets in, a rule of sudo that a later one overrules or that nobody has the
password for, and an account that anybody can be. `policy.access.ageing` asks for the age of accounts, on
settled hosts too.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from functools import cached_property

from reconciler.core.address import Address
from reconciler.core.basics.frozen import frozen
from reconciler.core.changes import Change, Part, Verb
from reconciler.core.diagnostic import Diagnostic, Severity, Source
from reconciler.core.host import HostError
from reconciler.core.plan import Plan
from reconciler.formats.accounts.passwd import User
from reconciler.formats.sudo.programs import Overruled
from reconciler.kinds import of_accounts
from reconciler.policy.access.changes import Sides, refused_key
from reconciler.policy.access.host_access import HostAccess
from reconciler.policy.access.login_accounts import People
from reconciler.policy.access.ssh.login import SshLogin
from reconciler.policy.guards import EMPTY_PASSWORD, KEY_STAYS

_FINGERPRINT = "SHA256:"
_SUDOERS_D = "/etc/sudoers.d"
_SOON = 14 * 86_400
"""Seconds ahead for a warning about the last administrators, as for other accounts that expire."""


class Subject:
    """The subject of the rules: a plan, both hosts, and what is declared, with thousands of accounts
    perhaps.
    """

    def __init__(self, plan: Plan, sides: Sides, parts: Mapping[Address, Part]) -> None:
        self.sides = sides
        self.parts = parts
        self.changes = tuple(change for change in plan.changes if _happens(change, plan))
        """The changes of accounts and keys that the plan makes."""
        self.changed = frozenset(change.address for change in self.changes)

    def users(self) -> Iterator[tuple[User, Part]]:
        """Yield the accounts that the plan concerns and the spec declares, as they are after it."""
        for name in self.sides.names:
            user, part = self.sides.after.people.users.get(name), self.parts.get(Address("users", name))
            if user is not None and part is not None:
                yield user, part

    @cached_property
    def declared_keys(self) -> Mapping[str, frozenset[str]]:
        """The fingerprints of all keys that are declared for an account, in whatever section."""
        fingerprints: dict[str, set[str]] = {}
        for address in self.parts:
            if address.kind in of_accounts() and (fingerprint := _fingerprint(address)):
                fingerprints.setdefault(address.name, set()).add(fingerprint)
        return {name: frozenset(keys) for name, keys in fingerprints.items()}


def _happens(change: Change, plan: Plan) -> bool:
    idle = (
        change.verb in (Verb.NONE, Verb.FORGET)
        or change.address in plan.blocked
        or change.address in plan.held
    )
    return not idle and change.address.kind in of_accounts()


Rule = Callable[[Subject], Iterator[Diagnostic]]


def access_warnings(subject: Subject, allowed: Collection[str]) -> list[Diagnostic]:
    """The diagnostics of all rules, but for the refusals that were allowed."""
    diagnostics: list[Diagnostic] = []
    for rule in _RULES:
        # the answers about the accounts say what could not be read; the other rules stand
        with suppress(HostError):
            diagnostics += [
                diagnostic
                for diagnostic in rule(subject)
                if not (diagnostic.refusal and diagnostic.rule in allowed)
            ]
    return diagnostics


def _warning(
    rule: str, summary: str, detail: str, part: Part | None, address: Address | None = None
) -> Diagnostic:
    return Diagnostic(
        Severity.WARNING,
        summary,
        detail,
        address or (part.address if part else None),
        _source(part),
        rule=rule,
    )


def _refusal(rule: str, summary: str, detail: str, address: Address, part: Part | None) -> Diagnostic:
    detail = f"{detail} If it is meant: --allow {rule}."
    return Diagnostic(Severity.ERROR, summary, detail, address, _source(part), rule=rule, refusal=True)


def _source(part: Part | None) -> Source | None:
    return part.declared.source if part is not None else None


# ---------------------------------------------------------------------------------------------------- keys


def refused_keys(subject: Subject) -> Iterator[Diagnostic]:
    """Keys that come or change, and that sshd will not take: one warning for each account and reason."""
    changes_by_reason: dict[tuple[str, str], list[Change]] = {}
    for change in subject.changes:
        if change.after is not None and (why := refused_key(subject.sides, change)):
            changes_by_reason.setdefault((change.address.name, why), []).append(change)
    for (name, why), changes in changes_by_reason.items():
        keys = ", ".join(_fingerprint(change.address) for change in changes)
        yield _warning(
            "refused-key",
            "sshd does not take a key",
            f"{name} does not log in with {keys}: {why}.",
            changes[0].part,
        )


def staying_keys(subject: Subject) -> Iterator[Diagnostic]:
    """Keys that leave the spec, or are not in an exact list, and still let somebody in: another file that
    sshd reads has them.
    """
    leaving: dict[str, dict[str, Change]] = {}
    for change in subject.changes:
        for fingerprint in _leaving(change):
            leaving.setdefault(change.address.name, {})[fingerprint] = change
    for name in dict.fromkeys((*leaving, *subject.sides.names)):
        user, exact = subject.sides.after.people.users.get(name), _exact(subject, name)
        accepted = (
            subject.sides.after.keys(user)
            if user is not None and (name in leaving or exact is not None)
            else {}
        )
        for fingerprint, path in accepted.items():
            leaving_change = leaving.get(name, {}).get(fingerprint)
            if leaving_change is not None:
                yield _stays(
                    f"{fingerprint} leaves the spec",
                    name,
                    path,
                    leaving_change.address,
                    exact.part if exact is not None else None,
                )
            elif exact is not None and fingerprint not in exact.keys:
                yield _stays(
                    f"{fingerprint} is none of those that may log in",
                    name,
                    path,
                    exact.part.address,
                    exact.part,
                )


def unreached(plan: Plan, parts: Mapping[Address, Part]) -> dict[str, str]:
    """The accounts with an exact list of keys whose file cannot be looked at, and why: a link in the way, for
    one.
    """
    return {
        address.name: why
        for address, why in plan.unreadable.items()
        if address.kind in of_accounts()
        and (part := parts.get(address)) is not None
        and "others" in part.document
    }


def unreached_keys(subject: Subject, names: Mapping[str, str]) -> Iterator[Diagnostic]:
    """Keys beside an exact list that sshd takes by a path that is not followed here.

    No refusal: an ordinary user makes such a link, and would stop every apply of the host by it.
    """
    for name, why in names.items():
        user, exact = subject.sides.after.people.users.get(name), _exact(subject, name)
        accepted = subject.sides.after.ssh.keys(user) if user is not None else {}
        for fingerprint, path in accepted.items():
            if exact is not None and fingerprint not in exact.keys:
                detail = (
                    f"{fingerprint} is none of those that may log in, sshd takes it for {name} from {path},"
                    " and no apply takes it away: "
                )
                yield _warning(KEY_STAYS, "a key still lets in", f"{detail}{why}.", exact.part)


def _stays(problem: str, name: str, path: str, address: Address, part: Part | None) -> Diagnostic:
    detail = f"{problem}, and sshd still takes it for {name} from {path}. Take it out of that file first."
    return _refusal(KEY_STAYS, "a key still lets in", detail, address, part)


@frozen
class _Exact:
    """An exact list of keys: no other may let in."""

    keys: frozenset[str]
    part: Part


def _exact(subject: Subject, name: str) -> _Exact | None:
    mains = (
        subject.parts.get(address)
        for address in (Address("ssh_keys", name), Address("users", name, "ssh_keys"))
    )
    main = next((part for part in mains if part is not None and "others" in part.document), None)
    if main is None:
        return None
    return _Exact(subject.declared_keys.get(name, frozenset()), main)


def _leaving(change: Change) -> Iterator[str]:
    if change.verb is Verb.DELETE and _fingerprint(change.address):
        yield _fingerprint(change.address)


def _fingerprint(address: Address) -> str:
    at = address.part.find(_FINGERPRINT)
    return address.part[at:] if at >= 0 else ""


# ---------------------------------------------------------------------------------------------------- sudo


def overruled_rules(subject: Subject) -> Iterator[Diagnostic]:
    """Rules that a later one overrules: sudo takes the last one about a program."""
    for user, _ in subject.users():
        address = Address("users", user.name, "sudo")
        part, own_file = subject.parts.get(address), f"{_SUDOERS_D}/{user.name}"
        if part is None:
            continue
        rules_before = () if address in subject.changed else _overruled(subject.sides.before, user.name)
        for rule in _overruled(subject.sides.after, user.name):
            if rule.path == own_file and rule not in rules_before:
                where = (
                    "a later rule of the same list"
                    if rule.by == own_file
                    else f"a rule in {rule.by}, which sudo reads later,"
                )
                free, does = ("", "denies it") if rule.denied else (" without a password", "asks for one")
                detail = (
                    f"{user.name} may run {rule.run}{free} by one rule, but {where} {does}: the last one"
                    " counts."
                )
                yield _warning(
                    "overruled-rule",
                    "a rule of sudo is overruled",
                    f"{detail} {_advice(rule.by == own_file)}",
                    part,
                )


def _overruled(host: HostAccess, name: str) -> Collection[Overruled]:
    user = host.people.users.get(name)
    return dict.fromkeys(host.becoming.overruled(user)) if user is not None else ()


def _advice(is_own_file: bool) -> str:
    return "Write the rule that is to hold last." if is_own_file else "Change it there."


def unusable_rules(subject: Subject) -> Iterator[Diagnostic]:
    """Rules that ask for the password of an account that has none: nobody can use them."""
    for change in subject.changes:
        name, people = change.address.name, subject.sides.after.people
        user = people.users.get(name)
        if change.address.part != "sudo" or change.after is None or user is None:
            continue
        if people.password_works(name) or people.password_is_empty(name):
            continue
        overruled = {rule.run for rule in subject.sides.after.becoming.overruled(user)}
        own_programs = (
            program
            for program in subject.sides.after.becoming.programs(user)
            if program.file == f"{_SUDOERS_D}/{name}"
        )
        asking = [
            program.text
            for program in own_programs
            if program.password == name and program.text not in overruled
        ]
        if asking:
            detail = (
                f"The rule for {', '.join(asking)} asks for the password of {name}, and the account has none"
                " that works. "
            )
            detail += "Write `password: false`, or give the account a password with passwd(1)."
            yield _warning("unusable-rule", "a rule of sudo that nobody can use", detail, change.part)


# -------------------------------------------------------------------------------------------------- passwords


def empty_passwords(subject: Subject) -> Iterator[Diagnostic]:
    """Accounts that anybody on the host can be; refused when one becomes root by this plan."""
    before, after = subject.sides.before, subject.sides.after
    for user, part in subject.users():
        if not after.becoming.is_open(user):
            continue
        user_before = before.people.users.get(user.name)
        was_root = (
            user_before is not None
            and before.becoming.is_open(user_before)
            and bool(before.of(user.name).root)
        )
        if after.of(user.name).root and not was_root:
            detail = (
                f"The password of {user.name} is empty: everybody on the host can be {user.name} (su), and"
                " root by this plan. "
            )
            detail += _lock(user.name)
            yield _refusal(EMPTY_PASSWORD, "everybody would become root", detail, part.address, part)
        else:
            yield open_account(user.name, part)


def open_account(name: str, part: Part) -> Diagnostic:
    """The warning about an account with an empty password."""
    detail = f"The password of {name} is empty: everybody on the host can be {name} (su). {_lock(name)}"
    return _warning("empty-password", "an empty password", detail, part)


def _lock(name: str) -> str:
    return f"Lock it: passwd --lock {name}. Keys go on to log in."


# ------------------------------------------------------------------------------------- the last administrator


def last_administrators(subject: Subject) -> Iterator[Diagnostic]:
    """Accounts that expire soon, where nobody can then log in with a key and become root any more."""
    ending = [
        change
        for change in subject.changes
        if not change.address.part and change.after and change.touches("expires")
    ]
    host = subject.sides.after
    if not ending or not any(host.doors.everybody()):
        return
    later = SshLogin(host.doors.files, host.people, host.now + _SOON)
    if not any(
        host.doors.sudo.verdict(user).can and later.verdict(user).can for user in host.people.users.values()
    ):
        change = ending[0]
        summary = (
            f"{change.address.name} expires {(change.after or {})['expires']}, and nobody else can log in"
            " with a key and become root"
        )
        yield _warning(
            "last-administrator",
            summary,
            "Give another account keys and sudo first, or a later date.",
            change.part,
            change.address,
        )


_RULES: tuple[Rule, ...] = (
    last_administrators,
    staying_keys,
    refused_keys,
    overruled_rules,
    unusable_rules,
    empty_passwords,
)


# ------------------------------------------------------------------------------------------------- taken over


def taken_over(plan: Plan, people: People, warned: Collection[str]) -> Iterator[Diagnostic]:
    """Accounts that become ours without a change, and that anybody can be; those that were `warned` about
    already are left out.
    """
    for part in plan.converged:
        name = part.address.name
        if (
            part.address.kind == "users"
            and not part.address.part
            and name not in warned
            and people.password_is_empty(name)
        ):
            yield open_account(name, part)
