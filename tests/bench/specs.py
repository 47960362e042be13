"""Specs of any size, the same bytes for the same number, and the bare tree that they are applied to.

The mix: of ten resources one is a group, two are directories, four are files with a few lines, three are
services with a dozen fields.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

HOST = "bench"

_SERVICE = """\
  bench-{n:05}:
    description: Worker {n} of the benchmark fleet
    exec_start: [/usr/bin/sleep, infinity]
    user: nobody
    working_directory: /srv
    environment: {{PYTHONUNBUFFERED: 1, WORKER: {n}, MODELS: /srv/models/v{n}}}
    restart: on-failure
    restart_sec: 10s
    after: [network-online.target]
    wants: [network-online.target]
    limit_nofile: 65536
    limit_nproc: 4096
    memory_max: 32G
    hardening: basic
    on_change: restart
    state: running
    enabled: true
"""

_FILE = """\
  /srv/d{directory:05}/worker-{n:05}.conf:
    content: |
      # worker {n}
      listen = 127.0.0.1
      port = {port}
      models = /srv/models/v{n}
      log_level = info
    owner: root
    group: root
    mode: "0644"
"""

_DIRECTORY = """\
  /srv/d{n:05}:
    owner: root
    group: root
    mode: "0755"
"""

_GROUP = """\
  bench-{n:05}:
    gid: {gid}
"""

_SHELLS = ("sh", "bash")
_PASSWD = "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
_GROUPS = "root:x:0:\nnogroup:x:65534:\n"


def mixed(count: int) -> str:
    """A spec of `count` resources of all kinds (a multiple of 10)."""
    tenth = count // 10
    return "".join(_sections(groups=tenth, directories=2 * tenth, files=4 * tenth, services=3 * tenth))


def people(count: int, *, leave: bool = False) -> str:
    """A spec of `count` resources (a multiple of 20), half of them users in 20 groups, or these leaving with
    their homes.
    """
    half = count // 2
    user = (
        "{{state: absent, home: delete}}" if leave else "{{groups: [bench-{group:05}], directories: [work]}}"
    )
    users = (f"  bench-{n:05}: {user.format(group=n % 20)}\n" for n in range(half))
    rest = _sections(groups=20, directories=10, files=half - 30, services=0)
    return "".join((*rest, "users:\n", *users))


def services_only(count: int) -> str:
    """A spec of `count` services."""
    return "".join(_sections(groups=0, directories=0, files=0, services=count))


def _sections(*, groups: int, directories: int, files: int, services: int) -> Iterator[str]:
    yield f"version: 1\nhost: {HOST}\n"
    if groups:
        yield "groups:\n"
        yield from (_GROUP.format(n=n, gid=20000 + n) for n in range(groups))
    if directories:
        yield "directories:\n"
        yield from (_DIRECTORY.format(n=n) for n in range(directories))
    if files:
        yield "files:\n"
        yield from (_FILE.format(n=n, directory=n % directories, port=10000 + n) for n in range(files))
    if services:
        yield "services:\n"
        yield from (_SERVICE.format(n=n) for n in range(services))


def bare_tree(root: Path) -> None:
    """The least that a Debian has and that these specs need."""
    for name in (
        "etc/systemd/system",
        "srv",
        "usr/bin",
        "usr/sbin",
        "usr/lib/systemd/system",
        "var/lib",
        "root",
        "run",
        "tmp",
    ):
        (root / name).mkdir(parents=True)
    for name in ("bin", "sbin", "lib"):
        (root / name).symlink_to(f"usr/{name}")
    for name, text in {"passwd": _PASSWD, "group": _GROUPS, "hostname": f"{HOST}\n"}.items():
        (root / "etc" / name).write_text(text)
    for name in ("shadow", "gshadow"):
        (root / "etc" / name).write_text("")
        (root / "etc" / name).chmod(0o640)
    (root / "home").mkdir()
    for name in ("sleep", *_SHELLS):
        program = root / "usr/bin" / name
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)


def main(place: Path, counts: list[int]) -> None:
    """Write for every count `COUNT.yaml`, `COUNT-people.yaml`, `COUNT-leave.yaml`, and bare trees `COUNT/`,
    `COUNT-people/`.
    """
    for count in counts:
        texts = {"": mixed(count), "-people": people(count), "-leave": people(count, leave=True)}
        for name, text in texts.items():
            (place / f"{count}{name}.yaml").write_text(text)
        for name in ("", "-people"):
            bare_tree(place / f"{count}{name}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), [int(count) for count in sys.argv[2:]])
