"""Findings that a new policy bears or counts again: in a plan they would be lines of a file like others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reconciler.core.changes import Change, Verb
from reconciler.core.diagnostic import Diagnostic, warning
from reconciler.formats.audit.policy import NotAPolicy, Waiver, policy

RELAXED, TIGHTENED = "audit-relaxed", "audit-tightened"
_LISTS = ("ports", "users", "sudo", "setuid", "capabilities", "world_writable")
_SEVERITIES = ("critical", "high", "medium", "low")
_Waivers = Mapping[tuple[str, str], Waiver]


def relaxed(changes: Sequence[Change]) -> Iterator[Diagnostic]:
    """Yield a warning for each waiver and each entry of `allow` that comes, changes or goes, and for another
    `fail_on`.

    A file that is not ours is not told: it is no policy of this spec.
    """
    for change in changes:
        is_told = change.address.kind == "audit" and change.address.part == "config"
        if is_told and change.verb is not Verb.NONE and (change.ours or change.before is None):
            before, after = _document(change.before), _document(change.after)
            for rule, summary, detail in _differences(before, after):
                source = change.part.declared.source if change.part is not None else None
                yield warning(summary, detail, address=change.address.resource, source=source, rule=rule)


def _document(document: Mapping[str, Any] | None) -> Mapping[str, Any]:
    data = (document or {}).get("policy")
    return data if isinstance(data, Mapping) else {}


_Told = tuple[str, str, str]
"""Rule, summary and detail of a warning."""


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[_Told]:
    yield from _of_waivers(_waivers(before), _waivers(after))
    old, new = _entries(before), _entries(after)
    for entry in sorted(new - old):
        yield RELAXED, f"allows {entry}", "The audit has no finding about it any more."
    for entry in sorted(old - new):
        yield TIGHTENED, f"no longer allows {entry}", "The audit has a finding about it from now on."
    if before and after and before["fail_on"] != after["fail_on"]:
        was, becomes = str(before["fail_on"]), str(after["fail_on"])
        rule = RELAXED if _SEVERITIES.index(becomes) < _SEVERITIES.index(was) else TIGHTENED
        yield (
            rule,
            f"the audit fails on {becomes}, and failed on {was}",
            "Lighter ones are told all the same.",
        )


def _waivers(document: Mapping[str, Any]) -> _Waivers:
    try:
        waivers = policy(document).waivers if document else ()
    except NotAPolicy:  # of another version
        waivers = ()
    return {(waiver.check, waiver.object): waiver for waiver in waivers}


def _of_waivers(before: _Waivers, after: _Waivers) -> Iterator[_Told]:
    for key, waiver in after.items():
        old = before.get(key)
        what = f"{waiver.check} for {_object(waiver)} until {waiver.until}: {waiver.why}"
        by = f" Ask {waiver.owner}." if waiver.owner else ""
        if old is None:
            yield RELAXED, f"waives {what}", f"The audit does not count the finding until then.{by}"
        elif waiver.until > old.until:
            yield RELAXED, f"waives longer {what}", f"It ended on {old.until} so far.{by}"
        elif waiver.until < old.until:
            yield TIGHTENED, f"waives shorter {what}", f"It ended on {old.until} so far.{by}"
    for key, waiver in before.items():
        if key not in after:
            name = f"no longer waives {waiver.check} for {_object(waiver)}"
            yield (
                TIGHTENED,
                name,
                f"It counts again; waived until {waiver.until}: {waiver.why}",
            )


def _object(waiver: Waiver) -> str:
    return "every object" if waiver.object == "*" else waiver.object


def _entries(document: Mapping[str, Any]) -> frozenset[str]:
    """The entries of `allow`, each in words."""
    allow = document.get("allow", {})
    plain = [f"{name}: {item}" for name in _LISTS for item in allow.get(name, ())]
    groups = [
        f"groups: {member} in {group}"
        for group, members in allow.get("groups", {}).items()
        for member in members
    ]
    return frozenset((*plain, *groups))
