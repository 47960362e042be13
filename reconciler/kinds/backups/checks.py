"""Checks of backup jobs against the host: paths that a run would refuse, missing disks, what is left out."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator, Sequence

from reconciler.core.basics import globs
from reconciler.core.basics.frozen import frozen
from reconciler.core.changes import Change
from reconciler.core.diagnostic import Diagnostic, Severity, error
from reconciler.core.host import Entry, FileType, HostView, Unreadable, UnsafePath
from reconciler.core.spec import Declared, Spec
from reconciler.formats import fstab
from reconciler.formats.backups import job as backup_job
from reconciler.formats.backups import remote
from reconciler.formats.disks import Disks
from reconciler.formats.ssh import known_hosts
from reconciler.kinds.backups.destination_model import Repository
from reconciler.kinds.backups.model import Backup
from reconciler.kinds.shared.named_disks import Absent, absent

_PATTERN = " A `*` is not expanded: name the directory, and leave out with `exclude` what is not wanted."
_NAMED = 5
"""The most omitted file systems that warnings name; the rest is counted."""
_AGED = "/var/tmp/"  # noqa: S108  # nothing is put there
_OTHERS_WRITE, _STICKY = 0o022, 0o1000


@frozen
class Trouble:
    """Why a run would be refused, or its archives would lack something."""

    severity: Severity
    rule: str
    summary: str
    detail: str

    def diagnostic(self, declared: Declared) -> Diagnostic:
        """The diagnostic about a job that has this trouble."""
        return Diagnostic(
            self.severity, self.summary, self.detail, declared.address, declared.source, rule=self.rule
        )


def _warning(rule: str, summary: str, detail: str) -> Trouble:
    return Trouble(Severity.WARNING, rule, summary, detail)


def _error(rule: str, summary: str, detail: str) -> Trouble:
    return Trouble(Severity.ERROR, rule, summary, detail)


class BackupHost:
    """The answers of one host, each asked for at most once.

    A path that cannot be looked at makes no trouble.
    """

    def __init__(self, view: HostView, spec: Spec | None = None) -> None:
        self._view = view
        self._disks = Disks(view)
        self._declared = (
            {block.address.name: block for block in spec.resources if block.address.kind == "directories"}
            if spec
            else {}
        )
        homes = (
            [path for block in spec.resources for path in block.resource.home_and_below(block.address.name)]
            if spec
            else []
        )
        self._files = (
            {block.address.name for block in spec.resources if block.address.kind == "files"}
            if spec
            else set()
        )
        self._made = {path for name in (*self._declared, *homes) for path in (name, *fstab.parents(name))}

    def troubles(self, backup: Backup) -> Iterator[Trouble]:
        """Yield all that is wrong with the paths of a job."""
        for source in backup.sources:
            yield from self._source_troubles(source)
        for destination in backup.places:
            yield from self._destination_troubles(destination)
        if backup.drill_directory:
            yield from self._drill_troubles(backup.drill_directory)
        for path in backup.secrets:
            yield from self._secret_troubles(path)
        yield from self._host_key_troubles(backup)
        yield from self._mount_troubles(backup)
        yield from self._disk_troubles(backup)

    # ------------------------------------------------------------------------------------------------ sources

    def _source_troubles(self, path: str) -> Iterator[Trouble]:
        try:
            entry = self._view.entry(path)
        except Unreadable:
            return
        except UnsafePath as problem:
            detail = f"{problem}. A run would be refused: {_instead(path, problem)}."
            yield _error("backup-source", f"source {path} is behind a link", detail)
            return
        if entry is not None and entry.type is FileType.LINK:
            detail = f"{path} is a link to {entry.target}. A run would be refused: name what it leads to."
            yield _error("backup-source", f"source {path} is a link", detail)
        elif entry is None and self._view.running and not self._is_made(path):
            pattern = _PATTERN if globs.is_pattern(path) else ""
            detail = f"{path} is not on the host. As long as it is missing every run is refused.{pattern}"
            yield _warning("backup-source", f"source {path} does not exist", detail)

    def _secret_troubles(self, path: str) -> Iterator[Trouble]:
        """Yield what is wrong with a file that opens a repository, unless the spec declares it."""
        if path in self._files or not self._view.running:
            return
        try:
            entry = self._view.entry(path)
        except Unreadable:
            return
        except UnsafePath as problem:
            detail = f"{problem}. A run would be refused: {_instead(path, problem)}."
            yield _error("backup-secret", f"{path} is behind a link", detail)
            return
        if entry is None:
            detail = f"{path} is not on the host. As long as it is missing every run is refused."
            yield _warning("backup-secret", f"{path} does not exist", detail)
        elif entry.type is not FileType.FILE or entry.owner != "root" or int(entry.mode, 8) & 0o077:
            detail = (
                f"It must be a file of root's that nobody else can read: chown root {path}; chmod 600 {path}"
            )
            yield _warning("backup-secret", f"{path} cannot be used", f"{detail}. Every run is refused.")

    def _host_key_troubles(self, backup: Backup) -> Iterator[Trouble]:
        """Yield machines that restic's ssh does not know, unless the spec declares a file of known hosts."""
        repositories = [item for item in backup.destinations if isinstance(item, Repository)]
        urls = [item.url for item in repositories if item.host_key is None]
        machines = dict.fromkeys(filter(None, map(remote.machine_of_restic, urls)))
        if not machines or not self._view.running or self._files & {*known_hosts.PLACES}:
            return
        try:
            texts = [self._text(path) for path in known_hosts.PLACES]
        except (Unreadable, UnsafePath):
            return
        for host, port in machines:
            if not any(known_hosts.knows(text, host, port) for text in texts):
                yield _unknown_machine(known_hosts.name_of(host, port))

    def _text(self, path: str) -> str:
        """The text of a file; empty if there is none."""
        try:
            return self._view.read(path).decode("utf-8", "replace")
        except FileNotFoundError:
            return ""

    def _is_made(self, path: str) -> bool:
        """Whether the same spec makes a path."""
        return path in self._made

    # ------------------------------------------------------------------------------------------- destinations

    def _destination_troubles(self, path: str) -> Iterator[Trouble]:
        if mount_point := self._disks.gone_at_boot(path):
            detail = (
                f"{mount_point} is emptied by every boot, and the archives in {path} with it. Write a"
                " directory on a disk."
            )
            yield _warning("gone-at-boot", f"archives in {path} are gone at the next boot", detail)
        elif path.startswith(_AGED):
            detail = f"systemd-tmpfiles removes what is older than 30 days from {_AGED}. Write another place."
            yield _warning("gone-at-boot", f"archives in {path} are removed by age", detail)
        for parent in reversed([*fstab.parents(path)]):
            wrong = self._wrong_with(parent, sticky=True)
            if wrong:
                yield _error(
                    "backup-destination",
                    f"destination {path} cannot be used",
                    f"{wrong} Every run would be refused.",
                )
                return
        wrong = self._wrong_with(path, sticky=False)
        if wrong:
            yield _error(
                "backup-destination",
                f"destination {path} cannot be used",
                f"{wrong} Every run would be refused.",
            )
            return
        parent = path.rpartition("/")[0]
        if (
            parent
            and self._view.running
            and self._entry(path) is None
            and self._entry(parent) is None
            and not self._is_made(parent)
        ):
            detail = (
                f"{parent} is not there, and a run makes only {path}. Declare it under `directories:`, or"
                " mount what is missing."
            )
            yield _warning("backup-destination", f"destination {path} has no directory above it", detail)

    def _drill_troubles(self, path: str) -> Iterator[Trouble]:
        """Yield why a drill would not restore there: root writes in nobody else's directory."""
        for directory in (*reversed([*fstab.parents(path)]), path):
            if wrong := self._wrong_with(directory, sticky=True):
                detail = f"{wrong} Every drill would be refused."
                yield _error("backup-drill", f"drill directory {path} cannot be used", detail)
                return

    def opened(self, change: Change, job: Declared) -> Iterator[Diagnostic]:
        """Yield an error for a changed directory at or above a destination, if archives cannot lie there."""
        path, destinations = change.address.name, getattr(job.resource, "places", ())
        below = [item for item in destinations if item == path or item.startswith(f"{path}/")]
        wrong = (
            self._wrong(path, Entry(FileType.DIRECTORY, "0000", "root", "root"), sticky=path not in below)
            if below
            else ""
        )
        if wrong:
            consequence = "others could take its archives away, and every run would be refused"
            detail = f"{wrong} {below[0]} is a destination of {job.address}: {consequence}."
            source = change.part.declared.source if change.part is not None else None
            yield error(
                "archives cannot lie there",
                detail,
                address=change.address,
                source=source,
                rule="backup-destination",
            )

    def _entry(self, path: str) -> Entry | None:
        try:
            return self._view.entry(path)
        except (Unreadable, UnsafePath):
            return Entry(FileType.OTHER, "0000", "", "")

    def _wrong_with(self, path: str, *, sticky: bool) -> str:
        """Why archives cannot lie at a path, in a sentence; empty if they can, or if nothing can be seen."""
        try:
            entry = self._view.entry(path)
        except Unreadable:
            return ""
        except UnsafePath as problem:
            return f"{problem}: {_instead(path, problem)}."
        return "" if entry is None else self._wrong(path, entry, sticky=sticky)

    def _wrong(self, path: str, entry: Entry, *, sticky: bool) -> str:
        declared = getattr(self._declared.get(path), "resource", None)
        owner, mode = (
            getattr(declared, "owner", None) or entry.owner,
            int(getattr(declared, "mode", None) or entry.mode, 8),
        )
        open_to_others = bool(mode & _OTHERS_WRITE) and not (sticky and mode & _STICKY)
        rules = (
            (
                entry.type is FileType.LINK,
                f"{path} is a link to {entry.target}: write the directory that it leads to.",
            ),
            (entry.type is not FileType.DIRECTORY, f"{path} is not a directory."),
            (
                owner != "root" and self._view.running,
                f"{path} belongs to {owner}; archives lie in directories of root's only.",
            ),
            (open_to_others, f"Others can write to {path}: chmod go-w {path}."),
        )
        return next((words for holds, words in rules if holds), "")

    # ------------------------------------------------------------------------------------------------ mounts

    def _mount_troubles(self, backup: Backup) -> Iterator[Trouble]:
        """Yield disks that are not mounted, and file systems that a run would leave out."""
        absent_disks = absent(self._disks, {"sources": backup.sources, "destinations": backup.places})
        for disk in absent_disks:
            yield not_mounted(disk, required=disk.mount_point in backup.require_mount)
        try:
            mounted = self._disks.mounted
        except Unreadable:
            return
        below = backup_job.apart(
            backup.sources, backup.exclude, backup.places, {*self._disks.named, *mounted}
        )
        if backup.one_file_system and "one_file_system" not in backup.model_fields_set:
            yield from map(_left_out, below[:_NAMED])
            if below[_NAMED:]:
                yield _more_left_out(below[_NAMED:])
        for mount_point in below if not backup.one_file_system else ():
            if self._disks.not_mounted(mount_point):
                disk = Absent(mount_point, self._disks.named[mount_point], (mount_point,))
                yield not_mounted(disk, required=mount_point in backup.require_mount)
        known_mounts = {*mounted, *(disk.mount_point for disk in absent_disks)}
        for mount_point in backup.require_mount if self._view.running else ():
            if mount_point not in known_mounts:
                detail = (
                    f"`require_mount` names {mount_point}, and nothing is mounted there now. As long as that"
                    " is so every run is refused."
                )
                yield _warning("backup-mount", f"nothing is mounted at {mount_point}", detail)

    # ------------------------------------------------------------------------------------------------- disks

    def _disk_troubles(self, backup: Backup) -> Iterator[Trouble]:
        """Yield sources whose archives all lie on their own disk, and sources that are archived twice."""
        try:
            mounted = self._disks.mounted
        except Unreadable:
            return
        if "/" not in mounted:  # nothing is known of a tree
            return
        file_systems = {_file_system(path, mounted) for path in backup.places}
        same = [source for source in backup.sources if file_systems == {_file_system(source, mounted)}]
        if same and len(backup.places) == len(backup.destinations):
            yield _same_disk(same, backup)
        apart = {*mounted, *self._disks.named}
        for source in backup.sources:
            around = next((path for path in fstab.parents(source) if path in backup.sources), "")
            if around and _file_system(source, apart) == _file_system(around, apart):
                detail = f"{around} is a source too, and has it: take {source} out of `sources`."
                yield _warning("backup-source", f"{source} would be archived twice", detail)


def _file_system(path: str, mounted: Collection[str]) -> str:
    """The mount point at or above a path."""
    return next((point for point in (path, *fstab.parents(path)) if point in mounted), "/")


def _same_disk(sources: Sequence[str], backup: Backup) -> Trouble:
    shown = ", ".join(sources[:_NAMED]) + (" and others" if sources[_NAMED:] else "")
    detail = (
        f"{shown} and {' and '.join(backup.places)} are on one file system: what takes the disk"
        " takes the archives as well. Name a destination on another disk or machine too."
    )
    return _warning("backup-same-disk", "the archives are on the disk of their sources", detail)


def _unknown_machine(name: str) -> Trouble:
    line = shlex.quote(f"{name} ssh-ed25519 AAAA...")
    detail = (
        "restic's ssh goes by root's known_hosts, and no key of this machine is there: every run is refused,"
        " or trusts whoever answers where ssh_config says so. Put its key there, as"
        f" /etc/ssh/ssh_host_ed25519_key.pub has it over there: echo {line} >> {known_hosts.PLACES[0]} (a"
        " `Host` of ssh_config: under its HostName). Or write `host_key` and `identity_file` beside the url."
    )
    return _warning("restic-host-key", f"nothing pins the host key of {name}", detail)


def not_mounted(disk: Absent, *, required: bool) -> Trouble:
    """The trouble with a disk that fstab, a unit or autofs names and that is not mounted."""
    mount_point, paths = disk.mount_point, " and ".join(disk.paths)
    advice = f" Write `require_mount: [{mount_point}]` to have systemd mount it before each run."
    detail = (
        f"{disk.file} names {mount_point}, and nothing is mounted there now; {paths} would be on the bare"
        " directory. Every run is refused."
    )
    summary = f"nothing is mounted at {mount_point}"
    return _warning("backup-mount", summary, detail if required else f"{detail}{advice}")


def _left_out(mount_point: str) -> Trouble:
    detail = (
        f"{mount_point} is a file system or subvolume of its own below a source: what is on it is not in the"
        f" archives. To take it in, write `one_file_system: false`, or name {mount_point} as a source; if it"
        " is to be left out, write `one_file_system: true` or `exclude` it."
    )
    return _warning("backup-left-out", f"{mount_point} is left out of the backup", detail)


def _more_left_out(mount_points: Sequence[str]) -> Trouble:
    count = f"{len(mount_points)} more file system{'' if len(mount_points) == 1 else 's'} below a source"
    verb = "is" if len(mount_points) == 1 else "are"
    detail = (
        f"{mount_points[0]} and the like: `one_file_system` and `exclude` say what is meant. Each run names"
        " them all."
    )
    return _warning("backup-left-out", f"{count} {verb} left out of the backup", detail)


def _instead(path: str, problem: UnsafePath) -> str:
    return (
        f"write {problem.instead}/{path.rpartition('/')[2]}"
        if problem.instead
        else "write the path without a link"
    )
