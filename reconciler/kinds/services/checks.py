"""The objections of the host's own facts to a service that is about to change.

Its systemd is older, or others can write what root runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from reconciler.core import link_walk
from reconciler.core.address import Address
from reconciler.core.changes import Change, Verb
from reconciler.core.diagnostic import Diagnostic, error, warning
from reconciler.core.host import Entry, FileType, HostView, Unreadable, UnsafePath
from reconciler.core.spec import Spec
from reconciler.formats.systemd.unit import Sections
from reconciler.kinds.services.observe import unit_of
from reconciler.kinds.shared import ownership
from reconciler.kinds.shared.drop_ins import DIRECTORIES
from reconciler.kinds.shared.systemd_release import release
from reconciler.kinds.shared.unit_lint import readable, readable_credential, replaceable, writable
from reconciler.kinds.shared.units import PLACE

_ACTIVATING = ("socket", "path", "timer")


def conditions(view: HostView, changes: Sequence[Change]) -> Iterator[Diagnostic]:
    """Conditions in what is about to be written that do not hold: systemd will pass over the start."""
    for change in changes if view.running else ():
        after = change.after or {}
        if (
            change.observed.excused
            or change.part is None
            or after.get("state") != "running"
            or "Unit" not in after.get("unit", {})
        ):
            continue
        from reconciler.kinds.shared.unit_conditions import unmet

        try:
            words = unmet(view, after["unit"])
        except (Unreadable, UnsafePath):
            continue
        if words:
            detail = (
                "The first apply that finds it to hold starts it. If this plan makes it hold, it is started"
                " now."
            )
            where = {"address": change.address, "source": change.part.declared.source, "rule": "condition"}
            yield warning(f"{words} does not hold: systemd will not start it", detail, **where)


def too_new(view: HostView, changes: Sequence[Change]) -> Iterator[Diagnostic]:
    """Directives and values that the host's systemd would ignore, and those of which it cannot be told."""
    suspects = [
        (change, line)
        for change in changes
        if change.verb is not Verb.NONE
        for line in _newer((change.after or {}).get("unit"))
    ]
    if not suspects:
        return
    from reconciler.formats.systemd.directives import NEWEST, OLDEST

    host = release(view)
    if host is None or host >= NEWEST:
        return
    for change, line in suspects:
        source = change.part.declared.source if change.part else None
        if host <= OLDEST:
            detail = (
                f"The host has systemd {host}, which would ignore {line}; systemd {NEWEST} has it. Leave it"
                " out here."
            )
            yield error(
                "newer than the host's systemd",
                detail,
                address=change.address,
                source=source,
                rule="systemd-release",
            )
        else:
            detail = (
                f"{line} came after systemd {OLDEST}, and the host has {host}: look into its man page whether"
                " that has it already."
            )
            yield warning(
                "perhaps newer than the host's systemd",
                detail,
                address=change.address,
                source=source,
                rule="systemd-release",
            )


def _newer(sections: Sections | None) -> Iterator[str]:
    if not sections:
        return
    from reconciler.formats.systemd.directives import is_newer

    for section, names in sections.items():
        for name, value in names.items():
            if is_newer(section, name, ""):
                yield name
                continue
            yield from (
                f"{name}={one}"
                for one in (value if isinstance(value, list) else [value])
                if is_newer(section, name, one)
            )


def other_definitions(view: HostView, changes: Sequence[Change]) -> Iterator[Diagnostic]:
    """Another unit file of the same name: one that counts more than ours, and one that ours puts out of
    force.
    """
    for change in changes:
        if change.part is None or change.address.part or change.verb not in (Verb.CREATE, Verb.UPDATE):
            continue
        name, where = (
            unit_of(change.address),
            {"address": change.address, "source": change.part.declared.source, "rule": "other-definition"},
        )
        before, after = DIRECTORIES[: DIRECTORIES.index(PLACE)], DIRECTORIES[DIRECTORIES.index(PLACE) + 1 :]
        for place in _there(view, name, before):
            detail = (
                f"{place} counts more than {PLACE}/{name}. Stop the unit if it is transient, or remove that"
                " file, and plan again."
            )
            yield error(f"another {name} is in force", detail, **where)
        for place in _there(view, name, after) if "type" not in (change.before or {}) else ():
            detail = (
                f"{place} is no longer in force once {PLACE}/{name} is there. To change only some of it,"
                " write `unit: vendor`."
            )
            yield warning(f"a package has a {name} too", detail, **where)


def _there(view: HostView, name: str, directories: Sequence[str]) -> Iterator[str]:
    for directory in directories:
        try:
            if view.entry(f"{directory}/{name}") is not None:
                yield f"{directory}/{name}"
        except (Unreadable, UnsafePath):
            continue


def still_activated(view: HostView, changes: Sequence[Change]) -> Iterator[Diagnostic]:
    """Units that start a service which shall not run: at the next connection, or when their time comes, it
    runs again.
    """
    for change in changes:
        gone = change.verb is Verb.DELETE
        if not view.running or not (
            gone or (change.touches("state") and (change.after or {}).get("state") == "stopped")
        ):
            continue
        stem, source = change.address.name, change.part.declared.source if change.part else None
        states = view.units([f"{stem}.{suffix}" for suffix in _ACTIVATING])
        for name in [name for name, state in states.items() if state.active == "active"]:
            detail = f"{name} is active and starts {stem}.service again when it is asked to. " + (
                f"Afterwards it would fail: `systemctl disable --now {name}`."
                if gone
                else f"`systemctl stop {name}` ends that too."
            )
            yield warning(
                f"{name} starts it again", detail, address=change.address, source=source, rule="activated"
            )


def replaceable_programs(
    view: HostView, spec: Spec, change: Change, programs: Sequence[str]
) -> Iterator[Diagnostic]:
    """Warn about programs that root would run and somebody else can write.

    The spec's own are looked at elsewhere.
    """
    assert change.part is not None
    ours = {declared.address for declared in spec.resources}
    for program in programs:
        if Address("files", program) in ours:
            continue
        for place, entry in _chain(view, program):
            if Address("directories", place) in ours:
                continue
            problem = writable(entry.owner, entry.group, entry.mode)
            if problem and entry.type is not FileType.LINK:
                detail = replaceable(program, place, problem)
                found = warning(
                    "root runs what a user can replace", detail, address=change.address, rule="root-program"
                )
                yield replace(found, source=change.part.declared.source)
                break


def readable_credentials(
    view: HostView, spec: Spec, change: Change, paths: Sequence[str]
) -> Iterator[Diagnostic]:
    """Sources of credentials in /etc that everybody can read, which the spec does not declare."""
    assert change.part is not None
    ours = {declared.address for declared in spec.resources}
    for path in paths:
        if not path.startswith("/etc/") or Address("files", path) in ours:
            continue
        try:
            entry = view.entry(path)
        except (Unreadable, UnsafePath):
            continue
        if entry is not None and entry.type is FileType.FILE and readable(entry.mode):
            found = warning(
                "credential that every user can read",
                readable_credential(path),
                address=change.address,
                rule="readable-credential",
            )
            yield replace(found, source=change.part.declared.source)


def _chain(view: HostView, path: str) -> Iterator[tuple[str, Entry]]:
    """The thing at a path and each directory above it, through links; nothing of what is not there or cannot
    be looked at.
    """
    try:
        entry, real = link_walk.reached(view, path)
    except Unreadable:
        return
    if entry is not None:
        yield real, entry
        yield from _above(view, real)


def _above(view: HostView, path: str) -> Iterator[tuple[str, Entry]]:
    for parent in ownership.parents(path):
        try:
            entry = view.entry(parent)
        except (Unreadable, UnsafePath):
            return
        if entry is not None:
            yield parent, entry
