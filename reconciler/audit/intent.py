"""The declarations of the spec, as checks ask for them: findings are about things that nobody declared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING

from reconciler.core.basics.frozen import frozen
from reconciler.formats import endpoint

if TYPE_CHECKING:
    from reconciler.core.model.resource import Resource
    from reconciler.core.spec import Spec


@frozen
class Intent:
    """The resources of a spec, by kind and name; empty without a spec."""

    resources: Mapping[str, Mapping[str, Resource]] = field(default_factory=dict)
    spec: Spec | None = None
    """The spec itself, where there is one."""

    def names(self, kind: str) -> frozenset[str]:
        """The names that are declared of a kind: `users`, `groups`, `services`, `timers`, `backups`."""
        return frozenset(self.resources.get(kind, ()))

    @property
    def users(self) -> frozenset[str]:
        """The declared accounts."""
        return self.names("users")

    @property
    def sudo_users(self) -> frozenset[str]:
        """The accounts that the spec gives sudo to."""
        users = self.resources.get("users", {})
        return frozenset(name for name, user in users.items() if getattr(user, "sudo", None))

    @property
    def key_users(self) -> frozenset[str]:
        """The accounts whose SSH keys the spec declares."""
        users = self.resources.get("users", {})
        return self.names("ssh_keys") | {
            name for name, user in users.items() if getattr(user, "ssh_keys", None)
        }

    def fingerprints(self, user: str) -> frozenset[str]:
        """The keys that the spec gives to an account."""
        from reconciler.formats.ssh import authorized_keys

        declared = self.resources.get("ssh_keys", {}).get(user)
        account = self.resources.get("users", {}).get(user)
        lists = (
            getattr(declared, "keys", None),
            getattr(declared, "exactly", None),
            getattr(account, "ssh_keys", None),
        )
        lines = (
            getattr(item, "key", item) for keys in lists for item in getattr(keys, "exactly", keys) or ()
        )
        read = (authorized_keys.read(line) for line in lines)
        return frozenset(key.fingerprint for key in read if key is not None)

    @property
    def ports(self) -> frozenset[tuple[str, int]]:
        """The ports that the spec says others reach, each as `("tcp", 8080)`: where a service's health is
        asked at an address that is not this host's own.
        """
        places = (_health_target(service) for service in self.resources.get("services", {}).values())
        return frozenset(("tcp", port) for host, port in filter(None, places) if not _is_loopback(host))

    @property
    def units(self) -> frozenset[str]:
        """The systemd units that the spec declares, with their suffix."""
        jobs = self.names("backups")
        return (
            frozenset(name if "." in name else f"{name}.service" for name in self.names("services"))
            | {name if name.endswith(".timer") else f"{name}.timer" for name in self.names("timers")}
            | {f"{name}.timer" for name in jobs}
        )


def _health_target(service: Resource) -> tuple[str, int] | None:
    """The host and port that a service's health is asked at."""
    health = getattr(service, "health", None)
    if health is None or not (health.http or health.tcp):
        return None
    target = endpoint.parse_address(health.tcp) if health.tcp else endpoint.parse_url(health.http)
    return (target.host, target.port)


def _is_loopback(host: str) -> bool:
    return host == "localhost" or host.startswith("127.") or host == "::1"


def intent_of(spec: Spec | None) -> Intent:
    """The declarations of a spec."""
    resources: dict[str, dict[str, Resource]] = {}
    for declared in spec.resources if spec is not None else ():
        resources.setdefault(declared.address.kind, {})[declared.address.name] = declared.resource
    return Intent(resources, spec)
