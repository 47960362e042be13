"""The kernel: its settings."""

from __future__ import annotations

import re

from reconciler.core.host import Unreadable
from reconciler.host.audit.question import Files, Reader

_NAME = re.compile(r"[a-z0-9_]+(?:\.[A-Za-z0-9_*-]+)+")


def sysctl(files: Files, name: str) -> str:
    """The value of a kernel setting, `kernel.dmesg_restrict`, as it is in force."""
    if not _NAME.fullmatch(name):
        raise Unreadable("cannot read", f"{name} is no name of a kernel setting")
    return files.read(f"/proc/sys/{name.replace('.', '/')}").decode("utf-8", "replace").strip()


QUESTIONS = {
    "sysctl": Reader(sysctl, live=True),
}
