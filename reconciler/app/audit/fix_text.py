"""The text of a spec with the lines that mend findings: in the file that declares the resource, else in the
one that has its section, else in the first one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from difflib import unified_diff
from itertools import chain

from reconciler.app.audit.fix_entries import Entries, entries_of
from reconciler.app.specs import Loaded
from reconciler.audit.model import Report, Result
from reconciler.core.address import Address
from reconciler.core.spec_source import SourceReader
from reconciler.spec.amend import amend
from reconciler.spec.secrecy import Lines
from reconciler.spec.yaml_events import parse

_CONTEXT = 3
_NO_END = "\n\\ No newline at end of file\n"

Contents = Mapping[str, bytes]
"""The new content of files of the spec, by the reader's name."""


class Amended:
    """A reader that shows some files with their new content, before they are written."""

    def __init__(self, below: SourceReader, contents: Contents) -> None:
        self.entry, self.commit = below.entry, below.commit
        self._below, self._contents = below, contents

    def read(self, name: str) -> bytes:
        """As SourceReader.read."""
        content = self._contents.get(name)
        return self._below.read(name) if content is None else content

    def display(self, name: str) -> str:
        """As SourceReader.display."""
        return self._below.display(name)


def contents_of(loaded: Loaded, entries: Entries, notes: Mapping[Address, str]) -> dict[str, bytes]:
    """The files that change; `notes` are comments by resource. Raises CannotInsert, SourceError."""
    assert loaded.spec is not None and loaded.reader is not None
    contents: dict[str, bytes] = {}
    declared = {item.address for item in loaded.spec.resources}
    for address, fields in entries.items():
        name, note = file_of(loaded, address), notes.get(address, "")
        data = contents.get(name) or loaded.reader.read(name)
        path = (address.kind, address.name)
        if address not in declared or _is_list(data, address):
            data = amend(data, path, fields, note)
        else:
            for field, value in fields.items():
                data = amend(data, (*path, field), value, note)
        contents[name] = data
    return {name: data for name, data in contents.items() if data != loaded.reader.read(name)}


def file_of(loaded: Loaded, address: Address) -> str:
    """The reader's name of the file for a resource's lines."""
    assert loaded.spec is not None and loaded.reader is not None
    names = {loaded.reader.display(name): name for name in (*loaded.spec.files, loaded.reader.entry)}
    places = {item.address: item.source.file for item in loaded.spec.resources}
    if address in places:
        return names.get(places[address], loaded.reader.entry)
    if address.kind in (parse(loaded.reader.read(loaded.reader.entry)).root or {}):
        return loaded.reader.entry
    of_kind = (file for other, file in places.items() if other.kind == address.kind)
    return names.get(next(of_kind, ""), loaded.reader.entry)


def line_of(loaded: Loaded, address: Address) -> tuple[str, int]:
    """The file, as people see it, and the line of a resource, of its section, or of the file's beginning."""
    assert loaded.spec is not None and loaded.reader is not None
    source = next((item.source for item in loaded.spec.resources if item.address == address), None)
    if source is not None:
        return source.file, source.line
    from reconciler.spec.positions import marks_of, unpack

    name = file_of(loaded, address)
    root = parse(loaded.reader.read(name)).root
    line = unpack(marks_of(root, address.kind)[0]).line + 1 if root and address.kind in root else 1
    return loaded.reader.display(name), line


def placed(report: Report, loaded: Loaded) -> Report:
    """The report with the place in the spec's files of each line that mends a finding."""
    if not loaded.path or not any(result.spec for result in report.results):
        return report
    places: dict[Address, tuple[str, int]] = {}
    return replace(report, results=tuple(_placed(result, loaded, places) for result in report.results))


def _placed(result: Result, loaded: Loaded, places: dict[Address, tuple[str, int]]) -> Result:
    if result.spec is None:
        return result
    address = next(iter(entries_of(result.spec)))
    if address not in places:
        places[address] = line_of(loaded, address)
    file, line = places[address]
    return replace(result, spec=replace(result.spec, file=file, line=line))


def diff_of(reader: SourceReader, contents: Contents) -> str:
    """The changes as a unified diff, which patch(1) and `git apply` read."""
    return "".join(_diff(reader.display(name), reader.read(name), data) for name, data in contents.items())


def _diff(path: str, before: bytes, after: bytes) -> str:
    old, new = (data.decode("utf-8").splitlines(keepends=True) for data in (before, after))
    from_path, to_path = (path, path) if path.startswith(("/", "..")) else (f"a/{path}", f"b/{path}")
    context = 0 if _shows_secret(before, old, new) else _CONTEXT
    lines = unified_diff(old, new, from_path, to_path, n=context)
    return "".join(line if line.endswith("\n") else f"{line}{_NO_END}" for line in lines)


def _shows_secret(data: bytes, before: list[str], after: list[str]) -> bool:
    """Whether the lines around a change may hold a secret: a diff is pasted elsewhere."""
    from difflib import SequenceMatcher

    lines = Lines(data)
    groups = SequenceMatcher(None, before, after, autojunk=False).get_grouped_opcodes(_CONTEXT)
    shown = [(first, last) for tag, first, last, *_ in chain.from_iterable(groups) if tag == "equal"]
    return any(lines.withheld(number, number) for first, last in shown for number in range(first, last))


def _is_list(data: bytes, address: Address) -> bool:
    """Whether the resource is written as a list, which is replaced as a whole."""
    root = parse(data).root
    section = root.get(address.kind) if root is not None else None
    return isinstance(section, dict) and not isinstance(section.get(address.name), dict | None)
