"""The part of a host that is files: looking at them is the same on a running machine and in a tree."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from reconciler.core.actions import Account, Action, Attributes, path_of
from reconciler.core.basics.digest import digest
from reconciler.core.host import Entry, PreImage
from reconciler.host.files.files import Files
from reconciler.host.files.safe_path import SafeRoot

if TYPE_CHECKING:
    from reconciler.formats.accounts.belongings import Belongings


class HostFiles(ABC):
    """The methods of HostView and Executor that look at files, and at what an action would replace."""

    root: str
    """The directory that stands for `/`."""
    _paths: SafeRoot
    _belongings: Belongings | None = None
    """The belongings of all accounts, until the next action or `forget`."""

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

            return captured(self._known_belongings, action)
        path = path_of(action)
        return None if path is None else self._settled().capture(path)

    def _known_belongings(self) -> Belongings:
        """The accounts' belongings, read when the first of a batch is captured. Raises HostError."""
        from reconciler.host.accounts.offline_edits import belongings_of  # a plan keeps nothing

        self._belongings = self._belongings or belongings_of(self)
        return self._belongings

    def close(self) -> None:
        """Give back descriptors."""
        self._paths.close()
