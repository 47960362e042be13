"""Who is said to become another account does: a service, a shell file and a rotation of alice's run what eve
writes, the last one as root.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.booted.booted import BootedHost

SPEC = "/root/host.yaml"
WAYS: Mapping[str, tuple[dict[str, Any], str]] = {
    "service": (
        {"services": {"q": {"exec_start": ["/home/eve/service"], "user": "alice", "type": "oneshot"}}},
        "systemctl start q.service",
    ),
    "aliases": (
        {
            "files": {
                "/home/alice/.bash_aliases": {
                    "content": ". /home/eve/aliases\n",
                    "owner": "alice",
                    "group": "alice",
                    "mode": "0644",
                }
            }
        },
        "su - alice -c 'bash -ic true' </dev/null",
    ),
    "rotated": (
        {
            "logrotate": {
                "app": {
                    "paths": ["/home/alice/logs/app.log"],
                    "frequency": "weekly",
                    "su": {"user": "alice", "group": "alice"},
                    "postrotate": {"run": ["/home/eve/rotated"]},
                }
            }
        },
        "logrotate --force /etc/logrotate.d/app",
    ),
}
"""By the name of eve's program: what is declared, and what happens every day."""
WHO = {"service": "alice", "aliases": "alice", "rotated": "root"}
"""Who runs it: logrotate gives its scripts root back, whoever rotates."""


def writes(host: BootedHost, name: str, command: str) -> None:
    """Eve writes a program of this name in her home."""
    text = f"#!/bin/sh\n{command}\n"
    host.run(
        "su", "eve", "-s", "/bin/sh", "-c", f"cat > /home/eve/{name}; chmod 0755 /home/eve/{name}", input=text
    )


def test_who_is_said_to_become_a_person_does() -> None:
    """The plan names eve, whom she becomes and by which program; what she wrote runs as that account then."""
    spec: dict[str, Any] = {"version": 1, "host": "testhost"}
    for declared, _ in WAYS.values():
        spec |= declared
    with BootedHost() as host:
        host.run("sh", "-euc", "apt-get -y install logrotate >/dev/null 2>&1 || command -v logrotate")
        for name in ("alice", "eve"):
            host.run("useradd", "--create-home", "--shell", "/bin/bash", name)
            host.run("chmod", "0755", f"/home/{name}")
        host.run("sh", "-euc", "install -d -o alice -g alice /home/alice/logs; install -d -m 1777 /run/proof")
        host.run("sh", "-euc", "echo x > /home/alice/logs/app.log; chown alice: /home/alice/logs/app.log")
        for name in WAYS:
            writes(host, name, "true")
        host.write(SPEC, json.dumps(spec))
        access = json.loads(host.reconciler("plan", SPEC, "--format", "json", check=False).stdout)["access"]
        host.reconciler("apply", SPEC, "--auto-approve")
        became = {}
        for name, (_, trigger) in WAYS.items():
            writes(host, name, f"id -un > /run/proof/{name}")
            host.run("sh", "-c", trigger, check=False)
            became[name] = host.run("cat", f"/run/proof/{name}", check=False).stdout.strip()

    told = {
        name: row.get("person", row["what"])
        for row in access
        for name in WAYS
        if f"/home/eve/{name}" in row["detail"] and row["what"] in ("person", "root")
    }
    assert WHO == told, access
    assert {"eve"} == {row["account"] for row in access if row["what"] in ("person", "root")}
    assert WHO == became
