"""The SSH server as it would start now, all files and defaults applied."""

from __future__ import annotations

from reconciler.host.audit.question import Program

QUESTIONS = {
    "sshd": Program(("sshd", "-T")),
    "sshd-for-user": Program(("sshd", "-T", "-C", "user={},host=localhost,addr=127.0.0.1")),
}
