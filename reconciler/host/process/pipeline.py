"""Programs one behind the other, as in a shell's pipe, but with the exit status of each.

Imported only where they are about to be started: subprocess costs milliseconds.
"""

from __future__ import annotations

import os
import selectors
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import IO, Any

from reconciler.core.basics.frozen import frozen
from reconciler.host.process.run import ENVIRONMENT, escape, find_program, not_run

_CHUNK = 1 << 18
_ERRORS = 1 << 16
"""Bytes kept of each program's standard error."""

Take = Callable[[bytes], None]


@frozen
class Ended:
    """The end of a program.

    `rc` is its exit status, negative for a signal; `stderr` are the lines of its standard error, safe to
    print.
    """

    program: str
    rc: int
    stderr: tuple[str, ...]

    @property
    def reason(self) -> str:
        """The program with its last line on standard error, or with its status when it wrote none."""
        how = f"killed by signal {-self.rc}" if self.rc < 0 else f"exit status {self.rc}"
        return f"{self.program}: {self.stderr[-1]}" if self.stderr else f"{self.program}: {how}"


def pipe(
    stages: Sequence[Sequence[str]],
    take: Take,
    *,
    stdin: int | None = None,
    pass_fds: Sequence[int] = (),
    variables: Mapping[str, str] | None = None,
) -> list[Ended]:
    """Run all stages at once, each reading the output of the one before, and return how each ended.

    The first reads `stdin`, and `take` gets the output of the last. Programs get a fixed environment, which
    `variables` join, umask 077 and no other descriptor of ours than `pass_fds`. Raises ProgramMissing,
    NotRun, and any error of `take`; the programs are killed and reaped before.
    """
    with ExitStack() as stack:
        processes: list[subprocess.Popen[bytes]] = []
        source: int | IO[bytes] = subprocess.DEVNULL if stdin is None else stdin
        for argv in stages:
            process = _start(argv, source, pass_fds, variables or {})
            stack.callback(_end, process)
            if processes and processes[-1].stdout is not None:
                # Only the reader may hold the pipe: a writer whose reader died would wait for ever.
                processes[-1].stdout.close()
            assert process.stdout is not None
            processes.append(process)
            source = process.stdout
        errors = _pump(processes, take)
        return [
            Ended(os.path.basename(argv[0]), process.wait(), lines)
            for argv, process, lines in zip(stages, processes, errors, strict=True)
        ]


def _start(
    argv: Sequence[str], source: int | IO[bytes], pass_fds: Sequence[int], variables: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    program = find_program(argv[0])
    try:
        return subprocess.Popen(
            [program, *argv[1:]],
            stdin=source,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**ENVIRONMENT, **variables},
            cwd="/",
            umask=0o077,
            start_new_session=True,
            pass_fds=tuple(pass_fds),
        )
    except OSError as error:
        raise not_run(program, error) from error


def _pump(processes: Sequence[subprocess.Popen[bytes]], take: Take) -> list[tuple[str, ...]]:
    """Give the last output to `take`, and return the lines of each standard error, until all have ended."""
    with selectors.DefaultSelector() as selector:
        errors: dict[Any, bytearray] = {process.stderr: bytearray() for process in processes}
        for stream in (processes[-1].stdout, *errors):
            selector.register(stream, selectors.EVENT_READ)
        while selector.get_map():
            for key, _ in selector.select():
                chunk = os.read(key.fd, _CHUNK)
                if not chunk:
                    selector.unregister(key.fileobj)
                elif key.fileobj in errors:
                    errors[key.fileobj] += chunk[: _ERRORS - len(errors[key.fileobj])]
                else:
                    take(chunk)
    return [
        tuple(escape(line) for line in text.decode("utf-8", "replace").splitlines() if line.strip())
        for text in errors.values()
    ]


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill and reap the program if it has not ended, and close its pipes."""
    if process.poll() is None:
        process.kill()
        process.wait()
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()
