"""Sudo: what it says about its own files."""

from __future__ import annotations

from reconciler.host.audit.question import File

QUESTIONS = {
    "hostname": File("/etc/hostname"),
}
