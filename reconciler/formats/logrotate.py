"""Configuration of logrotate(8): text to stanzas, and one stanza to text that is read back as the same.

`logrotate -d` is a weak judge: a last block without `}` passes silently, and lines that it ignores are still
success. Therefore only forms that cannot be misread are written, and the text is parsed again before it
leaves this module.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from reconciler.core.basics.frozen import frozen
from reconciler.core.basics.lazy_regex import Late

DIRECTORY = "/etc/logrotate.d"
MARK = "# Managed by Reconciler as logrotate."
"""The beginning of the first line of every policy file of ours."""

SCRIPTS = ("prerotate", "postrotate", "firstaction", "lastaction", "preremove")
FREQUENCIES = ("hourly", "daily", "weekly", "monthly", "yearly")
FLAGS = frozenset(
    (
        *(frequency for frequency in FREQUENCIES if frequency != "weekly"),
        *(
            "compress",
            "nocompress",
            "delaycompress",
            "nodelaycompress",
            "missingok",
            "nomissingok",
            "notifempty",
            "ifempty",
        ),
        *(
            "copytruncate",
            "nocopytruncate",
            "copy",
            "nocopy",
            "renamecopy",
            "norenamecopy",
            "nocreate",
            "dateext",
            "nodateext",
        ),
        *(
            "dateyesterday",
            "datehourago",
            "sharedscripts",
            "nosharedscripts",
            "noolddir",
            "createolddir",
            "nocreateolddir",
            "nomail",
        ),
        *(
            "mailfirst",
            "maillast",
            "shred",
            "noshred",
            "ignoreduplicates",
            "allowhardlink",
            "noallowhardlink",
        ),
    )
)
"""Directives without a value.

`weekly` is not among them, for it may name a day: everything behind it is that value, a comment too
(logrotate(8)).
"""

TABOO = (
    *(
        ",v",
        ".bak",
        ".cfsaved",
        ".disabled",
        ".dpkg-bak",
        ".dpkg-del",
        ".dpkg-dist",
        ".dpkg-new",
        ".dpkg-old",
        ".dpkg-tmp",
        ".rpmnew",
    ),
    *(".rpmorig", ".rpmsave", ".swp", ".ucf-dist", ".ucf-new", ".ucf-old", "~"),
)
"""Endings of names that are skipped in an included directory; names that begin with a dot are read even
so.
"""

_UNSAFE = Late(r"[\x00-\x1f\x7f-\x9f\"'\\{}#]")
_KEYWORD = Late(r"[A-Za-z]+")
_WHITE = " \t\n\r\v\f"
"""The characters of isspace(3) in the C locale, in which logrotate runs."""
_END = Late(r"\s*endscript\s*\Z", re.ASCII)
_SPACE = Late(r"[ \t\n]*")
"""The white space that logrotate knows between directives: a carriage return or a form feed makes it refuse
the line.
"""


@frozen
class Stanza:
    """One block: the patterns, the directives in their order (a flag has no value), the scripts as lines."""

    patterns: tuple[str, ...]
    directives: tuple[tuple[str, str], ...] = ()
    scripts: tuple[tuple[str, tuple[str, ...]], ...] = ()
    line: int = 0

    def data(self) -> dict[str, Any]:
        """As JSON-able data.

        A directive that stands twice is a list.
        """
        directives: dict[str, Any] = {}
        for name, value in self.directives:
            shown: Any = value or (True if name in FLAGS or name in FREQUENCIES else "")
            directives[name] = [*_listed(directives[name]), shown] if name in directives else shown
        return {
            "paths": list(self.patterns),
            "directives": directives,
            "scripts": {name: "\n".join(lines) for name, lines in self.scripts},
        }


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@frozen
class Problem:
    """The problem at a line."""

    line: int
    text: str


@frozen
class Config:
    """One file."""

    stanzas: tuple[Stanza, ...] = ()
    directives: tuple[tuple[str, str, int], ...] = ()
    """Directives outside of any block (name, value, line): they act on every file that is read later."""
    problems: tuple[Problem, ...] = ()

    def data(self) -> dict[str, Any]:
        """A file of one block as JSON-able data; `unexpected` has, in words, everything else that is in
        it.
        """
        first = self.stanzas[0].data() if self.stanzas else {"paths": [], "directives": {}, "scripts": {}}
        more = [f"a block for {' '.join(stanza.patterns)}" for stanza in self.stanzas[1:]]
        more += [
            f"{name} {value}".rstrip(_WHITE) + " outside of the block" for name, value, _ in self.directives
        ]
        more += [f"line {problem.line}: {problem.text}" for problem in self.problems]
        return {**first, "unexpected": more}


class _Reader:
    """A cursor over the text, which is read as logrotate's own state machine reads it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    @property
    def line(self) -> int:
        return self.text.count("\n", 0, self.at) + 1

    def skip_space(self) -> bool:
        """Skip white space and comments; return whether anything follows."""
        while True:
            match = _SPACE.match(self.text, self.at)
            self.at = match.end() if match else self.at
            if not self.text.startswith("#", self.at):
                return self.at < len(self.text)
            self.rest_of_line()

    def rest_of_line(self) -> str:
        end = self.text.find("\n", self.at)
        end = len(self.text) if end < 0 else end
        rest, self.at = self.text[self.at : end], end
        return rest

    def until_brace(self) -> str | None:
        """The text up to the next `{`, without comment lines; None when there is none."""
        chars: list[str] = []
        while self.at < len(self.text):
            char = self.text[self.at]
            if char == "{":
                self.at += 1
                return "".join(chars)
            if char == "}":
                return None
            if char == "#" and (not chars or chars[-1] in _WHITE) and self._at_line_start():
                self.rest_of_line()
                continue
            chars.append(char)
            self.at += 1
        return None

    def _at_line_start(self) -> bool:
        return not self.text[self.text.rfind("\n", 0, self.at) + 1 : self.at].strip(_WHITE)

    def script(self) -> tuple[str, ...] | None:
        """The lines up to `endscript`; None when it is missing."""
        self.rest_of_line()
        lines: list[str] = []
        while self.at < len(self.text):
            self.at += 1
            line = self.rest_of_line()
            if _END.match(line):
                return tuple(lines)
            if line.strip(_WHITE):
                lines.append(line.strip(_WHITE))
        return None


def parse(text: str) -> Config:
    """The stanzas and directives of one file. A line that cannot be understood becomes a problem, never an
    exception.
    """
    reader = _Reader(text)
    stanzas: list[Stanza] = []
    outside: list[tuple[str, str, int]] = []
    problems: list[Problem] = []
    while reader.skip_space():
        line, char = reader.line, reader.text[reader.at]
        if char in "/\"'~":
            patterns = reader.until_brace()
            if patterns is None:
                problems.append(Problem(line, "a path without a { after it"))
                reader.rest_of_line()
                continue
            stanza, block_problems = _block(reader, tuple(split(patterns)), line)
            stanzas.append(stanza)
            problems += block_problems
            continue
        item = _item(reader)
        if item is None:
            problems.append(Problem(line, f"unexpected {char!r}"))
            reader.at += 1
        elif isinstance(item[1], str):
            outside.append((item[0], item[1], line))
        else:
            problems.append(Problem(line, f"{item[0]} outside of a block"))
    return Config(tuple(stanzas), tuple(outside), tuple(problems))


def _block(reader: _Reader, patterns: tuple[str, ...], line: int) -> tuple[Stanza, list[Problem]]:
    directives: list[tuple[str, str]] = []
    scripts: list[tuple[str, tuple[str, ...]]] = []
    problems: list[Problem] = []
    closed = False
    while not closed and reader.skip_space():
        here, char = reader.line, reader.text[reader.at]
        if char == "}":
            reader.at += 1
            closed = True
            continue
        item = _item(reader)
        if item is None:
            problems.append(Problem(here, f"unexpected {char!r}"))
            reader.rest_of_line()
        elif isinstance(item[1], str):
            directives.append((item[0], item[1]))
        elif item[1] is None:
            problems.append(Problem(here, f"{item[0]} without endscript"))
        else:
            scripts.append((item[0], item[1]))
    if not closed:
        problems.append(Problem(line, "a block without its }"))
    return Stanza(patterns, tuple(directives), tuple(scripts), line), problems


def _item(reader: _Reader) -> tuple[str, str | tuple[str, ...] | None] | None:
    """One directive with its value, or one script with its lines (None: it does not end); None where neither
    stands.
    """
    match = _KEYWORD.match(reader.text, reader.at)
    if match is None:
        return None
    name, reader.at = match[0], match.end()
    if name in SCRIPTS:
        return name, reader.script()
    if name in FLAGS:
        return name, ""
    return name, reader.rest_of_line().strip(_WHITE).removeprefix("=").strip(_WHITE)


def split(text: str) -> Iterator[str]:
    """Patterns as popt splits them: by white space, with quotes and backslashes."""
    word: list[str] = []
    started, quote, at = False, "", 0
    while at < len(text):
        char, at = text[at], at + 1
        if quote and char == quote:
            quote = ""
        elif char == "\\" and at < len(text):
            word.append(char + text[at] if quote and text[at] != quote else text[at])
            at += 1
        elif quote:
            word.append(char)
        elif char in "\"'":
            quote, started = char, True
        elif char in _WHITE:
            if word or started:
                yield "".join(word)
            word, started = [], False
        else:
            word.append(char)
    if word or started:
        yield "".join(word)


def render(stanza: Stanza, header: Sequence[str] = ()) -> str:
    """One policy file: comment lines, one block.

    Raises ValueError for a stanza that could be read as something else.
    """
    for pattern in stanza.patterns:
        if not pattern.startswith("/") or _UNSAFE.search(pattern):
            raise ValueError(
                f"{pattern!r}: a log's path is absolute, without quotes, backslashes, braces, # and control"
                " characters"
            )
    for name, value in stanza.directives:
        if not _KEYWORD.fullmatch(name) or _UNSAFE.search(value):
            raise ValueError(
                f"{name} {value!r}: a value has no quotes, backslashes, braces, # and control characters"
            )
    for name, script in stanza.scripts:
        if any("\n" in line or "\r" in line or "\0" in line or _END.match(line) for line in script):
            raise ValueError(f"{name}: a line of a script has no line break and is not `endscript`")
    lines = [f"# {line}" for line in header]
    lines += [f'"{pattern}"' if " " in pattern else pattern for pattern in stanza.patterns]
    lines += ["{", *(f"    {name} {value}".rstrip(_WHITE) for name, value in stanza.directives)]
    for name, script in stanza.scripts:
        lines += [f"    {name}", *(f"        {line}" for line in script), "    endscript"]
    text = "\n".join([*lines, "}", ""])
    again = parse(text)
    if (
        again.problems
        or again.directives
        or [read_stanza.data() for read_stanza in again.stanzas] != [stanza.data()]
    ):
        raise ValueError("this policy cannot be written so that logrotate reads it back as it is")
    return text


def ignored(name: str, taboo: Sequence[str] = TABOO) -> bool:
    """Whether a name in an included directory is skipped.

    A dot at the beginning is not matched by the `*` of the list.
    """
    return not name.startswith(".") and name.endswith(tuple(taboo))
