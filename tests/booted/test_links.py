"""Watched and environment files behind links, in directories and by pattern, on a real systemd: each change
restarts, once.
"""

from __future__ import annotations

import json

from tests.booted.booted import BootedHost
from tests.booted.test_spine import SPEC, apply, plan

SPEC_TEXT = """\
version: 1
host: testhost
services:
  through: {exec_start: [/bin/sleep, "1"], environment_file: [/opt/current/env]}
  itself: {exec_start: [/bin/sleep, "1"], environment_file: [/etc/itself.env]}
  watched: {exec_start: [/bin/sleep, "1"], watch: [/opt/current/app.conf]}
  directory: {exec_start: [/bin/sleep, "1"], watch: [/opt/r1]}
  switched: {exec_start: [/bin/sleep, "1"], watch: [/opt/current]}
  pattern: {exec_start: [/bin/sleep, "1"], environment_file: ["-/etc/x.d/*.env"]}
  alias: {exec_start: [/bin/sleep, "1"], environment_file: [-/etc/alias.env]}
  vendor: {unit: vendor, state: running, watch: [/opt/current/app.conf]}
""".replace('"1"', "infinity")
NAMES = ("through", "itself", "watched", "directory", "switched", "pattern", "alias", "vendor")
FURNISH = """
set -e
mkdir -p /opt/r1/sub /opt/r2 /etc/x.d
echo A=1 > /opt/r1/env; echo A=2 > /opt/r2/env
echo 1 > /opt/r1/app.conf; echo 1 > /opt/r2/app.conf; echo 1 > /opt/r1/sub/deep
ln -s /opt/r1 /opt/current
ln -s ../opt/r1/env /etc/itself.env
ln -s /etc/default/real.env /etc/alias.env; echo D=1 > /etc/default/real.env
echo X=1 > /etc/x.d/a.env
printf '[Service]\\nExecStart=/bin/sleep infinity\\n' > /usr/lib/systemd/system/vendor.service
systemctl daemon-reload
"""
CHANGES = {
    "echo A=9 > /opt/r1/env": {"through", "itself", "directory", "switched"},
    "echo 9 > /opt/r1/app.conf": {"watched", "directory", "switched", "vendor"},
    "echo 9 > /opt/r1/sub/deep": {"directory", "switched"},
    "echo new > /opt/r1/sub/new": {"directory", "switched"},
    "rm /opt/r1/sub/new": {"directory", "switched"},
    "echo X=2 > /etc/x.d/a.env": {"pattern"},
    "echo Y=1 > /etc/x.d/b.env": {"pattern"},
    "rm /etc/x.d/b.env": {"pattern"},
    "echo Y=1 > /etc/x.d/c.other": set(),
    "touch /opt/r1/env /etc/x.d/a.env": set(),
    "echo D=2 > /etc/default/real.env": {"alias"},
    "ln -sfn /opt/r2 /opt/current": {"through", "watched", "switched", "vendor"},
    "mkdir /opt/r3; cp -r /opt/r2/. /opt/r3; ln -sfn /opt/r3 /opt/current": set(),
    "echo A=3 > /opt/r9; ln -sfn /opt/r9 /etc/itself.env": {"itself"},
}
"""The changes that somebody makes by hand, and the services that have older configuration after each."""


def lives(host: BootedHost) -> dict[str, object]:
    """Which process each service is."""
    return {name: host.life(f"{name}.service") for name in NAMES}


def check_what_is_followed(host: BootedHost) -> None:
    """Each change restarts exactly those that read what has changed; the plan before says so, the plan after
    is empty.
    """
    host.run("sh", "-c", FURNISH)
    host.write(SPEC, SPEC_TEXT)
    apply(host)
    apply(host)
    assert "No changes." in plan(host)

    for script, expected in CHANGES.items():
        before = lives(host)
        host.run("systemctl", "reset-failed", *NAMES)  # no start limit
        host.run("sh", "-c", script)
        shown = plan(host, code=2 if expected else 0)
        apply(host)
        restarted = {name for name, life in lives(host).items() if life != before[name]}

        assert (script, expected) == (script, restarted)
        assert expected == {
            name for name in NAMES if f"restart {name}.service" in shown or f" {name}.service," in shown
        }, shown
        assert "No changes." in plan(host), script


def test_links_directories_and_patterns_are_followed(booted: BootedHost) -> None:
    """The target of a link, the link itself, the files of a directory, and the matches of a pattern count as
    configuration.
    """
    check_what_is_followed(booted)


def test_what_the_same_apply_writes_behind_a_link(booted: BootedHost) -> None:
    """A declared file that a service reaches through a link, in a directory or by a pattern restarts it in
    the apply that writes it.
    """
    booted.run("sh", "-c", FURNISH)
    files = "files:\n" + "".join(
        f'  {path}: {{content: "A={{}}\\n", mode: "0644", adopt: true}}\n'
        for path in ("/opt/r1/env", "/etc/x.d/z.env")
    )
    booted.write(SPEC, SPEC_TEXT + files.replace("{}", "1"))
    apply(booted)
    before = lives(booted)
    booted.write(SPEC, SPEC_TEXT + files.replace("{}", "2"))
    shown = plan(booted, code=2)
    apply(booted)
    restarted = {name for name, life in lives(booted).items() if life != before[name]}

    assert {"through", "itself", "directory", "switched", "pattern"} == restarted
    assert "because /opt/current/env changed" in shown
    assert "No changes." in plan(booted)


def test_a_link_that_a_user_controls(booted: BootedHost) -> None:
    """Root is not led by it: the plan says in each run that changes behind it are not seen, and nothing
    behind it is read.
    """
    booted.run("useradd", "--create-home", "mallory")
    booted.run(
        "sh",
        "-c",
        "ln -s /etc/shadow /home/mallory/env; chown -h mallory /home/mallory/env; mkdir -m 777 /srv/open",
    )
    booted.run(
        "sh",
        "-c",
        "echo A=1 > /etc/real.env; ln -s /etc/real.env /srv/open/env; mkdir /etc/dir.d; ln -s"
        " /home/mallory/env /etc/dir.d/x",
    )
    services = "".join(
        f"  {name}: {{exec_start: [/bin/sleep, infinity], watch: [{path}]}}\n"
        for name, path in (
            ("his", "/home/mallory/env"),
            ("open", "/srv/open/env"),
            ("inside", "/etc/dir.d"),
            ("plain", "/etc/real.env"),
        )
    )
    booted.write(SPEC, f"version: 1\nhost: testhost\nservices:\n{services}")
    apply(booted)
    apply(booted)
    shown = " ".join(plan(booted).split())

    assert "No changes." in shown
    assert "changes of /home/mallory/env are not seen" in shown
    assert "The link /home/mallory/env is mallory's" in shown
    assert "The link /srv/open/env is in /srv/open, writable for everybody" in shown
    assert "changes of /etc/dir.d are not seen" in shown
    assert "changes of /etc/real.env" not in shown
    known = (
        booted.read("/var/lib/reconciler/processes.json")
        if booted.exists("/var/lib/reconciler/processes.json")
        else ""
    )
    assert "shadow" not in known.replace("link:/home/mallory/env:/etc/shadow", "")


def test_a_snapshot_follows_too(booted: BootedHost) -> None:
    """The plan from a snapshot is that of the host, also after a change behind a link."""
    booted.run("sh", "-c", FURNISH)
    booted.write(SPEC, SPEC_TEXT)
    for _ in range(2):
        apply(booted)
    for script in (
        "true",
        "echo A=9 > /opt/r1/env; echo Y=1 > /etc/x.d/b.env",
        "ln -sfn /opt/r2 /opt/current",
    ):
        booted.run("sh", "-c", script)
        here = booted.reconciler("plan", SPEC, "--json", check=False).stdout
        booted.reconciler("snapshot", "--out", "/root/snapshot.json")
        there = booted.reconciler(
            "plan", SPEC, "--snapshot", "/root/snapshot.json", "--json", check=False
        ).stdout

        assert _told(here) == _told(there)


def _told(text: str) -> object:
    plan = json.loads(text)
    return plan["complete"], plan["steps"], plan.get("owed")
