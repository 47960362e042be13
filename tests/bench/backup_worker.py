"""One command of a backup job in a process of its own, which says how much memory it took: what it starts does
not count.

Standard input: a job, the action, and where the program keeps its things, as JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from reconciler.formats.backups.job import Job, Keep, Restic
from reconciler.host.archives import restic
from reconciler.host.state import restic_records
from reconciler.jobs.backup import run
from reconciler.jobs.engines import restore


def peak_kib() -> int:
    """The most memory that this process had, in KiB.

    `ru_maxrss` begins with that of the process that started it, and pytest is large.
    """
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["VmHWM"].split()[0])


def work(asked: dict[str, Any]) -> None:
    """Do what is asked for."""
    restic.CACHE, restic_records.DIRECTORY = f"{asked['place']}/cache", f"{asked['place']}/records"
    fields: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in asked["job"].items()
    }
    if "restic" in fields:
        fields["restic"] = Restic("bench", fields["restic"])
    job = Job(keep=Keep(), **fields)
    if asked["action"] == "run":
        run(job, lambda _: None, f"{asked['place']}/run", f"{asked['place']}/owed")
    else:
        restore(job, "", asked["to"], [])


if __name__ == "__main__":
    work(json.load(sys.stdin))
    json.dump({"kib": peak_kib()}, sys.stdout)
