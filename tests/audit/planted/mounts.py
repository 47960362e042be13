"""Faults of mounts."""

from tests.audit.planted import Fault

_MOUNTINFO = "1 1 0:99 / /mnt/shared rw,{options} - nfs4 server:/shared rw"
_COVER = "mount --bind /run/mountinfo /proc/1/mountinfo"

PLANTED = {
    "mount-shared-memory": Fault(
        "mount -o remount,bind,suid,dev /dev/shm",
        "/dev/shm",
        before="mount -o remount,bind,nosuid,nodev /dev/shm",
    ),
    "mount-temporary-files": Fault(
        "mount -t tmpfs -o size=1m none /var/tmp",
        "/var/tmp",
        before="mount -t tmpfs -o nosuid,nodev none /tmp",
    ),
    # No file server is at hand: the fault is a line of the kernel's list.
    "mount-foreign": Fault(
        f"echo '{_MOUNTINFO.format(options='relatime')}' >> /run/mountinfo\n{_COVER}",
        "/mnt/shared",
        before="cat /proc/1/mountinfo > /run/mountinfo\n",
        alone=True,
    ),
    "mount-by-users": Fault(
        "echo '/dev/sdz1 /media/stick vfat noauto,user,suid 0 0' >> /etc/fstab", "/media/stick"
    ),
}
