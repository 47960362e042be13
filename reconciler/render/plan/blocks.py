"""One resource of a plan as lines: heading, reason, differences, and the effects on services."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.core.changes import DECLARED_ABSENT
from reconciler.render.plan.fields import (
    INDENT,
    OUTSIDE,
    created,
    diff_lines,
    field_lines,
    held_lines,
    unchanged,
)
from reconciler.render.plan.phrases import action_words, gate_words
from reconciler.render.terminal import (
    SYMBOL_COLOURS,
    WIDTH,
    Look,
    Paint,
    columns,
    count,
    pad,
    paragraphs,
    symbol,
    visible,
)

Data = Mapping[str, Any]

_SYMBOLS = {"create": "+", "update": "~", "delete": "-", "forget": ".", "no-op": " "}

_ORIGINS = {
    ("drift", "create"): "gone from the host; apply puts it back",
    ("drift", "update"): "changed on the host; apply sets it back",
    ("drift", "delete"): "changed on the host; apply removes it",
    ("drift", "no-op"): "changed on the host; only reported (drift: report)",
    ("failed", "update"): "failed; apply starts it",
    ("failed", "no-op"): "failed; only reported (drift: report)",
    (
        "conflict",
        "create",
    ): "gone from the host, and changed in the spec; apply creates it as the spec has it now",
    ("conflict", "update"): "changed on the host and in the spec; apply makes it as the spec has it now",
    ("conflict", "delete"): "changed on the host and gone from the spec; apply removes it",
    ("adopt", "update"): "exists already and differs; apply takes it over and keeps the old content",
    ("adopt", "delete"): "exists already and is not ours; apply takes it away, as the spec says",
    (
        "unknown",
        "delete",
    ): "shall not be there; whether it is ours is not known, because the ledger cannot be read",
    ("adopt", "no-op"): "exists already and differs; apply leaves it alone",
    (
        "unknown",
        "update",
    ): "exists already and differs; whether it is ours is not known, because the ledger cannot be read",
    ("tool_upgrade", "update"): "this version of reconciler writes it differently, the spec has not changed",
    ("delete_because_not_in_spec", "delete"): "no longer in the spec",
    (
        "delete_because_not_in_spec",
        "forget",
    ): "no longer in the spec; stays on the host and is no longer managed",
}
_ADOPT_HINT = (
    "To take it over, write `adopt: true` in its block or run with --adopt; the old content is kept."
)


def action_of(entry: Data) -> str:
    """The one action of an entry."""
    return str(entry["change"]["actions"][0])


def is_drift(entry: Data) -> bool:
    """Whether something was changed outside of the spec."""
    return entry["action_reason"] in OUTSIDE or any(path["origin"] in OUTSIDE for path in entry["paths"])


def is_failure(entry: Data) -> bool:
    """Whether a unit has failed by itself."""
    return any(path["origin"] == "failed" for path in entry["paths"])


def heading_symbol(entry: Data) -> str:
    """The symbol of an entry: that of its action; `!` where drift is only reported."""
    action = action_of(entry)
    return "!" if action == "no-op" and is_drift(entry) else _SYMBOLS[action]


def block(entry: Data, removals: Sequence[Data], look: Look, *, sign: str = "") -> list[str]:
    """All lines of one resource.

    `removals` are its steps that take something away, `sign` stands in the place of its symbol.
    """
    lines = [_heading(entry, sign or heading_symbol(entry), look.paint), *_why(entry, look.paint)]
    lines += (
        _removed(entry, removals, look)
        if action_of(entry) in ("delete", "forget")
        else _differences(entry, look)
    )
    return [
        *lines,
        *effect_lines(entry["effects"], look.paint),
        *_blocked(entry, look.paint),
        *_held(entry, look.paint),
    ]


def removals(steps: Sequence[Data]) -> dict[str, list[Data]]:
    """The steps that are shown for resources that go, by their address: all but those on units."""
    steps_by_address: dict[str, list[Data]] = {}
    for step in steps:
        if step["action"] not in ("Unit", "Gate"):
            for cause in step["causes"]:
                steps_by_address.setdefault(cause["address"], []).append(step)
    return steps_by_address


def _takes_away(step: Data) -> bool:
    return step["action"] in ("RemovePath", "RemoveTree", "EditLines") or step.get("op") in (
        "groupdel",
        "userdel",
    )


def effect_lines(effects: Sequence[Data], paint: Paint, *, indent: str = INDENT) -> list[str]:
    """The effects on units, with the reasons in one column; one string for each.

    The reason of a long effect stands below it.
    """
    words_and_reasons = [(_effect_words(effect), visible(effect["why"])) for effect in effects]
    width = max(
        (columns(words) for words, why in words_and_reasons if why and columns(words) <= WIDTH // 2),
        default=0,
    )
    lead = f"{indent}{symbol('>', paint)} "

    def line(words: str, why: str) -> str:
        if not why:
            return lead + words
        if columns(words) > WIDTH // 2:
            return f"{lead}{words}\n{indent}    " + paint(f"because {why}", "dim")
        return lead + pad(words, width) + paint(f"  because {why}", "dim")

    return [line(words, why) for words, why in words_and_reasons]


def _effect_words(effect: Data) -> str:
    if effect["kind"] == "gate":
        return (
            f"then {gate_words(effect['gate'])}"
            if effect.get("gate")
            else f"see whether {visible(effect['unit'])} is healthy"
        )
    words = f"{visible(effect['kind'])} {visible(effect['unit'])}".rstrip()
    if effect.get("along_with"):
        foreign = "" if effect["declared"] else ", not in the spec"
        return (
            f"{words} (along with"
            f" {visible(effect['along_with'])}{foreign}{', stays down' if effect['stays_down'] else ''})"
        )
    why = (
        " (it is on hold)"
        if effect.get("on_hold")
        else ""
        if effect.get("kept")
        else " (on_change forbids it)"
    )
    return f"owed: {words}{why}: runs with older configuration" if effect["held"] else words


def _heading(entry: Data, sign: str, paint: Paint) -> str:
    source = entry["source"]
    went = action_of(entry) in ("delete", "forget") and entry["reason"] != DECLARED_ABSENT
    was = "was " if went and entry["action_reason"] not in ("adopt", "unknown") else ""
    note = paint(f"  # {was}{visible(source['file'])}:{source['line']}", "dim") if source else ""
    return f"  {paint(sign, SYMBOL_COLOURS.get(sign, ''))} {paint(visible(entry['address']), 'bold')}{note}"


def _why(entry: Data, paint: Paint) -> list[str]:
    """The lines of the reason for a change, where the symbol alone does not say it."""
    words = _ORIGINS.get((entry["action_reason"], action_of(entry)), "")
    if entry["reason"] == DECLARED_ABSENT:
        words = ""  # its block is in the spec
    if entry["blocked"] or entry.get("held"):
        words = words.partition("; apply ")[0]
    outside = entry["action_reason"] in OUTSIDE
    sign, colour = (symbol("!", paint), "magenta") if outside else (paint("#", "dim"), "dim")
    lines = [f"{INDENT}{sign} {paint(words, colour)}"] if words else []
    if not entry["reason"]:
        return lines
    return lines + [paint(line, "dim") for line in paragraphs(entry["reason"], f"{INDENT}# ", f"{INDENT}  ")]


def _blocked(entry: Data, paint: Paint) -> list[str]:
    reason = entry["blocked"]
    if not reason:
        return []
    lines = paragraphs(reason, f"{INDENT}x blocked: ", f"{INDENT}  ")
    if entry["action_reason"] == "adopt" and "--adopt" not in reason:
        lines += paragraphs(_ADOPT_HINT, f"{INDENT}  ", f"{INDENT}  ")
    return [paint(line, "red") for line in lines]


def _held(entry: Data, paint: Paint) -> list[str]:
    lines = paragraphs(entry["held"], f"{INDENT}= not done: ", f"{INDENT}  ") if entry.get("held") else []
    return [paint(line, "yellow") for line in lines]


def _differences(entry: Data, look: Look) -> list[str]:
    """The lines of the differences, and the number of unchanged attributes."""
    change, paths = entry["change"], entry["paths"]
    new = action_of(entry) == "create"
    shown = created(change["after"], change["after_sensitive"], look) if new else paths
    lines = field_lines(shown, change, look, drift_told=entry["action_reason"] in OUTSIDE)
    unchanged_count = 0 if new or not paths else unchanged(change)
    rest = (
        [f"{INDENT}  " + look.paint(f"({count(unchanged_count, 'unchanged attribute')})", "dim")]
        if unchanged_count
        else []
    )
    return [*lines, *rest]


def _removed(entry: Data, steps: Sequence[Data], look: Look) -> list[str]:
    """The lines of the paths and accounts that the steps take away; in verbose form with their contents."""
    lines = [
        f"{INDENT}{symbol('-' if _takes_away(step) else '>', look.paint)} {action_words(step)}"
        for step in steps
    ]
    if not look.verbose:
        return lines
    change = entry["change"]
    return [
        *lines,
        *held_lines(change["before"], change["before_sensitive"], look),
        *diff_lines(change.get("diff") or [], look),
    ]
