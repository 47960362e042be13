from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from reconciler.formats.systemd import directives, exposure, unit
from reconciler.formats.systemd._syscalls_data import SETS
from reconciler.formats.systemd.exposure import exposure as reckoned
from reconciler.formats.systemd.exposure import level
from reconciler.formats.systemd.value_rules import CAPABILITIES
from reconciler.kinds.services.hardening import BASIC, STRICT
from tests.formats import asked

_SWITCHES = [*exposure._SWITCHES, "PrivateMounts", "PrivateTmp", "RemoveIPC", "DynamicUser", "Delegate"]
_CAPABILITIES = [f"CAP_{name.upper()}" for name in sorted(CAPABILITIES)]
_NAMESPACES = ["user", "mnt", "ipc", "pid", "cgroup", "net", "uts"]
_FAMILIES = ["AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK", "AF_PACKET", "AF_VSOCK"]
_CALLS = [*SETS, "read", "swapon", "reboot", "mount", "nice", "settimeofday", "ptrace"]


def _some(chance: random.Random, words: list[str], most: int) -> str:
    return " ".join(chance.sample(words, chance.randint(1, most)))


def _service(chance: random.Random) -> unit.Sections:
    """A service with a random part of everything that counts."""

    def either(*values: str) -> Callable[[], str]:
        return lambda: chance.choice(values)

    def line(words: list[str], most: int, sign: str) -> str:
        return sign if sign not in ("", "~") else sign + _some(chance, words, most)

    def lines(words: list[str], most: int, *others: str) -> Callable[[], list[str]]:
        return lambda: [
            line(words, most, chance.choice(["", "~", *others])) for _ in range(chance.randint(1, 3))
        ]

    makers: dict[str, Callable[[], Any]] = {
        "User": either("root", "daemon", "0", "nobody"),
        "SupplementaryGroups": either("daemon"),
        "ProtectHome": either("yes", "no", "read-only", "tmpfs"),
        "ProtectSystem": either("yes", "no", "full", "strict"),
        "RootDirectory": either("/", "/srv"),
        "CapabilityBoundingSet": lines(_CAPABILITIES, 6),
        "AmbientCapabilities": lambda: _some(chance, _CAPABILITIES, 3),
        "UMask": either("0022", "0077", "0027", "0000", "0002"),
        "KeyringMode": either("private", "shared", "inherit"),
        "ProtectProc": either("noaccess", "invisible", "ptraceable", "default"),
        "ProcSubset": either("pid", "all"),
        "NotifyAccess": either("all", "main", "none", "exec"),
        "RestrictNamespaces": lines(_NAMESPACES, 4, "yes", "no"),
        "RestrictAddressFamilies": lines(_FAMILIES, 4, "none"),
        "SystemCallArchitectures": either("native", "x86", "x86 native"),
        "SystemCallFilter": lines(_CALLS, 5),
        "IPAddressDeny": either("any", "10.0.0.0/8"),
        "IPAddressAllow": either("localhost", "10.0.0.0/8", "127.0.0.1"),
        "DevicePolicy": either("auto", "closed", "strict"),
        "DeviceAllow": either("/dev/null rw"),
    }
    said: dict[str, Any] = {
        name: chance.choice(["yes", "no", "yes"]) for name in _SWITCHES if chance.random() < 0.3
    }
    said |= {name: make() for name, make in makers.items() if chance.random() < 0.4}
    early: dict[str, dict[str, Any]] = (
        {"Unit": {"DefaultDependencies": "no"}} if chance.random() < 0.2 else {}
    )
    return unit.normalise({**early, "Service": {"ExecStart": "/bin/true", **said}})


def _differences(release: int, services: list[unit.Sections]) -> list[tuple[str, str, unit.Sections]]:
    """What systemd says, what we say, and of what."""
    ours = [reckoned(sections, release) for sections in services]
    told = asked.exposures(release, [unit.render(sections) for sections in services])
    both = zip(told, (f"{tenths / 10:.1f} {level(tenths)}" for tenths in ours), services, strict=True)
    return [(theirs, mine, sections) for theirs, mine, sections in both if theirs != mine]


@pytest.mark.booted
@pytest.mark.parametrize("release", asked.RELEASES)
def test_it_is_what_systemd_analyze_says(release: int) -> None:
    """For the sets of `hardening` and 300 services made by chance, to the tenth, in both releases."""
    chance = random.Random(release)  # noqa: S311  # a seed, no secret
    sets = [{"Service": {"ExecStart": "/bin/true", **more}} for more in ({}, BASIC, STRICT)]

    assert _differences(release, [*map(unit.normalise, sets), *(_service(chance) for _ in range(300))]) == []


@pytest.mark.booted
def test_a_wrong_weight_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison sees one directive that is not counted."""
    monkeypatch.setattr(
        exposure,
        "_SWITCHES",
        {name: weight for name, weight in exposure._SWITCHES.items() if name != "NoNewPrivileges"},
    )
    chance = random.Random(1)  # noqa: S311  # a seed, no secret

    assert _differences(directives.OLDEST, [_service(chance) for _ in range(40)])


@pytest.mark.parametrize(
    ("said", "old", "new"),
    [
        ({}, 96, 94),
        ({"User": "daemon"}, 92, 90),
        (BASIC, 76, 74),
        (STRICT, 43, 41),
        ({**STRICT, "User": "daemon"}, 39, 37),
        ({"UMask": "nonsense", "SystemCallFilter": "@nonsense"}, 80, 78),
    ],
)
def test_the_sets_of_hardening(said: dict[str, str], old: int, new: int) -> None:
    """What each is worth, in tenths; a value that is none raises nothing."""
    sections: unit.Sections = {"Service": {"ExecStart": "/bin/true", **said}}

    assert (old, new) == (reckoned(sections, directives.OLDEST), reckoned(sections, directives.NEWEST))


def test_the_words_are_systemds() -> None:
    """From the best to the worst."""
    words = [level(tenths) for tenths in (0, 1, 10, 49, 50, 75, 90, 99, 100)]

    assert ["PERFECT", "SAFE", "OK", "OK", "MEDIUM", "EXPOSED", "UNSAFE", "UNSAFE", "DANGEROUS"] == words
