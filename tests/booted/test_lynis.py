"""Side by side with lynis: whatever it finds of planted faults, the audit finds.

The long form boots 20 hosts, plants three faults on each, drawn by a seed, and runs both before and after.
A line that lynis reports after and not before must be that of a planted fault (`FINDS`): an unknown one
fails the test, until somebody looked at it. `-rP` prints who found which. RECONCILER_SEED chooses other hosts.
"""

from __future__ import annotations

import os
import random
import re

import pytest

from tests.audit.planted import Fault, planted
from tests.booted import lynis
from tests.booted.booted import BootedHost
from tests.booted.test_audit import audited, before, check_failed, plant, rows

SEED = int(os.environ.get("RECONCILER_SEED", "17"))
HOSTS = 20
FAULTS = 3
PACKAGES = sorted({lynis.PACKAGE, *(package for fault in planted().values() for package in fault.packages)})

_SYSCTL = r"KRNL-6000 details .*field:(?:%s);"
FINDS = {
    "uid-0": "AUTH-920[48] ",
    "account-numbers": "AUTH-92(?:08|22) ",
    "account-names": "AUTH-92(?:08|28) ",
    "account-group": "AUTH-9228 ",
    "account-plus-lines": "AUTH-9283 ",
    "password-empty": "AUTH-9283 ",
    "password-in-passwd": "AUTH-9229 ",
    "password-hash": "AUTH-9229 ",
    "cron-files": "SCHD-7704 ",
    "home-owner": "HOME-9306 ",
    "home-writable": "HOME-9304 ",
    "home-readable": "HOME-9304 ",
    "ssh-root-login": "SSH-7408 .*PermitRootLogin",
    "ssh-strict-modes": "SSH-7408 .*StrictModes",
    "ssh-user-environment": "SSH-7408 .*PermitUserEnvironment",
    "ssh-attempts": "SSH-7408 .*MaxAuthTries",
    "kernel-address-randomisation": _SYSCTL % "kernel.randomize_va_space",
    "kernel-links": _SYSCTL % "fs.protected_(?:hard|sym)links",
    "kernel-shared-files": _SYSCTL % "fs.protected_(?:fifos|regular)",
    "kernel-setuid-cores": _SYSCTL % "fs.suid_dumpable",
    "kernel-unprivileged-bpf": _SYSCTL % "kernel.unprivileged_bpf_disabled",
    "kernel-log": _SYSCTL % "kernel.dmesg_restrict",
    "kernel-pointers": _SYSCTL % "kernel.kptr_restrict",
    "routing-forwarding": _SYSCTL % r"net.ipv4.conf.all.forwarding",
    "routing-redirects": _SYSCTL % r"net.ipv[46].conf.(?:all|default).accept_redirects",
    "routing-source-routes": _SYSCTL % r"net.ipv[46].conf.(?:all|default).accept_source_route",
    "routing-reverse-path": _SYSCTL % r"net.ipv4.conf.all.rp_filter",
    "routing-syn-cookies": _SYSCTL % r"net.ipv4.tcp_syncookies",
    "kernel-outdated": "KRNL-5830 ",
}
"""The checks whose planted fault lynis finds, with the beginning of what it reports."""

BESIDE = (
    "AUTH-9284 suggestion",  # an account without a password, as useradd makes it
    "AUTH-9282 suggestion",  # a password without an end
    "HOME-9304 suggestion",  # a home that is open to everybody, as useradd makes it
    "KRNL-6000 suggestion",  # the head of the details
    "LYNIS ",  # about itself
)
"""The beginnings of lines that are about what the planting makes besides the fault."""


def drawn(number: int) -> list[str]:
    """The faults of a host, in the order in which they are planted.

    Two of one area are not drawn together where one of them disturbs others.
    """
    chance = random.Random(f"{SEED} {number}")  # noqa: S311  # no secret: the same hosts at each run
    while True:
        names = chance.sample(sorted(planted()), FAULTS)
        alone = [_area(name) for name in names if planted()[name].alone]
        if not any([_area(name) for name in names].count(area) > 1 for area in alone):
            return [name for name in planted() if name in names]


def _area(name: str) -> str:
    return name.partition("-")[0]


def finders(more: frozenset[lynis.Line], names: list[str]) -> tuple[dict[str, list[str]], list[str]]:
    """The tests of lynis that found each of these faults, and the lines that belong to none of them."""
    by: dict[str, list[str]] = {name: [] for name in names}
    unknown = []
    for line in sorted(more):
        text = f"{line.test} {line.kind} {line.text}"
        owners = [name for name in names if name in FINDS and re.match(FINDS[name], text)]
        for name in owners:
            by[name].append(line.test)
        if not owners and not text.startswith(BESIDE):
            unknown.append(text)
    return by, unknown


@pytest.mark.slow
@pytest.mark.booted
@pytest.mark.timeout(900)
@pytest.mark.parametrize("number", range(HOSTS))
@pytest.mark.long_form
def test_lynis_finds_no_planted_fault_that_we_do_not(number: int) -> None:
    """All three faults are found by us, so those that lynis finds are; what it reports besides is known."""
    names = drawn(number)
    faults: list[Fault] = [planted()[name] for name in names]
    with BootedHost(packages=PACKAGES, limit=880) as host:
        before(host, faults)
        ours, theirs = audited(host), lynis.audited(host)
        plant(host, faults)
        ours_after, theirs_after = audited(host), lynis.audited(host)

    by, unknown = finders(theirs_after.lines - theirs.lines, names)
    for name in names:
        print(f"{number}: {name}: {' '.join(sorted(set(by[name]))) or '-'}")
        assert not [row for row in rows(ours, name, "fail") if planted()[name].names(row["object"])], name
        check_failed(ours_after, name)
    assert unknown == []


def test_the_report_of_lynis_is_read() -> None:
    """Warnings, suggestions and their details count; what it tells besides does not."""
    text = (
        "# Lynis Report\nreport_version_major=1\nwarning[]=AUTH-9204|Two of them|-|-|\n"
        "details[]=SSH-7408|sshd|field:PermitRootLogin;value:YES;|\ncronjob[]=/etc/cron.d/x\n"
    )

    assert lynis.parse_report(text) == {
        lynis.Line("AUTH-9204", "warning", "Two of them|-|-"),
        lynis.Line("SSH-7408", "details", "sshd|field:PermitRootLogin;value:YES;"),
    }


def test_a_line_of_lynis_without_a_fault_is_told() -> None:
    """A fault is found by its own lines alone."""
    more = frozenset(
        (
            lynis.Line("AUTH-9204", "warning", "Two"),
            lynis.Line("AUTH-9284", "suggestion", "Locked"),
            lynis.Line("HOME-9306", "suggestion", "Homes"),
        )
    )

    assert finders(more, ["uid-0"]) == ({"uid-0": ["AUTH-9204"]}, ["HOME-9306 suggestion Homes"])


def test_the_hosts_are_the_same_at_each_run() -> None:
    """A seed draws the faults, three on each host; each that lynis is known to find is planted."""
    assert [drawn(number) for number in range(HOSTS)] == [drawn(number) for number in range(HOSTS)]
    assert {len(drawn(number)) for number in range(HOSTS)} == {FAULTS}
    assert FINDS.keys() <= planted().keys()
