"""Homes that are somebody else's by design: those of system accounts, the top of an sftp chroot.

Judged by stat, id and a live sftp.
"""

from __future__ import annotations

import pytest

from tests.booted.booted import BootedHost

pytestmark = pytest.mark.booted

SPEC = "/root/host.yaml"
KEY = "/root/key"
WHOLE = """\
version: 1
host: testhost
groups: {web: {}}
users:
  www-data: {system: true, home: {path: /var/www, manage: false}, groups: [web], adopt: true}
  backup: {system: true, home: {path: /var/backups, manage: false}, groups: [web], adopt: true}
  daemon: {system: true, home: {path: /usr/sbin, manage: false}, groups: [web], adopt: true}
  cust: {shell: /usr/sbin/nologin, home: {path: /srv/sftp/cust, manage: false}}
directories:
  /etc/ssh/keys: {mode: "0755"}
  /srv/sftp: {mode: "0755"}
  /srv/sftp/cust: {mode: "0755"}
  /srv/sftp/cust/upload: {mode: "0750", owner: cust, group: cust}
files:
  /etc/ssh/keys/cust: {mode: "0644", content: "KEY\\n"}
  /etc/ssh/sshd_config.d/cust.conf:
    mode: "0644"
    content: |
      Match User cust
        AuthorizedKeysFile /etc/ssh/keys/%u
        ChrootDirectory %h
        ForceCommand internal-sftp
"""


def test_nobody_is_given_a_home_that_is_not_his(booted: BootedHost) -> None:
    """Accounts of the system join a group and own nothing more; an sftp chroot works after one apply, and
    stays root's.
    """
    booted.run("sh", "-c", f'mkdir -p /var/www; ssh-keygen -q -t ed25519 -N "" -f {KEY}')
    homes = ("/var/www", "/var/backups", "/usr/sbin")
    before = [booted.stat(path) for path in homes]
    booted.write(SPEC, WHOLE.replace("KEY", booted.read(f"{KEY}.pub").strip()))
    booted.reconciler("apply", SPEC, "--auto-approve")

    assert before == [booted.stat(path) for path in homes]
    for name in ("www-data", "backup", "daemon"):
        assert "web" in booted.run("id", "--name", "--groups", name).stdout.split()
        assert booted.run(
            "touch", f"{booted.getent('passwd', name)[5]}/mine", user=name, check=False
        ).returncode
    assert ("755", "root") == (booted.stat("/srv/sftp/cust").mode, booted.stat("/srv/sftp/cust").owner)
    assert (
        "No changes. Your host matches the configuration.\n"
        == booted.reconciler("plan", SPEC, "--detailed-exitcode").stdout
    )
    booted.run("systemctl", "restart", "ssh")
    options = ("-i", KEY, "-o", "StrictHostKeyChecking=no", "-o", "BatchMode=yes")
    booted.write("/root/batch", "cd upload\nput /etc/hostname mine\nls /\n")
    booted.run("sftp", "-b", "/root/batch", *options, "cust@127.0.0.1")

    assert "cust" == booted.stat("/srv/sftp/cust/upload/mine").owner


def test_import_of_system_accounts_leaves_none_out(booted: BootedHost) -> None:
    """Every account but root is imported, the plan of that is empty, and applying it changes no owner of
    anything.
    """
    names = {line.split(":")[0] for line in booted.read("/etc/passwd").splitlines()} - {"root"}
    found = booted.reconciler("import", "users", "--system").stdout

    assert names == {
        line.strip().split(":")[0]
        for line in found.splitlines()
        if line.startswith("  ") and not line.startswith("   ")
    }
    booted.write(SPEC, found)
    assert "No changes" in booted.reconciler("plan", SPEC, "--detailed-exitcode").stdout
    before = booted.run(
        "sh", "-c", "stat -c '%U %G %a %n' / /bin/. /dev /usr/sbin /usr/games /var/* /run"
    ).stdout
    booted.reconciler("apply", SPEC, "--auto-approve")

    assert (
        before
        == booted.run(
            "sh", "-c", "stat -c '%U %G %a %n' / /bin/. /dev /usr/sbin /usr/games /var/* /run"
        ).stdout
    )


NAMES = ("first.last", "Agent", "svc$", "a" * 32)


def test_accounts_with_names_of_others_can_be_named(booted: BootedHost) -> None:
    """Names that are not made here own files and directories, are in groups, run services and timers, and log
    in by a key of ours.
    """
    booted.run("sh", "-c", f'ssh-keygen -q -t ed25519 -N "" -f {KEY}; systemctl restart ssh')
    key = booted.read(f"{KEY}.pub").strip()
    spec = ["version: 1", "host: testhost"]
    for name in NAMES:
        booted.run("useradd", "--badname", "--create-home", "--shell", "/bin/bash", name)
    spec += ["ssh_keys:", *(f"  '{name}': ['{key}']" for name in NAMES)]
    spec += [
        "files:",
        *(
            f"  /etc/x{n}: {{mode: '0640', owner: '{name}', group: '{name}', content: x}}"
            for n, name in enumerate(NAMES)
        ),
    ]
    spec += [
        "directories:",
        *(f"  /srv/x{n}: {{mode: '0750', owner: '{name}', group: '{name}'}}" for n, name in enumerate(NAMES)),
    ]
    spec += [
        "services:",
        *(f"  x{n}: {{exec_start: [/bin/sleep, inf], user: '{name}'}}" for n, name in enumerate(NAMES)),
    ]
    spec += [
        "timers:",
        *(
            f"  y{n}: {{exec_start: [/bin/true], user: '{name}', schedule: daily}}"
            for n, name in enumerate(NAMES)
        ),
    ]
    spec += ["users:", *(f"  u{n}: {{groups: ['{name}']}}" for n, name in enumerate(NAMES))]
    booted.write(SPEC, "\n".join(spec) + "\n")
    done = booted.reconciler("apply", SPEC, "--auto-approve", check=False)

    assert 0 == done.returncode, done.stdout + done.stderr
    for n, name in enumerate(NAMES):
        assert (name, name) == (booted.stat(f"/etc/x{n}").owner, booted.stat(f"/etc/x{n}").group)
        assert name == booted.stat(f"/srv/x{n}").owner
        assert (
            booted.run("id", "--user", name).stdout
            == booted.run("sh", "-c", f"ps -o uid= -p {_main(booted, n)}").stdout.lstrip()
        )
        assert name in booted.run("id", "--name", "--groups", f"u{n}").stdout.split()
        login = (
            "ssh",
            "-i",
            KEY,
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "BatchMode=yes",
            "-l",
            name,
            "127.0.0.1",
            "id",
            "-un",
        )
        assert name == booted.run(*login).stdout.strip()
    assert "No changes" in booted.reconciler("plan", SPEC, "--detailed-exitcode").stdout
    booted.write(SPEC, "version: 1\nhost: testhost\nusers: {new.name: {}}\n")

    assert 1 == booted.reconciler("validate", SPEC, check=False).returncode, (
        "a new one is not made under such a name"
    )


def _main(booted: BootedHost, n: int) -> str:
    return booted.show(f"x{n}.service", "MainPID")["MainPID"]
