"""`include`: one spec from several files. The including file wins: maps merge, lists replace, null removes.

Keys at the top that begin with `x-` are not read: they are room for content that several resources share,
written once and merged by alias.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from reconciler.core.diagnostic import Diagnostic, error
from reconciler.core.spec_source import SourceError, SourceReader
from reconciler.spec.phrases import VERSION, ended, unsupported
from reconciler.spec.positions import Map, Mark, Seq, marks_of, new_map, put, unpack, without
from reconciler.spec.source_files import Tree, locate
from reconciler.spec.yaml_events import parse

MAX_FILES = 256
SHARED = "x-"
"""The beginning of keys that are not read: only anchors in their values have a meaning.

Anchors hold in one file, so such a key is dropped before files are merged.
"""


@dataclass(slots=True)
class Included:
    """The merged document."""

    tree: Tree
    root: Map | None = None
    whole: bool = True
    """No file is missing from it: an absent key is really absent."""
    spoiled: set[tuple[int, int]] = field(default_factory=set)
    """The lines, by file and line, whose values are not the intended ones."""
    reported: set[Mark] = field(default_factory=set)
    """The positions that have a problem already."""
    problems: list[Diagnostic] = field(default_factory=list)


def read(reader: SourceReader) -> Included:
    """Read the entry file and all that it includes. It never raises: every mistake is in `problems`."""
    result = Included(Tree(reader))
    result.root = _Reading(result).entry(reader.entry)
    return result


def merge(base: Map, over: Map) -> Map:
    """The two maps as one: `over` wins. Maps merge recursively, everything else replaces, null removes a key
    of `base`; marks follow the values.
    """
    result = new_map()
    places = {key: index for index, key in enumerate(over)}
    for index, (key, value) in enumerate(base.items()):
        at = places.get(key)
        if at is None:
            put(result, key, value, base.marks[2 * index], base.marks[2 * index + 1])
        elif (new := over[key]) is not None:
            both = isinstance(value, Map) and isinstance(new, Map)
            put(result, key, merge(value, new) if both else new, over.marks[2 * at], over.marks[2 * at + 1])
    for index, (key, value) in enumerate(over.items()):
        if key not in base:
            put(result, key, value, over.marks[2 * index], over.marks[2 * index + 1])
    return result


class _Reading:
    """One reading of a tree of files. Each file is read and merged once, however often it is included."""

    def __init__(self, result: Included) -> None:
        self._result = result
        self._tree = result.tree
        self._merged: dict[str, Map | None] = {}

    def entry(self, name: str) -> Map | None:
        """The merged document of the entry file."""
        try:
            return self._file(name, ())
        except SourceError as exc:
            self._result.problems.append(error("Cannot read the spec", ended(str(exc))))
            return None

    def _file(self, name: str, chain: tuple[str, ...]) -> Map | None:
        """The merged document of one file; None when it cannot be used.

        Raises SourceError when it cannot be read.
        """
        if name in self._merged:
            return self._merged[name]
        if len(self._tree.files) >= MAX_FILES:
            raise SourceError(f"A spec may have {MAX_FILES} files")
        number = self._tree.add(name)
        self._merged[name] = None
        parsed = parse(self._tree.files[number].data, number)
        for problem in parsed.problems:
            self._result.problems.append(self._tree.problem(problem))
            self._result.reported.add(problem.mark)
            if problem.spoils:
                self._result.spoiled.add(unpack(problem.mark)[:2])
        self._merged[name] = None if parsed.root is None else self._with_includes(parsed.root, (*chain, name))
        return self._merged[name]

    def _with_includes(self, root: Map, chain: tuple[str, ...]) -> Map:
        if len(chain) > 1:
            self._check_version(root)
        for key in [key for key in root if key.startswith(SHARED)]:
            root = without(root, key)
        if "include" not in root:
            return root
        base = new_map()
        for path, mark in self._paths(root):
            included = self._include(path, mark, chain)
            if included is None:
                self._result.whole = False
            else:
                base = merge(base, included)
        return merge(base, without(root, "include"))

    def _check_version(self, root: Map) -> None:
        version = root.get("version", VERSION)
        if type(version) is not int or version != VERSION:
            self._error(marks_of(root, "version")[1], "Bad value", unsupported(version), len(str(version)))

    def _paths(self, root: Map) -> Iterator[tuple[str, Mark]]:
        """The usable entries of `include`; the others become problems."""
        paths, mark = root["include"], marks_of(root, "include")[1]
        if not isinstance(paths, Seq):
            self._error(
                mark,
                "Wrong type",
                "`include` is a list of paths relative to this file: `include: [../profiles/base.yaml]`.",
            )
            self._result.whole = False
            return
        for path, at in zip(paths, paths.marks, strict=True):
            if isinstance(path, str):
                yield path, at
            else:
                self._error(at, "Wrong type", "An entry of `include` is a path relative to this file.")
                self._result.whole = False

    def _include(self, path: str, mark: Mark, chain: tuple[str, ...]) -> Map | None:
        try:
            name = locate(chain[-1], path)
            if name in chain:
                ring = " includes ".join((*chain[chain.index(name) :], name))
                self._error(
                    mark, "Include cycle", f"Files cannot include each other in a circle: {ring}.", len(path)
                )
                return None
            return self._file(name, chain)
        except SourceError as exc:
            self._error(mark, "Cannot read the included file", ended(str(exc)), len(path))
            return None

    def _error(self, mark: Mark, summary: str, detail: str, length: int = 1) -> None:
        self._result.problems.append(self._tree.diagnostic(mark, summary, detail, length))
