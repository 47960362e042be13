"""Places that root reads or runs from, one by one: who is said to become root by each does, as root does what
it does every day.

Debian 12 with udev, polkit, PAM, doas and others; what a container cannot show (binfmt_misc, core_pattern:
they are the kernel's own, for all containers) is in the table by its manual page only. Libraries are made by
tcc; since glibc 2.41 no process loads what tcc makes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from tests.booted.booted import BootedHost

SPEC, EMPTY = "/root/host.yaml", "/root/empty.yaml"
PROOF = "/run/proof"
PACKAGES = (
    *(
        "tcc",
        "libc6-dev",
        "udev",
        "kmod",
        "polkitd",
        "pkexec",
        "opendoas",
        "libcap2-bin",
        "ifupdown",
        "needrestart",
    ),
    *("networkd-dispatcher", "initramfs-tools-core", "e2fsprogs"),
)
_NUMBER = (
    "extern int open(const char*,int,...); extern long write(int,const void*,unsigned long); extern int"
    " geteuid(void);\n"
)
_GO = 'static int go(void) { if (!geteuid()) write(open("%s", 0x241, 0644), "0", 1); return 0; }\n'


@dataclass(frozen=True, slots=True)
class Row:
    """A file of root's (`path`, `content`, `mode`), and what root does then (`trigger`).

    HIS is a program of alice's that leaves a proof where only root can write; with `functions` a library with
    this text in C. `does` is what alice does herself, and its output is the proof. `before` prepares the
    host, `after` puts back what would be in the way of others. `by_hand`: no spec may manage the path, so
    root writes it and `access` is asked.
    """

    path: str
    content: str
    trigger: str = ""
    mode: str = "0644"
    functions: str = ""
    does: str = ""
    before: str = ""
    after: str = ""
    by_hand: bool = False
    suites: tuple[str, ...] = ("bookworm", "trixie")


def _script(path: str, trigger: str, before: str = "true", *, by_hand: bool = False) -> Row:
    return Row(path, "#!/bin/sh\nHIS\n", trigger, "0755", before=before, by_hand=by_hand)


_RULE = (
    'polkit.addRule(function(a, s) { if (a.id == "org.freedesktop.%s" && s.user == "alice") return'
    " polkit.Result.YES; });\n"
)
_ACTION = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE policyconfig PUBLIC "-//freedesktop//DTD PolicyKit Policy Configuration 1.0//EN" "http://www.freedesktop.org/standards/PolicyKit/1/policyconfig.dtd">
<policyconfig><action id="org.site.run"><description>x</description><message>x</message>
<defaults><allow_any>yes</allow_any><allow_inactive>yes</allow_inactive><allow_active>yes</allow_active></defaults>
<annotate key="org.freedesktop.policykit.exec.path">/usr/bin/env</annotate></action></policyconfig>
"""
_SSH = (
    "ssh -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o ConnectTimeout=5 -i"
    " /root/key root@127.0.0.1 date"
)
_MANAGER = (
    "for time in 1 2 3 4 5; do systemctl reset-failed; systemctl start user@0.service && break; sleep 1;"
    " done; sleep 3; systemctl stop user@0.service user-runtime-dir@0.service; sleep 1"
)
_SU = "su mallory -c true"
ROWS: Mapping[str, Row] = {
    "generator for users": _script(
        "/etc/systemd/user-environment-generators/site",
        _MANAGER,
        before="mkdir -p /etc/systemd/user-environment-generators",
    ),
    "environment.d": Row(
        "/etc/environment.d/site.conf",
        "LD_PRELOAD=HIS\n",
        _MANAGER,
        functions="int setlocale() { return go(); }",
        before=(
            "mkdir -p /etc/environment.d /etc/systemd/user/default.target.wants; cd /etc/systemd/user; printf"
            " '[Service]\\nExecStart=/usr/bin/date\\n' > date.service; ln -s ../date.service"
            " default.target.wants/date.service"
        ),
        after="rm /etc/environment.d/site.conf",
        suites=("bookworm",),
    ),
    "udev": Row(
        "/etc/udev/rules.d/99-site.rules",
        'ACTION=="add", SUBSYSTEM=="net", RUN+="HIS"\n',
        "/lib/systemd/systemd-udevd --daemon; sleep 0.5; ip link add v0 type veth peer name v1; udevadm"
        " settle; sleep 1",
    ),
    "udev of the running host": Row(
        "/run/udev/rules.d/98-site.rules",
        'ACTION=="add", SUBSYSTEM=="net", PROGRAM="HIS"\n',
        "udevadm control --reload; ip link add w0 type veth peer name w1; udevadm settle; sleep 1",
        before="mkdir -p /run/udev/rules.d",
    ),
    "modprobe": Row("/etc/modprobe.d/site.conf", "install site-mod HIS\n", "modprobe site-mod"),
    "modprobe of the site": Row(
        "/usr/local/lib/modprobe.d/local.conf",
        "install local-mod HIS\n",
        "modprobe local-mod",
        before="mkdir -p /usr/local/lib/modprobe.d",
    ),
    "polkit rule": Row(
        "/etc/polkit-1/rules.d/10-site.rules",
        _RULE % "policykit.exec",
        "systemctl restart polkit.service",
        does="pkexec id -u",
        after="rm /etc/polkit-1/rules.d/10-site.rules",
    ),
    "polkit rule about units": Row(
        "/etc/polkit-1/rules.d/11-site.rules",
        _RULE % "systemd1.manage-units",
        "systemctl restart polkit.service",
        does="systemd-run --quiet --wait --pipe id -u",
        after="rm /etc/polkit-1/rules.d/11-site.rules",
    ),
    "polkit action": Row(
        "/usr/share/polkit-1/actions/site.policy",
        _ACTION,
        "systemctl restart polkit.service",
        does="pkexec /usr/bin/env id -u",
    ),
    "doas": Row("/etc/doas.conf", "permit nopass alice as root\n", mode="0600", does="doas id -u"),
    "D-Bus service": Row(
        "/usr/share/dbus-1/system-services/org.site.X.service",
        "[D-BUS Service]\nName=org.site.X\nExec=HIS\nUser=root\n",
        "systemctl reload dbus.service; dbus-send --system --dest=org.site.X / org.site.X.a; sleep 1",
    ),
    "pam_exec": Row("/etc/pam.d/su", "session optional pam_exec.so HIS\n", _SU, by_hand=True),
    "PAM module": Row(
        "/etc/pam.d/su",
        "session optional HIS\n",
        _SU,
        functions="int pam_sm_open_session() { return go(); }",
        by_hand=True,
        suites=("bookworm",),
    ),
    "library for names": Row(
        "/etc/ld.so.conf.d/00-site.conf",
        "/home/alice/lib\n",
        "ldconfig; sed -i 's/^passwd:.*/passwd: files site/' /etc/nsswitch.conf; getent passwd"
        " nobody-has-this",
        functions="int _nss_site_getpwnam_r() { return go(); }",
        before="install -d -o alice /home/alice/lib",
        after=(
            "sed -i 's/^passwd:.*/passwd: files/' /etc/nsswitch.conf; rm /etc/ld.so.conf.d/00-site.conf;"
            " ldconfig"
        ),
        suites=("bookworm",),
    ),
    "preload": Row(
        "/etc/ld.so.preload",
        "HIS\n",
        "id",
        functions="int getgroups() { return go(); }",
        after="rm /etc/ld.so.preload",
        by_hand=True,
        suites=("bookworm",),
    ),
    "sudo plug-in": Row(
        "/etc/sudo.conf",
        "Plugin site HIS\n",
        "su mallory -c 'sudo -n id'",
        functions=(
            "typedef int (*f)(); struct { unsigned t, v; f f[20]; } site = { 1, 65545, {go, go, go, go, go,"
            " go, go, go, go} };"
        ),
        after="rm /etc/sudo.conf",
        suites=("bookworm",),
    ),
    "OpenSSL provider": Row(
        "/etc/ssl/openssl.cnf",
        "openssl_conf = i\n[i]\nproviders = p\n[p]\nsite = s\n[s]\nmodule = HIS\nactivate = 1\n",
        "python3 -c 'import ssl; ssl.create_default_context()'",
        functions="int OSSL_provider_init() { return go(); }",
        before="cp /etc/ssl/openssl.cnf /root/openssl.cnf",
        after="cp /root/openssl.cnf /etc/ssl/openssl.cnf",
        suites=("bookworm",),
    ),
    "/etc/environment": Row(
        "/etc/environment",
        "LD_PRELOAD=HIS\n",
        _SSH,
        functions="int setlocale() { return go(); }",
        after=": > /etc/environment",
        suites=("bookworm",),
    ),
    "hosts.allow": Row("/etc/hosts.allow", "sshd: ALL: spawn HIS\n", _SSH, after=": > /etc/hosts.allow"),
    "sshrc": Row("/etc/ssh/sshrc", "HIS\n", _SSH),
    "ssh_config": Row("/etc/ssh/ssh_config.d/site.conf", 'Match exec "HIS"\n', _SSH),
    "credential": Row(
        "/etc/credstore/tmpfiles.extra",
        "f+ /etc/sudoers.d/credential 0440 root root - alice ALL=(ALL) NOPASSWD: ALL\n",
        "systemctl daemon-reload; systemctl restart systemd-tmpfiles-setup.service",
        does="sudo -n id -u",
        before=(
            "mkdir -p /etc/credstore /run/systemd/system/systemd-tmpfiles-setup.service.d; printf"
            " '[Unit]\\nRefuseManualStop=no\\n' >"
            " /run/systemd/system/systemd-tmpfiles-setup.service.d/now.conf"
        ),
        after="rm -f /etc/sudoers.d/credential",
    ),
    "unit of set-property": Row(
        "/etc/systemd/system.control/site.service",
        "[Service]\nType=oneshot\nExecStart=HIS\n",
        "systemctl daemon-reload; systemctl start site.service",
        before="mkdir -p /etc/systemd/system.control",
    ),
    "generator for the environment": _script(
        "/etc/systemd/system-environment-generators/site",
        "systemctl daemon-reload",
        before="mkdir -p /etc/systemd/system-environment-generators",
    ),
    "generator of the running host": _script(
        "/run/systemd/system-generators/site",
        "systemctl daemon-reload",
        before="mkdir -p /run/systemd/system-generators",
        by_hand=True,
    ),
    "Perl": Row(
        "/etc/perl",
        "",
        "su alice -c \"echo 'system(q(HIS)); 1;' > /etc/perl/site.pm\"; perl -Msite -e1",
        before="chown alice /etc/perl",
        after="chown root /etc/perl",
        by_hand=True,
    ),
    "Python": Row(
        "/etc/python3.11",
        "",
        "su alice -c 'cp --remove-destination /home/alice/site.py /etc/python3.11/sitecustomize.py'; python3"
        " -c 1",
        before=(
            "chown alice /etc/python3.11; printf 'import os\\nos.system(\"/home/alice/Python\")\\n' >"
            " /home/alice/site.py"
        ),
        after="rm /etc/python3.11/sitecustomize.py; chown root /etc/python3.11",
        by_hand=True,
        suites=("bookworm",),
    ),
    "needrestart": Row("/etc/needrestart/conf.d/site.conf", 'system("HIS");\n', "needrestart -b"),
    "interfaces": Row(
        "/etc/network/interfaces.d/site",
        "iface d9 inet manual\n  up HIS\n",
        "ip link add d9 type veth; ifup d9",
        before="mkdir -p /etc/network/interfaces.d",
    ),
    "if-up": _script("/etc/network/if-up.d/site", "ifup --force lo"),
    "kernel hook": _script(
        "/etc/kernel/postinst.d/site",
        "run-parts --arg=6.1 /etc/kernel/postinst.d",
        before="mkdir -p /etc/kernel/postinst.d",
    ),
    "message of the day": _script("/etc/update-motd.d/50-site", _SSH),
    "dpkg": Row("/etc/dpkg/dpkg.cfg.d/site", "post-invoke=HIS\n", "dpkg --configure -a"),
    "apt": Row(
        "/etc/apt/apt.conf.d/98site",
        'DPkg::Post-Invoke {"HIS";};\n',
        "apt-get -qq -y remove networkd-dispatcher",
    ),
    "capability of a file": Row(
        "/usr/local/bin/python3",
        "",
        before="cp /usr/bin/python3 /usr/local/bin/; setcap cap_setuid+ep /usr/local/bin/python3",
        does="/usr/local/bin/python3 -c 'import os; os.setuid(0); print(os.getuid())'",
        after="rm /usr/local/bin/python3",
        by_hand=True,
    ),
    "another capability of a file": Row(
        "/usr/local/bin/tee",
        "",
        before="cp /usr/bin/tee /usr/local/bin/; setcap cap_dac_override+ep /usr/local/bin/tee",
        does=(
            "echo 'alice ALL=(ALL) NOPASSWD: ALL' | /usr/local/bin/tee -a /etc/sudoers.d/README >/dev/null;"
            " sudo -n id -u"
        ),
        after="rm /usr/local/bin/tee; sed -i '$d' /etc/sudoers.d/README",
        by_hand=True,
    ),
    "setuid program": Row(
        "/usr/local/bin/find",
        "",
        before="install -m 4755 /usr/bin/find /usr/local/bin/find",
        does="/usr/local/bin/find /etc/hostname -exec id -u ';'",
        after="rm /usr/local/bin/find",
        by_hand=True,
    ),
}
"""No two are in each other's way; those whose file a spec may not manage are asked of `access`."""


def his(name: str) -> str:
    """The program or library of alice's."""
    if ROWS[name].path.startswith("/etc/ld.so.conf.d"):
        return "/home/alice/lib/libnss_site.so.2"
    return f"/home/alice/{name.replace(' ', '-').replace('/', '')}{'.so' if ROWS[name].functions else ''}"


def make(host: BootedHost, name: str) -> None:
    """Put the program or library of a row into alice's home: run or loaded by root it leaves a proof.

    A library writes the number only if it is root's.
    """
    path, row = his(name), ROWS[name]
    if row.functions:
        host.write("/root/his.c", _NUMBER + _GO % f"{PROOF}/{name.replace('/', '')}" + row.functions + "\n")
        host.run("tcc", "-w", "-shared", "-o", path, "/root/his.c")
    else:
        host.write(path, f"#!/bin/sh\nid -u > '{PROOF}/{name.replace('/', '')}'\n", "0755")
    host.run("chown", "alice", path)


def proof(host: BootedHost, name: str) -> str:
    """The number as which what alice wrote ran in the end, or as which she herself is."""
    row = ROWS[name]
    script = row.trigger.replace("HIS", his(name))
    host.run("sh", "-c", f"{{ {script or 'true'}; }} >/dev/null 2>&1 </dev/null", check=False)
    if row.does:
        number = host.run("su", "alice", "-c", row.does, check=False).stdout.strip()
    else:
        number = host.run("cat", f"{PROOF}/{name.replace('/', '')}", check=False).stdout.strip()
    host.run("sh", "-c", row.after or "true")
    return number


def names(rows: list[dict[str, str]], name: str) -> bool:
    """Whether a row of Access says that alice or everybody becomes root by the file, or by what it names."""
    ways = (ROWS[name].path, his(name), his(name).rpartition("/")[0] + " ")
    return any(
        row["account"] in ("alice", "")
        and any(way in f"{row.get('detail', row.get('by', ''))} " for way in ways)
        for row in rows
    )


@pytest.mark.booted
@pytest.mark.slow
@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
def test_who_is_said_to_become_root_by_a_place_does(suite: str) -> None:
    """The plan, or `access` where no spec may manage the place, names alice with the path for each; then root
    does its daily work.
    """
    rows = {name: row for name, row in ROWS.items() if suite in row.suites}
    with BootedHost(suite=suite, packages=PACKAGES) as host:
        host.write(EMPTY, json.dumps({"version": 1, "host": "testhost"}))
        fresh = json.loads(host.reconciler("access", EMPTY, "--to", "root", "--json").stdout)["access"]
        assert [] == [row["by"] for row in fresh], "a fresh Debian with these packages makes nobody root"
        host.run("useradd", "--create-home", "--shell", "/bin/bash", "alice")
        host.run("useradd", "--create-home", "--shell", "/bin/bash", "mallory")
        host.run(
            "sh",
            "-euc",
            "chmod 0755 /home/alice; mkdir -m 0755 /run/proof; ssh-keygen -q -t ed25519 -N '' -f /root/key",
        )
        host.run(
            "sh",
            "-euc",
            "install -D -m 0600 /root/key.pub /root/.ssh/authorized_keys; systemctl start ssh.service",
        )
        for name, row in rows.items():
            host.run("sh", "-euc", row.before or "true")
            make(host, name)
        files = {
            row.path: {"content": row.content.replace("HIS", his(name)), "mode": row.mode, "adopt": True}
            for name, row in rows.items()
            if not row.by_hand
        }
        host.write(SPEC, json.dumps({"version": 1, "host": "testhost", "files": files}))
        plan = host.reconciler("plan", SPEC, "--format", "json", check=False)
        gains = [
            row
            for row in json.loads(plan.stdout)["access"]
            if (row["effect"], row["what"]) == ("gains", "root")
        ]
        told = {name: names(gains, name) for name, row in rows.items() if not row.by_hand}
        became: dict[str, str] = {}
        for name, row in rows.items():
            if row.content:
                append = ">>" if row.by_hand else ">"
                text = row.content.replace("HIS", his(name))
                host.run(
                    "sh", "-euc", f'cat {append} "$1"; chmod "$2" "$1"', "sh", row.path, row.mode, input=text
                )
            if row.by_hand:
                ways = json.loads(host.reconciler("access", EMPTY, "--to", "root", "--json").stdout)["access"]
                told[name] = names(ways, name)
            became[name] = proof(host, name)

    assert [] == [name for name, is_told in told.items() if not is_told], gains or plan.stdout + plan.stderr
    assert dict.fromkeys(rows, "0") == became
