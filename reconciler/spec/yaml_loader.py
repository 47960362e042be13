"""Plain data with positions, built from libyaml's events, and the problems in them."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import Any

from yaml.events import (
    AliasEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)

from reconciler.core.basics.frozen import frozen
from reconciler.spec.characters import FORBIDDEN, name
from reconciler.spec.positions import Map, Mark, Seq, marks_of, pack, put, unpack
from reconciler.spec.resolve import FIRST, resolve

MAX_DEPTH = 64
MAX_EXTRA = 100_000
"""The number of nodes that aliases may add to those that are written."""
_TEXT = "content"
"""The key whose value is the text of a file."""


@frozen
class Problem:
    """A mistake in the text."""

    mark: Mark
    summary: str
    detail: str
    length: int = 1
    since: Mark | None = None
    """Where the broken construct began, if that is elsewhere."""
    spoils: bool = False
    """Whether the value in this line is not the intended one: errors of validation about it are noise."""


class Stop(Exception):
    """Reading on is useless. The problem is recorded already."""


class Builder:
    """Turns events into Map, Seq and scalars, and notes problems."""

    def __init__(self, next_event: Callable[[], Any], file: int, problems: list[Problem]) -> None:
        self._next = next_event
        self._base = pack(file, 0, 0)
        self._problems = problems
        self._anchors: dict[str, Any] = {}
        self._open: set[str] = set()
        self._measured: dict[int, tuple[Any, int, int]] = {}
        self._extra = 0
        self._strings: dict[str, str] = {}

    def document(self) -> Map | None:
        """The root of the only document. Raises Stop, YAMLError."""
        self._next()
        event = self._next()
        if type(event) is StreamEndEvent:
            self._note(self._base, "Empty spec", "The file holds nothing. A spec begins with `version: 1`.")
            return None
        if event.tags or (event.version and tuple(event.version) != (1, 2)):
            self._note(
                self._mark(event.start_mark),
                "Directive",
                "Remove the %YAML or %TAG line: a spec is YAML 1.2 without tags.",
            )
        mark = self._mark(event.start_mark)
        event = self._next()
        root = self._node(event, 1)
        self._next()
        event = self._next()
        if type(event) is not StreamEndEvent:
            detail = (
                "A spec is one document. Remove the `---` and what follows, or put it in a file of its own"
                " and `include` it."
            )
            self._note(self._mark(event.start_mark), "More than one document", detail, 3)
        if root is None:
            self._note(mark, "Empty spec", "The document holds nothing. A spec begins with `version: 1`.")
            return None
        if not isinstance(root, Map):
            self._note(mark, "Not a map", "A spec is a map of keys and values. It begins with `version: 1`.")
            return None
        return root

    def _mark(self, mark: Any) -> Mark:
        return self._base | mark.line << 25 | mark.column  # type: ignore[no-any-return]  # numbers of an extension module

    def _note(self, mark: Mark, summary: str, detail: str, length: int = 1, spoils: bool = False) -> None:
        self._problems.append(Problem(mark, summary, detail, length, None, spoils))

    def _node(self, event: Any, depth: int) -> Any:
        kind = type(event)
        if kind is ScalarEvent:
            return self._scalar(event)
        if kind is AliasEvent:
            return self._alias(event, depth)
        if depth > MAX_DEPTH:
            self._note(
                self._mark(event.start_mark), "Nested too deeply", f"A spec may nest {MAX_DEPTH} levels."
            )
            raise Stop
        if event.tag is not None:
            self._tag(event)
        anchor = event.anchor
        if anchor is not None:
            self._open.add(anchor)
        value = self._map(depth) if kind is MappingStartEvent else self._seq(depth)
        if anchor is not None:
            self._open.discard(anchor)
            self._anchors[anchor] = value
        return value

    def _tag(self, event: Any) -> None:
        detail = (
            "Tags are not allowed: a spec is plain data. Remove it; quote the value if it is meant as text."
        )
        tag = str(event.tag)
        written = "!!" + tag.rpartition(":")[2] if tag.startswith("tag:yaml.org,2002:") else tag
        self._note(self._mark(event.start_mark), "Tag", detail, len(written), spoils=True)

    def _scalar(self, event: Any) -> Any:
        text: Any = event.value
        if event.style:
            if event.style == '"' and (match := FORBIDDEN.search(text)):
                self._note(
                    self._mark(event.start_mark),
                    "Forbidden character",
                    f"Remove the {name(match[0])}.",
                    spoils=True,
                )
        elif event.tag is None and text[:1] in FIRST:
            text = resolve(text)
        if event.tag is not None:
            self._tag(event)
        if event.anchor is not None:
            self._anchors[event.anchor] = text
        return text

    def _seq(self, depth: int) -> Seq:
        result, marks = Seq(), array("Q")
        result.marks = marks
        next_event, base = self._next, self._base
        while True:
            event = next_event()
            if type(event) is SequenceEndEvent:
                return result
            mark = event.start_mark
            marks.append(base | mark.line << 25 | mark.column)
            result.append(self._node(event, depth + 1))

    def _map(self, depth: int) -> Map:
        result, marks = Map(), array("Q")
        result.marks = marks
        merges: list[tuple[Mark, Any]] = []
        next_event, base, strings = self._next, self._base, self._strings
        while True:
            event = next_event()
            kind = type(event)
            if kind is MappingEndEvent:
                return self._merged(result, merges) if merges else result
            mark = event.start_mark
            key_mark = base | mark.line << 25 | mark.column
            merge = False
            if (
                kind is not ScalarEvent
                or (key := strings.get(event.value)) is None
                or event.style
                or event.tag
                or event.anchor
            ):
                merge = kind is ScalarEvent and event.value == "<<" and not event.style
                key = "<<" if merge else self._key(event, key_mark, depth)
            event = next_event()
            mark = event.start_mark
            value_mark = base | mark.line << 25 | mark.column
            if type(event) is ScalarEvent and not event.style and event.tag is None and event.anchor is None:
                value: Any = event.value
                if value[:1] in FIRST:
                    value = resolve(value)
            else:
                value = self._node(event, depth + 1)
            if key == _TEXT and type(event) is ScalarEvent:
                self._folded(event, value_mark)
            if merge:
                self._merge(merges, key_mark, value_mark, value)
            elif key is None:
                pass
            elif key in result:
                first = unpack(marks_of(result, key)[0])
                self._note(
                    key_mark,
                    "Duplicate key",
                    f"`{key}` is in this map already, in line {first.line + 1}. Keep one of them.",
                    len(key),
                )
            else:
                result[key] = value
                marks.append(key_mark)
                marks.append(value_mark)

    def _merge(self, merges: list[tuple[Mark, Any]], key_mark: Mark, value_mark: Mark, value: Any) -> None:
        if merges:
            self._note(key_mark, "Duplicate key", "`<<` is there already. Write one `<<: [*a, *b]`.", 2)
        merges.append((value_mark, value))

    def _folded(self, event: Any, mark: Mark) -> None:
        """Note text of a file whose lines YAML joins to one, which nobody intends.

        Text in quotes with escaped line ends is intended.
        """
        lines = event.end_mark.line - event.start_mark.line
        if event.style in ("|", ">") or not lines or (event.style == '"' and "\n" in event.value):
            return
        detail = (
            f"YAML joins these {lines + 1} lines to one, with no line end. Write `{_TEXT}: |`, and the lines"
            f" below it, indented. If one line is meant: `{_TEXT}: >-`."
        )
        self._note(mark, "Lines are folded", detail)

    def _key(self, event: Any, mark: Mark, depth: int) -> str | None:
        """The text of a key; None (and a problem) for one that is a map, a list or an alias."""
        if type(event) is not ScalarEvent:
            if type(event) is not AliasEvent:
                self._node(event, depth + 1)
            self._note(mark, "Key is not text", "A key is plain text, not a list, a map or an alias.")
            return None
        text: str = event.value
        if event.style or event.tag is not None or event.anchor is not None:
            self._scalar(event)
        if event.style:
            return text
        if text[:1] not in FIRST or type(resolve(text)) is str:
            return self._strings.setdefault(text, text)
        if not text:
            self._note(mark, "Key is not text", 'The key is empty. Write a name before the ":".')
            return None
        detail = f'The key `{text}` is something else than text to YAML readers. Quote it: "{text}"'
        self._note(mark, "Key is not text", detail, len(text))
        return text

    def _alias(self, event: Any, depth: int) -> Any:
        anchor, mark = event.anchor, self._mark(event.start_mark)
        if anchor in self._open:
            self._note(mark, "Alias", f"`*{anchor}` stands inside what it refers to.", len(anchor) + 1)
            raise Stop
        if anchor not in self._anchors:
            self._note(
                mark, "Alias", f"There is no `&{anchor}` before this line.", len(anchor) + 1, spoils=True
            )
            return None
        value = self._anchors[anchor]
        size, height = self._measure(value)
        self._extra += size
        if self._extra > MAX_EXTRA:
            self._note(
                mark,
                "Too many aliases",
                f"The aliases up to here stand for more than {MAX_EXTRA:,} values.",
                len(anchor) + 1,
            )
            raise Stop
        if depth + height - 1 > MAX_DEPTH:
            self._note(
                mark,
                "Nested too deeply",
                f"A spec may nest {MAX_DEPTH} levels, those behind aliases included.",
                len(anchor) + 1,
            )
            raise Stop
        return value

    def _measure(self, value: Any) -> tuple[int, int]:
        """The numbers of nodes and of levels that a value has with its aliases expanded.

        Each container is measured only once.
        """
        if not isinstance(value, Map | Seq):
            return 1, 0
        if (measured := self._measured.get(id(value))) is not None:
            return measured[1], measured[2]
        size, height = 1, 0
        for child in value.values() if isinstance(value, Map) else value:
            more, levels = self._measure(child)
            size, height = size + more, max(height, levels)
        self._measured[id(value)] = (value, size, height + 1)
        return size, height + 1

    def _merged(self, result: Map, merges: list[tuple[Mark, Any]]) -> Map:
        """Add the keys of merged maps that are not there yet: explicit keys win, then the earlier map."""
        for mark, value in merges:
            for source in value if isinstance(value, Seq) else [value]:
                if isinstance(source, Map):
                    for index, (key, item) in enumerate(source.items()):
                        if key not in result:
                            put(result, key, item, source.marks[2 * index], source.marks[2 * index + 1])
                else:
                    self._note(
                        mark,
                        "Bad merge key",
                        "`<<` takes a map or a list of maps, by alias: `<<: *defaults`.",
                        spoils=True,
                    )
        return result
