"""Listening sockets and the firewall."""

from __future__ import annotations

from reconciler.host.audit.question import Program

QUESTIONS = {
    "listeners": Program(("ss", "-H", "-t", "-u", "-l", "-n", "-p")),
}
