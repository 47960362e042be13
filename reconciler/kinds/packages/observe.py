"""The state of packages, from dpkg's own list: no program is run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from reconciler.core.address import Address
from reconciler.core.basics.frozen import frozen
from reconciler.core.changes import Document, Facts, Observed, Part
from reconciler.core.host import HostView, Unreadable, UnsafePath
from reconciler.formats.packages import dpkg_status, version
from reconciler.kinds.shared import ownership


@frozen
class PackageFacts(Facts):
    """The facts beside the document."""

    version: str = ""
    """The version that is installed; empty where none is."""


def observe(view: HostView, addresses: Sequence[Address]) -> Mapping[Address, Observed]:
    """The state of each package, from one read of the list."""
    try:
        packages = installed(view)
    except (Unreadable, UnsafePath) as error:
        return {address: ownership.unreadable(error) for address in addresses}
    return {address: _observed(packages.get(address.name)) for address in addresses}


def installed(view: HostView) -> Mapping[str, dpkg_status.Package]:
    """The packages that dpkg knows; none on a host without dpkg. Raises Unreadable, UnsafePath."""
    try:
        text = view.read(dpkg_status.PATH).decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        return {}
    return dpkg_status.parse(text)


def _observed(package: dpkg_status.Package | None) -> Observed:
    if package is None or package.gone:
        return Observed(None)
    document: Document = {"installed": package.installed, "hold": package.held}
    return Observed(document, PackageFacts(package.version))


def locate(
    view: HostView, parts: Mapping[Address, Part], seen: Mapping[Address, Observed]
) -> Mapping[Address, Observed]:
    """The packages with their version, where a declaration asks for one: the wanted one if it is as new."""
    return {
        address: replace(observed, document=document | {"at_least": _newest(observed, part)})
        for address, part in parts.items()
        if "at_least" in part.document
        and (observed := seen[address]).document is not None
        and (document := observed.document)
    }


def _newest(observed: Observed, part: Part) -> str:
    here, wanted = observed.facts(PackageFacts).version, str(part.document["at_least"])
    return wanted if version.at_least(here, wanted) else here
