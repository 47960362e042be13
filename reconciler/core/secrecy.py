"""What looks like a secret by its name. A secret has no business in a spec; where one is all the same, it is not printed."""

from __future__ import annotations

import re

SECRET = re.compile(
    r"passw|passphrase|secret|token|credential|private|api[_-]?key|key[_-]?material|BEGIN [A-Z ]*KEY|PuTTY-User-Key", re.IGNORECASE
)
"""Names, and first lines of keys, beside which nothing of a spec is quoted."""

HIDDEN = "(sensitive value)"
CHANGED = "(sensitive value, changed)"

_WORD = r"passwd|password|passphrase|secret|token(?!s|iz)|api[_-]?key|access[_-]?key|private[_-]?key"
_NAME = rf"[A-Za-z0-9_.-]*(?:{_WORD})[A-Za-z0-9_.-]*"
_VALUE = r"""(?P<value>"(?:[^"\\]|\\.)*"?|'[^']*'?|%s)"""
_QUICK = re.compile(rf"{_WORD}|://", re.IGNORECASE)
_ASSIGNED = re.compile(
    rf"""(?P<lead>(?<![A-Za-z0-9_.-])(?P<name>(?![.-]){_NAME})["']?[ \t]*[=:][ \t]*)""" + _VALUE % r"[^\s(][^\n]*", re.IGNORECASE
)
_OPTION = re.compile(rf"""(?P<lead>(?:^|(?<=\s))(?P<name>--?{_NAME})(?:=|[ \t]+))""" + _VALUE % r"[^\s-]\S*", re.IGNORECASE)
_LOGIN = re.compile(r"(?P<lead>://(?P<name>[^/\s:@]*):)(?P<value>[^/\s@]+)(?=@)")
_NO_SECRET = re.compile(r"(?:file|path|dir|directory|name|type|ttl)s?", re.IGNORECASE)
_NO_VALUE = re.compile(r"""["']?(?:yes|no|true|false|on|off|none|null|files|compat|systemd|sss)\b.*""", re.IGNORECASE)
"""What is none: a switch, or a source of nsswitch.conf (`passwd: files`)."""
_TAG = re.compile(r"(?:NO)?PASSWD: *")
"""sudoers has these."""
_KEY_BLOCK = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY|PuTTY-User-Key-File|AGE-SECRET-KEY-1")
_WHOLE_NAME = re.compile(_NAME, re.IGNORECASE)


def names_secret(name: str) -> bool:
    """Whether a variable, key or option of this name holds a secret, and not only where one is: `API_TOKEN` does, `TOKEN_FILE` does not."""
    return _WHOLE_NAME.fullmatch(name) is not None and not _NO_SECRET.fullmatch(re.split(r"[_.-]", name)[-1])


def holds_private_key(text: str) -> bool:
    """Whether a text has a private key in it."""
    return _KEY_BLOCK.search(text) is not None


def masked(text: str, instead: str = HIDDEN) -> str:
    """The text of one line without what stands behind the name of a secret: `TOKEN=x`, `--password x`, `://user:x@`."""
    if not _QUICK.search(text):
        return text

    def hide(found: re.Match[str]) -> str:
        lead, login = found["lead"], found["lead"].startswith("://")
        harmless = not names_secret(found["name"].lstrip("-")) or _TAG.fullmatch(lead) or _NO_VALUE.fullmatch(found["value"])
        return found[0] if harmless and not login else lead + instead

    for pattern in (_OPTION, _ASSIGNED, _LOGIN):
        text = pattern.sub(hide, text)
    return text
