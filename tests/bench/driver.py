"""Run whole processes in turn and measure them: a program of its own, so that it runs inside a test host too.

A child's peak memory is never reported below that of the process that started it: this one has to stay small,
or it would measure itself.

Standard input: `{"rounds": N, "cases": [{"name", "argv", "says"}]}`. One warm-up round is not counted; with 0
rounds there is none, and every case is run once. Every run of a case has to exit 0 and, with `says`, to print
that: what fails fast must not look fast. Standard output: `{name: {"ms": [...], "kib": [...], "cpu": [...]}}`, in the
order of the cases; `cpu` is milliseconds of processor time, with that of every process that it waited for.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from typing import Any


def run(argv: list[str], says: str) -> tuple[float, int, float]:
    """Milliseconds, peak KiB and milliseconds of processor time of one process.

    Raises SystemExit with what it printed when it did not do its work.
    """
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LANG": "C.UTF-8"}
    # pathlib is an import worth mentioning.
    with tempfile.TemporaryFile() as out, open(os.devnull, "rb") as nothing:  # noqa: PTH123
        actions = [
            (os.POSIX_SPAWN_DUP2, stream.fileno(), number)
            for number, stream in enumerate((nothing, out, out))
        ]
        start = time.perf_counter()
        pid = os.posix_spawnp(argv[0], argv, environment, file_actions=actions)
        _, status, usage = os.wait4(pid, 0)
        elapsed = (time.perf_counter() - start) * 1000
        out.seek(0)
        printed = out.read().decode(errors="replace")
    code = os.waitstatus_to_exitcode(status)
    if code or says not in printed:
        raise SystemExit(
            f"{' '.join(argv)[:200]}: exit {code}, wanted 0 and {says!r}; it printed:\n{printed[-2000:]}"
        )
    return elapsed, usage.ru_maxrss, (usage.ru_utime + usage.ru_stime) * 1000


def measure(cases: list[dict[str, Any]], rounds: int) -> dict[str, dict[str, list[float]]]:
    """Every case once per round, so that whatever else the machine does falls on all of them alike."""
    result: dict[str, dict[str, list[float]]] = {
        case["name"]: {"ms": [], "kib": [], "cpu": []} for case in cases
    }
    for turn in range(rounds + 1):
        for case in cases:
            elapsed, peak, processor = run(case["argv"], case["says"])
            if turn or not rounds:
                result[case["name"]]["ms"].append(elapsed)
                result[case["name"]]["kib"].append(peak)
                result[case["name"]]["cpu"].append(processor)
    return result


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    json.dump(measure(asked["cases"], asked["rounds"]), sys.stdout)
