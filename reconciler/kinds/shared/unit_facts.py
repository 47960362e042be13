"""What `observe` of a unit tells `actions` beside the document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from reconciler.core.basics.frozen import frozen
from reconciler.core.changes import Facts
from reconciler.kinds.shared.drop_ins import DropIn


@frozen
class UnitFacts(Facts):
    """A unit whose file is ours."""

    name: str = ""
    """With its suffix; empty where nothing of it is there."""
    targets: Mapping[str, str] = field(default_factory=dict)
    """Its enabling links, each with the `expects` of its removal."""
    drop_ins: tuple[DropIn, ...] = ()
    """Drop-ins of others that say something of it."""
    stamp: str = ""
    """The file whose time says when the timer ran last; empty where there is none."""
