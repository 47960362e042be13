"""The findings of `import` on a host: resources as a spec would declare them.

A finding need not be right: a plan is made of it. Each finder is a pure function over a HostView. It tells
what it cannot say in a spec, and leaves it out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from reconciler.core.basics.frozen import frozen


@frozen
class Found:
    """One object: `fields` as under its name in a spec; empty with `why` when it cannot be said.

    `partly` is what is left out of it.
    """

    kind: str
    name: str
    fields: Mapping[str, Any] | list[Any] = field(default_factory=dict)
    why: str = ""
    partly: tuple[str, ...] = ()
