"""Editing a text file line by line, leaving every other byte as it is."""

from __future__ import annotations

import re
from collections.abc import Sequence

from reconciler.core.basics.digest import digest

_LINE = re.compile(rb"[^\n]*\n|[^\n]+\Z")
_TEXT = ("utf-8", "surrogateescape")


def edited(content: bytes, add: Sequence[str], remove: Sequence[str]) -> bytes:
    r"""The content without the lines in `remove`; those in `add` that it then lacks are at its end.

    Lines are compared whole, without `\n` or `\r\n`; `remove` may also name one by its digest
    (`core.basics.digest`). A missing end of the last line is added only together with a line.
    """
    unwanted = {line.encode(*_TEXT) for line in remove}
    digests = {line for line in remove if line.startswith("sha256:")}

    def is_unwanted(line: bytes) -> bool:
        return line in unwanted or (bool(digests) and digest(line) in digests)

    # Not splitlines: that would also end a line at a lone carriage return.
    lines = _LINE.findall(content)
    result = b"".join(line for line in lines if not is_unwanted(_text(line))) if remove else content
    present = {_text(line) for line in _LINE.findall(result)}
    new = [line for line in (text.encode(*_TEXT) for text in dict.fromkeys(add)) if line not in present]
    if not new:
        return result
    return b"".join(
        (result, b"\n" if result and not result.endswith(b"\n") else b"", *(line + b"\n" for line in new))
    )


def _text(line: bytes) -> bytes:
    return line.removesuffix(b"\n").removesuffix(b"\r")
