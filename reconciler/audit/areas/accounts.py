"""Accounts: who is there, and with which numbers."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.audit.facts import Facts
from reconciler.audit.model import Fail, Severity
from reconciler.audit.registry import check


@check(
    "uid-0",
    severity=Severity.CRITICAL,
    title="Only root has user id 0",
    rationale="The kernel knows numbers, not names: an account with number 0 is root, whatever its name is.",
    remediation="Give the account a number of its own, or remove it: userdel NAME.",
    cis=("7.2.9",),
)
def only_root_has_uid_0(facts: Facts) -> Iterator[Fail]:
    """Every account with number 0 but root."""
    for user in facts.users:
        if user.uid == 0 and user.name != "root":
            yield Fail(user.name, "a user id above 0", "user id 0", "/etc/passwd")
