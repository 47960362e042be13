"""The part of a host that is files: looking at them is the same on a running machine and in a tree."""

from __future__ import annotations

from abc import ABC, abstractmethod

from reconciler.core.actions import Account, Action, Attributes, path_of
from reconciler.core.basics.digest import digest
from reconciler.core.host import Entry, PreImage
from reconciler.host.files.files import Files
from reconciler.host.files.safe_path import SafeRoot


class HostFiles(ABC):
    """The methods of HostView and Executor that look at files, and at what an action would replace."""

    _paths: SafeRoot

    @abstractmethod
    def _settled(self) -> Files:
        """The files, with every action so far carried out."""

    def entry(self, path: str) -> Entry | None:
        """As HostView.entry."""
        return self._settled().entry(path)

    def read(self, path: str) -> bytes:
        """As HostView.read."""
        return self._settled().read(path)

    def excerpt(self, path: str) -> tuple[bytes, str]:
        """As HostView.excerpt."""
        content = self.read(path)
        return content, digest(content)

    def digest(self, path: str) -> str:
        """As HostView.digest."""
        return digest(self.read(path))

    def names(self, path: str) -> tuple[str, ...]:
        """As HostView.names."""
        return self._settled().names(path)

    def attributes(self, path: str) -> Attributes:
        """As HostView.attributes."""
        return self._settled().attributes(path)

    def capture(self, action: Action) -> PreImage | None:
        """As Executor.capture. Raises Unreadable, UnsafePath."""
        if isinstance(action, Account):
            from reconciler.host.accounts.offline_edits import captured  # a plan keeps nothing

            return captured(self, action)
        path = path_of(action)
        return None if path is None else self._settled().capture(path)

    def close(self) -> None:
        """Give back descriptors."""
        self._paths.close()
