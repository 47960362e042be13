"""Diagnostics: everything the tool has to complain about, as data. Functions return all of them."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from reconciler.core.address import Address
from reconciler.core.basics.frozen import frozen


class Severity(StrEnum):
    """The severity of a problem. An error stops the run, a warning does not."""

    ERROR = "error"
    WARNING = "warning"


@frozen
class Source:
    """A place in a spec file. Lines and columns count from 1, as editors do."""

    file: str
    line: int
    column: int = 1
    length: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@frozen
class Diagnostic:
    """One problem."""

    severity: Severity
    summary: str
    """Short, and the same for the same problem."""
    detail: str = ""
    """Sentences: what is wrong, why, what to do."""
    address: Address | None = None
    source: Source | None = None
    snippet: str | None = None
    """The source line, already free of secrets."""
    rule: str = ""
    """The name of the guard or lint that speaks."""
    refusal: bool = False
    """Whether policy refuses it (exit 3); otherwise it is wrong (exit 1)."""


def error(summary: str, detail: str = "", **where: object) -> Diagnostic:
    """A Diagnostic of severity error."""
    return Diagnostic(Severity.ERROR, summary, detail, **where)  # type: ignore[arg-type]  # keyword pass-through


def warning(summary: str, detail: str = "", **where: object) -> Diagnostic:
    """A Diagnostic of severity warning."""
    return Diagnostic(Severity.WARNING, summary, detail, **where)  # type: ignore[arg-type]  # keyword pass-through


def errors(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Only those that stop the run."""
    return [item for item in diagnostics if item.severity is Severity.ERROR]
