"""The model of keys in a spec: the line of a .pub file, or a block that says what the key may be used for."""

# No `from __future__ import annotations`: pydantic would evaluate the text of each annotation at every start.

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from reconciler.core.basics.lazy_regex import Late
from reconciler.core.basics.scalars import CONTROL
from reconciler.core.model.fields import Flag, Text
from reconciler.formats.ssh import authorized_keys, key_options
from reconciler.formats.ssh.authorized_keys import Key
from reconciler.formats.ssh.key_options import FLAGS, BadKey, Option, canonical, check_option, check_options

_SEPARATED = Late(r"(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2}))?(Z)?)?")


def _public(text: str) -> str:
    authorized_keys.parse(text)
    if (bad := re.search(f"[{CONTROL}]", text)) is not None:
        raise BadKey(
            f"write the key on one line, without control characters (there is a U+{ord(bad[0]):04X})"
        )
    return text


def _expiry(text: str) -> str:
    match = _SEPARATED.fullmatch(text)
    if match is None:
        raise ValueError(
            "write a date as 2027-01-31, or with the host's time as 2027-01-31T18:00; a Z at the end makes"
            " it UTC"
        )
    check_option("expiry-time", "".join(part or "" for part in match.groups()))
    return text


def _checked(check: Callable[[str], None]) -> AfterValidator:
    def validated(text: str) -> str:
        check(text)
        return text

    return AfterValidator(validated)


PublicKey = Annotated[str, Field(min_length=1, max_length=16_384), AfterValidator(_public)]
"""A public key as in a .pub file: TYPE BASE64 COMMENT."""
Source = Annotated[str, Field(pattern=r'^!?[^\s",!]+\z', max_length=255)]
Expiry = Annotated[Text, AfterValidator(_expiry)]
Opened = Annotated[Text, _checked(key_options.check_permit_open)]
Listened = Annotated[Text, _checked(key_options.check_permit_listen)]
Tunnel = Annotated[Text, _checked(key_options.check_tunnel)]
Variable = Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+\z")]


class RestrictedKey(BaseModel):
    """A key and what it may be used for."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    key: PublicKey
    """The public key: TYPE BASE64 COMMENT, as in a .pub file, without options."""
    from_: Annotated[list[Source] | None, Field(alias="from", min_length=1)] = None
    """Addresses, networks or names of hosts from which it may be used; `*` and `?` are wildcards, `!` in
    front forbids.
    """
    command: Text | None = None
    """The one command that it runs, whatever is asked for. Run by the user's shell."""
    expires: Expiry | None = None
    """The day, or day and time, from which it is no longer accepted."""
    restrict: Flag = False
    """Forbid all forwarding, terminals and ~/.ssh/rc, but for what is allowed here."""
    agent_forwarding: Flag | None = None
    """Forwarding of the authentication agent: false forbids it, true allows it in spite of `restrict`."""
    port_forwarding: Flag | None = None
    """Forwarding of ports, likewise."""
    pty: Flag | None = None
    """A terminal, likewise."""
    user_rc: Flag | None = None
    """Running ~/.ssh/rc, likewise."""
    x11_forwarding: Flag | None = None
    """Forwarding of X11, likewise."""
    permit_open: list[Opened] | None = None
    """HOST:PORT pairs to which local ports may be forwarded, and no others."""
    permit_listen: list[Listened] | None = None
    """[HOST:]PORT pairs on which remote ports may be forwarded, and no others."""
    environment: dict[Variable, Text] | None = None
    """Variables for the session. sshd takes them only if PermitUserEnvironment is on."""
    tunnel: Tunnel | None = None
    """The number of the tun device to use, or `any`."""
    cert_authority: Flag = False
    """The key belongs to an authority: whoever has its certificate for one of `principals` may log in."""
    principals: list[Text] | None = None
    """Names, one of which the certificate must have. Without them it must have the name of the user."""
    touch_required: Flag = True
    """For sk- keys: whether the user must touch the token."""
    verify_required: Flag = False
    """For sk- keys: whether the user must prove to the token who they are, with a PIN for one."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        key = authorized_keys.parse(self.key)
        if key.options:
            raise ValueError("write the options either before the key or as keys of their own, not both")
        if self.principals is not None and not self.cert_authority:
            raise ValueError("`principals` is for the key of an authority: add `cert_authority: true`")
        for_token = not self.touch_required or self.verify_required
        if for_token and not key.type.startswith("sk-") and not self.cert_authority:
            raise ValueError(
                "`touch_required` and `verify_required` are for keys in hardware tokens (sk-...)"
            )
        check_options(tuple(self.options()))
        return self

    def options(self) -> Iterator[Option]:
        """Yield the options of authorized_keys(5) that the fields stand for."""
        bare = {
            "restrict": self.restrict,
            "cert-authority": self.cert_authority,
            "no-touch-required": not self.touch_required,
        }
        yield from (
            (name, None) for name, on in {**bare, "verify-required": self.verify_required}.items() if on
        )
        for name in FLAGS:
            allowed = getattr(self, name.replace("-", "_"))
            if allowed is not None:
                yield (name if allowed else f"no-{name}", None)
        for name, values in (("from", self.from_), ("principals", self.principals)):
            if values is not None:
                yield (name, ",".join(values))
        for name, value in (("command", self.command), ("tunnel", self.tunnel)):
            if value is not None:
                yield (name, value)
        if self.expires is not None:
            match = _SEPARATED.fullmatch(self.expires)
            yield ("expiry-time", "".join(part or "" for part in match.groups()) if match else self.expires)
        for name, many in (("permitopen", self.permit_open), ("permitlisten", self.permit_listen)):
            yield from ((name, value) for value in many or ())
        yield from (("environment", f"{name}={value}") for name, value in (self.environment or {}).items())


KeyEntry = PublicKey | RestrictedKey


def _distinct(entries: list[KeyEntry]) -> list[KeyEntry]:
    by_blob: dict[bytes, Key] = {}
    for key in map(key_of, entries):
        other = by_blob.setdefault(key.blob, key)
        if other is not key:
            differ = " with different options" if canonical(other.options) != canonical(key.options) else ""
            names = f"{other.comment or 'no comment'}, {key.comment or 'no comment'}"
            raise ValueError(f"{key.fingerprint} is in the list twice{differ} ({names}); keep one of them")
    return entries


KeyList = Annotated[list[KeyEntry], AfterValidator(_distinct)]


class ExactKeys(BaseModel):
    """These keys and no others."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    exactly: KeyList
    """The keys.

    Every other line that lets somebody in is removed from authorized_keys and authorized_keys2.
    """


Keys = KeyList | ExactKeys
"""A list means at least these keys; `exactly` means no others."""


def key_of(entry: KeyEntry) -> Key:
    """The key of a checked entry, with its options."""
    if isinstance(entry, str):
        return authorized_keys.parse(entry)
    key = authorized_keys.parse(entry.key)
    return Key(key.type, key.blob, key.comment, tuple(entry.options()))


def keys_of(entries: Sequence[KeyEntry] | ExactKeys | None) -> tuple[Key, ...]:
    """The keys of a list, in either form."""
    return tuple(map(key_of, entries.exactly if isinstance(entries, ExactKeys) else entries or ()))
