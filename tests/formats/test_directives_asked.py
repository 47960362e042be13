"""The table of directives and the rules for their values, against the systemd of
Debian 12 and of Debian 13.
"""

from __future__ import annotations

import os
import zlib
from collections import Counter

import pytest

from reconciler.formats.systemd import directives, value_rules
from reconciler.formats.systemd.rule_words import Rule
from tests.formats import asked
from tests.formats.battery import VALUES

pytestmark = [pytest.mark.booted, pytest.mark.slow]

SILENT = ("Condition", "Assert", "Exec", "SecureBits", "CapabilityBoundingSet", "AmbientCapabilities")
"""Where systemd says nothing of a wrong value, and means something else with it; so does all of [Install]."""
TAKEN_WITH_A_WARNING = {
    *("RequiresOverridable", "RequisiteOverridable", "CPUShares", "StartupCPUShares", "MemoryLimit"),
    *("BlockIODeviceWeight", "BlockIOReadBandwidth", "BlockIOWriteBandwidth"),
}
"""Deprecated: systemd complains whatever the value is, and we warn."""
BLIND = {
    *("NFTSet", "RootImagePolicy", "ExtensionImagePolicy", "MountImagePolicy", "SetCredentialEncrypted"),
    *("StandardInputData", "ListenNetlink", "RootImageOptions"),
}
"""Languages of their own, or lists that depend on the kernel, which nothing here reads."""


def _every_directive() -> list[tuple[str, str]]:
    """Each once: [Service] stands for the sections that read it the same way."""
    found: dict[str, str] = {}
    for section, names in directives._table().items():
        for name in names:
            if name not in found or section == "Service":
                found[name] = section
    return [(section, name) for name, section in found.items()]


def _values(name: str) -> tuple[str, ...]:
    """All of them in the long form, otherwise a tenth: other ones for other directives."""
    return VALUES if os.environ.get("RECONCILER_FAULTS") else VALUES[zlib.crc32(name.encode()) % 10 :: 10]


def _asked(
    release: int, names: list[tuple[str, str]]
) -> tuple[list[tuple[str, str, str]], Counter[str], Counter[str]]:
    """The assignments that we refuse and systemd takes; how often, by directive, systemd complains, and how
    often we do not see it.
    """
    every = [(section, name, value) for section, name in names for value in _values(name)]
    refused = asked.refused(release, every)
    wrong, complaints, missed = [], Counter[str](), Counter[str]()
    for assignment in every:
        section, name, _ = assignment
        ours = directives.lint(*assignment, release)
        if assignment in refused:
            complaints[name] += 1
            missed[name] += ours is None
        elif ours is not None and not name.startswith(SILENT) and section != "Install":
            wrong.append(assignment)
    return wrong, complaints, missed


@pytest.mark.parametrize("release", asked.RELEASES)
def test_the_table_is_what_systemd_says_of_itself(release: int) -> None:
    """Section by section, directive by directive: nothing is missing, nothing is made up."""
    ours = {
        section: {
            name
            for name in names
            if release == directives.NEWEST or directives.since(section, name) == directives.OLDEST
        }
        for section, names in directives._table().items()
    }

    assert asked.items(release) == ours


@pytest.mark.parametrize("release", asked.RELEASES)
def test_values_are_judged_as_systemd_judges_them(release: int) -> None:
    """For values of all sorts and every directive: what it takes is never refused, and what it drops is
    refused but where we are blind.
    """
    wrong, complaints, missed = _asked(release, _every_directive())
    unseen = {name for name, count in missed.items() if count > max(8, complaints[name] // 2)}

    assert [] == wrong
    assert unseen - BLIND - TAKEN_WITH_A_WARNING == set()
    assert all(value_rules.deprecated(name, "") for name in TAKEN_WITH_A_WARNING)
    assert sum(missed.values()) * 25 < sum(complaints.values())


def test_a_wrong_rule_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison sees a rule that refuses too much, and one that lets everything through."""
    names = [("Service", "NoNewPrivileges"), ("Service", "OOMPolicy")]
    strict = Rule(lambda value: value == "yes", "yes")
    rules = {"NoNewPrivileges": strict, "OOMPolicy": Rule(lambda _value: True, "anything")}
    monkeypatch.setattr(value_rules, "rule_for", lambda name, _kind: rules[name])
    wrong, complaints, missed = _asked(directives.OLDEST, names)

    assert {name for _, name, _ in wrong} == {"NoNewPrivileges"}
    assert 0 < complaints["OOMPolicy"] - 2 <= missed["OOMPolicy"]


@pytest.mark.parametrize("release", asked.RELEASES)
def test_names_in_lists_are_known_to_systemd(release: int) -> None:
    """Each exit status, signal, capability and set of system calls of ours is one."""
    sets = (
        ("@default", "@system-service", "@sandbox")
        if release == directives.NEWEST
        else ("@default", "@system-service")
    )
    newer = {"KSM"} if release == directives.OLDEST else set()
    every = [
        *(("Service", "SuccessExitStatus", name) for name in value_rules.EXIT_STATUS - newer),
        *(("Service", "KillSignal", name) for name in value_rules.SIGNALS),
        *(("Service", "SystemCallFilter", name) for name in sets),
    ]
    capabilities = asked.run(release, "systemd-analyze", "capability", "--no-pager")

    assert set() == asked.refused(release, every)
    assert {name for name in value_rules.CAPABILITIES if f"cap_{name} " not in capabilities} == set()
