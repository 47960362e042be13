"""Text from outside in Markdown (CommonMark, as GitHub and GitLab extend it).

It only ever stands in code: in a code span or in a fenced block, where nothing is a link, an element, a
mention or a heading. A run of backticks, which could end the code, is always shorter than the run that does.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from reconciler.core.basics.lazy_regex import Late
from reconciler.render.terminal import visible

_RUNS = Late(r"`+")
_HOST = Late(r"(?!www\.)[A-Za-z0-9]+(?:[.-][A-Za-z0-9]+)*", re.IGNORECASE)
_WIDTH = 200
"""Characters of one value in a list."""


def size(text: str) -> int:
    """The size that a text counts towards the limit of a comment.

    It is in bytes: a forge may count characters, which are never more.
    """
    return len(text.encode("utf-8", "replace"))


def cut(text: str, width: int) -> str:
    """The text, or its beginning and the number of characters left out if it is too long."""
    return text if len(text) <= width else f"{text[:width]}… ({len(text) - width} more characters)"


def code(text: str, width: int = _WIDTH) -> str:
    """A code span."""
    shown = cut(visible(text), width)
    if not shown.strip():
        return "(empty)"
    ticks = "`" * (_longest(shown) + 1)
    space = " " if shown[0] in " `" or shown[-1] in " `" else ""
    return f"{ticks}{space}{shown}{space}{ticks}"


def fenced(lines: Sequence[str], language: str = "") -> list[str]:
    """A fenced block. The lines must be visible text."""
    ticks = "`" * max(3, _longest("\n".join(lines)) + 1)
    return [f"{ticks}{language}", *lines, ticks]


def _longest(text: str) -> int:
    return max(map(len, _RUNS.findall(text)), default=0)


def host_name(text: str) -> str:
    """The name of a host in a heading: as it is where it is a plain name, in code otherwise."""
    return text if len(text) <= 64 and _HOST.fullmatch(text) else code(text, 64)


def marker(kind: str, host: str, digest: str) -> str:
    """The hidden first line by which a comment is found again. It holds nothing that could end it."""
    return f"<!-- reconciler {kind} host={_word(host)} digest={_word(digest)} -->"


def _word(text: str) -> str:
    plain = re.sub(
        r"[^A-Za-z0-9.:_-]|--+", lambda found: "".join(f"%{ord(char):02X}" for char in found[0]), text
    )
    return plain[:100] or "none"


def link(title: str, address: str) -> str:
    """A link, if the address is one of the web and plain; otherwise only the title."""
    return (
        f"[{title}]({address})"
        if re.fullmatch(r"https?://[A-Za-z0-9./_~%?=&#:+-]{1,500}", address)
        else title
    )


def capped(rows: Sequence[str], budget: int, more: str) -> list[str]:
    """The first rows that fit into so many bytes, and `more` with the number of the others for its `{}`."""
    shown: list[str] = []
    for row in rows:
        budget -= size(row) + 1
        if budget < 0:
            break
        shown.append(row)
    rest = len(rows) - len(shown)
    return [*shown, more.format(f"{rest:,}")] if rest else shown


def folded(title: str, body: Sequence[str]) -> list[str]:
    """The lines of a section that is folded until its title, a text of ours, is clicked."""
    return ["<details>", f"<summary>{title}</summary>", "", *body, "", "</details>"]
