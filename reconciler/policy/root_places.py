"""The places of a host that root reads or runs from, whatever a spec says of them: what root does with each, and how its text is read.

The table follows hier(7) and the manual pages of the programs that read there. Of two places the longer one counts.
"""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.core.values import frozen


@frozen
class Place:
    """Files that root reads or runs.

    `base` is the path of a file, or with `/` at its end of a directory with everything below it. `use` are the words for "root USE PATH".
    `reader` names what reads the text (`policy.root_texts`); empty: the text names nobody. `strict`: the reader passes over a file that
    is not root's, or that others can write.
    """

    base: str
    use: str
    reader: str = ""
    strict: bool = False

    @property
    def path(self) -> str:
        """The file or directory itself."""
        return self.base.rstrip("/")


_CRON_SCRIPTS = tuple(Place(f"/etc/cron.{often}/", "runs what is in", "shell") for often in ("hourly", "daily", "weekly", "monthly"))
_SCRIPTS = tuple(
    Place(base, "runs", "shell")
    for base in (
        *("/etc/rc.local", "/etc/init.d/", "/etc/update-motd.d/", "/etc/network/if-up.d/", "/etc/network/if-pre-up.d/"),
        *("/etc/network/if-down.d/", "/etc/network/if-post-down.d/", "/etc/NetworkManager/dispatcher.d/", "/etc/ppp/ip-up.d/"),
        *("/etc/dhcp/dhclient-enter-hooks.d/", "/etc/dhcp/dhclient-exit-hooks.d/", "/etc/networkd-dispatcher/", "/etc/kernel/"),
        *("/etc/initramfs-tools/", "/etc/grub.d/", "/etc/acpi/", "/etc/apm/", "/etc/smartmontools/run.d/", "/etc/needrestart/"),
        *("/etc/letsencrypt/renewal-hooks/", "/etc/resolvconf/update.d/", "/etc/X11/Xsession.d/", "/etc/security/namespace.init"),
        *("/usr/lib/systemd/system-generators/", "/etc/systemd/system-generators/", "/usr/lib/systemd/system-sleep/"),
        *("/usr/lib/systemd/system-shutdown/", "/usr/lib/systemd/system-environment-generators/"),
        *("/etc/systemd/system-sleep/", "/etc/systemd/system-shutdown/", "/etc/default/grub", "/root/bin/", "/root/.local/bin/"),
    )
)
_SHELL_FILES = tuple(
    Place(base, "runs what is in", "shell")
    for base in (
        *("/etc/profile", "/etc/profile.d/", "/etc/bash.bashrc", "/etc/bash_completion", "/etc/bash_completion.d/", "/etc/zsh/"),
        *("/etc/csh.cshrc", "/etc/csh.login", "/etc/fish/", "/root/.bashrc", "/root/.profile", "/root/.bash_profile", "/root/.bash_login"),
        *("/root/.bash_logout", "/root/.bash_aliases", "/root/.zshrc", "/root/.zshenv", "/root/.kshrc"),
    )
)
_UNITS = tuple(Place(f"{base}/systemd/system/", "runs the units in", "unit") for base in ("/etc", "/run", "/usr/lib", "/usr/local/lib"))
_PROGRAMS = tuple(Place(base, "runs what is in") for base in ("/usr/local/bin/", "/usr/local/sbin/", "/usr/bin/", "/usr/sbin/"))
_LIBRARIES = tuple(
    Place(base, "loads what is in") for base in ("/usr/lib/", "/usr/local/lib/", "/usr/libexec/", "/usr/lib64/", "/usr/lib32/")
)

PLACES: tuple[Place, ...] = (
    Place("/etc/cron.d/", "runs the jobs in", "cron", strict=True),
    Place("/etc/crontab", "runs the jobs in", "cron", strict=True),
    Place("/etc/anacrontab", "runs the jobs in", "anacron"),
    Place("/var/spool/cron/crontabs/root", "runs the jobs in", "crontab", strict=True),
    Place("/var/spool/cron/atjobs/", "runs the jobs in"),
    *_CRON_SCRIPTS,
    *_SCRIPTS,
    *_SHELL_FILES,
    *_UNITS,
    *_PROGRAMS,
    *_LIBRARIES,
    Place("/etc/systemd/system.conf", "reads", "manager"),
    Place("/etc/systemd/system.conf.d/", "reads what is in", "manager"),
    Place("/etc/systemd/user/", "runs the user units in"),
    Place("/etc/environment", "reads the variables in", "environment"),
    Place("/etc/default/", "reads the variables in", "environment"),
    Place("/etc/login.defs", "reads", "login_defs"),
    Place("/root/.", "reads"),
    Place("/root/.ssh/authorized_keys", "is logged in to by the keys in", "authorized_keys", strict=True),
    Place("/root/.ssh/authorized_keys2", "is logged in to by the keys in", "authorized_keys", strict=True),
    Place("/etc/ssh/authorized_keys.d/root", "is logged in to by the keys in", "authorized_keys", strict=True),
    Place("/etc/passwd", "reads"),
    Place("/etc/shadow", "reads"),
    Place("/etc/group", "reads"),
    Place("/etc/gshadow", "reads"),
    Place("/etc/sudoers", "reads", strict=True),
    Place("/etc/sudoers.d/", "reads the sudo rules in", strict=True),
    Place("/etc/sudo.conf", "reads", "sudo_conf", strict=True),
    Place("/etc/doas.conf", "reads", "doas", strict=True),
    Place("/etc/pam.d/", "reads the PAM rules in", "pam"),
    Place("/etc/pam.conf", "reads", "pam"),
    Place("/etc/security/", "reads for PAM what is in", "security"),
    Place("/etc/nsswitch.conf", "reads"),
    Place("/etc/ld.so.conf", "loads what is named in", "ld_so"),
    Place("/etc/ld.so.conf.d/", "loads what is named in", "ld_so"),
    Place("/etc/ld.so.preload", "loads what is named in", "ld_so"),
    Place("/etc/ld.so.cache", "loads what is named in"),
    Place("/etc/polkit-1/", "reads the polkit rules in", "polkit"),
    Place("/usr/share/polkit-1/", "reads the polkit rules in", "polkit"),
    Place("/etc/polkit-1/rules.d/", "reads the polkit rules in", "polkit"),
    Place("/usr/share/polkit-1/rules.d/", "reads the polkit rules in", "polkit"),
    Place("/etc/dbus-1/", "reads the D-Bus rules in", "dbus"),
    Place("/usr/share/dbus-1/system-services/", "runs the D-Bus services in", "dbus_service"),
    Place("/etc/apt/apt.conf", "runs the hooks in", "apt"),
    Place("/etc/apt/apt.conf.d/", "runs the hooks in", "apt"),
    Place("/etc/apt/", "installs packages by what is in"),
    Place("/etc/dpkg/", "runs the hooks in", "dpkg"),
    Place("/var/lib/dpkg/info/", "runs the scripts in"),
    Place("/etc/alternatives/", "runs the programs that are named in"),
    Place("/etc/tmpfiles.d/", "makes files by what is in", "tmpfiles"),
    Place("/run/tmpfiles.d/", "makes files by what is in", "tmpfiles"),
    Place("/usr/lib/tmpfiles.d/", "makes files by what is in", "tmpfiles"),
    Place("/etc/sysusers.d/", "makes accounts by what is in", "sysusers"),
    Place("/usr/lib/sysusers.d/", "makes accounts by what is in", "sysusers"),
    Place("/etc/udev/", "runs the rules in", "udev"),
    Place("/usr/lib/udev/", "runs the rules in", "udev"),
    Place("/etc/udev/rules.d/", "runs the rules in", "udev"),
    Place("/usr/lib/udev/rules.d/", "runs the rules in", "udev"),
    Place("/etc/modprobe.d/", "runs the commands in", "modprobe"),
    Place("/etc/modules-load.d/", "loads the modules in"),
    Place("/etc/sysctl.conf", "reads", "sysctl"),
    Place("/etc/sysctl.d/", "reads what is in", "sysctl"),
    Place("/etc/binfmt.d/", "reads what is in", "binfmt"),
    Place("/etc/fstab", "mounts what is in", "fstab"),
    Place("/etc/network/interfaces", "runs the commands in", "interfaces"),
    Place("/etc/network/interfaces.d/", "runs the commands in", "interfaces"),
    Place("/etc/ssh/", "runs sshd by what is in", "sshd", strict=True),
    Place("/etc/logrotate.conf", "runs the scripts in", "logrotate", strict=True),
    Place("/etc/logrotate.d/", "runs the scripts in", "logrotate", strict=True),
    Place("/etc/docker/daemon.json", "runs docker by what is in", "docker"),
    Place("/etc/reconciler/profile/", "reads", "profile"),
    Place("/etc/reconciler/backups/", "runs the hooks in", "backup"),
    Place("/etc/reconciler/", "runs Reconciler by what is in"),
    Place("/opt/reconciler/", "runs Reconciler from what is in"),
    Place("/var/lib/reconciler/", "keeps Reconciler's state in"),
    Place("/boot/", "boots from what is in"),
)
_LINKS = {"/bin": "/usr/bin", "/sbin": "/usr/sbin", "/lib": "/usr/lib", "/lib64": "/usr/lib64"}
"""Directories of a merged /usr (hier(7))."""


_EXACT = {place.path: place for place in PLACES}
_DIRECTORIES = {place.path: place for place in PLACES if place.base.endswith("/")}
_DOT_FILES = next(place for place in PLACES if place.base.endswith("/."))


def place_of(path: str) -> Place | None:
    """The place that a path is or lies in; None for a path that root has no use for by itself."""
    plain = _plain(path)
    if plain in _EXACT:
        return _EXACT[plain]
    above = plain
    while (above := above.rpartition("/")[0]) and above not in _DIRECTORIES:
        pass
    return _DIRECTORIES[above] if above else _DOT_FILES if plain.startswith(_DOT_FILES.base) else None


def places_below(path: str) -> Iterator[Place]:
    """The places that lie in a directory: whoever may write there can put others in their stead."""
    inside = f"{_plain(path).rstrip('/')}/"
    yield from (place for place in PLACES if place.path.startswith(inside))


def is_relevant(path: str) -> bool:
    """Whether root reads or runs what is at a path, in it, or below it."""
    return place_of(path) is not None or _plain(path).rstrip("/") in _ABOVE


_ABOVE = frozenset("/".join(steps[:depth]) for steps in (place.path.split("/") for place in PLACES) for depth in range(1, len(steps)))
"""Every directory above a place."""


def _plain(path: str) -> str:
    head, _, rest = path[1:].partition("/")
    linked = _LINKS.get(f"/{head}")
    return path if linked is None else f"{linked}/{rest}" if rest else linked
