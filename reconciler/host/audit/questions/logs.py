"""Where the journal is stored."""

from __future__ import annotations

from reconciler.host.audit.question import Program


def settings(text: str) -> str:
    """Sections and settings, without the comments."""
    return "\n".join(
        line for line in text.split("\n") if line.strip() and not line.strip().startswith(("#", ";"))
    )


QUESTIONS = {
    "journald": Program(
        ("systemd-analyze", "cat-config", "--no-pager", "systemd/journald.conf"), redact=settings
    ),
}
