"""A line on the terminal that says how far a long step is, and nothing where there is no terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconciler.host.process.progress import Step

_EVERY = 0.5
"""Seconds between two lines."""
_CLEAR = "\r\x1b[K"


_drawn = Event()
"""Whether the line is on the terminal."""


def clear() -> str:
    """The text that takes the line away before another one is written; empty if there is none."""
    if not _drawn.is_set():
        return ""
    _drawn.clear()
    return _CLEAR


@contextmanager
def shown(*, quiet: bool = False) -> Iterator[None]:
    """Show the steps of this block on standard error, if that is a terminal."""
    from reconciler.host.process.environment import variable

    if quiet or not sys.stderr.isatty() or variable("TERM") == "dumb":
        yield
        return
    from reconciler.host.process.progress import watched

    with watched() as current:
        ended = Event()
        thread = Thread(target=_show, args=(current, ended), daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            sys.stderr.write(clear())
            sys.stderr.flush()


def _show(current: Callable[[], Step | None], ended: Event) -> None:
    from reconciler.render.backup_views.rate import progress_text

    since: tuple[Step, float, int] | None = None
    while not ended.wait(_EVERY):
        step = current()
        text = clear()
        if step is not None:
            done, total = step.figures()
            if since is None or since[0] is not step:
                since = step, time.monotonic(), done
            text += progress_text(step.words, done, total, since[2], time.monotonic() - since[1])
            _drawn.set()
        sys.stderr.write(text)
        sys.stderr.flush()
