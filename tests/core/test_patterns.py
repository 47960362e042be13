"""`Late` is what `re.compile` makes, later."""

from __future__ import annotations

import re
from typing import Any

import pytest

from reconciler.core.basics.lazy_regex import Late

TEXT = "a=1, b=22; c"


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("match", (TEXT,)),
        ("match", (TEXT, 5)),
        ("search", (TEXT,)),
        ("search", (TEXT, 3)),
        ("fullmatch", ("a=1",)),
        ("fullmatch", (TEXT,)),
        ("finditer", (TEXT,)),
        ("findall", (TEXT,)),
        ("split", (TEXT,)),
        ("split", (TEXT, 1)),
        ("sub", ("x", TEXT)),
        ("sub", (lambda found: found[0].upper(), TEXT)),
    ],
)
def test_it_says_what_re_says(method: str, arguments: tuple[Any, ...]) -> None:
    """Each method gives what that of a compiled expression gives, flags included."""
    for pattern, flags in ((r"[A-Z]=(?:\d+)", re.IGNORECASE), (r"[, ;]+", 0)):
        one, other = (getattr(made(pattern, flags), method)(*arguments) for made in (Late, re.compile))
        if method == "finditer":
            one, other = ([(found.span(), found[0]) for found in all_found] for all_found in (one, other))
        if isinstance(other, re.Match):
            one, other = (one.span(), one.groups()), (other.span(), other.groups())

        assert other == one


def test_it_is_compiled_once_and_when_it_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is compiled before, not even what is wrong; and only once."""
    compiled: list[str] = []
    compile_it = re.compile

    def spy(text: str, flags: int = 0) -> re.Pattern[str]:
        compiled.append(text)
        return compile_it(text, flags)

    monkeypatch.setattr(re, "compile", spy)
    pattern = Late("x+")
    Late("(")

    assert [] == compiled

    pattern.search("xx")
    pattern.fullmatch("xx")

    assert ["x+"] == compiled
    with pytest.raises(re.error):
        Late("(").search("")
