"""The places of a host that root reads or runs from, whatever a spec says of them.

The table says what root does with each, and how its text is read. It follows hier(7), the manual pages of the
programs that read there, and what root opened on Debian 12 and 13 while it booted, logged in, installed
packages, rotated logs and ran its timers (strace). The longer of two places counts.
"""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.core.basics.frozen import frozen
from reconciler.core.basics.globs import is_pattern, segment_matches


@frozen
class Place:
    """Files that root reads or runs.

    `base` is the path of a file, or with `/` at its end of a directory with everything below it. `use` are
    the words for "root USE PATH". `reader` names what reads the text (`policy.root_reach.texts`); empty: the
    text names nobody. `strict`: the reader passes over a file that is not root's, or that others can write.
    `trusted` are accounts of the reader itself: root takes their word anyway.
    """

    base: str
    use: str
    reader: str = ""
    strict: bool = False
    trusted: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """The file or directory itself."""
        return self.base.rstrip("/")


_CRON_SCRIPTS = tuple(
    Place(f"/etc/cron.{often}/", "runs what is in", "shell")
    for often in ("hourly", "daily", "weekly", "monthly")
)
_SCRIPTS = tuple(
    Place(base, "runs", "shell")
    for base in (
        *(
            "/etc/rc.local",
            "/etc/init.d/",
            "/etc/update-motd.d/",
            "/etc/network/if-up.d/",
            "/etc/network/if-pre-up.d/",
        ),
        *(
            "/etc/network/if-down.d/",
            "/etc/network/if-post-down.d/",
            "/etc/NetworkManager/dispatcher.d/",
            "/etc/ppp/ip-up.d/",
        ),
        *(
            "/etc/dhcp/dhclient-enter-hooks.d/",
            "/etc/dhcp/dhclient-exit-hooks.d/",
            "/etc/networkd-dispatcher/",
            "/etc/kernel/",
        ),
        *(
            "/etc/initramfs-tools/",
            "/etc/grub.d/",
            "/etc/acpi/",
            "/etc/apm/",
            "/etc/smartmontools/run.d/",
            "/etc/needrestart/",
        ),
        *(
            "/etc/letsencrypt/renewal-hooks/",
            "/etc/resolvconf/update.d/",
            "/etc/X11/Xsession.d/",
            "/etc/security/namespace.init",
        ),
        *(
            "/usr/lib/systemd/system-sleep/",
            "/usr/lib/systemd/system-shutdown/",
            "/usr/share/initramfs-tools/",
        ),
        *(
            "/etc/systemd/system-sleep/",
            "/etc/systemd/system-shutdown/",
            "/etc/default/grub",
            "/root/bin/",
            "/root/.local/bin/",
        ),
        *(
            "/etc/dracut.conf",
            "/etc/dracut.conf.d/",
            "/etc/dhcpcd.enter-hook",
            "/etc/dhcpcd.exit-hook",
            "/etc/dhcp/dhclient.conf",
        ),
        *(
            "/etc/ca-certificates/update.d/",
            "/var/lib/cloud/scripts/",
            "/etc/ssh/sshrc",
            "/root/.ssh/rc",
            "/usr/share/debconf/",
        ),
        *(f"/etc/rc{level}.d/" for level in "0123456S"),
        *(
            f"{base}/systemd/{sort}/"
            for base in ("/etc", "/run", "/usr/local/lib", "/usr/lib")
            for sort in (
                "system-generators",
                "system-environment-generators",
                "user-generators",
                "user-environment-generators",
            )
        ),
    )
)
_SHELL_FILES = tuple(
    Place(base, "runs what is in", "shell")
    for base in (
        *(
            "/etc/profile",
            "/etc/profile.d/",
            "/etc/bash.bashrc",
            "/etc/bash_completion",
            "/etc/bash_completion.d/",
            "/etc/zsh/",
        ),
        *(
            "/etc/csh.cshrc",
            "/etc/csh.login",
            "/etc/fish/",
            "/root/.bashrc",
            "/root/.profile",
            "/root/.bash_profile",
            "/root/.bash_login",
        ),
        *(
            "/root/.bash_logout",
            "/root/.bash_aliases",
            "/root/.zshrc",
            "/root/.zshenv",
            "/root/.kshrc",
            "/usr/share/bash-completion/",
        ),
    )
)
UNIT_DIRECTORIES = (
    *(
        "/etc/systemd/system.control",
        "/run/systemd/system.control",
        "/run/systemd/transient",
        "/run/systemd/generator.early",
    ),
    *(
        "/etc/systemd/system",
        "/etc/systemd/system.attached",
        "/run/systemd/system",
        "/run/systemd/system.attached",
    ),
    *(
        "/run/systemd/generator",
        "/usr/local/lib/systemd/system",
        "/usr/lib/systemd/system",
        "/run/systemd/generator.late",
    ),
)
"""The directories of units for the manager of the system; the first of one name counts (systemd.unit(5))."""
_UNITS = tuple(Place(f"{base}/", "runs the units in", "unit") for base in UNIT_DIRECTORIES)
_DROP_IN_BASES = ("/etc", "/run", "/usr/local/lib", "/usr/lib")
"""The directories of drop-ins for programs of systemd's and their like (tmpfiles.d(5), sysctl.d(5), udev(7),
modprobe.d(5)).
"""
_DROP_INS = tuple(
    Place(f"{base}/{name}/", use, reader)
    for name, use, reader in (
        ("tmpfiles.d", "makes files by what is in", "tmpfiles"),
        ("sysusers.d", "makes accounts by what is in", "sysusers"),
        ("udev", "runs the rules in", "udev"),
        ("udev/rules.d", "runs the rules in", "udev"),
        ("modprobe.d", "runs the commands in", "modprobe"),
        ("modules-load.d", "loads the modules in", ""),
        ("sysctl.d", "reads what is in", "sysctl"),
        ("binfmt.d", "reads what is in", "binfmt"),
        ("environment.d", "reads the variables in", "environment"),
    )
    for base in _DROP_IN_BASES
)
_CREDENTIALS = tuple(
    place
    for base in ("/etc", "/run", "/usr/lib")
    for place in (
        Place(f"{base}/credstore/", "reads the credentials in"),
        Place(f"{base}/credstore.encrypted/", "reads the credentials in"),
        Place(f"{base}/credstore/tmpfiles.extra", "makes files by what is in", "tmpfiles"),
        Place(f"{base}/credstore/sysusers.extra", "makes accounts by what is in", "sysusers"),
        Place(f"{base}/credstore/sysctl.extra", "reads", "sysctl"),
        Place(
            f"{base}/credstore/ssh.authorized_keys.root", "is logged in to by the keys in", "credential_keys"
        ),
    )
)
"""Credentials that services of systemd's own take from there at boot (systemd.system-credentials(7))."""
_BUS = tuple(
    Place(f"{base}/dbus-1/system-services/", "runs the D-Bus services in", "dbus_service")
    for base in ("/etc", "/run", "/usr/local/share", "/usr/share")
)
_POLKIT = tuple(
    place
    for base in ("/etc", "/run", "/usr/local/share", "/usr/share")
    for place in (
        Place(f"{base}/polkit-1/", "reads the polkit rules in", "polkit", trusted=("polkitd",)),
        Place(f"{base}/polkit-1/rules.d/", "reads the polkit rules in", "polkit", trusted=("polkitd",)),
        Place(f"{base}/polkit-1/actions/", "reads the polkit actions in", "polkit_actions"),
    )
)
_MODULES = tuple(
    Place(base, "loads what is in")
    for base in (
        *(
            "/etc/perl/",
            "/usr/local/share/perl/",
            "/usr/share/perl/",
            "/usr/share/perl5/",
            "/etc/python3/",
            "/usr/share/python3/",
        ),
        *(f"/etc/python3.{minor}/" for minor in range(9, 15)),
    )
)
"""Modules of languages in which root's programs are written."""
_DAEMONS = (
    Place("/etc/wireguard/", "runs the commands in", "wireguard"),
    Place("/etc/openvpn/", "runs the commands in", "openvpn"),
    Place("/etc/rsyslog.conf", "runs rsyslog by what is in", "rsyslog"),
    Place("/etc/rsyslog.d/", "runs rsyslog by what is in", "rsyslog"),
    Place("/etc/nginx/", "runs nginx by what is in"),
    Place("/etc/apache2/", "runs Apache by what is in"),
    Place("/etc/supervisor/", "runs the programs in"),
    Place("/etc/fail2ban/", "runs the commands in"),
    Place("/etc/monit/", "runs the commands in"),
    Place("/etc/cloud/", "runs cloud-init by what is in"),
    Place("/etc/systemd/nspawn/", "starts containers by what is in"),
)
"""Daemons that read their configuration as root, and run commands or write files by it."""
_PROGRAMS = tuple(
    Place(base, "runs what is in")
    for base in ("/usr/local/bin/", "/usr/local/sbin/", "/usr/bin/", "/usr/sbin/")
)
_LIBRARIES = tuple(
    Place(base, "loads what is in")
    for base in ("/usr/lib/", "/usr/local/lib/", "/usr/libexec/", "/usr/lib64/", "/usr/lib32/")
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
    *_MODULES,
    *_DROP_INS,
    *_CREDENTIALS,
    *_BUS,
    *_POLKIT,
    *_DAEMONS,
    Place("/etc/systemd/system.conf", "reads", "manager"),
    Place("/etc/systemd/system.conf.d/", "reads what is in", "manager"),
    Place("/etc/systemd/user/", "runs the user units in", "user_unit"),
    Place("/etc/environment", "reads the variables in", "environment"),
    Place("/etc/default/", "reads the variables in", "environment"),
    Place("/etc/login.defs", "reads", "login_defs"),
    Place("/root/.", "reads"),
    Place("/root/.ssh/authorized_keys", "is logged in to by the keys in", "authorized_keys", strict=True),
    Place("/root/.ssh/authorized_keys2", "is logged in to by the keys in", "authorized_keys", strict=True),
    Place(
        "/etc/ssh/authorized_keys.d/root", "is logged in to by the keys in", "authorized_keys", strict=True
    ),
    Place("/etc/passwd", "reads", "passwd"),
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
    Place("/etc/dbus-1/", "reads the D-Bus rules in", "dbus"),
    Place("/usr/share/dbus-1/system.d/", "reads the D-Bus rules in", "dbus"),
    Place("/usr/share/dbus-1/system.conf", "reads", "dbus"),
    Place("/etc/apt/apt.conf", "runs the hooks in", "apt"),
    Place("/etc/apt/apt.conf.d/", "runs the hooks in", "apt"),
    Place("/etc/apt/", "installs packages by what is in"),
    Place("/etc/dpkg/", "runs the hooks in", "dpkg"),
    Place("/var/lib/dpkg/", "installs packages by what is in"),
    Place("/var/lib/dpkg/info/", "runs the scripts in"),
    Place("/usr/share/keyrings/", "installs packages that are signed by what is in"),
    Place("/etc/alternatives/", "runs the programs that are named in"),
    Place("/etc/modules", "loads the modules in"),
    Place("/etc/sysctl.conf", "reads", "sysctl"),
    Place("/etc/exports", "exports by NFS what is in", "exports"),
    Place("/etc/exports.d/", "exports by NFS what is in", "exports"),
    Place("/etc/fstab", "mounts what is in", "fstab"),
    Place("/etc/fstab.d/", "mounts what is in", "fstab"),
    Place("/etc/crypttab", "runs the key scripts in", "crypttab"),
    Place("/etc/gss/", "loads what is named in", "ld_so"),
    Place("/etc/ssl/openssl.cnf", "loads what is named in", "openssl"),
    Place("/etc/gitconfig", "runs git by what is in", "gitconfig"),
    Place("/etc/hosts.allow", "runs the commands in", "hosts_access"),
    Place("/etc/hosts.deny", "runs the commands in", "hosts_access"),
    Place("/etc/userdb/", "knows the accounts in"),
    Place("/run/userdb/", "knows the accounts in"),
    Place("/etc/network/interfaces", "runs the commands in", "interfaces"),
    Place("/etc/network/interfaces.d/", "runs the commands in", "interfaces"),
    Place("/etc/ssh/", "runs sshd by what is in", "sshd"),
    Place("/etc/logrotate.conf", "runs the scripts in", "logrotate", strict=True),
    Place("/etc/logrotate.d/", "runs the scripts in", "logrotate", strict=True),
    Place("/etc/docker/daemon.json", "runs docker by what is in", "docker"),
    Place("/etc/reconciler/reconcile.json", "runs Reconciler by what is in", "applied"),
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
    directory = _plain(path).rstrip("/")
    if directory in _ABOVE:  # hardly any is, and there are thousands of paths
        yield from (place for place in PLACES if place.path.startswith(f"{directory}/"))


def is_relevant(path: str) -> bool:
    """Whether root reads or runs what is at a path, in it, or below it."""
    return place_of(path) is not None or _plain(path).rstrip("/") in _ABOVE


def meant_by(pattern: str) -> str:
    """A path that matters and that a pattern stands for; the pattern itself where it stands for none, or is
    none.
    """
    plain = _plain(pattern)
    if not is_pattern(plain) or is_relevant(plain):
        return pattern
    segments = plain.split("/")
    for place in PLACES:
        steps = place.path.split("/")
        inside = len(segments) <= len(steps) or place.base.endswith("/")
        if inside and all(
            segment_matches(segment, step) for segment, step in zip(segments, steps, strict=False)
        ):
            return "/".join((*steps[: len(segments)], *segments[len(steps) :]))
    return pattern


_ABOVE = frozenset(
    "/".join(steps[:depth])
    for steps in (place.path.split("/") for place in PLACES)
    for depth in range(1, len(steps))
)
"""Every directory above a place."""


def _plain(path: str) -> str:
    head, _, below = path[1:].partition("/")
    linked = _LINKS.get(f"/{head}")
    return path if linked is None else f"{linked}/{below}" if below else linked
