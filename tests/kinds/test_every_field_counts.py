"""No field is without effect: two resources that differ in it alone have other documents, or another policy
that the ledger remembers.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from itertools import islice
from typing import Any, Literal, get_args, get_origin
from unittest import mock

import pytest

import reconciler.spec.load
from reconciler.core.model.resource import policy_of
from reconciler.core.spec import Declared
from reconciler.kinds import discover
from reconciler.spec.annotations import fields_of, is_model, members
from reconciler.spec.load import load
from tests.cli import samples
from tests.spec.fakes import DictReader

pytestmark = pytest.mark.slow

NUMBERS = (1, 2, 7, 1500)
TEXTS = (
    *(
        "0755",
        "0600",
        "1G",
        "2M",
        "7s",
        "7d",
        "y.slice",
        "y",
        "/y",
        "2028-02-29",
        "http://localhost/y",
        "localhost:81",
        "sftp:a@b:/y",
        "rest:https://y/",
        "sftp://y@y/y",
        "other.txt",
        "password-empty",
        "udp 6",
    ),
    *(
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDIyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEy v",
        "/dev/zero rw",
        "60%",
        "6",
        "/home/v",
    ),
)
"""A second valid text where the candidates have one."""
DEFAULTS = {
    ("backups", "hardening"): "strict",
    ("audit", "scheduler"): "timer",
    ("audit", "timezone"): "host",
    ("backups", "scheduler"): "timer",
    ("backups", "timezone"): "host",
    ("timers", "persistent"): True,
    ("timers", "scheduler"): "timer",
    ("timers", "timezone"): "host",
    ("users", "home"): "/home/u",
}
"""Values that say what is meant where the field is left out."""
WITHOUT_EFFECT_ANYWHERE = {
    "adopt": "what is ours already is not taken over a second time (decision: policy is in the ledger)"
}
WITHOUT_EFFECT = {
    (
        "groups",
        "system",
    ): "it says from which range a number is taken when the group is made; one that exists keeps its own"
}
"""Fields that say nothing about an object that is ours already, and why."""
ONE_VALUE = {
    *(("backups", "engine"), ("services", "directives"), ("timers", "directives")),
    ("backups", "directives"),
    *(("users", "home"), ("users", "state")),
}
"""Fields that have a single value so far, or one whose form is not made here."""
EACH = 6
"""Valid values that are taken for one place."""


def values(annotation: Any) -> Iterator[Iterator[Any]]:
    """For each place below an annotation what might be written there: one iterator each."""
    for member in members(annotation):
        origin, arguments = get_origin(member), get_args(member)
        if origin is list:
            yield from (([value] for value in place) for place in values(arguments[0]))
        elif origin is dict:
            yield from (
                ({key: value} for value in place for key in ("A", "x")) for place in values(arguments[1])
            )
        elif is_model(member):
            least = samples.LEAST.get(member.__name__, {})
            for key, info in fields_of(member).items():
                yield from (({**least, key: value} for value in place) for place in values(info.annotation))
        else:
            yield from (iter(single) for single in (_single(member),) if single)


def _single(member: Any) -> Sequence[Any]:
    """The values that might be written for a member that is neither a list nor a block."""
    if get_origin(member) is Literal:
        return get_args(member)
    if not isinstance(member, type):
        return ()
    if issubclass(member, Enum):
        return [item.value for item in member]
    texts = (*samples.CANDIDATES, *TEXTS)
    return next(
        (
            found
            for base, found in ((bool, (False, True)), (int, NUMBERS), (str, texts))
            if issubclass(member, base)
        ),
        (),
    )


def variants(kind: str, field: str) -> Iterator[list[Declared]]:
    """For each place in a field the resources that have valid values there, after
    the one without the field.
    """
    needed = field in samples.BASES[kind][1] or (kind, field) in (*samples.WITH, *samples.WITHOUT)
    base = [] if needed else [read(samples.spec_with(kind, "drift", "enforce"))]
    default = DEFAULTS.get((kind, field), ...)
    for place in values(fields_of(discover()[kind].model)[field].annotation):
        made = (
            read(samples.spec_with(kind, field, json.dumps(value))) for value in place if value != default
        )
        yield list(islice((declared for declared in (*base, *made) if declared), EACH))


def read(text: str) -> Declared | None:
    """The resource of a spec, if it is valid."""
    with mock.patch.object(reconciler.spec.load, "host_model", return_value=samples.MODEL):
        spec, wrong = load(
            DictReader({"hosts/h.yaml": text, "hosts/source.txt": "x", "hosts/other.txt": "y"}), discover()
        )
    return spec.resources[0] if spec is not None and not wrong else None


def effect(declared: Declared) -> str:
    """Everything that an apply writes or remembers of a resource, as far as a change of it is a change in a
    plan.
    """
    running = True
    parts = [
        [str(part.address), part.document, part.retired]
        for part in discover()[declared.address.kind].expand(declared, running)
    ]
    return json.dumps(
        [parts, policy_of(declared.resource), declared.resource.protect], sort_keys=True, default=repr
    )


def unseen(group: Iterable[Declared]) -> Iterator[tuple[str, str]]:
    """Pairs of different resources between which a plan would say "No changes"."""
    effects: dict[str, str] = {}
    for declared in group:
        said = json.dumps(declared.resource.model_dump(mode="json"), sort_keys=True)
        other = effects.setdefault(effect(declared), said)
        if other != said:
            yield other, said


@pytest.mark.parametrize(("kind", "field"), samples.fields(), ids=lambda text: text)
def test_a_change_of_a_field_alone_is_a_change(kind: str, field: str) -> None:
    """A field that no document shows needs the mark `Policy`, or a reason why it says nothing about an object
    that there is.
    """
    groups = list(variants(kind, field))
    if (kind, field) in WITHOUT_EFFECT or field in WITHOUT_EFFECT_ANYWHERE:
        assert [] != [pair for group in groups for pair in unseen(group)], (
            "it has an effect: take it off the list"
        )
        return

    assert [] == [pair for group in groups for pair in unseen(group)]
    assert all(len(group) > 1 for group in groups) or (kind, field) in ONE_VALUE


def test_the_lists_name_fields_that_there_are() -> None:
    """Each exempt field is spelled as a field of a kind."""
    assert set(WITHOUT_EFFECT) | ONE_VALUE <= set(samples.fields())
    assert {"adopt"} == set(WITHOUT_EFFECT_ANYWHERE)
