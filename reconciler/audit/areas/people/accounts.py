"""Accounts: who is there, and with which numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from reconciler.audit.facts import Facts
from reconciler.audit.keys import held_by
from reconciler.audit.model import Fail, Finding, NotApplicable, NotKnown, Severity, Snippet
from reconciler.audit.persons import persons, system_accounts
from reconciler.audit.registry import check
from reconciler.audit.user_audit import UNUSED_DAYS, Sources, unused
from reconciler.core.host import HostError
from reconciler.formats.accounts.passwd import User
from reconciler.formats.audit.people.accounts import Row, parse_paths, parse_rows
from reconciler.policy.access.login_accounts import as_date

_FILES = {"passwd": "account", "group": "group"}
_NUMBERS = {"passwd": "uid", "group": "gid"}


@check(
    "uid-0",
    severity=Severity.CRITICAL,
    title="Only root has user id 0",
    rationale="The kernel knows numbers, not names: an account with number 0 is root, whatever its name is.",
    remediation="Give the account a number of its own, or remove it: userdel NAME.",
    cis=("5.4.2.1",),
)
def only_root_has_uid_0(facts: Facts) -> Iterator[Fail]:
    """Every account with number 0 but root."""
    for user in facts.users:
        if user.uid == 0 and user.name != "root":
            yield Fail(user.name, "a user id above 0", "user id 0", "/etc/passwd")


@check(
    "account-gid-0",
    severity=Severity.HIGH,
    title="Only root has group id 0",
    rationale="Much of root's own is open to the group with number 0, and every file of such an account too.",
    remediation="Give the account a group of its own: groupadd NAME, usermod --gid NAME NAME.",
    cis=("5.4.2.2", "5.4.2.3"),
)
def only_root_has_gid_0(facts: Facts) -> Iterator[Fail]:
    """Every account whose primary group has number 0 but root, and every other group with that number."""
    for user in facts.users:
        if user.gid == 0 and user.uid != 0:
            names = {group.name for group in facts.groups if group.gid}
            made: dict[str, Any] = {} if user.name in names else {"groups": {user.name: {}}}
            mend = Snippet((), {"users": {user.name: {"group": user.name}}, **made})
            yield Fail(user.name, "a group of its own", "group id 0", "/etc/passwd", spec=mend)
    for group in facts.groups:
        if group.gid == 0 and group.name != "root":
            yield Fail(f"group {group.name}", "a number of its own", "group id 0", "/etc/group")


@check(
    "account-numbers",
    severity=Severity.HIGH,
    title="No two accounts share a number, and no two groups",
    rationale="To the kernel they are one: each reads and changes the files of the other.",
    remediation="Give one of them another number (usermod --uid, groupmod --gid), and its files with it.",
    cis=("7.2.5", "7.2.6"),
)
def numbers_are_unique(facts: Facts) -> Iterator[Fail]:
    """Every number that several lines of passwd or group have; 0 is what uid-0 is about."""
    for name, kind in _NUMBERS.items():
        names: dict[int, list[str]] = {}
        for row in _local(facts, name):
            if row.number:
                names.setdefault(row.number, []).append(row.name)
        for number, sharing in names.items():
            if len(set(sharing)) > 1:
                yield Fail(f"{kind} {number}", f"one {_FILES[name]}", ", ".join(sharing), f"/etc/{name}")


@check(
    "account-names",
    severity=Severity.MEDIUM,
    title="Each account and each group is there once",
    rationale="Programs differ in which of two lines they take: what you see is not what holds.",
    remediation="Take out the line that is wrong: vipw or vigr, then pwck --read-only.",
    cis=("7.2.7", "7.2.8"),
)
def names_are_unique(facts: Facts) -> Iterator[Fail]:
    """Every name that several lines of passwd or group have."""
    for name, noun in _FILES.items():
        for repeated, count in Counter(row.name for row in _local(facts, name)).items():
            if count > 1:
                yield Fail(f"{noun} {repeated}", "one line", f"{count} lines", f"/etc/{name}")


@check(
    "account-group",
    severity=Severity.MEDIUM,
    title="The primary group of each account is there",
    rationale="Whoever makes the next group gets the number, and with it the files of the account.",
    remediation="Make the group (groupadd --gid NUMBER NAME), or give the account another: usermod --gid.",
    cis=("7.2.3",),
)
def primary_groups_are_there(facts: Facts) -> Iterator[Fail]:
    """Every account whose group number no group has."""
    numbers = {group.gid for group in facts.groups}
    for user in facts.users:
        if user.gid not in numbers:
            is_free = user.gid > 0 and user.name not in {group.name for group in facts.groups}
            mend = Snippet(("groups", user.name), {"gid": user.gid}) if is_free else None
            actual = f"group id {user.gid}"
            yield Fail(user.name, "a group that is there", actual, "/etc/passwd", spec=mend)


@check(
    "account-plus-lines",
    severity=Severity.HIGH,
    title="The account files take no accounts from elsewhere",
    rationale="A line with `+` lets a directory on the network say who logs in.",
    remediation="Take out the line, and name the directory in /etc/nsswitch.conf if you use one.",
)
def no_plus_lines(facts: Facts) -> Iterator[Fail]:
    """Every file of accounts with a line that begins with `+`."""
    for name in ("passwd", "group", "shadow"):
        count = sum(row.name.startswith("+") for row in facts.parsed(name, parse_rows, absent=""))
        if count:
            yield Fail(f"/etc/{name}", "no line with +", f"lines with +: {count}", f"/etc/{name}")


@check(
    "account-system-shell",
    severity=Severity.MEDIUM,
    title="Accounts of the system have no login shell",
    rationale="A service that was taken over, or a key that somebody left in its home, becomes a session.",
    remediation="usermod --shell /usr/sbin/nologin NAME; in the spec: `shell: /usr/sbin/nologin`.",
    cis=("5.4.2.7",),
)
def system_accounts_have_no_shell(facts: Facts) -> Iterator[Fail]:
    """Every account below UID_MIN with a shell in which somebody can work, unless the spec declares it."""
    for user in system_accounts(facts):
        if facts.people.has_shell(user) and user.name not in facts.intent.users:
            yield Fail(
                user.name,
                "/usr/sbin/nologin",
                user.shell or "no shell, which is /bin/sh",
                "/etc/passwd",
                spec=Snippet(("users", user.name), {"system": True, "shell": "/usr/sbin/nologin"}),
            )


@check(
    "account-undeclared",
    severity=Severity.MEDIUM,
    title="Each account of a person is declared",
    rationale="An account that nobody declared was made by hand, or by somebody who broke in.",
    remediation="Declare it under `users:`, or remove it: `state: absent` with what becomes of the home.",
)
def persons_are_declared(facts: Facts) -> Iterator[Finding]:
    """Every account from UID_MIN on that the spec does not name."""
    declared = facts.intent.users | facts.intent.key_users | facts.policy.users
    undeclared = [user for user in persons(facts) if user.name not in declared]
    if not declared:
        raise NotApplicable("no spec declares accounts")
    for user in undeclared:
        yield Fail(
            user.name,
            "an account of the spec",
            f"uid {user.uid}, declared by nobody",
            "/etc/passwd",
            spec=Snippet(("users", user.name), {"uid": user.uid}),
        )


def _local(facts: Facts, name: str) -> Iterable[Row]:
    """The lines of a file that are an account or a group of this host."""
    return (row for row in facts.parsed(name, parse_rows) if row.name and row.name[0] not in "+-#")


@check(
    "root-path",
    severity=Severity.HIGH,
    title="Root looks for programs only where root alone writes",
    rationale="A program named like one that root types is run as root, from `.` or a directory of others.",
    remediation="Take the element out of PATH in that file, or give the directory to root: chmod g-w,o-w.",
    cis=("5.4.2.5",),
)
def path_of_root_is_roots(facts: Facts) -> Iterator[Finding]:
    """Every element of PATH in root's files that is no absolute path, or that somebody else can change."""
    for path, element in facts.parsed("root-path", parse_paths):
        if "$" in element or element.startswith("~") or "/games" in element:
            continue
        shown = element or "(empty)"
        if not element.startswith("/"):
            yield Fail(f"{path} {shown}", "absolute directories", f"{shown}, the current directory", path)
        elif writers := facts.writers.of(element):
            how = next(iter(writers.values())).how
            yield Fail(f"{path} {shown}", "only root writes there", how, path)


@check(
    "account-unused",
    severity=Severity.LOW,
    title="Each account that somebody can get into is used",
    rationale="Nobody notices that an account is misused whose owner has been away for months.",
    remediation="Ask its owner; then in the spec `state: disabled`, or usermod --expiredate 1 NAME.",
)
def accounts_are_used(facts: Facts) -> Iterator[Finding]:
    """Every person with a password or a key and without a login on record for 90 days."""
    sources = Sources(facts)
    for user in persons(facts):
        try:
            if not facts.people.has_shell(user) or not _opens(facts, sources, user):
                continue
        except HostError as problem:
            yield NotKnown(user.name, problem.detail or problem.summary)
            continue
        state = unused(sources, user.name, facts.now)
        if state.unused is None:
            yield NotKnown(user.name, state.why)
        elif state.unused:
            last = sources.last(user.name)
            when = as_date(last.last // 86_400) if last is not None else "none"
            yield Fail(
                user.name,
                f"a login in {UNUSED_DAYS} days",
                f"last login on record: {when}",
                spec=Snippet(("users", user.name, "state"), "disabled"),
            )


def _opens(facts: Facts, sources: Sources, user: User) -> bool:
    """Whether the account has a password or a key."""
    row = sources.shadow.get(user.name) if sources.shadow is not None else None
    has_password = row is None or row.empty or (bool(row.scheme) and not row.locked)
    return has_password or bool(held_by(facts, user))
