"""A home is looked for where the spec says: prepared places, links at /home, files for a new user.

Judged by stat and sshd.
"""

from __future__ import annotations

from typing import Any

from tests.booted.booted import BootedHost
from tests.booted.test_paths import applied, refused, settled
from tests.booted.test_ssh_keys import says


def owner(host: BootedHost, path: str) -> str:
    """Owner and group of what is at a path."""
    return host.run("stat", "-c", "%U:%G", path).stdout.strip()


def test_a_home_is_looked_for_where_the_spec_says(booted: BootedHost) -> None:
    """A directory at /home/NAME is another thing; a prepared place is adopted; one apply converges, and no
    account comes without its home.
    """
    booted.run(
        "/bin/sh",
        "-euc",
        "install -d -m 755 /srv/app /srv/people /srv/keyed/.ssh; echo data >/srv/app/data; install -d"
        " /home/foo",
    )
    booted.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/root/one")
    booted.run("systemctl", "start", "ssh.service")
    key = booted.read("/root/one.pub").strip()
    booted.write("/srv/keyed/.ssh/authorized_keys", "# by hand\n")
    users: dict[str, Any] = {"app": {"home": "/srv/app", "system": True}}
    told = refused(booted, {"users": users})

    assert "users.app/home (/srv/app) exists on the host" in told
    assert [] == booted.getent("passwd", "app")

    users["app"]["adopt"] = True
    users["foo"] = {"home": "/srv/people/foo", "ssh_keys": [key]}
    users["keyed"] = {
        "home": "/srv/keyed",
        "ssh_keys": {"exactly": [key]},
        "adopt": True,
        "directories": ["data"],
    }
    applied(booted, {"users": users})

    assert settled(booted)
    assert ("app:app", "root:root") == (owner(booted, "/srv/app"), owner(booted, "/srv/app/data"))
    assert ("foo:foo", "root:root") == (owner(booted, "/srv/people/foo"), owner(booted, "/home/foo"))
    assert ["foo", "keyed"] == [says(booted, "one", user=user) for user in ("foo", "keyed")]
    assert "# by hand" in booted.read("/srv/keyed/.ssh/authorized_keys")


def test_files_for_a_user_of_the_same_apply(booted: BootedHost) -> None:
    """Below the home, below a directory of the user's, and of root's: each comes after what it is put into,
    in one apply.
    """
    mode = {"content": "x", "mode": "0644"}
    users = {"vim": {"directories": [".config/nvim"]}, "abe": {"home": "/srv/abe"}}
    files = {
        "/home/vim/.vimrc": {**mode, "owner": "vim", "group": "vim"},
        "/home/vim/.config/nvim/init": {**mode, "owner": "vim", "group": "vim"},
        "/home/vim/.by-root": mode,
        "/srv/abe/data/deep": {**mode, "owner": "abe", "group": "abe"},
    }
    told = applied(
        booted,
        {"users": users, "files": files, "directories": {"/srv/abe/data": {"mode": "0755", "owner": "abe"}}},
    )

    assert "does not exist" not in told
    assert settled(booted)
    assert ["vim:vim", "vim:vim", "root:root", "abe:abe"] == [owner(booted, path) for path in files]


def test_homes_on_another_disk(booted: BootedHost) -> None:
    """root's link at /home is followed: one apply, and the key lets in; a link that others could turn is not,
    and nothing is made.
    """
    booted.run(
        "/bin/sh",
        "-euc",
        "install -d /data2; mv /home /data2/home; ln -s /data2/home /home; useradd -m -s /bin/bash old",
    )
    booted.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/root/one")
    booted.run("systemctl", "start", "ssh.service")
    key = booted.read("/root/one.pub").strip()
    users: dict[str, Any] = {"new": {"ssh_keys": [key], "directories": ["data"]}}
    spec = {
        "users": users,
        "ssh_keys": {"old": [key]},
        "files": {"/home/new/.vimrc": {"content": "x", "mode": "0644", "owner": "new"}},
    }
    told = applied(booted, spec)

    assert settled(booted)
    assert not [word for word in ("does not exist", "is a link", "could not be read") if word in told]
    assert ["new", "old"] == [says(booted, "one", user=user) for user in ("new", "old")]
    assert ["new:new"] * 2 == [
        owner(booted, f"/data2/home/new/{name}") for name in ("data", ".ssh/authorized_keys")
    ]
    assert "it is the home of new" in refused(
        booted, {**spec, "users": {**users, "thief": {"home": "/data2/home/new"}}}
    )

    users["new"] = {"state": "absent", "home": "delete"}
    applied(booted, {"users": users, "ssh_keys": {"old": [key]}})

    assert ["old"] == booted.run("ls", "/data2/home").stdout.split()

    booted.run("chmod", "1777", "/data2")
    told = applied(booted, {"users": {**users, "late": {}}, "ssh_keys": {"old": [key]}}, code=4)

    assert "/home is a link; write /data2/home instead of /home, in `home`." in told
    assert [] == booted.getent("passwd", "late")

    users["late"] = {"home": "/data2/home/late"}  # as was advised
    applied(booted, {"users": users, "ssh_keys": {"old": [key]}}, "--target", "users.late")
    assert "late:late" == owner(booted, "/data2/home/late")
