"""The tutorial, run: its files are saved and its commands executed in order, by an ordinary user.

To write what they print into the page: `python -m tests.tutorial`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tests.ordinary import REPOSITORY, Ordinary, ordinary

PAGE = REPOSITORY / "docs/tutorial.md"
_BLOCK = re.compile(
    r"(?P<before>[^\n]*\n)?\n?```(?P<language>yaml|console)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
_SAVED = re.compile(r"as `([^`]+)`")
_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC")
_TOOK = re.compile(r"  \d+ s ")


@dataclass(frozen=True, slots=True)
class Command:
    """A command of the page: the line to type, the output shown under it, and the files that have been saved
    since the command before.
    """

    line: str
    shown: str
    files: tuple[tuple[str, str], ...] = ()


def commands(page: str) -> Iterator[Command]:
    """Every command of the page in order."""
    saved: list[tuple[str, str]] = []
    for block in _BLOCK.finditer(page):
        if block["language"] == "yaml":
            name = _SAVED.search(block["before"] or "")
            assert name is not None, f"where is this saved: {block['text'][:60]}"
            saved.append((name[1], block["text"]))
            continue
        for part in re.split(r"^\$ ", block["text"], flags=re.MULTILINE)[1:]:
            line, _, shown = part.partition("\n")
            yield Command(line, shown, tuple(saved))
            saved.clear()


def execute(command: Command, user: Ordinary) -> str:
    """The output of the command there, with the moment, the duration and the reader's name as the page has
    them.
    """
    for name, text in command.files:
        (user.place / name).write_text(text)
    user.own()
    said = user.run("/bin/bash", "-c", f"umask 022; {command.line}").stdout
    return plain(re.sub(r"  nobody$", "  alice", said, flags=re.MULTILINE))


def plain(text: str) -> str:
    """Without what is another each time."""
    return _TOOK.sub("  0 s ", _TIME.sub("2026-11-23 09:30:00 UTC", text)).strip("\n")


def written(page: str, user: Ordinary) -> str:
    """The page with what its commands print now."""
    said = iter([execute(command, user) for command in commands(page)])

    def block(found: re.Match[str]) -> str:
        if found["language"] == "yaml":
            return found[0]
        lines = [part.partition("\n")[0] for part in re.split(r"^\$ ", found["text"], flags=re.MULTILINE)[1:]]
        parts = [f"$ {line}\n{text}\n" if (text := next(said)) else f"$ {line}\n" for line in lines]
        return f"{found['before'] or ''}\n```console\n{''.join(parts)}```"

    return _BLOCK.sub(block, page)


if __name__ == "__main__":
    with ordinary() as somebody:
        PAGE.write_text(written(PAGE.read_text(), somebody))
