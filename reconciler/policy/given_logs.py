"""Logs that root would rotate in a directory that the same spec gives to somebody: a home, or what systemd
makes for a service. The kind itself sees what is under `directories:`, and the host.
"""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.core.basics import globs
from reconciler.core.diagnostic import Diagnostic, error
from reconciler.core.model.places import Place, Use
from reconciler.core.spec import Spec
from reconciler.policy.paths import Table

_GIVEN = (Use.GIVES, Use.OWNED)


def rotated_where_given(spec: Spec, named: Table) -> Iterator[Diagnostic]:
    """Yield errors for policies without `su` whose logs, or old logs, are in what somebody gets."""
    policies = [row for row in named if row[0].address.kind == "logrotate" and _by_root(row[0].resource)]
    given = (
        {place.path: place for _, places in named for place in places if place.use in _GIVEN}
        if policies
        else {}
    )
    for declared, places in policies:
        written = [place.path for place in places if place.use is Use.WRITES_INTO]
        led = next(((path, gift) for path in written for gift in _around(path, given)), None)
        if led is not None:
            path, gift = led
            detail = (
                f"{path}: {gift.path} will belong to {gift.owner}, who could make root rotate any file of the"
                f" host by putting a link there. Write `su: {{user: {gift.owner}, group: {gift.group}}}`."
            )
            where = {"address": declared.address, "source": declared.source, "rule": "su"}
            yield error("`su` is required", detail, **where)


def _by_root(policy: object) -> bool:
    su = getattr(policy, "su", None)
    return su is None or su.user == "root"


def _around(path: str, given: dict[str, Place]) -> Iterator[Place]:
    """The directories given to somebody that a path is, or lies in; a path may be a pattern."""
    steps = path.split("/")
    for length in range(2, len(steps) + 1):
        above = "/".join(steps[:length])
        if not globs.is_pattern(above):
            yield from [given[above]] if above in given else []
        else:
            yield from (gift for where, gift in given.items() if globs.common(above, where))
