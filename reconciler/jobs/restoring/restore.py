"""Restore from an archive into a new or empty directory."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, closing
from typing import NamedTuple

from reconciler.core.basics.frozen import frozen
from reconciler.formats import fstab
from reconciler.formats.backups.job import Job, above
from reconciler.formats.backups.manifest import Manifest
from reconciler.host.archives import decryption, stored_archives, tar
from reconciler.host.archives.held_back import AnotherSum, Damaged
from reconciler.host.archives.members import first_names
from reconciler.host.archives.private_directory import Refused
from reconciler.host.archives.remote.channel import Lost
from reconciler.host.archives.restore_target import (
    above_of,
    as_on_the_host,
    as_recorded,
    clear_attributes,
    lexists_below,
    remove_all,
    restore_target,
)
from reconciler.host.archives.tar import ArchiveError, LinkAlone, Packed
from reconciler.host.files.descriptors import descriptor
from reconciler.host.process import environment
from reconciler.jobs.archives import Copies, ids_of, listing, manifest_of
from reconciler.jobs.destinations import SPOOL, open_destination


@frozen
class Restored:
    """The result of restoring from an archive."""

    manifest: Manifest
    destination: str
    """The destination whose copy was used."""
    warnings: tuple[str, ...] = ()
    """The complaints of tar."""
    problems: tuple[str, ...] = ()
    """The faults of other copies and destinations, in words."""
    passed: tuple[tuple[str, str], ...] = ()
    """The newer archives that were passed over because no copy is good, each with the reason."""


class _Member(NamedTuple):
    """An archive to unpack: the destination of the copy, which is open, and its manifest."""

    path: str
    fd: int
    manifest: Manifest
    sha256: str = ""
    """The sum that it must have; empty: it was found right."""


class _Unsound(Exception):
    """A copy of an archive was found damaged while it was unpacked; nothing of it is left."""

    def __init__(self, member: _Member, why: str) -> None:
        super().__init__(why)
        self.copy = member.path, member.manifest.archive


_Reasons = dict[tuple[str, str], str]
"""Why copies were found damaged, by destination and archive."""


def restore(job: Job, at: str, to: str, paths: Sequence[str]) -> Restored:
    """Unpack an archive, or some paths of it, into a new or empty directory that stands for `/`, with the
    directories that lead there.

    The sum of a copy is checked while it is read; of one that has another sum nothing stays, and the next
    copy is taken. Without an id an archive without a good copy is passed over for an older one, and the
    result says so. Raises Refused, HostError: then the directory has nothing in it, unless tar itself failed.
    """
    for path in paths:
        must_be_plain(path)
    listed = listing(job)
    if listed.problems and not listed.archives and not listed.strange:
        raise Refused("no archive can be read", "; ".join(listed.problems))
    ids, problems = ids_of(listed, at), [*listed.problems, *listed.foreign]
    by_id = {manifest_of(copies).id: copies for copies in listed.archives}
    passed: list[tuple[str, str]] = []
    damaged: _Reasons = {}
    for ident in ids:
        while True:
            faults = [strange.problem for _, strange in listed.strange if strange.id == ident]
            try:
                with ExitStack() as stack:
                    members = _members(job, by_id, ident, faults, damaged, above_of(to), stack)
                    if not members:
                        break
                    warnings = _unpack(members, to, paths)
            except _Unsound as unsound:
                damaged[unsound.copy] = str(unsound)
            else:
                last = members[-1]
                return Restored(last.manifest, last.path, warnings, (*problems, *faults), tuple(passed))
        passed.append((ident, "; ".join(faults)))
    raise ArchiveError("no copy of the archive is sound", "; ".join(why for _, why in passed))


def _members(
    job: Job,
    by_id: Mapping[str, Copies],
    ident: str,
    problems: list[str],
    damaged: _Reasons,
    spool_in: str,
    stack: ExitStack,
) -> list[_Member]:
    """The archives to unpack for one, in order, each opened; none if nothing but bad copies is there of one.

    The faults of copies go to `problems`.
    """
    manifest = manifest_of(by_id[ident]) if ident in by_id else None
    members: list[_Member] = []
    for needed in manifest.members if manifest else ():
        faults: list[str] = [] if needed in by_id else ["it is not there"]
        copies = _opened(job, by_id.get(needed, {}), faults, damaged, spool_in)
        member = next(stack.enter_context(closing(copies)), None)
        problems += faults if needed == ident else [f"it needs {needed}: {why}" for why in faults]
        if member is None:
            return []
        members.append(member)
    return members


def _unpack(members: Sequence[_Member], to: str, paths: Sequence[str]) -> tuple[str, ...]:
    """Unpack archives one over the other into the directory `to`; the complaints of tar. Raises HostError."""
    warnings: list[str] = []
    last = members[-1].manifest
    with restore_target(to) as target:
        for number, member in enumerate(members):
            if number:
                clear_attributes(target)
            try:
                warnings += _extract(member, target, paths)
            except Damaged as problem:
                remove_all(target)
                raise _Unsound(member, _fault(member, problem)) from problem
        if last.in_chain:
            lacking = [path for path in paths if not lexists_below(target, path)]
            if lacking:
                detail = f"{last.id} does not have {lacking[0]}"
                raise ArchiveError("not everything is in the archive", detail)
            as_recorded(target, last.leading)
        elif not last.above:
            as_on_the_host(target, above(last.sources))
    return tuple(warnings)


def _fault(member: _Member, problem: Damaged) -> str:
    if isinstance(problem, AnotherSum):
        return _not_its_sum(member.path, member.manifest)
    return f"{member.path}: {member.manifest.archive}: {problem}"


def _extract(member: _Member, target: int, paths: Sequence[str]) -> tuple[str, ...]:
    """Unpack one archive; where a hard link is asked for alone, the name that has the content as well."""
    fd, manifest = member.fd, member.manifest

    def extract(names: Sequence[str], sha256: str = "") -> tuple[str, ...]:
        leading = _leading(manifest, names)
        return tar.extract(
            *(Packed(fd, manifest.compress, sha256), target, names, leading),
            as_root=environment.is_root(),
            chain=manifest.in_chain,
        )

    try:
        return extract(paths, member.sha256)
    except LinkAlone:
        first = first_names(fd, manifest.compress, paths, manifest.sources)
        also = [path for path in first if not any(f"{path}/".startswith(f"{other}/") for other in paths)]
        notes = [f"{path} is there too: it is the first name of a file that was asked for" for path in also]
        return (*extract([*paths, *also]), *notes)


def sound(job: Job, copies: Copies, problems: list[str]) -> Generator[_Member]:
    """The good copies, opened, their sums found right; the faults of the others go to `problems`."""
    for member in _opened(job, copies, problems, {}):
        if not member.sha256 or tar.sum_of(member.fd) == member.sha256:
            yield member
        else:
            problems.append(_not_its_sum(member.path, member.manifest))


def _opened(
    job: Job, copies: Copies, problems: list[str], damaged: _Reasons, spool_in: str = ""
) -> Generator[_Member]:
    """The copies that nothing is known against, opened; the faults of the others go to `problems`.

    One that is encrypted is read and decrypted at once.
    """
    for path, entry in copies.items():
        manifest = entry.manifest
        why = stored_archives.why_bad(entry)
        if why:
            problems.append(f"{path}: {entry.fault or f'{manifest.archive}: {why}'}")
            continue
        if (path, manifest.archive) in damaged:
            problems.append(damaged[path, manifest.archive])
            continue
        with ExitStack() as opened:
            try:
                directory = opened.enter_context(open_destination(job, path, spool_in=spool_in))
                fd = opened.enter_context(descriptor(directory.open(manifest.archive)))
            except Lost as lost:  # another copy will do
                problems.append(str(lost))
                continue
            if not manifest.encrypt_to:
                yield _Member(path, fd, manifest, manifest.sha256)
            elif tar.sum_of(fd) != manifest.sha256:
                problems.append(_not_its_sum(path, manifest))
            else:
                size, spool_directory = manifest.bytes, spool_in or SPOOL
                with decryption.decrypted(fd, size, _identity(job, manifest), spool_directory) as plain:
                    yield _Member(path, plain, manifest)


def _not_its_sum(path: str, manifest: Manifest) -> str:
    return f"{path}: the sum of {manifest.archive} is not the one that was recorded"


def _identity(job: Job, manifest: Manifest) -> str:
    """The file with the private key. Raises Refused."""
    if not job.identity:
        detail = f"{manifest.archive}: name the file with a private key for it, `restore --decrypt-with FILE`"
        raise Refused("the archive is encrypted", detail)
    return job.identity


def _leading(manifest: Manifest, paths: Sequence[str]) -> list[str]:
    """The directories in the archive that lead to these paths, above its sources and inside them."""
    inside = {
        parent
        for path in paths
        for parent in fstab.parents(path)
        if any(f"{parent}/".startswith(f"{source}/") for source in manifest.sources)
    }
    recorded = {
        parent for path in paths for parent in (*fstab.parents(path), "/") if parent in manifest.above
    }
    return sorted(inside | recorded)


def must_be_plain(path: str) -> None:
    """Raises Refused."""
    if not path.startswith("/") or any(part in ("", ".", "..") for part in path.split("/")[1:]):
        raise Refused(
            "not the path of a file that was backed up",
            f"{path!r}: write it as it was on the host, absolute and plain",
        )
