"""sshd_config(5): the answers of `sshd -T -C` for the keywords that decide who can log in with a key.

Pure text: included files come through a function. Sources: sshd_config(5), and servconf.c of OpenSSH 9.2
where the page is silent (the tests compare with `sshd -T -C` on a booted host). In short: outside of Match
the first value counts; among the Match blocks that hold the first value counts, and it beats the one outside;
lists of users and groups accumulate instead. An included file cannot end the block in which it is included,
nor begin one that outlives it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from reconciler.core.basics.frozen import frozen
from reconciler.core.basics.lazy_regex import Late
from reconciler.formats.ssh.sshd_keywords import (
    ALIASES,
    CHOICES,
    DECISIVE,
    KNOWN,
    LISTS,
    ONE_VALUE,
    OUTSIDE_ONLY,
)
from reconciler.formats.ssh.sshd_match import Login, Origin, any_listed, is_network, listed, origin_listed

_MOST_INCLUDES = 16
"""The depth to which files may include each other (servconf.c)."""
_ADDRESSES = frozenset(("address", "host", "localaddress", "localport", "rdomain"))
_ALONE = frozenset(("all", "invalid-user"))
_CRITERIA = _ADDRESSES | _ALONE | {"user", "group"}
_KEYWORD = Late(r'[ \t\r\f]*(?:"([^"]*)"|([^\s=]+))(?:[ \t\r\f]*=?[ \t\r\f]*)(.*)', re.DOTALL)

Include = Callable[[str], Sequence[tuple[str, str]]]
"""The path and text of each file that matches an absolute pattern, in the order of their names."""


class _Bad(ValueError):
    """A fault with which sshd would not start."""


@frozen
class Line:
    """One line that is neither blank nor a comment."""

    path: str
    number: int
    keyword: str
    """In lower case, and never an old name."""
    arguments: tuple[str, ...] = ()
    included: tuple[tuple[Line, ...], ...] = ()
    """The lines of each included file."""
    problem: str = ""
    """Why sshd would not start with it, as far as is known here; such a line sets nothing."""

    @property
    def place(self) -> str:
        """Its file and number, for people."""
        return f"{self.path} line {self.number}"


@frozen
class Settings:
    """The settings in force for a login."""

    values: Mapping[str, tuple[str, ...]]
    """The arguments by keyword."""
    places: Mapping[str, str]
    """The place of the line that sets them, by keyword."""

    def words(self, keyword: str, default: Sequence[str] = ()) -> tuple[str, ...]:
        """All arguments of a keyword."""
        return self.values.get(keyword, tuple(default))

    def word(self, keyword: str, default: str) -> str:
        """The one argument of a keyword, as it is written."""
        return self.words(keyword, (default,))[0]

    def choice(self, keyword: str, default: str) -> str:
        """The one argument of a keyword whose values ignore case, in lower case."""
        return self.word(keyword, default).lower()

    def as_line(self, keyword: str) -> str:
        """The setting as a line, with its place."""
        return f"{keyword} {' '.join(self.words(keyword))} ({self.places.get(keyword, 'the default')})"


# ---------------------------------------------------------------------------------------------------- reading


def parse(path: str, text: str, include: Include, depth: int = 0) -> tuple[Line, ...]:
    """The lines of a file, with those of the files that it includes."""
    return tuple(_lines(path, text, include, depth))


def problems(lines: Sequence[Line]) -> Iterator[tuple[str, str]]:
    """The place and the problem of each line with which sshd would not start."""
    for line in lines:
        if line.problem:
            yield line.place, line.problem
        for file in line.included:
            yield from problems(file)


def all_said(lines: Sequence[Line], keyword: str) -> list[str]:
    """The arguments of every line with this keyword, which must be one that no Match block may have, in
    order, those of included files in their place.
    """
    values: list[str] = []
    for line in lines:
        values += [" ".join(line.arguments)] if line.keyword == keyword else []
        for file in line.included:
            values += all_said(file, keyword)
    return values


def _lines(path: str, text: str, include: Include, depth: int) -> Iterator[Line]:
    in_match = False
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip(" \t\r\f")
        if not line or line.startswith("#"):
            continue
        keyword = "?"
        try:
            keyword, rest = _keyword(line)
            arguments = _match_words(rest) if keyword == "match" else _arguments(rest)
            _check(keyword, arguments, in_match=in_match)
            _check_depth(keyword, depth)
        except _Bad as bad:
            in_match = in_match or keyword == "match"
            yield Line(path, number, "match" if keyword == "match" else "?", problem=str(bad))
            continue
        in_match = arguments != ("all",) if keyword == "match" else in_match
        entry = Line(path, number, keyword, arguments)
        yield replace(entry, included=_included(entry, include, depth)) if keyword == "include" else entry


def patterns(line: Line) -> list[str]:
    """The absolute patterns that an Include line names."""
    return [word if word.startswith(("/", "~")) else f"/etc/ssh/{word}" for word in line.arguments]


def _included(line: Line, include: Include, depth: int) -> tuple[tuple[Line, ...], ...]:
    return tuple(
        parse(path, text, include, depth + 1) for pattern in patterns(line) for path, text in include(pattern)
    )


def _keyword(line: str) -> tuple[str, str]:
    match = _KEYWORD.fullmatch(line)
    word = "" if match is None else (match[1] or match[2] or "")
    keyword = ALIASES.get(word.lower(), word.lower())
    if match is None or keyword not in KNOWN:
        raise _Bad(f"sshd knows no {word or line.split(maxsplit=1)[0]}")
    return keyword, match[3]


def _check(keyword: str, arguments: Sequence[str], *, in_match: bool) -> None:
    if not arguments:
        raise _Bad(f"{keyword} has no value")
    if in_match and keyword in OUTSIDE_ONLY:
        raise _Bad(f"{keyword} is not allowed in a Match block")
    choices = CHOICES.get(keyword)
    if choices is not None and arguments[0].lower() not in choices:
        raise _Bad(f"{keyword} cannot be {arguments[0]}; it is one of {', '.join(sorted(choices))}")
    if keyword in ONE_VALUE and len(arguments) > 1:
        raise _Bad(f"{keyword} takes one value")
    if keyword == "match":
        _check_match(arguments)


def _check_depth(keyword: str, depth: int) -> None:
    if keyword == "include" and depth >= _MOST_INCLUDES:
        raise _Bad("too many files include each other")


def _check_match(words: Sequence[str]) -> None:
    for name, value in _criteria(words):
        if name not in _CRITERIA:
            raise _Bad(f"sshd knows no Match {name}")
        if name == "all" and len(words) != 1:
            raise _Bad("Match all stands alone")
        if name not in _ALONE and not value:
            raise _Bad(f"Match {name} has no value")
        for pattern in value.split(",") if name in ("address", "localaddress") else ():
            if "/" in pattern and not is_network(pattern.removeprefix("!")):
                raise _Bad(f"{pattern} is no network")


def _arguments(text: str) -> tuple[str, ...]:
    """The words of a line as sshd splits them, with quotes of both sorts, backslashes before quotes,
    backslashes and blanks, and comments at the end. Raises _Bad.
    """
    words: list[str] = []
    word: str | None = None
    quote, at = "", 0
    while at < len(text):
        char, following = text[at], text[at + 1 : at + 2]
        if char == "\\" and following and (following in "'\"\\" or (not quote and following == " ")):
            word, at = (word or "") + following, at + 1
        elif quote:
            word, quote = (word or "") + ("" if char == quote else char), "" if char == quote else quote
        elif char in "'\"":
            word, quote = word or "", char
        elif char in " \t\r\f":
            words += [] if word is None else [word]
            word = None
        elif char == "#" and word is None:
            break
        else:
            word = (word or "") + char
        at += 1
    if quote:
        raise _Bad("a quote is not closed")
    return (*words, *(() if word is None else (word,)))


def _match_words(text: str) -> tuple[str, ...]:
    """The words after Match, which may be written `User=alice` too."""
    text = re.sub(r"(?:^|[ \t])#.*", "", text)
    return tuple(quoted or plain for quoted, plain in re.findall(r'"([^"]*)"|([^\s=]+)', text))


def _criteria(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each criterion with its list of patterns, which is empty where it takes none."""
    rest = iter(words)
    for word in rest:
        yield word.lower(), "" if word.lower() in _ALONE else next(rest, "")


# ------------------------------------------------------------------------------------------- what is in force


def in_force(lines: Sequence[Line], login: Login) -> Settings:
    """The settings that hold for a login."""
    general, special = _Taken({}, {}), _Taken({}, {})
    _walk(lines, general, None, active=True)
    _walk(lines, special, login, active=False, outside=True)
    return Settings({**general.values, **special.values}, {**general.places, **special.places})


def origins(lines: Sequence[Line]) -> list[Origin]:
    """The origins to ask about where none is known: one that no Match on addresses is about, and one for each
    such Match.
    """
    return [Origin(), *(Origin(block=block) for block in dict.fromkeys(_address_blocks(lines)))]


def has_blocks(lines: Sequence[Line]) -> bool:
    """Whether any setting may depend on the login: a Match block is in these lines or in included ones."""
    return any(line.keyword == "match" or any(map(has_blocks, line.included)) for line in lines)


def _address_blocks(lines: Sequence[Line]) -> Iterator[str]:
    for line in lines:
        if line.keyword == "match" and any(word.lower() in _ADDRESSES for word in line.arguments[::2]):
            yield line.place
        for file in line.included:
            yield from _address_blocks(file)


@frozen
class _Taken:
    values: dict[str, tuple[str, ...]]
    places: dict[str, str]

    def take(self, line: Line) -> None:
        if line.keyword in LISTS:
            self.values[line.keyword] = (*self.values.get(line.keyword, ()), *line.arguments)
        elif line.keyword in self.values:
            return
        else:
            self.values[line.keyword] = line.arguments
        self.places.setdefault(line.keyword, line.place)


def _walk(
    lines: Sequence[Line],
    settings: _Taken,
    login: Login | None,
    *,
    active: bool,
    outside: bool = False,
    never: bool = False,
) -> None:
    """Take the settings of the active lines.

    `outside`: before the first Match, where only included Match blocks count; `never`: no block may hold.
    """
    for line in lines:
        if line.keyword == "match":
            active = not never and _holds(line, login)
            outside = False
        elif line.keyword == "include":
            for file in line.included:
                _walk(file, settings, login, active=active, outside=outside, never=not outside and not active)
        elif active:
            settings.take(line)


def _holds(line: Line, login: Login | None) -> bool:
    """Whether a Match line holds; without a login only `all` does."""
    criteria = list(_criteria(line.arguments))
    if login is None or not criteria:
        return criteria == [("all", "")]
    return all(_criterion(name, value, login, line.place) for name, value in criteria)


def _criterion(name: str, value: str, login: Login, block: str) -> bool:
    origin = login.origin
    if name in _ADDRESSES and not origin.address:
        return origin.block == block
    tests: Mapping[str, Callable[[], bool]] = {
        "all": lambda: True,
        "user": lambda: listed(login.user, value),
        "group": lambda: any_listed(login.groups, value),
        "host": lambda: listed(origin.address.lower(), value.lower()),
        "address": lambda: origin_listed(origin.address, value),
        "localaddress": lambda: origin_listed(origin.local_address, value),
        "localport": lambda: origin.local_port == value,
    }
    return name in tests and tests[name]()


# --------------------------------------------------------------------------------------------------- patterns


def decisive(text: str) -> str:
    """The lines of a file that decide about logins, and nothing else; a command is without its arguments, for
    one may be a secret.
    """
    lines = []
    for raw in text.split("\n"):
        line = raw.strip(" \t\r\f")
        match = _KEYWORD.fullmatch(line)
        keyword = (match[1] or match[2] or "").lower() if match else ""
        if ALIASES.get(keyword, keyword) in DECISIVE:
            lines.append(f"{_without_arguments(line) if keyword == 'forcecommand' else line}\n")
    return "".join(lines)


def _without_arguments(line: str) -> str:
    keyword, program, *rest = [*line.replace("=", " ", 1).replace('"', "").split(), ""]
    return f"{keyword} {program}{' ?' if any(rest) else ''}"
