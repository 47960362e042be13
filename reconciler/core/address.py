"""Addresses: how a resource, or one part of it, is named in specs, plans and the ledger."""

from __future__ import annotations

import re
from typing import NamedTuple

_PLAIN = re.compile(r"[A-Za-z0-9_:@-]+")
_ADDRESS = re.compile(
    r'(?P<kind>[a-z_]+)(?:\.(?P<plain>[A-Za-z0-9_:@-]+)|\["(?P<quoted>[^"]+)"\])(?:/(?P<part>.+))?'
)


class Address(NamedTuple):
    """`services.ml-api`, `files["/etc/x"]`, `users.alice/sudo`: the path in the YAML, then the part.

    A tuple, for a plan looks each of its addresses up some hundred times: a hash, a comparison and a sort
    without a call of Python.
    """

    kind: str
    name: str
    part: str = ""

    def __str__(self) -> str:
        base = f"{self.kind}.{self.name}" if _PLAIN.fullmatch(self.name) else f'{self.kind}["{self.name}"]'
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
        return cls(found["kind"], found["plain"] or found["quoted"], found["part"] or "")
