"""Workers, several of them, and what they are asked. See `worker`."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.faults import figures

REPOSITORY = Path(__file__).resolve().parents[2]


class _One:
    """One worker; it works in memory where there is such a file system, and in a place that everybody can
    reach.
    """

    def __init__(self, stack: ExitStack, planted: str) -> None:
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        place = stack.enter_context(
            tempfile.TemporaryDirectory(prefix="faults-", dir=memory, ignore_cleanup_errors=True)
        )
        Path(place).chmod(0o755)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.worker", place, planted],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        stack.callback(self._end)

    def ask(self, question: Mapping[str, Any]) -> Any:
        """The answer. Raises RuntimeError when the worker died of the question."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the worker has ended with {self._process.wait()} at {question}")
        return json.loads(line)

    def _end(self) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        self._process.kill()
        self._process.wait()


def judged(workers: Workers, questions: Sequence[Mapping[str, Any]], harness: str, seed: int) -> None:
    """Ask them all, note the figures, and fail with what is wrong; in the full form each is printed as it
    comes.
    """
    started, wrong = time.monotonic(), []

    def tell(asked: Mapping[str, Any], told: Any) -> None:
        if told["wrong"]:
            wrong.append(f"{asked} {told.get('name', '')}: {told['wrong']}")
            if figures.full():
                print(wrong[-1], flush=True)

    workers.ask_all(questions, tell)
    figures.note(
        harness,
        points=len(questions),
        violations=len(wrong),
        seconds=round(time.monotonic() - started),
        seed=seed,
    )

    assert [] == wrong, f"seed {seed}, {len(wrong)} of {len(questions)} points:\n" + "\n".join(
        sorted(wrong)[:20]
    )


class Workers:
    """A context manager.

    `count` workers share the questions; each prepares the stages that it needs by itself.
    """

    def __init__(self, count: int = 1, planted: str = "") -> None:
        self._count = count
        self._planted = planted
        self._stack = ExitStack()
        self._workers: list[_One] = []

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._workers = [_One(stack, self._planted) for _ in range(self._count)]
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def ask(self, question: Mapping[str, Any]) -> Any:
        """One answer."""
        return self._workers[0].ask(question)

    def ask_all(
        self, questions: Sequence[Mapping[str, Any]], tell: Callable[[Mapping[str, Any], Any], None]
    ) -> list[Any]:
        """The answers, in order; `tell` has each as it comes.

        Questions that stand together go to the same worker, who has their stage already.
        """
        answers: list[Any] = [None] * len(questions)
        portions: queue.SimpleQueue[Iterable[int]] = queue.SimpleQueue()
        size = max(1, min(25, len(questions) // self._count))
        for start in range(0, len(questions), size):
            portions.put(range(start, min(start + size, len(questions))))
        problems: list[BaseException] = []

        def work(worker: _One) -> None:
            try:
                while not problems:
                    for at in portions.get_nowait():
                        answers[at] = worker.ask(questions[at])
                        tell(questions[at], answers[at])
            except queue.Empty:
                return
            except BaseException as problem:  # noqa: BLE001  # raised again below, in the thread that asked
                problems.append(problem)

        threads = [threading.Thread(target=work, args=(worker,)) for worker in self._workers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if problems:
            raise problems[0]
        return answers
