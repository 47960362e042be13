"""Packages: which files of a few directories belong to one."""

from __future__ import annotations

import json

from reconciler.core.host import Unreadable
from reconciler.host.audit.question import Files, Reader

_LISTS = "/var/lib/dpkg/info"
DIRECTORIES = frozenset(
    (
        *("/etc/systemd/system", "/etc/sudoers.d", "/etc/logrotate.d"),
        *(f"/etc/cron.{name}" for name in ("d", "hourly", "daily", "weekly", "monthly", "yearly")),
    )
)


def packaged_files(files: Files, _: str) -> str:
    """The files of packages in DIRECTORIES, and in directories of drop-ins, as JSON. By dpkg's own lists: no
    program is run, so it works for a file tree too.
    """
    lists = [name for name in files.names(_LISTS) if name.endswith(".list")]
    if not lists:
        raise Unreadable("not known", "no list of dpkg is there: what packages brought is not known")
    paths: set[str] = set()
    for name in lists:
        try:
            lines = files.read(f"{_LISTS}/{name}").decode("utf-8", "replace").split("\n")
        except FileNotFoundError:  # removed meanwhile
            continue
        paths.update(line for line in lines if _is_near(line))
    return json.dumps(sorted(paths))


def _is_near(path: str) -> bool:
    directory = path.rpartition("/")[0]
    return directory in DIRECTORIES or (
        directory.endswith(".d") and directory.rpartition("/")[0] in DIRECTORIES
    )


QUESTIONS = {"packaged-files": Reader(packaged_files)}
