"""An audit's report as one page of HTML for screens, phones and paper: no script, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from reconciler.render.audit.order import by_check, headline, remedies
from reconciler.render.terminal import visible

Row = Mapping[str, Any]

_STYLE = """\
:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;max-width:60rem;padding:1rem}
h1{font-size:1.5rem;margin:.2em 0}h2{font-size:1.15rem;margin:2em 0 .4em}
.card{border:1px solid #8886;border-left:.4rem solid #888;border-radius:.3rem;break-inside:avoid}
.card{margin:.8rem 0;padding:.6rem .9rem}
.critical{border-left-color:#a00}.high{border-left-color:#d33}
.medium{border-left-color:#c80}.low{border-left-color:#28a}
.severity{font-weight:700;text-transform:uppercase;font-size:.8rem}
code{font:.9em ui-monospace,monospace;overflow-wrap:anywhere}
li{overflow-wrap:anywhere}p{margin:.4em 0}ul{margin:.4em 0;padding-left:1.2rem}
@media print{body{max-width:none;font-size:11pt}details{display:block}}
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def audit_html(data: Mapping[str, Any]) -> str:
    """The page."""
    rows: Sequence[Row] = data["checks"]
    host = _text(data["host"]["name"] or "this host")
    parts = [
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>Audit of {host}</title>\n<style>\n{_STYLE}</style>\n</head>\n<body>",
        f"<h1>Audit of {host}</h1>\n<p><strong>{_text(headline(data))}</strong></p>",
        f"<p>{_text(_when(data))}</p>",
        *_since(data["since"]),
        *(f"<p>{_text(notice)}</p>" for notice in data["notices"]),
        "<h2>Findings</h2>",
        *([_card(group) for group in by_check(rows, "fail")] or ["<p>None.</p>"]),
        *_reasons("Waived", by_check(rows, "waived")),
        *_reasons("Not checked", by_check(rows, "not-checked", "error")),
        *_passed(rows),
        "</body>\n</html>",
    ]
    return "\n".join(parts) + "\n"


def _when(data: Mapping[str, Any]) -> str:
    basis = data["basis"]
    of = f", from a snapshot of {basis['taken']}" if basis["kind"] == "snapshot" else ""
    return f"{data['time']}{of}"


def _since(since: Mapping[str, Any] | None) -> Iterator[str]:
    if since is None:
        return
    yield (
        f"<p>Since {_text(since['time'])}: {len(since['new'])} new, {len(since['fixed'])} fixed,"
        f" {since['still']} still there.</p>"
    )


def _card(group: Sequence[Row]) -> str:
    """One check with its objects."""
    first = group[0]
    severity = _text(first["severity"])
    objects = "".join(
        f"<li><code>{_text(row['object'] or row['id'])}</code>: {_text(row['evidence']['actual'])},"
        f" expected {_text(row['evidence']['expected'])}</li>"
        for row in group
    )
    return "\n".join(
        (
            f'<div class="card {severity}"><span class="severity">{severity}</span>',
            f"<code>{_text(first['id'])}</code>",
            f"<p>Wanted: {_text(first['title'])}. {_text(first['rationale'])}</p>",
            f"<ul>{objects}</ul>",
            *(f"<p><strong>To do:</strong> {_text(remedy)}</p>" for remedy in remedies(group)),
            "</div>",
        )
    )


def _reasons(title: str, groups: Sequence[Sequence[Row]]) -> Iterator[str]:
    if not groups:
        return
    yield f"<h2>{title}</h2>\n<ul>"
    for group in groups:
        for row in group:
            yield f"<li><code>{_text(row['id'])}</code> {_text(row['object'])}: {_text(row['why'])}</li>"
    yield "</ul>"


def _passed(rows: Sequence[Row]) -> Iterator[str]:
    titles = [row["title"] for row in rows if row["status"] == "pass"]
    yield f"<h2>Passed: {len(titles)}</h2>\n<ul>"
    yield from (f"<li>{_text(title)}</li>" for title in titles)
    yield "</ul>"


def _text(text: str) -> str:
    return escape(visible(text))
