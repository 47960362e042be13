"""Programs one behind the other, each with its own checked status: what a shell's pipe throws away.

To be imported by what is about to start them: subprocess costs milliseconds.
"""

from __future__ import annotations

import os
import selectors
import subprocess
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import IO, Any

from reconciler.core.basics.frozen import frozen
from reconciler.host.process.run import ENVIRONMENT, escape, find_program, not_run

_CHUNK = 1 << 18
_ERRORS = 1 << 16
"""Bytes kept of what each program says on standard error."""

Take = Callable[[bytes], None]


@frozen
class Ended:
    """How one program ended.

    `rc` is negative for a signal; `said` are the lines of its standard error, safe to print.
    """

    program: str
    rc: int
    said: tuple[str, ...]

    @property
    def reason(self) -> str:
        """Its last words, or its status."""
        how = f"killed by signal {-self.rc}" if self.rc < 0 else f"exit status {self.rc}"
        return f"{self.program}: {self.said[-1]}" if self.said else f"{self.program}: {how}"


def pipe(
    stages: Sequence[Sequence[str]], take: Take, *, stdin: int | None = None, pass_fds: Sequence[int] = ()
) -> list[Ended]:
    """Run all at once, each reading the output of the one before; the first reads `stdin`, and `take` gets
    the output of the last.

    Programs get no other descriptor of ours than `pass_fds`, a fixed environment and umask 077. When anything
    is raised, by `take` as well, they are killed and reaped first. Raises ProgramMissing, NotRun, and
    whatever `take` raises.
    """
    with ExitStack() as stack:
        processes: list[subprocess.Popen[bytes]] = []
        source: int | IO[bytes] = subprocess.DEVNULL if stdin is None else stdin
        for argv in stages:
            process = _start(argv, source, pass_fds)
            stack.callback(_end, process)
            if processes and processes[-1].stdout is not None:
                # Its reader alone shall hold it, or a writer whose reader died waits for ever.
                processes[-1].stdout.close()
            assert process.stdout is not None
            processes.append(process)
            source = process.stdout
        said = _pump(processes, take)
        ended = zip(stages, processes, said, strict=True)
        return [Ended(os.path.basename(argv[0]), process.wait(), lines) for argv, process, lines in ended]


def _start(argv: Sequence[str], source: int | IO[bytes], pass_fds: Sequence[int]) -> subprocess.Popen[bytes]:
    program = find_program(argv[0])
    try:
        return subprocess.Popen(
            [program, *argv[1:]],
            stdin=source,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=ENVIRONMENT,
            cwd="/",
            umask=0o077,
            start_new_session=True,
            pass_fds=tuple(pass_fds),
        )
    except OSError as error:
        raise not_run(program, error) from error


def _pump(processes: Sequence[subprocess.Popen[bytes]], take: Take) -> list[tuple[str, ...]]:
    """Read the last output and all complaints until they end."""
    errors = [bytearray() for _ in processes]
    with selectors.DefaultSelector() as selector:
        outputs: dict[Any, bytearray] = {
            process.stderr: kept for process, kept in zip(processes, errors, strict=True)
        }
        for stream in (processes[-1].stdout, *outputs):
            selector.register(stream, selectors.EVENT_READ)
        while selector.get_map():
            for key, _ in selector.select():
                chunk = os.read(key.fd, _CHUNK)
                if not chunk:
                    selector.unregister(key.fileobj)
                elif key.fileobj in outputs:
                    outputs[key.fileobj] += chunk[: _ERRORS - len(outputs[key.fileobj])]
                else:
                    take(chunk)
    return [
        tuple(escape(line) for line in kept.decode("utf-8", "replace").splitlines() if line.strip())
        for kept in errors
    ]


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.kill()
        process.wait()
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()
