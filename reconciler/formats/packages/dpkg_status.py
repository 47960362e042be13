"""/var/lib/dpkg/status: the packages of a host, as dpkg itself lists them (dpkg(1), deb-control(5))."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from reconciler.core.actions import ChangePackages
from reconciler.core.basics.frozen import frozen

PATH = "/var/lib/dpkg/status"
_FIELD = re.compile(r"^(Package|Status|Version|Architecture|Priority|Section): *(.*)$", re.MULTILINE)
_AUTOMATIC = re.compile(r"^Package: (\S+)\n(?:.+\n)*?Auto-Installed: 1$", re.MULTILINE)
_WHOLE = frozenset(("installed", "triggers-awaited", "triggers-pending"))
_GONE = frozenset(("not-installed", "config-files"))


@frozen
class Package:
    """A package that dpkg knows."""

    name: str
    """The name."""
    want: str
    """The wish: `install`, `hold`, `deinstall`, `purge`."""
    state: str
    """`installed`, `config-files`, `half-configured` and others."""
    version: str = ""
    """The version as dpkg compares it."""
    architecture: str = ""
    """`amd64`, `all`."""
    damaged: bool = False
    """Whether dpkg asks for it to be installed anew."""
    priority: str = ""
    """`required`, `important`, `standard`, `optional`."""
    section: str = ""
    """`libs`, `net`, `non-free/libs`."""

    @property
    def installed(self) -> bool:
        """Whether it is installed as a whole."""
        return self.state in _WHOLE and not self.damaged

    @property
    def gone(self) -> bool:
        """Whether none of it is there but configuration files."""
        return self.state in _GONE

    @property
    def held(self) -> bool:
        """Whether it stays at its version."""
        return self.want == "hold"


def parse(text: str) -> Mapping[str, Package]:
    """The packages by name, and by `NAME:ARCHITECTURE`; of several with one name, one that is installed."""
    packages: dict[str, Package] = {}
    for package in _packages(text):
        packages[f"{package.name}:{package.architecture}"] = package
        known = packages.get(package.name)
        if known is None or not known.installed:
            packages[package.name] = package
    return packages


def _packages(text: str) -> Iterator[Package]:
    for stanza in text.split("\n\n"):
        fields: dict[str, str] = dict(_FIELD.findall(stanza))
        status = fields.get("Status", "").split()
        if "Package" in fields and len(status) == 3:
            want, flag, state = status
            version, architecture = fields.get("Version", ""), fields.get("Architecture", "")
            more = fields.get("Priority", ""), fields.get("Section", "")
            yield Package(fields["Package"], want, state, version, architecture, flag != "ok", *more)


def automatic(text: str) -> frozenset[str]:
    """The packages that came along with others, by /var/lib/apt/extended_states (apt-mark(8))."""
    return frozenset(_AUTOMATIC.findall(text))


def outline(text: str) -> str:
    """The names, states and versions alone, in the form of the file."""
    return _text(_packages(text))


def changed(text: str, action: ChangePackages) -> str:
    """The outline as it is after a transaction in which nothing else comes along."""
    packages = {(package.name, package.architecture): package for package in _packages(text)}
    for wanted in action.install:
        name, _, version = wanted.partition(">=")
        key, package = _entry(packages, name)
        want = "hold" if package is not None and package.held else "install"
        kept = package.version if package is not None and not version else version
        packages[key] = Package(key[0], want, "installed", kept, key[1])
    for name in action.remove:
        key, package = _entry(packages, name)
        if package is not None:
            packages[key] = Package(key[0], "deinstall", "config-files", package.version, key[1])
    for want, names in (("hold", action.hold), ("install", action.unhold)):
        for name in names:
            key, package = _entry(packages, name)
            if package is not None:
                packages[key] = Package(key[0], want, package.state, package.version, key[1])
    return _text(packages.values())


_Key = tuple[str, str]


def _entry(packages: Mapping[_Key, Package], name: str) -> tuple[_Key, Package | None]:
    """The row of a package; one that is installed before others of its name."""
    plain, _, architecture = name.partition(":")
    keys = [key for key in packages if key[0] == plain and architecture in ("", key[1])]
    keys.sort(key=lambda key: not packages[key].installed)
    return (keys[0], packages[keys[0]]) if keys else ((plain, architecture), None)


def _text(packages: Iterable[Package]) -> str:
    return "\n".join(
        f"Package: {package.name}\n"
        f"Status: {package.want} {'reinstreq' if package.damaged else 'ok'} {package.state}\n"
        f"Architecture: {package.architecture}\nVersion: {package.version}\n"
        for package in packages
    )
