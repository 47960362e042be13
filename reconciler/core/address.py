"""Addresses: how a resource, or one part of it, is named in specs, plans and the ledger."""

from __future__ import annotations

import re
from typing import NamedTuple

_PLAIN = re.compile(r"[A-Za-z0-9_:@-]+")
_ADDRESS = re.compile(
    r'(?P<kind>[a-z_]+)(?:\.(?P<plain>[A-Za-z0-9_:@-]+)|\["(?P<quoted>(?:[^"\\]|\\.)+)"\])(?:/(?P<part>.+))?',
    re.DOTALL,
)
_ESCAPED, _UNESCAPED = re.compile(r'["\\]'), re.compile(r"\\(.)", re.DOTALL)


class Address(NamedTuple):
    """`services.ml-api`, `files["/etc/x"]`, `users.alice/sudo`: the path in the YAML, then the part.

    In quotes a quote and a backslash have a backslash before them, so that no name ends its own quotes.

    A tuple, for a plan looks each of its addresses up some hundred times: a hash, a comparison and a sort
    without a call of Python.
    """

    kind: str
    name: str
    part: str = ""

    def __str__(self) -> str:
        is_plain = _PLAIN.fullmatch(self.name) is not None
        base = f"{self.kind}.{self.name}" if is_plain else f'{self.kind}["{_escaped(self.name)}"]'
        return f"{base}/{self.part}" if self.part else base

    @property
    def resource(self) -> Address:
        """The address of the whole resource that this part belongs to."""
        return Address(self.kind, self.name) if self.part else self

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read what `str()` prints. Raises ValueError with the expected form."""
        found = _ADDRESS.fullmatch(text)
        if found is None:
            raise ValueError(f'{text!r} is not an address; write services.NAME or files["/path"]')
        name = found["plain"] or _UNESCAPED.sub(r"\1", found["quoted"])
        return cls(found["kind"], name, found["part"] or "")


def _escaped(name: str) -> str:
    return name if '"' not in name and "\\" not in name else _ESCAPED.sub(r"\\\g<0>", name)
