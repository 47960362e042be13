"""Readers of texts by name, units by their path, and what the spec says by fields of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from reconciler.core.basics.lazy_regex import Late
from reconciler.policy.root_reach.places import place_of
from reconciler.policy.root_reach.relevance import Look
from reconciler.policy.root_reach.texts.values import Reading

UNIT = Late(
    r"(?P<directory>.*/systemd/[^/]+)/(?P<unit>[^/]+\.(?:service|socket|mount|timer|path|swap))(?:\.d/[^/]+\.conf)?"
)
FOR_ALL = Late(r".*/systemd/[^/]+/(?P<type>service|socket|mount|timer|path|swap)\.d/[^/]+\.conf")
"""A drop-in for every unit of a type (systemd.unit(5))."""
_PREPENDED = Late(r"case .*? in .*?\) ;; \*\) (\w+=[^$\s]+)\S* ;; esac")


def prepended(text: str) -> str:
    """The text of a profile file of ours, with those assignments in plain form that it makes only once."""
    return _PREPENDED.sub(r"export \1", text)


def is_place(path: str) -> bool:
    """Whether root does something with this very path."""
    place = place_of(path)
    return place is not None and place.path == path


def is_own_field(look: Look) -> bool:
    """Whether a field of the spec's own declares it: its address then says enough. A shell is named with its
    account.
    """
    return look.path == "/etc/passwd" or (look.address is not None and look.address.kind != "files")


def reader_of(name: str) -> Callable[[str], Iterator[Reading]]:
    """The reader of a name: its module is imported when the first such text is there."""
    from reconciler.policy.root_reach.texts import made_at_boot, rules, scripts, units

    for module in (scripts, rules, made_at_boot, units):
        reader: Callable[[str], Iterator[Reading]] | None = getattr(module, name, None)
        if reader is not None:
            return reader
    return lambda _: iter(())
