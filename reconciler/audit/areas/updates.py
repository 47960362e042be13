"""Updates: known holes that are mended elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.audit.facts import Facts
from reconciler.audit.model import Fail, Severity
from reconciler.audit.registry import check
from reconciler.core.host import Unreadable
from reconciler.formats.audit.updates import parse_upgrades

_LISTS = "/var/lib/apt/lists"


@check(
    "security-updates",
    severity=Severity.HIGH,
    title="No security update is pending",
    rationale="What an update mends is known to everybody who reads the advisory.",
    remediation="Install them: apt-get upgrade; and let unattended-upgrades do it from now on.",
    cis=("1.2.2.1",),
    needs=("apt-get",),
)
def no_security_update_is_pending(facts: Facts) -> Iterator[Fail]:
    """Every package that `apt-get upgrade` would take from an archive of security updates."""
    if not any(name.endswith("Packages") for name in facts.names(_LISTS)):
        raise Unreadable("no package lists", "no list of packages is there: apt-get update never ran")
    for upgrade in facts.parsed("upgrades", parse_upgrades):
        if upgrade.security:
            yield Fail(
                upgrade.package, upgrade.candidate, upgrade.installed or "not installed", "apt-get upgrade"
            )
