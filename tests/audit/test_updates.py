"""The answers of dpkg, apt and os-release(5)."""

from __future__ import annotations

from datetime import date

import pytest

from reconciler.audit.model import Status
from reconciler.audit.registry import chosen
from reconciler.audit.run import run
from reconciler.formats.audit.updates import parse_broken, parse_release, parse_trusting, supported_until
from reconciler.host.audit.questions.updates import package_sources
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
