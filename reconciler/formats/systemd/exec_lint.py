"""The silent faults of command lines that people write in systemd's own syntax (`unit.lint_exec`)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from reconciler.core.basics.lazy_regex import Late
from reconciler.formats.systemd.exec_words import Word, words
from reconciler.formats.systemd.unit_syntax import BLANK, not_utf8

SPECIFIERS = frozenset("aAbBcCdEfgGhHiIjJlLmMnNopPqrRsStTuUvVwWyY%")
"""The specifiers of systemd 252 (systemd.unit(5))."""

_NOTES = dict.fromkeys("crR", "is deprecated: it gives a path of control groups; drop it") | dict.fromkeys(
    "uUgGhs", "is that of root in a system service, whatever User= says; write the name or path itself"
)
_CONTROL = Late("[\x00-\x1f\x7f-\x9f]")
_PREFIXES = Late(r"[-@:+!]*")
_PATH_TABOO = Late("""["'\\\\]""")
_OPERATOR = Late(r"\|\|?|&&?|&>.*|\d*(?:>>?|<<?).*")
_VARIABLE_INSIDE = Late(r"(?<!\$)(?:\$\$)*(?P<name>\$[A-Za-z_][A-Za-z0-9_]*)")
_SUBSTITUTION = Late(r"(?<!\$)(?:\$\$)*\$\(")
_DEFAULT = Late(r"(?<!\$)(?:\$\$)*\$\{[A-Za-z_][A-Za-z0-9_]*[^A-Za-z0-9_}][^}]*\}")
_DATE = Late(r"%[Yy]\W?%m|%[md]\W?%[dmYy]|%H:?%M|\+%")
_SHELLS = frozenset({"sh", "bash", "dash", "ksh", "zsh", "busybox"})


def lint(line: str, *, several: bool) -> list[str]:
    """As `exec_line.lint_exec`."""
    faults = list(_lint_line(line))
    if faults:
        return faults
    try:
        split = words(line)
    except ValueError as problem:
        return [str(problem)]
    commands = _commands(split)
    if len(commands) > 1 and not several:
        faults.append(
            'a lone ; starts a second command, which only Type=oneshot may have: write ";" in quotes, or a'
            " list of commands"
        )
    for command in commands:
        faults += _lint_command(command)
    return list(dict.fromkeys(faults))


def _lint_line(line: str) -> Iterator[str]:
    """Faults of the line as a whole: with one of them its words mean nothing."""
    if not line.strip(BLANK):
        yield "the command is empty: write the absolute path of a program"
        return
    control = _CONTROL.search(line)
    if control:
        yield (
            f"it holds the control character {control[0]!a}: systemd ends the line at line breaks and NUL;"
            " write one line"
        )
    elif not_utf8(line):
        yield "it holds a code point that is no character: systemd would not load the unit; remove it"
    elif line != line.strip(BLANK):
        yield "blanks at the beginning or end are dropped by systemd: remove them"


def _commands(split: list[Word]) -> list[list[Word]]:
    commands: list[list[Word]] = [[]]
    for word in split:
        if word.raw == ";":
            commands.append([])
        else:
            commands[-1].append(word)
    return [command for command in commands if command] or [[]]


def _lint_command(command: list[Word]) -> Iterator[str]:
    if not command:
        yield "there is only a ; and no command: write the absolute path of a program"
        return
    prefix, program = _program(command[0].text)
    yield from _lint_program(prefix, program)
    shell = program.rpartition("/")[2] in _SHELLS
    for word in command[1:]:
        yield from _lint_shell_syntax(word)
        if not shell and ":" not in prefix:
            yield from _lint_variables(word)
    for word in command:
        yield from _lint_specifiers(word)


def _program(first: str) -> tuple[str, str]:
    match = _PREFIXES.match(first)
    end = match.end() if match else 0
    return first[:end], first[end:]


def _lint_program(prefix: str, program: str) -> Iterator[str]:
    if "+" in prefix or "!" in prefix:
        sign = "+" if "+" in prefix else "!"
        yield f"the prefix {sign} runs the command with root's privileges in spite of User=: remove it"
    if "$" in program:
        yield f"{program!r}: variables are not expanded in the path of the program; write it out"
    elif not program.startswith(("/", "%")):
        hint = "~ is not expanded" if program.startswith("~") else "there is no $PATH to rely on"
        yield (
            f"{program or prefix!r} is not an absolute path ({hint}): write /usr/bin/... (`command -v`"
            " shows it)"
        )
    elif program.endswith("/"):
        yield f"{program!r} is a directory, not a program"
    if _PATH_TABOO.search(program):
        yield f"{program!r}: systemd accepts no quotes and backslashes in the path of a program"


def _lint_shell_syntax(word: Word) -> Iterator[str]:
    """Words that only a shell would expand, unless quotes say that the characters are intended."""
    if word.quoted:
        return
    text = word.text
    if _OPERATOR.fullmatch(text):
        yield (
            f"{text} is passed to the program as it stands, there is no shell: use [/bin/sh, -c, ...], or"
            " quotes if that is meant"
        )
    elif text.startswith("#"):
        yield (
            f"{text} is passed to the program, no comment ends a command: make it one of the spec, or use"
            " quotes if that is meant"
        )
    elif text.startswith("~"):
        yield f"{text} is not expanded, there is no shell: write the absolute path, or quotes if ~ is meant"
    elif "`" in text:
        yield f"{text} is not executed, there is no shell: use [/bin/sh, -c, ...], or quotes if that is meant"
    elif "*" in text or "?" in text:
        yield (
            f"{text} is not expanded to file names, there is no shell: use [/bin/sh, -c, ...], or quotes if"
            " the character is meant"
        )


def _lint_variables(word: Word) -> Iterator[str]:
    """Variables that are not expanded: $A must be a word of its own (and is split at blanks), inside a
    word only ${A} is.
    """
    inside = _VARIABLE_INSIDE.search(word.text)
    if inside and inside["name"] != word.text:
        name = inside["name"][1:]
        yield (
            f"${name} inside {word.raw} is not expanded: write ${{{name}}}, or $${name} if the characters are"
            " meant"
        )
    if _SUBSTITUTION.search(word.text):
        yield (
            f"{word.raw} is not executed, there is no shell: use [/bin/sh, -c, ...], or $$ if the characters"
            " are meant"
        )
    default = _DEFAULT.search(word.text)
    if default:
        yield (
            f"{default[0]} is not expanded: systemd has no defaults or operators in ${{...}}; set the"
            " variable in `environment`"
        )


def _lint_specifiers(word: Word) -> Iterator[str]:
    text = word.text.replace("%%", "")
    if _DATE.search(text):
        yield (
            f"{word.raw} looks like a date format, but systemd replaces %Y, %m, %d and others with its own"
            " values: write %% for each %"
        )
        return
    for letter in dict.fromkeys(re.findall("%([A-Za-z0-9])", text)):
        if letter not in SPECIFIERS:
            yield (
                f"%{letter} is no specifier, and the unit would not load: write %%{letter} if the characters"
                " are meant"
            )
        elif letter in _NOTES:
            yield f"%{letter} {_NOTES[letter]}"
