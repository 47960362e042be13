"""Groups: who is root by one, and who reaches by one what others do not."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from reconciler.audit.facts import Facts
from reconciler.audit.model import Fail, Finding, NotApplicable, Severity, Snippet
from reconciler.audit.persons import persons
from reconciler.audit.registry import check
from reconciler.formats.accounts.passwd import User
from reconciler.policy.access.group_powers import LIKELY_GROUPS, REACHES, ROOT_GROUPS

_ADMINISTRATORS = ("sudo", "wheel")
_DEVICES = {"kvm": "starts virtual machines", "render": "uses the GPU"}


@check(
    "group-root",
    severity=Severity.HIGH,
    title="Nobody is root by a group unless the spec says so",
    rationale="A member of docker or disk is root without a password, and no log of sudo tells of it.",
    remediation="gpasswd --delete NAME GROUP, or declare it: `groups:` of the user.",
    cis=("7.2.4",),
)
def nobody_is_root_by_a_group(facts: Facts) -> Iterator[Fail]:
    """Every undeclared member of a group that amounts to root, or reads root's secrets."""
    for group, words in {**ROOT_GROUPS, **LIKELY_GROUPS}.items():
        for user in _members(facts, facts.users, group):
            yield _member(user, group, words, facts)


@check(
    "group-administrators",
    severity=Severity.HIGH,
    title="Each member of the group sudo is declared",
    rationale="A member becomes root by their own password; one whom nobody declared was added by hand.",
    remediation="gpasswd --delete NAME sudo, or declare it: `groups: [sudo]` or `sudo:` of the user.",
)
def administrators_are_declared(facts: Facts) -> Iterator[Finding]:
    """Every undeclared member of a group whose members sudo trusts; without a spec somebody must be one."""
    _needs_users(facts)
    for group in _ADMINISTRATORS:
        for user in _members(facts, facts.users, group):
            if user.name not in facts.intent.sudo_users | facts.policy.sudo:
                yield _member(user, group, f"group {group}, whose members sudo lets be root", facts)


@check(
    "group-reach",
    severity=Severity.LOW,
    title="Each person in a group that reads logs, devices or the screen is declared there",
    rationale="Logs and screens show what others do, and devices are shared: who has them should be known.",
    remediation="gpasswd --delete NAME GROUP, or declare it: `groups:` of the user.",
)
def reach_is_declared(facts: Facts) -> Iterator[Finding]:
    """Every person in such a group without a declaration."""
    _needs_users(facts)
    for group, words in {**REACHES, **_DEVICES}.items():
        for user in _members(facts, persons(facts), group):
            yield _member(user, group, f"group {group}, which {words}", facts)


def _needs_users(facts: Facts) -> None:
    if not facts.intent.users:
        raise NotApplicable("no spec declares accounts")


def _members(facts: Facts, users: Collection[User], group: str) -> Iterator[User]:
    """The accounts that are in a group, and neither declared nor allowed to be; a group of an account's own
    name is its own.
    """
    for user in users:
        is_member = user.uid and user.name != group and group in facts.people.groups_of(user)
        is_allowed = user.name in facts.policy.groups.get(group, ())
        if is_member and not is_allowed and group not in _declared(facts, user):
            yield user


def _declared(facts: Facts, user: User) -> Collection[str]:
    """The groups that the spec gives to an account."""
    declared = facts.intent.resources.get("users", {}).get(user.name)
    groups = getattr(declared, "groups", ())
    return (*getattr(groups, "exactly", groups), getattr(declared, "group", None) or "")


def _member(user: User, group: str, words: str, facts: Facts) -> Fail:
    by_name = {item.name: item.gid for item in facts.groups}
    is_primary = by_name.get(group) == user.gid
    groups = sorted(name for name in facts.people.groups_of(user) - {group} if by_name.get(name) != user.gid)
    return Fail(
        f"{user.name} in {group}",
        "declared, or no member",
        words,
        "/etc/group",
        spec=None if is_primary else Snippet(("users", user.name, "groups"), {"exactly": groups}),
    )
