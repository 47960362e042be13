"""The file systems that are mounted, and those that fstab(5) names."""

from __future__ import annotations

from reconciler.formats.audit.mounts import redact_fstab, redact_mounts
from reconciler.host.audit.question import File, Files, Reader


def mounts(files: Files, _: str) -> str:
    """The mounts of the host, as proc(5) describes mountinfo: those of the first process, since an audit that
    a hardened unit runs has others of its own.
    """
    return redact_mounts(files.read("/proc/1/mountinfo").decode("utf-8", "replace"))


QUESTIONS = {
    "mounts": Reader(mounts, live=True),
    "fstab": File("/etc/fstab", redact_fstab),
}
