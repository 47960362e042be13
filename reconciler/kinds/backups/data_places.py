"""The places of a spec that hold data: state of services, databases, directories for data, homes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.core.basics.frozen import frozen
from reconciler.core.spec import Declared, Spec
from reconciler.formats import fstab

_ROOTS = ("/srv", "/data", "/var/lib", "/var/opt", "/var/www")
"""Directories for data (file-hierarchy(7), the FHS, and /data by custom)."""
_NOT_DATA = (
    *("/boot", "/dev", "/etc", "/proc", "/run", "/sys", "/usr"),
    *("/tmp", "/var/cache", "/var/lock", "/var/log", "/var/run", "/var/tmp"),  # noqa: S108  # only names
)
"""Directories whose content packages bring, programs make anew, or the spec itself has."""
_PREFIXES = "-+"
"""The prefixes of a path in ReadWritePaths= (systemd.exec(5))."""


@frozen
class DataPlace:
    """A place with data."""

    path: str
    declared: Declared
    """The resource that keeps data there."""
    why: str
    """How that is known, in words."""
    dumped_by: tuple[str, ...] = ()
    """Words in the names of programs that dump it; those of a database."""


@frozen
class Database:
    """A database of Debian's packages."""

    path: str
    """The directory of its data."""
    words: tuple[str, ...]
    """Words in the names of programs that dump it."""


DATABASES: Mapping[str, Database] = {
    "clickhouse-server": Database("/var/lib/clickhouse", ("clickhouse",)),
    "etcd": Database("/var/lib/etcd", ("etcd",)),
    "influxdb": Database("/var/lib/influxdb", ("influx",)),
    "mariadb": Database("/var/lib/mysql", ("mariadb", "mysql")),
    "mongod": Database("/var/lib/mongodb", ("mongo",)),
    "mysql": Database("/var/lib/mysql", ("mysql", "mariadb")),
    "postgresql": Database("/var/lib/postgresql", ("pg_", "postgres", "psql")),
    "redis": Database("/var/lib/redis", ("redis",)),
    "redis-server": Database("/var/lib/redis", ("redis",)),
    "slapd": Database("/var/lib/ldap", ("slapcat", "ldap")),
}
"""The databases of Debian's packages, by their units."""


def data_places(spec: Spec) -> Iterator[DataPlace]:
    """Yield every place with data, in the order of the spec."""
    for declared in spec.resources:
        kind, name = declared.address.kind, declared.address.name
        if str(getattr(declared.resource, "state", "")) == "absent":
            continue
        if kind == "services":
            yield from _of_service(declared)
        elif kind == "directories" and _is_at_or_below(name, _ROOTS):
            yield DataPlace(name, declared, "it is a directory for data")
        elif home := declared.resource.home_and_below(name)[:1]:
            yield DataPlace(home[0], declared, "it is a home")


def _of_service(declared: Declared) -> Iterator[DataPlace]:
    name, resource = declared.address.name, declared.resource
    if database := DATABASES.get(name.removesuffix(".service").partition("@")[0]):
        yield DataPlace(database.path, declared, "it is a database", database.words)
    directives: Mapping[str, Any] = getattr(resource, "directives", {}).get("Service", {})
    for word in _words(directives.get("StateDirectory")):
        private = _is_true(directives.get("DynamicUser"))
        yield DataPlace(
            f"/var/lib/{'private/' if private else ''}{word.partition(':')[0]}", declared, "StateDirectory="
        )
    for word in _words(directives.get("ReadWritePaths")):
        path = word.lstrip(_PREFIXES)
        if path.startswith("/") and path != "/" and not _is_at_or_below(path, _NOT_DATA):
            yield DataPlace(path, declared, "ReadWritePaths=")
    directory = (getattr(resource, "working_directory", None) or "").removeprefix("-")
    if _is_at_or_below(directory, _ROOTS):
        yield DataPlace(directory, declared, "WorkingDirectory=")


def _words(value: str | list[str] | None) -> list[str]:
    """The words of a directive that lists paths; those with specifiers are known to systemd alone."""
    texts = value if isinstance(value, list) else [value or ""]
    return [word for text in texts for word in text.split() if "%" not in word]


def _is_true(value: Any) -> bool:
    return str(value).lower() in ("1", "yes", "y", "true", "t", "on")


def _is_at_or_below(path: str, directories: tuple[str, ...]) -> bool:
    return any(above in directories for above in (path, *fstab.parents(path)))
