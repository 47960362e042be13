"""Every path that a declared resource stands for or names, as its kind and the fields of its model say.

Rules over paths (`policy.paths`, `policy.given`) know no kind: they ask here.
"""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.core.kind import Kind
from reconciler.core.model.places import Place, Use, account_of, fields, path_in
from reconciler.core.spec import Declared

_ACCESS = (("owner", "root"), ("group", "root"), ("mode", ""))


def places(kind: Kind, declared: Declared, *, reads: bool = True) -> Iterator[Place]:
    """Every path that a resource stands for or names; with `reads` those that it only reads, too."""
    keys: set[tuple[str, Use]] = set()
    for place in _places(kind, declared, reads):
        if (place.path, place.use) not in keys:  # the kind comes first: it may know more than the field
            keys.add((place.path, place.use))
            yield place


def _places(kind: Kind, declared: Declared, reads: bool) -> Iterator[Place]:
    name, resource = declared.address.name, declared.resource
    if name.startswith("/"):
        owner, group, mode = (getattr(resource, field, default) for field, default in _ACCESS)
        yield Place(name, Use.MANAGES, owner, group, mode, named=True)
    if kind.places is not None:
        yield from kind.places(declared)
    else:
        yield from (Place(path, Use.MANAGES) for path in kind.paths(declared.address) if path != name)
    for field, use, texts in fields(type(resource)):
        if use is Use.READS and not reads:
            continue
        for text in texts(getattr(resource, field)):
            if path := path_in(text):
                owner = name if use is Use.GIVES else account_of(resource) if use is Use.HANDS_ON else "root"
                yield Place(path, use, owner, name if use is Use.GIVES else "root", named=True)
