"""Generate the files that are generated; with `--check` only say which of them are stale.

One row per file: where it goes and the function that makes its text. Run by `make schema` and `make check`.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from reconciler.app.schema import FILES, document_schema
from tools import reference
from tools.audit_checks import audit_checks_page, check_ids_module

REPOSITORY = Path(__file__).resolve().parents[1]

CHECK_IDS = "reconciler/formats/audit/check_ids.py"
"""The schemas have its names: when it changes, they are made anew by another process."""
GENERATED: Mapping[str, Callable[[], str]] = {
    CHECK_IDS: check_ids_module,
    **{f"schemas/{name}": partial(document_schema, *what) for name, what in FILES.items()},
    "docs/reference/spec.md": reference.spec_page,
    "docs/reference/commands.md": reference.commands_page,
    "docs/reference/audit-checks.md": audit_checks_page,
    "docs/reference/exit-codes.md": reference.exit_codes_page,
}


def stale() -> list[str]:
    """The files that are not what would be generated now."""
    outdated = []
    for name, make in GENERATED.items():
        path = REPOSITORY / name
        if not path.exists() or path.read_text() != make():
            outdated.append(name)
    return outdated


def main(arguments: list[str]) -> int:
    """1 with `--check` when anything is stale."""
    outdated = stale()
    if arguments == ["--check"]:
        for name in outdated:
            print(f"{name} is stale: run make schema, and commit it", file=sys.stderr)
        return int(bool(outdated))
    for name in outdated:
        (REPOSITORY / name).parent.mkdir(parents=True, exist_ok=True)
        (REPOSITORY / name).write_text(GENERATED[name]())
        print(f"wrote {name}")
    if CHECK_IDS in outdated:
        return subprocess.run([sys.executable, "-m", "tools.generate"], check=False).returncode
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
