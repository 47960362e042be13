"""Passwords: how they are stored, and how they age."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.audit.facts import Facts
from reconciler.audit.model import Fail, Severity
from reconciler.audit.registry import check
from reconciler.formats.audit.passwords import parse_shadow


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
            yield Fail(row.name, "a password, or none that opens it", "an empty password", "/etc/shadow")
