"""The other machine dies while it is being sent an archive: its sshd, or all of it. The ordinary run has one of
the deaths, `RECONCILER_FAULTS=1` all of them, early and late in the upload, on Debian 12 and 13. The same two
machines then keep encrypted archives: two hosts are dear.
"""

from __future__ import annotations

import json
import os
import time

import pytest

from tests.booted.booted import BootedHost
from tests.booted.rootfs import SUITE
from tests.booted.test_backup_loss import SPEC, sh
from tests.booted.test_backup_remote import joined, wire

FULL = os.environ.get("RECONCILER_FAULTS") == "1"
pytestmark = [pytest.mark.booted, pytest.mark.timeout(900 if FULL else 240)]

HOST = """\
version: 1
host: testhost
directories:
  /backup: {{mode: "0700"}}
backups:
  d:
    sources: [/data]
    destinations:
      - /backup/d
      - {{url: "sftp://vault@10.9.0.2/srv/vault/d", host_key: "{key}", identity_file: /root/.ssh/backup,
          limit: 2M, timeout: 2s, retry_for: 0s}}
    schedule: daily
    keep: {{last: 2}}
"""
ENCRYPTED = """\
version: 1
host: testhost
directories:
  /backup: {{mode: "0700"}}
backups:
  s:
    sources: [/data]
    destinations:
      - /backup/s
      - {{url: "sftp://vault@10.9.0.2/srv/vault/s", host_key: "{key}", identity_file: /root/.ssh/backup}}
    schedule: daily
    keep: {{last: 2}}
    encrypt_to: [{recipient}]
"""
SEALED = "sftp://vault@10.9.0.2/srv/vault/s"
JOB = "/etc/reconciler/backups/d.json"
KILL, PKILL, OFF = "systemctl kill -s KILL ssh", "pkill -9 sshd; pkill -9 sftp-server || true", ""
"""The ways to die; without a command it is a power cut."""
DEATHS = (
    [(how, size) for how in (KILL, PKILL, OFF) for size in ("1k", "1000k", "2900k")]
    if FULL
    else [(KILL, "1000k")]
)
SUITES = ("bookworm", "trixie") if FULL else (SUITE,)


def good(host: BootedHost, place: str) -> set[str]:
    """The names of archives in a directory, each of them whole: sha256sum and tar are the judges."""
    script = f"cd {place}; sha256sum --quiet --check *.sha256; for a in d-*.tar.gz; do tar -tzf $a >/dev/null; echo $a; done"
    return {*sh(host, script).split()}


def cut_off(near: BootedHost, far: BootedHost, how: str, size: str) -> str:
    """A run in the midst of which the other machine dies; its words."""
    run = near.popen("/usr/local/bin/reconciler", "backup", "run", "d")
    while not sh(far, f"find /srv/vault/d -name '.partial-*.tar.gz' -size +{size}"):
        assert run.poll() is None, run.communicate()
        time.sleep(0.02)
    if how:
        sh(far, f"{how}; systemctl stop ssh")
    else:
        far.power_off()
    out, told = run.communicate(timeout=60)
    assert 6 == run.returncode, (out, told)
    return " ".join(told.split())


def bring_back(near: BootedHost, far: BootedHost, how: str) -> None:
    """The other machine is there again."""
    if how:
        sh(far, "systemctl reset-failed ssh; systemctl start ssh")
        return
    far.power_on()
    wire(near, far)


def only_the_machine_with_the_key_opens_them(near: BootedHost, far: BootedHost) -> None:
    """The timer's service makes encrypted archives in both places; without the key this host lists, verifies and
    drills, and restores nothing; the other host, which has the key, restores all of it from the vault.
    """
    sh(near, "ln -s x /data/link; echo s3cret > /data/word")
    recipient = sh(
        far, "umask 077; age-keygen -o /root/age.key 2>/dev/null; age-keygen -y /root/age.key"
    ).strip()
    key = " ".join(far.read("/etc/ssh/ssh_host_ed25519_key.pub").split()[:2])
    near.write(SPEC, ENCRYPTED.format(key=key, recipient=recipient))
    near.reconciler("apply", SPEC, "--auto-approve")
    assert "backup-s.service" in sh(near, "systemctl show --property=Triggers backup-s.timer")
    sh(near, "systemctl start backup-s.service")
    (row,) = json.loads(near.reconciler("backup", "list", "s", "--json").stdout)
    near.reconciler("backup", "verify", "s", "--all")
    drilled = near.reconciler("backup", "drill", "s")
    refused = near.reconciler("backup", "restore", "s", "--to", "/root/back", check=False)
    for host, place in ((near, "/backup/s"), (far, "/srv/vault/s")):
        assert "age-encryption.org" in sh(host, f"head -c 21 {place}/*.age")
    far.write("/root/.ssh/backup", near.read("/root/.ssh/backup"), "0600")
    access = ("--host-key", key, "--identity-file", "/root/.ssh/backup", "--to", "/root/back")
    opened = far.reconciler("backup", "restore", "--from", SEALED, "--decrypt-with", "/root/age.key", *access)
    judge = "cd {}; find . -printf '%m %U %G %s %T@ %l %p\\n' | sort; sha256sum noise word"

    assert ["/backup/s", SEALED] == sorted(row["destinations"])
    assert "this host has no key" in " ".join(drilled.stdout.split())
    assert 3 == refused.returncode
    assert "--decrypt-with" in refused.stderr
    assert "restored everything" in opened.stdout
    assert sh(near, judge.format("/data")) == sh(far, judge.format("/root/back/data"))


@pytest.mark.parametrize("suite", SUITES)
def test_the_other_machine_dies_in_mid_upload(suite: str) -> None:
    """The archives there stay whole and one of them comes back from there alone, none is half under its own
    name at either end, the run says what happened and what to do, and the next one is whole and tidies up.
    """
    with joined(suite, packages=("age",)) as (near, far):
        sh(near, "head -c 3000000 /dev/urandom > /data/noise")
        key = " ".join(far.read("/etc/ssh/ssh_host_ed25519_key.pub").split()[:2])
        near.write(SPEC, HOST.format(key=key))
        near.reconciler("apply", SPEC, "--auto-approve")
        near.reconciler("backup", "run", "d")
        for how, size in DEATHS:
            before = good(far, "/srv/vault/d")
            told = cut_off(near, far, how, size)
            assert "sftp://vault@10.9.0.2/srv/vault/d: the connection was lost: " in told
            assert "once it answers the next run makes up for this, or reconciler backup run d" in told
            assert 2 >= len(good(near, "/backup/d"))
            bring_back(near, far, how)
            assert before == good(far, "/srv/vault/d")
            access = ("--host-key", key, "--identity-file", "/root/.ssh/backup", "--to", "/root/back")
            near.reconciler("backup", "restore", "--from", "sftp://vault@10.9.0.2/srv/vault/d", *access)
            assert "" == sh(near, "rsync -aHAXni --delete /data/ /root/back/data/; rm -r /root/back")

            again = near.reconciler("backup", "run", "d")
            assert "removed what a killed run had left of" in again.stderr
            assert good(near, "/backup/d") >= good(far, "/srv/vault/d") - before
            assert 1 == len(good(far, "/srv/vault/d") - before)
            assert "" == sh(far, "ls -A /srv/vault/d | grep partial || true")
        only_the_machine_with_the_key_opens_them(near, far)
