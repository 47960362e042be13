"""Resources of a spec beside the backup jobs that would remove, or give away, the archives of a job:
logrotate, systemd-tmpfiles, directories of services, commands.
"""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.core.basics import globs
from reconciler.core.diagnostic import Diagnostic, Severity, warning
from reconciler.core.kind import Kinds
from reconciler.core.model.places import Use
from reconciler.core.spec import Declared, Spec
from reconciler.formats import tmpfiles
from reconciler.formats.backups.job import COMPRESSORS
from reconciler.formats.fstab import parents
from reconciler.policy.paths import Table

_ID = "20260101T000000Z-000000000"
_REMOVERS = frozenset(("rm", "shred", "wipefs", "mkfs", "mkfs.ext4", "mkfs.xfs", "mkfs.btrfs"))
_TMPFILES = ("/etc/tmpfiles.d", "/run/tmpfiles.d", "/usr/local/lib/tmpfiles.d", "/usr/lib/tmpfiles.d")


def removed_by_others(spec: Spec, named: Table) -> Iterator[Diagnostic]:
    """Yield refusals of resources that remove archives, or give them away: only the job lets archives go."""
    jobs = _jobs_by_destination(spec)
    for declared, places in named if jobs else ():
        for destination, job in jobs.items():
            by = next(
                (place.path for place in places if _takes(declared, place.use, place.path, destination, job)),
                "",
            )
            if by:
                yield _refused(declared, by, destination, job)


def removed_by_tmpfiles(spec: Spec, kinds: Kinds) -> Iterator[Diagnostic]:
    """Yield refusals of lines of tmpfiles.d that remove archives, at boot or by age."""
    jobs = _jobs_by_destination(spec)
    files = [
        declared
        for declared in spec.resources
        if declared.address.kind == "files" and declared.address.name.rpartition("/")[0] in _TMPFILES
    ]
    running = True
    for declared in files if jobs else ():
        for part in kinds["files"].expand(declared, running):
            lines = [*tmpfiles.removals((part.content or b"").decode("utf-8", "replace"))]
            for destination, job in jobs.items():
                by = next((line.text for line in lines if _lets_go(line, destination, job)), "")
                if by:
                    yield _refused(declared, f"the line {by!r}", destination, job)


def removed_by_commands(spec: Spec, kinds: Kinds) -> Iterator[Diagnostic]:
    """Yield warnings about commands that remove the whole destination, or put an empty file system over it.

    No refusal: a command may be meant to. Only its program is named: an argument may be a secret.
    """
    jobs = _jobs_by_destination(spec)
    for declared in spec.resources if jobs else ():
        for words in _commands(declared):
            for destination, job in jobs.items():
                if _destroys(words, destination):
                    detail = (
                        f"{destination} is a destination of backups.{job}; a command with {words[0]} would"
                        " take its archives away."
                    )
                    where = {"address": declared.address, "source": declared.source, "rule": "backup-place"}
                    yield warning("a command removes archives", detail, **where)


def _jobs_by_destination(spec: Spec) -> dict[str, str]:
    return {
        destination: declared.address.name
        for declared in spec.resources
        for destination in getattr(declared.resource, "places", ())
    }


def _commands(declared: Declared) -> Iterator[list[str]]:
    """Yield every command of a resource as words; a text for a shell is taken apart at its blanks."""
    commands = [hook.run for hook in getattr(declared.resource, "hooks", ())]
    for name in type(declared.resource).model_fields:
        value = getattr(declared.resource, name)
        if isinstance(value, list) and value and name.startswith("exec_"):
            commands += value if isinstance(value[0], list) else [value]
    for argv in commands:
        yield [part for word in argv for part in (word.split() if " " in word else [word])]


def _destroys(words: list[str], destination: str) -> bool:
    around = (destination, *parents(destination))
    programs = {word.rpartition("/")[2] for word in words}
    aimed = any(word.removesuffix("/*").rstrip("/;") in around for word in words)
    removing = (
        programs & _REMOVERS
        or ("find" in programs and "-delete" in words)
        or ("mount" in programs and "tmpfs" in words)
    )
    return bool(removing) and aimed


def _takes(declared: Declared, use: Use, path: str, destination: str, job: str) -> bool:
    if use is Use.OWNED:
        return _is_in(destination, path)
    return (
        declared.address.kind == "logrotate"
        and use is Use.WRITES_INTO
        and _matches_archives(path, destination, job)
    )


def _lets_go(line: tmpfiles.Removal, destination: str, job: str) -> bool:
    """Whether a line removes the destination with everything in it, or archives in it."""
    around = (destination, *parents(destination))
    if line.whole and any(globs.common(line.path, directory) for directory in around):
        return True
    return line.glob and _matches_archives(line.path, destination, job)


def _matches_archives(pattern: str, destination: str, job: str) -> bool:
    above, _, last = pattern.rpartition("/")
    names = (f"{job}-{_ID}{suffix}" for suffix in (".json", *(f".tar{end}" for end in COMPRESSORS.values())))
    return bool(globs.common(above, destination)) and any(globs.segment_matches(last, name) for name in names)


def _is_in(path: str, directory: str) -> bool:
    return path == directory or path.startswith(f"{directory}/")


def _refused(declared: Declared, by: str, destination: str, job: str) -> Diagnostic:
    detail = (
        f"{destination} is a destination of backups.{job}, and {declared.address} ({by}) would remove its"
        " archives, or give them away. Only the job lets archives go, by `keep`. Take the place out of one"
        " of the two."
    )
    return Diagnostic(
        Severity.ERROR,
        "archives would be removed",
        detail,
        declared.address,
        declared.source,
        rule="backup-place",
        refusal=True,
    )
