"""`user audit` beside real logins: by key, with a wrong password, by sudo; live, from a tree, from a snapshot."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reconciler.app.schema import document_schema
from tests.booted.booted import BootedHost

pytestmark = [pytest.mark.timeout(600)]

_PEOPLE = """
useradd -m -s /bin/bash ann; useradd -m -s /bin/bash idle; useradd -m -s /bin/bash bob
echo 'ann ALL=(ALL) NOPASSWD: /bin/true' > /etc/sudoers.d/ann; chmod 0440 /etc/sudoers.d/ann
echo ann:Longer-Than-Most-9 | chpasswd; chage --lastday 2020-01-01 idle
ssh-keygen -q -t ed25519 -N '' -f /root/key
install -d -o ann -g ann -m 0700 /home/ann/.ssh
install -o ann -g ann -m 0600 /root/key.pub /home/ann/.ssh/authorized_keys
systemctl start ssh
"""
_LOGINS = r"""
ssh() { command ssh -o StrictHostKeyChecking=no "$@" 2>/dev/null; }
ssh -i /root/key -tt ann@127.0.0.1 'sudo /bin/true secret-argument' </dev/null
printf '#!/bin/sh\necho wrong\n' > /root/ask; chmod 0755 /root/ask
export SSH_ASKPASS=/root/ask SSH_ASKPASS_REQUIRE=force DISPLAY=:0
one='-o PreferredAuthentications=password -o NumberOfPasswordPrompts=1'
ssh $one bob@127.0.0.1 true || :
ssh $one hunter2@127.0.0.1 true || :
su ann -c "logger -t sudo 'bob : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/made-up'"
su ann -c "logger -t sshd 'Accepted publickey for bob from 192.0.2.1 port 1 ssh2'"
journalctl --sync
"""
_OLD = """
python3 - <<'X'
import struct
record = struct.Struct('<hxxi32s4s32s256shhiIi16s20x')
old = record.pack(2, 0, b'~', b'~~', b'reboot', b'', 0, 0, 0, 1577836800, 0, b'')
with open('/var/log/wtmp', 'r+b') as file:
    rest = file.read(); file.seek(0); file.write(old + rest)
X
"""


def told(host: BootedHost, *options: str, code: int = 0, user: str | None = None) -> dict[str, Any]:
    """The document, valid by its schema."""
    from jsonschema import Draft202012Validator

    done = host.reconciler("user", "audit", "--json", *options, check=False, user=user)
    assert done.returncode == code, done.stdout + done.stderr
    data: dict[str, Any] = json.loads(done.stdout)
    Draft202012Validator(json.loads(document_schema("user-audit", ""))).validate(data)
    return data


def accounts(data: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The accounts by name."""
    return {account["account"]: account for account in data["accounts"]}


@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
def test_logins_failures_and_sudo_are_told(suite: str) -> None:
    """Logins and failures are told live and from a snapshot; a tree says what it cannot know; no stranger's name."""
    with BootedHost(suite=suite) as host:
        host.run("/bin/bash", "-euc", _PEOPLE)
        host.run("/bin/bash", "-uc", _LOGINS)
        host.run("/bin/bash", "-euc", _OLD)
        live = told(host)
        text = host.reconciler("user", "audit").stdout
        host.reconciler("snapshot", "--out", "/root/snapshot.json")
        recorded = told(host, "--snapshot", "/root/snapshot.json")
        snapshot_text = host.read("/root/snapshot.json")
        host.run("/bin/bash", "-euc", "mkdir /srv/tree; cp -a /etc /var /home /srv/tree/ 2>/dev/null || :")
        tree = told(host, "--root", "/srv/tree", code=3)
        plain = told(host, code=3, user="bob")

    people = accounts(live)
    assert people["ann"]["last_login"]["from"] == "127.0.0.1"
    assert people["ann"]["unused"] is False
    assert people["ann"]["sudo"]["programs"] == ["/bin/true"]
    assert (people["ann"]["sudo"]["count"], people["ann"]["sudo"]["refused"]) == (1, 0)
    assert (people["ann"]["password"]["state"], people["ann"]["password"]["age_days"]) == ("set", 0)
    assert [key["age_days"] for key in people["ann"]["keys"]] == [0]
    assert people["bob"]["failed_logins"]["count"] == 1
    assert (people["bob"]["sudo"]["count"], people["bob"]["last_login"]) == (0, None)
    assert (people["idle"]["last_login"], people["idle"]["unused"]) == (None, True)
    assert live["failed_unknown_names"]["count"] >= 1  # sshd notes an unknown name twice
    assert live["unknown"] == []
    assert {"ann", "bob", "idle"} <= {line.split()[0] for line in text.splitlines() if line}
    assert max(map(len, text.splitlines())) <= 80
    for shown in (json.dumps(live), snapshot_text, text):
        assert "hunter2" not in shown
        assert "secret-argument" not in shown

    for name in ("ann", "bob", "idle"):
        for fact in ("last_login", "failed_logins", "sudo", "password", "unused"):
            assert accounts(recorded)[name][fact] == people[name][fact], (name, fact)
    assert accounts(tree)["ann"]["sudo"] is None
    in_tree = accounts(tree)["bob"]["failed_logins"]
    assert in_tree["count"] == 1 if suite == "bookworm" else in_tree is None
    assert accounts(plain)["ann"]["password"] is None
    assert accounts(plain)["ann"]["sudo"] is None
    assert accounts(plain)["ann"]["keys"] is None
