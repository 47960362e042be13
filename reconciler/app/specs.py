"""Getting a spec: from a file, from a Git commit, from standard input."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.core.basics.frozen import frozen
from reconciler.core.diagnostic import Diagnostic, error, errors
from reconciler.core.spec import SourceError, SourceReader, Spec
from reconciler.host.spec_source.git import GitReader
from reconciler.host.spec_source.readers import absolute, open_reader
from reconciler.kinds import discover

if TYPE_CHECKING:
    from reconciler.spec.secrecy import Lines

DEFAULT_SPEC = "/etc/reconciler/host.yaml"


@frozen
class SpecChoice:
    """Which spec.

    `path` may be `-` for standard input; `commit` reads it from that commit of the repository it lies in.

    An empty `path` is the spec that was applied last to the host, or to the tree at `root`; DEFAULT_SPEC
    where there was none.
    """

    path: str = ""
    commit: str = ""
    root: str | None = None


@frozen
class Loaded:
    """A spec, or why there is none.

    `reader` is what it was read through, `path` where it lies (empty: standard input).
    """

    spec: Spec | None
    diagnostics: tuple[Diagnostic, ...] = ()
    reader: SourceReader | None = None
    path: str = ""

    @property
    def ok(self) -> bool:
        """Whether the spec can be used."""
        return self.spec is not None and not errors(self.diagnostics)


def load_spec(choice: SpecChoice, stdin: Callable[[], bytes]) -> Loaded:
    """Read, validate and lint. Never raises for what is in the spec or where it is."""
    from reconciler.policy.lint import lint  # these bring the models of a spec, which not every plan needs
    from reconciler.spec.load import load

    path = choice.path or default_spec(choice.root)
    try:
        reader = open_reader(path, choice.commit, stdin)
        spec, found = load(reader, discover())
    except SourceError as problem:
        return Loaded(None, (error("cannot read the spec", f"{problem}{_unnamed(choice, path)}"),))
    if spec is not None:
        found = [*found, *_with_snippets(lint(spec, discover()), reader)]
    if isinstance(reader, GitReader):  # its git must not live as long as the apply
        reader.close()
    return Loaded(
        spec,
        tuple(_why_this(item, choice, path) for item in found),
        reader,
        "" if path == "-" else absolute(path),
    )


def default_spec(root: str | None = None) -> str:
    """The spec of a command that names none."""
    from reconciler.host.hosts import state_directory
    from reconciler.host.spec_source.last_spec import last_spec

    return last_spec(state_directory(root)) or DEFAULT_SPEC


def _unnamed(choice: SpecChoice, path: str) -> str:
    if choice.path:
        return ""
    return (
        " (no spec was named; this is the usual place)"
        if path == DEFAULT_SPEC
        else " (no spec was named; this one was applied last)"
    )


def _why_this(diagnostic: Diagnostic, choice: SpecChoice, path: str) -> Diagnostic:
    """The diagnostic; one without a place in a file is about the spec as a whole, and says why it is this
    one.
    """
    if choice.path or diagnostic.source is not None or diagnostic.address is not None:
        return diagnostic
    return replace(diagnostic, detail=f"{diagnostic.detail.removesuffix('.')}{_unnamed(choice, path)}.")


def _with_snippets(diagnostics: Iterable[Diagnostic], reader: SourceReader) -> list[Diagnostic]:
    """With the source lines of diagnostics that were found after loading, unless these may hold a secret."""
    files: dict[str, Lines | None] = {}
    return [_with_snippet(diagnostic, reader, files) for diagnostic in diagnostics]


def _with_snippet(diagnostic: Diagnostic, reader: SourceReader, files: dict[str, Lines | None]) -> Diagnostic:
    place = diagnostic.source
    if place is None or diagnostic.snippet is not None:
        return diagnostic
    if place.file not in files:
        files[place.file] = _lines(place.file, reader)
    lines = files[place.file]
    if lines is None or place.line > len(lines.lines) or lines.withheld(place.line - 1, place.line - 1):
        return diagnostic
    return replace(diagnostic, snippet=lines.line(place.line - 1))


def _lines(file: str, reader: SourceReader) -> Lines | None:
    from reconciler.spec.secrecy import Lines

    name = next((name for name in (reader.entry, file) if reader.display(name) == file), None)
    try:
        return None if name is None else Lines(reader.read(name))
    except SourceError:
        return None
