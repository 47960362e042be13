"""Passwords: how they are stored, and how they age."""

from __future__ import annotations

from reconciler.formats.audit.people.passwords import redact_group_passwords, redact_login_defs, redact_shadow
from reconciler.host.audit.question import File

QUESTIONS = {
    "shadow": File("/etc/shadow", redact_shadow),
    "gshadow": File("/etc/gshadow", redact_group_passwords),
    "login.defs": File("/etc/login.defs", redact_login_defs),
}
