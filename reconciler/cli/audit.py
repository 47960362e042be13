"""reconciler audit: whether the host is safe, and what nobody declared."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from reconciler.cli.shared import options, output
from reconciler.cli.shared.exits import ExitCode

Only = Annotated[
    list[str],
    typer.Option(
        "--only", metavar="ID|AREA", help="Only this check, or those of this area; repeat for more."
    ),
]


Record = Annotated[
    bool,
    typer.Option("--record", help="Keep the result: later audits say what is new since. As the timer does."),
]


def audit(
    spec: options.Spec = "",
    root: options.Root = None,
    snapshot: options.Snapshot = None,
    only: Only = [],  # noqa: B006  # typer copies it
    record: Record = False,
    form: options.AuditFormat = None,
    as_json: options.Json = False,
    no_color: options.NoColor = False,
) -> int:
    """Check the security of the host against what is safe and what the spec declares.

    Works without a spec too: then nothing is declared. Changes nothing but the record (--record).
    """
    from reconciler.app.audit.audit import AuditOptions, default_spec_exists, wrong_names
    from reconciler.app.audit.audit import audit as audit_host
    from reconciler.core.diagnostic import error

    form_chosen = options.chosen(form, as_json)
    as_json, is_comment = form_chosen == "json", form_chosen == "markdown"
    if wrong := wrong_names(only):
        output.complain([error("no such check", wrong)], no_color)
        return ExitCode.USAGE
    if record and (root or snapshot or only):
        wrong = "--record keeps the whole audit of this host: leave --root, --snapshot and --only out"
        output.complain([error("cannot be recorded", wrong)], no_color)
        return ExitCode.USAGE
    declared = None
    if spec or default_spec_exists(root, snapshot):
        loaded = output.load(spec, "", root)
        if not loaded.ok:
            return output.without_plan(loaded.diagnostics, as_json, no_color, markdown=is_comment)
        declared = loaded.spec
    audited = audit_host(declared, AuditOptions(root, snapshot, tuple(only)), output.timestamp())
    if audited.report is None:
        problems = [audited.problem] if audited.problem else []
        host = declared.host if declared is not None else ""
        return output.without_plan(problems, as_json, no_color, markdown=is_comment, host=host)
    from reconciler.app.audit.history import compared
    from reconciler.audit.report import has_findings, is_complete, report_data
    from reconciler.render.masking import mask

    data = mask(report_data(audited.report))
    if not (root or snapshot or only):
        data["since"] = _kept(data, no_color) if record else compared(data)
    _print(data, no_color, form_chosen)
    if has_findings(audited.report):
        return ExitCode.CHANGES
    return ExitCode.OK if is_complete(audited.report) else ExitCode.INCOMPLETE


def _kept(data: Mapping[str, Any], no_color: bool) -> dict[str, Any] | None:
    """Record this audit; the difference to the one before. A record that cannot be kept is told."""
    from reconciler.app.audit.history import keep
    from reconciler.core.diagnostic import warning
    from reconciler.core.host import HostError

    try:
        return keep(data)
    except HostError as problem:
        output.complain([warning(problem.summary, problem.detail)], no_color)
        return None


def _print(data: Mapping[str, Any], no_color: bool, form: str) -> None:
    match form:
        case "json":
            output.print_json(data)
        case "sarif":
            from reconciler import __version__
            from reconciler.render.audit.sarif import sarif

            output.print_json(sarif(data, __version__))
        case "junit":
            from reconciler.render.audit.junit import junit

            sys.stdout.write(junit(data))
        case "markdown":
            from reconciler.render.audit.markdown import audit_markdown

            sys.stdout.write(audit_markdown(data))
        case "html":
            from reconciler.render.audit.html import audit_html

            sys.stdout.write(audit_html(data))
        case _:
            from reconciler.render.audit.text import audit_text

            coloured, width = output.colour(sys.stdout, no_color), output.width(sys.stdout)
            sys.stdout.write(audit_text(data, colour=coloured, width=width))
