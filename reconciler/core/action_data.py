"""Actions as JSON-able data and back: the form of plans, journal and fingerprint."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, get_args

from reconciler.core.actions import (
    AccountOp,
    Action,
    Attributes,
    Check,
    MakeLink,
    RemoveTree,
    Then,
    UnitVerb,
    irreversible,
)
from reconciler.core.basics.frozen import frozen

_NOT_SHOWN = "(not shown)"


@frozen
class UnknownAction:
    """An action in a journal that this version does not know: it can be shown, and not undone."""

    name: str
    """The name that the journal has for it."""
    path: str = ""
    """The path that it names, empty when it names none."""


PastAction = Action | UnknownAction
"""An action as the journal gives it back."""


def as_data(action: Action) -> dict[str, Any]:
    """The action as JSON-able data, without file content.

    Attributes are given by their names only, and not at all where none are asked for.
    """
    hidden = {"content", "digest", "expects"} if getattr(action, "sensitive", False) else {"content"}
    data: dict[str, Any] = {"action": type(action).__name__}
    attributes: Attributes | None = getattr(action, "attributes", None)
    hidden |= {"attributes"} | (
        {"owner", "group"} if isinstance(action, MakeLink) and not action.owner else set()
    )
    for name in (field.name for field in fields(action) if field.name not in hidden):
        value = getattr(action, name)
        data[name] = dict(value) if name == "fields" else list(value) if isinstance(value, tuple) else value
    data |= {} if attributes is None else {"attributes": [name for name, _ in attributes]}
    return data | ({"irreversible": irreversible(action)} if isinstance(action, RemoveTree) else {})


def _named(value: Any) -> Attributes:
    return tuple((name, b"") for name in value)


_MEMBERS: dict[str, type[Action]] = {member.__name__: member for member in get_args(Action)}
_NO_DEFAULT: Mapping[str, Any] = {"content": b"", "digest": "", "expects": ""}
"""The fields without a default that `as_data` leaves out: content always, digests where nobody may
see them.
"""
_DECODED: Mapping[str, Callable[[Any], Any]] = {
    "op": AccountOp,
    "verb": UnitVerb,
    "check": Check,
    "then": Then,
    "fields": lambda value: tuple(value.items()),
    "attributes": _named,
}


def from_data(data: Mapping[str, Any]) -> PastAction:
    """The action of this data, which `as_data` made: without content, and attributes by their names only.

    A field that an older version did not write has its default; one that is not the action's is passed over.
    `left`, the keyed digest by which the journal recognises a secret, stands for `digest`. Another name,
    another word in an enumeration or a missing field makes an UnknownAction.
    """
    name = str(data.get("action", ""))
    fields_by_name = {"digest": data["left"], **data} if "left" in data else data
    try:
        member = _MEMBERS[name]
        names = {field.name for field in fields(member)}
        values = {key: _decoded(key, fields_by_name[key]) for key in names & fields_by_name.keys()}
        return member(**{key: _NO_DEFAULT[key] for key in names & _NO_DEFAULT.keys()} | values)
    except (KeyError, ValueError, TypeError, AttributeError):
        return UnknownAction(name, str(data.get("path", "")))


def _decoded(key: str, value: Any) -> Any:
    if key in _DECODED:
        return _DECODED[key](value)
    return tuple(value) if isinstance(value, list | tuple) else value


def without_digests(data: Mapping[str, Any]) -> dict[str, Any]:
    """The data of an action as outputs have it: without digests of what is there.

    That content need not be ours, and could be guessed from its digest.
    """
    shown = {
        key: value
        for key, value in data.items()
        if key != "digest" and not (key == "expects" and _is_digest(value))
    }
    if isinstance(shown.get("remove"), list):
        shown["remove"] = [_NOT_SHOWN if _is_digest(line) else line for line in shown["remove"]]
    return shown


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(("sha256:", "hmac:"))
