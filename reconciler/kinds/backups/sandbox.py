"""The sandbox of a backup job's service: directives of systemd.exec(5), each only where it hides nothing that
the run reads, and closes nothing that it writes. Commands of the job run outside of it.

An archive that lacks what was hidden would look whole. So nothing is mounted over a source or a destination,
and what a directive would hide or close is asked first.
"""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.kinds.backups.model import Backup
from reconciler.kinds.backups.unit_model import Hardening

BASIC = {"LockPersonality": "yes", "ProtectHostname": "yes", "RestrictRealtime": "yes"}
"""They hinder nothing that reads and writes files."""

_COMMON = {
    **BASIC,
    "MemoryDenyWriteExecute": "yes",
    "NoNewPrivileges": "yes",
    "RestrictNamespaces": "yes",
    "SystemCallArchitectures": "native",
    "SystemCallErrorNumber": "EPERM",
    "SystemCallFilter": "@system-service",
}
_KERNEL = {"ProtectControlGroups": "yes", "ProtectKernelLogs": "yes", "ProtectKernelTunables": "yes"}
_SYSTEM = ("/usr", "/boot", "/efi", "/etc", "/bin", "/lib", "/lib64", "/sbin")
_HOMES = ("/home", "/root", "/run/user")
_DEVICES = ("/dev", "/proc", "/sys")
_READS = ("CAP_DAC_READ_SEARCH", "CAP_SYS_ADMIN")
"""Files of any mode; `trusted` attributes, which the kernel shows to CAP_SYS_ADMIN alone (xattr(7))."""
_RESTORES = (
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_MKNOD",
    "CAP_SETFCAP",
)
"""Files of any owner, mode and type, as a drill unpacks them."""


def sandbox(backup: Backup) -> dict[str, str]:
    """The directives of [Service] that close the host to the run."""
    match backup.hardening or Hardening.STRICT:
        case Hardening.NONE:
            return {}
        case Hardening.BASIC:
            return dict(BASIC)
        case Hardening.STRICT:
            return _strict(backup)


def _strict(backup: Backup) -> dict[str, str]:
    drills = backup.restore_drill is not None
    written = [*backup.places, *filter(None, [backup.drill_directory])]
    on_network = len(backup.places) < len(backup.destinations)
    chosen = dict(_COMMON)
    if not _meet(backup.sources, _DEVICES):
        chosen |= _KERNEL
    if not _meet(written, _SYSTEM):
        chosen["ProtectSystem"] = "full"
    if not _meet(written, _HOMES):
        chosen["ProtectHome"] = "read-only"
    if not drills:  # which make files with a setuid bit, and device nodes
        chosen |= {"ProtectClock": "yes", "RestrictSUIDSGID": "yes"}
    if not backup.hooks:  # it holds for their lines as well
        chosen["UMask"] = "0077"
    families = ["AF_UNIX"]
    if on_network:
        families += ["AF_INET", "AF_INET6"]
    else:
        chosen["PrivateNetwork"] = "yes"
    capabilities = [*_READS, *(_RESTORES if drills else ())]
    chosen |= {
        "CapabilityBoundingSet": " ".join(sorted(capabilities)),
        "RestrictAddressFamilies": " ".join(families),
    }
    return dict(sorted(chosen.items()))


def _meet(paths: Iterable[str], directories: Iterable[str]) -> bool:
    """Whether a path is one of the places, or below one."""
    return any(
        path == directory or path.startswith(f"{directory}/") for path in paths for directory in directories
    )
