"""Files that root runs and nobody who reads the plan sees: a secret text, one that is no text, one too long
to be read or shown whole.

Only files that the plan writes are warned about: its reader can look at those, and no settled host is warned
again and again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reconciler.core.actions import ABSENT, WriteFile
from reconciler.core.diagnostic import Diagnostic, warning
from reconciler.core.host import HostError, HostView
from reconciler.core.steps import Step
from reconciler.policy.root_reach.places import place_of

_RUN = frozenset(
    (
        "shell",
        "cron",
        "crontab",
        "anacron",
        "unit",
        "user_unit",
        "udev",
        "modprobe",
        "apt",
        "dpkg",
        "logrotate",
    )
)
"""Readers of texts that are commands of root's."""
_EXECUTED = 0o111
SHOWN = 100
"""Lines of a change that a plan shows without --verbose."""
LARGEST = 1 << 18
"""The most bytes of a text that is written by hand: nobody reads a larger one."""


def unreviewed(steps: Iterable[Step], view: HostView) -> Iterator[Diagnostic]:
    """Yield a warning for each file that root runs and that the plan writes unseen."""
    for step in steps:
        action = step.action
        if isinstance(action, WriteFile) and not step.held and (is_text := _is_run(action)) is not None:
            why = _why(action, view, is_text=is_text)
            if why:
                detail = f"{action.path} is run by root, and {why}"
                yield warning(
                    "root runs what this plan does not show",
                    detail,
                    address=step.causes[0].address,
                    rule="runs-unseen",
                )


def _is_run(action: WriteFile) -> bool | None:
    """Whether a file that root runs must be a text: True, False for a program, None where root does not run
    it.
    """
    place = place_of(action.path)
    if place is not None and place.reader in _RUN:
        return True
    is_program = (
        bool(action.mode) and bool(int(action.mode, 8) & _EXECUTED) and action.owner in ("", "root", "0")
    )
    return False if is_program and not action.as_user else None


def _why(action: WriteFile, view: HostView, *, is_text: bool) -> str:
    content = action.content
    if action.sensitive:
        return (
            "`sensitive` keeps its text out of every plan. Keep the secret in a file of its own, and name"
            " that file there."
        )
    if b"\0" in content[:LARGEST]:
        reason = (
            f"it cannot be looked at: it is no text ({_size(content)}). Nobody knows from it what it runs."
        )
        return reason if is_text else ""
    if len(content) > LARGEST:
        return (
            f"it cannot be looked at: {_size(content)}; what stands in it may run anything. Ship it by a"
            " package."
        )
    if content.count(b"\n") <= SHOWN:
        return ""
    hidden = _changed(action, view) - SHOWN
    return f"{hidden} lines of its change are left out below. Read them with --verbose." if hidden > 0 else ""


def _changed(action: WriteFile, view: HostView) -> int:
    """The number of lines of a change, without its head."""
    from difflib import unified_diff  # for few files

    try:
        is_new = action.expects == ABSENT or action.expects.startswith("link:")
        before = b"" if is_new else view.excerpt(action.path)[0]
    except HostError:
        before = b""
    old, new = (text.decode("utf-8", "replace").splitlines() for text in (before, action.content))
    return sum(1 for _ in unified_diff(old, new)) - (2 if before else 3)


def _size(content: bytes) -> str:
    return f"{-(-len(content) // 1024)} KiB"
