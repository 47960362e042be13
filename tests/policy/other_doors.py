"""Plans that close a host by other doors than keys and rules: what runs sshd, and what decides whether there
is a session in it.

The host, its accounts and the names are those of `lockout_plans`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.policy.lockout_plans import ADMINS, BASE, DROP_IN, Data, sshd, with_file, with_user

_RULES = with_file(ADMINS, "alice ALL=(ALL:ALL) NOPASSWD: ALL\n", "0440", with_user(sudo=None))


@dataclass(frozen=True, slots=True)
class Door:
    """One plan. `why` is part of what the refusal says.

    `at_once`: the apply itself shuts it, and a restart of sshd would open it again. `from_boot`: it is shut
    from the next boot on, and opens again with another.
    """

    spec: Data
    why: str
    at_once: bool = False
    from_boot: bool = False


@dataclass(frozen=True, slots=True)
class Warned:
    """One plan that is only warned of, by `rule`, for who is where sshd listens gets in. `words`: of it."""

    spec: Data
    rule: str
    words: str
    port: int = 22


def _ssh(**said: Any) -> Data:
    return {**BASE, "services": {"ssh": {"unit": "vendor", **said}}}


def _directive(section: str, **said: Any) -> Data:
    return _ssh(directives={section: said})


def _file(path: str, content: str, mode: str = "0644") -> Data:
    return with_file(path, content, mode, adopt=True)


def _defaults(text: str) -> Data:
    return with_file("/etc/sudoers.d/site", f"Defaults {text}\n", "0440")


def _names_by(sources: str) -> Data:
    lines = "".join(f"{database}: {sources}\n" for database in ("passwd", "group", "shadow"))
    return _file("/etc/nsswitch.conf", lines)


_LIBRARIES = "/usr/lib/x86_64-linux-gnu"
_COMPAT = f"{_LIBRARIES}/libnss_compat.so.2"
HALF = "half of it\n"
"""The beginning of what is there; on a booted host it is made from that."""
_GOES_ON = {
    f"/etc/profile.d/{name}": {"content": content, "mode": "0644"}
    for name, content in (
        ("a.sh", "return 1\n"),
        ("b.sh", "TMOUT=600\nreadonly TMOUT\n"),
        ("c.sh", "set -u\necho $nosuch\n"),
        ("d.sh", "false\nnosuch command\n"),
        ("e", "exit 1\n"),
        ("f.sh", "cat >/dev/null <<X\nexit 1\nX\n"),
    )
}
_SUDO = {"/usr/bin/sudo": {"source": "sudo", "mode": "0755", "adopt": True}}
REPORTED: Mapping[str, Door] = {
    "hardening: basic": Door(_ssh(hardening="basic"), "NoNewPrivileges=yes (every session inherits it"),
    "hardening: strict": Door(_ssh(hardening="strict"), "NoNewPrivileges=yes"),
    "ProtectHome: yes": Door(
        _directive("Service", ProtectHome="yes"),
        "ProtectHome=yes (sshd then does not see the keys",
    ),
    "InaccessiblePaths: /home": Door(
        _directive("Service", InaccessiblePaths="/home"), "InaccessiblePaths=/home"
    ),
    "CapabilityBoundingSet: CAP_NET_BIND_SERVICE": Door(
        _directive("Service", CapabilityBoundingSet="CAP_NET_BIND_SERVICE"), "without its capabilities"
    ),
    "exec_start: [/usr/bin/sleep, inf], type: simple": Door(
        _ssh(exec_start=["/usr/bin/sleep", "inf"], type="simple"), "another program than sshd"
    ),
    "own unit ssh": Door(
        {**BASE, "services": {"ssh": {"exec_start": ["/usr/bin/sleep", "inf"], "adopt": True}}},
        "ssh.service would have",
    ),
    "user: nobody": Door(_ssh(user="nobody"), "only root can become another user"),
    "environment_file: [/etc/nope]": Door(_ssh(environment_file=["/etc/nope"]), "EnvironmentFile=/etc/nope"),
    "ConditionPathExists: /nope": Door(
        _directive("Unit", ConditionPathExists="/nope"), "ConditionPathExists=/nope"
    ),
    "another service with Conflicts: ssh.service": Door(
        {
            **BASE,
            "services": {
                "web": {
                    "exec_start": ["/usr/bin/sleep", "inf"],
                    "directives": {"Unit": {"Conflicts": "ssh.service"}},
                }
            },
        },
        "web.service would have Conflicts=ssh.service",
        at_once=True,
    ),
    "SSHD_OPTS='-o AllowUsers=nobody'": Door(
        _file("/etc/default/ssh", "SSHD_OPTS='-o AllowUsers=nobody'\n"),
        "/etc/default/ssh: `SSHD_OPTS",
    ),
    "MaxSessions 0": Door(with_file(DROP_IN, "MaxSessions 0\n"), "maxsessions 0"),
    "MaxAuthTries 0": Door(with_file(DROP_IN, "MaxAuthTries 0\n"), "maxauthtries 0"),
    "PerSourceMaxStartups 0": Door(with_file(DROP_IN, "PerSourceMaxStartups 0\n"), "persourcemaxstartups 0"),
    "iolog_dir that cannot be made": Door(
        _defaults("log_output, !ignore_iolog_errors, iolog_dir=/etc/passwd/x"),
        "that directory cannot be made",
    ),
    "runcwd that does not exist": Door(_defaults("runcwd=/nope"), "/nope (Defaults runcwd)"),
    "runchroot that does not exist": Door(_defaults("runchroot=/nope"), "below /nope (Defaults runchroot)"),
    "nsswitch.conf": Door(
        _file("/etc/nsswitch.conf", "passwd: sss\ngroup: files\nshadow: files\n"), "`passwd: sss`"
    ),
    "sudo.conf": Door(
        _file("/etc/sudo.conf", "Plugin sudoers_policy nothing.so\n"), "whether sudo works with that"
    ),
    "/usr/bin/sudo 0755": Door({**BASE, "files": _SUDO}, "it cannot make anybody root"),
    "hosts.deny": Door(_file("/etc/hosts.deny", "ALL: ALL\n"), "/etc/hosts.deny: `ALL: ALL` keeps"),
    "limits.d": Door(
        with_file("/etc/security/limits.d/x.conf", "* hard maxlogins 0\n"), "`* hard maxlogins 0`"
    ),
}
"""Rows of one report, by its words: each was applied with exit code 0 and closed the host."""

OWN: Mapping[str, Door] = {
    "drop-in for all services": Door(
        {**_file("/etc/systemd/system/service.d/x.conf", "[Service]\nPrivateUsers=yes\n")}
        | {"directories": {"/etc/systemd/system/service.d": {"mode": "0755"}}},
        "ssh.service would have PrivateUsers=yes",
    ),
    "system.conf": Door(
        {**_file("/etc/systemd/system.conf.d/x.conf", "[Manager]\nNoNewPrivileges=yes\n")}
        | {"directories": {"/etc/systemd/system.conf.d": {"mode": "0755"}}},
        "would say for every service, from the next boot on, NoNewPrivileges=yes",
        from_boot=True,
    ),
    "limit of processes": Door(_ssh(limit_nproc=0), "LimitNPROC=0"),
    "sshd_not_to_be_run": Door(with_file("/etc/ssh/sshd_not_to_be_run", "\n"), "sshd does not start"),
    "nsswitch that ends": Door(
        _file("/etc/nsswitch.conf", "passwd: sss [UNAVAIL=return] files\ngroup: files\nshadow: files\n"),
        "ends the search before `files`",
    ),
    "nproc": Door(with_file("/etc/security/limits.d/x.conf", "alice - nproc 0\n"), "`alice - nproc 0`"),
    "logfile": Door(_defaults("logfile=/nope/x, !ignore_logfile_errors"), "cannot write /nope/x"),
    "closefrom": Door(_defaults("closefrom=1"), "close the output"),
    "pam_unix is something else": Door(
        _file(f"{_LIBRARIES}/security/pam_unix.so", "garbage\n"), "it would be another program"
    ),
    "pam_permit is empty": Door(
        _file(f"{_LIBRARIES}/security/pam_permit.so", ""), "it would be another program"
    ),
    "libpam is something else": Door(
        _file(f"{_LIBRARIES}/libpam.so.0", "garbage\n"), "it would be another program"
    ),
    "the only library for names is something else": Door(
        with_file(_COMPAT, "garbage\n", adopt=True, base=_names_by("compat")), "it would be another program"
    ),
    "a library for names is cut off": Door(
        with_file(_COMPAT, HALF, adopt=True, base=_names_by("files compat")), "it would be another program"
    ),
    "exit in bash.bashrc": Door(
        _file("/etc/bash.bashrc", "exit 1\n"), "/etc/bash.bashrc: `exit 1` ends every shell"
    ),
    "exec in bash.bashrc": Door(
        _file("/etc/bash.bashrc", "umask 022\nexec false\n"),
        "/etc/bash.bashrc: `exec false` ends every shell",
    ),
}
"""Others of the same kinds."""

SHUT: Mapping[str, Door] = {**REPORTED, **OWN}
"""Each is refused; with the flag it is done, and nobody gets in and becomes root any more."""

OPEN: Mapping[str, Data] = {
    "harmless settings of the unit": _ssh(
        description="OpenSSH",
        restart="always",
        restart_sec="5s",
        after=["network-online.target"],
        wants=["network-online.target"],
        limit_nofile=65536,
        memory_max="4G",
        tasks_max=4096,
        oom_policy="continue",
        limit_memlock="1M",
        environment={"LANG": "C.UTF-8"},
        directives={"Service": {"OOMScoreAdjust": -500, "LimitCORE": 0}},
    ),
    "harmless options": _file("/etc/default/ssh", "# ours\nLANG=C.UTF-8\nSSHD_OPTS='-4 -u0'\n"),
    "limits of sshd": with_file(
        DROP_IN, "MaxSessions 1\nMaxAuthTries 1\nPerSourceMaxStartups 1\nLoginGraceTime 20\nMaxStartups 1\n"
    ),
    "nsswitch with others": _file(
        "/etc/nsswitch.conf",
        "passwd: files systemd\ngroup: sss [NOTFOUND=continue] files\nshadow: files\nsudoers: files sss\n",
    ),
    "hosts.deny for others": _file("/etc/hosts.deny", "in.tftpd: ALL\n"),
    "hosts.allow": with_file(
        "/etc/hosts.deny", "ALL: ALL\n", adopt=True, base=_file("/etc/hosts.allow", "sshd: ALL\n")
    ),
    "limits for others": with_file(
        "/etc/security/limits.d/x.conf",
        "bob hard maxlogins 0\n@staff - nproc 0\n* soft core 0\n* - nofile 65536\nalice - maxlogins -1\n",
    ),
    "a library that nobody names": _file(f"{_LIBRARIES}/security/pam_time.so", "garbage\n"),
    "libraries that the C library does without": with_file(
        f"{_LIBRARIES}/libnss_files.so.2",
        "garbage\n",
        adopt=True,
        base=_file(f"{_LIBRARIES}/libnss_dns.so.2", "garbage\n"),
    ),
    "another library that nobody names": _file(f"{_LIBRARIES}/libnss_hesiod.so.2", "garbage\n"),
    "shells that go on": _file(
        "/etc/bash.bashrc",
        '[ -z "$PS1" ] && return\nleave() {\n    exit 1\n}\n(exit 1)\nx="$(exit 1)"\nexec 3>&1\necho "a;'
        ' exit"\n# exit\n',
    ),
    "profiles that go on": {**BASE, "files": _GOES_ON},
    "sudo.conf": _file(
        "/etc/sudo.conf", "# ours\nSet disable_coredump false\nDebug sudo /var/log/sudo_debug all@warn\n"
    ),
    "sudo with a log": _defaults(
        'log_output, iolog_dir=/var/log/new/io, logfile="/var/log/sudo.log", runcwd=*, use_pty'
    ),
    "sudo for another": with_file("/etc/sudoers.d/another", "Defaults:bob runcwd=/nope\n", "0440"),
    "another unit with another conflict": {
        **BASE,
        "services": {
            "web": {
                "exec_start": ["/usr/bin/sleep", "inf"],
                "after": ["ssh.service"],
                "directives": {"Unit": {"Conflicts": "x.service"}},
            }
        },
    },
}
"""Applied without a flag, and alice gets in and becomes root; on a booted host all at once."""

WARNED: Mapping[str, Warned] = {
    "Port": Warned(sshd("Port 2222\n"), "sshd-listens", "port is the default now", port=2222),
    "ListenAddress": Warned(sshd("ListenAddress 127.0.0.1\n"), "sshd-listens", "be 127.0.0.1."),
    "LoginGraceTime": Warned(sshd("LoginGraceTime 1\n"), "sshd-grace", "after 1 s is turned away"),
}
"""Applied without a flag, and whether somebody gets in is a question of the network."""


def all_open() -> Data:
    """All of these in one spec, but for what another one of them says of the same file."""
    spec: Data = {**BASE, "files": {}, "services": {}}
    for other in OPEN.values():
        spec["files"] |= other.get("files", {})
        spec["services"] |= other.get("services", {})
    return spec
