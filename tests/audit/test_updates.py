"""The answers of dpkg, apt and os-release(5)."""

from __future__ import annotations

from datetime import date

import pytest

from reconciler.audit.intent import Intent
from reconciler.audit.model import Status
from reconciler.audit.registry import chosen
from reconciler.audit.run import run
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
from reconciler.host.audit.questions.updates import package_sources, periodic
from reconciler.kinds.timers.kind import Timer
from tests.audit.facts import facts

_AUDIT = """\
The following packages are only half configured, probably due to problems
configuring them the first time.  The configuration should be retried using
dpkg --configure <package> or the configure menu option in dselect:
 cron                 process scheduling daemon
 libc6:amd64
"""


def test_the_packages_that_dpkg_names() -> None:
    """A package is at the beginning of a line with one blank before it; text of dpkg's is none."""
    assert parse_broken(_AUDIT) == ["cron", "libc6"]
    assert parse_broken("") == []


@pytest.mark.parametrize(
    ("line", "trusts"),
    [
        ("deb [arch=amd64 trusted=yes]", True),
        ("deb [allow-insecure=yes]", True),
        ("Trusted: yes", True),
        ("deb [signed-by=/usr/share/keyrings/x.gpg]", False),
        ("Enabled: yes", False),
    ],
)
def test_a_source_that_is_trusted_without_a_signature(line: str, trusts: bool) -> None:
    """Both forms of sources and both options count."""
    assert parse_trusting(f"## /etc/apt/x.list\n{line}") == (["/etc/apt/x.list"] if trusts else [])


def test_no_address_of_a_source_is_told() -> None:
    """It may hold a password."""

    class Sources:
        basis = None

        def entry(self, path: str) -> object:
            return path

        def names(self, _: str) -> tuple[str, ...]:
            return ("x.list", "y.sources", "z.save")

        def read(self, _: str) -> bytes:
            return b"deb [trusted=yes] http://user:hunter2@mirror/debian x main\nURIs: http://a:hunter2@b/\n"

    text = package_sources(Sources(), "")  # type: ignore[arg-type]  # as much of files as it asks

    assert "hunter2" not in text
    assert "z.save" not in text
    assert parse_trusting(text)


@pytest.mark.parametrize(
    ("version", "status"), [("12", Status.PASS), ("10", Status.FAIL), ("99", Status.NOT_CHECKED)]
)
def test_a_release_is_supported_until_its_end(version: str, status: Status) -> None:
    """A release that is not in the table is not known, and never passes."""
    answers = {"os-release": f'ID=debian\nVERSION_ID="{version}"\n'}

    assert [result.status for result in run(chosen(["release-supported"]), facts(answers))] == [status]
    assert parse_release(answers["os-release"]) == ("debian", version)
    assert supported_until("ubuntu", "24.04") == date(2029, 4, 30)


@pytest.mark.parametrize(
    ("running", "other", "newer"),
    [
        ("6.1.0-9-amd64", "6.1.0-28-amd64", True),
        ("6.1.0-28-amd64", "6.1.0-9-amd64", False),
        ("6.1.0-28-amd64", "6.1.0-30-cloud-amd64", False),
        ("5.15.0-91-generic", "6.8.0-40-generic", True),
        ("6.12.9+deb13-amd64", "6.12.38+deb13-amd64", True),
        ("6.12.9+deb13-amd64", "6.12.9+deb13.1-amd64", True),
        ("6.18.44-fc-v669", "99.6.18.44-fc-v669", True),
        ("6.1.0-28-amd64", "old", False),
        ("custom", "6.1.0-28-amd64", False),
    ],
)
def test_a_newer_kernel_is_one_of_the_same_flavour(running: str, other: str, newer: bool) -> None:
    """Numbers count as numbers; another flavour is another kernel, and a strange name none."""
    assert newer_kernel(running, [other, running]) == (other if newer else "")


@pytest.mark.parametrize(
    ("text", "on"),
    [
        ('APT::Periodic::Unattended-Upgrade "1";', True),
        ('APT::Periodic::Unattended-Upgrade "1";\nAPT::Periodic::Unattended-Upgrade "0";', False),
        ('APT::Periodic::Update-Package-Lists "1";', False),
        ("", False),
    ],
)
def test_upgrades_are_switched_on_by_the_last_setting(text: str, on: bool) -> None:
    """Without the setting apt upgrades nothing by itself."""
    assert parse_periodic(text) is on


def test_no_other_setting_of_apt_is_told() -> None:
    """The address of a proxy may hold a password."""
    text = 'Acquire::http::Proxy "http://user:hunter2@proxy";\nAPT::Periodic::Unattended-Upgrade "1";'

    assert periodic(text) == 'APT::Periodic::Unattended-Upgrade "1";'


def test_only_holds_are_held() -> None:
    """What is to be installed or removed is no hold, whatever its name is."""
    assert parse_held("install hold\nhold libc6:amd64\nhold cron\ndeinstall x\n") == ["cron", "libc6:amd64"]


@pytest.mark.parametrize(
    ("command", "status"), [("/usr/bin/unattended-upgrade", Status.PASS), ("/bin/true", Status.FAIL)]
)
def test_a_declared_timer_may_upgrade_instead(command: str, status: Status) -> None:
    """A timer of the spec counts when it runs the program, and no other one does."""
    timer = Timer.model_validate({"exec_start": [command], "schedule": "daily"})
    spec = Intent({"timers": {"upgrade": timer}})

    results = run(chosen(["updates-unattended"]), facts({}, spec))

    assert [result.status for result in results] == [status]


def test_lists_that_were_never_fetched_are_not_fresh() -> None:
    """A host without lists is not checked, and never passes."""
    results = run(chosen(["package-lists-old"]), facts({}))

    assert [result.status for result in results] == [Status.NOT_CHECKED]


def test_a_host_without_pending_updates_counts_none() -> None:
    """The last line of apt has numbers and no package: 0 upgraded are 0."""
    last = "0 upgraded, 0 newly installed, 0 to remove and 0 not upgraded."
    text = f"Reading package lists...\nBuilding dependency tree...\nCalculating upgrade...\n{last}\n"

    assert parse_upgrades(text) == []
