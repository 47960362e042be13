"""The result of an apply, for people."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.core.address import Address
from reconciler.core.changes import Origin, Verb
from reconciler.core.result import ApplyResult, Status
from reconciler.render.diagnostics import diagnostics_text
from reconciler.render.plan.blocks import effect_lines
from reconciler.render.terminal import SYMBOL_COLOURS, Paint, count, painter, paragraphs, visible

_COUNTED = {Verb.CREATE: "add", Verb.UPDATE: "change", Verb.DELETE: "destroy", Verb.FORGET: "forget"}


def counts(result: ApplyResult) -> dict[str, int]:
    """The numbers of changes by what was done, with the failed, skipped and held parts."""
    counted = dict.fromkeys(("import", "add", "change", "destroy", "forget", "failed", "skipped", "held"), 0)
    done, failed = result.left_changed, frozenset(result.having(Status.FAILED))
    for change in result.plan.changes:
        if change.address in done and change.verb in _COUNTED:
            # A removal that failed half-way counts as a change.
            counted[
                "change" if change.verb is Verb.DELETE and change.address in failed else _COUNTED[change.verb]
            ] += 1
            counted["import"] += change.origin is Origin.ADOPTION and change.verb is not Verb.DELETE
    counted["failed"] = len(result.having(Status.FAILED))
    counted["skipped"] = len(result.having(Status.SKIPPED))
    counted["held"] = len(result.having(Status.HELD))
    return counted


def apply_text(result: ApplyResult, *, colour: bool = False) -> str:
    """The text of a result: failures with their reasons, skipped parts, owed effects, and the final line."""
    paint = painter(colour=colour)
    sections = [
        _blocked(result, paint),
        _bad(result, result.having(Status.FAILED), "Failed:", "x", paint),
        _bad(result, result.having(Status.SKIPPED), "Skipped:", "?", paint),
        _put_back(result, paint),
        _bad(result, result.having(Status.HELD), "Held, not done:", "=", paint),
        _owed(result, paint),
        (
            diagnostics_text(result.diagnostics, colour=colour).rstrip("\n").split("\n")
            if result.diagnostics
            else []
        ),
        [paint(paint(final_line(result), "red" if result.failed else "green"), "bold")],
    ]
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def final_line(result: ApplyResult) -> str:
    """`Apply complete! Resources: 1 added, 1 changed, 0 destroyed.`, or what went wrong before the same
    counts.
    """
    counted = counts(result)
    parts = [f"{counted['import']} imported"] if counted["import"] else []
    parts += [f"{counted['add']} added", f"{counted['change']} changed", f"{counted['destroy']} destroyed"]
    parts += [f"{counted['forget']} forgotten"] if counted["forget"] else []
    done = f"Resources: {', '.join(parts)}."
    if not result.failed:
        return f"Apply complete! {done}"
    back = len(result.put_back)
    counted["failed"] -= len(result.put_back.intersection(result.having(Status.FAILED)))
    counted["skipped"] -= len(result.put_back.intersection(result.having(Status.SKIPPED)))
    wrong = [
        *(f"{counted[name]} {name}" for name in ("failed", "skipped") if counted[name]),
        *([f"{back} put back"] if back else []),
    ]
    return f"Apply finished with errors: {', '.join(wrong)}. {done}"


def _put_back(result: ApplyResult, paint: Paint) -> list[str]:
    """The lines of the parts that were put back, those that failed first, and the next step."""
    first = sorted(result.put_back, key=lambda address: (address not in result.fallen, address))
    if not first:
        return []
    lines = [
        line
        for address in first
        for line in _part_lines(address, result.outcomes[address].reason, "x", paint)
    ]
    then = (
        f"reconciler show {result.run} tells what was done. It is tried again when it changes, or with"
        " reconciler apply --retry."
    )
    return ["Put back as before this apply:", *lines, *paragraphs(then, "  Next: ", "  ")]


def _bad(result: ApplyResult, having: Iterable[Address], title: str, sign: str, paint: Paint) -> list[str]:
    addresses = [address for address in having if address not in result.put_back]
    if not addresses:
        return []
    lines = [f"{count(len(addresses), 'resource')} {title.lower()}" if len(addresses) > 1 else title]
    for address in addresses:
        lines += _part_lines(address, result.outcomes[address].reason, sign, paint)
    return lines


def _blocked(result: ApplyResult, paint: Paint) -> list[str]:
    """The lines of the parts that the plan has as blocked, without those that have an outcome."""
    rows = [
        (address, reason) for address, reason in result.plan.blocked.items() if address not in result.outcomes
    ]
    lines = [line for address, reason in rows for line in _part_lines(address, reason, "x", paint)]
    return ["Blocked, not done:", *lines] if lines else []


def _part_lines(address: Address, reason: str, sign: str, paint: Paint) -> list[str]:
    head = f"  {paint(sign, SYMBOL_COLOURS[sign])} {paint(visible(str(address)), 'bold')}"
    return [head, *paragraphs(reason or "no reason was given", "      ", "      ")]


def _owed(result: ApplyResult, paint: Paint) -> list[str]:
    if not result.owed:
        return []
    on_hold = result.plan.held
    rows = []
    for row in result.owed:
        objection = result.plan.keeps(row)
        held = {
            "held": row.held or bool(objection) or row.address in on_hold,
            "kept": objection,
            "on_hold": row.address in on_hold,
        }
        rows.append(
            {"kind": row.verb, "unit": row.unit, "why": "; ".join(filter(None, (row.why, objection))), **held}
        )
    return ["Still owed:", *effect_lines(rows, paint, indent="  ")]
