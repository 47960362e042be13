"""From the models: for every kind and every field a valid resource that uses it.

A new field, or kind, is covered by itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, get_args, get_origin
from unittest import mock

import reconciler.spec.load
from reconciler.kinds import discover
from reconciler.spec.annotations import fields_of, is_model, members
from reconciler.spec.load import load
from reconciler.spec.model import host_model
from tests.case import FOLDER, read
from tests.spec.fakes import DictReader

_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEy u"
_NAMED: dict[str, tuple[str, dict[str, Any]]] = {
    "audit": ("policy", {"schedule": "daily"}),
    "backups": ("b", {"sources": ["/data/x"], "destinations": ["/backup/x"], "schedule": "daily"}),
    "directories": ("/srv/d", {"mode": "0755"}),
    "files": ("/etc/f", {"content": "x", "mode": "0644"}),
    "groups": ("g", {}),
    "logrotate": ("app", {"paths": ["/var/log/app.log"]}),
    "services": ("s", {"exec_start": ["/usr/bin/true"]}),
    "ssh_keys": ("u", {"keys": [_KEY]}),
    "timers": ("t", {"schedule": "daily", "exec_start": ["/usr/bin/true"]}),
    "users": ("u", {}),
}
"""The least that a kind needs, where the names and values that tests go by are these: name and resource."""


def _of_case(kind: str) -> tuple[str, dict[str, Any]]:
    """The first resource of the kind in `tests/cases/KIND/create.yaml`, which is therefore there."""
    name, resource = next(iter(read(FOLDER / kind / "create.yaml")["spec"][kind].items()))
    if not isinstance(resource, dict):
        raise TypeError(
            f"write the fields of {kind}.{name} in tests/cases/{kind}/create.yaml, not their short form"
        )
    return name, resource


BASES = {kind: _NAMED.get(kind) or _of_case(kind) for kind in discover()}
"""Name and resource of each kind, the least or that of its first case: a new kind is covered by itself."""

CANDIDATES = (
    *("x", "/x", "x.service", "10s", "5", "0644", "no", "exec", "/dev/null rw", "50%", "masked"),
    *(_KEY, "2027-01-31", "localhost:80", "any", "/home/u", "absent", "ALL", "10.0.0.0/8"),
    *("always", "gzip", "daily", "timer", "UTC", "host", "-%Y%m%d"),
    *("running", "restart", "none", "enforce", "source.txt", "/usr/bin/true x", "30d"),
    *("x.slice", "continue", "closed", "local", "warn", "http://localhost/x", "rest:https://x/"),
    *("sftp://x@x/y", "sftp:x@x:/y", "idle", "10M", "uid-0", "high"),
)
"""One of these is valid wherever text is."""
_RESTIC = {"engine": "restic", "password_file": "/root/restic.pass"}
LEAST: dict[str, dict[str, Any]] = {
    "Repository": {"url": "sftp:backup@host:/srv", "host_key": _KEY, "identity_file": "/root/x"},
    "SftpDirectory": {"url": "sftp://x@x/x", "host_key": _KEY, "identity_file": "/root/x"},
    "ForeignHome": {"path": "/srv/x", "manage": False},
    "Create": {"mode": "0640", "owner": "root", "group": "root"},
    "Hook": {"run": ["/usr/bin/true"]},
    "RestrictedKey": {"key": _KEY, "cert_authority": True},
    "SudoRule": {"run": ["/usr/bin/true"]},
    "Waiver": {"check": "uid-0", "why": "x", "until": "2027-01-31"},
    "SwitchUser": {"user": "root", "group": "root"},
}
"""The keys that a block in a resource cannot do without."""
WITH: dict[tuple[str, str], dict[str, Any]] = {
    ("backups", "destinations"): _RESTIC,
    ("backups", "full_every"): {"type": "incremental"},
    ("backups", "password_file"): {"engine": "restic"},
    ("logrotate", "dateformat"): {"dateext": True},
    ("users", "state"): {"home": "keep"},
}
"""The keys that a field cannot do without."""
WITHOUT = {("files", "source"): ("content",), ("ssh_keys", "exactly"): ("keys",)}
"""Keys of the base that exclude a field."""

KNOWN: dict[tuple[str, str], tuple[str, ...]] = {
    ("services", "unit"): ("own",),
    ("services", "directives"): ("Service", "OOMScoreAdjust", "5"),
    ("timers", "directives"): ("Service", "OOMScoreAdjust", "5"),
    ("backups", "directives"): ("Service", "OOMScoreAdjust", "5"),
}
"""Texts for the places of one value that only go together."""
MODEL = host_model(discover())

Shape = tuple[str, ...]
"""How text is nested in a value, from the outside: `list`, `map`, and `.MODEL.FIELD` for a field of a block
in the resource.
"""


@dataclass(frozen=True, slots=True)
class Place:
    """One place for text in a field.

    `texts` are valid texts for all places of the value (empty: none are known), `at` is its number.
    """

    kind: str
    field: str
    shape: Shape
    texts: tuple[str, ...]
    at: int

    def __str__(self) -> str:
        return ".".join((self.kind, self.field, *self.shape, str(self.at)))

    @property
    def valid(self) -> str:
        """The text that may stand here."""
        return self.texts[self.at]

    def spec(self, text: str) -> str:
        """A spec with this text at this place, on line 5."""
        texts = (*self.texts[: self.at], text, *self.texts[self.at + 1 :])
        return spec_with(self.kind, self.field, json.dumps(_build(self.shape, texts)))


def spec_with(kind: str, field: str, value: str) -> str:
    """A spec whose resource has the field, in YAML, on line 5 (and the base's other fields after it)."""
    name, base = BASES[kind]
    without = (field, *WITHOUT.get((kind, field), ()))
    needed = WITH.get((kind, field), {})
    if needed is _RESTIC and "sftp://" in value:  # a destination of tar's
        needed = {}
    rest = "".join(
        f"    {key}: {json.dumps(item)}\n" for key, item in {**base, **needed}.items() if key not in without
    )
    block = f"    # {name}" if discover()[kind].single else f"  {name}:"
    return f"version: 1\nhost: h1\n{kind}:\n{block}\n    {field}: {value}\n{rest}"


def fields() -> list[tuple[str, str]]:
    """Every field of every kind."""
    return [(kind.name, field) for kind in discover().values() for field in fields_of(kind.model)]


def is_valid(text: str) -> bool:
    """Whether the loader takes this spec."""
    with mock.patch.object(reconciler.spec.load, "host_model", return_value=MODEL):
        spec, found = load(DictReader({"hosts/h.yaml": text, "hosts/source.txt": "x"}), discover())
    return spec is not None and not found


def places() -> list[Place]:
    """Every place for text of every kind."""
    return [place for kind, field in fields() for place in _places_of(kind, field)]


def _places_of(kind: str, field: str) -> Iterator[Place]:
    for shape in dict.fromkeys(_shapes(fields_of(discover()[kind].model)[field].annotation)):
        number = shape.count("map") + 1
        assignments = [KNOWN[kind, field]] if (kind, field) in KNOWN else product(CANDIDATES, repeat=number)
        fits = (
            texts
            for texts in assignments
            if is_valid(spec_with(kind, field, json.dumps(_build(shape, texts))))
        )
        texts = next(fits, ())
        yield from (Place(kind, field, shape, texts, at) for at in range(number))


def _shapes(annotation: Any) -> Iterator[Shape]:
    """The ways in which text can be nested in a value of this annotation."""
    for member in members(annotation):
        origin, arguments = get_origin(member), get_args(member)
        if isinstance(member, type) and issubclass(member, str):
            yield ()
        elif origin in (list, dict):
            name = "list" if origin is list else "map"
            yield from ((name, *inner) for inner in _shapes(arguments[-1]))
        elif is_model(member):
            for key, info in fields_of(member).items():
                yield from ((f".{member.__name__}.{key}", *inner) for inner in _shapes(info.annotation))


def _build(shape: Shape, texts: Sequence[str]) -> Any:
    """A value of this shape with these texts: map keys from the outside, then the innermost text."""
    if not shape:
        return texts[0]
    if shape[0].startswith("."):
        _, model, key = shape[0].split(".")
        return {**LEAST.get(model, {}), key: _build(shape[1:], texts)}
    return [_build(shape[1:], texts)] if shape[0] == "list" else {texts[0]: _build(shape[1:], texts[1:])}
