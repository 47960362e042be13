"""Boot a throw-away host, copy directories in, run one command there with live output, and leave nothing
behind.

`python -m tests.booted.boot_shell --copy examples:/root/examples -- bash /root/examples/demo-host.sh`;
without a command: a shell.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.booted import support
from tests.booted.booted import BootedHost

_TERMINAL = ("TERM", "COLUMNS", "LINES", "NO_COLOR", "CLICOLOR_FORCE", "COLORTERM")
"""The variables by which a command may know the terminal that it prints to."""


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.booted.boot_shell",
        description="Run a command on a Debian booted for the purpose.",
    )
    parser.add_argument(
        "--copy",
        action="append",
        default=[],
        metavar="FROM:TO",
        help="a directory to copy in; may be repeated",
    )
    parser.add_argument(
        "--limit", type=float, default=3600, metavar="SECONDS", help="end the host after this time (an hour)"
    )
    parser.add_argument(
        "command", nargs="*", metavar="-- COMMAND", help="what to run; a shell if there is none"
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str]) -> int:
    """The command's exit code; 1 when no host can be booted."""
    asked = _arguments(argv)
    if support.missing():
        print(f"A booted host {support.missing()}", file=sys.stderr)
        return 1
    print("Booting a throw-away Debian ...", file=sys.stderr)
    try:
        with BootedHost(limit=asked.limit) as host:
            for pair in asked.copy:
                source, _, destination = pair.partition(":")
                host.copy_in(Path(source), destination)
            terminal = {name: os.environ[name] for name in _TERMINAL if name in os.environ}
            child = host.popen(
                *(asked.command or ["bash", "--login"]), env=terminal, stdin=None, stdout=None, stderr=None
            )
            return child.wait()
    except support.HarnessError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
