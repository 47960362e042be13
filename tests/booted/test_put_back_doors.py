"""A file that is put back after a failed gate is judged as a plan is: strict readers must take it, and nobody
may be locked out by it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.booted.booted import BootedHost

SPEC = "/root/host.yaml"
RULES, POLICY = "/etc/sudoers.d/app", "/etc/logrotate.d/app"
GOOD = {
    RULES: ("daemon ALL=(root) NOPASSWD: /usr/bin/true\n", "0440"),
    POLICY: ("/var/log/app.log {\n    missingok\n}\n", "0644"),
}
BAD = {RULES: "garbage here\n", POLICY: "/var/log/app.log {\n    garbage here\n}\n"}
pytestmark = pytest.mark.booted


@pytest.fixture(params=["bookworm", "trixie"])
def host(request: pytest.FixtureRequest) -> Iterator[BootedHost]:
    """A Debian 12 or 13."""
    with BootedHost(suite=request.param) as booted:
        yield booted


def apply(host: BootedHost, *options: str, **spec: Any) -> tuple[int, str]:
    """The exit code of an apply of this spec, and what it printed, on one line."""
    host.write(SPEC, json.dumps({"version": 1, "host": "testhost", **spec}))
    done = host.reconciler("apply", SPEC, "--auto-approve", *options, check=False)
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def service(command: str, *watched: str) -> Mapping[str, Any]:
    """A service that says something, watches these files, and is well if it stays."""
    return {"exec_start": ["/bin/sh", "-c", command], "watch": list(watched), "health": {"within": "600ms"}}


@pytest.mark.parametrize("path", GOOD)
def test_what_a_reader_would_refuse_is_not_put_back(path: str, host: BootedHost) -> None:
    """A file put there by hand that its reader refuses does not come back: told with the reason, exit 6; sudo
    and logrotate work.
    """
    host.write(path, BAD[path], GOOD[path][1])
    code, said = apply(host, services={"app": service("exec sleep infinity")})
    assert code == 0, said
    new = {path: {"content": GOOD[path][0], "mode": GOOD[path][1]}}
    code, said = apply(host, "--adopt", services={"app": service("exit 3", path)}, files=new)

    assert code == 6, said
    assert f"it could not be put back: its reader does not accept the file: {path}: line " in said
    assert "reconciler rollback" in said
    assert host.read(path) == GOOD[path][0]
    assert host.run("visudo", "--check").returncode == 0
    assert "error" not in host.run("logrotate", "-d", "/etc/logrotate.conf").stderr
    again = host.reconciler("plan", SPEC, "--detailed-exitcode", check=False)
    assert again.returncode == 2, again.stdout + again.stderr
    refused = host.reconciler("rollback", "--auto-approve", check=False)
    assert refused.returncode == 3, refused.stdout + refused.stderr


def test_what_a_reader_takes_is_put_back(host: BootedHost) -> None:
    """A rule that was good before comes back with the service: exit 7."""
    rules, (content, mode) = GOOD[RULES][0].replace("true", "false"), GOOD[RULES]
    code, said = apply(
        host,
        services={"app": service("exec sleep infinity", RULES)},
        files={RULES: {"content": rules, "mode": mode}},
    )
    assert code == 0, said
    code, said = apply(
        host, services={"app": service("exit 3", RULES)}, files={RULES: {"content": content, "mode": mode}}
    )

    assert code == 7, said
    assert host.read(RULES) == rules
    assert host.run("systemctl", "is-active", "app.service").stdout == "active\n"


def test_nobody_is_locked_out_by_what_is_put_back(host: BootedHost) -> None:
    """The administrators change with the configuration of sshd, which is found unwell: who gets in now still
    does, and it is told.
    """
    drop_in = "/etc/ssh/sshd_config.d/who.conf"
    for name in ("olga", "anna"):
        host.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"/root/key-{name}")
    keys = {name: host.read(f"/root/key-{name}.pub").strip() for name in ("olga", "anna")}

    def spec(name: str, probe: str, *gone: str) -> dict[str, Any]:
        user = {"shell": "/bin/sh", "ssh_keys": [keys[name]], "sudo": [{"run": "ALL", "password": False}]}
        return {
            "users": {name: user, **{other: {"state": "absent", "home": "keep"} for other in gone}},
            "files": {drop_in: {"content": f"AllowUsers {name}\n", "mode": "0644"}},
            "services": {
                "ssh": {
                    "unit": "vendor",
                    "state": "running",
                    "watch": [drop_in],
                    "health": {"command": [probe], "within": "2s"},
                }
            },
        }

    host.run("systemctl", "start", "ssh.service")
    code, said = apply(host, "--adopt", **spec("olga", "/bin/true"))
    assert code == 0, said
    assert _becomes_root(host, "olga"), said
    code, said = apply(host, "--adopt", **spec("anna", "/bin/false", "olga"))

    assert _becomes_root(host, "anna"), said
    assert code == 6, said
    assert "it could not be put back: would lock out: " in said


def test_what_restarted_sshd_is_rolled_back(host: BootedHost) -> None:
    """On Debian 13 ssh.service wants sshd-keygen.service, whose condition only holds at a first boot: that is
    no reason to refuse.
    """
    drop_in = "/etc/ssh/sshd_config.d/tries.conf"
    host.run("systemctl", "start", "ssh.service")
    for tries in ("5", "6"):
        watching = {"ssh": {"unit": "vendor", "state": "running", "watch": [drop_in]}}
        code, said = apply(
            host, services=watching, files={drop_in: {"content": f"MaxAuthTries {tries}\n", "mode": "0644"}}
        )
        assert code == 0, said
    done = host.reconciler("rollback", "--auto-approve", check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert host.read(drop_in) == "MaxAuthTries 5\n"
    assert host.run("systemctl", "is-active", "ssh.service").stdout == "active\n"


def _becomes_root(host: BootedHost, name: str) -> bool:
    words = [
        word
        for option in ("BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null")
        for word in ("-o", option)
    ]
    done = host.run(
        "ssh", *words, "-i", f"/root/key-{name}", f"{name}@127.0.0.1", "sudo", "-n", "id", "-u", check=False
    )
    return done.stdout.strip() == "0"
