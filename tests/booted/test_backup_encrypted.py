"""Encrypted archives on a real host: its unit makes them, here and on another machine, and only a host that has
the private key opens them.
"""

from __future__ import annotations

import json

import pytest

from tests.booted.test_backup_loss import SPEC, sh
from tests.booted.test_backup_remote import joined

pytestmark = pytest.mark.booted

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
      - {{url: "sftp://vault@10.9.0.2/srv/vault/d", host_key: "{key}", identity_file: /root/.ssh/backup}}
    schedule: daily
    keep: {{last: 2}}
    encrypt_to: [{recipient}]
"""
URL = "sftp://vault@10.9.0.2/srv/vault/d"


def test_only_the_machine_with_the_key_opens_them() -> None:
    """The timer's service makes them in both places; without the key this host lists, verifies and drills, and
    restores nothing; the other host, which has the key, restores all of it from the vault.
    """
    with joined(packages=("age",)) as (near, far):
        sh(near, "head -c 300000 /dev/urandom > /data/noise; ln -s x /data/link; echo s3cret > /data/word")
        recipient = sh(
            far, "umask 077; age-keygen -o /root/age.key 2>/dev/null; age-keygen -y /root/age.key"
        ).strip()
        key = " ".join(far.read("/etc/ssh/ssh_host_ed25519_key.pub").split()[:2])
        near.write(SPEC, HOST.format(key=key, recipient=recipient))
        near.reconciler("apply", SPEC, "--auto-approve")
        assert "backup-d.service" in sh(near, "systemctl show --property=Triggers backup-d.timer")
        sh(near, "systemctl start backup-d.service")
        (row,) = json.loads(near.reconciler("backup", "list", "d", "--json").stdout)
        near.reconciler("backup", "verify", "d", "--all")
        drilled = near.reconciler("backup", "drill", "d")
        refused = near.reconciler("backup", "restore", "d", "--to", "/root/back", check=False)
        for host, place in ((near, "/backup/d"), (far, "/srv/vault/d")):
            assert "age-encryption.org" in sh(host, f"head -c 21 {place}/*.age")
        far.write("/root/.ssh/backup", near.read("/root/.ssh/backup"), "0600")
        access = ("--host-key", key, "--identity-file", "/root/.ssh/backup", "--to", "/root/back")
        opened = far.reconciler(
            "backup", "restore", "--from", URL, "--decrypt-with", "/root/age.key", *access
        )
        judge = "cd {}; find . -printf '%m %U %G %s %T@ %l %p\\n' | sort; sha256sum noise word"

        assert ["/backup/d", URL] == sorted(row["destinations"])
        assert "this host has no key" in " ".join(drilled.stdout.split())
        assert 3 == refused.returncode
        assert "--decrypt-with" in refused.stderr
        assert "restored everything" in opened.stdout
        assert sh(near, judge.format("/data")) == sh(far, judge.format("/root/back/data"))
