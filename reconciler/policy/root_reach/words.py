"""Words of an argv: operands, values of options, sources and destinations."""

from __future__ import annotations

from collections.abc import Sequence


def operands_of(rest: Sequence[str], valued: Sequence[str] = ()) -> list[str]:
    """The words that are no options, nor values of these options."""
    return [
        word
        for at, word in enumerate(rest)
        if (word == "-" or not word.startswith("-")) and not (at and rest[at - 1] in valued)
    ]


_COPY_VALUES = (
    "-t",
    "-m",
    "-o",
    "-g",
    "-S",
    "-e",
    "--rsh",
    "--mode",
    "--owner",
    "--group",
    "--exclude",
    "--include",
    "-i",
    "-P",
    "-l",
)


def from_to(rest: Sequence[str]) -> tuple[list[str], str]:
    """The sources and the destination of cp(1) and its like."""
    target = value_of(rest, ("-t", "--target-directory"))
    operands = operands_of(rest, _COPY_VALUES)
    return (operands, target) if target else (operands[:-1], operands[-1] if operands else "")


def value_of(rest: Sequence[str], options: Sequence[str]) -> str:
    """The value of one of these options; empty where none is given."""
    following = next((rest[at + 1] for at, word in enumerate(rest[:-1]) if word in options), "")
    joined = (word.partition("=")[2] for word in rest if "=" in word and word.partition("=")[0] in options)
    return following or next(joined, "")
