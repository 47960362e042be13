"""The loading of a spec, from a file, a Git commit or standard input."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.core.basics.frozen import frozen
from reconciler.core.diagnostic import Diagnostic, error, errors
from reconciler.core.spec_source import SourceError, SourceReader
from reconciler.host.spec_source.readers import absolute, open_reader
from reconciler.kinds import discover

if TYPE_CHECKING:
    from reconciler.core.spec import Spec
    from reconciler.spec.secrecy import Lines

DEFAULT_SPEC = "/etc/reconciler/host.yaml"


@frozen
class SpecChoice:
    """The choice of a spec on the command line."""

    path: str = ""
    """A file; `-` is standard input. Empty for the spec that was applied last, or DEFAULT_SPEC before that.
    """
    commit: str = ""
    """The commit of the file's repository that it is read from; empty for the file itself."""
    root: str | None = None
    """The tree to which it was applied last; None for the host."""


@frozen
class Loaded:
    """A spec with its diagnostics, which say why if there is none."""

    spec: Spec | None
    diagnostics: tuple[Diagnostic, ...] = ()
    reader: SourceReader | None = None
    """The reader that the spec was read through."""
    path: str = ""
    """The absolute path of its file; empty for standard input."""

    @property
    def ok(self) -> bool:
        """Whether the spec can be used."""
        return self.spec is not None and not errors(self.diagnostics)


def load_spec(choice: SpecChoice, stdin: Callable[[], bytes]) -> Loaded:
    """The spec, read, validated and linted. Faults of the spec and of its file are diagnostics."""
    from reconciler.host.spec_source.git import GitReader
    from reconciler.policy.lint import lint  # imports the models of a spec, which not every plan needs
    from reconciler.spec.load import load

    path = choice.path or default_spec(choice.root)
    try:
        reader = open_reader(path, choice.commit, stdin)
        spec, diagnostics = load(reader, discover())
    except SourceError as problem:
        return Loaded(None, (error("cannot read the spec", f"{problem}{_unnamed(choice, path)}"),))
    if spec is not None:
        diagnostics = [*diagnostics, *_with_snippets(lint(spec, discover()), reader)]
    if isinstance(reader, GitReader):  # its git must not live as long as the apply
        reader.close()
    return Loaded(
        spec,
        tuple(_why_this(item, choice, path) for item in diagnostics),
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
    """The diagnostic; one about the spec as a whole says too why this spec was chosen."""
    if choice.path or diagnostic.source is not None or diagnostic.address is not None:
        return diagnostic
    return replace(diagnostic, detail=f"{diagnostic.detail.removesuffix('.')}{_unnamed(choice, path)}.")


def _with_snippets(diagnostics: Iterable[Diagnostic], reader: SourceReader) -> list[Diagnostic]:
    """The diagnostics of the lint with their source lines, but for lines that may hold a secret."""
    files: dict[str, Lines | None] = {}
    return [_with_snippet(diagnostic, reader, files) for diagnostic in diagnostics]


def _with_snippet(diagnostic: Diagnostic, reader: SourceReader, files: dict[str, Lines | None]) -> Diagnostic:
    source = diagnostic.source
    if source is None or diagnostic.snippet is not None:
        return diagnostic
    if source.file not in files:
        files[source.file] = _lines(source.file, reader)
    lines = files[source.file]
    if lines is None or source.line > len(lines.lines) or lines.withheld(source.line - 1, source.line - 1):
        return diagnostic
    return replace(diagnostic, snippet=lines.line(source.line - 1))


def _lines(file: str, reader: SourceReader) -> Lines | None:
    from reconciler.spec.secrecy import Lines

    name = next((name for name in (reader.entry, file) if reader.display(name) == file), None)
    try:
        return None if name is None else Lines(reader.read(name))
    except SourceError:
        return None
