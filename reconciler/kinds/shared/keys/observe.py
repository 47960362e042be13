"""The keys in a user's ~/.ssh/authorized_keys on a host: the state of the parts of `keys.parts`.

Nothing is read that the users could not read themselves: a plan would show it to them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from reconciler.core.address import Address
from reconciler.core.basics.digest import digest
from reconciler.core.basics.frozen import frozen
from reconciler.core.changes import Document, Facts, Observed
from reconciler.core.host import Entry, FileType, HostView, Unreadable, UnsafePath
from reconciler.formats.accounts import account_files
from reconciler.formats.ssh.authorized_keys import Key, is_idle, read
from reconciler.formats.ssh.key_options import canonical, render_option
from reconciler.kinds.shared import ownership

_FINGERPRINT = "SHA256:"
FILES = ("authorized_keys", "authorized_keys2")
"""The files that Debian's sshd reads.

Declared keys belong in the first; with `exactly` neither has others.
"""
_LARGEST = 1 << 20
"""The most bytes of a file that is read: users can make their files as large as the disk."""
_LONGEST = 2048
"""The most characters of a line that actions name by its text."""


@frozen
class KeyFacts(Facts):
    """The facts about the files of keys of an account."""

    home: str | None = None
    """The home of the account; None where there is no such account."""
    directory: Document | None = None
    """The mode and owner of its .ssh; None where that is missing."""
    expects: Mapping[str, str] = field(default_factory=dict)
    """The `expects` of an edit, by name of the file."""
    lines: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The lines of a part's key, or for the main part all foreign lines, by name of the file."""


def is_ours(address: Address, prefix: str = "") -> bool:
    """Whether the address is that of a part of `keys.parts`."""
    return address.part == prefix or fingerprint_of(address) != ""


def fingerprint_of(address: Address) -> str:
    """The fingerprint of the key that a part stands for; empty for the main part."""
    at = address.part.find(_FINGERPRINT)
    return address.part[at:] if at >= 0 else ""


def rendered_options(key: Key) -> list[str]:
    """The options of a key, each as sshd takes it, in one order."""
    return [render_option(option) for option in canonical(key.options)]


@frozen
class _Line:
    """One line that may let somebody in."""

    file: str
    text: str
    """The line as an action names it: its text, or its digest."""
    key: Key | None
    """The key; None for a line that is no key."""

    @property
    def shown(self) -> str:
        """The line in a document: never its own text, which can be anything."""
        where = "" if self.file == FILES[0] else f"{self.file}: "
        if self.key is None:
            return f"{where}a line that is no key"
        return f"{where}{self.key.type} {self.key.fingerprint} {_clean(self.key.comment)}".rstrip()


@dataclass(slots=True)
class _KeyFiles:
    """The files of keys of one user."""

    home: str
    """The home of the account, or the one that it will have; empty where none is known."""
    account: bool = False
    """Whether the account exists."""
    directory: Entry | None = None
    """The entry of ~/.ssh."""
    file: Entry | None = None
    """The entry of authorized_keys."""
    expects: dict[str, str] = field(default_factory=dict)
    """The `expects` of an edit, by name of the file."""
    lines: list[_Line] = field(default_factory=list)
    """The lines of the files, in the order of sshd."""
    unreadable: Unreadable | UnsafePath | None = None
    """Why they could not be read; None if they could."""


def is_roots_directory(view: HostView, path: str) -> bool:
    """Whether a directory of root's is at a path; false where that cannot be looked at."""
    try:
        entry = view.entry(path)
    except (Unreadable, UnsafePath):
        return False
    return entry is not None and entry.type is FileType.DIRECTORY and entry.owner == "root"


def observe(
    view: HostView, users: Mapping[Address, str], new: Mapping[str, str] = MappingProxyType({})
) -> Mapping[Address, Observed]:
    """The state of each part, from one read of /etc/passwd and of each file of each user.

    `new` has the homes of accounts that are still to be made.
    """
    try:
        homes = {user.name: user.home for user in account_files.users(view)}
    except (Unreadable, UnsafePath) as error:
        return {address: ownership.unreadable(error) for address in users}
    key_files = {
        user: _look(view, user, homes.get(user), new.get(user, "")) for user in dict.fromkeys(users.values())
    }
    fingerprints: dict[str, set[str]] = {}
    for address, user in users.items():
        fingerprints.setdefault(user, set()).add(fingerprint_of(address))
    return {
        address: _observed(address, key_files[user], fingerprints[user]) for address, user in users.items()
    }


def _look(view: HostView, user: str, home: str | None, new_home: str) -> _KeyFiles:
    files = _KeyFiles((home or new_home).rstrip("/"), home is not None)
    if not files.home:
        return files
    try:
        if _entry_of(view, files.home, user, FileType.DIRECTORY):
            files.directory = _entry_of(view, f"{files.home}/.ssh", user, FileType.DIRECTORY)
        for name in FILES if files.directory else ():
            _read(view, user, files, name)
    except (Unreadable, UnsafePath) as error:
        files.unreadable = error
    return files


def _read(view: HostView, user: str, files: _KeyFiles, name: str) -> None:
    path = f"{files.home}/.ssh/{name}"
    entry = _entry_of(view, path, user, FileType.FILE)
    if name == FILES[0]:
        files.file = entry
    if entry is None:
        return
    if entry.owner != user and not int(entry.mode, 8) & 0o004:
        detail = f"{path} is root's, with mode {entry.mode}; if it is meant to be {user}'s, chown it"
        raise UnsafePath("root's own file is in the way", detail)
    if entry.size > _LARGEST:
        raise UnsafePath(
            "the file is too large",
            f"{path} has {entry.size} bytes, {_LARGEST} are the most; look what is in it",
        )
    content, files.expects[name] = view.excerpt(path)
    for raw in content.split(b"\n"):
        line = raw.removesuffix(b"\r")
        text = line.decode("utf-8", "replace")
        if not is_idle(text):
            files.lines.append(_Line(name, _named(line), read(text)))


def _entry_of(view: HostView, path: str, user: str, type_: FileType) -> Entry | None:
    """The user's own entry of this type at a path in a home; None when nothing is there.

    Raises UnsafePath for a link, another type, somebody else's file, or a file with several names.
    """
    entry = view.entry(path)
    if entry is None:
        return None
    if entry.type is FileType.LINK:
        raise UnsafePath(
            "a symbolic link is in the way", f"{path} is a link; it is not followed and not replaced"
        )
    if entry.type is not type_:
        actual = "a FIFO, socket or device" if entry.type is FileType.OTHER else f"a {entry.type}"
        raise UnsafePath(
            f"not a {'regular file' if type_ is FileType.FILE else type_}",
            f"{path} is {actual}; move it away by hand",
        )
    if entry.owner not in (user, "root"):
        raise UnsafePath(
            "somebody else's file is in the way",
            f"{path} belongs to {entry.owner}, not to {user}; chown or remove it",
        )
    if type_ is FileType.FILE and entry.nlink > 1:
        raise UnsafePath(
            "the file has other names",
            f"{path} is one of {entry.nlink} hard links; remove it, it could be another file",
        )
    return entry


def _named(line: bytes) -> str:
    """A line as an action names it: the text of a key that can be shown everywhere, else the digest."""
    try:
        text = line.decode()
    except UnicodeDecodeError:
        return digest(line)
    can_be_shown = len(text) <= _LONGEST and text.replace("\t", " ").isprintable() and read(text) is not None
    return text if can_be_shown else digest(line)


def _clean(comment: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in comment[:80])


def _observed(address: Address, files: _KeyFiles, fingerprints: set[str]) -> Observed:
    """The state of one part; lines of keys that are not among the `fingerprints` are foreign."""
    if files.unreadable is not None:
        return ownership.unreadable(files.unreadable)
    fingerprint = fingerprint_of(address)
    if fingerprint:
        lines = [line for line in files.lines if line.key is not None and line.key.fingerprint == fingerprint]
        return Observed(_key_document(lines), _facts(files, lines))
    others = [line for line in files.lines if line.key is None or line.key.fingerprint not in fingerprints]
    if files.file is None or files.directory is None:
        return Observed(None, _facts(files, others))
    document: Document = {
        "file": _access(files.file),
        "directory": _access(files.directory),
        "others": sorted(line.shown for line in others),
    }
    return Observed(document, _facts(files, others))


def _access(entry: Entry) -> Document:
    return {"mode": entry.mode, "owner": entry.owner}


def _key_document(lines: Sequence[_Line]) -> Document | None:
    """The document of a key; None where no line has it.

    One line in the first file is how it should be; in all other cases the options show every line's file.
    """
    keys = [(line.file, line.key) for line in lines if line.key is not None]
    if not keys:
        return None
    if len(keys) == 1 and keys[0][0] == FILES[0]:
        return {"type": keys[0][1].type, "options": _shown_options(keys[0][1])}
    return {
        "type": keys[0][1].type,
        "options": [f"{file}: {','.join(_shown_options(key))}" for file, key in keys],
    }


def _shown_options(key: Key) -> list[str]:
    return [_clean_option(option) for option in rendered_options(key)]


def _clean_option(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)


def _facts(files: _KeyFiles, lines: Sequence[_Line]) -> KeyFacts:
    by_file = {name: tuple(dict.fromkeys(line.text for line in lines if line.file == name)) for name in FILES}
    directory = None if files.directory is None else _access(files.directory)
    return KeyFacts(files.home if files.account else None, directory, files.expects, by_file)
