"""Sudo as the audit reads it: what visudo and Defaults say, without a word of a rule."""

from __future__ import annotations

import pytest

from reconciler.formats.audit.people.sudo import Problem, parse_version, parse_visudo, redact_visudo

_DEBIAN_12 = """\
/etc/sudoers.d/broken:1:20: expected a fully-qualified path name
alice ALL = nonsense here --token=abc
                   ^~~~
/etc/sudoers: parsed OK
/etc/sudoers.d/loose: bad permissions, should be mode 0440
/etc/sudoers.d/x:3:1: unknown defaults entry "secret-word"
"""


def test_mistakes_are_told_without_the_rule() -> None:
    """The line of a rule and words that it quotes stay on the host; the place of the mistake is told."""
    redacted = redact_visudo(_DEBIAN_12)

    assert "token" not in redacted
    assert "secret-word" not in redacted
    assert parse_visudo(redacted) == [
        Problem("/etc/sudoers.d/broken", "1", "expected a fully-qualified path name"),
        Problem("/etc/sudoers.d/loose", "", "bad permissions, should be mode 0440"),
        Problem("/etc/sudoers.d/x", "3", 'unknown defaults entry "..."'),
    ]


def test_the_version_of_sudo_is_three_numbers() -> None:
    """Versions are compared by their numbers; a text without one is not understood."""
    assert parse_version("Sudo version 1.9.13p3\nConfigure options") == (1, 9, 13)
    assert parse_version("Sudo version 1.10") == (1, 10, 0)
    with pytest.raises(ValueError, match="no version"):
        parse_version("")
