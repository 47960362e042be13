"""The output of `status` and `doctor`, for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from reconciler.render.plan.phrases import hold_words
from reconciler.render.terminal import count, paragraphs, visible

_SIGNS = {"create": "+", "update": "~", "delete": "-", "forget": "."}


def standing_text(data: Mapping[str, Any]) -> str:
    """The output of `status`: the last apply, what is pending, and what to type next."""
    lines = [*_heading(data), *_failures(data)]
    if data["interrupted"]:
        lines.append(f"  interrupted run {data['interrupted']} was killed; the next apply goes on from there")
    if data["last_run"] and data["last_run"]["run"] != data["last_good_run"]:
        since = (
            f"run {data['last_good_run']}, {_ago(data['seconds_since_last_good_run'])}"
            if data["last_good_run"]
            else "none"
        )
        lines.append(f"  last good   {since}")
    if data["next_run"]:
        lines.append(
            f"  next apply  {visible(data['next_run']['at'])}, by {visible(data['next_run']['unit'])}"
        )
    if data["drift"]:
        lines.append(f"  drift       {count(len(data['drift']), 'object')} changed on the host")
    lines += [f"  failed      {visible(address)}" for address in data["failed_services"]]
    lines += [*_jobs(data), *_audit(data["audit"])]
    for title, rows in (
        ("damaged", [data["damaged"]] if data["damaged"] else []),
        ("problems", data["problems"]),
    ):
        lines += [f"  {title:<10}  {visible(row)}" for row in rows]
    if data["pending"]:
        lines.append(f"  to do       {count(len(data['pending']), 'change')}")
        lines += [
            f"    {_SIGNS[row['change']]}{'!' if row['address'] in data['drift'] else ' '}"
            f" {visible(row['address'])}"
            for row in data["pending"]
            if row["address"] not in data["blocked"]
        ]
    for address, why in data["blocked"].items():
        lines += [f"    x  {visible(address)}", *paragraphs(why, "         blocked: ", "         ")]
    for address, why in data["refused"].items():
        lines += [
            f"    x  {visible(address)}",
            *paragraphs(why, "         not loaded by systemd: ", "         "),
        ]
    lines += [f"  on hold     {visible(row['address'])}  {hold_words(row)}" for row in data["holds"]]
    if data["held"]:
        lines.append(f"  waiting     {count(len(data['held']), 'object')}, until the hold ends")
    lines += [f"    = {visible(address)}" for address in data["held"]]
    lines += [
        f"  owed        {row['verb']} {visible(row['unit'])}  because {visible(row['why'])}"
        for row in data["owed"]
    ]
    return "\n".join([*lines, "", _next(data)]) + "\n"


def _heading(data: Mapping[str, Any]) -> list[str]:
    """The lines about the number of managed objects and the last apply, as far as the ledger can be read."""
    unread = data["ledger_unreadable"]
    managed = (
        "what is under management is not known"
        if unread
        else f"{count(data['managed'], 'object')} under management"
    )
    lines = [f"Host {visible(data['host'] or '?')}: {managed}", f"  last apply  {_last(data)}"]
    return lines + (
        paragraphs(f"cannot be read: {unread}", "  ledger      ", "              ") if unread else []
    )


def _last(data: Mapping[str, Any]) -> str:
    run = data["last_run"]
    if run is None:
        return "not known" if data["ledger_unreadable"] else "never"
    when = datetime.fromtimestamp(run["started"], UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    undid = f", undid run {run['undoes']}" if run.get("undoes") else ""
    back = f", put back by run {run['put_back_by']}" if run.get("put_back_by") else ""
    status = "interrupted" if data["interrupted"] == run["run"] else run["status"]
    return f"run {run['run']}, {status}{undid}{back}, {when}"


def _jobs(data: Mapping[str, Any]) -> list[str]:
    lines: list[str] = []
    for row in data["failing_jobs"]:
        lines += [
            f"  job         {visible(row['address'])}",
            *paragraphs(row["reason"], "              ", "              "),
        ]
    return lines


def _audit(audited: Mapping[str, Any] | None) -> list[str]:
    """The line of the last recorded audit, and the command that shows it."""
    if audited is None:
        return []
    counts = [f"{audited[name]} {name}" for name in ("critical", "high", "medium", "low") if audited[name]]
    findings = f"{count(audited['fail'], 'finding')}" + (f" ({', '.join(counts)})" if counts else "")
    unknown = f", {audited['not_checked']} not checked" if audited["not_checked"] else ""
    return [f"  audit       {findings}{unknown}, {_ago(audited['seconds_since'])}: reconciler audit"]


_WELL = ("applied", "unchanged", "held")
_JOURNAL = "; journal: "


def _failures(data: Mapping[str, Any]) -> list[str]:
    """The lines of the parts that failed in the last apply, with reasons; `show` has the journal too."""
    summary = (data["last_run"] or {}).get("summary", {})
    lines: list[str] = []
    for address, reason in summary.items():
        if reason not in _WELL:
            lines += [
                f"    x  {visible(address)}",
                *paragraphs(reason.partition(_JOURNAL)[0], "         ", "         "),
            ]
    return lines


def _ago(seconds: int) -> str:
    """A time in the past, in the largest unit that fits."""
    for name, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= length:
            return f"{count(seconds // length, name)} ago"
    return "just now"


def _next(data: Mapping[str, Any]) -> str:
    return _after_the_last(data) or _pending(data) or _nothing(data)


def _after_the_last(data: Mapping[str, Any]) -> str:
    """The next step that follows from how the last run ended, and from what has failed since."""
    last = data["last_run"] or {}
    if data["problems"]:
        return "Next: reconciler plan, which tells what is wrong and where."
    if last.get("status") in ("failed", "partial"):
        return _after_failure(data)
    if data["pending"] and last.get("undoes"):
        return (
            f"Next: the next apply brings back what run {last['run']} undid (reconciler show"
            f" {last['undoes']}). Revert the commit, or hold it: reconciler hold add ADDRESS."
        )
    if data["failing_jobs"] and not data["failed_services"] and not data["pending"]:
        return f"Next: {data['failing_jobs'][0]['next']}"
    if data["failed_services"]:
        return f"Next: {_look(data['failed_services'])} tells why; reconciler apply starts it again."
    return ""


def _pending(data: Mapping[str, Any]) -> str:
    if not data["pending"]:
        return ""
    if len(data["pending"]) == len(data["blocked"]):
        return "Next: reconciler plan shows what blocks it; an apply would do none of it as it stands."
    return "Next: reconciler plan to see it, reconciler apply to do it. ! was changed outside of the spec."


def _nothing(data: Mapping[str, Any]) -> str:
    if data["last_run"] and data["last_run"]["status"] != "applied":
        return f"Next: reconciler show {data['last_run']['run']}, which tells what failed."
    if any(row["held"] for row in data["owed"]):
        return "Nothing to do. Owed restarts wait for you: systemctl restart UNIT when it suits."
    return (
        "Nothing to do."
        if data["complete"]
        else "Nothing to do in what could be read; run as root to see everything."
    )


def _after_failure(data: Mapping[str, Any]) -> str:
    """The next step after an apply that failed: one of the same spec may fail again."""
    run = data["last_run"]["run"]
    broken = [address for address, why in data["last_run"].get("summary", {}).items() if why not in _WELL]
    services = [address for address in broken if address.startswith("services.")]
    look = f"; {_look(services)} tells how it stands" if services else ""
    then = "Mend the spec or revert the commit; until then an apply may fail again."
    return f"Next: reconciler show {run} tells what failed{look}. {then}"


def _look(services: Sequence[str]) -> str:
    """The command that shows what is wrong with these services."""
    names = [address.partition("/")[0].removeprefix("services.") for address in services]
    return (
        f"reconciler service status {visible(names[0])}"
        if len(set(names)) == 1
        else "reconciler service health"
    )


_MARKS = {"fine": "ok", "finding": "!!", "left out": "--"}


def doctor_text(data: Mapping[str, Any], *, colour: bool) -> str:
    """One line for each answer, and under each finding what to type next."""
    made_of = ", ".join(f"{name} {version}" for name, version in data["versions"].items())
    lines = [f"Host {visible(data['host'] or '?')}  ({visible(made_of)})"]
    for row in data["findings"]:
        mark = _MARKS[row["status"]]
        shown = f"\x1b[31m{mark}\x1b[0m" if colour and mark == "!!" else mark
        lines.append(f"  {shown}  {row['check']:<10}  {visible(row['what'])}")
        lines += [f"      {'':<10}  next: {visible(row['next'])}"] if row["next"] else []
    number = sum(row["status"] == "finding" for row in data["findings"])
    return "\n".join([*lines, "", f"{count(number, 'finding')}." if number else "No findings."]) + "\n"
