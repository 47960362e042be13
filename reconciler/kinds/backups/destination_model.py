"""The destinations of a backup job in a spec: directories of the host, and what lies on other machines."""

# No `from __future__ import annotations`: pydantic would evaluate the text of each annotation at every start.

import re
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    model_validator,
)

from reconciler.core.model.fields import AbsolutePath, Span, Text
from reconciler.core.model.places import NamesPath, Use
from reconciler.formats.backups import remote
from reconciler.kinds.backups.unit_model import Finite

_URL = re.compile(r"(?:sftp|rest|s3|swift|b2|azure|gs|rclone):.")
_OF_RESTIC = re.compile(r"sftp:(?!//)|sftp://[^/]*//|(?!sftp:)[a-z0-9]+:")
"""The URLs that only restic has: it would take the path in sftp://user@host/path for one below the home."""
_KEYS = frozenset(("host_key", "identity_file"))
_MEMBERS = frozenset(("limit", "retry_for", "timeout"))
"""The fields that a repository of restic does not have."""


def _local(value: Any) -> Any:
    if isinstance(value, str) and (_URL.match(value) or "://" in value):
        raise ValueError(
            f"{value} is no path: write `{{url: {value}, host_key: ..., identity_file: ...}}` for a"
            f" directory on another machine, `{{url: {value}}}` with `engine: restic`, or the absolute path"
            " of a directory of this host"
        )
    return value


def _form(value: Any) -> str:
    if isinstance(value, str):
        return "path"
    if isinstance(value, BaseModel):
        return "sftp" if isinstance(value, SftpDirectory) else "url"
    names = {*value} if isinstance(value, dict) else set()
    with_keys = bool(_KEYS & names) and "environment_file" not in names
    is_directory = with_keys and not _OF_RESTIC.match(str(value.get("url")))
    return "sftp" if _MEMBERS & names or is_directory else "url"


def _repository_url(text: str) -> str:
    if not _URL.match(text):
        raise ValueError(
            "write a repository as restic has it, such as sftp:user@host:/path, rest:https://host/ or"
            " s3:https://host/bucket; a directory of this host is written without `url`"
        )
    if re.search(r"//[^/@]*:[^/@]*@", text):
        raise ValueError(
            "no password in a URL: everybody can see it there. Write RESTIC_REST_USERNAME and"
            " RESTIC_REST_PASSWORD into the environment_file"
        )
    return text


def _below_root(path: str) -> str:
    if path == "/":
        raise ValueError("not the whole file system: name the directories")
    return path


def _url(text: str) -> str:
    remote.place(text)
    return text


def _rate(text: str) -> str:
    if remote.rate(text) < 1024:
        raise ValueError(f"{text} is less than 1K a second: write 500K, 10M or 1G")
    return text


PathBelowRoot = Annotated[AbsolutePath, AfterValidator(_below_root)]
Directory = Annotated[PathBelowRoot, BeforeValidator(_local), NamesPath(Use.WRITES_INTO)]
SecretFile = Annotated[PathBelowRoot, NamesPath(Use.READS)]
RepositoryUrl = Annotated[Text, Field(min_length=1, max_length=2048), AfterValidator(_repository_url)]
Url = Annotated[Text, Field(min_length=1, max_length=2048), AfterValidator(_url)]
HostKey = Annotated[Text, Field(min_length=1, max_length=4096), AfterValidator(remote.host_key)]
PrivateKey = Annotated[PathBelowRoot, NamesPath(Use.READS)]
Rate = Annotated[Text, Field(pattern=r"^[1-9][0-9]{0,11}[KMG]?\z"), AfterValidator(_rate)]


class SftpDirectory(BaseModel):
    """A directory on another machine, by the system's OpenSSH. Only with `engine: tar`."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    url: Url
    """The directory: sftp://user@host/path, or sftp://user@host:2222/path. A missing one is made."""
    host_key: HostKey
    """The public key of the machine, as it stands in its /etc/ssh/ssh_host_ed25519_key.pub.

    Nothing is sent to one with another key.
    """
    identity_file: PrivateKey
    """The private key that logs in: a file of root's, 0600, without a passphrase."""
    limit: Rate | None = None
    """The most bytes per second: 500K, 10M."""
    retry_for: Span = remote.RETRY_FOR
    """How long a run tries again when the connection is lost, or cannot be made; 0s: not at all."""
    timeout: Finite = remote.TIMEOUT
    """How long it may be silent until it counts as lost."""

    @property
    def document(self) -> dict[str, Any]:
        """The destination as a job file has it."""
        return self.model_dump(exclude_defaults=True)


class Repository(BaseModel):
    """A restic repository that is no directory of the host."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    url: RepositoryUrl
    """The repository as restic has it: sftp:user@host:/path, rest:https://host/, s3:https://host/bucket."""
    environment_file: SecretFile | None = None
    """A file of root's, 0600, with a NAME=value in each line for restic: the keys of its storage."""
    host_key: HostKey | None = None
    """For sftp: the public key of the machine, as it stands in its /etc/ssh/ssh_host_ed25519_key.pub. Nothing
    is sent to one with another key. When left out, root's known_hosts decide.
    """
    identity_file: PrivateKey | None = None
    """For sftp: the private key that logs in, a file of root's, 0600, without a passphrase."""

    @property
    def document(self) -> dict[str, str]:
        """The destination as a job file has it."""
        return self.model_dump(exclude_none=True)

    @model_validator(mode="after")
    def _keys_of_ssh(self) -> Self:
        if self.host_key is None and self.identity_file is None:
            return self
        if self.host_key is None or self.identity_file is None:
            raise ValueError("host_key and identity_file go together: ssh then asks nothing else")
        if not self.url.startswith("sftp:"):
            raise ValueError("host_key and identity_file are for sftp: nothing else has them")
        remote.place_of_restic(self.url)
        return self


Destination = Annotated[
    Annotated[Directory, Tag("path")]
    | Annotated[SftpDirectory, Tag("sftp")]
    | Annotated[Repository, Tag("url")],
    Discriminator(_form),
]
