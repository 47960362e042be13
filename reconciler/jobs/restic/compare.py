"""Compare a snapshot with the files as they are: restic writes it as a tar archive, which tar compares."""

from __future__ import annotations

from reconciler.formats.backups.manifest import Manifest
from reconciler.host.archives.restic import Repository
from reconciler.host.archives.tar import ArchiveError

_COMPARE = ("tar", "--compare", "--file=-", "--no-unquote", "--numeric-owner", "--no-wildcards")
_ROUNDED = ": Mod time differs"
"""restic 0.14 writes times in whole seconds there."""


def differences(repository: Repository, manifest: Manifest, tree: int | None = None) -> tuple[str, ...]:
    """The files of the host, or of an open tree, that are not as in a snapshot: content, size, mode and
    owner.

    Raises ArchiveError.
    """
    directory, fds = ("/", ()) if tree is None else (f"/proc/self/fd/{tree}", (tree,))
    output: list[bytes] = []
    members = [source.removeprefix("/") for source in manifest.sources]
    dumped, tar = repository.stream(
        ["--no-lock", "dump", manifest.sha256, "/"],
        [*_COMPARE, f"--directory={directory}", "--", *members],
        output.append,
        fds,
    )
    if dumped.rc != 0 or tar.rc not in (0, 1):
        raise ArchiveError("the snapshot could not be compared", (dumped if dumped.rc else tar).reason)
    lines = b"".join(output).decode("utf-8", "backslashreplace").splitlines()
    return tuple(line for line in (*lines, *tar.stderr) if line and not line.endswith(_ROUNDED))
