"""Directories of the system that are links to another path: a rule about the directory counts for that path
too.

A spec names the other path itself, for nothing is written through a link (but /home); the rules know
directories by their usual names.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from reconciler.core.host import HostError, HostView
from reconciler.policy.symlinks import Followed
from reconciler.policy.system_trees import ROOT_RUNS, TOPS, TREES, system_tree


def _usual() -> list[str]:
    """The directories that the rules know, with all above them, the shortest first."""
    directories = {*TREES, *TOPS, *(f"/var/lib/{name}" for name in ROOT_RUNS)}
    above = {
        "/".join(path.split("/")[:depth]) for path in directories for depth in range(2, path.count("/") + 1)
    }
    return sorted((directories | above) - {"/"})


class Linked:
    """The links of one host, which is looked at when the first path is asked about.

    A path that cannot be read is taken to be no link.
    """

    def __init__(self, view: HostView) -> None:
        self._view = view

    @cached_property
    def _elsewhere(self) -> list[tuple[str, str]]:
        files = Followed(self._view)
        links: list[tuple[str, str]] = []
        for usual in _usual():
            real = _real(files, usual)
            # A place of the system is judged by its own name: /bin is /usr/bin on every host.
            if real not in ("", "/", usual) and not system_tree(real) and real != _by_parent(usual, links):
                links.append((real, usual))
        return links

    def usual(self, path: str) -> Iterator[str]:
        """The usual names of a path, if it has others than its own."""
        for real, name in self._elsewhere:
            if path == real or path.startswith(f"{real}/"):
                yield f"{name}{path[len(real) :]}"

    def below(self, path: str) -> Iterator[tuple[str, str]]:
        """The directories that are in a path by links, with their usual names."""
        yield from ((real, name) for real, name in self._elsewhere if real.startswith(f"{path}/"))


def _by_parent(usual: str, elsewhere: list[tuple[str, str]]) -> str:
    """The path of a directory because one above it is a link; empty where none is."""
    return next(
        (f"{real}{usual[len(name) :]}" for real, name in elsewhere if usual.startswith(f"{name}/")), ""
    )


def _real(files: Followed, path: str) -> str:
    try:
        return files.real(path) or ""
    except HostError:
        return ""
