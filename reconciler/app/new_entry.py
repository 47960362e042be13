"""One more resource in the spec's file, for a person to review: `service create`, `backup create`.

Nothing is done to the host.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from typing import Any

from reconciler.app.specs import Loaded
from reconciler.core.address import Address
from reconciler.core.basics.frozen import frozen
from reconciler.core.diagnostic import Diagnostic, error, errors
from reconciler.core.spec import Spec
from reconciler.core.spec_source import SourceError, SourceReader
from reconciler.host.spec_source.readers import absolute
from reconciler.host.spec_source.spec_file import rewrite
from reconciler.kinds import discover
from reconciler.policy.lint import lint
from reconciler.spec.insert import CannotInsert, insert
from reconciler.spec.load import load

Fields = Sequence[tuple[str, Any, str]]
"""The entry of a resource: key, value, and a comment for the reviewer."""


@frozen
class Created:
    """The spec with the resource in it, or the problems; `path` is the file that was written."""

    path: str = ""
    loaded: Loaded | None = None
    problems: tuple[Diagnostic, ...] = field(default=())


class _Changed:
    """A reader that shows one file with its new content, before it is written."""

    def __init__(self, below: SourceReader, name: str, content: bytes) -> None:
        self.entry, self.commit = below.entry, below.commit
        self.content = content
        self._below, self._name = below, name

    def read(self, name: str) -> bytes:
        return self.content if name == self._name else self._below.read(name)

    def display(self, name: str) -> str:
        return self._below.display(name)


def create_entry(
    loaded: Loaded, address: Address, noun: str, make: Callable[[], Fields], file: str
) -> Created:
    """Write the resource into the spec's file, if the whole spec can be read with it and nothing else in it
    changes.

    `noun` is the word for it in messages, `make` gives its entry and may raise ValueError, `file` is the file
    of the spec to write to; empty for its first one.
    """
    spec, reader = loaded.spec, loaded.reader
    assert spec is not None and reader is not None
    there = next((item for item in spec.resources if item.address == address), None)
    if there is not None:
        return _refused(
            f"the {noun} exists already", f"{address} is declared at {there.source}. Change it there."
        )
    if not loaded.path:
        return _refused(
            "nothing to write to", "The spec came from standard input; name its file with --spec."
        )
    name = _file(spec, reader, file)
    if name is None:
        files = ", ".join(reader.display(file) for file in spec.files)
        return _refused("not a file of the spec", f"{file} is not read by this spec. Its files are: {files}.")
    try:
        return _added(loaded, address, noun, make(), name)
    except (CannotInsert, SourceError, ValueError) as problem:
        return _refused(f"the {noun} cannot be added", f"{problem}.")


def _added(loaded: Loaded, address: Address, noun: str, fields: Fields, name: str) -> Created:
    """The spec with the resource, written. Raises CannotInsert, SourceError, ValueError."""
    assert loaded.spec is not None and loaded.reader is not None
    before = loaded.reader.read(name)
    changed = _Changed(loaded.reader, name, insert(before, address.kind, address.name, fields))
    spec, diagnostics = load(changed, discover())
    diagnostics = [*diagnostics, *(lint(spec, discover()) if spec is not None else ())]
    if spec is None or errors(diagnostics):
        return Created(problems=tuple(diagnostics))
    if not _only_added(loaded.spec, spec, address):
        return _refused(
            "the spec would not be as before",
            f"Another file of it speaks of this {noun} too; add it by hand.",
        )
    file_name = changed.display(name)
    rewrite(absolute(file_name), before, changed.content)
    return Created(file_name, replace(loaded, spec=spec, diagnostics=tuple(diagnostics), reader=changed))


def _file(spec: Spec, reader: SourceReader, path: str) -> str | None:
    """The reader's name for the spec's file at `path`, or for its first file; None if there is none there."""
    if not path:
        return reader.entry
    return next((name for name in spec.files if absolute(reader.display(name)) == absolute(path)), None)


def _only_added(before: Spec, after: Spec, address: Address) -> bool:
    others: Mapping[Address, Any] = {
        item.address: item.resource for item in after.resources if item.address != address
    }
    others_same = others == {item.address: item.resource for item in before.resources}
    return others_same and len(after.resources) == len(others) + 1


def _refused(summary: str, detail: str) -> Created:
    return Created(problems=(error(summary, detail),))
