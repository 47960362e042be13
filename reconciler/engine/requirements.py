"""The needs of a resource on the host, or in the same spec: told in the plan instead of failing halfway."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from reconciler.core.address import Address
from reconciler.core.changes import Change
from reconciler.core.diagnostic import Diagnostic, Severity
from reconciler.core.host import FileType, HostView, Unreadable, UnsafePath
from reconciler.core.kind import Kinds, Requirement, RequirementType
from reconciler.core.paths import link_walk
from reconciler.core.spec import Declared, Spec
from reconciler.formats.accounts import account_files
from reconciler.formats.accounts.nsswitch import TRANSIENT
from reconciler.formats.packages import dpkg_status

_DECLARED_AS = {
    RequirementType.USER: ("users",),
    # A user comes with a group of the same name.
    RequirementType.GROUP: ("groups", "users"),
    RequirementType.DIRECTORY: ("directories",),
    RequirementType.PROGRAM: ("files",),
    RequirementType.FILE: ("files",),
    RequirementType.PATH: ("files", "directories"),
}
_ADVICE = {
    RequirementType.USER: "Declare it under `users:`, or create it on the host first",
    RequirementType.GROUP: "Declare it under `groups:`, or create it on the host first",
    RequirementType.DIRECTORY: "Declare it under `directories:` with its mode and owner",
    RequirementType.PROGRAM: (
        "Declare its package under `packages:`, or install it; until then what needs it cannot run"
    ),
    RequirementType.FILE: (
        "Declare it under `files:`, or put it there first; until then what reads it does not start"
    ),
    RequirementType.PATH: (
        "Declare it, put it there first, or write `-` before it; until then what names it does not start"
    ),
}
_PACKAGED = ("/usr/", "/bin/", "/sbin/", "/lib/", "/opt/")
"""The places into which packages put programs."""
_MAY_BE_HOME = (RequirementType.DIRECTORY, RequirementType.PATH)


class Host:
    """The answers of one host, each asked for at most once."""

    def __init__(self, view: HostView, spec: Spec) -> None:
        self._view = view
        self._declared = {declared.address for declared in spec.resources}
        users = (declared for declared in spec.resources if declared.address.kind == "users")
        self._homes = {
            _home(declared).rstrip("/") for declared in users if isinstance(_said(declared), str | None)
        }
        self._packages = [
            declared.address.name
            for declared in spec.resources
            if declared.address.kind == "packages" and getattr(declared.resource, "state", "") == "present"
        ]
        self._places: dict[str, bool] = {}

    @cached_property
    def _users(self) -> set[str]:
        return {"root", *(user.name for user in account_files.users(self._view))}

    @cached_property
    def _packages_come(self) -> bool:
        """Whether the spec has packages that are not installed yet: nobody knows before what they bring."""
        names = self._packages
        try:
            text = self._view.read(dpkg_status.PATH).decode("utf-8", "replace") if names else ""
        except FileNotFoundError:
            text = ""
        except (Unreadable, UnsafePath):
            return bool(names)
        packages = dpkg_status.parse(text)
        return any(name not in packages or packages[name].gone for name in names)

    @cached_property
    def _groups(self) -> set[str]:
        return {"root", *(group.name for group in account_files.groups(self._view))}

    def has(self, need: Requirement) -> bool:
        """Whether the host has it or the spec declares it. An object that cannot be seen counts as there."""
        if any(Address(kind, need.name) in self._declared for kind in _DECLARED_AS[need.type]):
            return True
        if need.type is RequirementType.USER:
            return need.name in self._users or self._elsewhere(need.name, group=False)
        if need.type is RequirementType.GROUP:
            return need.name in self._groups or self._elsewhere(need.name, group=True)
        if need.type is RequirementType.PROGRAM and self._packages_come and need.name.startswith(_PACKAGED):
            return True
        if need.type in _MAY_BE_HOME and any(directory in self._homes for directory in _upwards(need.name)):
            return True
        if need.name not in self._places:
            types = (FileType.DIRECTORY,) if need.type is RequirementType.DIRECTORY else None
            self._places[need.name] = self._is(need.name, types)
        return self._places[need.name]

    def _elsewhere(self, name: str, *, group: bool) -> bool:
        try:
            number = self._view.named(name, group=group)
        except Unreadable:
            return True
        return number is not None and number not in TRANSIENT

    def advice(self, need: Requirement) -> str:
        """The advice about something that the host does not have."""
        group = need.type is RequirementType.GROUP
        if (group or need.type is RequirementType.USER) and self._view.named(
            need.name, group=group
        ) is not None:
            return (
                f"{need.name} is there only while a unit with DynamicUser= runs, and has another number next"
                " time. Name an account"
            )
        return _ADVICE[need.type]

    def _is(self, path: str, types: tuple[FileType, ...] | None) -> bool:
        try:
            entry = self._view.entry(path)
        except Unreadable:
            return True
        except UnsafePath:
            # Programs are reached through links (/bin is one); a managed path through a link fails later,
            # with its reason.
            return types is not None or self._is_behind_links(path)
        return entry is not None and (types is None or entry.type in (*types, FileType.LINK))

    def _is_behind_links(self, path: str) -> bool:
        above, _, name = path.rpartition("/")
        try:
            entry, real = link_walk.reached(self._view, above)
            return entry is not None and self._view.entry(f"{real}/{name}") is not None
        except (Unreadable, UnsafePath):
            return True


def _upwards(path: str) -> Iterator[str]:
    """A path and every directory above it."""
    while path:
        yield path
        path = path.rpartition("/")[0]


def _said(user: Declared) -> object:
    """The home as the spec declares it: nothing, a path, or that it is somebody else's, who has to see that
    it is there.
    """
    return getattr(user.resource, "home", None)


def _home(user: Declared) -> str:
    return str(_said(user) or f"/home/{user.address.name}")


def missing(change: Change, kinds: Kinds, host: Host) -> Iterator[Diagnostic]:
    """Yield the missing things that a change cannot do without.

    Errors block the resource, warnings do not.
    """
    if change.part is None:
        return
    declared = change.part.declared
    for need in kinds[change.address.kind].requires(declared):
        if not host.has(need):
            severity = Severity.ERROR if need.fatal else Severity.WARNING
            summary = f"{need.type} {need.name} does not exist"
            yield Diagnostic(
                severity,
                summary,
                f"{host.advice(need)}.",
                change.address,
                declared.source,
                rule=f"missing-{need.type}",
            )
