"""lynis on a booted host: what it reports, and what it reports more than before."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tests.booted.booted import BootedHost

PACKAGE = "lynis"
_REPORT, _LOG = "/var/log/lynis-report.dat", "/var/log/lynis.log"
_KINDS = ("warning", "suggestion", "details")
_TIME = re.compile(r"^[0-9-]+ [0-9:]+ ", re.MULTILINE)


@dataclass(frozen=True, order=True)
class Line:
    """A warning, a suggestion, or a detail of one."""

    test: str
    """Its test, as SSH-7408."""
    kind: str
    text: str


@dataclass(frozen=True)
class Reported:
    """A run of lynis."""

    lines: frozenset[Line]
    log: frozenset[str]
    """The lines of its log, without their times."""


def parse_report(text: str) -> frozenset[Line]:
    """The warnings, suggestions and details of lynis-report.dat."""
    lines = set()
    for row in text.splitlines():
        kind, _, rest = row.partition("[]=")
        test, _, told = rest.partition("|")
        if kind in _KINDS:
            lines.add(Line(test, kind, told.rstrip("|")))
    return frozenset(lines)


def audited(host: BootedHost) -> Reported:
    """Run lynis on the host."""
    host.run("lynis", "audit", "system", "--quick", "--no-colors", "--quiet", check=False, timeout=240)
    return Reported(parse_report(host.read(_REPORT)), frozenset(_TIME.sub("", host.read(_LOG)).splitlines()))
