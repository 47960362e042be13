"""Lines of authorized_keys files: options, keys, fingerprints.

Sources: sshd(8) AUTHORIZED_KEYS FILE FORMAT, RFC 4251 (the encoding of keys), and what sshd 9.2 does where
the page is silent: a line with an unknown option or a bad value is skipped without a word, and of two lines
with one key the first that lets it through counts.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import ipaddress
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from reconciler.core.basics.frozen import frozen
from reconciler.core.basics.lazy_regex import Late

Option = tuple[str, str | None]
"""The name in lower case and the value, without quotes; None for an option that takes none."""

RSA_LEAST = 2048
RSA_GOOD = 3072
"""Bits of an RSA key: fewer than the first are refused, fewer than the second are told."""

FLAGS = ("agent-forwarding", "port-forwarding", "pty", "user-rc", "x11-forwarding")
"""The flags that `restrict` and `no-NAME` forbid, and NAME allows again."""
_BARE = frozenset(
    (
        *FLAGS,
        *(f"no-{name}" for name in FLAGS),
        "restrict",
        "cert-authority",
        "no-touch-required",
        "verify-required",
    )
)
_VALUED = frozenset(
    ("command", "environment", "expiry-time", "from", "permitlisten", "permitopen", "principals", "tunnel")
)
_ONCE = ("command", "from", "principals")
"""Options that void the line when they are repeated."""
_LAST_PORT = 65_535
_LONGEST_HOST = 1_025
"""NI_MAXHOST of netdb.h: a name must be shorter. The brackets of an address count."""
_NUMBER = Late(r"\s*([+-]?)0*([0-9]+)")
_MOST_DIGITS = 10
_SERVICE = Late(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")
_LAST_TUNNEL = 0x7FFF_FFFD
"""SSH_TUNID_MAX of misc.h."""
_CURVES = {"nistp256": 65, "nistp384": 97, "nistp521": 133}
_NAME = Late(r"[A-Za-z0-9-]+")
_TYPE = Late(r"[a-z0-9][a-z0-9@.-]*")
_ENVIRONMENT = Late(r"[A-Za-z0-9_]+=.*", re.DOTALL)
_EXPIRY = ("%Y%m%d", "%Y%m%d%H%M", "%Y%m%d%H%M%S")
_PRIVATE = Late(r"PRIVATE\s+KEY|PuTTY-User-Key-File", re.IGNORECASE)


class BadKey(ValueError):
    """The fault in a key or an option, and what to do; never the key itself."""


@frozen
class Key:
    """One line that lets somebody in. `blob` is the public key as RFC 4253 encodes it: it is the identity."""

    type: str
    blob: bytes
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
    """Whether this is (a part of) a private key: then nobody may see it, not even in an error."""
    return _PRIVATE.search(text) is not None


def read(line: str) -> Key | None:
    """A line of a file on a host as sshd reads it; None for a line that lets nobody in: blank, a comment, or
    nothing sshd understands.

    Keys of types that this version does not know are keys all the same.
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
    """A line of a spec, with everything checked. Raises BadKey, which never repeats what was written."""
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
    """Where the first blank outside of quotes is: as sshd looks for the end of the options."""
    quoted, at = False, 0
    while at < len(text) and (quoted or text[at] not in " \t"):
        if text[at : at + 2] == '\\"':
            at += 1
        elif text[at] == '"':
            quoted = not quoted
        at += 1
    return min(at, len(text))


def parse_options(text: str) -> tuple[Option, ...] | None:
    """The options of a line; None when they are none."""
    found: list[Option] = []
    at = 0
    while at < len(text):
        name = _NAME.match(text, at)
        if name is None:
            return None
        at, value = name.end(), None
        if text[at : at + 2] == '="':
            quoted = Late(r'(?:\\"|[^"])*').match(text, at + 2)
            if quoted is None or text[quoted.end() : quoted.end() + 1] != '"':
                return None
            at, value = quoted.end() + 1, quoted[0].replace('\\"', '"')
        found.append((name[0].lower(), value))
        if at < len(text) and text[at] != ",":
            return None
        at += 1
    return tuple(found)


def render_option(option: Option) -> str:
    """`name` or `name="value"`."""
    name, value = option
    return name if value is None else f'{name}="{value.replace(chr(34), chr(92) + chr(34))}"'


def canonical(options: Iterable[Option]) -> tuple[Option, ...]:
    """The options in an order that is equal for options that mean the same: `restrict`, then by name.

    An option before a `restrict` is forbidden by it: there the order stays.
    """
    given = tuple(dict.fromkeys(options))
    rest = [option for option in given if option[0] != "restrict"]
    if len(rest) != len(given) and given[0][0] != "restrict":
        return given
    return (
        *(("restrict", None) for _ in range(min(1, len(given) - len(rest)))),
        *sorted(rest, key=lambda item: (item[0], item[1] or "")),
    )


def check_options(options: Sequence[Option]) -> None:
    """Raise BadKey for options with which sshd would skip the line.

    Source: sshauthopt_parse() in auth-options.c of OpenSSH 9.2 and 10.
    """
    names = [name for name, _ in options]
    twice = next((name for name in _ONCE if names.count(name) > 1), "")
    if twice:
        raise BadKey(f"the option {twice} is there twice, and sshd skips such a line; write one of them")
    for name, value in options:
        check_option(name, value)


def check_option(name: str, value: str | None) -> None:
    """Raise BadKey for an option with which sshd would skip the line, or read
    something else than was meant.
    """
    if name not in _BARE | _VALUED:
        raise BadKey(f"sshd knows no option {name}; known are {', '.join(sorted(_BARE | _VALUED))}")
    if (value is None) != (name in _BARE):
        raise BadKey(f"the option {name} takes {'no value' if name in _BARE else 'a value in double quotes'}")
    if value is None:
        return
    if value.endswith("\\"):
        raise BadKey(f"the value of {name} ends in a backslash, which cannot be written in authorized_keys")
    if value == "" or any(ord(char) < 32 and char != "\t" for char in value):
        raise BadKey(f"the value of {name} is empty or has control characters")
    _CHECKS.get(name, lambda _: None)(value)


def _check_from(value: str) -> None:
    for pattern in value.split(","):
        text = pattern.removeprefix("!")
        if not text or re.search(r"[\s\"]", text):
            raise BadKey(
                "`from` takes addresses, networks and names of hosts, without blanks and without commas in"
                " one of them"
            )
        if "/" in text:
            _check_network(text)
    if all(pattern.startswith("!") for pattern in value.split(",")):
        raise BadKey("`from` only says who may not: sshd then lets nobody in; add what may, such as *")


def _check_network(text: str) -> None:
    try:
        ipaddress.ip_network(text)
    except ValueError as error:
        raise BadKey(
            f"`from` has {text!r}, which is no network: {error}; sshd would refuse the key from everywhere"
        ) from None
    if not text.rpartition("/")[2].isdecimal():
        raise BadKey(
            f"`from` has {text!r}, and sshd reads no such masks; write the number of bits, as in 10.0.0.0/8"
        )


def check_permit_open(value: str) -> None:
    """Raise BadKey unless it is HOST:PORT, as `permitopen` takes it; an IPv6 address is in brackets, `*` is
    any port.
    """
    host, port = _host_and_port(value)
    if port is None or len(host) >= _LONGEST_HOST:
        raise BadKey(
            "`permitopen` is HOST:PORT, as in db.example.org:5432, [2001:db8::1]:22 or localhost:*; sshd"
            " skips the key otherwise"
        )
    _check_port("permitopen", port)


def check_permit_listen(value: str) -> None:
    """Raise BadKey unless it is [HOST:]PORT, as `permitlisten` takes it."""
    host, port = _host_and_port(value) if ":" in value else ("*", value)
    if port is None or len(host) >= _LONGEST_HOST:
        raise BadKey(
            "`permitlisten` is PORT or HOST:PORT, as in 8080, localhost:8080 or localhost:*; sshd skips the"
            " key otherwise"
        )
    _check_port("permitlisten", port)


def named_ports(options: Iterable[Option]) -> Iterator[tuple[str, str]]:
    """Each port in these options that is a service's name, after the option's name: the host's /etc/services
    says which there are.
    """
    for name, value in options:
        if name in ("permitopen", "permitlisten") and value is not None:
            _, port = _host_and_port(value) if ":" in value or name == "permitopen" else ("*", value)
            if port is not None and _SERVICE.fullmatch(port) and _number(port) is None:
                yield name, port


def check_tunnel(value: str) -> None:
    """Raise BadKey unless it is a number of a tun device, or `any`."""
    number = _number(value)
    if value.lower() == "any" or (number is not None and 0 <= number <= _LAST_TUNNEL):
        return
    raise BadKey(
        "`tunnel` is the number of a tun device, from 0, or any; sshd skips the key with anything else"
    )


def _host_and_port(value: str) -> tuple[str, str | None]:
    """The host and the port, None where there is none: hpdelim2() in misc.c of OpenSSH, for which a slash is
    as good as a colon.
    """
    host, bracket, rest = value.partition("]") if value.startswith("[") else ("", "", value)
    if bracket:
        return f"{host}]", rest[1:] if rest.startswith((":", "/")) else None
    cut = re.search("[:/]", value) if not value.startswith("[") else None
    return (value[: cut.start()], value[cut.end() :]) if cut else (value, None)


def _check_port(option: str, port: str) -> None:
    """As a2port() in misc.c of OpenSSH: a number as strtonum(3) reads it, else the name of a TCP service."""
    number = _number(port)
    if port == "*" or (0 < number <= _LAST_PORT if number is not None else _SERVICE.fullmatch(port)):
        return
    raise BadKey(
        f"`{option}` has the port {port!r}; write a number from 1 to {_LAST_PORT}, the name of a TCP service,"
        " or *; sshd skips the key otherwise"
    )


def _number(text: str) -> int | None:
    """A number as strtonum(3) reads it, None for other text.

    One with too many digits is only known to be too large.
    """
    number = _NUMBER.fullmatch(text)
    return None if number is None else int(number[1] + number[2][:_MOST_DIGITS])


def _check_expiry(value: str) -> None:
    form = {8: 0, 12: 1, 14: 2}.get(len(value.removesuffix("Z")))
    try:
        datetime.strptime(value.removesuffix("Z"), _EXPIRY[form] if form is not None else "")  # noqa: DTZ007  # only whether it is a date
    except ValueError:
        raise BadKey(
            "`expiry-time` is YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS; with anything else the key is dead"
        ) from None


def _check_environment(value: str) -> None:
    if not _ENVIRONMENT.fullmatch(value):
        raise BadKey("`environment` is NAME=VALUE, with letters, digits and _ in the name")


_CHECKS = {
    "from": _check_from,
    "expiry-time": _check_expiry,
    "environment": _check_environment,
    "permitopen": check_permit_open,
    "permitlisten": check_permit_listen,
    "tunnel": check_tunnel,
}


def check_blob(kind: str, blob: bytes) -> None:
    """Raise BadKey unless these are all the bytes of a key of this type, and of one that is good enough."""
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
    for (what, expected), field in zip(form, fields, strict=True):
        if expected is not None and (len(field) if isinstance(expected, int) else field) != expected:
            raise BadKey(f"the {kind} key has a wrong {what}; copy the line of the .pub file as it is")
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
    """The first string of RFC 4251, and what follows it. Raises ValueError."""
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
