"""Killed by strace on a booted host, the engine alone and with all that it started: the next apply ends it,
and what runs is up to date.
"""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from tests.booted.booted import BootedHost
from tests.faults import figures
from tests.faults.booted_sweep import BootedSweep, Kill
from tests.faults.mutants import MUTANTS
from tests.faults.stage import is_temporary

pytestmark = [pytest.mark.slow, pytest.mark.booted]

_FULL = {"engine": 112, "group": 48, "child": 45}
_SHORT = {"engine": 2, "group": 1, "child": 1}
_PLANTED = "nothing is swept"


def _chosen(sweep: BootedSweep, what: str, random: Any) -> Kill | None:
    if what == "child":
        listed = sweep.children[sweep.next]
        program, call = random.choice(listed) if listed else ("", None)
        return Kill(what, call, program) if call else None
    calls = sweep.calls[sweep.next]
    # A name first, then one of its calls: most calls are those of the database.
    name = random.choice(sorted({call.name for call in calls}))
    return Kill(what, random.choice([call for call in calls if call.name == name]))


def _catches(sweep: BootedSweep, random: Any) -> list[str]:
    """The violations that the sweep finds of a bug planted in the tool there: the half-written files of a
    killed apply stay.
    """
    sweep.plant(next(mutant for mutant in MUTANTS if mutant.name == _PLANTED))
    calls = [
        call for call in sweep.calls[sweep.next] if call.name == "renameat2" and is_temporary(call.paths()[0])
    ]
    return sweep.judge(Kill("engine", random.choice(calls))) or []


def _swept(kinds: list[str], random: Any, wrong: list[str], killed: list[str]) -> list[str]:
    """One host's share; and what was found of the planted bug."""
    with BootedHost(limit=3000) as host:
        sweep = BootedSweep(host)
        for what in kinds:
            kill = _chosen(sweep, what, random)
            found = sweep.judge(kill) if kill else None
            if found is not None:
                killed.append(what)
                wrong += [f"{kill}: {found}"] if found else []
                if found:
                    print(wrong[-1], flush=True)
        return _catches(sweep, random)


@pytest.mark.timeout(3600)
def test_killed_at_a_call() -> None:
    """Whatever the kill hits, of the engine or of an account command, the next apply ends it: declared,
    loaded, running; decoys stay.

    Afterwards a bug is planted there, and the next kill shows it.
    """
    seed, random = figures.seeded()
    counts = _FULL if figures.full() else _SHORT
    kinds = [what for what, count in counts.items() for _ in range(count)]
    random.shuffle(kinds)
    hosts = min(2, figures.processes())
    wrong: list[str] = []
    killed: list[str] = []
    caught: list[str] = []
    started = time.monotonic()
    problems: list[BaseException] = []

    def share(part: int) -> None:
        try:
            caught.extend(_swept(kinds[part::hosts], type(random)(seed + part), wrong, killed))
        except BaseException as problem:  # noqa: BLE001  # raised again below, in the thread of the test
            problems.append(problem)

    threads = [threading.Thread(target=share, args=(part,)) for part in range(hosts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise problems[0]
    seconds = round(time.monotonic() - started)
    figures.note(
        "kills by strace on a booted host",
        points=len(killed),
        violations=len(wrong),
        seconds=seconds,
        seed=seed,
    )

    assert [] == wrong, f"seed {seed}, {len(wrong)} of {len(killed)} points:\n" + "\n".join(wrong[:20])
    assert len(killed) >= 0.9 * len(kinds), (
        f"seed {seed}: only {len(killed)} of {len(kinds)} kills came about"
    )
    assert any("reconciler." in one for one in caught), (
        f"seed {seed}: {_PLANTED}, and nobody noticed: {caught}"
    )
