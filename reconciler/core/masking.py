"""Takes what stands behind the name of a secret out of a line of text. Apart from `secrecy`: only a plan with changes needs it."""

from __future__ import annotations

import re

from reconciler.core.patterns import Late
from reconciler.core.secrecy import HIDDEN

_WORD = Late(r"passwd|password|passphrase|secret|token(?!s|iz)|api[_-]?key|access[_-]?key|private[_-]?key", re.IGNORECASE)
_NAMES_A_PLACE = Late(r"(?:file|path|dir|directory|name|type|ttl)s?", re.IGNORECASE)
_KEY_BLOCK = Late(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY|PuTTY-User-Key-File|AGE-SECRET-KEY-1")

# Possessive, and the value apart from the name: a long line takes time in proportion to its length.
_ASSIGNED = Late(r"""(?<![A-Za-z0-9_.-])(?P<name>[A-Za-z_][A-Za-z0-9_.-]*+)["']?[ \t]*+[=:][ \t]*+""")
_OPTION = Late(r"""(?:^|(?<=[\s"']))(?P<name>--?[A-Za-z0-9_.-]++)(?P<end>["']?)(?:=|[ \t]++)""")
_LOGIN = Late(r"://(?P<name>[^/\s:@]*+):")
_CREDENTIAL = Late(r"""(?<![A-Za-z])SetCredential(?:Encrypted)?=["']?(?P<name>[^:\s"']++):""")
"""systemd's own way to give a secret to a service: whatever its name."""
_REST = Late(r""""(?:[^"\\]|\\.)*+"?|'[^']*+'?|[^\s(][^\n]*+""")
_ONE_WORD = Late(r""""(?:[^"\\]|\\.)*+"?|'[^']*+'?|[^\s(-]\S*+""")
_IN_QUOTES = {'"': Late(r'(?:[^"\\]|\\.)++'), "'": Late(r"[^']++")}
_BEFORE_AT = Late(r"[^/\s@]++(?=@)")
_NO_VALUE = Late(
    r"""["']?(?:yes|no|true|false|on|off|none|null)["']?[,;]?[ \t]*(?:\#.*)?|(?:(?:files|compat|systemd|sss|db)(?:[ \t]+|$))+""",
    re.IGNORECASE,
)
"""What is no secret whatever the name: a switch, or the sources in nsswitch.conf (`passwd: files`)."""
_TAG = Late(r"(?:NO)?PASSWD:[ ]*")
"""sudoers has these."""


def names_secret(name: str) -> bool:
    """Whether a variable, key or option of this name holds a secret, and not only where one is: `API_TOKEN` does, `TOKEN_FILE` does not."""
    return _WORD.search(name) is not None and not _NAMES_A_PLACE.fullmatch(re.split(r"[_.-]", name)[-1])


def holds_private_key(text: str) -> bool:
    """Whether a text has a private key in it."""
    return _KEY_BLOCK.search(text) is not None


def holds_secret(text: str) -> bool:
    """Whether a text of any number of lines has a secret in it, told by the name before it or by its form."""
    return holds_private_key(text) or any(masked(line) != line for line in text.splitlines())


def masked(text: str, instead: str = HIDDEN) -> str:
    """One line without what stands behind the name of a secret: `TOKEN=x`, `--password x`, `://user:x@`, `SetCredential=n:x`."""
    if _WORD.search(text):
        text = _without(text, _OPTION, instead)
        text = _without(text, _ASSIGNED, instead)
    if "SetCredential" in text:
        text = _without(text, _CREDENTIAL, instead)
    return _without(text, _LOGIN, instead) if "://" in text else text


def _without(text: str, lead: Late, instead: str) -> str:
    """The text with `instead` in the place of each value that a name of a secret leads to."""
    found: list[str] = []
    at = 0
    for match in lead.finditer(text):
        if match.start() < at or not (lead in (_LOGIN, _CREDENTIAL) or names_secret(match["name"])) or _TAG.fullmatch(match[0]):
            continue
        value = _value(text, lead, match).match(text, match.end())
        if value is not None and not (lead is not _LOGIN and _NO_VALUE.fullmatch(value[0])):
            found += [text[at : match.end()], instead]
            at = value.end()
    return "".join((*found, text[at:])) if found else text


def _value(text: str, lead: Late, match: re.Match[str]) -> Late:
    """What a value looks like after this lead."""
    if lead is not _OPTION:
        return _BEFORE_AT if lead is _LOGIN else _REST
    quote = text[match.start() - 1 : match.start()]
    return _IN_QUOTES[quote] if quote in _IN_QUOTES and not match["end"] else _ONE_WORD
