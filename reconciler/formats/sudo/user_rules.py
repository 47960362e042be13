"""Rules of sudo for one user: a strict part of sudoers(5), rendered and read back.

Commands that sudo cannot tell apart are refused rather than approximated: it compares the arguments of a
command as one line of text, so an argument with a space in it would also allow two arguments. Wildcards,
backslashes and regular expressions stand only for themselves here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from reconciler.core.basics.frozen import frozen
from reconciler.core.basics.lazy_regex import Late

ALL = "ALL"
_PATH = Late(r"/[A-Za-z0-9_./+@%,:=~-]*[A-Za-z0-9_+@%,:=~-]")
_NOT_IN_ARGUMENTS = Late(r"[\s\\\x00-\x1f\x7f-\x9f]")
_SPECIAL = Late(r"([:,=#*?\[\]!^])")
_ESCAPED = Late(r"\\([:,=#*?\[\]!^])")
_SPECIAL_IN_PATH = Late(r"([:,=])")
_NAME = r"[a-z_][a-z0-9_-]{0,30}"
_LINE = Late(rf"(?P<user>{_NAME}) ALL=\((?P<runas>ALL|{_NAME})\) (?P<tag>PASSWD|NOPASSWD): (?P<command>\S.*)")
_NO_ARGUMENTS = '""'
_HEADER = (
    "# Managed by Reconciler as {address}.",
    "# Change the spec instead: what is changed here is put back.",
)


@frozen
class Rule:
    """One command that a user may run."""

    run: tuple[str, ...] | None
    """Exactly this argv; None: anything."""
    runas: str = "root"
    """The user to run it as, or ALL."""
    password: bool = True
    """Whether the user's own password is asked for."""


def problem(run: Sequence[str]) -> str:
    """Why this argv cannot be a rule; empty if it can."""
    if not run or not _PATH.fullmatch(run[0]) or any(part in (".", "..") for part in run[0].split("/")):
        return (
            "the first word must be the absolute path of a program, in letters, digits and _ . / + @ % , :"
            " = ~ -"
        )
    for number, word in enumerate(run[1:], start=1):
        if not word:
            return "an empty argument cannot be told from none by sudo"
        if _NOT_IN_ARGUMENTS.search(word):
            reason = (
                "has a space, a backslash or a control character, which sudo cannot tell from two arguments"
                " or an escape"
            )
            return f"argument {number} {reason}"  # not quoted: it may be a secret
    return ""


def render(user: str, rules: Sequence[Rule], address: str) -> str:
    """The text of a drop-in for one user.

    Raises ValueError for rules that cannot be written, or would not be read back as the same ones.
    """
    lines = [line.format(address=address) for line in _HEADER]
    lines += [
        f"{user} ALL=({rule.runas}) {'PASSWD' if rule.password else 'NOPASSWD'}: {_command(rule)}"
        for rule in rules
    ]
    text = "\n".join(lines) + "\n"
    if parse(text) != [(user, rule) for rule in rules]:
        raise ValueError("these rules cannot be written so that they mean what they say")
    return text


def parse(text: str) -> list[tuple[str, Rule]]:
    """The rules in a drop-in of this form. Raises ValueError with the first line of another form."""
    return [_rule(line) for line in text.split("\n") if line and not line.startswith("# ")]


def _command(rule: Rule) -> str:
    if rule.run is None:
        return ALL
    why = problem(rule.run)
    if why:
        raise ValueError(why)
    path, *arguments = rule.run
    words = [_SPECIAL_IN_PATH.sub(r"\\\1", path), *(_SPECIAL.sub(r"\\\1", word) for word in arguments)]
    # A command alone would allow any arguments (sudoers(5)).
    return " ".join(words if arguments else [*words, _NO_ARGUMENTS])


def _rule(line: str) -> tuple[str, Rule]:
    match = _LINE.fullmatch(line)
    if match is None:
        raise ValueError(f"not a rule of ours: {line!r}")
    command = match["command"]
    run = (
        None
        if command == ALL
        else tuple(_ESCAPED.sub(r"\1", word) for word in command.removesuffix(f" {_NO_ARGUMENTS}").split(" "))
    )
    if run is not None and (problem(run) or re.search(r"\\", _ESCAPED.sub("", command))):
        raise ValueError(f"not a rule of ours: {line!r}")
    return match["user"], Rule(run, match["runas"], match["tag"] == "PASSWD")
