"""Mounts: what a file system may not bring along."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconciler.audit.facts import Facts
from reconciler.audit.model import RUNNING, Fail, Severity
from reconciler.audit.registry import check
from reconciler.formats.audit.mounts import Mount, parse_fstab, parse_mounts

_NOT_FOR_PROGRAMS = frozenset(("nosuid", "nodev"))
_FOREIGN = frozenset(
    (
        "9p",
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "exfat",
        "fuseblk",
        "glusterfs",
        "iso9660",
        "lustre",
        "msdos",
        "nfs",
    )
) | frozenset(("nfs4", "ntfs3", "smb3", "smbfs", "udf", "vfat", "virtiofs"))
"""Types whose content another machine writes, or whoever has the medium in hand; FUSE besides."""
_ROOTS_OWN = ("/boot/efi", "/efi", "/boot")
"""The firmware reads it: FAT, and nobody else has it in hand."""
_BY_USERS = frozenset(("user", "users", "owner", "group"))


def mounts(facts: Facts) -> Mapping[str, Mount]:
    """The mounts by directory. Raises HostError."""
    return facts.parsed("mounts", parse_mounts)


@check(
    "mount-shared-memory",
    severity=Severity.MEDIUM,
    title="Shared memory holds no setuid programs and no devices",
    rationale=(
        "Everybody writes to /dev/shm, and nothing of it is on a disk: what is left there should be data"
        " alone; noexec is not asked for, since compilers of models map what they make from there."
    ),
    remediation="Write `tmpfs /dev/shm tmpfs nosuid,nodev 0 0` into /etc/fstab; mount -o remount /dev/shm.",
    cis=("1.1.2.2.2", "1.1.2.2.3"),
    needs=(RUNNING,),
)
def shared_memory_is_data(facts: Facts) -> Iterator[Fail]:
    """The options of /dev/shm as it is mounted."""
    yield from _lacking(facts, "/dev/shm")  # noqa: S108  # what is looked at, nothing is written there


@check(
    "mount-temporary-files",
    severity=Severity.LOW,
    title="A file system for temporary files holds no setuid programs and no devices",
    rationale="Everybody writes there: what is left there should be data alone.",
    remediation="Add nosuid,nodev to its options (tmp.mount, or /etc/fstab) and remount it.",
    cis=("1.1.2.1.2", "1.1.2.1.3", "1.1.2.5.2", "1.1.2.5.3"),
    needs=(RUNNING,),
)
def temporary_files_are_data(facts: Facts) -> Iterator[Fail]:
    """The options of /tmp and /var/tmp, where they are mounts of their own."""
    for directory in ("/tmp", "/var/tmp"):  # noqa: S108  # what is looked at, nothing is written there
        yield from _lacking(facts, directory)


@check(
    "mount-foreign",
    severity=Severity.HIGH,
    title="A file system that others write brings no setuid programs and no devices",
    rationale=(
        "Whoever is root on the file server, or has the medium in hand, puts a setuid program of root's there"
        " and is root here; with a device node they read the disks."
    ),
    remediation="Add nosuid,nodev to its options in /etc/fstab; mount -o remount,nosuid,nodev DIRECTORY.",
    needs=(RUNNING,),
)
def foreign_systems_bring_no_programs(facts: Facts) -> Iterator[Fail]:
    """The options of every mount whose content does not come from this host."""
    for directory, mount in sorted(mounts(facts).items()):
        if _is_foreign(mount) and not directory.startswith(_ROOTS_OWN):
            yield from _lacking(facts, directory)


@check(
    "mount-by-users",
    severity=Severity.MEDIUM,
    title="A medium that users may mount brings no setuid programs and no devices",
    rationale="An entry with `user` lets everybody mount the medium that they brought along.",
    remediation="Take `suid` and `dev` out of the options of the entry in /etc/fstab: `user` forbids both.",
)
def users_mount_no_programs(facts: Facts) -> Iterator[Fail]:
    """The entries of fstab(5) that give users the right and take back what the right forbids."""
    for mount in facts.parsed("fstab", parse_fstab, absent=""):
        allowed = mount.options & {"suid", "dev"}
        if mount.options & _BY_USERS and allowed:
            yield Fail(
                mount.directory,
                "nosuid,nodev",
                f"users mount it with {','.join(sorted(allowed))}",
                "/etc/fstab",
            )


def _is_foreign(mount: Mount) -> bool:
    return mount.type in _FOREIGN or mount.type.startswith("fuse.")


def _lacking(facts: Facts, directory: str) -> Iterator[Fail]:
    mount = mounts(facts).get(directory)
    missing = sorted(_NOT_FOR_PROGRAMS - mount.options) if mount is not None else []
    if mount is not None and missing:
        yield Fail(
            directory, "nosuid,nodev", f"{mount.type} without {' and '.join(missing)}", "/proc/1/mountinfo"
        )
