"""The needs of booting a host, and those that this machine does not meet."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys

from tests.booted import cgroup

PROGRAMS = {
    "systemd-nspawn": "systemd-container",
    "mmdebstrap": "mmdebstrap",
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "mount": "mount",
}
"""Program -> Debian package."""


class HarnessError(Exception):
    """The harness could not do its part: this says nothing about the code under test."""


@functools.cache
def missing() -> str:
    """Why no host can be booted here, with what to do about it; empty when one can."""
    if sys.platform != "linux":
        return "needs Linux"
    if os.geteuid() != 0:
        return "needs root"
    packages = sorted({package for program, package in PROGRAMS.items() if shutil.which(program) is None})
    if packages:
        return f"needs: apt-get install {' '.join(packages)}"
    if subprocess.run(
        ["unshare", "--mount", "--pid", "--net", "--fork", "true"], check=False, capture_output=True
    ).returncode:
        return "needs the right to make namespaces (CAP_SYS_ADMIN)"
    if not cgroup.available():
        return "needs cgroups of version 2, alone or beside version 1"
    return ""
