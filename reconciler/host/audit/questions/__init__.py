"""The questions by name, a module for each area: its `QUESTIONS` says how each is asked.

There is no list to forget: every module of this package and its rooms is one.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import walk_packages
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.host.audit.question import Question


@cache
def questions() -> Mapping[str, Question]:
    """All questions by name. Raises ValueError for a name that two areas have."""
    merged: dict[str, Question] = {}
    for module in walk_packages(__path__, f"{__name__}."):
        own = {} if module.ispkg else import_module(module.name).QUESTIONS
        for name, question in own.items():
            if name in merged:
                raise ValueError(f"two questions are named {name}")
            merged[name] = question
    return merged
