"""Whether sshd takes a key for one login, and why not."""

from __future__ import annotations

from datetime import UTC, datetime

from reconciler.core.basics.frozen import frozen
from reconciler.core.basics.lazy_regex import Late
from reconciler.formats.ssh import authorized_keys, key_options, sshd_match
from reconciler.formats.ssh.authorized_keys import Key
from reconciler.formats.ssh.key_options import BadKey
from reconciler.formats.ssh.services_file import tcp_services
from reconciler.formats.ssh.sshd_config import Settings
from reconciler.formats.ssh.sshd_keywords import accepted
from reconciler.formats.ssh.sshd_match import Origin
from reconciler.policy.symlinks import Followed

SERVICES = "/etc/services"
_RSA = ("rsa-sha2-512", "rsa-sha2-256", "ssh-rsa")
_LEAST_RSA = 1024
_STARTS = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
_EPOCH = 1970
_ADDRESS = Late(r"[0-9A-Fa-f.:*?/]+(?:%.*)?")
"""A pattern that an address may match."""
ONE_COMMAND = "it only runs one command"


@frozen
class KeyJudge:
    """The judge of what sshd accepts of a key for one login."""

    settings: Settings
    origin: Origin
    now: int
    revoked: frozenset[bytes]
    files: Followed

    def flaw(self, key: Key) -> str:
        """Why nobody gets a shell with it; empty if somebody does."""
        return (
            self._broken(key)
            or self._type(key)
            or self._options(key)
            or ("it is revoked" if key.blob in self.revoked else "")
        )

    def refusal(self, key: Key) -> str:
        """Why sshd does not take it at all; empty if it does, also for one command only."""
        flaw = self.flaw(key)
        return "" if flaw == ONE_COMMAND else flaw

    def _broken(self, key: Key) -> str:
        try:
            key_options.check_options(key.options)
            if key.type != "ssh-rsa":
                authorized_keys.check_blob(key.type, key.blob)
        except BadKey as bad:
            return str(bad)
        return self._unknown_port(key)

    def _unknown_port(self, key: Key) -> str:
        """Why sshd skips a key with a port by a name that the host does not have; empty without one.

        Most keys name no port, and then no services are read.
        """
        ports = list(key_options.named_ports(key.options))
        service_names = tcp_services(self.files.text(SERVICES) or "") if ports else frozenset()
        option, port = next(((option, port) for option, port in ports if port not in service_names), ("", ""))
        return f"`{option}` has the port {port}, and {SERVICES} names no such TCP service" if port else ""

    def _type(self, key: Key) -> str:
        algorithms = accepted(",".join(self.settings.words("pubkeyacceptedalgorithms")))
        if ("cert-authority", None) in key.options:
            return (
                ""
                if any("-cert-" in name for name in algorithms)
                else self.settings.as_line("pubkeyacceptedalgorithms")
            )
        if not algorithms.intersection(_RSA if key.type == "ssh-rsa" else (key.type,)):
            return f"{key.type} is not in {self.settings.as_line('pubkeyacceptedalgorithms')}"
        least = self.settings.word("requiredrsasize", str(_LEAST_RSA))
        short = key.type == "ssh-rsa" and least.isdecimal() and key.bits < int(least)
        return f"{key.bits} bits are too short (RequiredRSASize {least})" if short else ""

    def _options(self, key: Key) -> str:
        for name, value in key.options:
            if name == "command":
                return ONE_COMMAND
            if name == "expiry-time" and self._is_over(value or ""):
                return f"it expired ({value})"
            if (
                name == "from"
                and self.origin.address
                and not sshd_match.origin_listed(self.origin.address, value or "")
            ):
                return f"it is not accepted from {self.origin.address}"
            if name == "from" and self.settings.choice("usedns", "no") == "no" and _only_by_name(value or ""):
                return "it is only accepted from hosts by name, and sshd looks no names up (UseDNS no)"
        return ""

    def _is_over(self, value: str) -> bool:
        plain = value.removesuffix("Z")
        end = datetime.strptime(plain, _STARTS[len(plain)])  # noqa: DTZ007  # without a Z it is the host's time, as sshd reads it
        try:
            return (
                self.now >= (end.replace(tzinfo=UTC) if value.endswith("Z") else end.astimezone()).timestamp()
            )
        except (OverflowError, OSError):  # at the ends of the calendar
            return end.year < _EPOCH


def _only_by_name(patterns: str) -> bool:
    """Whether no address can match a list of `from`."""
    return not any(
        _ADDRESS.fullmatch(pattern) for pattern in patterns.split(",") if not pattern.startswith("!")
    )
