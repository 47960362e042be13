"""Updates: known holes that are mended elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.audit.facts import Facts
from reconciler.audit.model import RUNNING, Fail, Severity
from reconciler.audit.registry import check
from reconciler.core.host import Unreadable
from reconciler.formats.audit.updates import (
    parse_broken,
    parse_release,
    parse_trusting,
    parse_upgrades,
    supported_until,
)

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


@check(
    "packages-broken",
    severity=Severity.MEDIUM,
    title="Every package is installed as a whole",
    rationale="A package that is half there may run an old program, and apt installs nothing more meanwhile.",
    remediation="Finish it: dpkg --configure -a; then apt-get --fix-broken install.",
    needs=("dpkg",),
)
def packages_are_whole(facts: Facts) -> Iterator[Fail]:
    """The packages that `dpkg --audit` names."""
    for package in facts.parsed("broken-packages", parse_broken):
        yield Fail(package, "installed", "half installed or not configured", "dpkg --audit")


@check(
    "package-sources-trusted",
    severity=Severity.HIGH,
    title="No source of packages is trusted without its signature",
    rationale="Whoever stands between this host and such a source installs programs as root.",
    remediation="Take `trusted=yes` and `allow-insecure=yes` out; name its key with `signed-by=`.",
)
def sources_are_signed(facts: Facts) -> Iterator[Fail]:
    """The options of the sources in /etc/apt."""
    for path in facts.parsed("package-sources", parse_trusting):
        yield Fail(path, "a signature that is checked", "a source that is trusted without one", path)


@check(
    "reboot-required",
    severity=Severity.MEDIUM,
    title="What was updated is what runs",
    rationale="Until the next start the kernel or a library with the hole runs on, whatever is on the disk.",
    remediation="Start the host anew when it suits; /run/reboot-required.pkgs names the packages.",
    needs=(RUNNING,),
)
def no_reboot_is_pending(facts: Facts) -> Iterator[Fail]:
    """The mark that Debian's and Ubuntu's packages leave."""
    if facts.entry("/run/reboot-required") is not None:
        yield Fail("/run/reboot-required", "not there", "a package asks for a start of the host")


@check(
    "release-supported",
    severity=Severity.HIGH,
    title="The release of the distribution still gets security updates",
    rationale="Holes that are found after its end stay open.",
    remediation="Upgrade the host to a newer release.",
)
def release_is_supported(facts: Facts) -> Iterator[Fail]:
    """The end of long-term support of Debian and Ubuntu; that of others is not known."""
    name, version = facts.parsed("os-release", parse_release)
    until = supported_until(name, version)
    if until is None:
        raise Unreadable(
            "not known", f"until when {name or 'this system'} {version} is supported is not known"
        )
    if facts.now.date() > until:
        yield Fail(
            f"{name} {version}", "a release with support", f"its support ended on {until}", "/etc/os-release"
        )
