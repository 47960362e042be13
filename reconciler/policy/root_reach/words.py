"""Words of an argv: operands, values of options, sources and destinations."""

from __future__ import annotations

from collections.abc import Sequence


def operands_of(arguments: Sequence[str], valued: Sequence[str] = ()) -> list[str]:
    """The words that are neither options nor the values of these `valued` options."""
    return [
        word
        for at, word in enumerate(arguments)
        if (word == "-" or not word.startswith("-")) and not (at and arguments[at - 1] in valued)
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


def from_to(arguments: Sequence[str]) -> tuple[list[str], str]:
    """The sources and the destination of cp(1) and its like."""
    target = value_of(arguments, ("-t", "--target-directory"))
    operands = operands_of(arguments, _COPY_VALUES)
    return (operands, target) if target else (operands[:-1], operands[-1] if operands else "")


def value_of(arguments: Sequence[str], options: Sequence[str]) -> str:
    """The value of one of these options; empty where none is given."""
    following = next((arguments[at + 1] for at, word in enumerate(arguments[:-1]) if word in options), "")
    joined = (
        word.partition("=")[2] for word in arguments if "=" in word and word.partition("=")[0] in options
    )
    return following or next(joined, "")
