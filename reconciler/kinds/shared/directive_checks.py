"""Directives and values that the newest systemd of our table does not take.

A systemd that is newer than the table may take them: an error only where the host's is known and not newer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from reconciler.core.changes import Change, Part, Verb
from reconciler.core.diagnostic import Diagnostic, error, warning
from reconciler.core.host import HostView
from reconciler.core.spec import Declared
from reconciler.kinds.shared.systemd_release import release

Directives = Mapping[str, Mapping[str, str | list[str]]]


def lint(declared: Declared, directives: Directives) -> Iterator[Diagnostic]:
    """Yield each problem as a warning: the spec alone does not tell which systemd the host has."""
    for problem in _problems(directives):
        yield warning(**problem, address=declared.address, source=declared.source)


def check(
    view: HostView, changes: Sequence[Change], directives_of: Callable[[Declared], Directives]
) -> Iterator[Diagnostic]:
    """Yield each problem of changed units as an error, if the host's systemd is not newer than the table."""
    problems = [
        (change, problem)
        for change in changes
        if change.part is not None and change.verb in (Verb.CREATE, Verb.UPDATE)
        for problem in _problems(_written(change.part, directives_of(change.part.declared)))
    ]
    if not problems:
        return
    from reconciler.formats.systemd.directives import NEWEST

    host = release(view)
    if host is None or host > NEWEST:
        return
    for change, problem in problems:
        assert change.part is not None
        yield error(**problem, address=change.address, source=change.part.declared.source)


def _written(part: Part, directives: Directives) -> Directives:
    """The directives that are in the unit of this part."""
    sections = part.document.get("unit", {})
    return {
        section: {name: value for name, value in names.items() if name in sections.get(section, {})}
        for section, names in directives.items()
    }


def _problems(directives: Directives) -> Iterator[dict[str, Any]]:
    """Yield the summary, detail and rule of each different problem."""
    if not directives:
        return
    from reconciler.formats.systemd.directives import NEWEST, lint

    texts = (
        lint(section, name, entry)
        for section, names in directives.items()
        for name, value in names.items()
        for entry in (value if isinstance(value, list) else [value])
    )
    for text in dict.fromkeys(filter(None, texts)):
        yield {
            "summary": f"systemd {NEWEST} does not take it",
            "detail": f"{text}{'' if text.endswith('?') else '.'} A systemd newer than {NEWEST} may take it.",
            "rule": "directive",
        }
