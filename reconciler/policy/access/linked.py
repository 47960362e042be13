"""Directories of the system that have another path by a link or a mount: a rule about the directory counts
for that path too.

A spec names the other path itself, for nothing is written through a link (but /home); the rules know
directories by their usual names.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from reconciler.core.basis import in_vain
from reconciler.core.host import HostError, HostView
from reconciler.formats import mount_names
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
    """The links and mounts of one host, which is looked at when the first path is asked about.

    A path that cannot be read is taken to be no link.
    """

    def __init__(self, view: HostView) -> None:
        self._view = view

    @cached_property
    def _files(self) -> Followed:
        return Followed(self._view)

    @cached_property
    def _mounts(self) -> mount_names.MountNames:
        with in_vain(self._view.basis):
            try:
                text = self._view.read(mount_names.PATH).decode("utf-8", "replace")
            except (HostError, FileNotFoundError):
                text = ""
        return mount_names.MountNames(text)

    @cached_property
    def _elsewhere(self) -> list[tuple[str, str]]:
        links: list[tuple[str, str]] = []
        for usual in _usual():
            real = _real(self._files, usual)
            # A place of the system is judged by its own name: /bin is /usr/bin on every host.
            if real not in ("", "/", usual) and not system_tree(real) and real != _by_parent(usual, links):
                links.append((real, usual))
        return links

    def usual(self, path: str) -> Iterator[str]:
        """The usual names of a path, if it has others than its own."""
        yield from (name for _, name in self.names(path))

    def names(self, path: str) -> Iterator[tuple[str, str]]:
        """The other names of a path, each with what makes it one: a link or a mount."""
        for real, name in self._elsewhere:
            if path == real or path.startswith(f"{real}/"):
                yield "link", f"{name}{path[len(real) :]}"
        yield from (("mount", name) for name in self._mounts.of(path) if name != path)

    def target(self, path: str) -> str:
        """The path that links on the way to it lead to; the path itself where there are none."""
        return _real(self._files, path) or path

    def first_name(self, path: str) -> str:
        """The one of its names by mounts that stands for all of them."""
        return next(self._mounts.of(path), path)

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
