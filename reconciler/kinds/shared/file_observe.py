"""The state of one regular file on a host."""

from __future__ import annotations

from collections.abc import Callable

from reconciler.core.changes import Document, Observed
from reconciler.core.host import FileType, HostView, Unreadable, UnsafePath
from reconciler.kinds.shared import ownership

Parse = Callable[[bytes], Document]


def observe(view: HostView, path: str, parse: Parse | None = None) -> Observed:
    """The state of a file, from one look at its path.

    The document has what `parse` makes of the content; without `parse` it has the digest.
    """
    try:
        return look(view, path, parse)
    except (Unreadable, UnsafePath) as error:
        return ownership.unreadable(error)


def look(view: HostView, path: str, parse: Parse | None = None) -> Observed:
    """As `observe`. Raises Unreadable, UnsafePath."""
    entry = view.entry(path)
    if entry is None:
        return Observed(None)
    document = ownership.path_document(entry)
    if entry.type is not FileType.FILE:
        return Observed(document, expects=ownership.expects_with(entry, ""))
    if parse is None:
        content_digest = view.digest(path)
        return Observed({**document, "content": content_digest}, expects=content_digest)
    content = view.read(path)
    return Observed({**document, **parse(content)}, expects=ownership.expects_of(entry, content))
