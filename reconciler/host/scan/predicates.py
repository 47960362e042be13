"""The predicates of a pass: a table. Nearly all files are dropped by the gates that are made of it."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping

from reconciler.core.basics.frozen import frozen

_REGULAR, _DIRECTORY, _LINK = stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK
_BLOCK, _CHAR = stat.S_IFBLK, stat.S_IFCHR
TYPES: Mapping[int, str] = {
    _REGULAR: "file",
    _DIRECTORY: "directory",
    _LINK: "link",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
    _BLOCK: "block",
    _CHAR: "char",
}
_ANY = frozenset(TYPES)
_CREDENTIALS: Mapping[str, str] = {
    **dict.fromkeys(("id_rsa", "id_dsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk"), ""),
    **dict.fromkeys((".netrc", ".pgpass", ".my.cnf", ".mylogin.cnf", ".git-credentials", ".pypirc"), ""),
    **dict.fromkeys((".npmrc", ".htpasswd", ".smbcredentials", ".s3cfg", ".boto", ".vault-token"), ""),
    **dict.fromkeys((".env", "kubeconfig", ".dockercfg", "application_default_credentials.json"), ""),
    **dict.fromkeys(("kaggle.json", "rclone.conf", "restic-password", ".condarc"), ""),
    **dict.fromkeys(("admin.conf", "kubelet.conf", "super-admin.conf"), "/kubernetes"),
    "credentials": "/.aws",
    "config": "/.kube",
    "config.json": "/.docker",
    "token": "/huggingface",
    "stored_tokens": "/huggingface",
    ".token": "",
    "auth.json": "/containers",
    "hosts.yml": "/gh",
    "accessTokens.json": "/.azure",
    "credentials.db": "/gcloud",
}
"""Names of files that hold credentials, each with the end of the directory in which it counts."""
_ENDINGS = (".pem", ".key", ".ppk", ".kdbx", ".p12", ".pfx", ".jks", ".keytab", ".env")
"""Endings of names of files that may hold a private key or passwords: their content decides."""


class Sight:
    """An object that has passed a gate, for the predicates."""

    def __init__(self, fd: int, directory: str, name: str, status: os.stat_result, home: int | None) -> None:
        self.name, self.status, self.directory = name, status, directory
        self.mode = status.st_mode
        self.type = status.st_mode & 0o170000
        self.home = home
        """The user id of the owner of the home that the directory is; None when it is none."""
        self._fd = fd
        self._capability: str | None = None

    @property
    def capability(self) -> str:
        """The capabilities of a file, in hexadecimal digits."""
        if self._capability is None:
            try:
                path = f"/proc/self/fd/{self._fd}/{self.name}"
                value = os.getxattr(path, "security.capability", follow_symlinks=False)
            except OSError:
                value = b""  # it has none, it is gone, or this file system knows of none
            self._capability = value.hex()
        return self._capability


@frozen
class Predicate:
    """The objects that a check of files asks for."""

    name: str
    types: frozenset[int]
    bits: int
    """One of these bits of the mode is set; 0: the gate is another one."""
    holds: Callable[[Sight], bool]


def _is_credential(sight: Sight) -> bool:
    if not sight.mode & 0o004:
        return False
    end = _CREDENTIALS.get(sight.name)
    return sight.directory.endswith(end) if end is not None else sight.name.endswith(_ENDINGS)


def _always(_: Sight) -> bool:
    return True


UNOWNED = "unowned"
CREDENTIAL = "credential"
PREDICATES = (
    Predicate("world-writable", frozenset((_REGULAR, _BLOCK, _CHAR)), 0o002, _always),
    Predicate("open-directory", frozenset((_DIRECTORY,)), 0o002, lambda sight: not sight.mode & stat.S_ISVTX),
    Predicate("setuid", frozenset((_REGULAR,)), 0o6000, _always),
    Predicate("device", frozenset((_BLOCK, _CHAR)), 0o777, _always),
    Predicate("capability", frozenset((_REGULAR,)), 0o111, lambda sight: bool(sight.capability)),
    Predicate(CREDENTIAL, frozenset((_REGULAR,)), 0, _is_credential),
    Predicate(
        "dot-file",
        frozenset((_REGULAR, _DIRECTORY)),
        0,
        lambda sight: sight.home is not None and sight.name.startswith(".") and bool(sight.mode & 0o022),
    ),
)
"""All but UNOWNED, for which the walk knows the numbers."""
GATE: Mapping[int, int] = {
    number: sum(
        {
            1 << n
            for predicate in PREDICATES
            if number in predicate.types
            for n in range(12)
            if predicate.bits >> n & 1
        }
    )
    for number in _ANY
}
"""By type, the bits of the mode of which one makes an object worth asking the predicates."""
NAMES = frozenset(_CREDENTIALS)
ENDINGS = _ENDINGS
"""The names that make a regular file worth asking."""
