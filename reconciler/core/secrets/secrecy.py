"""The names that look like a secret's, and the words that stand in its place.

A secret has no business in a spec; where one is all the same, it is not printed.
"""

from __future__ import annotations

import re

from reconciler.core.basics.lazy_regex import Late

SECRET = Late(
    r"passw|passphrase|secret|token|credential|private|api[_-]?key|key[_-]?material|BEGIN [A-Z"
    r" ]*KEY|PuTTY-User-Key",
    re.IGNORECASE,
)
"""Names, and first lines of keys; no value beside one is quoted from a spec."""

HIDDEN = "(sensitive value)"
CHANGED = "(sensitive value, changed)"

SECRET_CONTENT = "unknown: its content is secret, and only the host itself can compare it"  # noqa: S105  # words
"""The words for a part whose content a snapshot leaves out."""
