"""Addresses: how a resource, or one part of it, is named in specs, plans and the ledger."""

from __future__ import annotations

import re
from typing import NamedTuple

from reconciler.core.basics.lazy_regex import Late

_PLAIN = re.compile(r"[A-Za-z0-9_:@-]+")
_ADDRESS = Late(
    r'(?P<kind>[a-z_]+)(?:\.(?P<plain>[A-Za-z0-9_:@-]+)|\["(?P<quoted>(?:[^"\\]|\\.)+)"\])(?:/(?P<part>.+))?',
    re.DOTALL,
)
_ESCAPED, _UNESCAPED = Late(r'["\\]'), Late(r"\\(.)", re.DOTALL)


class Address(NamedTuple):
    """`services.ml-api`, `files["/etc/x"]`, `users.alice/sudo`: the path in the YAML, then the part.

    Inside quotes a backslash stands before each quote and backslash: no name can end its own quotes.

    It is a tuple because a plan looks each address up some hundred times: tuples are hashed, compared and
    sorted without a call of Python.
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
        match = _ADDRESS.fullmatch(text)
        if match is None:
            raise ValueError(f'{text!r} is not an address; write services.NAME or files["/path"]')
        name = match["plain"] or _UNESCAPED.sub(r"\1", match["quoted"])
        return cls(match["kind"], name, match["part"] or "")


def _escaped(name: str) -> str:
    return name if '"' not in name and "\\" not in name else _ESCAPED.sub(r"\\\g<0>", name)
