"""An audit's report as one page of HTML for screens, phones and paper: no script, nothing from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from reconciler.render.audit.order import alike, by_check, by_reason, common_path, remedies
from reconciler.render.audit.schema import SEVERITIES
from reconciler.render.terminal import count, visible

Row = Mapping[str, Any]

_STYLE = """\
:root{color-scheme:light dark;--text:#1b1b1b;--page:#fff;--faint:#595959;--line:#c4c4c4}
:root{--critical:#8c0000;--high:#b3261e;--medium:#855200;--low:#1f5f8b}
@media screen and (prefers-color-scheme:dark){
:root{--text:#ececec;--page:#161616;--faint:#b0b0b0;--line:#4d4d4d}
:root{--critical:#ff8f85;--high:#f5a097;--medium:#f0c060;--low:#8cc4ee}}
*{box-sizing:border-box}
body{font:1rem/1.5 system-ui,sans-serif;color:var(--text);background:var(--page)}
body{margin:0 auto;max-width:60rem;padding:1rem;overflow-wrap:anywhere}
h1{font-size:1.5rem;line-height:1.25;margin:.2em 0}h2{font-size:1.2rem;margin:2rem 0 .5rem}
h3{font-size:1rem;margin:0;display:flex;flex-wrap:wrap;gap:.3rem .6rem;align-items:baseline}
p{margin:.5em 0}ul{margin:.5em 0;padding-left:1.2rem}li{margin:.2em 0}
code{font:.9em ui-monospace,monospace}code,bdi{unicode-bidi:isolate}
.faint{color:var(--faint);font-weight:400}
.counts{display:flex;flex-wrap:wrap;gap:.5rem;list-style:none;padding:0}
.counts li{border:1px solid var(--line);border-radius:.3rem;padding:.3rem .8rem;margin:0}
.counts strong{font-size:1.3rem}
.card{border:1px solid var(--line);border-left:.4rem solid var(--tone);border-radius:.3rem}
.card{margin:.8rem 0;padding:.7rem .9rem}.short{break-inside:avoid}
.critical{--tone:var(--critical)}.high{--tone:var(--high)}
.medium{--tone:var(--medium)}.low{--tone:var(--low)}
.severity{color:var(--tone);text-transform:uppercase;font-size:.85rem;font-weight:700}
.note{border-left:.4rem solid var(--line);padding-left:.9rem}
.passed{columns:22em;column-gap:2em}.passed li{break-inside:avoid}
@page{margin:15mm}
@media print{body{max-width:none;padding:0;font-size:10pt}h2,h3{break-after:avoid}p,li{orphans:3;widows:3}}
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_SHORT = 12
"""With so many objects at most a check is not broken between two sheets of paper."""
_MOST_OBJECTS = 200
"""How many objects are named where the same is wrong with more."""
_MOST_CHANGES = 50
"""How many findings that are new, and how many that are gone, are named."""


def audit_html(data: Mapping[str, Any]) -> str:
    """The page."""
    rows: Sequence[Row] = data["checks"]
    host = _text(data["host"]["name"] or "this host")
    parts = [
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>Audit of {host}</title>\n<style>\n{_STYLE}</style>\n</head>\n<body>\n<main>",
        f'<h1>Audit of <bdi>{host}</bdi></h1>\n<p class="faint">{_text(_when(data))}</p>',
        *_counts(data),
        *(f'<p class="note"><bdi>{_prose(notice)}</bdi></p>' for notice in data["notices"]),
        *_since(data["since"]),
        "<h2>Findings, the heaviest first</h2>",
        *([_card(group) for group in by_check(rows, "fail")] or ["<p>None.</p>"]),
        *_reasons("Waived", [row for row in rows if row["status"] == "waived"]),
        *_reasons("Not checked", [row for row in rows if row["status"] in ("not-checked", "error")]),
        *_passed(rows),
        "</main>\n</body>\n</html>",
    ]
    return "\n".join(parts) + "\n"


def _when(data: Mapping[str, Any]) -> str:
    basis = data["basis"]
    of = f", from a snapshot of {basis['taken']}" if basis["kind"] == "snapshot" else ""
    return f"{data['time']}{of}"


def _counts(data: Mapping[str, Any]) -> Iterator[str]:
    """The score and the numbers of findings, as tiles."""
    summary = data["summary"]
    score = "no score" if summary["score"] is None else f"score <strong>{summary['score']}</strong> of 100"
    unknown = summary["not_checked"] + summary["error"]
    failed = [row["severity"] for row in data["checks"] if row["status"] == "fail"]
    numbers = [(failed.count(name), name) for name in SEVERITIES if name in failed]
    if not failed:
        numbers.append((0, "findings"))
    if unknown:
        numbers.append((unknown, "not checked"))
    yield f'<ul class="counts">\n<li>{score}</li>'
    yield from (f"<li><strong>{number}</strong> {name}</li>" for number, name in numbers)
    yield "</ul>"


def _since(since: Mapping[str, Any] | None) -> Iterator[str]:
    if since is None:
        return
    yield (
        f"<p>Since {_text(since['time'])}: {len(since['new'])} new, {len(since['fixed'])} fixed,"
        f" {since['still']} still there.</p>"
    )
    changes = [("new", since["new"]), ("fixed", since["fixed"])]
    if since["new"] or since["fixed"]:
        yield "<ul>"
        for word, findings in changes:
            for finding in findings[:_MOST_CHANGES]:
                yield f"<li>{word}: {_code(finding['id'])} {_code(finding['object'])}</li>"
            if len(findings) > _MOST_CHANGES:
                yield f"<li>{word}: {len(findings) - _MOST_CHANGES} more</li>"
        yield "</ul>"


def _card(group: Sequence[Row]) -> str:
    """One check with its objects."""
    first = group[0]
    severity = _text(first["severity"])
    cis = f", CIS {', '.join(first['cis'])}" if first["cis"] else ""
    area = f'<span class="faint">{_text(first["area"] + cis)}</span>'
    return "\n".join(
        (
            f'<section class="card {severity}{" short" if len(group) <= _SHORT else ""}">',
            f'<h3><span class="severity">{severity}</span> {_code(first["id"])} {area}</h3>',
            f"<p>Wanted: {_text(first['title'])}. {_text(first['rationale'])}</p>",
            f"<ul>\n{chr(10).join(map(_objects, alike(group)))}\n</ul>",
            *(f"<p><strong>To do:</strong> <bdi>{_prose(remedy)}</bdi></p>" for remedy in remedies(group)),
            "</section>",
        )
    )


def _objects(rows: Sequence[Row]) -> str:
    """The objects with which the same is wrong, and what that is."""
    evidence = rows[0]["evidence"]
    names = [_code(row["object"] or row["id"]) for row in rows[:_MOST_OBJECTS]]
    more = f" and {len(rows) - _MOST_OBJECTS} more" if len(rows) > _MOST_OBJECTS else ""
    same = f"the same on {count(len(rows), 'object')}: " if len(rows) > 1 else ""
    path = f" (<bdi>{_text(common_path(rows))}</bdi>)" if common_path(rows) else ""
    return (
        f"<li>{same}{', '.join(names)}{more}: <bdi>{_text(evidence['actual'])}</bdi>,"
        f" expected <bdi>{_text(evidence['expected'])}</bdi>{path}</li>"
    )


def _reasons(title: str, rows: Sequence[Row]) -> Iterator[str]:
    """The checks without a verdict; those with the same reason together."""
    if not rows:
        return
    yield f"<h2>{title}: {len(rows)}</h2>\n<ul>"
    for checks, objects, why in by_reason(rows):
        parts = [", ".join(map(_code, names)) for names in (checks, objects[:_MOST_OBJECTS]) if names]
        more = f" and {len(objects) - _MOST_OBJECTS} more" if len(objects) > _MOST_OBJECTS else ""
        yield f"<li>{': '.join(parts)}{more}: <bdi>{_text(why)}</bdi></li>"
    yield "</ul>"


def _passed(rows: Sequence[Row]) -> Iterator[str]:
    titles = [row["title"] for row in rows if row["status"] == "pass"]
    if titles:
        yield f'<h2>Passed: {len(titles)}</h2>\n<ul class="passed">'
        yield from (f"<li>{_text(title)}</li>" for title in titles)
        yield "</ul>"


def _code(text: str) -> str:
    return f"<code>{_text(text)}</code>"


def _prose(text: str) -> str:
    """A sentence, with the commands that stand in backticks as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", _text(text))


def _text(text: str) -> str:
    return escape(visible(text))
