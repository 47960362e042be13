"""The output of `apt-get --simulate`: lines that begin with Inst and Remv."""

from __future__ import annotations

import re

from reconciler.core.host import Transaction

_INSTALLED = re.compile(r"^Inst (\S+) (?:\[(\S*)\] )?\((\S+) ", re.MULTILINE)
_REMOVED = re.compile(r"^(?:Remv|Purg) (\S+)", re.MULTILINE)


def parse(text: str) -> Transaction:
    """The transaction that the lines tell."""
    lines = [match.groups() for match in _INSTALLED.finditer(text)]
    return Transaction(
        tuple(sorted((name, version) for name, before, version in lines if before is None)),
        tuple(sorted((name, before, version) for name, before, version in lines if before is not None)),
        tuple(sorted(_REMOVED.findall(text))),
    )
