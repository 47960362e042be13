"""Lines of authorized_keys files: options, keys, fingerprints.

Sources: sshd(8) AUTHORIZED_KEYS FILE FORMAT, RFC 4251 (the encoding of keys), and the behaviour of sshd 9.2
where the page is silent: it silently skips a line with an unknown option or a bad value, and if two lines
have one key, the first that lets it through counts.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence

from reconciler.core.basics.frozen import frozen
from reconciler.core.basics.lazy_regex import Late
from reconciler.formats.ssh.key_options import (
    BadKey,
    Option,
    canonical,
    check_options,
    parse_options,
    render_option,
)

RSA_LEAST = 2048
RSA_GOOD = 3072
"""Bits of an RSA key: fewer than RSA_LEAST are refused, fewer than RSA_GOOD make a warning."""

_CURVES = {"nistp256": 65, "nistp384": 97, "nistp521": 133}
_TYPE = Late(r"[a-z0-9][a-z0-9@.-]*")
_PRIVATE = Late(r"PRIVATE\s+KEY|PuTTY-User-Key-File", re.IGNORECASE)


@frozen
class Key:
    """One line that lets somebody in."""

    type: str
    blob: bytes
    """The public key as RFC 4253 encodes it: the identity of the key."""
    comment: str = ""
    options: tuple[Option, ...] = ()

    @property
    def fingerprint(self) -> str:
        """`SHA256:...`, as ssh-keygen -l prints it."""
        return fingerprint(self.blob)

    @property
    def bits(self) -> int:
        """The length of an RSA modulus; 0 for other types."""
        return _rsa_bits(self.blob) if self.type == "ssh-rsa" else 0

    def render(self) -> str:
        """The line, without a line end."""
        options = ",".join(map(render_option, canonical(self.options)))
        return " ".join(
            filter(None, (options, self.type, base64.b64encode(self.blob).decode(), self.comment))
        )


def fingerprint(blob: bytes) -> str:
    """`SHA256:...`, as ssh-keygen -l prints it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def is_private(text: str) -> bool:
    """Whether a text is (a part of) a private key, which nobody may see, not even in an error."""
    return _PRIVATE.search(text) is not None


def read(line: str) -> Key | None:
    """The key in a line of a file on a host, as sshd reads it; None for a line that lets nobody in: blank, a
    comment, or one that sshd does not understand.

    Keys of types that this version does not know are keys too.
    """
    text = line.strip(" \t\r\n")
    if not text or text.startswith("#"):
        return None
    key = _key(text)
    if key is not None:
        return key
    end = _end_of_options(text)
    options = parse_options(text[:end])
    key = _key(text[end:].strip(" \t"))
    if key is None or options is None:
        return None
    return Key(key.type, key.blob, key.comment, options)


def is_idle(line: str) -> bool:
    """Whether a line is blank or a comment: it lets nobody in with any sshd."""
    text = line.strip(" \t\r\n")
    return not text or text.startswith("#")


def parse(text: str) -> Key:
    """The key in a line of a spec, with everything checked. Raises BadKey, which never repeats the line."""
    if is_private(text):
        raise BadKey(
            "this is a private key, and who has seen it can log in: make a new pair, and declare what is in"
            " the .pub file"
        )
    line = text.strip(" \t")
    key = read(line)
    if key is None:
        raise BadKey(_what_is_wrong(line))
    check_blob(key.type, key.blob)
    check_options(key.options)
    return key


def _what_is_wrong(line: str) -> str:
    words = line.split()
    if not words or line.startswith("#"):
        return "write a public key: TYPE BASE64 COMMENT, as in a .pub file"
    end = 0 if words[0] in KNOWN_TYPES else _end_of_options(line)
    rest = line[end:].split()
    if not rest or (len(rest) == 1 and rest[0] in KNOWN_TYPES):
        return (
            "write a public key: TYPE BASE64 COMMENT, as in a .pub file; something is missing here, or a"
            " quote is not closed"
        )
    if rest[0] not in KNOWN_TYPES:
        return f"no type of key is in front of the base64 text; known types: {', '.join(KNOWN_TYPES)}"
    if parse_options(line[:end]) is None:
        return (
            'the options before the key cannot be read: NAME or NAME="VALUE", with commas and no blanks'
            " between them"
        )
    return (
        f"what follows {rest[0]} is not such a key in base64: it is cut off or was changed; copy the whole"
        " line of the .pub file"
    )


def _key(text: str) -> Key | None:
    """`TYPE BASE64 COMMENT` whose base64 begins with the same type."""
    words = re.split(r"[ \t]+", text, maxsplit=2)
    if len(words) < 2 or not _TYPE.fullmatch(words[0]):
        return None
    try:
        blob = base64.b64decode(words[1], validate=True)
        inner, _ = _string(blob)
    except (binascii.Error, ValueError):
        return None
    comment = words[2].strip(" \t\r") if len(words) == 3 else ""
    return Key(words[0], blob, comment) if inner == words[0].encode() else None


def _end_of_options(text: str) -> int:
    """The position of the first blank outside of quotes, where sshd sees the end of the options."""
    quoted, at = False, 0
    while at < len(text) and (quoted or text[at] not in " \t"):
        if text[at : at + 2] == '\\"':
            at += 1
        elif text[at] == '"':
            quoted = not quoted
        at += 1
    return min(at, len(text))


def check_blob(kind: str, blob: bytes) -> None:
    """Raise BadKey unless these are exactly the bytes of a key of this type, and the key is strong enough."""
    if kind == "ssh-dss":
        raise BadKey("DSA keys are broken and refused by sshd; make an ed25519 key")
    if "-cert-v" in kind:
        raise BadKey(
            "this is a certificate; declare the key of the authority that signed it, with cert_authority:"
            " true"
        )
    form = _FORMS.get(kind)
    if form is None:
        raise BadKey(f"unknown type of key {kind!r}; known are {', '.join(KNOWN_TYPES)}")
    try:
        _, rest = _string(blob)
        fields = []
        for _ in form:
            field, rest = _string(rest)
            fields.append(field)
    except ValueError:
        raise BadKey(f"the {kind} key is cut off; copy the whole line of the .pub file") from None
    if rest:
        raise BadKey(f"the {kind} key has bytes after its end; copy the line of the .pub file as it is")
    for (part, expected), field in zip(form, fields, strict=True):
        if expected is not None and (len(field) if isinstance(expected, int) else field) != expected:
            raise BadKey(f"the {kind} key has a wrong {part}; copy the line of the .pub file as it is")
    if kind == "ssh-rsa" and _rsa_bits(blob) < RSA_LEAST:
        raise BadKey(
            f"an RSA key of {_rsa_bits(blob)} bits is too short, {RSA_LEAST} is the least; make an"
            " ed25519 key"
        )


_Field = tuple[str, int | bytes | None]
_ED25519: tuple[_Field, ...] = (("length", 32),)
_SK: tuple[_Field, ...] = (("application", None),)


def _ecdsa(curve: str) -> tuple[_Field, ...]:
    return (("curve", curve.encode()), ("length", _CURVES[curve]))


_FORMS: dict[str, Sequence[_Field]] = {
    "ssh-ed25519": _ED25519,
    **{f"ecdsa-sha2-{curve}": _ecdsa(curve) for curve in _CURVES},
    "sk-ssh-ed25519@openssh.com": (*_ED25519, *_SK),
    "sk-ecdsa-sha2-nistp256@openssh.com": (*_ecdsa("nistp256"), *_SK),
    "ssh-rsa": (("exponent", None), ("modulus", None)),
}
KNOWN_TYPES = tuple(_FORMS)


def _string(data: bytes) -> tuple[bytes, bytes]:
    """The first string of RFC 4251, and the bytes after it. Raises ValueError."""
    length = int.from_bytes(data[:4], "big")
    if len(data) < 4 or len(data) < 4 + length:
        raise ValueError("cut off")
    return data[4 : 4 + length], data[4 + length :]


def _rsa_bits(blob: bytes) -> int:
    try:
        _, rest = _string(blob)
        _, rest = _string(rest)
        return int.from_bytes(_string(rest)[0], "big").bit_length()
    except ValueError:
        return 0
