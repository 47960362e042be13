"""Checks of the directories that logs and old logs are in: root must not be led elsewhere by whoever else
writes there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconciler.core.basics import globs
from reconciler.core.basics.frozen import frozen
from reconciler.core.basis import in_vain
from reconciler.core.changes import Part
from reconciler.core.diagnostic import Diagnostic, Severity
from reconciler.core.host import FileType, HostError, HostView, Unreadable, UnsafePath
from reconciler.core.spec import Declared
from reconciler.formats import acl
from reconciler.kinds.logrotate.model import Policy
from reconciler.kinds.shared.ownership import ACCESS, Access, access_of, parents
from reconciler.kinds.shared.rotation_files import LogrotateHost

_STICKY, _GROUP_WRITES, _OTHERS_WRITE = 0o1000, 0o020, 0o002


@frozen
class Case:
    """One policy that is about to be written."""

    view: HostView
    host: LogrotateHost
    directories: Mapping[str, Access]
    """The access that each directory of the spec will have."""
    part: Part
    policy: Policy

    def diagnostic(self, severity: Severity, rule: str, summary: str, detail: str) -> Diagnostic:
        """A complaint about this policy."""
        return Diagnostic(severity, summary, detail, self.part.address, self.part.declared.source, rule=rule)


def log_directories(case: Case) -> Iterator[Diagnostic]:
    """Yield directories of logs in which root must not rotate with its own rights, and missing ones."""
    missing: dict[str, None] = {}
    pairs = [(path, directory) for path in case.policy.paths for directory in _log_directories(case, path)]
    for pattern, directory in pairs:
        if globs.is_pattern(directory):
            if not _has_su(case):
                yield case.diagnostic(
                    Severity.ERROR,
                    "su",
                    "`su` is required",
                    _NOTHING_YET.format(pattern=pattern, directory=directory),
                )
            continue
        try:
            insecure = _insecure(case, directory) or _open_for_matches(case, pattern)
            exists = _access(case, directory) is not None
        except Unreadable as problem:
            yield case.diagnostic(
                Severity.WARNING,
                "su",
                "cannot be checked",
                f"Who owns the directory of {pattern} is not known: {problem}.",
            )
            return
        except UnsafePath as problem:
            yield case.diagnostic(
                Severity.ERROR,
                "su",
                "the way to the log is a link",
                f"{problem}. Write the path without links.",
            )
            return
        if insecure:
            yield case.diagnostic(Severity.ERROR, "su", "`su` is required", f"{pattern}: {insecure}")
            return
        if not exists:
            missing[directory] = None
        elif detail := _movable(case, directory):
            yield case.diagnostic(
                Severity.WARNING, "su", "others can replace the directory of the log", detail
            )
    for directory in missing:
        detail = (
            f"{directory} does not exist and is not under `directories:`; until it does, nothing is rotated"
            " there."
        )
        yield case.diagnostic(
            Severity.WARNING, "missing-directory", "the directory of the log does not exist", detail
        )


_NOTHING_YET = (
    "{pattern}: nothing matches {directory} yet. Who makes such a directory could make root rotate any file"
    " of the host by putting a link there. Write `su: {{user: ..., group: ...}}` with the account whose logs"
    " these are, or name the directories."
)


def _log_directories(case: Case, pattern: str) -> list[str]:
    """The directories in which logs of a pattern are, or will be; their own pattern where none exists yet."""
    directory = pattern.rpartition("/")[0] or "/"
    return sorted(case.host.expand(directory)) or [directory]


def old_directory(case: Case) -> Iterator[Diagnostic]:
    """Yield why root must not put old logs into `olddir` with its own rights."""
    olddir = case.policy.olddir
    if olddir is None:
        return
    try:
        insecure = _leads_elsewhere(case, olddir, "write an old log to any place of the host")
        access = _access(case, olddir)
    except Unreadable as problem:
        detail = f"Who owns the directory of the old logs is not known: {problem}."
        yield case.diagnostic(Severity.WARNING, "su", "cannot be checked", detail)
        return
    except UnsafePath as problem:
        detail = f"`olddir`: {problem}. Write the path without links."
        yield case.diagnostic(Severity.ERROR, "su", "the way to the old logs is a link", detail)
        return
    if (
        not insecure
        and access is not None
        and not _has_su(case)
        and (shared := _shared_with(case, olddir, access))
    ):
        insecure = (
            f"{olddir} can be written by {shared} (mode {access['mode']}), who could put a link in the"
            " place of an old log. Write `su:`, or a directory that is root's alone."
        )
    if insecure:
        yield case.diagnostic(Severity.ERROR, "su", "`su` is required", f"`olddir`: {insecure}")


def _has_su(case: Case) -> bool:
    """Whether `su` says with whose rights logs are rotated, in the policy or for the whole host."""
    return case.policy.su is not None or bool(case.host.su)


def _insecure(case: Case, directory: str) -> str:
    """Why root must not rotate here with its own rights; empty if it may, or if `su` names other rights."""
    if insecure := _leads_elsewhere(case, directory, "rotate any file of the host"):
        return insecure
    access = _access(case, directory)
    if access is None or _has_su(case) or not (shared := _shared_with(case, directory, access)):
        return ""
    advice = f"Write `su: {{user: ..., group: {access['group']}}}`."
    if access["group"] == "root" and not int(access["mode"], 8) & _OTHERS_WRITE:
        return (
            f"{directory} can be written by {shared}, who could make root rotate any file of the host."
            f" {advice}"
        )
    return (
        f"{directory} can be written by {shared} (mode {access['mode']}), so logrotate skips the log."
        f" {advice}"
    )


def _leads_elsewhere(case: Case, directory: str, deed: str) -> str:
    """Who owns a directory, or one above it, and could make root do this deed; empty if root does, or if `su`
    names other rights.
    """
    su = case.policy.su
    user = su.user if su is not None else (case.host.su.split() or [""])[0]
    for path in (directory, *parents(directory)):
        access = _access(case, path)
        if access is not None and access["owner"] != "root" and user in ("", "root"):
            return (
                f"{path} belongs to {access['owner']}, who could make root {deed} by putting a link there."
                f" Write `su: {{user: {access['owner']}, group: {access['group']}}}`."
            )
    return ""


def _open_for_matches(case: Case, pattern: str) -> str:
    """Who besides root may make a directory that the pattern stands for, and with it lead root elsewhere."""
    steps = pattern.split("/")[:-1]
    for number, step in enumerate(steps):
        if number < 2 or not globs.is_pattern(step) or _has_su(case):
            continue
        for base in sorted(case.host.expand("/".join(steps[:number]))):
            access = _access(case, base)
            if access is not None and (shared := _shared_with(case, base, access)):
                return (
                    f"in {base} {shared} can make what {step} stands for (mode {access['mode']}), and so make"
                    " root rotate any file of the host. Write `su:`, or name the directories."
                )
    return ""


def _movable(case: Case, directory: str) -> str:
    """Who else can put another directory in place of this one; empty if nobody can, or if `su` makes it safe.

    logrotate looks at the directory of the log only, not at those above it.
    """
    for parent in () if _has_su(case) else parents(directory):
        access = _access(case, parent)
        # In a sticky directory others can remove only their own entries: what is deeper down is safe.
        if (
            access is not None
            and (shared := _shared_with(case, parent, access))
            and not int(access["mode"], 8) & _STICKY
        ):
            return (
                f"{parent} can be written by {shared} (mode {access['mode']}), who could put another"
                f" directory, or a link, in the place of {directory}: root would then rotate what is there."
                " Write `su:`, or take the right away."
            )
    return ""


def _shared_with(case: Case, path: str, access: Access) -> str:
    """Who besides the owner may write in a directory; empty for nobody."""
    mode = int(access["mode"], 8)
    if mode & _OTHERS_WRITE:
        return "everybody"
    if not mode & _GROUP_WRITES:
        return ""
    return f"group {access['group']}" if access["group"] != "root" else _by_acl(case, path)


def _by_acl(case: Case, path: str) -> str:
    """The first user or group that an ACL lets write: the bits of the group are the mask of an ACL."""
    if path in case.directories:
        return ""
    with in_vain(case.view.basis):
        try:
            attribute = dict(case.view.attributes(path)).get(acl.ATTRIBUTE, b"")
        except HostError:
            return ""
    words = {acl.USER: "user", acl.GROUP: "group"}
    return next(
        (
            f"{words[tag]} {number}, by an ACL"
            for tag, permissions, number in acl.entries(attribute)
            if tag in words and number and permissions & acl.WRITE
        ),
        "",
    )


def _access(case: Case, path: str) -> Access | None:
    """The access that a directory will have, or has; None without one. Raises Unreadable, UnsafePath."""
    if path in case.directories:
        return case.directories[path]
    entry = case.view.entry(path)
    if entry is not None and entry.type is FileType.LINK:
        raise UnsafePath("the path leads through a symbolic link", f"{path} is a link to {entry.target}")
    return None if entry is None else Access(mode=entry.mode, owner=entry.owner, group=entry.group)


def declared_access(declared: Declared) -> Access:
    """The access that a directory of the spec will have."""
    return access_of({name: getattr(declared.resource, name) for name in ACCESS})
