"""Commands in the text of a shell script or in one argv: the files that they run, source or interpret.

This is a reading for a reviewer, not a shell: it expands only variables that the text itself sets, and knows
no control flow. A text that cannot be split is read as far as possible.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from reconciler.core.basics.frozen import frozen
from reconciler.core.basics.lazy_regex import Late
from reconciler.formats.shell_programs import (
    ARGUMENTS_RUN,
    AS_SOMEBODY,
    INTERPRETERS,
    LOADED,
    MODULES,
    OPTIONS_RUN,
    RUN,
    SHELLS,
    WRAPPERS,
)

_KEYWORDS = frozenset(
    (
        "if",
        "then",
        "elif",
        "else",
        "while",
        "until",
        "do",
        "!",
        "{",
        "time",
        "case",
        "in",
        "exec",
        "eval",
        "builtin",
    )
)
_ENDS = frozenset((";", ";;", "|", "||", "&", "&&", "(", ")", "|&", "\n"))
_ASSIGNMENT = Late(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
_VARIABLE = Late(r"\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))")
_MOST_NESTED = 6
_MOST = 200_000
"""The limit of characters that are read of a text, without its comments."""


@frozen
class Command:
    """One simple command."""

    words: tuple[str, ...]
    directory: str = ""
    """The directory in which it runs, as far as the text tells."""
    variables: Mapping[str, str] | None = None
    """The variables that are set in front of it or by earlier commands."""
    fed: tuple[str, ...] = ()
    """The sources of its standard input: the words of the commands before a `|`, the file behind a `<`."""


def commands(text: str, directory: str = "", variables: Mapping[str, str] | None = None) -> Iterator[Command]:
    """The simple commands of a script, in order. Assignments alone are commands without words."""
    values = dict(variables or {})
    for line in _lines(text):
        words: list[str] = []
        fed: tuple[str, ...] = ()
        for part in (*_tokens(line), "\n"):
            if part not in _ENDS:
                words.append(part)
                continue
            if words[:1] == ["for"] and words[2:3] == ["in"] and len(words) > 3:
                values[words[1]] = _joined(_expanded(words[3], values), directory)
            command = _command(words, directory, values, fed)
            fed = (*fed, *words) if part in ("|", "|&") else ()
            words = []
            if command is None:
                continue
            if command.words[:1] == ("cd",) and len(command.words) > 1:
                directory = _joined(command.words[-1], directory)
            yield command


def _lines(text: str) -> Iterator[str]:
    """Logical lines without comments; command substitutions with backticks are commands of their own."""
    budget = _MOST
    for line in re.sub(r"\\\n", " ", text).split("\n"):
        if not line.lstrip().startswith("#") and (budget := budget - len(line)) > 0:
            yield line.replace("`", " ; ").replace("$(", " ( ")


def _tokens(line: str) -> list[str]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars=";|&()<>")
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        return list(lexer)
    except ValueError:
        return re.split(r"[\s\"']+|(?<=[;|&()])|(?=[;|&()])", line)


def _command(
    words: Sequence[str], directory: str, values: dict[str, str], fed: tuple[str, ...]
) -> Command | None:
    fed = (*fed, *(_expanded(after, values) for word, after in pairwise(words) if word == "<"))
    plain = [_expanded(word, values) for word in _without_redirections(words) if word]
    while plain and plain[0] in _KEYWORDS:
        plain = plain[1:]
    own: dict[str, str] = {}
    exported = (
        plain[1:] if plain[:1] in (["export"], ["declare"], ["readonly"], ["local"], ["typeset"]) else plain
    )
    while exported and (assignment := _ASSIGNMENT.fullmatch(exported[0])):
        own[assignment[1]], exported = assignment[2], exported[1:]
    if own and exported is not plain:
        values.update(own)
    if not exported and not own:
        return None
    if not exported:
        values.update(own)
    return Command(tuple(exported), directory, {**values, **own}, fed)


def _without_redirections(words: Sequence[str]) -> Iterator[str]:
    skip = False
    for word in words:
        if skip:
            skip = False
        elif re.fullmatch(r"\d*(?:[<>]+[&|]?)", word):
            skip = True
        else:
            yield word


def _expanded(word: str, values: Mapping[str, str]) -> str:
    return (
        _VARIABLE.sub(lambda match: values.get(match[1] or match[2], match[0]), word) if "$" in word else word
    )


def _joined(path: str, directory: str) -> str:
    """The absolute path that a path means in a directory; unchanged where the directory is not known."""
    if path.startswith("~/"):
        return f"/root/{path[2:]}"
    if path.startswith(("/", "~")) or not directory:
        return path
    return f"{directory.rstrip('/')}/{path.removeprefix('./')}"


def run_files(words: Sequence[str], directory: str = "", depth: int = 0) -> Iterator[str]:
    """The absolute paths of the files that a command runs: the program, those that it runs in turn, and
    scripts that it interprets.

    The words are those of one argv. `directory` is the one in which it runs; it is among the paths where an
    interpreter imports modules from it.
    """
    if not words or depth > _MOST_NESTED:
        return
    program = _joined(words[0], directory) if "/" in words[0] else words[0]
    if program.startswith(("/", "~")):
        yield program
    yield from _run_in_turn(program.rpartition("/")[2], list(words[1:]), directory, depth)


def _run_in_turn(name: str, rest: list[str], directory: str, depth: int) -> Iterator[str]:
    """The files that a program of this name runs because of its arguments."""
    if name in AS_SOMEBODY:
        yield from _as_somebody(name, rest, directory, depth)
    elif name in WRAPPERS:
        yield from _wrapper(name, rest, directory, depth)
    elif name in SHELLS:
        yield from _shell(rest, directory, depth)
    elif INTERPRETERS.fullmatch(name):
        yield from _interpreted(name, rest, directory)
    elif name == "find":
        yield from _find(rest, directory, depth)
    elif name == "reconciler":
        yield from _specification(rest, directory)
    elif name in ARGUMENTS_RUN:
        yield from _paths([*rest, directory] if name == "make" else rest, directory)
    elif name in OPTIONS_RUN:
        yield from _paths(_values(rest, OPTIONS_RUN[name]), directory)


_SUBSTITUTED = Late(
    r"(?:\s-\w*c|\beval|\bsource|(?:^|[\s;&])\.)\s+[\"']?(?:\$\(|`|<\()\s*(?:cat|head|tail|<)\s*((?:~[\w-]*)?/[^\s)`\"']+)"
)
"""A command substitution whose output a shell runs, with the file that it reads."""


def _reads_commands(words: Sequence[str]) -> bool:
    """Whether a command runs its standard input."""
    name = words[0].rpartition("/")[2] if words else ""
    if name in ("at", "batch", "crontab"):
        return True
    if name in AS_SOMEBODY or name in WRAPPERS:
        return name in WRAPPERS and _reads_commands(wrapped(name, list(words[1:])))
    is_shell = name in SHELLS or INTERPRETERS.fullmatch(name) is not None
    return is_shell and all(
        word.startswith("-") and not word.endswith("c") for word in words[1:] if word != "-"
    )


def _wrapper(name: str, rest: list[str], directory: str, depth: int) -> Iterator[str]:
    """The files that the program behind a wrapper runs; the directory of chroot, and the file from which
    xargs takes the arguments of a shell.
    """
    if name == "chroot":
        yield from _paths([word for word in rest if not word.startswith("-")][:1], directory)
    elif name == "xargs" and not SHELLS.isdisjoint(rest):
        yield from _paths(_values(rest, ("-a", "--arg-file")), directory)
    yield from run_files(wrapped(name, rest), directory, depth + 1)


def _find(rest: list[str], directory: str, depth: int) -> Iterator[str]:
    """The files that find runs; if it runs the files that it finds, the directories in which it looks."""
    for at in (at for at, word in enumerate(rest) if word in ("-exec", "-execdir", "-ok", "-okdir")):
        argv = rest[at + 1 :]
        yield from run_files(argv, directory, depth + 1)
        program = argv[0].rpartition("/")[2] if argv else ""
        if program == "{}" or (
            argv[1:2] == ["{}"] and (program in SHELLS or INTERPRETERS.fullmatch(program))
        ):
            yield from _paths([word for word in rest[:at] if word.startswith(("/", "~"))], directory)


def text_files(
    text: str, directory: str = "", depth: int = 0, variables: Mapping[str, str] | None = None
) -> Iterator[str]:
    """The absolute paths of the files that a text of the shell runs, and of those that programs load or run
    because of its variables.
    """
    for command in commands(text, directory, variables):
        yield from variable_files(command.variables or {})
        if command.words and command.words[0] == "alias":
            for word in command.words[1:]:
                yield from (
                    text_files(word.partition("=")[2], command.directory, depth + 1)
                    if depth < _MOST_NESTED
                    else ()
                )
            continue
        yield from run_files(command.words, command.directory, depth)
        if command.fed and _reads_commands(command.words):
            yield from _paths(command.fed, command.directory)
    yield from (match[1] for match in _SUBSTITUTED.finditer(text) if depth == 0)


def variable_files(variables: Mapping[str, str]) -> Iterator[str]:
    """The files and directories that programs load from because of variables of these names."""
    for name in (*LOADED, *RUN):
        for piece in re.split(r"[:\s]", variables.get(name, "")) if name in variables else ():
            if piece.startswith("/") and piece.strip("/"):
                yield piece.rstrip("/")
    for name in ("PROMPT_COMMAND",):
        if name in variables:
            yield from text_files(variables[name], depth=_MOST_NESTED)


def wrapped(name: str, rest: list[str]) -> list[str]:
    """The argv that a wrapper of this name runs, from the words that follow the wrapper; empty where it runs
    none.
    """
    valued, before = WRAPPERS[name]
    while rest:
        word = rest[0]
        if word == "--":
            rest = rest[1:]
            break
        if word.startswith("-") and len(word) > 1:
            takes = not word.startswith("--") and len(word) == 2 and word[1] in valued
            if name == "env" and word in ("-S", "--split-string") and len(rest) > 1:
                return [*rest[1].split(), *rest[2:]]
            rest = rest[2:] if takes else rest[1:]
        elif _ASSIGNMENT.fullmatch(word):
            rest = rest[1:]
        else:
            break
    rest = rest[before:]
    return rest[2:] if name == "flock" and rest[:1] == ["-c"] else rest


def _as_somebody(name: str, rest: list[str], directory: str, depth: int) -> Iterator[str]:
    """The files that a command runs that goes on as root: `sudo -u alice` does not."""
    who, command = "root", list(rest)
    if name in ("gosu", "setuidgid", "chpst", "s6-setuidgid", "start-as"):
        return
    for at, word in enumerate(rest):
        if word in ("-u", "--user") and at + 1 < len(rest):
            who, command = rest[at + 1], rest[at + 2 :]
        elif word.startswith("--user="):
            who = word.partition("=")[2]
    if name in ("su", "runuser"):
        names = [
            word
            for at, word in enumerate(rest)
            if not word.startswith("-") and (at == 0 or rest[at - 1] not in ("-c", "-s", "-g", "-u"))
        ]
        who = who if who != "root" or "-u" in rest else next(iter(names), "root")
        text = next((rest[at + 1] for at, word in enumerate(rest[:-1]) if word in ("-c", "--command")), "")
        if who == "root" and text:
            yield from text_files(text, directory, depth + 1)
            return
    if who != "root":
        return
    while command and (command[0].startswith("-") or _ASSIGNMENT.fullmatch(command[0])):
        command = command[1:]
    yield from run_files(command, directory, depth + 1)


def _specification(rest: Sequence[str], directory: str) -> Iterator[str]:
    """The paths of the specification that `reconciler apply` reads: no other command of ours changes a
    host by a file that it names.
    """
    if rest[:1] != ["apply"]:
        return
    for before, word in pairwise(rest):
        path = _joined(word, directory)
        if path.startswith("/") and (before in _OF_APPLY or not before.startswith("-")):
            yield from specification_places(path, commit="--commit" in rest)


_OF_APPLY = ("--auto-approve", "--report", "--adopt", "--json")
"""Options of an apply that have no value."""
_GIT = ("HEAD", "config", "objects", "packed-refs", "refs", "refs/heads")


def specification_places(path: str, *, commit: bool) -> Iterator[str]:
    """The paths that decide about the specification: the file, or the repositories that it may be in where it
    is read from a commit.
    """
    if not commit:
        yield path
        return
    while path := path.rpartition("/")[0]:
        yield from (f"{path}/.git/{name}" for name in _GIT)


def _shell(rest: list[str], directory: str, depth: int) -> Iterator[str]:
    while rest and rest[0].startswith(("-", "+")):
        option, rest = rest[0], rest[1:]
        if option in ("--rcfile", "--init-file") and rest:
            yield _joined(rest[0], directory)
            rest = rest[1:]
        elif not option.startswith("--") and option.endswith("c"):
            yield from text_files(rest[0], directory, depth + 1) if rest and depth < _MOST_NESTED else ()
            yield from run_files(rest[2:], directory, depth + 1) if rest and '"$@"' in rest[0] else ()
            return
        elif option in ("-o", "+o", "-O") and rest:
            rest = rest[1:]
    if rest and "/" in (script := _joined(rest[0], directory)):
        yield script


def _interpreted(name: str, rest: list[str], directory: str) -> Iterator[str]:
    for at, word in enumerate(rest):
        if word == "-m" and MODULES.fullmatch(name):
            yield from [directory] if directory else ()
            return
        if word in ("-c", "-e", "-E", "-r"):
            return
        if word.startswith("-"):
            continue
        if at and rest[at - 1] in ("-W", "-X", "-I", "--require", "--import"):
            continue
        script = _joined(word, directory)
        yield from [script] if script.startswith("/") else ()
        return


def _values(rest: Sequence[str], options: Sequence[str]) -> list[str]:
    """The values of these options, in the next word, behind `=`, or a path right behind a letter."""
    following = [rest[at + 1] for at, word in enumerate(rest[:-1]) if word in options]
    following += [word[2:] for word in rest if word[:2] in options and word[2:3] == "/"]
    return following + [
        word.partition("=")[2] for word in rest if "=" in word and word.partition("=")[0] in options
    ]


def _paths(rest: Sequence[str], directory: str) -> Iterator[str]:
    for word in rest:
        match = re.search(r"(?:^|[=@])((?:/|\./|~[\w-]*/).*)", word)
        path = _joined(match[1], directory) if match else ""
        if path.startswith(("/", "~")) and path.strip("/"):
            yield path
