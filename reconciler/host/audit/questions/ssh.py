"""The SSH server as it would start now, all files and defaults applied; the public keys of the host."""

from __future__ import annotations

from reconciler.host.audit.question import Files, Program, Reader


def _public_key(files: Files, path: str) -> str:
    """The public part of a key of the host, which is no secret; the private file is not read."""
    return files.read(f"{path}.pub").decode("utf-8", "replace")


QUESTIONS = {
    "sshd": Program(("sshd", "-T")),
    "sshd-for-user": Program(("sshd", "-T", "-C", "user={},host=localhost,addr=127.0.0.1")),
    "ssh-public-key": Reader(_public_key),
}
