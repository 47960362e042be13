"""A plan as a comment on a pull request, from its public JSON form: deletions first, then access, then
restarts; the diff is folded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from reconciler.core.revision import short_of
from reconciler.core.secrets.secrecy import SECRET_CONTENT
from reconciler.render.access import markdown_root, markdown_rows
from reconciler.render.diagnostics import diagnostic_blocks
from reconciler.render.findings import markdown_lines
from reconciler.render.markdown_text import capped, code, cut, fenced, folded, host_name, link, marker, size
from reconciler.render.plan.backups import new_jobs, risk_line
from reconciler.render.plan.blocks import action_of, is_drift, removals
from reconciler.render.plan.lost import markdown_lost
from reconciler.render.plan.markdown_blocks import Data, diff_lines, left_out_line, likely
from reconciler.render.plan.phrases import (
    exposure_words,
    hold_words,
    policy_words,
    timetable_words,
    unreadable_words,
    zone_words,
)
from reconciler.render.plan.text import final_line, partial_words
from reconciler.render.terminal import count, painter

LIMIT = 60_000
"""Bytes of a comment. GitHub takes 65,536 characters."""

_LIST = 5_000
"""Bytes of one list; items that do not fit are counted."""
_TROUBLE = 5_000
_DIAGNOSTIC = 1_500
"""Characters of one diagnostic."""
_RESERVE = 1_500
"""Bytes for fences, headings and the sentence on what was left out."""
_MORE = "* … and {} more"


_PASS = {True: "**Policy** pass", False: "**Policy** nothing is refused by what could be looked at"}

_LISTED = (("create", "Create"), ("update", "Update"), ("forget", "Forget"))
_NAMES = 8
"""Names that are shown of the parts that cannot be read for one reason."""
_NOTES = {
    "adopt": "takes over what exists",
    "unknown": "whose it is is not known",
    "tool_upgrade": "by a new version of reconciler",
    "conflict": "also changed on the host",
}


def plan_markdown(data: Data, *, ci: str = "") -> str:
    """The comment, of at most LIMIT bytes.

    `ci` is the address of the run that made it. It is cut between resources, and says so; the counts and the
    heading about deletions are never cut.
    """
    entries = data["resource_changes"]
    intended = [entry for entry in entries if not _only_repairs(entry)]
    repaired = [entry for entry in entries if _only_repairs(entry)]
    top = "\n\n".join("\n".join(section) for section in _summary(data, intended, ci) if section)
    end = "\n\n".join("\n".join(section) for section in _end(data) if section)
    room = LIMIT - size(top) - size(end) - _RESERVE
    removals_by_address = removals(data["steps"])
    drift, drift_left_out = diff_lines(
        repaired, removals_by_address, min(room, max(room // 4, room - likely(intended)))
    )
    room -= size("\n".join(drift))
    changes, left_out = diff_lines(
        sorted((entry for entry in intended if _has_block(entry)), key=_deletions_first),
        removals_by_address,
        room,
    )
    sections = [
        [top],
        folded("Change Result (Click me)", fenced(changes, "diff")) if changes else [],
        left_out_line(left_out, "change"),
        (
            folded(
                f":information_source: {_objects(len(repaired))} changed outside of Git",
                fenced(drift, "diff"),
            )
            if drift
            else []
        ),
        left_out_line(drift_left_out, "repair"),
        [end] if end else [],
    ]
    return "\n\n".join("\n".join(section) for section in sections if section) + "\n"


def failure_markdown(host: str, diagnostics: Sequence[Data], *, ci: str = "") -> str:
    """The comment for a plan that could not be made, with the reasons."""
    where = f" ({host_name(host)})" if host else ""
    sections = [
        [marker("plan", host, "")],
        [f"## :x: Plan Failed{where}"],
        [link("CI run", ci)] if ci else [],
        *_diagnostics(diagnostics),
    ]
    return "\n\n".join("\n".join(section) for section in sections if section) + "\n"


# ------------------------------------------------------------------------------------------------ the summary


def _summary(data: Data, intended: Sequence[Data], ci: str) -> list[list[str]]:
    deleted = [entry for entry in intended if action_of(entry) == "delete" and not _idle(entry)]
    heading = f"### :warning: Resource Deletion will happen ({_objects(len(deleted))})"
    title = ":x: Plan Failed" if data["errored"] else "Plan Result"
    return [
        [marker("plan", data["host"]["name"], data["approval_digest"])],
        markdown_root(data.get("access", ())),
        [f"## {title} ({host_name(data['host']['name'])})"],
        [" · ".join(_basis(data, ci))],
        (
            [f"### :warning: Partial plan: {code(partial_words(data))}; it is no approval"]
            if data.get("partial")
            else []
        ),
        [heading, "", *_rows(deleted)] if deleted else [],
        risk_line(data["diagnostics"]),
        markdown_lost(data["diagnostics"]),
        [f"<pre><code>{final_line(data)}</code></pre>"],
        _policy(intended),
        _lists(intended),
        _access(data),
        markdown_lines(data.get("findings")),
        _exposure(data.get("exposure", ())),
        _new_jobs(data),
        _schedule(data.get("schedule", ())),
        _restarts(data),
        [_verdict(data)],
        _holds(data),
        _held(data),
        _blocked(data["resource_changes"]),
        _secrets(data["unreadable"]),
        _unreadable(
            [
                *(row for row in data["unreadable"] if row["reason"] != SECRET_CONTENT),
                *({"address": _lacking(data), "reason": fact} for fact in data.get("unknown", ())),
            ]
        ),
    ]


def _lacking(data: Data) -> str:
    return "the snapshot does not have" if data["basis"]["kind"] == "snapshot" else "not known"


def _basis(data: Data, ci: str) -> list[str]:
    basis, spec = data["basis"], data["spec"]
    kind = {"live": "live host", "offline": "offline tree", "snapshot": "snapshot"}.get(
        basis["kind"]
    ) or code(str(basis["kind"]))
    taken = f" of {code(str(basis['taken']))}" if basis.get("taken") else ""
    taken += f", {int(basis['age_seconds']) // 60} min old" if "age_seconds" in basis else ""
    name = short_of(spec)
    commit = f"commit {code(name)}" if name else "no commit"
    return [*([link("CI run", ci)] if ci else []), f"basis: {kind}{taken}", commit]


def _rows(entries: Iterable[Data], notes: Callable[[Data], str] = lambda _: "") -> list[str]:
    """A list of resources, each with its place in the spec."""
    return capped(
        [f"* {code(entry['address'])}{_place(entry)}{notes(entry)}" for entry in entries], _LIST, _MORE
    )


def _place(entry: Data) -> str:
    source = entry["source"]
    return "" if source is None else " · " + code(f"{source['file']}:{source['line']}", 120)


def _policy(intended: Sequence[Data]) -> list[str]:
    """The lines of the policy that changes for later applies, which no host shows."""
    items = [
        f"* {code(entry['address'])}{_place(entry)}: {policy_words(path)}"
        for entry in intended
        if not _idle(entry)
        for path in entry["paths"]
        if path.get("policy")
    ]
    return ["### :warning: Protection changes", "", *capped(items, _LIST, _MORE)] if items else []


def _lists(intended: Sequence[Data]) -> list[str]:
    lines: list[str] = []
    for action, title in _LISTED:
        listed = [entry for entry in intended if action_of(entry) == action and not _idle(entry)]
        if listed:
            lines += [f"**{title}** ({len(listed):,})", "", *_rows(listed, _notes), ""]
    return lines[:-1]


def _idle(entry: Data) -> bool:
    return bool(entry["blocked"] or entry.get("held"))


def _notes(entry: Data) -> str:
    words = [_NOTES[entry["action_reason"]]] if entry["action_reason"] in _NOTES else []
    kinds = dict.fromkeys(effect["kind"] for effect in entry["effects"] if effect["disruptive"])
    return f" ({', '.join(words + [code(kind, 20) for kind in kinds])})" if words or kinds else ""


def _access(data: Data) -> list[str]:
    """An item for each account: its gains, its losses, other changes.

    Accounts that become root or can log in are never cut.
    """
    rows = data.get("access", ())
    if not rows:
        words = "no account gains or loses root, login, a key, a group or a sudo rule, as far as is seen"
        return [f"**Access** {words if data['complete'] else 'no change in what could be looked at'}"]
    danger, rest = markdown_rows(rows)
    return ["**Access**", "", *danger, *capped(rest, _LIST, _MORE)]


def _exposure(rows: Sequence[Data]) -> list[str]:
    """The exposure of services before and after, by systemd-analyze security."""
    items = [f"* {code(address)} {words}" for address, words in exposure_words(rows).items()]
    return (
        ["**Exposure** (systemd-analyze security, 0 is best)", "", *capped(items, _LIST, _MORE)]
        if items
        else []
    )


def _new_jobs(data: Data) -> list[str]:
    """The new backup jobs, a line each."""
    items = new_jobs(data)
    return ["**New backups**", "", *capped(items, _LIST, _MORE)] if items else []


def _schedule(rows: Sequence[Data]) -> list[str]:
    """The next runs of jobs, by the old schedule and by the new one."""
    items = [f"* {code(row['address'])} {_sides(row)}" for row in rows]
    return [f"**Next runs** ({code(zone_words(rows[0]))})", "", *capped(items, _LIST, _MORE)] if items else []


def _sides(row: Data) -> str:
    return " → ".join(
        code(": ".join(timetable_words(side)), 300)
        for side in (row["before"], row["after"])
        if side is not None
    )


def _restarts(data: Data) -> list[str]:
    effects = (effect for entry in data["resource_changes"] for effect in entry["effects"])
    items = dict.fromkeys(_effect(effect) for effect in effects if effect["disruptive"])
    return ["**Restarts**", "", *capped(list(items), _LIST, _MORE)] if items else ["**Restarts** none"]


def _effect(effect: Data) -> str:
    why = f" because {code(effect['why'])}" if effect["why"] else ""
    return f"* {code(effect['kind'], 20)} {code(effect['unit'])}{_along(effect)}{why}"


def _along(effect: Data) -> str:
    """The note on an effect that systemd has along with another unit; else empty."""
    if not effect.get("along_with"):
        return ""
    notes = ["along with " + code(effect["along_with"])]
    notes += [] if effect["declared"] else ["not in the spec"]
    notes += ["**stays down**"] if effect["stays_down"] else []
    return f" ({', '.join(notes)})"


def _verdict(data: Data) -> str:
    refusals = [item for item in data["diagnostics"] if item["refusal"]]
    rules = dict.fromkeys(item["rule"] or "unnamed" for item in refusals)
    return (
        f"**Policy** :x: refused by {', '.join(code(rule, 40) for rule in rules)}"
        if rules
        else _PASS[data["complete"]]
    )


def _holds(data: Data) -> list[str]:
    """The lines of the holds, and of the resources that are not changed because of them."""
    items = [f"* {code(row['address'])}: {code(hold_words(row))}" for row in data.get("holds", ())]
    if not items:
        return []
    waiting = [entry for entry in data["resource_changes"] if entry.get("held")]
    rows = _rows(waiting, lambda entry: f": {code(entry['held'])}")
    not_done = ["", f"Not done because of that ({len(waiting):,})", "", *rows] if waiting else []
    return ["**On hold**, left alone until it ends", "", *capped(items, _LIST // 2, _MORE), *not_done]


def _held(data: Data) -> list[str]:
    effects = [effect for entry in data["resource_changes"] for effect in entry["effects"] if effect["held"]]
    items = dict.fromkeys(_effect(row) for row in (*effects, *(row for row in data["owed"] if row["held"])))
    if not items:
        return [] if data.get("holds") else ["**Pending restarts** none"]
    return [
        "**Pending restarts**: apply leaves them to you; until then the old configuration runs",
        "",
        *capped(list(items), _LIST // 2, _MORE),
    ]


def _blocked(entries: Iterable[Data]) -> list[str]:
    blocked = [entry for entry in entries if entry["blocked"]]
    rows = _rows(blocked, lambda entry: f": {code(entry['blocked'])}")
    return [f"**Blocked**, will not be done ({len(blocked):,})", "", *rows] if blocked else []


def _secrets(rows: Sequence[Data]) -> list[str]:
    """One calm line about secrets: every comment for a spec with a secret has it."""
    names = [str(row["address"]) for row in rows if row["reason"] == SECRET_CONTENT]
    return [f"**Secrets** whose content only the host can compare: {_names(names)}"] if names else []


def _unreadable(rows: Sequence[Data]) -> list[str]:
    items = [f"* {_names(names)}: {code(reason)}" for reason, names in unreadable_words(rows).items()]
    heading = "### :warning: Incomplete: this is not known, and may differ"
    return [heading, "", *capped(items, _LIST // 2, _MORE)] if items else []


def _names(names: Sequence[str]) -> str:
    """The first names, and the number of the others."""
    more = f" and {len(names) - _NAMES:,} more" if len(names) > _NAMES else ""
    return ", ".join(map(code, names[:_NAMES])) + more


# --------------------------------------------------------------------------------------------------- the diff


def _only_repairs(entry: Data) -> bool:
    """Whether the change only puts back what somebody changed by hand."""
    return str(entry["action_reason"]) == "drift"


def _has_block(entry: Data) -> bool:
    return action_of(entry) != "no-op" or _idle(entry) or bool(entry["effects"]) or is_drift(entry)


def _deletions_first(entry: Data) -> bool:
    return action_of(entry) != "delete"


# ------------------------------------------------------------------------------------------------ diagnostics


def _end(data: Data) -> list[list[str]]:
    basis = data["basis"]
    notes = []
    if basis.get("interrupted_run"):
        notes.append(f"* Run {int(basis['interrupted_run'])} was interrupted; apply will recover it.")
    if basis.get("state_damaged"):
        notes.append(f"* The state is damaged, so nothing is removed: {code(basis['state_damaged'])}")
    return [*_diagnostics(data["diagnostics"]), ["## :warning: State", "", *notes] if notes else []]


def _diagnostics(rows: Sequence[Data]) -> list[list[str]]:
    """Errors, then warnings, as the text has them."""
    sections = []
    for severity, title in (("error", "## :x: Errors"), ("warning", "## :warning: Warnings")):
        texts = diagnostic_blocks([row for row in rows if row["severity"] == severity], painter(colour=False))
        if texts:
            shown = capped([cut(text, _DIAGNOSTIC) for text in texts], _TROUBLE, "… and {} more")
            sections.append([title, "", *fenced("\n\n".join(shown).split("\n"))])
    return sections


def _objects(number: int) -> str:
    return count(number, "object", "objects") if number < 1_000 else f"{number:,} objects"
