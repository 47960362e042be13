"""An audit of a host whose objects have hostile names, for the tests of the forms of its report."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reconciler.audit.facts import Facts
from reconciler.audit.model import Check, Fail, Finding, NotApplicable, NotKnown, Report, Severity
from reconciler.audit.policy import with_waivers
from reconciler.audit.report import report_data
from reconciler.audit.run import run
from reconciler.formats.audit.policy import Policy, Waiver
from tests.audit.facts import NOW, facts

NAMES = (
    "/srv/<script>document.title='taken'</script>",
    "/srv/<img src=x onerror=alert(1)>\"'&amp;",
    "/srv/</failure></testcase><testcase name='planted'/>",
    "/srv/]]> <![CDATA[ <!-- --> <?php ?> &#10; &lol;",
    "/srv/[click](https://evil.example/) {0} {{1}}",
    "/srv/\u202egnp.exe\u202c\u200b\ufeff\ufffe\U0001ffff",
    "/" + "x" * 300,
    "/srv/" + "a b/" * 75,
    "/srv/" + "文件" * 100,
    "/عربى" * 40,
    "\x1b[31mred\x00\n\n\x85\u2028",
    "/srv/\udcff\udc00 %41 ä",
)


def _fails(_: Facts) -> Iterator[Finding]:
    for name in NAMES:
        yield Fail(name, name, name, name, remediation=f"`chmod 0600 {name}`")
        yield NotKnown(name, name)
    yield Fail("/srv/waived", "0600", "0666")


def _breaks(_: Facts) -> Iterator[Finding]:
    raise ArithmeticError


def _is_out_of_place(_: Facts) -> Iterator[Finding]:
    raise NotApplicable(NAMES[0])


def _passes(_: Facts) -> Iterator[Finding]:
    yield from ()


LOOKS = (_fails, _breaks, _is_out_of_place, _passes)


def hostile_report() -> dict[str, Any]:
    """The public form of a report with each status, and checks of each severity in two areas."""
    checks = [
        Check(
            f"{look.__name__.strip('_')}-{severity}",
            severity,
            "A title",
            "Why.",
            "Do it.",
            (),
            (),
            look,
            area,
        )
        for area, look in zip(("files", "files", "ssh", "ssh"), LOOKS, strict=True)
        for severity in Severity
    ]
    waiver = Waiver("*", NAMES[0], "2099-01-31", "/srv/waived")
    waivers = tuple(Waiver(check.id, waiver.why, waiver.until, waiver.object) for check in checks)
    results = with_waivers(run(checks, facts({})), Policy(waivers=waivers), NOW.date())
    host = NAMES[1]
    return report_data(Report(host, {"kind": "live"}, "2026-11-30T00:00:00Z", Severity.HIGH, results, NAMES))
