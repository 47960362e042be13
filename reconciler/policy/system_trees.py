"""Directories that are the system's: root runs programs and reads its configuration from them, or all data of
the host lies below them.
"""

from __future__ import annotations

from reconciler.core.basics import globs

STATE = "/var/lib/reconciler"
PROGRAM = "/opt/reconciler"
"""The directory of the program, as README installs it."""

TREES = frozenset(
    (
        *(
            "/bin",
            "/boot",
            "/dev",
            "/etc",
            "/lib",
            "/lib32",
            "/lib64",
            "/libx32",
            "/proc",
            "/root",
            "/run/credentials",
            "/run/dbus",
            "/run/sshd",
            "/run/sudo",
            "/run/systemd",
            "/run/tmpfiles.d",
            "/run/udev",
            "/sbin",
            "/sys",
            "/usr",
        ),
        *(
            "/var/cache/apt",
            "/var/cache/private",
            "/var/lib/apt",
            "/var/lib/dpkg",
            "/var/lib/private",
            "/var/lib/systemd",
            "/var/spool/cron",
        ),
        *("/snap/bin", PROGRAM, STATE),
    )
)
"""Directories that are the system's with everything in them."""
_DEEPEST = 3
"""The most components that one of them has."""

ROOT_RUNS = (
    *(
        "AccountsService",
        "NetworkManager",
        "cloud",
        "containerd",
        "dbus",
        "dkms",
        "docker",
        "extensions",
        "flatpak",
        "initramfs-tools",
    ),
    *(
        "kubelet",
        "libvirt",
        "lxc",
        "machines",
        "misc",
        "pam",
        "polkit-1",
        "portables",
        "snapd",
        "sudo",
        "ucf",
    ),
)
"""Names in /var/lib where root finds what it runs or goes by; logs may be there, too."""

TOPS = frozenset(
    (
        *(
            "/",
            "/home",
            "/media",
            "/mnt",
            "/opt",
            "/run",
            "/snap",
            "/srv",
            "/var",
            "/usr/local",
            "/run/lock",
            "/run/user",
        ),
        "/tmp",  # noqa: S108  # nothing is put there
        *(
            # what root's programs write into these has names that are known before
            f"/var/log/{name}"
            for name in ("apt", "audit", "installer", "journal", "private", "unattended-upgrades")
        ),
        *(
            f"/var/{name}"
            for name in ("backups", "cache", "crash", "lib", "local", "log", "mail", "opt", "spool", "tmp")
        ),
    )
)
"""Directories that are the system's themselves; the entries in them have owners of their own."""

_LOCAL = "/usr/local/"
_LOCAL_SYSTEM = frozenset(("bin", "etc", "games", "include", "lib", "libexec", "man", "sbin", "share", "src"))

AS_SHIPPED = frozenset(
    (
        *((path, "1777", "root") for path in ("/tmp", "/var/tmp", "/run/lock")),  # noqa: S108  # nothing is put there
        *(("/var/log", mode, group) for mode in ("0775", "2775") for group in ("syslog", "adm")),
        *(
            ("/var/mail", "2775", "mail"),
            ("/var/local", "2775", "staff"),
            ("/var/spool/cron/crontabs", "1730", "crontab"),
        ),
    )
)
"""Path, mode and group of directories that Debian and Ubuntu themselves let others write to."""


def of_usr_local(path: str) -> bool:
    """Whether it is a program's own directory in /usr/local, as /usr/local/nagios is, or below one."""
    name = path.removeprefix(_LOCAL).partition("/")[0]
    return path.startswith(_LOCAL) and name not in _LOCAL_SYSTEM and not globs.is_pattern(name)


def root_runs(path: str) -> str:
    """The directory of /var/lib that a path is in and that root runs things from; empty if it is in none."""
    name = path.removeprefix("/var/lib/").partition("/")[0]
    return f"/var/lib/{name}" if path.startswith("/var/lib/") and name in ROOT_RUNS else ""


def system_tree(path: str) -> str:
    """The tree of the system that a path is in; empty if it is in none."""
    if of_usr_local(path):
        return ""
    parts = path.split("/", _DEEPEST + 1)
    ways = ("/".join(parts[:length]) for length in range(2, min(len(parts), _DEEPEST + 1) + 1))
    return next((base for base in ways if base in TREES), "")
