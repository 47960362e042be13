"""Plans that close a host by other doors than keys and rules: what runs sshd, and what decides whether there
is a session in it.

The host, its accounts and the names are those of `lockout_plans`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.policy.lockout_plans import ADMINS, BASE, DROP_IN, Data, with_file, with_user

_RULES = with_file(ADMINS, "alice ALL=(ALL:ALL) NOPASSWD: ALL\n", "0440", with_user(sudo=None))


@dataclass(frozen=True, slots=True)
class Door:
    """One plan. `why` is part of what the refusal says. `both`: on Debian 13 too; `live`: only on Debian 12.

    `at_once`: the apply itself shuts it, and a restart of sshd would open it again.
    """

    spec: Data
    why: str
    both: bool = False
    live: bool = True
    at_once: bool = False


def _ssh(**said: Any) -> Data:
    return {**BASE, "services": {"ssh": {"unit": "vendor", **said}}}


def _directive(section: str, **said: Any) -> Data:
    return _ssh(directives={section: said})


def _file(path: str, content: str, mode: str = "0644") -> Data:
    return with_file(path, content, mode, adopt=True)


def _defaults(text: str) -> Data:
    return with_file("/etc/sudoers.d/site", f"Defaults {text}\n", "0440")


_LIBRARIES = "/usr/lib/x86_64-linux-gnu"
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
SHUT: Mapping[str, Door] = {
    # ----------------------------------------------------------------------------------------- what runs sshd
    "hardening basic": Door(
        _ssh(hardening="basic"), "NoNewPrivileges=yes (every session inherits it", both=True
    ),
    "hardening strict": Door(_ssh(hardening="strict"), "NoNewPrivileges=yes"),
    "ProtectHome": Door(
        _directive("Service", ProtectHome="yes"),
        "ProtectHome=yes (sshd then does not see the keys",
        live=False,
    ),
    "InaccessiblePaths": Door(_directive("Service", InaccessiblePaths="/home"), "InaccessiblePaths=/home"),
    "CapabilityBoundingSet": Door(
        _directive("Service", CapabilityBoundingSet="CAP_NET_BIND_SERVICE"), "without its capabilities"
    ),
    "another program": Door(
        _ssh(exec_start=["/usr/bin/sleep", "inf"], type="simple"), "another program than sshd"
    ),
    "own unit": Door(
        {**BASE, "services": {"ssh": {"exec_start": ["/usr/bin/sleep", "inf"], "adopt": True}}},
        "ssh.service would have",
    ),
    "another user": Door(_ssh(user="nobody"), "only root can become another user", live=False),
    "environment file": Door(_ssh(environment_file=["/etc/nope"]), "EnvironmentFile=/etc/nope", both=True),
    "condition": Door(_directive("Unit", ConditionPathExists="/nope"), "ConditionPathExists=/nope"),
    "conflict": Door(
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
        both=True,
        at_once=True,
    ),
    "drop-in for all services": Door(
        {**_file("/etc/systemd/system/service.d/x.conf", "[Service]\nPrivateUsers=yes\n")}
        | {"directories": {"/etc/systemd/system/service.d": {"mode": "0755"}}},
        "ssh.service would have PrivateUsers=yes",
        live=False,
    ),
    "system.conf": Door(
        {**_file("/etc/systemd/system.conf.d/x.conf", "[Manager]\nNoNewPrivileges=yes\n")}
        | {"directories": {"/etc/systemd/system.conf.d": {"mode": "0755"}}},
        "/etc/systemd/system.conf would say for every service NoNewPrivileges=yes",
        live=False,
    ),
    "limit of processes": Door(_ssh(limit_nproc=0), "LimitNPROC=0", live=False),
    # ---------------------------------------------------------------------------------------- what sshd reads
    "SSHD_OPTS": Door(
        _file("/etc/default/ssh", "SSHD_OPTS='-o AllowUsers=nobody'\n"),
        "/etc/default/ssh: `SSHD_OPTS",
        both=True,
    ),
    "MaxSessions": Door(with_file(DROP_IN, "MaxSessions 0\n"), "maxsessions 0"),
    "MaxAuthTries": Door(with_file(DROP_IN, "MaxAuthTries 0\n"), "maxauthtries 0", live=False),
    "LoginGraceTime": Door(with_file(DROP_IN, "LoginGraceTime 1\n"), "logingracetime 1", live=False),
    "PerSourceMaxStartups": Door(with_file(DROP_IN, "PerSourceMaxStartups 0\n"), "persourcemaxstartups 0"),
    "hosts.deny": Door(_file("/etc/hosts.deny", "ALL: ALL\n"), "/etc/hosts.deny: `ALL: ALL` keeps"),
    "sshd_not_to_be_run": Door(with_file("/etc/ssh/sshd_not_to_be_run", "\n"), "sshd does not start"),
    # ------------------------------------------------------------------------ who is known, with which limits
    "nsswitch": Door(
        _file("/etc/nsswitch.conf", "passwd: sss\ngroup: files\nshadow: files\n"), "`passwd: sss`", both=True
    ),
    "nsswitch that ends": Door(
        _file("/etc/nsswitch.conf", "passwd: sss [UNAVAIL=return] files\ngroup: files\nshadow: files\n"),
        "ends the search before `files`",
        live=False,
    ),
    "maxlogins": Door(
        with_file("/etc/security/limits.d/x.conf", "* hard maxlogins 0\n"), "`* hard maxlogins 0`", both=True
    ),
    "nproc": Door(
        with_file("/etc/security/limits.d/x.conf", "alice - nproc 0\n"), "`alice - nproc 0`", live=False
    ),
    # ------------------------------------------------------------------------------------------------ sudo
    "sudo.conf": Door(
        _file("/etc/sudo.conf", "Plugin sudoers_policy nothing.so\n"), "whether sudo works with that"
    ),
    "iolog_dir": Door(
        _defaults("log_output, !ignore_iolog_errors, iolog_dir=/etc/passwd/x"),
        "that directory cannot be made",
        both=True,
    ),
    "runcwd": Door(_defaults("runcwd=/nope"), "/nope (Defaults runcwd)"),
    "runchroot": Door(_defaults("runchroot=/nope"), "below /nope (Defaults runchroot)"),
    "logfile": Door(_defaults("logfile=/nope/x, !ignore_logfile_errors"), "cannot write /nope/x", live=False),
    "closefrom": Door(_defaults("closefrom=1"), "close the output", live=False),
    # -------------------------------------------------------------------------- libraries of PAM and of names
    "pam_unix is something else": Door(
        _file(f"{_LIBRARIES}/security/pam_unix.so", "garbage\n"), "it would be another program", both=True
    ),
    "pam_permit is empty": Door(
        _file(f"{_LIBRARIES}/security/pam_permit.so", ""), "it would be another program"
    ),
    "libpam is something else": Door(
        _file(f"{_LIBRARIES}/libpam.so.0", "garbage\n"), "it would be another program", live=False
    ),
    "a library for names is something else": Door(
        _file(f"{_LIBRARIES}/libnss_files.so.2", "garbage\n"), "it would be another program", live=False
    ),
    # --------------------------------------------------------------------------------- what every shell reads
    "exit in bash.bashrc": Door(
        _file("/etc/bash.bashrc", "exit 1\n"), "/etc/bash.bashrc: `exit 1` ends every shell", both=True
    ),
    "exec in bash.bashrc": Door(
        _file("/etc/bash.bashrc", "umask 022\nexec false\n"),
        "/etc/bash.bashrc: `exec false` ends every shell",
    ),
    "sudo is not setuid": Door({**BASE, "files": _SUDO}, "it cannot make anybody root", both=True),
}
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


def all_open() -> Data:
    """All of these in one spec, but for what another one of them says of the same file."""
    spec: Data = {**BASE, "files": {}, "services": {}}
    for other in OPEN.values():
        spec["files"] |= other.get("files", {})
        spec["services"] |= other.get("services", {})
    return spec
