"""The half-written remains of a killed run: temporary files, and directories that it
would have removed next.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from reconciler.core.action_data import PastAction
from reconciler.core.actions import ABSENT, Account, RemovePath
from reconciler.core.basics.digest import digest
from reconciler.core.host import ActionFailed, Executor, FileType, PreImage, Unreadable, UnsafePath
from reconciler.core.journal import past_path

if TYPE_CHECKING:
    from reconciler.engine.run_state import Run

_ACCOUNTS = "/etc/passwd"


def sweep(run: Run, unfinished: Iterable[PastAction] = ()) -> None:
    """Remove what a killed run left half-written; `unfinished` are its actions.

    One of these files may hold what stood at its target a moment before: that one is kept.
    """
    kinds, addresses = run.request.kinds, run.situation.observed
    paths = {path for address in addresses for path in kinds[address.kind].paths(address)}
    # The kinds' `paths` do not cover everything a run wrote: links, parents and pruned paths come from
    # the journal.
    paths |= {path for action in unfinished for path in _touched(action)}
    directories = {path.rpartition("/")[0] or "/" for path in paths}
    for path in (path for directory in sorted(directories) for path in _leftovers(run.host, directory)):
        _tidy(run, path)
    pruned = {action.path for action in unfinished if isinstance(action, RemovePath) and action.prune_parent}
    for path in sorted(pruned):
        if _is_empty(run.host, path.rpartition("/")[0]):
            _tidy(run, path.rpartition("/")[0])


def _tidy(run: Run, path: str) -> None:
    try:
        pre_image = run.host.capture(RemovePath(path, ABSENT))
        if pre_image is not None:
            run.journal.intend(run.number, [], [], [], [(-1, pre_image)])
            run.host.execute(RemovePath(path, _is(pre_image)))
    except (ActionFailed, Unreadable, UnsafePath):
        return  # in a user's directory anything may have such a name, and is the user's


def _is_empty(host: Executor, directory: str) -> bool:
    """Whether a killed run has emptied a directory that it would have removed next."""
    try:
        entry = host.entry(directory)
        return entry is not None and entry.type is FileType.DIRECTORY and not host.names(directory)
    except (Unreadable, UnsafePath):
        return False


def _is(pre_image: PreImage) -> str:
    """The state that was found, in the words of `expects`."""
    if pre_image.type is FileType.DIRECTORY:
        return FileType.DIRECTORY
    return f"link:{pre_image.target}" if pre_image.content is None else digest(pre_image.content)


def _touched(action: PastAction) -> Iterable[str]:
    """The path of an action in the journal. In a tree an account is edited in its files."""
    if isinstance(action, Account):
        return (_ACCOUNTS,)
    return (path,) if (path := past_path(action)) else ()


def _leftovers(host: Executor, directory: str) -> tuple[str, ...]:
    try:
        return host.leftovers([directory])
    except (Unreadable, UnsafePath):
        return ()
