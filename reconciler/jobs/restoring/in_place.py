"""Restoring files to where they were, after a look at what that would replace.

The archive is unpacked beside them first, into a directory of root's; then names are exchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from reconciler.core.basics.frozen import frozen
from reconciler.formats.backups.job import Job, leaves_out
from reconciler.formats.backups.manifest import Manifest, new_id
from reconciler.host.archives.compare_trees import Change, Comparison, compare_trees
from reconciler.host.archives.private_directory import Refused
from reconciler.host.archives.replace_files import Scratch, make_scratch, replace_files, scratch_parent
from reconciler.host.process import environment
from reconciler.host.process.open_files import User, users_of
from reconciler.host.state.job_lock import RUN
from reconciler.jobs.archives import ids_of, manifest_of
from reconciler.jobs.engines import listing, restore
from reconciler.jobs.lock import lock_of
from reconciler.jobs.restoring.restore import Restored, must_be_plain


@frozen
class Preview:
    """The changes that a restore in place would make."""

    restored: Restored
    changes: tuple[Change, ...]
    not_archived: tuple[str, ...]
    """Entries of the host that the archive does not have, and that stay."""
    problems: tuple[str, ...]
    """The entries that cannot be put in place."""
    users: tuple[User, ...]
    """Who has files open at the paths."""


@frozen
class Replaced:
    """The result of a restore in place."""

    preview: Preview
    was_done: bool
    """False where nobody agreed, or there was nothing to do."""
    problems: tuple[str, ...] = ()
    """The changes that were not made, in words."""
    before: tuple[str, ...] = ()
    """The directories that have what was replaced and taken away, as below `/`."""


Agree = Callable[[Preview], bool]


def restore_in_place(
    job: Job, at: str, paths: Sequence[str], agree: Agree, *, delete: bool, lock_directory: str = RUN
) -> Replaced:
    """Put everything of an archive, or `paths`, back to where it was, if `agree` says so.

    With `delete` what the archive does not have goes as well. Nothing is lost: what was there lies in
    directories beside it afterwards. Raises Refused, JobBusy, HostError: then nothing was replaced.
    """
    if not environment.is_root():
        raise Refused("only root can restore in place", "unpack it with --to DIR")
    asked, manifest = _asked(job, at, paths)
    with ExitStack() as stack:
        parts: list[tuple[Scratch, Comparison]] = []
        restored: Restored | None = None
        for number, (parent, group) in enumerate(_by_file_system(asked).items()):
            scratch = stack.enter_context(_scratch(parent, number))
            _has_room(scratch, group, manifest)
            restored = restore(job, restored.manifest.id if restored else at, scratch.unpacked, group)
            scratch.must_be_here()
            parts.append((scratch, compare_trees(scratch.files, group, delete=delete, stays=_stays(job))))
        assert restored is not None
        preview = _preview(restored, asked, [comparison for _, comparison in parts])
        if not preview.changes or not agree(preview):
            return Replaced(preview, was_done=False, problems=preview.problems)
        with lock_of(job, lock_directory):
            problems = [problem for scratch, part in parts for problem in replace_files(scratch, part)]
        before = tuple(scratch.unpacked for scratch, _ in parts if not scratch.remove_if_empty())
        return Replaced(preview, was_done=True, problems=(*preview.problems, *problems), before=before)


@contextmanager
def _scratch(parent: str, number: int) -> Iterator[Scratch]:
    """A scratch that goes with all in it, unless files were exchanged with it."""
    ident = new_id(environment.microseconds(), environment.random_hex(4))
    scratch = make_scratch(parent, f"{ident}-{number}")
    try:
        yield scratch
    finally:
        if not scratch.has_old_files:
            scratch.remove()
        scratch.close()


def _asked(job: Job, at: str, paths: Sequence[str]) -> tuple[list[str], Manifest | None]:
    """The paths to put back, and the archive that is meant, if its manifest can be read. Raises Refused."""
    listed = listing(job)
    ident = ids_of(listed, at)[0]
    manifests = [manifest_of(copies) for copies in listed.archives]
    manifest = next((manifest for manifest in manifests if manifest.id == ident), None)
    sources = manifest.sources if manifest else job.sources
    for path in paths:
        must_be_plain(path)
        if not any(f"{path}/".startswith(f"{source}/") for source in sources):
            raise Refused("not a path of a source", f"{path}: the sources are {', '.join(sources)}")
    return list(paths or sources), manifest


def _has_room(scratch: Scratch, paths: Sequence[str], manifest: Manifest | None) -> None:
    """Refuse what would fill the disk of a running host; the size of a part of a source is not known."""
    needed = sum(manifest.data.get(path, 0) for path in paths) if manifest else 0
    if scratch.free() < needed:
        raise Refused(
            "too little space is left",
            f"{scratch.path} has {scratch.free()} bytes free, and {needed} are unpacked beside the old ones",
        )


def _by_file_system(paths: Sequence[str]) -> dict[str, list[str]]:
    """The paths by the directory that has their scratch."""
    groups: dict[str, list[str]] = {}
    for path in paths:
        groups.setdefault(scratch_parent(path), []).append(path)
    return groups


def _stays(job: Job) -> Callable[[str], bool]:
    """Whether an entry that the archive does not have is left out of archives."""

    def stays(path: str) -> bool:
        if any(f"{destination}/".startswith(f"{path}/") for destination in job.destinations):
            return True
        return any(leaves_out(pattern, path) for pattern in job.exclude)

    return stays


def _preview(restored: Restored, paths: Sequence[str], comparisons: Sequence[Comparison]) -> Preview:
    return Preview(
        restored,
        tuple(change for comparison in comparisons for change in comparison.changes),
        tuple(path for comparison in comparisons for path in comparison.not_archived),
        tuple(problem for comparison in comparisons for problem in comparison.problems),
        users_of(paths),
    )
