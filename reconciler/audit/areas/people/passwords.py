"""Passwords: how they are stored, and how they age."""

from __future__ import annotations

import re
from collections.abc import Iterator

from reconciler.audit.facts import Facts
from reconciler.audit.model import Fail, Finding, NotKnown, Severity, Snippet
from reconciler.audit.persons import system_accounts
from reconciler.audit.registry import check
from reconciler.core.host import HostError
from reconciler.formats.audit.people.accounts import parse_rows
from reconciler.formats.audit.people.passwords import ShadowRow, parse_shadow
from reconciler.policy.access.login_accounts import as_date

_WEAK = frozenset(("des", "md5", "sunmd5", "sha1"))
_ELSEWHERE = frozenset(("x", "*", "!", "!!"))
_METHOD = re.compile(r"^ENCRYPT_METHOD\s+(\S+)", re.MULTILINE)
_DAY = 86_400


@check(
    "password-empty",
    severity=Severity.CRITICAL,
    title="No account has an empty password",
    rationale="Whoever knows the name of such an account logs in or becomes it by su, without a password.",
    remediation="Lock the password (passwd --lock NAME), or set one.",
    cis=("7.2.2",),
)
def no_password_is_empty(facts: Facts) -> Iterator[Fail]:
    """Every account whose field in shadow(5) is empty."""
    for row in facts.parsed("shadow", parse_shadow):
        if row.empty:
            # An account that the spec wants to be used is not shut for it.
            is_open = row.name in facts.intent.users or row.name == "root"
            mend = None if is_open else Snippet(("users", row.name, "state"), "disabled")
            expected = "a password, or none that opens it"
            yield Fail(row.name, expected, "an empty password", "/etc/shadow", spec=mend)


@check(
    "password-in-passwd",
    severity=Severity.HIGH,
    title="No password stands in /etc/passwd or /etc/group",
    rationale="Everybody on the host reads these files, and guesses the password from its hash at leisure.",
    remediation="pwconv moves passwords to /etc/shadow, grpconv those of groups to /etc/gshadow.",
    cis=("7.2.1",),
)
def passwords_stand_in_shadow(facts: Facts) -> Iterator[Fail]:
    """Every line with a hash, or with no password at all, in a file that everybody reads."""
    for row in facts.parsed("passwd", parse_rows):
        if row.password not in _ELSEWHERE and not row.name.startswith(("+", "-", "#")):
            actual = "no password is asked for" if not row.password else f"a hash ({row.password})"
            yield Fail(row.name, "x: the hash is in /etc/shadow", actual, "/etc/passwd")
    for row in facts.parsed("group", parse_rows):
        if row.password and row.password not in _ELSEWHERE:
            yield Fail(f"group {row.name}", "x", f"a hash ({row.password})", "/etc/group")


@check(
    "password-hash",
    severity=Severity.HIGH,
    title="No password is stored with a hash that is guessed quickly",
    rationale="Whoever gets hold of such a hash tries billions of words a second; DES reads 8 letters only.",
    remediation="Have the password set anew (passwd NAME): Debian stores it with yescrypt then.",
    cis=("5.4.1.4",),
)
def hashes_are_slow(facts: Facts) -> Iterator[Fail]:
    """Every account that a hash of DES, MD5 or SHA1 opens."""
    for row in facts.parsed("shadow", parse_shadow):
        if row.scheme in _WEAK and not row.locked:
            yield Fail(row.name, "yescrypt, sha512 or bcrypt", row.scheme, "/etc/shadow")


@check(
    "password-new-hash",
    severity=Severity.MEDIUM,
    title="New passwords are stored with a slow hash",
    rationale="Every password that is set from now on is guessed quickly by whoever gets hold of the file.",
    remediation="Write ENCRYPT_METHOD YESCRYPT (or SHA512) in /etc/login.defs.",
    cis=("5.4.1.4",),
)
def new_hashes_are_slow(facts: Facts) -> Iterator[Fail]:
    """The method of login.defs(5)."""
    method = _METHOD.search(facts.text("login.defs", absent=""))
    if method is not None and method[1].upper() in ("DES", "MD5"):
        yield Fail("ENCRYPT_METHOD", "YESCRYPT or SHA512", method[1], "/etc/login.defs")


@check(
    "password-system",
    severity=Severity.MEDIUM,
    title="No password opens an account of the system",
    rationale="Services need none; one that is there is guessed, or was left by somebody to come back by.",
    remediation="passwd --lock NAME.",
    cis=("5.4.2.8",),
)
def system_accounts_are_locked(facts: Facts) -> Iterator[Fail]:
    """Every account below UID_MIN that has a password."""
    names = {user.name for user in system_accounts(facts)}
    for row in facts.parsed("shadow", parse_shadow):
        if row.name in names and row.scheme and not row.locked:
            yield Fail(row.name, "locked", "a password", "/etc/shadow")


@check(
    "password-group",
    severity=Severity.LOW,
    title="No group has a password",
    rationale="Whoever knows it joins the group by newgrp, and is listed nowhere.",
    remediation="gpasswd --remove-password GROUP, and list the members: in the spec `groups:` of a user.",
)
def groups_have_no_password(facts: Facts) -> Iterator[Fail]:
    """Every group that a password opens."""
    for row in facts.parsed("gshadow", parse_shadow):
        if row.scheme and not row.locked:
            yield Fail(f"group {row.name}", "no password", "a password", "/etc/gshadow")


@check(
    "password-date",
    severity=Severity.LOW,
    title="No password was changed in the future",
    rationale="The age of such a password never ends, and an inactive account is never shut.",
    remediation="Set the clock right, then chage --lastday DATE NAME.",
    cis=("5.4.1.6",),
)
def no_password_is_of_the_future(facts: Facts) -> Iterator[Fail]:
    """Every account with a password whose last change is a day that is to come."""
    today = int(facts.now.timestamp()) // _DAY
    for row in facts.parsed("shadow", parse_shadow):
        if row.changed is not None and row.changed > today + 1 and row.scheme:
            yield Fail(row.name, "a day that was", as_date(row.changed), "/etc/shadow")


@check(
    "account-expired-keys",
    severity=Severity.MEDIUM,
    title="An account that has expired has no keys left",
    rationale="The keys open it again as soon as its date is taken away, or sshd no longer asks PAM.",
    remediation="Remove the account or its keys; in the spec: `ssh_keys: {exactly: []}`.",
)
def expired_accounts_have_no_keys(facts: Facts) -> Iterator[Finding]:
    """Every account past its last day with keys that sshd would read."""
    today = int(facts.now.timestamp()) // _DAY
    expired = {row.name for row in facts.parsed("shadow", parse_shadow) if _is_over(row, today)}
    for user in facts.users:
        if user.name not in expired:
            continue
        try:
            count = len(facts.keys.listed(user))
        except HostError as problem:
            yield NotKnown(user.name, problem.detail or problem.summary)
            continue
        if count:
            yield Fail(
                user.name,
                "no keys",
                f"keys: {count}",
                spec=_without_keys(facts, user.name),
            )


def _without_keys(facts: Facts, name: str) -> Snippet:
    """The lines by which an account has no key left."""
    if name in facts.intent.names("ssh_keys"):
        return Snippet(("ssh_keys", name), {"exactly": []})
    return Snippet(("users", name, "ssh_keys"), {"exactly": []})


def _is_over(row: ShadowRow, today: int) -> bool:
    return row.expires is not None and row.expires <= today
