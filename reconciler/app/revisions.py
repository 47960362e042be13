"""The revision of a spec's bytes, and the order of its commit and the one that was applied last.

Git is only asked where it must be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.core.revision import commit_of, marked

if TYPE_CHECKING:
    from reconciler.core.spec_source import SourceReader
    from reconciler.core.state import Memory
    from reconciler.host.spec_source.git import Order


def revision(reader: SourceReader | None) -> str:
    """The commit that the spec was read from, marked if the files in the work tree are not as committed;
    empty without a repository.
    """
    contents = getattr(reader, "contents", None)
    if reader is None:
        return ""
    if not reader.commit or not contents:
        return reader.commit
    from reconciler.host.spec_source.git import is_committed

    return marked(
        reader.commit, uncommitted=is_committed(getattr(reader, "root", ""), reader.commit, contents) is False
    )


def order_of(reader: SourceReader | None, memory: Memory) -> Order | None:
    """The order of the spec's commit and the one that was applied last; None if unknown, or if it is the same
    commit.
    """
    repository, commit, last = (
        getattr(reader, "root", ""),
        reader.commit if reader is not None else "",
        commit_of(memory.commit),
    )
    if not commit or not last or commit == last or not repository:
        return None
    from reconciler.host.spec_source.git import order

    return order(repository, commit, last)


def is_older(reader: SourceReader, memory: Memory) -> bool:
    """Whether the spec's commit comes before the one that was applied last."""
    order_of_commits = order_of(reader, memory)
    if order_of_commits is None:
        return False
    from reconciler.host.spec_source.git import Order

    return order_of_commits is Order.OLDER
