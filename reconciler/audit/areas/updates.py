"""Updates: known holes that are mended elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from reconciler.audit.facts import Facts
from reconciler.audit.mends import file
from reconciler.audit.model import RUNNING, Fail, NotApplicable, Severity
from reconciler.audit.registry import check
from reconciler.core.host import Unreadable
from reconciler.formats.audit.updates import (
    newer_kernel,
    parse_broken,
    parse_held,
    parse_periodic,
    parse_release,
    parse_trusting,
    parse_upgrades,
    supported_until,
)

_LISTS = "/var/lib/apt/lists"
_FETCHED = (_LISTS, "/var/lib/apt/periodic/update-success-stamp")
"""A fetch that brings something touches these. One that fails touches `partial` and may touch `update-stamp`;
the lists themselves have the server's dates."""
_FRESH = timedelta(days=7)
_TIMER = "apt-daily-upgrade.timer"
_AUTOMATIC = "/etc/apt/apt.conf.d/zz-audit-unattended-upgrades"
"""The last of the files counts."""
_EVERY_DAY = 'APT::Periodic::Update-Package-Lists "1";\nAPT::Periodic::Unattended-Upgrade "1";\n'


def _lists_are_there(facts: Facts) -> None:
    """Raise Unreadable on a host that never fetched the lists of packages."""
    if not any(name.endswith("Packages") for name in facts.names(_LISTS)):
        raise Unreadable("no package lists", "no list of packages is there: apt-get update never ran")


@check(
    "security-updates",
    severity=Severity.HIGH,
    title="No security update is pending",
    rationale="Everybody who reads the advisory knows the hole that an update mends.",
    remediation="Install them: apt-get upgrade; and let unattended-upgrades do it from now on.",
    cis=("1.2.2.1",),
    needs=("apt-get",),
)
def no_security_update_is_pending(facts: Facts) -> Iterator[Fail]:
    """Every package that `apt-get upgrade` would take from an archive of security updates."""
    _lists_are_there(facts)
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
    title="No update waits for a restart of the host",
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


@check(
    "package-lists-old",
    severity=Severity.MEDIUM,
    title="The lists of packages are at most 7 days old",
    rationale="By old lists no update is pending, whatever was mended since.",
    remediation="Find out why they are not fetched: apt-get update; systemctl status apt-daily.timer.",
    needs=("apt-get",),
)
def lists_are_fresh(facts: Facts) -> Iterator[Fail]:
    """The last time that apt fetched its lists, as its directories and stamps tell it."""
    _lists_are_there(facts)
    entries = (facts.entry(path) for path in _FETCHED)
    newest = max((entry.mtime_ns for entry in entries if entry is not None), default=0)
    if not newest:
        raise Unreadable("not known", "when the lists of packages were fetched is not known")
    fetched = datetime.fromtimestamp(newest // 10**9, UTC)
    if facts.now - fetched > _FRESH:
        yield Fail(_LISTS, "fetched within 7 days", f"fetched on {fetched.date()}", _LISTS)


@check(
    "updates-unattended",
    severity=Severity.LOW,
    title="Security updates are installed by themselves",
    rationale="Between an advisory and the next visit of an administrator the hole is open and known.",
    remediation="Install unattended-upgrades, and switch it on: dpkg-reconfigure unattended-upgrades.",
    needs=(RUNNING, "apt-get", "systemctl"),
)
def updates_are_unattended(facts: Facts) -> Iterator[Fail]:
    """The program, its setting and its timer; a declared timer that runs the program does as well."""
    if any(_upgrades(timer) for timer in facts.intent.resources.get("timers", {}).values()):
        return
    expected = "installed, switched on and started by a timer"
    if facts.entry("/usr/bin/unattended-upgrade") is None:
        yield Fail("unattended-upgrades", expected, "not installed")
    elif not facts.parsed("apt-periodic", parse_periodic):
        mend = file(_AUTOMATIC, _EVERY_DAY)
        yield Fail(
            "unattended-upgrades", expected, "switched off", "APT::Periodic::Unattended-Upgrade", spec=mend
        )
    elif facts.view.units([_TIMER])[_TIMER].active != "active":
        yield Fail("unattended-upgrades", expected, f"{_TIMER} is not active", _TIMER)


def _upgrades(timer: object) -> bool:
    """Whether a declared timer runs the program of unattended-upgrades."""
    words = getattr(timer, "exec_start", None) or ()
    return any("unattended-upgrade" in word for word in ([words] if isinstance(words, str) else words))


@check(
    "kernel-outdated",
    severity=Severity.MEDIUM,
    title="The kernel that runs is the newest that is installed",
    rationale="A mended kernel on the disk mends nothing until the host starts with it.",
    remediation="Start the host anew when it suits; if the old one comes back, look at the boot loader.",
    needs=(RUNNING, "uname"),
)
def newest_kernel_runs(facts: Facts) -> Iterator[Fail]:
    """The kernels of the flavour that runs, in /boot; a host that has not its own kernel there has no say."""
    running = facts.text("kernel-release").strip()
    installed = [
        name.removeprefix("vmlinuz-") for name in facts.names("/boot") if name.startswith("vmlinuz-")
    ]
    if running not in installed:
        raise NotApplicable("the kernel that runs is none of /boot: a container, or a kernel from elsewhere")
    newer = newer_kernel(running, installed)
    if newer:
        yield Fail("kernel", newer, running, f"/boot/vmlinuz-{newer}")


@check(
    "packages-held",
    severity=Severity.LOW,
    title="No package is held back from updates",
    rationale="A hold is set for a day and stays for years, and no security update comes any more.",
    remediation="Let it go: apt-mark unhold PACKAGE; or waive it with the reason and an end.",
    needs=("dpkg-query",),
)
def no_package_is_held(facts: Facts) -> Iterator[Fail]:
    """The packages that dpkg has on hold."""
    for package in facts.parsed("held-packages", parse_held):
        yield Fail(package, "updated with the others", "on hold", "apt-mark showhold")
