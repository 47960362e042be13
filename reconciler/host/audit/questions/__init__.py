"""The questions by name, a module for each area: its `QUESTIONS` says how each is asked.

There is no list to forget: every module of this package is one.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.host.audit.question import Question


@cache
def questions() -> Mapping[str, Question]:
    """All questions by name. Raises ValueError for a name that two areas have."""
    merged: dict[str, Question] = {}
    for module in sorted(iter_modules(__path__), key=lambda module: module.name):
        for name, question in import_module(f"{__name__}.{module.name}").QUESTIONS.items():
            if name in merged:
                raise ValueError(f"two questions are named {name}")
            merged[name] = question
    return merged
