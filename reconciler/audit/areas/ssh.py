"""SSH: how somebody gets in over the network."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.audit.facts import Facts
from reconciler.audit.model import Fail, Severity
from reconciler.audit.registry import check
from reconciler.formats.audit.ssh import parse_settings


@check(
    "ssh-password-authentication",
    severity=Severity.HIGH,
    title="The SSH server takes keys only, and no passwords",
    rationale="Passwords of every account can be guessed from anywhere that reaches the port; keys cannot.",
    remediation=(
        "Write `PasswordAuthentication no` into a file in /etc/ssh/sshd_config.d, after you have seen a login"
        " by key, and reload ssh."
    ),
    needs=("sshd",),
)
def no_passwords_over_ssh(facts: Facts) -> Iterator[Fail]:
    """PasswordAuthentication as sshd itself tells it."""
    if "yes" in facts.parsed("sshd", parse_settings).get("passwordauthentication", ()):
        yield Fail("PasswordAuthentication", "no", "yes", "sshd -T")
