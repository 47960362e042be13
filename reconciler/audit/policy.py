"""The policy that a spec declares, and what it makes of results: waivers that hold, ended, or end soon."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from fnmatch import fnmatchcase

from reconciler.audit.model import Result, Status
from reconciler.core.host import HostError, HostView
from reconciler.core.spec import Spec
from reconciler.formats.audit.policy import PATH, NotAPolicy, Policy, Waiver, parse, policy

_SOON = 14
"""Days before its end from which on a waiver is told."""


def policy_of(spec: Spec | None, view: HostView) -> Policy:
    """The policy in the `audit` section of a spec; without a spec the one that was applied last, if there is
    one that can be read.
    """
    if spec is None:
        return _applied(view)
    for declared in spec.resources:
        if declared.address.kind == "audit":
            from reconciler.kinds.audit.kind import document

            return policy(document(declared))
    return Policy()


def _applied(view: HostView) -> Policy:
    """The policy in its file on the host. Less is allowed where it is unknown, so nothing passes by that."""
    try:
        return policy(parse(view.read(PATH).decode("utf-8", "replace")))
    except (HostError, FileNotFoundError, NotAPolicy):
        return Policy()


def with_waivers(results: Sequence[Result], rules: Policy, today: date) -> tuple[Result, ...]:
    """The results, those that fail and that a waiver of today covers as waived."""
    holding = [waiver for waiver in rules.waivers if _days_left(waiver, today) >= 0]
    return tuple(_with_waiver(result, holding) for result in results)


def notices(results: Sequence[Result], rules: Policy, today: date) -> Iterator[str]:
    """The sentences about the waivers; `results` are those before they were waived.

    A waiver of a check that did not run is not told of as one without a finding.
    """
    ran = {result.check.id for result in results if result.status in (Status.PASS, Status.FAIL)}
    for waiver in rules.waivers:
        days, name = _days_left(waiver, today), f"the waiver of {waiver.check} for {waiver.object}"
        if days < 0:
            yield f"{name} ended on {waiver.until}: the finding counts again{_whom(waiver)}"
        elif days <= _SOON:
            yield f"{name} ends on {waiver.until}, {_when(days)}{_whom(waiver)}"
        if waiver.check in ran and not any(_covers(waiver, result) for result in results):
            yield f"{name} covers no finding: it can go"


def _with_waiver(result: Result, holding: Sequence[Waiver]) -> Result:
    for waiver in holding:
        if _covers(waiver, result):
            why = f"{waiver.why} (until {waiver.until}{_by(waiver)})"
            return replace(result, status=Status.WAIVED, why=why, until=waiver.until)
    return result


def _covers(waiver: Waiver, result: Result) -> bool:
    pattern = waiver.object.replace("[", "[[]")  # a name may have brackets, and a pattern has none
    is_named = waiver.check == result.check.id and fnmatchcase(result.object, pattern)
    return is_named and result.status is Status.FAIL


def _days_left(waiver: Waiver, today: date) -> int:
    return (date.fromisoformat(waiver.until) - today).days


def _when(days: int) -> str:
    return "today" if days == 0 else "tomorrow" if days == 1 else f"in {days} days"


def _by(waiver: Waiver) -> str:
    return f", {waiver.owner}" if waiver.owner else ""


def _whom(waiver: Waiver) -> str:
    return f"; ask {waiver.owner}" if waiver.owner else ""
