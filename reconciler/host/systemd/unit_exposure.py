"""The exposure of services by `systemd-analyze security --offline` (systemd 250 and newer).

It reads unit files and no process. Where it is missing or too old, there is no exposure.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence

from reconciler.core.host import HostError
from reconciler.host.process.run import run

_TIMEOUT = 30.0
_SECURITY = ["systemd-analyze", "security", "--offline=yes", "--no-pager"]
_OVERALL = re.compile(r"Overall exposure level for (\S+): ([0-9.]+) ([A-Z]+)")

Exposure = tuple[float, str]
"""The score from 0 (best) to 10, and systemd's word for it: `9.6`, `UNSAFE`."""


def of_files(paths: Sequence[str]) -> dict[str, Exposure]:
    """The exposure by unit name for the unit files at these paths, in one call."""
    if not paths:
        return {}
    try:
        result = run([*_SECURITY, "--", *paths], timeout=_TIMEOUT)
    except HostError:
        return {}
    return {
        unit: (float(score), level)
        for unit, score, level in _OVERALL.findall(result.out.decode("utf-8", "replace"))
    }


def of_texts(texts: Mapping[str, str]) -> dict[str, Exposure]:
    """The exposure by unit name for unit files that are not in place yet.

    The program wants files under the names of the units: they are written to a directory that only we can
    enter.
    """
    if not texts:
        return {}
    try:
        stage = tempfile.mkdtemp(prefix="reconciler-exposure-", dir="/run" if os.geteuid() == 0 else None)
    except OSError:
        return {}
    try:
        return of_files([_put(f"{stage}/{unit}", text) for unit, text in texts.items()])
    except OSError:
        return {}
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _put(path: str, text: str) -> str:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(fd, "wb") as file:
        file.write(text.encode("utf-8", "surrogateescape"))
    return path
