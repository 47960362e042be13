"""A process that kills and breaks applies, told by lines of JSON on stdin; the answers are lines of JSON on
stdout.

`python -m tests.faults.worker PLACE [PLANTED]`. PLACE is an empty directory; PLANTED the name of a bug in
`planted_kill`.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from tests.faults import forks
from tests.faults.errors import Fault, Faulty
from tests.faults.kill import Point, Setting


class _Worker:
    """The sweeps that were asked for, each prepared once."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._sweeps: dict[str, Faulty] = {}

    def sweep(self, name: str) -> Faulty:
        """A sweep by the name of its setting."""
        if name not in self._sweeps:
            self._sweeps[name] = Faulty(Setting.parse(name), self._place / name.replace("/", "-"))
        sweep = self._sweeps[name]
        sweep.use()
        return sweep

    def answer(self, asked: dict[str, Any]) -> Any:
        """The result of the work that a question asks for."""
        sweep = self.sweep(asked["setting"])
        match asked["do"]:
            case "names":
                return sweep.names
            case "kill":
                verdict = sweep.judge(Point(asked["at"], asked.get("again", 0)))
                return {"name": verdict.name, "wrong": verdict.wrong}
            case "calls":
                return [[call.name, call.n, call.about] for call in sweep.calls]
            case _:
                # Each worker has counts and temporary names of its own: how many files are read on the way
                # depends on the moment.
                call = sweep.calls[asked["at"]]
                assert call.name == asked["call"][0], f"{call} and not {asked}"
                return {"wrong": sweep.judge_fault(Fault(call, asked["what"]))}


def serve(place: Path, planted: str) -> None:
    """Answer until nothing more is asked."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    forks.import_all()
    if planted:
        from tests.faults.planted_kill import PLANTED

        PLANTED[planted]()
    worker = _Worker(place)
    for line in sys.stdin:
        answers.write(json.dumps(worker.answer(json.loads(line))) + "\n")
        answers.flush()


if __name__ == "__main__":
    serve(Path(sys.argv[1]), [*sys.argv, ""][2])
