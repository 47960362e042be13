"""sshd_config(5): what `sshd -T -C` would say, of the keywords that decide who can log in with a key.

Pure text: included files come through a function. Sources: sshd_config(5), and what servconf.c of OpenSSH 9.2
does where the page is silent (the tests compare with `sshd -T -C` on a booted host). In short: outside of
Match the first value counts; among the Match blocks that hold the first value counts, and it beats the one
outside; lists of users and groups accumulate instead. An included file cannot end the block in which it is
included, nor begin one that outlives it.
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
"""How deep files may include each other (servconf.c)."""
_ADDRESSES = frozenset(("address", "host", "localaddress", "localport", "rdomain"))
_ALONE = frozenset(("all", "invalid-user"))
_CRITERIA = _ADDRESSES | _ALONE | {"user", "group"}
_KEYWORD = Late(r'[ \t\r\f]*(?:"([^"]*)"|([^\s=]+))(?:[ \t\r\f]*=?[ \t\r\f]*)(.*)', re.DOTALL)

Include = Callable[[str], Sequence[tuple[str, str]]]
"""From an absolute pattern to path and text of each file that matches, in the order of their names."""


class _Bad(ValueError):
    """A fault with which sshd would not start."""


@frozen
class Line:
    """One line that says something.

    `keyword` is in lower case and never an old name; `included` are the lines of each included file.

    `problem` is why sshd would not start with it, as far as is known here; such a line says nothing.
    """

    path: str
    number: int
    keyword: str
    arguments: tuple[str, ...] = ()
    included: tuple[tuple[Line, ...], ...] = ()
    problem: str = ""

    @property
    def place(self) -> str:
        """Where it stands."""
        return f"{self.path} line {self.number}"


@frozen
class Settings:
    """The settings in force for a login: arguments by keyword, with the line that says so."""

    values: Mapping[str, tuple[str, ...]]
    places: Mapping[str, str]

    def words(self, keyword: str, default: Sequence[str] = ()) -> tuple[str, ...]:
        """All arguments."""
        return self.values.get(keyword, tuple(default))

    def word(self, keyword: str, default: str) -> str:
        """The one argument, as it is written."""
        return self.words(keyword, (default,))[0]

    def choice(self, keyword: str, default: str) -> str:
        """The one argument of those that are not told by case."""
        return self.word(keyword, default).lower()

    def said(self, keyword: str) -> str:
        """The setting as a line, with where it stands."""
        return f"{keyword} {' '.join(self.words(keyword))} ({self.places.get(keyword, 'the default')})"


# ---------------------------------------------------------------------------------------------------- reading


def parse(path: str, text: str, include: Include, depth: int = 0) -> tuple[Line, ...]:
    """The lines of a file, with those of the files that it includes."""
    return tuple(_lines(path, text, include, depth))


def problems(lines: Sequence[Line]) -> Iterator[tuple[str, str]]:
    """Place and problem of each line that sshd would not start with."""
    for line in lines:
        if line.problem:
            yield line.place, line.problem
        for file in line.included:
            yield from problems(file)


def all_said(lines: Sequence[Line], keyword: str) -> list[str]:
    """The arguments of every line with a keyword that stands outside of Match blocks, in order, those of
    included files in their place.
    """
    found: list[str] = []
    for line in lines:
        found += [" ".join(line.arguments)] if line.keyword == keyword else []
        for file in line.included:
            found += all_said(file, keyword)
    return found


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
        said = Line(path, number, keyword, arguments)
        yield replace(said, included=_included(said, include, depth)) if keyword == "include" else said


def patterns(line: Line) -> list[str]:
    """The absolute patterns that an Include line names."""
    return [word if word.startswith(("/", "~")) else f"/etc/ssh/{word}" for word in line.arguments]


def _included(line: Line, include: Include, depth: int) -> tuple[tuple[Line, ...], ...]:
    return tuple(
        parse(path, text, include, depth + 1) for pattern in patterns(line) for path, text in include(pattern)
    )


def _keyword(line: str) -> tuple[str, str]:
    found = _KEYWORD.fullmatch(line)
    said = "" if found is None else (found[1] or found[2] or "")
    keyword = ALIASES.get(said.lower(), said.lower())
    if found is None or keyword not in KNOWN:
        raise _Bad(f"sshd knows no {said or line.split(maxsplit=1)[0]}")
    return keyword, found[3]


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
    """Words as sshd splits them: quotes of both sorts, backslashes before quotes, backslashes and blanks, and
    comments at the end.
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
    """Pairs of criterion and pattern list, which is empty where there is none."""
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
    """The origins that make a difference, should nothing be known of one: none in particular, and one for
    each Match on addresses.
    """
    return [Origin(), *(Origin(block=place) for place in dict.fromkeys(_address_blocks(lines)))]


def has_blocks(lines: Sequence[Line]) -> bool:
    """Whether anything in it depends on who logs in."""
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
    taken: _Taken,
    login: Login | None,
    *,
    active: bool,
    outside: bool = False,
    never: bool = False,
) -> None:
    """Take what is active.

    `outside`: before the first Match, where only included Match blocks count; `never`: no block may hold.
    """
    for line in lines:
        if line.keyword == "match":
            active = not never and _holds(line, login)
            outside = False
        elif line.keyword == "include":
            for file in line.included:
                _walk(file, taken, login, active=active, outside=outside, never=not outside and not active)
        elif active:
            taken.take(line)


def _holds(line: Line, login: Login | None) -> bool:
    """Whether a Match line holds; without a login only `all` does."""
    criteria = list(_criteria(line.arguments))
    if login is None or not criteria:
        return criteria == [("all", "")]
    return all(_criterion(name, value, login, line.place) for name, value in criteria)


def _criterion(name: str, value: str, login: Login, place: str) -> bool:
    origin = login.origin
    if name in _ADDRESSES and not origin.address:
        return origin.block == place
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
    """The lines of a file that decide about logins, and nothing else: of a command only the program, for an
    argument may be a secret.
    """
    kept = []
    for raw in text.split("\n"):
        line = raw.strip(" \t\r\f")
        found = _KEYWORD.fullmatch(line)
        keyword = (found[1] or found[2] or "").lower() if found else ""
        if ALIASES.get(keyword, keyword) in DECISIVE:
            kept.append(f"{_without_arguments(line) if keyword == 'forcecommand' else line}\n")
    return "".join(kept)


def _without_arguments(line: str) -> str:
    keyword, program, *rest = [*line.replace("=", " ", 1).replace('"', "").split(), ""]
    return f"{keyword} {program}{' ?' if any(rest) else ''}"
