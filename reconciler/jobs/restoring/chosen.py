"""The archive that a restore drill restores."""

from __future__ import annotations

from reconciler.core.basics.frozen import frozen
from reconciler.formats.backups.manifest import Manifest

ENTRY = 4096
"""The bytes that an entry takes on a disk besides its content."""


@frozen
class Chosen:
    """The archive of a drill."""

    destination: str
    manifest: Manifest
    parents: tuple[Manifest, ...]
    """The archives that it needs."""

    @property
    def bytes(self) -> int:
        """The bytes that lie on this host while they are read, where the destination is another machine."""
        return sum(manifest.bytes for manifest in (self.manifest, *self.parents))

    @property
    def content(self) -> int:
        """The bytes that it unpacks to, with all that it needs, as far as the manifests tell."""
        return sum(map(_content, (self.manifest, *self.parents)))


def _content(manifest: Manifest) -> int:
    """The bytes that an archive takes when it is unpacked, as far as its manifest tells."""
    data = sum(manifest.data.values()) or manifest.content or manifest.bytes
    return data + ENTRY * sum(manifest.entries.values())
