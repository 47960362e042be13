"""An audit's report for people: what fails, grouped by area, then what to do first."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from reconciler.render.audit.order import (
    alike,
    by_check,
    by_reason,
    common_path,
    headline,
    remedies,
    spec_words,
)
from reconciler.render.audit.schema import SEVERITIES
from reconciler.render.terminal import count, filled, painter, visible

Row = Mapping[str, Any]

_COLOURS = {"critical": "red", "high": "red", "medium": "yellow", "low": "cyan"}
_MOST_CHANGES = 10
"""How many findings that are new, and how many that are gone, are named."""
_MOST_OBJECTS = 20
"""How many objects are named where the same is wrong with more."""
_MOST_CHARACTERS = 800
"""How long their names are together."""
_FIRST = 5
"""How many checks the things to do are told of, if there are more."""
_MOST_REMEDIES = 3
"""How many things to do are told of one check among others."""
_INDENT = " " * 12
_PIECE = re.compile(r"`[^`]+`\S*|\S+")
"""A word, or a command in backticks, which is not broken where a line holds it."""


def audit_text(data: Mapping[str, Any], *, colour: bool, width: int | None = None) -> str:
    """The report as text, in lines of at most `width` columns; None: each sentence is a line."""
    page = _Page(width, colour=colour)
    rows: Sequence[Row] = data["checks"]
    lines = [f"Audit of {visible(data['host']['name'] or 'this host')}{_taken(data['basis'])}", ""]
    quiet: list[tuple[str, int]] = []
    for area, of_area in groupby(rows, key=lambda row: row["area"]):
        group = list(of_area)
        passed = sum(row["status"] == "pass" for row in group)
        if all(row["status"] in ("pass", "not-applicable") for row in group):
            quiet.append((area, passed))
        else:
            lines += [f"{page.paint(area, 'bold')}: {passed} passed", *page.area(group), ""]
    lines += [*page.quiet(quiet), *page.first(rows)]
    lines += [*page.since(data["since"]), *page.notices(data["notices"])]
    lines += page.line(_summary(data["summary"]))
    lines += page.line(f"Result: {headline(data)}.", "bold")
    return "\n".join(lines) + "\n"


def _taken(basis: Mapping[str, Any]) -> str:
    return f", from a snapshot of {visible(basis['taken'])}" if basis["kind"] == "snapshot" else ""


class _Page:
    """The parts of the text, for a width."""

    def __init__(self, width: int | None, *, colour: bool) -> None:
        self.paint = painter(colour=colour)
        self._width = width

    def line(self, text: str, colour: str = "") -> list[str]:
        """A sentence over the whole width."""
        return [self.paint(line, colour) for line in filled(_pieces(text), "", "  ", self._width)]

    def quiet(self, areas: Sequence[tuple[str, int]]) -> Iterator[str]:
        """The areas of which there is nothing to tell, each with the number of checks that passed."""
        if areas:
            named = ", ".join(f"{area}\0({passed}\0passed)" for area, passed in areas)
            yield from (line.replace("\0", " ") for line in self.line(f"Nothing to tell of {named}."))
            yield ""

    def area(self, rows: Sequence[Row]) -> Iterator[str]:
        """The findings of an area, the heaviest first, then what is waived, and what is not known."""
        failed = sorted((row for row in rows if row["status"] == "fail"), key=_weight)
        for group in alike(failed):
            yield from self._finding(group)
        yield from self._reasons([row for row in rows if row["status"] == "waived"])
        yield from self._reasons([row for row in rows if row["status"] == "not-checked"])
        yield from self._reasons([row for row in rows if row["status"] == "error"])

    def _finding(self, rows: Sequence[Row]) -> Iterator[str]:
        """A check, the objects with which the same is wrong, and what that is."""
        row, severity = rows[0], rows[0]["severity"]
        yield from self._labelled(severity, _head(rows), _COLOURS[severity])
        text = f"{visible(row['evidence']['actual'])}, expected {visible(row['evidence']['expected'])}"
        path = common_path(rows)
        shown = [f"({visible(path)})"] if path else []
        yield from filled([*_pieces(text), *shown], _INDENT, _INDENT, self._width)
        mends = [visible(spec_words(row["spec"])) for row in rows if row["spec"]]
        if mends:
            yield from filled(["in the spec:", *_listed(mends)], _INDENT, _INDENT, self._width)

    def _reasons(self, rows: Sequence[Row]) -> Iterator[str]:
        """The checks without a verdict; those with the same reason together."""
        for checks, objects, why in by_reason(rows):
            parts = [_listed(checks), _listed([visible(name) for name in objects]), _pieces(visible(why))]
            pieces = [piece for part in parts if part for piece in (*part[:-1], f"{part[-1]}:")]
            yield from self._labelled(rows[0]["status"], [*pieces[:-1], pieces[-1][:-1]], "")

    def _labelled(self, label: str, pieces: Sequence[str], colour: str) -> list[str]:
        lead = f"  {label:<8}  "
        lines = filled(pieces, lead, _INDENT, self._width)
        lines[0] = f"  {self.paint(f'{label:<8}', colour)}{lines[0][len(lead) - 2 :]}"
        return lines

    def first(self, rows: Sequence[Row]) -> Iterator[str]:
        """The things to do, the heaviest findings first, each thing once."""
        groups = by_check(rows, "fail")
        if not groups:
            return
        yield self.paint("To do first:" if len(groups) > _FIRST else "To do:", "bold")
        most = _MOST_OBJECTS if len(groups) == 1 else _MOST_REMEDIES
        for number, group in enumerate(groups[:_FIRST], 1):
            head = f"{number}. {group[0]['id']} ({group[0]['severity']}):"
            things = [visible(remedy) for remedy in remedies(group)]
            rest = [f"and {len(things) - most} more of that sort"] if len(things) > most else []
            for lead, remedy in zip([head, *[""] * len(things)], things[:most] + rest, strict=False):
                first = f"  {lead} " if lead else " " * 5
                yield from filled(_pieces(remedy), first, " " * 5, self._width)
        if len(groups) > _FIRST:
            more = count(len(groups) - _FIRST, "more check", "more checks")
            text = f"and for {more} that failed: `reconciler audit --only ID` says what to do"
            yield from filled(_pieces(text), "  ", " " * 5, self._width)
        if mendable := sum(row["spec"] is not None for group in groups for row in group):
            text = f"The spec can mend {count(mendable, 'finding')}: `reconciler audit --fix-spec` shows how."
            yield from filled(_pieces(text), "  ", " " * 5, self._width)
        yield ""

    def since(self, since: Mapping[str, Any] | None) -> Iterator[str]:
        """The findings that are new or gone since the recorded audit."""
        if since is None:
            return
        new, fixed = since["new"], since["fixed"]
        counts = f"{len(new)} new, {len(fixed)} fixed, {since['still']} still there."
        yield from self.line(f"Since {since['time']}: {counts}")
        for sign, findings in (("+", new), ("-", fixed)):
            for finding in findings[:_MOST_CHANGES]:
                pieces = [finding["id"], visible(finding["object"])]
                yield from filled(pieces, f"  {sign} ", " " * 4, self._width)
            if len(findings) > _MOST_CHANGES:
                yield f"  {sign} {len(findings) - _MOST_CHANGES} more"

    def notices(self, notices: Sequence[str]) -> Iterator[str]:
        """The notes on the audit itself."""
        for notice in notices:
            lines = filled(_pieces(visible(notice)), "note: ", " " * 6, self._width)
            yield f"{self.paint('note', 'yellow')}{lines[0][4:]}"
            yield from lines[1:]


def _pieces(text: str) -> list[str]:
    return _PIECE.findall(text)


def _weight(row: Row) -> int:
    return SEVERITIES.index(row["severity"])


def _head(rows: Sequence[Row]) -> list[str]:
    """A check with the objects of which the same is to be told, as pieces of a line."""
    names = [visible(row["object"]) for row in rows if row["object"]]
    if not names:
        return [rows[0]["id"]]
    if len(names) == 1:
        return [f"{rows[0]['id']}:", *names]
    return [f"{rows[0]['id']},", f"the same on {len(names)}:", *_listed(names)]


def _listed(names: Sequence[str]) -> list[str]:
    """Names with commas, as pieces of a line; so many that they can be read, and how many more there are."""
    shown: list[str] = []
    room = _MOST_CHARACTERS
    for name in names[:_MOST_OBJECTS]:
        room -= len(name)
        if room < 0 and len(shown) > 2:
            break
        shown.append(name)
    more = len(names) - len(shown)
    rest = [f"and {more} more (--json names all)"] if more else []
    return [*(f"{name}," for name in shown[:-1]), *shown[-1:], *rest]


def _summary(summary: Mapping[str, Any]) -> str:
    return (
        f"{count(summary['checks'], 'check')}: {summary['pass']} passed,"
        f" {count(summary['fail'], 'finding')}, {summary['waived']} waived,"
        f" {summary['not_applicable']} not applicable, {summary['not_checked']} not checked"
        + (f", {count(summary['error'], 'error')}" if summary["error"] else "")
        + "."
    )
