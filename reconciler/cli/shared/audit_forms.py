"""The forms of an audit's report, and the files that they are written to."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.core.diagnostic import Diagnostic, error

ENDINGS: Mapping[str, str] = {
    ".html": "html",
    ".htm": "html",
    ".sarif": "sarif",
    ".sarif.json": "sarif",
    ".json": "json",
    ".xml": "junit",
    ".md": "markdown",
    ".txt": "text",
}
"""The form that the end of a file's name stands for."""


def files_of(names: Sequence[str], form: str) -> tuple[dict[str, str], Diagnostic | None]:
    """The form of each file, and why there is none for one. `form` is that of --format, empty without it."""
    forms: dict[str, str] = {}
    if form and len(names) > 1:
        detail = "--format is the form of one file; leave it out, and each file has the form of its ending"
        return {}, error("--format and several --out", detail)
    for name in names:
        ending = max((end for end in ENDINGS if name.endswith(end)), key=len, default="")
        if not (form or ending):
            detail = f"{name}: name the form with --format, or a file that ends in {', '.join(ENDINGS)}"
            return {}, error("no form has this ending", detail)
        forms[name] = form or ENDINGS[ending]
    return forms, None


def in_form(data: Mapping[str, Any], form: str) -> str:
    """The report in a form for files."""
    match form:
        case "json":
            return f"{json.dumps(data, indent=2)}\n"
        case "sarif":
            from reconciler import __version__
            from reconciler.render.audit.sarif import sarif

            return f"{json.dumps(sarif(data, __version__), indent=2)}\n"
        case "junit":
            from reconciler.render.audit.junit import junit

            return junit(data)
        case "markdown":
            from reconciler.render.audit.markdown import audit_markdown

            return audit_markdown(data)
        case "html":
            from reconciler.render.audit.html import audit_html

            return audit_html(data)
        case _:
            from reconciler.render.audit.text import audit_text

            return audit_text(data, colour=False)


def write(data: Mapping[str, Any], forms: Mapping[str, str]) -> bool:
    """Write a report into files; whether that worked. Prints why not."""
    from reconciler.host.documents import save_private

    wrong = [
        problem
        for name, form in forms.items()
        if (problem := save_private(name, in_form(data, form).encode("utf-8", "replace")))
    ]
    for problem in wrong:
        sys.stderr.write(f"reconciler: cannot save the report: {problem}\n")
    return not wrong
