"""The things that nobody declared, on a real Debian: each is listed, with what takes it over, and no other is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reconciler.app.schema import document_schema
from tests.booted.booted import BootedHost

BY_HAND = """\
useradd --uid 1500 --create-home --shell /bin/bash ann
useradd --uid 1501 --create-home --shell /bin/bash bob
groupadd ml; usermod --append --groups ml ann; usermod --append --groups ml bob
ssh-keygen -q -t ed25519 -N '' -C '' -f /root/key
install -d -m 700 -o ann -g ann /home/ann/.ssh
install -m 600 -o ann -g ann /root/key.pub /home/ann/.ssh/authorized_keys
printf '[Service]\\nExecStart=/bin/sleep infinity\\n' > /etc/systemd/system/web.service
printf '[Timer]\\nOnCalendar=daily\\n' > /etc/systemd/system/web.timer
mkdir -p /etc/systemd/system/cron.service.d
printf '[Service]\\nNice=5\\n' > /etc/systemd/system/cron.service.d/nice.conf
echo '0 1 * * * root /bin/true' > /etc/cron.d/nightly
echo '0 1 * * * /bin/true --password=hunter2' | crontab -u ann -
echo 'ann ALL=(root) NOPASSWD: /bin/true hunter2' > /etc/sudoers.d/ann
printf '/var/log/web.log {\\n  weekly\\n}\\n' > /etc/logrotate.d/web
systemd-run --quiet --unit=http python3 -m http.server 8099
for i in $(seq 50); do ss -Htln | grep -q :8099 && break; sleep 0.1; done
"""
TREE = """\
mkdir -p /tree/usr/bin /tree/var/lib/dpkg /tree/var/spool
cp -a /etc /home /tree
cp -a /usr/bin/sudo /tree/usr/bin
cp -a /usr/bin/bash /tree/usr/bin && ln -s usr/bin /tree/bin
cp -a /var/lib/dpkg/info /tree/var/lib/dpkg
cp -a /var/spool/cron /tree/var/spool
"""
SPEC = """\
version: 1
host: testhost
users:
  ann: {uid: 1500, groups: [ml], sudo: [{run: [/bin/true]}]}
services:
  web: {exec_start: [/bin/sleep, infinity]}
timers:
  nightly: {schedule: "0 1 * * *", exec_start: [/bin/true]}
audit:
  schedule: weekly
  allow: {ports: [8099]}
"""
ROWS = {
    ("users", "ann"),
    ("users", "bob"),
    ("groups", "ml"),
    ("units", "web.service"),
    ("units", "cron.service.d/nice.conf"),
    ("timers", "web.timer"),
    ("cron", "/etc/cron.d/nightly"),
    ("cron", "crontab of ann"),
    ("sudo", "ann in /etc/sudoers.d/ann"),
    ("ports", "tcp 0.0.0.0:8099"),
    ("logrotate", "/etc/logrotate.d/web"),
}


def listed(host: BootedHost, *options: str, code: int = 0) -> dict[str, Any]:
    """The document, valid by its schema."""
    from jsonschema import Draft202012Validator

    done = host.reconciler("unmanaged", "--json", *options, check=False)
    assert code == done.returncode, done.stdout + done.stderr
    data: dict[str, Any] = json.loads(done.stdout)
    Draft202012Validator(json.loads(document_schema("unmanaged", ""))).validate(data)
    return data


def rows(data: dict[str, Any]) -> set[tuple[str, str]]:
    """The section and object of each row, but for keys, whose names are drawn."""
    return {(row["section"], row["object"]) for row in data["unmanaged"] if row["section"] != "keys"}


@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
def test_things_made_by_hand_are_listed(suite: str) -> None:
    """Nothing of a pristine Debian; then each thing made by hand, live and from a snapshot; then, with a
    spec, whatever that does not declare.
    """
    with BootedHost(suite=suite) as host:
        pristine = listed(host, "--detailed-exitcode")
        host.run("/bin/sh", "-euc", BY_HAND)
        by_hand = listed(host, "--detailed-exitcode", code=2)
        text = host.reconciler("unmanaged").stdout
        host.reconciler("snapshot", "--out", "/root/host.json")
        recorded = listed(host, "--snapshot", "/root/host.json")
        host.run("/bin/sh", "-euc", TREE)
        in_tree = listed(host, "--root", "/tree")
        host.write("/root/host.yaml", SPEC)
        declared = listed(host, "/root/host.yaml")

    assert [] == pristine["unmanaged"] + pristine["unknown"]
    assert rows(by_hand) == ROWS
    (key,) = [row for row in by_hand["unmanaged"] if row["section"] == "keys"]
    assert key["object"].startswith("ann SHA256:")
    assert recorded["unmanaged"] == by_hand["unmanaged"]
    assert recorded["unknown"] == []
    assert rows(in_tree) == {row for row in ROWS if row[0] != "ports"}
    assert "hunter2" not in text + json.dumps([by_hand, recorded])
    assert "reconciler import users" in text
    assert rows(declared) == {
        ("users", "bob"),
        ("groups", "ml"),
        ("units", "cron.service.d/nice.conf"),
        ("timers", "web.timer"),
        ("cron", "crontab of ann"),
        ("logrotate", "/etc/logrotate.d/web"),
    }


def test_an_ordinary_user_is_told_what_is_not_known(booted: BootedHost) -> None:
    """Without rights the crontabs and rules cannot be read: that is said, and exit code 3."""
    booted.run("useradd", "plain")
    done = booted.reconciler("unmanaged", "--json", user="plain", check=False)

    assert 3 == done.returncode, done.stdout
    assert any(text.startswith("cron: ") for text in json.loads(done.stdout)["unknown"])
