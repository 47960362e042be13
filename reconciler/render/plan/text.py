"""A plan for people, from its public JSON form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.core.revision import short_of
from reconciler.render.access import access_words, root_words
from reconciler.render.diagnostics import diagnostics_from_data
from reconciler.render.findings import text_lines
from reconciler.render.plan.blocks import (
    action_of,
    block,
    effect_lines,
    heading_symbol,
    is_drift,
    is_failure,
    removals,
)
from reconciler.render.plan.lost import lost_words
from reconciler.render.plan.phrases import (
    action_words,
    ago,
    exposure_words,
    hold_words,
    only_secrets,
    timetable_words,
    unreadable_words,
    zone_words,
)
from reconciler.render.plan.settled import CONVERGED
from reconciler.render.terminal import Look, Paint, columns, count, pad, painter, paragraphs, symbol, visible

Data = Mapping[str, Any]

_LEGEND = {
    "+": "create",
    "~": "update in-place",
    "-": "destroy",
    ".": "forget, but leave on the host",
    "!": "changed outside of the spec",
    ">": "effect on running services",
    "x": "blocked, will not be done",
    "=": "held, will not be done until the hold ends",
}
_OLD = 86_400
_CLOCKS = 120
"""Seconds that two clocks may be apart; above, the age of a snapshot is coloured, as above `_OLD`."""
_PARTLY_CONVERGED = "No changes to what was chosen."
_BLIND = "  Without the ledger drift and removals are not known, nor whether what exists is ours."
_BUT_SECRETS = (
    "Nothing to do, as far as a snapshot can tell: the content of secrets only the host can compare."
)
_INCOMPLETE = "Nothing to do in what could be read; the plan is incomplete."


def plan_text(data: Data, *, colour: bool = False, verbose: bool = False) -> str:
    """The output of `plan` and `show PLANFILE`.

    With `verbose` it has all lines of files, whole digests, the contents of removals, and the steps in order.
    """
    paint = painter(colour=colour)
    entries, removals_by_address = _with_block(data), removals(data["steps"])
    sections = [
        _root(data.get("access", ()), paint),
        [
            paint(line, "red")
            for words in lost_words(data["diagnostics"])
            for line in paragraphs(words, "", "  ")
        ],
        age_lines(data, paint),
        _introduction(data, entries, paint),
        *(
            block(entry, removals_by_address.get(entry["address"], []), Look(paint, verbose))
            for entry in entries
        ),
        _owed(data["owed"], paint),
        hold_lines(data, paint),
        _steps(data["steps"], paint) if verbose else [],
        unreadable_lines(data, paint),
        *trouble(data, paint),
        _access(data.get("access", ()), paint),
        text_lines(data.get("findings")),
        _exposure(data.get("exposure", ())),
        _schedule(data.get("schedule", ()), paint),
        _notes(data, paint),
        partial_lines(data, paint),
        [paint(final_line(data), "bold")],
    ]
    return joined(sections)


def final_line(data: Data) -> str:
    """The last line of a plan: the counts, or that there is nothing to do."""
    if (
        not any(_counts(entry) for entry in data["resource_changes"])
        and not data["applyable"]
        and not data["errored"]
    ):
        return (
            (_BUT_SECRETS if only_secrets(data) else _INCOMPLETE)
            if not data["complete"]
            else _PARTLY_CONVERGED
            if data.get("partial")
            else CONVERGED
        )
    summary = data["summary"]
    line = f"Plan: {summary['add']} to add, {summary['change']} to change, {summary['destroy']} to destroy"
    if summary["import"]:
        line = line.replace("Plan: ", f"Plan: {summary['import']} to import, ")
    line += f", {summary['forget']} to forget" if summary["forget"] else ""
    return line + (f", {summary['held']} held." if summary.get("held") else ".")


def joined(sections: Sequence[Sequence[str]]) -> str:
    """Sections with a blank line between; ends with a line end."""
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def _with_block(data: Data) -> list[Data]:
    """The entries that get a block: all but those whose only effects are in the section on owed effects."""
    owed = {(row["kind"], row["unit"]) for row in data["owed"]}

    def is_owed_only(entry: Data) -> bool:
        return all(
            (effect["kind"], effect["unit"]) in owed
            for effect in entry["effects"]
            if effect["kind"] != "gate"
        )

    return [entry for entry in data["resource_changes"] if _counts(entry) or not is_owed_only(entry)]


def _counts(entry: Data) -> bool:
    """Whether the object itself is not as it should be; otherwise it is only affected by others."""
    return (
        action_of(entry) != "no-op"
        or bool(entry["blocked"] or entry.get("held"))
        or is_drift(entry)
        or is_failure(entry)
    )


def _introduction(data: Data, entries: Sequence[Data], paint: Paint) -> list[str]:
    """The heading: the host, a note that nothing was done yet, and the symbols that occur."""
    if not entries and not any(row["now"] for row in data["owed"]):
        return []
    commit = short_of(data["spec"])
    where = [f"commit {visible(commit)}"] if commit else []
    where += ["offline tree"] if data["basis"].get("kind") == "offline" else []
    about = f" ({', '.join(where)})" if where else ""
    used = {heading_symbol(entry) for entry in entries}
    used |= {"!"} if any(is_drift(entry) for entry in entries) else set()
    used |= {">"} if data["owed"] or any(entry["effects"] for entry in entries) else set()
    used |= {"x"} if any(entry["blocked"] for entry in entries) else set()
    used |= {"="} if any(entry.get("held") for entry in entries) else set()
    legend = [f"  {symbol(sign, paint)} {words}" for sign, words in _LEGEND.items() if sign in used]
    then = (
        "Nothing is done yet; apply will do this:"
        if data["applyable"]
        else "Apply would do none of this as it stands:"
    )
    return [f"Plan for {paint(visible(data['host']['name']), 'bold')}{about}. {then}", *legend]


def _root(rows: Sequence[Data], paint: Paint) -> list[str]:
    """The lines of those who become root; nothing stands before them."""
    return [paint(line, "red") for words in root_words(rows) for line in paragraphs(words, "", "  ")]


def _access(rows: Sequence[Data], paint: Paint) -> list[str]:
    """A paragraph on who gains or loses access."""
    sentences = [f"{who} {'; '.join(words)}".rstrip() for who, words in access_words(rows).items()]
    return (
        [paint(line, "yellow") for line in paragraphs("Access: " + ". ".join(sentences) + ".", "", "  ")]
        if sentences
        else []
    )


def _exposure(rows: Sequence[Data]) -> list[str]:
    """The exposure of services before and after."""
    words_by_address = exposure_words(rows)
    width = max(map(columns, words_by_address), default=0)
    lines = [f"  {pad(address, width)}  {words}" for address, words in words_by_address.items()]
    return (
        ["Exposure as systemd-analyze security has it, from 0 (best) to 10:", *lines]
        if words_by_address
        else []
    )


def _schedule(rows: Sequence[Data], paint: Paint) -> list[str]:
    """The next runs of jobs, by the old schedule and by the new one."""
    if not rows:
        return []
    lines = [f"Next runs ({zone_words(rows[0])}):"]
    for row in rows:
        lines.append(f"  {visible(row['address'])}")
        for sign, side in (("-", row["before"]), ("+", row["after"])):
            if side is not None:
                times, when = timetable_words(side)
                lines += [f"    {symbol(sign, paint)} {times}", f"        {when}"]
    return lines


def _owed(rows: Sequence[Data], paint: Paint) -> list[str]:
    """The effects that earlier runs left due, and those due since a file has changed after the start of a
    process.
    """
    derived = [row for row in rows if row.get("derived")]
    recorded = [row for row in rows if not row.get("derived")]
    sections = [
        _due(recorded, "Owed from earlier runs:", paint),
        _due(derived, "Running with older configuration:", paint),
    ]
    return "\n\n".join("\n".join(lines) for lines in sections if lines).splitlines()


def _due(rows: Sequence[Data], title: str, paint: Paint) -> list[str]:
    if not rows:
        return []
    lines = effect_lines([dict(row, why=_since(row)) for row in rows], paint, indent="  ")
    undone = [
        paint("  (not in this plan)", "yellow") if not row["held"] and not row["now"] else "" for row in rows
    ]
    return [title, *(line + note for line, note in zip(lines, undone, strict=True))]


def hold_lines(data: Data, paint: Paint) -> list[str]:
    """The lines of the holds, also of those that nothing is due for."""
    rows = data.get("holds", ())
    lines = [
        line
        for row in rows
        for line in paragraphs(f"{row['address']}  {hold_words(row)}", f"  {symbol('=', paint)} ", "    ")
    ]
    return ["On hold:", *lines] if lines else []


def _since(row: Data) -> str:
    if not row["run"]:
        return str(row["why"])
    return f"{row['why'] or 'it was left undone'} (since run {row['run']})"


def _steps(steps: Sequence[Data], paint: Paint) -> list[str]:
    """Every step in the order of execution."""
    if not steps:
        return []
    width = len(str(len(steps)))
    lines = [
        f"{number:>{width + 4}}. {action_words(step, all_units=True)}" for number, step in enumerate(steps, 1)
    ]
    return ["Steps, in this order:"] + [
        line + (paint("  (owed, not done)", "dim") if step["held"] else "")
        for line, step in zip(lines, steps, strict=True)
    ]


def unreadable_lines(data: Data, paint: Paint) -> list[str]:
    """The lines of the parts that could not be read, and of other facts that are not known."""
    names_by_reason = {visible(why): names for why, names in unreadable_words(data["unreadable"]).items()}
    lacks = "the snapshot does not have " if _from_snapshot(data) else ""
    also = [f"  {symbol('?', paint)} {lacks}{visible(fact)}" for fact in data.get("unknown", [])]
    if not names_by_reason and not also:
        return []
    why = "Not known from the snapshot" if _from_snapshot(data) else "Could not be read"
    width = max(
        (columns(visible(names[0])) for names in names_by_reason.values() if len(names) == 1), default=0
    )
    lead = f"  {symbol('?', paint)} "
    lines = [f"{why}, so the plan is incomplete:"]
    for reason, names in names_by_reason.items():
        if len(names) == 1:
            lines.append(f"{lead}{pad(visible(names[0]), width)}  {reason}")
        else:
            first, *more = paragraphs(", ".join(map(visible, names)), "    ", "    ")
            lines += [lead + first.removeprefix("    "), *more, f"      {reason}"]
    blind = any(row["address"] is None for row in data["unreadable"])
    return [*lines, *also, *([_BLIND] if blind else [])]


def partial_lines(data: Data, paint: Paint) -> list[str]:
    """The line of the options that chose a part of the spec."""
    if not data.get("partial"):
        return []
    words = f"Partial: {partial_words(data)}. The rest of the spec was not looked at; this is no approval."
    return [paint(line, "yellow") for line in paragraphs(words, "", "  ")]


def partial_words(data: Data) -> str:
    """The options that chose a part of the spec: `only --target services.x, without --exclude files`."""
    chosen = [
        ("only", "--target", data["partial"]["targets"]),
        ("without", "--exclude", data["partial"]["excludes"]),
    ]
    return ", ".join(
        f"{how} {' '.join(f'{option} {visible(name)}' for name in names)}"
        for how, option, names in chosen
        if names
    )


def _from_snapshot(data: Data) -> bool:
    return bool(data["basis"].get("kind") == "snapshot")


def age_lines(data: Data, paint: Paint) -> list[str]:
    """The line about the age of a snapshot; none for a plan from a host."""
    if not _from_snapshot(data):
        return []
    taken, seconds = visible(data["basis"].get("taken", "")), data["basis"].get("age_seconds")
    if seconds is None:
        return [f"From a snapshot of {taken}; the host itself was not asked."]
    old = seconds < -_CLOCKS or seconds > _OLD
    words = f"From a snapshot taken {ago(seconds)} ({taken}); the host itself was not asked."
    return [paint(words, "yellow") if old else words]


def trouble(data: Data, paint: Paint) -> list[list[str]]:
    """The diagnostics, then notes on a killed run or a damaged state."""
    diagnostics = diagnostics_from_data(data["diagnostics"], paint).rstrip("\n")
    basis, lines = data["basis"], []
    if basis.get("interrupted_run"):
        lines += paragraphs(f"Run {basis['interrupted_run']} was interrupted; apply will recover it.", "", "")
    if basis.get("state_damaged"):
        lines += paragraphs(
            f"The state is damaged, so nothing is removed: {basis['state_damaged']}", "", "  "
        )
    return [[diagnostics] if diagnostics else [], [paint(line, "yellow") for line in lines]]


def _notes(data: Data, paint: Paint) -> list[str]:
    """The notes on figures that the final line does not have."""
    summary = data["summary"]
    wrong = [item for item in data["diagnostics"] if item["severity"] == "error"]
    refused = sum(item["refusal"] for item in wrong)
    failed = len(wrong) - refused
    along = summary.get("taken_along", 0)
    now, held = sum(row["now"] for row in data["owed"] if not row.get("derived")), summary.get("held", 0)
    notes = [
        (refused, "Refused: apply does nothing until this is resolved.", "red"),
        (
            failed,
            count(failed, "error")
            + ": what is blocked is left out"
            + ("." if refused else ", the rest is done."),
            "red",
        ),
        (
            summary["drifted"],
            count(summary["drifted"], "object has", "objects have")
            + " changed outside of the spec, marked !.",
            "magenta",
        ),
        (
            len(data["recorded"]),
            count(len(data["recorded"]), "object is", "objects are")
            + " as declared already; apply records this.",
            "",
        ),
        (along, count(along, "running unit is", "running units are") + " taken along by systemd.", "yellow"),
        (now, count(now, "owed effect") + " of earlier runs will be made good.", ""),
        (
            held,
            count(held, "change is", "changes are") + " held and will not be made until the hold ends.",
            "yellow",
        ),
        (
            summary["blocked"],
            count(summary["blocked"], "change is", "changes are") + " blocked and will not be made.",
            "red",
        ),
    ]
    return [paint(text, colour) for number, text, colour in notes if number]
