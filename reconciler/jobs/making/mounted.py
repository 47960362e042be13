"""Disks that have to be mounted: an empty directory in place of one would be archived, or filled."""

from __future__ import annotations

from reconciler.formats.fstab import not_mounted
from reconciler.formats.named_mounts import advice
from reconciler.host.archives.private_directory import Refused
from reconciler.host.mounts import mount_points, named_places


def must_be_mounted(path: str) -> None:
    """Raises Refused where fstab or a unit names a mount point at or above `path`, and nothing is mounted
    there.
    """
    named = named_places()
    mount_point = not_mounted(path, named, mount_points())
    if mount_point:
        detail = (
            f"{path}: {named[mount_point]} names {mount_point}, and nothing is mounted there. Mount it, or"
            f" {advice(named[mount_point])}"
        )
        raise Refused("a file system is not mounted", detail)
