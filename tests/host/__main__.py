"""`python -m tests.host`: build what hosts boot from now, so that the first test does not wait for it in silence."""

from __future__ import annotations

import sys

from tests.host import cache, rootfs, support


def main() -> int:
    """0 also where no host can be booted: the tests say so."""
    if support.missing():
        return 0
    if not any(cache.directory().glob("root-*/tree")):
        print("test host: building a minimal Debian (once, about a minute)", file=sys.stderr)
    try:
        rootfs.layers()
    except support.HarnessError as error:
        print(f"test host: {error}", file=sys.stderr)
        return 1
    return 0


sys.exit(main())
