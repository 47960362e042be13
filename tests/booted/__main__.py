"""`python -m tests.booted`: build what hosts boot from now, so that the first test does not wait for it in
silence.
"""

from __future__ import annotations

import sys

from tests.booted import cache, rootfs, support


def main() -> int:
    """0 also where no host can be booted: the tests say so."""
    if support.missing():
        return 0
    if len(list(cache.directory().glob("root-*/tree"))) < len(rootfs.PYTHON):
        print("test host: building a minimal Debian 12 and 13 (once, about two minutes)", file=sys.stderr)
    try:
        for suite in rootfs.PYTHON:
            rootfs.layers(suite=suite)
    except support.HarnessError as error:
        print(f"test host: {error}", file=sys.stderr)
        return 1
    return 0


sys.exit(main())
