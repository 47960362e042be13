"""sshd reads its files when it is started or reloaded: a plan says so, doctor sees what is not in force.

Judged by live logins.
"""

from __future__ import annotations

import re

import pytest

from tests.booted.booted import BootedHost

pytestmark = pytest.mark.booted

SPEC = "/root/host.yaml"
KEY = "/root/key"
CONF = "/etc/ssh/sshd_config.d/sftp.conf"
CONFINED = """\
version: 1
host: testhost
groups: {sftponly: {}}
users: {up: {shell: /bin/bash, groups: [sftponly], ssh_keys: [KEY]}}
files:
  /etc/ssh/sshd_config.d/sftp.conf:
    mode: "0644"
    content: |
      Match Group sftponly
        ForceCommand internal-sftp
"""


def has_shell(booted: BootedHost) -> bool:
    """Whether the account runs a command of its own choice through a live login."""
    options = ("-i", KEY, "-o", "StrictHostKeyChecking=no", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR")
    return "uid=" in booted.run("ssh", *options, "up@127.0.0.1", "id", check=False).stdout


def prepared(booted: BootedHost) -> str:
    """The spec, on a host whose sshd runs."""
    booted.run("sh", "-c", f'ssh-keygen -q -t ed25519 -N "" -f {KEY}; systemctl restart ssh')
    return CONFINED.replace("KEY", booted.read(f"{KEY}.pub").strip())


def test_what_is_not_in_force_is_told_and_the_advice_works(booted: BootedHost) -> None:
    """The plan warns that sshd goes on as before, the login shows it, doctor says it afterwards, and a reload
    ends it.
    """
    booted.write(SPEC, prepared(booted))
    plan = booted.reconciler("plan", SPEC).stdout

    assert "sshd goes on with its old configuration" in plan
    booted.reconciler("apply", SPEC, "--auto-approve")
    assert has_shell(booted)
    doctor = booted.reconciler("doctor", SPEC, check=False).stdout
    assert f"{CONF} was changed after ssh.service had read it" in doctor

    booted.run("systemctl", "reload", "ssh")
    assert not has_shell(booted)
    assert CONF not in booted.reconciler("doctor", SPEC, check=False).stdout


def test_the_declaration_that_the_warning_proposes_works(booted: BootedHost) -> None:
    """With the service declared as the warning writes it, the apply reloads sshd by itself and nothing is
    left to warn of.
    """
    spec = prepared(booted)
    booted.write(SPEC, spec)
    plan = " ".join(booted.reconciler("plan", SPEC).stdout.split())
    proposed = re.search(r"`(ssh: \{unit: vendor, [^`]*\})`", plan)
    assert proposed is not None, plan
    booted.write(SPEC, f"{spec}services:\n  {proposed[1]}\n")

    assert "goes on with its old configuration" not in booted.reconciler("plan", SPEC).stdout
    booted.reconciler("apply", SPEC, "--auto-approve")
    assert not has_shell(booted)
    assert CONF not in booted.reconciler("doctor", SPEC, check=False).stdout


def test_a_file_that_sshd_would_not_start_with_is_found(booted: BootedHost) -> None:
    """A file that a hand has broken is named by doctor, before the next start shuts everybody out."""
    booted.write("/root/host.yaml", "version: 1\nhost: testhost\n")
    booted.write("/etc/ssh/sshd_config.d/99-x.conf", "FooBar yes\n")
    doctor = booted.reconciler("doctor", SPEC, check=False)

    assert "it would not start with its configuration" in doctor.stdout
    assert "99-x.conf" in doctor.stdout
    assert doctor.returncode == 2
