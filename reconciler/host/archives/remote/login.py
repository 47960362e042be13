"""Logging in at another machine with one key, and only where the machine has the one key that it should.

ssh gets both keys as descriptors of ours: nobody can put another file in their place, and none is left.
Neither the configuration of ssh, nor its known hosts, nor an agent has a say.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from reconciler.core.basics.frozen import frozen
from reconciler.formats.backups.remote import Place, Remote
from reconciler.host.archives.private_directory import Directory, Refused
from reconciler.host.archives.remote.channel import Channel, Lost
from reconciler.host.files.descriptors import descriptor
from reconciler.host.process.run import run

_ALIAS = "destination"
"""The name of the machine in the file of known hosts: the same for each, whatever its address and port."""
_RSA = "rsa-sha2-512,rsa-sha2-256"
"""The algorithms of a host key `ssh-rsa`: the old one of that name is none."""
CONNECT = 20.0
"""Seconds in which a connection must be there, if there is time."""
_SCAN = 10
"""Seconds for looking which keys a machine has."""
_LOGIN_REFUSED = ("Permission denied (", "subsystem request failed", "Load key ")
"""Words of ssh that say that trying again is no use (OpenSSH 8.4 to 9.9)."""


@frozen
class Login:
    """The files and options to log in at one machine."""

    remote: Remote
    """The machine as the job file has it."""
    place: Place
    """The user, the host, the port and the path of its URL."""
    identity: int
    """A descriptor of the private key."""
    known_hosts: int
    """A descriptor of a file of known hosts with the one key."""
    connect: float
    """Seconds in which the connection must be there."""
    timeout: float
    """Seconds without an answer after which it is lost."""

    def channel(self, command: Sequence[str], *, subsystem: bool = False) -> Channel:
        """A conversation with a command at the far end, or with a subsystem. Raises HostError."""
        return Channel(self._argv(command, subsystem), self.timeout + self.connect)

    def sftp_argv(self) -> list[str]:
        """The command that speaks SFTP with the far end, for a program that starts it itself."""
        return self._argv(["sftp"], subsystem=True)

    def _argv(self, command: Sequence[str], subsystem: bool) -> list[str]:
        kind = self.remote.host_key.partition(" ")[0]
        own = f"/proc/{os.getpid()}/fd"
        options = {
            "BatchMode": "yes",
            "CheckHostIP": "no",
            "ClearAllForwardings": "yes",
            "Compression": "no",
            "ConnectTimeout": f"{max(1, round(self.connect))}",
            "ConnectionAttempts": "1",
            "ControlMaster": "no",
            "ControlPath": "none",
            "EscapeChar": "none",
            "GlobalKnownHostsFile": "none",
            "HostKeyAlgorithms": _RSA if kind == "ssh-rsa" else kind,
            "HostKeyAlias": _ALIAS,
            "IdentitiesOnly": "yes",
            "IdentityAgent": "none",
            "IdentityFile": f"{own}/{self.identity}",
            "LogLevel": "ERROR",
            "PermitLocalCommand": "no",
            "PreferredAuthentications": "publickey",
            "ServerAliveCountMax": "3",
            "ServerAliveInterval": f"{max(1, round(self.timeout / 4))}",
            "StrictHostKeyChecking": "yes",
            "UpdateHostKeys": "no",
            "UserKnownHostsFile": f"{own}/{self.known_hosts}",
            "VerifyHostKeyDNS": "no",
        }
        return [
            "ssh",
            *("-F", "/dev/null", "-T", "-a", "-x"),
            *(f"-o{name}={value}" for name, value in options.items()),
            *("-l", self.place.user, "-p", str(self.place.port)),
            *(["-s"] if subsystem else []),
            *("--", self.place.host, *command),
        ]

    def refusal(self, lost: Lost) -> Lost | Refused:
        """Why a connection could not be made, as far as a look at the keys of the machine tells."""
        url, key = self.remote.url, self.remote.host_key
        kind = key.partition(" ")[0]
        offered = self._offered()
        if not offered:
            return Lost("the machine cannot be reached", f"{url}: {lost.detail}")
        if key not in offered:
            there = next((other for other in offered if other.startswith(f"{kind} ")), "")
            words = f"shows {fingerprint(there)}" if there else f"has no key of the type {kind}"
            detail = (
                f"{url}: the machine {words}, and the job's host_key is {fingerprint(key)}. Nothing was sent"
                " there. If it was installed anew, write its new key; else somebody else answers for it"
            )
            return Refused("the key of the machine is another one", detail)
        if any(words in lost.detail for words in _LOGIN_REFUSED):
            detail = f"{url}: {lost.detail}. The key is {self.remote.identity_file}"
            return Refused("the login is refused", detail)
        return Lost("the connection could not be made", f"{url}: {lost.detail}")

    def _offered(self) -> list[str]:
        """The keys that the machine shows: whoever answers there shows them, so they only serve a message."""
        argv = ["ssh-keyscan", "-T", "3", "-p", str(self.place.port), "--", self.place.host]
        lines = run(argv, timeout=_SCAN).out.decode("utf-8", "replace").splitlines()
        return [" ".join(words[1:3]) for line in lines if len(words := line.split()) >= 3 and words[0] != "#"]


@contextmanager
def login(remote: Remote, *, patient: bool) -> Iterator[Login]:
    """The files and options to log in; without `patient` it has a few seconds.

    Raises Refused, UnsafePath, Unreadable.
    """
    place = remote.place
    connect, timeout = (CONNECT, remote.timeout) if patient else (5.0, 10.0)
    directory, _, name = remote.identity_file.rpartition("/")
    with (
        Directory(directory or "/") as opened,
        descriptor(opened.open(name)) as identity,
        descriptor(os.memfd_create("known_hosts")) as known_hosts,
    ):
        if os.fstat(identity).st_mode & 0o077:
            detail = f"{remote.identity_file}: chmod 600 {remote.identity_file}"
            raise Refused("others can read the private key", detail)
        os.write(known_hosts, f"{_ALIAS} {remote.host_key}\n".encode())
        yield Login(remote, place, identity, known_hosts, connect, timeout)


def fingerprint(key: str) -> str:
    """The fingerprint of a public key, as ssh-keygen(1) prints it."""
    kind, _, encoded = key.partition(" ")
    try:
        content = base64.b64decode(encoded, validate=True)
    except ValueError:
        return "a key that cannot be read"
    return f"{kind} SHA256:{base64.b64encode(hashlib.sha256(content).digest()).decode().rstrip('=')}"
