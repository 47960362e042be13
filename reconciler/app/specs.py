"""Getting a spec: from a file, from a Git commit, from standard input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from reconciler.core.diagnostic import Diagnostic, error, errors
from reconciler.core.spec import SourceError, SourceReader, Spec
from reconciler.host.git import GitReader
from reconciler.host.readers import open_reader
from reconciler.kinds import discover
from reconciler.policy.lint import lint
from reconciler.spec.load import load
from reconciler.spec.secrecy import withheld

DEFAULT_SPEC = "/etc/reconciler/host.yaml"


@dataclass(frozen=True, slots=True)
class SpecChoice:
    """Which spec. `path` may be `-` for standard input; `commit` reads it from that commit of the repository it lies in."""

    path: str = DEFAULT_SPEC
    commit: str = ""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A spec, or why there is none. `reader` is what it was read through."""

    spec: Spec | None
    diagnostics: tuple[Diagnostic, ...] = ()
    reader: SourceReader | None = None

    @property
    def ok(self) -> bool:
        """Whether the spec can be used."""
        return self.spec is not None and not errors(self.diagnostics)


def load_spec(choice: SpecChoice, stdin: Callable[[], bytes]) -> Loaded:
    """Read, validate and lint. Never raises for what is in the spec or where it is."""
    try:
        reader = open_reader(choice.path, choice.commit, stdin)
        spec, found = load(reader, discover())
    except SourceError as problem:
        return Loaded(None, (error("cannot read the spec", str(problem)),))
    if spec is not None:
        found = [*found, *(_with_snippet(item, reader) for item in lint(spec, discover()))]
    if isinstance(reader, GitReader):  # its git must not live as long as the apply
        reader.close()
    return Loaded(spec, tuple(found), reader)


def _with_snippet(diagnostic: Diagnostic, reader: SourceReader) -> Diagnostic:
    """The source line for a diagnostic that was found after loading, unless that may hold a secret."""
    place = diagnostic.source
    if place is None or diagnostic.snippet is not None:
        return diagnostic
    name = next((name for name in (reader.entry, place.file) if reader.display(name) == place.file), None)
    try:
        lines = reader.read(name).decode("utf-8", "replace").split("\n") if name else []
    except SourceError:
        return diagnostic
    if place.line > len(lines) or withheld(lines, place.line - 1, place.line - 1):
        return diagnostic
    return replace(diagnostic, snippet=lines[place.line - 1])
