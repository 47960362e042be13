"""Another machine as far as ssh can tell: a real sshd on a port of this one, with keys of its own."""

from __future__ import annotations

import getpass
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from reconciler.formats.backups.remote import Remote

SSHD = "/usr/sbin/sshd"
_CONFIG = """
Port {port}
ListenAddress 127.0.0.1
HostKey {top}/host_key
PidFile none
AuthorizedKeysFile {top}/identity.pub
PasswordAuthentication no
PermitRootLogin prohibit-password
StrictModes no
UsePAM no
MaxStartups 100
Subsystem sftp internal-sftp
{more}
"""
SFTP_ONLY = "ForceCommand internal-sftp"


@dataclass(frozen=True, slots=True)
class FarEnd:
    """A machine with sshd, and a directory for archives there."""

    top: Path
    port: int
    sftp_only: bool = False
    vault: str = ""

    @property
    def directory(self) -> Path:
        """Where archives go."""
        return Path(self.vault or self.top / "vault")

    @property
    def host_key(self) -> str:
        """The public key of the machine."""
        return " ".join((self.top / "host_key.pub").read_text().split()[:2])

    def remote(self, **fields: Any) -> Remote:
        """The destination, as a job has it."""
        url = f"sftp://{getpass.getuser()}@127.0.0.1:{self.port}{quote(str(self.directory))}"
        plain = Remote(url, self.host_key, str(self.top / "identity"), timeout=10.0)
        return replace(plain, **fields)


@contextmanager
def far_end(top: Path, more: str = "") -> Iterator[FarEnd]:
    """The machine, until the end of the block; `more` are further lines of its sshd_config."""
    top.mkdir(mode=0o700)
    for name in ("host_key", "identity"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", top / name], check=True)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (top / "sshd_config").write_text(_CONFIG.format(port=port, top=top, more=more))
    with started(top, port):
        yield FarEnd(top, port, sftp_only=more == SFTP_ONLY)


@contextmanager
def started(top: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Its sshd, answering."""
    with (top / "log").open("ab") as log:
        daemon = subprocess.Popen([SSHD, "-D", "-e", "-f", top / "sshd_config"], stderr=log)
    try:
        for _ in range(100):
            if _answers(port):
                break
            time.sleep(0.05)
        else:
            raise AssertionError((top / "log").read_text())
        yield daemon
    finally:
        daemon.terminate()
        daemon.wait()


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False
