"""W(n): the hosts that the first apply is measured on, as a spec, and as what an administrator would type for
the most of it.

n services, each with a unit file and a user of its own, enabled and running; n users with one supplementary
group and exactly two keys; n logrotate policies; n/5 backup jobs in /etc/cron.d.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator

from tests.bench.specs import HOST

GROUP = "fleet"

_USER = """\
  w{n:05}:
    comment: Worker {n}
    groups: [fleet]
    ssh_keys:
      exactly:
        - {first} w{n:05}@laptop
        - {second} w{n:05}@desk
"""

_SERVICE = """\
  w{n:05}:
    description: Worker {n} of the benchmark fleet
    exec_start: [/usr/bin/sleep, infinity]
    user: w{n:05}
    environment: {{PYTHONUNBUFFERED: 1, WORKER: {n}}}
    restart: on-failure
    limit_nofile: 65536
"""

_POLICY = """\
  w{n:05}:
    paths: [/var/log/w{n:05}.log]
    frequency: daily
    rotate: 30
    compress: true
    missingok: true
    notifempty: true
"""

_BACKUP = """\
  w{n:05}:
    sources: [/srv]
    destinations: [/var/backups/w{n:05}]
    schedule: "{minute} 2 * * *"
    scheduler: cron
    keep: {{daily: 7}}
"""

_UNIT = """\
[Unit]
Description=Worker {n} of the benchmark fleet
[Service]
Type=exec
ExecStart=/usr/bin/sleep infinity
User=w{n:05}
Environment=PYTHONUNBUFFERED=1 WORKER={n}
Restart=on-failure
LimitNOFILE=65536
[Install]
WantedBy=multi-user.target
"""


def spec(count: int) -> str:
    """W(count), a multiple of 5, as a spec."""
    return "".join(_sections(count))


def _sections(count: int) -> Iterator[str]:
    yield f"version: 1\nhost: {HOST}\ngroups:\n  {GROUP}: {{}}\nusers:\n"
    yield from (_USER.format(n=n, first=_key(2 * n), second=_key(2 * n + 1)) for n in range(count))
    yield "services:\n"
    yield from (_SERVICE.format(n=n) for n in range(count))
    yield "logrotate:\n"
    yield from (_POLICY.format(n=n) for n in range(count))
    yield "backups:\n"
    yield from (_BACKUP.format(n=n, minute=n % 60) for n in range(count // 5))


def _key(number: int) -> str:
    """A well-formed ed25519 public key that nobody has the other half of."""
    kind = b"ssh-ed25519"
    blob = (
        len(kind).to_bytes(4, "big")
        + kind
        + (32).to_bytes(4, "big")
        + hashlib.sha256(str(number).encode()).digest()
    )
    return f"{kind.decode()} {base64.b64encode(blob).decode()}"


def units(count: int) -> dict[str, str]:
    """Path and text of the unit files of W(count), for the bare commands."""
    return {f"/etc/systemd/system/w{n:05}.service": _UNIT.format(n=n) for n in range(count)}


def commands(count: int) -> list[list[str]]:
    """The bare system commands of W(count): one useradd per user, one daemon-reload, one `enable --now` of
    all units.
    """
    names = [f"w{n:05}" for n in range(count)]
    users = [["useradd", "--create-home", "--groups", GROUP, "--shell", "/bin/bash", name] for name in names]
    return [
        *users,
        ["systemctl", "daemon-reload"],
        ["systemctl", "enable", "--now", *(f"{name}.service" for name in names)],
    ]
