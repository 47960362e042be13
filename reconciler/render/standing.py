"""How a host stands, for people."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from reconciler.render.term import count, paragraphs, visible
from reconciler.render.words import hold_words

_SIGNS = {"create": "+", "update": "~", "delete": "-", "forget": "."}


def standing_text(data: Mapping[str, Any]) -> str:
    """A screenful: what was done last, what is to be done, and what to type next."""
    lines = [f"Host {visible(data['host'] or '?')}: {count(data['managed'], 'object')} under management", f"  last apply  {_last(data)}"]
    if data["interrupted"]:
        lines.append(f"  interrupted run {data['interrupted']} was killed; the next apply goes on from there")
    if data["last_run"] and data["last_run"]["run"] != data["last_good_run"]:
        since = f"run {data['last_good_run']}, {_ago(data['seconds_since_last_good_run'])}" if data["last_good_run"] else "none"
        lines.append(f"  last good   {since}")
    if data["next_run"]:
        lines.append(f"  next apply  {visible(data['next_run']['at'])}, by {visible(data['next_run']['unit'])}")
    if data["drift"]:
        lines.append(f"  drift       {count(len(data['drift']), 'object')} changed on the host")
    for title, rows in (("damaged", [data["damaged"]] if data["damaged"] else []), ("problems", data["problems"])):
        lines += [f"  {title:<10}  {visible(row)}" for row in rows]
    if data["pending"]:
        lines.append(f"  to do       {count(len(data['pending']), 'change')}")
        lines += [
            f"    {_SIGNS[row['change']]}{'!' if row['address'] in data['drift'] else ' '} {visible(row['address'])}"
            for row in data["pending"]
            if row["address"] not in data["blocked"]
        ]
    for address, why in data["blocked"].items():
        lines += [f"    x  {visible(address)}", *paragraphs(why, "         blocked: ", "         ")]
    for address, why in data["refused"].items():
        lines += [f"    x  {visible(address)}", *paragraphs(why, "         not loaded by systemd: ", "         ")]
    lines += [f"  on hold     {visible(row['address'])}  {hold_words(row)}" for row in data["holds"]]
    if data["held"]:
        lines.append(f"  waiting     {count(len(data['held']), 'object')}, until the hold ends")
    lines += [f"    = {visible(address)}" for address in data["held"]]
    lines += [f"  owed        {row['verb']} {visible(row['unit'])}  because {visible(row['why'])}" for row in data["owed"]]
    return "\n".join([*lines, "", _next(data)]) + "\n"


def _last(data: Mapping[str, Any]) -> str:
    run = data["last_run"]
    if run is None:
        return "never"
    when = datetime.fromtimestamp(run["started"], UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    undid = f", undid run {run['undoes']}" if run.get("undoes") else ""
    return f"run {run['run']}, {run['status']}{undid}, {when}"


def _ago(seconds: int) -> str:
    """In the largest unit that fits."""
    for name, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= length:
            return f"{count(seconds // length, name)} ago"
    return "just now"


def _next(data: Mapping[str, Any]) -> str:
    if data["problems"]:
        return "Next: reconciler plan, which tells what is wrong and where."
    if data["pending"]:
        if len(data["pending"]) == len(data["blocked"]):
            return "Next: an apply does none of it as it stands; reconciler plan shows what is blocked, and why."
        return "Next: reconciler plan to see it, reconciler apply to do it. ! was changed outside of the spec."
    if data["last_run"] and data["last_run"]["status"] != "applied":
        return f"Next: reconciler show {data['last_run']['run']}, which tells what failed."
    if any(row["held"] for row in data["owed"]):
        return "Nothing to do. What is owed waits for you: systemctl restart UNIT when it suits."
    return "Nothing to do." if data["complete"] else "Nothing to do in what could be read; run as root to see everything."


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
