"""Start-up is a feature: what a command may import. A count of modules is steady where seconds are not."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("pydantic", "pydantic_core", "ruamel", "rich", "deepdiff", "jsonschema", "asyncio", "ssl", "urllib.request", "importlib.metadata")
"""30 to 110 ms each."""

_PROGRAM = """
import sys
sys.argv = ["reconciler", *{arguments!r}]
try:
    from reconciler.cli.main import main
    main()
finally:
    print("imported:", *sorted(sys.modules), file=sys.stderr)
"""


def imported(*arguments: str) -> set[str]:
    """The modules that a command has imported when it ends, whatever it ends with."""
    program = _PROGRAM.format(arguments=arguments)
    argv = [sys.executable, "-c", program]
    said = subprocess.run(argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=120)
    lines = [line for line in said.stderr.splitlines() if line.startswith("imported:")]
    assert lines, said.stderr
    return set(lines[-1].split()[1:])


def test_the_probe_sees_imports() -> None:
    """The probe is not blind: a program that imports rich is seen to."""
    program = "import rich.console, sys; print(sorted(sys.modules))"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout

    assert "rich.console" in said


@pytest.mark.parametrize("heavy", HEAVY)
def test_version_imports_nothing_heavy(heavy: str, version_imports: set[str]) -> None:
    """`reconciler --version` answers without any of the expensive libraries."""
    assert heavy not in version_imports


@pytest.fixture(scope="module")
def version_imports() -> set[str]:
    """What `reconciler --version` imports."""
    return imported("--version")
