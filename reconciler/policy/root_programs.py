"""Programs that amount to root for whoever may run them as root: from each of them a shell of root's is one step.

The tables follow what the programs' own manuals offer: a shell escape, a command that they run, a file that they write anywhere. A rule of
sudo may fix the arguments; then only what those arguments leave open counts (docs/decisions/2026-11-30-root-reads-or-runs.md).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from reconciler.core.patterns import Late
from reconciler.formats.shell_commands import SHELLS, WRAPPERS, run_files, wrapped

if TYPE_CHECKING:
    from reconciler.policy.writers import Writers

_ALWAYS: Mapping[str, str] = {
    "an editor starts a shell": "vi vim vimdiff view nvim ex ed nano pico emacs joe jed mcedit mc micro ne kak hx visudo vipw vigr",
    "a pager starts a shell": "less more most pg man info zless bzless xzless lesspipe",
    "it is a shell in itself": "busybox toybox screen tmux byobu script expect gdb lldb ftp sftp tclsh irb pry ghci octave R",
    "it runs what it is given": "at batch parallel pkexec capsh run0 run-mailcap",
    "its prompt starts a shell": "mysql mariadb psql sqlite3 mutt lynx w3m links aptitude dialog whiptail",
}
"""Whatever the arguments: they wait for commands at a terminal, or take them from standard input."""
_OPEN: Mapping[str, str] = {
    "it runs the program that is named": "env nice nohup timeout ionice setsid stdbuf flock chroot chrt taskset time watch xargs strace "
    "ltrace unshare nsenter setpriv systemd-run systemd-nspawn systemd-inhibit machinectl start-stop-daemon run-parts chpst gosu runuser "
    "unbuffer valgrind perf bpftrace cpulimit choom prlimit setarch linux32 linux64 catchsegv dumb-init tini facter",
    "it interprets what it is given": "python perl ruby node nodejs php lua awk gawk mawk nawk sed jq jshell jjs scheme guile deno bun "
    "ansible ansible-playbook puppet salt-call chef-client make gmake cmake ninja rake gcc cc g++ clang as ld latex pdflatex tex",
    "it runs a command for each file": "find fd locate rename split sort tar zip rsync cpio ar unzip 7z zstd xz",
    "it writes any file": "tee cp mv install ln dd sponge truncate patch xxd openssl curl wget scp uuencode mkfifo mknod "
    "setfacl setcap chmod chown chgrp shuf redis-server pg_dump restic borg rclone aria2c",
    "its containers have the host's files": "docker podman nerdctl ctr crictl lxc lxd incus kubectl k3s virsh docker-compose buildah",
    "it starts any unit and edits it": "systemctl service initctl supervisorctl monit",
    "its pager starts a shell": "journalctl loginctl git hg svn bzr",
    "it runs scripts of packages, and commands of its options": "apt apt-get dpkg dpkg-reconfigure pip pip3 npm yarn gem cargo snap "
    "flatpak dnf yum rpm zypper pacman easy_install cpan composer debi dpkg-source update-alternatives aptitude",
    "it changes accounts": "useradd usermod adduser userdel groupadd groupmod gpasswd passwd chpasswd newusers groupmems addgroup chsh",
    "it loads code into the kernel, or runs it as root": "insmod modprobe kexec sysctl ldconfig systemd-tmpfiles systemd-sysusers "
    "logrotate udevadm iptables ip tc tcpdump wireshark tshark dmsetup debugfs mount umount losetup "
    "nbd-client cryptsetup crontab certbot nginx "
    "apache2 httpd openvpn wg-quick socat nc ncat netcat nmap ssh ssh-keygen ssh-agent sshd exim4 sendmail postfix mail dmesg",
    "it becomes any account": "su sudo doas",
    "it applies any specification": "reconciler",
}
"""Only where the arguments are left open, or have a wildcard."""
_STARTS_CONTAINER = r"(?:run|create)\b.*\s(?:--privileged|--pid[= ]host|--cap-add|-v|--volume|--mount|--device)\b.*"
_POWERFUL = r".*\b(?:sudo|docker|root|wheel|disk|lxd|incus-admin|shadow)\b.*"
_FIXED: Mapping[str, tuple[tuple[str, str], ...]] = {
    "apt": ((r"(?:.*\s)?-o\b.*", "its options run commands"),),
    "chroot": ((r"\S+", "it is a shell of root's"),),
    "crontab": ((r"(?:.*\s)?-e\b.*", "it starts an editor"),),
    "docker": ((_STARTS_CONTAINER, "the container has the host's files"),),
    "find": ((r".*\s-(?:exec|execdir|ok|okdir)\s+(?:\S*/)?(?:ba|da|z|k)?sh\s*(?:;|\\;)?", "it runs a shell"),),
    "git": ((r"(?:.*\s)?(?:log|diff|show|help|commit|rebase|blame|-p|--paginate)\b.*", "it starts a pager or an editor"),),
    "gpasswd": ((_POWERFUL, "it makes members of a group that amounts to root"),),
    "machinectl": ((r"(?:shell|login)\b.*", "it is a shell of root's"),),
    "nsenter": ((r"(?:-\S+\s*|\d+\s*)+", "it is a shell of root's"),),
    "passwd": ((r"(?:root)?", "it sets root's password"),),
    "podman": ((_STARTS_CONTAINER, "the container has the host's files"),),
    "reconciler": ((r"(?:apply|rollback)\b.*", "it applies the specification that is there"),),
    "su": ((r"(?:-|-l|--login)?\s*(?:root)?", "it is a shell of root's"),),
    "sudo": ((r"(?:-i|-s|su|(?:\S*/)?(?:ba|da|z|k)?sh)\b.*", "it is a shell of root's"),),
    "systemctl": ((r"edit\b.*", "systemctl edit starts an editor"),),
    "systemd-run": ((r"(?:.*\s)?(?:-S|--shell)\b.*", "it is a shell of root's"),),
    "unshare": ((r"(?:-\S+\s*)*", "it is a shell of root's"),),
    "usermod": ((_POWERFUL, "it makes members of a group that amounts to root"),),
}
"""With the arguments as a rule fixes them, in one text."""
_REPL = Late(r"python|perl|ruby|node|nodejs|php|lua|guile|scheme|deno|bun|jshell")
_VERSION = Late(r"[-.]?\d[\d.]*\Z|\.(?:tiny|basic|nox|gtk3|athena|openbsd|traditional|nftables|legacy)\Z")
_SHELL = "it is a shell"
_NOTHING = '""'
"""The arguments of a rule that allows none, as sudoers(5) writes it."""
_PROGRAMS = frozenset(("/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"))


def _by_name(table: Mapping[str, str]) -> Mapping[str, str]:
    return {name: why for why, names in table.items() for name in names.split()}


_ALWAYS_WHY = _by_name(_ALWAYS)
_OPEN_WHY = {**_by_name(_OPEN), **dict.fromkeys(SHELLS, _SHELL), "sudoedit": "it edits any file"}


def name_of(program: str) -> str:
    """The name of a program without directory, version and flavour: `vim` of /usr/bin/vim.basic."""
    name = program.rpartition("/")[2]
    plain = name
    while (shorter := _VERSION.sub("", plain)) != plain:
        plain = shorter
    return plain or name


def shell_from(program: str, arguments: Sequence[str] | None = None) -> str:
    """Why a program that an account may run as root makes it root; empty where it does not by itself.

    `program` is a path or a pattern of sudoers(5): a directory ends with `/`. `arguments` are those that the rule fixes, in which a
    wildcard matches everything; None leaves them open, an empty sequence allows none.
    """
    if program.endswith("/") or any(char in program for char in "*?["):
        return _of_pattern(program)
    name, fixed = name_of(program), None if arguments is None else " ".join(arguments).strip().replace(_NOTHING, "")
    if name in _ALWAYS_WHY:
        return _ALWAYS_WHY[name]
    if fixed is None or _has_wildcard(fixed):
        return _OPEN_WHY.get(name, "")
    return _bare(name, fixed) or _of_wrapped(name, fixed) or _fixed(name, fixed)


def root_by(program: str, arguments: Sequence[str] | None, account: str, writers: Writers) -> str:
    """Why an account becomes root by a program that sudo lets it run; empty if it does not.

    Besides what `shell_from` knows, the account may be able to write the program, or a script that the rule fixes as an argument.
    """
    files = run_files((program.rstrip("*"), *(arguments or ()))) if program.startswith("/") else ()
    written = (writers.why(account, path) for path in dict.fromkeys(files))
    return shell_from(program, arguments) or next(filter(None, written), "")


def _has_wildcard(arguments: str) -> bool:
    return bool(re.search(r"(?<!\\)[*?\[]|^\^", arguments))


def _of_pattern(pattern: str) -> str:
    if pattern.endswith("/"):
        return "every program of that directory is among them" if pattern.rstrip("/") in _PROGRAMS else ""
    last = pattern.rpartition("/")[2]
    names = (*_ALWAYS_WHY, *_OPEN_WHY)
    fitting = next((name for name in names if fnmatchcase(name, last)), "")
    return f"{fitting} is among the programs" if fitting else ""


def _bare(name: str, fixed: str) -> str:
    """The reason for a shell or an interpreter that is started with nothing to run, so that it waits for commands."""
    if name in SHELLS:
        return _SHELL if all(re.fullmatch(r"-[^-c]*|--login", word) for word in fixed.split()) else ""
    return "it is an interpreter that waits for commands" if not fixed and _REPL.fullmatch(name) else ""


def _of_wrapped(name: str, fixed: str) -> str:
    """The same of the program that a wrapper runs."""
    inner = wrapped(name, fixed.split()) if name in WRAPPERS else []
    return shell_from(inner[0], inner[1:]) if inner else ""


def _fixed(name: str, fixed: str) -> str:
    return next((why for pattern, why in _FIXED.get(name, ()) if re.fullmatch(pattern, fixed)), "")
