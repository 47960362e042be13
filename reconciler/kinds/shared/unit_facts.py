"""The facts about a unit that `observe` hands to `actions` beside the document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from reconciler.core.basics.frozen import frozen
from reconciler.core.changes import Facts
from reconciler.kinds.shared.drop_ins import DropIn


@frozen
class UnitFacts(Facts):
    """The facts about a unit whose file is ours."""

    name: str = ""
    """Its name with the suffix; empty where nothing of it is there."""
    targets: Mapping[str, str] = field(default_factory=dict)
    """Its enabling links, each with the `expects` of its removal."""
    drop_ins: tuple[DropIn, ...] = ()
    """The foreign drop-ins that matter to it."""
    stamp: str = ""
    """The path of the file whose time is that of the timer's last run; empty where there is none."""
