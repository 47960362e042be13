"""The question for a yes, and the progress of an apply, on a terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconciler.core.result import Progress


def ask(what: str) -> bool:
    """Whether somebody types the literal yes; False without a terminal. `what` is the command."""
    if sys.stdin is None or not sys.stdin.isatty():
        sys.stderr.write(
            f"reconciler: there is no terminal to ask on; give --auto-approve to {what} without a question\n"
        )
        return False
    sys.stdout.write("\nDo this? Type 'yes' to go ahead: ")
    sys.stdout.flush()
    try:
        return sys.stdin.readline().strip() == "yes"
    except OSError:  # the terminal is gone
        return False


def tell(progress: Progress) -> None:
    """Print a line for a step that starts, on a terminal."""
    from reconciler.core.result import Stage
    from reconciler.render.backup_views.progress import progress_line

    if progress.stage is Stage.STARTED and sys.stderr.isatty():
        sys.stderr.write(progress_line(progress.n, progress.total, progress.step) + "\n")
