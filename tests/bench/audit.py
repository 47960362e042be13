"""The audit's pass over the files against find(1) with the same predicates, in the same run; and the whole audit
of a booted host, beside lynis.

`RECONCILER_BENCH_SCAN_FILES` chooses a smaller tree than that of the issue, 500,000 files.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reconciler.host.scan.predicates import ENDINGS, NAMES
from tests.bench.report import Figure, Goal

FILES = int(os.environ.get("RECONCILER_BENCH_SCAN_FILES", "500000"))
SCAN, FIND, NUMBERS = "the pass", "find", "find without -nouser"
WHOLE, LYNIS = "reconciler audit", "lynis audit system"
_IN_A_DIRECTORY = 24
_PLANTED = 20
_REPOSITORY = Path(__file__).resolve().parents[2]
_PROGRAM = """\
import sys
sys.path.insert(0, {repository!r})
from reconciler.formats.file_scan import Scope
from reconciler.host.scan.child import scan
outcome = scan(Scope(paths=({top!r},), seconds=1000))
assert not outcome.partial and not outcome.unread, outcome
print("seen:", sum(outcome.counts.values()))
"""


def make_tree(top: Path, files: int) -> None:
    """Empty files, one of twelve executable, three levels deep; among them some of each sort that counts."""
    for number in range(0, files, _IN_A_DIRECTORY):
        turn = number // _IN_A_DIRECTORY
        directory = top / f"{turn // 400:03}" / f"{turn // 20 % 20:02}" / f"{turn % 20:02}"
        directory.mkdir(parents=True)
        for each in range(_IN_A_DIRECTORY):
            bits = 0o644 if each % 12 else 0o755
            os.close(os.open(directory / f"file-{each:04}.txt", os.O_CREAT | os.O_WRONLY, bits))
    for number in range(_PLANTED):
        directory = top / "planted" / str(number)
        directory.mkdir(parents=True)
        for name, mode in (("open", 0o666), ("root", 0o4755), ("id_rsa", 0o644), ("tls.pem", 0o644)):
            path = directory / name
            path.touch()
            path.chmod(mode)
        (top / f"loose{number}").mkdir()
        (top / f"loose{number}").chmod(0o777)
    top.chmod(0o755)


def cases(top: str) -> list[dict[str, Any]]:
    """The pass, and find in two ways; each of them must see everything that was planted."""
    program = _PROGRAM.format(repository=str(_REPOSITORY), top=top)
    numbers = "'(' '!' -uid 0 -o '!' -gid 0 ')'"
    return [
        {"name": SCAN, "argv": [sys.executable, "-c", program], "says": f"seen: {5 * _PLANTED}\n"},
        *(
            {
                "name": name,
                "argv": ["sh", "-c", f'echo seen: $(nice -n 19 ionice -c 3 find "$0" {tests} | wc -l)', top],
                "says": f"seen: {5 * _PLANTED}\n",
            }
            for name, tests in (
                (FIND, _tests("'(' -nouser -o -nogroup ')'")),
                (NUMBERS, _tests(numbers)),
            )
        ),
    ]


def _tests(owners: str) -> str:
    """The predicates in find's words: `,` asks each of them about each file."""
    patterns = [*sorted(NAMES), *(f"*{ending}" for ending in ENDINGS)]
    names = " -o ".join(f"-name '{pattern}'" for pattern in patterns)
    return " , ".join(
        (
            "-type f,b,c -perm -0002 -print",
            "-type d -perm -0002 '!' -perm -1000 -print",
            "-type f -perm /6000 -print",
            "-type b,c -print",
            f"-type f -perm -004 '(' {names} ')' -print",
            f"{owners} -print",
        )
    )


def goals(figures: Sequence[Figure]) -> list[Goal]:
    """The goals of issue 17."""
    by = {figure.name: figure for figure in figures}
    return [
        Goal(f"{FILES:,} files, against find", by[SCAN].ms / by[FIND].ms, 1.5, "x"),
        Goal(f"{FILES:,} files, against find without -nouser", by[SCAN].ms / by[NUMBERS].ms, 1.5, "x"),
        Goal(f"peak memory at {FILES:,} files", by[SCAN].mib, 150, "MiB"),
    ]


def host_cases(*, lynis: bool) -> list[dict[str, Any]]:
    """The whole audit of a booted host, and that of lynis where it is there."""
    # 2 and 3 are findings, and something that was not checked: no failure of the audit.
    ours = "reconciler audit; case $? in 0|2|3) exit 0 ;; *) exit 1 ;; esac"
    cases = [{"name": WHOLE, "argv": ["/bin/sh", "-c", ours], "says": " passed, "}]
    theirs = ["lynis", "audit", "system", "--quick", "--no-colors"]
    return [*cases, {"name": LYNIS, "argv": theirs, "says": "Hardening index"}] if lynis else cases


def host_goals(figures: Sequence[Figure]) -> list[Goal]:
    """The goals of issue 17 for a whole host."""
    by = {figure.name: figure for figure in figures}
    against = [Goal(f"time, against `{LYNIS}`", by[WHOLE].ms / by[LYNIS].ms, 1, "x")] if LYNIS in by else []
    return [Goal("processor time of the whole audit", by[WHOLE].cpu / 1000, 3, "s"), *against]
