"""Checks of changed services against the host: its systemd is older, or others can write root's programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.core.address import Address
from reconciler.core.changes import Change, Verb
from reconciler.core.diagnostic import Diagnostic, error, warning
from reconciler.core.host import Entry, FileType, HostView, Unreadable, UnsafePath
from reconciler.core.paths import link_walk
from reconciler.core.spec import Spec
from reconciler.formats.systemd.unit import Sections
from reconciler.kinds.services.observe import unit_of
from reconciler.kinds.shared import ownership
from reconciler.kinds.shared.drop_ins import DIRECTORIES
from reconciler.kinds.shared.systemd_release import release
from reconciler.kinds.shared.unit_files import DIRECTORY
from reconciler.kinds.shared.unit_lint import readable, readable_credential, replaceable, writable

_ACTIVATING = ("socket", "path", "timer")


def conditions(view: HostView, changes: Sequence[Change]) -> Iterator[Diagnostic]:
    """Warn of conditions of changed units that do not hold: systemd will skip the start."""
    for change in changes if view.running else ():
        after = change.after or {}
        to_run = after.get("state") == "running" and "Unit" in after.get("unit", {})
        if change.observed.excused or change.part is None or not to_run:
            continue
        from reconciler.kinds.shared.unit_conditions import unmet

        try:
            condition = unmet(view, after["unit"])
        except (Unreadable, UnsafePath):
            continue
        if condition:
            detail = (
                "The first apply that finds it to hold starts it. If this plan makes it hold, it is started"
                " now."
            )
            where = {"address": change.address, "source": change.part.declared.source, "rule": "condition"}
            yield warning(f"{condition} does not hold: systemd will not start it", detail, **where)


def too_new(view: HostView, changes: Sequence[Change]) -> Iterator[Diagnostic]:
    """Yield errors for directives and values that the host's systemd ignores; warn where that is unclear."""
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
                f"{name}={setting}"
                for setting in (value if isinstance(value, list) else [value])
                if is_newer(section, name, setting)
            )


def other_definitions(view: HostView, changes: Sequence[Change]) -> Iterator[Diagnostic]:
    """Yield other unit files of the same name: an error for one that overrides ours, else a warning."""
    for change in changes:
        if change.part is None or change.address.part or change.verb not in (Verb.CREATE, Verb.UPDATE):
            continue
        name, source = unit_of(change.address), change.part.declared.source
        where = {"address": change.address, "source": source, "rule": "other-definition"}
        own_index = DIRECTORIES.index(DIRECTORY)
        for path in _existing(view, name, DIRECTORIES[:own_index]):
            detail = (
                f"{path} counts more than {DIRECTORY}/{name}. Stop the unit if it is transient, or remove"
                " that file, and plan again."
            )
            yield error(f"another {name} is in force", detail, **where)
        if "type" in (change.before or {}):
            continue
        for path in _existing(view, name, DIRECTORIES[own_index + 1 :]):
            detail = (
                f"{path} is no longer in force once {DIRECTORY}/{name} is there. To change only some of it,"
                " write `unit: vendor`."
            )
            yield warning(f"a package has a {name} too", detail, **where)


def _existing(view: HostView, name: str, directories: Sequence[str]) -> Iterator[str]:
    for directory in directories:
        try:
            if view.entry(f"{directory}/{name}") is not None:
                yield f"{directory}/{name}"
        except (Unreadable, UnsafePath):
            continue


def still_activated(view: HostView, changes: Sequence[Change]) -> Iterator[Diagnostic]:
    """Warn of active sockets, paths and timers that start a service again which shall not run."""
    for change in changes if view.running else ():
        removed = change.verb is Verb.DELETE
        stopped = change.touches("state") and (change.after or {}).get("state") == "stopped"
        if not removed and not stopped:
            continue
        stem, source = change.address.name, change.part.declared.source if change.part else None
        states = view.units([f"{stem}.{suffix}" for suffix in _ACTIVATING])
        for name in [name for name, state in states.items() if state.active == "active"]:
            detail = f"{name} is active and starts {stem}.service again when it is asked to. " + (
                f"Afterwards it would fail: `systemctl disable --now {name}`."
                if removed
                else f"`systemctl stop {name}` ends that too."
            )
            yield warning(
                f"{name} starts it again", detail, address=change.address, source=source, rule="activated"
            )


def replaceable_programs(
    view: HostView, spec: Spec, change: Change, programs: Sequence[str]
) -> Iterator[Diagnostic]:
    """Warn of programs that root would run and somebody else can write.

    `unit_lint.lint_spec` does it for those that the spec declares.
    """
    assert change.part is not None
    declared = {block.address for block in spec.resources}
    for program in programs:
        if Address("files", program) in declared:
            continue
        for path, entry in _chain(view, program):
            if Address("directories", path) in declared:
                continue
            problem = writable(entry.owner, entry.group, entry.mode)
            if problem and entry.type is not FileType.LINK:
                yield warning(
                    "root runs what a user can replace",
                    replaceable(program, path, problem),
                    address=change.address,
                    source=change.part.declared.source,
                    rule="root-program",
                )
                break


def readable_credentials(
    view: HostView, spec: Spec, change: Change, paths: Sequence[str]
) -> Iterator[Diagnostic]:
    """Warn of sources of credentials in /etc that everybody can read and the spec does not declare."""
    assert change.part is not None
    declared = {block.address for block in spec.resources}
    for path in paths:
        if not path.startswith("/etc/") or Address("files", path) in declared:
            continue
        try:
            entry = view.entry(path)
        except (Unreadable, UnsafePath):
            continue
        if entry is not None and entry.type is FileType.FILE and readable(entry.mode):
            yield warning(
                "credential that every user can read",
                readable_credential(path),
                address=change.address,
                source=change.part.declared.source,
                rule="readable-credential",
            )


def _chain(view: HostView, path: str) -> Iterator[tuple[str, Entry]]:
    """Yield the entry at a path and at each directory above it, through links, as far as can be seen."""
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
