"""Options of a line of authorized_keys, as sshd takes them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from reconciler.core.basics.lazy_regex import Late

Option = tuple[str, str | None]
"""The name in lower case and the value, without quotes; None for an option that takes none."""
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
"""NI_MAXHOST of netdb.h: a name must be shorter, the brackets of an address included."""
_NUMBER = Late(r"\s*([+-]?)0*([0-9]+)")
_MOST_DIGITS = 10
_SERVICE = Late(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")
_LAST_TUNNEL = 0x7FFF_FFFD
"""SSH_TUNID_MAX of misc.h."""
_NAME = Late(r"[A-Za-z0-9-]+")
_ENVIRONMENT = Late(r"[A-Za-z0-9_]+=.*", re.DOTALL)
_EXPIRY = ("%Y%m%d", "%Y%m%d%H%M", "%Y%m%d%H%M%S")


class BadKey(ValueError):
    """The fault in a key or an option, and what to do; never the key itself."""


def parse_options(text: str) -> tuple[Option, ...] | None:
    """The options of a line; None when the text is no list of options."""
    options: list[Option] = []
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
        options.append((name[0].lower(), value))
        if at < len(text) and text[at] != ",":
            return None
        at += 1
    return tuple(options)


def render_option(option: Option) -> str:
    """`name` or `name="value"`."""
    name, value = option
    return name if value is None else f'{name}="{value.replace(chr(34), chr(92) + chr(34))}"'


def canonical(options: Iterable[Option]) -> tuple[Option, ...]:
    """The options in one order for all that mean the same: `restrict`, then by name.

    A `restrict` forbids the options before it: if it is not the first, the order stays.
    """
    distinct = tuple(dict.fromkeys(options))
    rest = [option for option in distinct if option[0] != "restrict"]
    if len(rest) != len(distinct) and distinct[0][0] != "restrict":
        return distinct
    return (
        *(("restrict", None) for _ in range(min(1, len(distinct) - len(rest)))),
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
    """Raise BadKey for an option with which sshd would skip the line, or read it differently than
    intended.
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
    """Each port in these options that is the name of a service, with the option's name before it: only the
    host's /etc/services tells which names are valid.
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
    """The host and the port, None where there is none, as hpdelim2() in misc.c of OpenSSH reads them: a slash
    is as good as a colon.
    """
    host, bracket, rest = value.partition("]") if value.startswith("[") else ("", "", value)
    if bracket:
        return f"{host}]", rest[1:] if rest.startswith((":", "/")) else None
    cut = re.search("[:/]", value) if not value.startswith("[") else None
    return (value[: cut.start()], value[cut.end() :]) if cut else (value, None)


def _check_port(option: str, port: str) -> None:
    """Raise BadKey unless a2port() in misc.c of OpenSSH may accept the port: a number as strtonum(3) reads
    it, or the name of a TCP service.
    """
    number = _number(port)
    if port == "*" or (0 < number <= _LAST_PORT if number is not None else _SERVICE.fullmatch(port)):
        return
    raise BadKey(
        f"`{option}` has the port {port!r}; write a number from 1 to {_LAST_PORT}, the name of a TCP service,"
        " or *; sshd skips the key otherwise"
    )


def _number(text: str) -> int | None:
    """A number as strtonum(3) reads it; None for other text. One with too many digits is cut, but too large
    even so.
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
