"""packages on a real Debian, from a repository on its own disk: apt-get and dpkg are the judges."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.booted.booted import BootedHost

SPEC = "/root/host.yaml"
REPOSITORY = r"""set -e
mkdir -p /srv/repo && cd /srv/repo
add() {  # name version depends conflicts postinst
    d=$(mktemp -d); mkdir -p "$d/DEBIAN" "$d/etc" "$d/usr/bin"; chmod 755 "$d"
    printf 'Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: t <t@example.org>\nPriority: optional\nDescription: t\n' \
        "$1" "$2" > "$d/DEBIAN/control"
    [ -z "$3" ] || echo "Depends: $3" >> "$d/DEBIAN/control"
    [ -z "$4" ] || echo "Conflicts: $4" >> "$d/DEBIAN/control"
    [ -z "$5" ] || { printf '#!/bin/sh\n%s\n' "$5" > "$d/DEBIAN/postinst"; chmod 755 "$d/DEBIAN/postinst"; }
    echo "default of $2" > "$d/etc/$1.conf"; echo "/etc/$1.conf" > "$d/DEBIAN/conffiles"
    printf '#!/bin/sh\nexec sleep infinity\n' > "$d/usr/bin/$1"; chmod 755 "$d/usr/bin/$1"
    dpkg-deb --build --root-owner-group "$d" "/srv/repo/$1_$2_all.deb" > /dev/null
    rm -r "$d"
}
index() {
    for deb in *.deb; do
        dpkg-deb --field "$deb"
        echo "Filename: ./$deb"
        echo "Size: $(stat -c %s "$deb")"
        echo "SHA256: $(sha256sum "$deb" | cut -d' ' -f1)"
        echo
    done > Packages
    apt-get update -qq
}
rm -f /etc/apt/sources.list /etc/apt/sources.list.d/*
echo 'deb [trusted=yes] file:/srv/repo ./' > /etc/apt/sources.list.d/local.list
"""
FIRST = """
add served 1.0 helper '' ''
add helper 1.0 '' '' ''
add kept 1.0 '' '' ''
add unwanted 1.0 '' '' ''
add needed 1.0 '' '' ''
add rival 1.0 '' needed ''
add failing 1.0 '' '' 'test -e /run/mended'
index
"""
STATUS = "${db:Status-Status} ${db:Status-Want} ${Version}"


def script(host: BootedHost, text: str) -> None:
    """Run a piece of shell in the repository."""
    host.run("bash", "-c", f"{REPOSITORY}\n{text}")


def status(host: BootedHost, name: str) -> str:
    """The answer of dpkg about a package."""
    return host.run("dpkg-query", "--show", f"--showformat={STATUS}", name, check=False).stdout


def declare(host: BootedHost, packages: Mapping[str, Any], **sections: Any) -> None:
    """Write a spec that has these packages."""
    host.write(SPEC, json.dumps({"version": 1, "host": "testhost", "packages": packages, **sections}))


def apply(host: BootedHost, *options: str) -> Any:
    """The result of an apply."""
    return host.reconciler("apply", SPEC, "--auto-approve", *options, check=False)


def plan(host: BootedHost) -> Any:
    """The result of a plan."""
    return host.reconciler("plan", SPEC, check=False)


def test_packages_come_stay_and_go(booted: BootedHost) -> None:
    """A package comes with what it needs, is not upgraded unless a version is asked for, keeps a changed
    configuration file, is held, stays when it leaves the spec, and goes when it is declared absent.
    """
    script(booted, FIRST)
    booted.run("apt-get", "install", "-y", "-q", "unwanted", "kept")
    declare(booted, {"served": {}, "kept": {"hold": True}, "unwanted": {"state": "absent"}})
    text = plan(booted).stdout

    assert "install served" in text
    assert "remove unwanted" in text
    assert "hold kept" in text
    assert "helper 1.0" in text
    assert 0 == apply(booted).returncode
    assert "installed install 1.0" == status(booted, "served")
    assert "installed install 1.0" == status(booted, "helper")
    assert "installed hold 1.0" == status(booted, "kept")
    assert status(booted, "unwanted").startswith("config-files ")
    assert 0 == plan(booted).returncode

    booted.write("/etc/served.conf", "changed by hand\n")
    script(booted, "add served 2.0 helper '' ''; index")

    assert 0 == plan(booted).returncode

    declare(booted, {"served": {"at_least": "2.0"}})

    text = plan(booted).stdout

    assert "at_least" in text
    done = apply(booted)

    assert 0 == done.returncode
    assert "installed install 2.0" == status(booted, "served")
    assert "changed by hand\n" == booted.read("/etc/served.conf")
    assert "installed hold 1.0" == status(booted, "kept")

    declare(booted, {"kept": {"hold": False}})

    assert 0 == apply(booted).returncode
    assert "installed install 1.0" == status(booted, "kept")
    assert "installed install 2.0" == status(booted, "served")


def test_what_is_not_declared_does_not_go(booted: BootedHost) -> None:
    """A package that would take another one away is refused until that one is declared absent; a failing
    maintainer script is told, and the next apply gets through; an interrupted dpkg is finished first.
    """
    script(booted, FIRST)
    booted.run("apt-get", "install", "-y", "-q", "needed")
    declare(booted, {"rival": {}})
    refused = plan(booted)

    assert "packages would go that are not declared" in refused.stdout + refused.stderr
    assert "needed" in refused.stdout + refused.stderr
    assert 0 != apply(booted).returncode
    assert "installed install 1.0" == status(booted, "needed")
    assert not status(booted, "rival").startswith("installed")

    declare(booted, {"rival": {}, "nosuch": {}, "needed": {"state": "absent"}})
    text = plan(booted).stdout

    assert "Unable to locate package nosuch" in text
    assert "no longer in the spec" not in text

    declare(booted, {"rival": {}, "needed": {"state": "absent"}})

    assert 0 == apply(booted).returncode
    assert "installed install 1.0" == status(booted, "rival")
    assert status(booted, "needed").startswith("config-files ")

    declare(booted, {"failing": {}})
    failed = apply(booted)

    assert 6 == failed.returncode
    assert "failing" in failed.stdout + failed.stderr
    assert not status(booted, "failing").startswith("installed")

    booted.write("/run/mended", "")
    booted.write("/var/lib/dpkg/updates/0000", "")

    assert 0 == apply(booted).returncode
    assert "installed install 1.0" == status(booted, "failing")
    assert 0 == plan(booted).returncode


VENDOR = r"""
web() {
    d=$(mktemp -d); mkdir -p "$d/DEBIAN" "$d/usr/lib/systemd/system"; chmod 755 "$d"
    printf 'Package: webd\nVersion: 1\nArchitecture: all\nMaintainer: t <t@example.org>\nDescription: t\n' \
        > "$d/DEBIAN/control"
    printf '[Service]\nExecStart=/usr/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n' \
        > "$d/usr/lib/systemd/system/webd.service"
    printf '#!/bin/sh\nsystemctl daemon-reload\nsystemctl start webd.service\n' > "$d/DEBIAN/postinst"
    chmod 755 "$d/DEBIAN/postinst"
    dpkg-deb --build --root-owner-group "$d" /srv/repo/webd_1_all.deb > /dev/null
}
web
index
"""


def test_a_unit_of_a_package_runs_with_its_drop_in(booted: BootedHost) -> None:
    """A package of the plan brings a unit and starts it; after the one apply it runs with the drop-in that the
    spec has for it.
    """
    script(booted, VENDOR)
    service = {"unit": "vendor", "environment": {"COLOUR": "green"}, "state": "running"}
    declare(booted, {"webd": {}}, services={"webd": service})
    text = plan(booted).stdout

    assert "webd.service is not known before the apply" in text

    done = apply(booted)
    process = booted.show("webd.service", "MainPID", "ActiveState")

    assert 0 == done.returncode, done.stdout + done.stderr
    assert "active" == process["ActiveState"]
    assert "COLOUR=green" in booted.read(f"/proc/{process['MainPID']}/environ").split("\0")
    assert 0 == plan(booted).returncode
    assert "No changes" in plan(booted).stdout


def test_a_source_and_its_package_come_in_one_apply(booted: BootedHost) -> None:
    """A source that the spec declares is there before its package is asked for, and the lists are fetched."""
    script(booted, FIRST)
    booted.run("sh", "-c", "rm -rf /etc/apt/sources.list.d/local.list /var/lib/apt/lists/*")
    source = {"content": "deb [trusted=yes] file:/srv/repo ./\n", "mode": "0644"}
    service = {"exec_start": ["/usr/bin/served"]}
    declare(
        booted,
        {"served": {}},
        files={"/etc/apt/sources.list.d/local.list": source},
        services={"web": service},
    )
    text = plan(booted).stdout

    assert "what comes along with the packages is not known" in text

    done = apply(booted)

    assert 0 == done.returncode, done.stdout + done.stderr
    assert "installed install 1.0" == status(booted, "served")
    assert "active" == booted.run("systemctl", "is-active", "web.service").stdout.strip()
    assert 0 == plan(booted).returncode
