"""The files that dpkg(1) keeps below /var/lib/dpkg, read without dpkg: on the host, and in a file tree."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator

from reconciler.core.answers import NotInstalled
from reconciler.core.host import FileType, HostError, Unreadable
from reconciler.formats.packages import dpkg_status
from reconciler.host.audit.question import Files
from reconciler.host.files.host_files import HostFiles
from reconciler.host.files.safe_path import SafeRoot

_INFO = "/var/lib/dpkg/info"
_DIVERSIONS = "/var/lib/dpkg/diversions"
_REGULAR = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_TEXT = ("utf-8", "surrogateescape")


def info_files(files: Files, ending: str) -> Iterator[tuple[str, bytes]]:
    """Yield each package with the content of its file of this ending. Raises NotInstalled where there is no
    dpkg, and HostError.
    """
    if files.entry(_INFO) is None:
        raise NotInstalled("dpkg")
    for name in files.names(_INFO):
        if name.endswith(ending):
            try:
                content = files.read(f"{_INFO}/{name}")
            except FileNotFoundError:
                continue  # its package is just being removed
            yield name.removesuffix(ending).partition(":")[0], content


def is_merged(files: Files) -> bool:
    """Whether /bin is a link to /usr/bin, while packages may still say /bin."""
    entry = files.entry("/bin")
    return entry is not None and entry.type is FileType.LINK


def diverted(files: Files) -> frozenset[str]:
    """The paths that dpkg-divert(1) has put elsewhere."""
    try:
        lines = files.read(_DIVERSIONS).decode(*_TEXT).splitlines()
    except (FileNotFoundError, HostError):
        return frozenset()
    return frozenset(name for path in lines[::3] for name in (path, f"/usr{path}"))


def top(files: Files) -> str:
    """The directory that stands for `/`. Raises Unreadable where these are no files on a disk."""
    if isinstance(files, HostFiles):
        return files.root
    raise Unreadable("cannot be read", "the files are on no disk of ours")


class Digests:
    """The digests of files as they are, beneath the directory that stands for `/`."""

    def __init__(self, files: Files) -> None:
        self._root = None if top(files) == "/" else SafeRoot(top(files))

    def of(self, path: str) -> str:
        """The digest of a file, as dpkg counts it; empty for what is no regular file.

        Raises OSError, for a link too: no package lists one with a digest. Raises HostError where a path of
        a tree leads through a link.
        """
        with open(self._opened(path), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return ""
            return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()

    def _opened(self, path: str) -> int:
        if self._root is None:
            return os.open(path, _REGULAR)
        directory, name = self._root.parent(path)
        return os.open(name, _REGULAR, dir_fd=directory)


def broken_packages(files: Files, _: str) -> str:
    """The packages that are not there as a whole, as lines of `dpkg --audit`."""
    return "".join(f" {name}\n" for name, package in _packages(files) if not _is_whole(package))


def wanted_packages(files: Files, _: str) -> str:
    """The wish for each package, as lines `WANT PACKAGE` of dpkg-query(1)."""
    return "".join(f"{package.want} {name}\n" for name, package in _packages(files))


def _packages(files: Files) -> list[tuple[str, dpkg_status.Package]]:
    """The packages, each once, by name. Raises NotInstalled where there is no dpkg."""
    try:
        text = files.read(dpkg_status.PATH).decode(*_TEXT)
    except FileNotFoundError:
        raise NotInstalled("dpkg") from None
    packages = dpkg_status.parse(text)
    return sorted((name, package) for name, package in packages.items() if ":" not in name)


def _is_whole(package: dpkg_status.Package) -> bool:
    return (package.state == "installed" and not package.damaged) or package.gone
