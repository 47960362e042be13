"""reconciler audit: whether the host is safe, and what nobody declared."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reconciler.cli.shared import options, output
from reconciler.cli.shared.exits import ExitCode

if TYPE_CHECKING:
    from reconciler.audit.model import Report
    from reconciler.core.diagnostic import Diagnostic

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

Out = Annotated[
    list[str],
    typer.Option(
        "--out",
        metavar="FILE",
        help=(
            "Write the report to this file, mode 0600, and print its text; repeat for more. Its form is that"
            " of --format, else of its ending: .html, .sarif, .xml (JUnit), .md, .json, .txt."
        ),
    ),
]

FixSpec = Annotated[
    bool,
    typer.Option(
        "--fix-spec",
        help=(
            "Show, as a diff, the lines of the spec with which findings are gone, as far as a spec can mend"
            " them. Lines that the validator or a guard of the plan refuses are left out, with the reason."
        ),
    ),
]
Write = Annotated[
    bool, typer.Option("--write", help="With --fix-spec: write these lines into the files of the spec.")
]


def audit(
    spec: options.Spec = "",
    root: options.Root = None,
    snapshot: options.Snapshot = None,
    only: Only = [],  # noqa: B006  # typer copies it
    record: Record = False,
    form: options.AuditFormat = None,
    out: Out = [],  # noqa: B006  # likewise
    fix_spec: FixSpec = False,
    write_spec: Write = False,
    as_json: options.Json = False,
    no_color: options.NoColor = False,
) -> int:
    """Check the security of the host against what is safe and what the spec declares.

    Works without a spec too: then nothing is declared. Changes nothing, but for the record (--record), the
    reports (--out) and the spec (--fix-spec --write).
    """
    from reconciler.app.audit.audit import AuditOptions, default_spec_exists
    from reconciler.app.audit.audit import audit as audit_host
    from reconciler.cli.shared.audit_forms import files_of, write

    form_chosen = options.chosen(form, as_json)
    forms, wrong = files_of(out, form_chosen if form or as_json else "")
    if fix_spec or write_spec:
        wrong = wrong or _fix_misuse(fix_spec, bool(record or form or out or as_json))
    if wrong := wrong or _misuse(only, record and bool(root or snapshot or only)):
        output.complain([wrong], no_color)
        return ExitCode.USAGE
    if unplaced := _unplaced(forms):
        output.complain([unplaced], no_color)
        return ExitCode.ERROR
    form_chosen = "text" if out else form_chosen
    as_json, is_comment = form_chosen == "json", form_chosen == "markdown"
    declared, loaded = None, None
    if spec or default_spec_exists(root, snapshot):
        loaded = output.load(spec, "", root)
        if not loaded.ok:
            return output.without_plan(loaded.diagnostics, as_json, no_color, markdown=is_comment)
        declared = loaded.spec
    chosen = AuditOptions(root, snapshot, tuple(only))
    audited = audit_host(declared, chosen, output.timestamp())
    if audited.report is None:
        problems = [audited.problem] if audited.problem else []
        host = declared.host if declared is not None else ""
        return output.without_plan(problems, as_json, no_color, markdown=is_comment, host=host)
    if fix_spec:
        from reconciler.cli.shared.fix_spec import fix

        return fix(loaded, audited.report, chosen, write=write_spec, no_color=no_color)
    from reconciler.app.audit.history import compared
    from reconciler.audit.report import report_data
    from reconciler.render.masking import mask

    report = audited.report
    if loaded is not None:
        from reconciler.app.audit.fix_text import placed

        report = placed(report, loaded)
    data = mask(report_data(report))
    if not (root or snapshot or only):
        data["since"] = _kept(data, no_color) if record else compared(data)
    _print(data, no_color, form_chosen)
    return _exit_code(audited.report) if write(data, forms) else ExitCode.ERROR


def _exit_code(report: Report) -> ExitCode:
    from reconciler.audit.report import has_findings, is_complete

    if has_findings(report):
        return ExitCode.CHANGES
    return ExitCode.OK if is_complete(report) else ExitCode.INCOMPLETE


def _misuse(only: Sequence[str], is_part: bool) -> Diagnostic | None:
    """The error of the command line; None if there is none."""
    from reconciler.app.audit.audit import wrong_names
    from reconciler.core.diagnostic import error

    if wrong := wrong_names(only):
        return error("no such check", wrong)
    if is_part:
        detail = "--record keeps the whole audit of this host: leave --root, --snapshot and --only out"
        return error("cannot be recorded", detail)
    return None


def _fix_misuse(is_fix: bool, is_report: bool) -> Diagnostic | None:
    """The error of the command line of --fix-spec; None if there is none."""
    from reconciler.core.diagnostic import error

    if not is_fix:
        return error("nothing to write", "--write belongs to --fix-spec")
    if is_report:
        detail = "--fix-spec prints a diff: leave --format, --json, --out and --record out"
        return error("two answers", detail)
    return None


def _unplaced(names: Iterable[str]) -> Diagnostic | None:
    """Why a report cannot be written: told before the audit, not after."""
    from reconciler.core.diagnostic import error
    from reconciler.host.documents import no_place

    problems = [problem for name in names if (problem := no_place(name))]
    return error("cannot save the report", problems[0]) if problems else None


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
    from reconciler.cli.shared.audit_forms import in_form

    if form == "text":
        from reconciler.render.audit.text import audit_text

        coloured, width = output.colour(sys.stdout, no_color), output.width(sys.stdout)
        sys.stdout.write(audit_text(data, colour=coloured, width=width))
    else:
        sys.stdout.write(in_form(data, form))
