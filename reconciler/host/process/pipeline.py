"""Programs one behind the other, as in a shell's pipe, but with the exit status of each.

Imported only where they are about to be started: subprocess costs milliseconds.
"""

from __future__ import annotations

import os
import selectors
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from fcntl import F_SETPIPE_SZ, fcntl
from typing import IO, Any

from reconciler.core.basics.frozen import frozen
from reconciler.host.process.run import ENVIRONMENT, escape, find_program, not_run

_CHUNK = 1 << 18
_ROOM = 1 << 20
"""Bytes in a pipe that moves much: what any user may ask for."""
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
    stdin: int | Iterator[bytes] | None = None,
    pass_fds: Sequence[int] = (),
    variables: Mapping[str, str] | None = None,
) -> list[Ended]:
    """Run all stages at once, each reading the output of the one before, and return how each ended.

    The first reads `stdin`, a descriptor or chunks, of which all are taken even if it does not read them;
    `take` gets the output of the last. Programs get a fixed environment, which `variables` join, umask 077
    and no other descriptor of ours than `pass_fds`. Raises ProgramMissing, NotRun, and any error of `take`
    and of the chunks; the programs are killed and reaped before.
    """
    with ExitStack() as stack:
        processes: list[subprocess.Popen[bytes]] = []
        chunks = None if stdin is None or isinstance(stdin, int) else stdin
        source: int | IO[bytes] = subprocess.DEVNULL
        if stdin is not None:
            source = stdin if isinstance(stdin, int) else subprocess.PIPE
        for argv in stages:
            process = _start(argv, source, pass_fds, variables or {})
            stack.callback(_end, process)
            if processes and processes[-1].stdout is not None:
                # Only the reader may hold the pipe: a writer whose reader died would wait for ever.
                processes[-1].stdout.close()
            assert process.stdout is not None
            enlarge(process.stdout.fileno())
            processes.append(process)
            source = process.stdout
        feed = None if chunks is None else _Feed(processes[0], chunks)
        errors = _pump(processes, take, feed)
        return [
            Ended(os.path.basename(argv[0]), process.wait(), lines)
            for argv, process, lines in zip(stages, processes, errors, strict=True)
        ]


def enlarge(pipe_fd: int) -> None:
    """Give a pipe more room, if we may: both of its ends are woken less often."""
    with suppress(OSError):
        fcntl(pipe_fd, F_SETPIPE_SZ, _ROOM)


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


class _Feed:
    """The chunks that the first program reads, written whenever there is room for them."""

    def __init__(self, process: subprocess.Popen[bytes], chunks: Iterator[bytes]) -> None:
        assert process.stdin is not None
        self.stream = process.stdin
        self._chunks = chunks
        self._rest = memoryview(b"")
        enlarge(self.stream.fileno())
        os.set_blocking(self.stream.fileno(), False)

    def has_more(self) -> bool:
        """Write what there is room for; False at the end, or if the program reads no more."""
        if not self._rest:
            self._rest = memoryview(next(self._chunks, b""))
        if not self._rest:
            return False
        try:
            self._rest = self._rest[os.write(self.stream.fileno(), self._rest) :]
        except BlockingIOError:
            pass
        except BrokenPipeError:
            for _ in self._chunks:
                pass
            return False
        return True


def _pump(
    processes: Sequence[subprocess.Popen[bytes]], take: Take, feed: _Feed | None
) -> list[tuple[str, ...]]:
    """Give the last output to `take`, and return the lines of each standard error, until all have ended."""
    with selectors.DefaultSelector() as selector:
        errors: dict[Any, bytearray] = {process.stderr: bytearray() for process in processes}
        for stream in (processes[-1].stdout, *errors):
            selector.register(stream, selectors.EVENT_READ)
        if feed is not None:
            selector.register(feed.stream, selectors.EVENT_WRITE)
        while selector.get_map():
            for key, _ in selector.select():
                if feed is not None and key.fileobj is feed.stream:
                    if not feed.has_more():
                        selector.unregister(feed.stream)
                        feed.stream.close()
                    continue
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
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            stream.close()
