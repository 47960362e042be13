"""The answers of apt-get, dpkg and os-release(5)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date

from reconciler.core.basics.frozen import frozen

_INSTALLED = re.compile(r"Inst (\S+) (?:\[(\S*)\] )?\((\S+) ([^)]*)\)")


@frozen
class Upgrade:
    """A package that would be upgraded."""

    package: str
    installed: str
    """The version on the host; empty: a new package."""
    candidate: str
    origin: str
    """Where it comes from, as apt says it: `Debian-Security:12/stable-security [amd64]`."""

    @property
    def security(self) -> bool:
        """Whether it comes from an archive of security updates."""
        return "security" in self.origin.lower()


def parse_upgrades(text: str) -> list[Upgrade]:
    """The packages that would be upgraded: lines that begin with `Inst`."""
    return [Upgrade(*(part or "" for part in match.groups())) for match in _INSTALLED.finditer(text)]


_BROKEN = re.compile(r"^ ([a-z0-9][a-z0-9+.-]+)(?:[: ]|$)", re.MULTILINE)
_TRUSTING = re.compile(
    r"deb(?:-src)?\s+\[[^\]]*\b(?:trusted|allow-insecure)=yes\b|(?:trusted|allow-insecure):\s*yes\b",
    re.IGNORECASE,
)
_FILE = "## "
"""Stands before the path of a file in an answer of several."""
_ENDS: Mapping[tuple[str, str], date] = {
    ("debian", "10"): date(2024, 6, 30),
    ("debian", "11"): date(2026, 8, 31),
    ("debian", "12"): date(2028, 6, 30),
    ("debian", "13"): date(2030, 6, 30),
    ("ubuntu", "18.04"): date(2023, 5, 31),
    ("ubuntu", "20.04"): date(2025, 5, 31),
    ("ubuntu", "22.04"): date(2027, 4, 30),
    ("ubuntu", "24.04"): date(2029, 4, 30),
}
"""The last day of free security updates: wiki.debian.org/LTS, ubuntu.com/about/release-cycle (2026-11)."""


def parse_broken(text: str) -> list[str]:
    """The packages that `dpkg --audit` names, sorted."""
    return sorted(set(_BROKEN.findall(text)))


def parse_trusting(text: str) -> list[str]:
    """The files with a source that apt trusts without a signature, of an answer with a line `## PATH` before
    each file.
    """
    path, paths = "", []
    for line in text.split("\n"):
        if line.startswith(_FILE):
            path = line.removeprefix(_FILE)
        elif _TRUSTING.match(line.strip()) and path not in paths:
            paths.append(path)
    return paths


def parse_release(text: str) -> tuple[str, str]:
    """The id and the version of os-release(5)."""
    fields = dict(line.partition("=")[::2] for line in text.split("\n"))
    return fields.get("ID", "").strip("\"'"), fields.get("VERSION_ID", "").strip("\"'")


def supported_until(name: str, version: str) -> date | None:
    """The last day of support of a release; None where it is not known."""
    return _ENDS.get((name, version))


_PERIODIC = re.compile(r'APT::Periodic::Unattended-Upgrade "([^"]*)";', re.IGNORECASE)
_KERNEL = re.compile(r"([0-9][0-9.]*(?:-[0-9]+)?)((?:[+~][A-Za-z0-9.~]+)?)(?:-(.+))?")
"""`6.1.0-28-cloud-amd64`, `6.12.9+deb13-amd64`: the version, what the distribution adds, the flavour."""


def parse_periodic(text: str) -> bool:
    """Whether `apt-config dump` has unattended upgrades switched on: the last setting counts."""
    settings = _PERIODIC.findall(text)
    return bool(settings) and settings[-1].strip().lower() not in ("", "0", "no", "false", "off", "disable")


def parse_held(text: str) -> list[str]:
    """The packages that are wanted as they are, in lines `WANT PACKAGE` of `dpkg-query`, sorted."""
    rows = (line.partition(" ") for line in text.split("\n"))
    return sorted(package for want, _, package in rows if want == "hold")


def newer_kernel(running: str, installed: Iterable[str]) -> str:
    """The newest kernel of the flavour that runs, if that is not the one that runs; empty otherwise."""
    own = _KERNEL.fullmatch(running)
    if own is None:
        return ""
    kernels = (_KERNEL.fullmatch(name) for name in installed)
    same = [kernel for kernel in kernels if kernel is not None and kernel[3] == own[3]]
    newest = max(same, key=_numbers, default=own)
    return newest[0] if _numbers(newest) > _numbers(own) else ""


def _numbers(kernel: re.Match[str]) -> tuple[list[int], list[int]]:
    """The numbers by which kernels are ordered."""
    version, added = (re.findall(r"[0-9]+", part) for part in (kernel[1], kernel[2]))
    return [int(number) for number in version], [int(number) for number in added]
