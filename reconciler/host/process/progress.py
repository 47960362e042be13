"""How far a long step is, for somebody who watches it on a terminal.

Nobody watches most of the time: then a step costs one comparison.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from reconciler.core.basics.frozen import frozen


@frozen
class Step:
    """A step that goes on."""

    words: str
    figures: Callable[[], tuple[int, int]]
    """The bytes that are done, and all of them; 0 where that is not known."""


_steps: list[Step] = []
_watched = False


@contextmanager
def watched() -> Iterator[Callable[[], Step | None]]:
    """Let steps be seen in this block: a function that tells the innermost one at a moment."""
    global _watched  # noqa: PLW0603  # the steps are deep in the work of one process
    _watched = True
    try:
        yield lambda: _steps[-1] if _steps else None
    finally:
        _watched = False


@contextmanager
def step(words: str, figures: Callable[[], tuple[int, int]]) -> Iterator[None]:
    """The block is a step."""
    if not _watched:
        yield
        return
    _steps.append(Step(words, figures))
    try:
        yield
    finally:
        _steps.pop()


def through(fd: int, words: str, total: int | None = None) -> AbstractContextManager[None]:
    """The block reads a file from begin to end, or writes it: the offset of its descriptor says how far.

    A program that inherited the descriptor moves the same offset. `total` is the size that is expected; that
    of the file when left out.
    """

    def figures() -> tuple[int, int]:
        try:
            return os.lseek(fd, 0, os.SEEK_CUR), os.fstat(fd).st_size if total is None else total
        except OSError:  # closed at this moment, or a pipe
            return 0, 0

    return step(words, figures)
