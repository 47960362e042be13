"""The three standard streams as a command can meet them: closed, full, or with a reader that went away."""

from __future__ import annotations

import atexit
import errno
import io
import os
import sys
from typing import Any, NoReturn, TextIO

from reconciler.core.host import HostError


class Output:
    """Standard output or error that never raises.

    After a failed write the rest of the output is dropped, and `problem` says why.
    An apply must not stop halfway because the reader of its output did. Everything but writing is the
    stream's own.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.problem = ""

    def write(self, text: str) -> int:
        """As TextIO.write."""
        try:
            return self._stream.write(text)
        except OSError as error:
            self._give_up(error)
            return len(text)

    def flush(self) -> None:
        """As TextIO.flush."""
        try:
            self._stream.flush()
        except OSError as error:
            self._give_up(error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _give_up(self, error: OSError) -> None:
        # A reader that has enough (`| head`) is nobody's error.
        if error.errno != errno.EPIPE:
            self.problem = error.strerror or str(error)
        null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        os.dup2(null, self._stream.fileno())
        os.close(null)


def write_all(fd: int, chunk: bytes) -> None:
    """Write a chunk of a result that is no text. Raises HostError, also where the reader went away."""
    rest = memoryview(chunk)
    try:
        while rest:
            rest = rest[os.write(fd, rest) :]
    except OSError as error:
        raise HostError("the output cannot be written", str(error.strerror)) from error


def leave(code: int) -> NoReturn:
    """End the process after the functions that were registered for its end. The streams are flushed already.

    Python itself would first delete every object: a tenth of a short command.
    """
    atexit._run_exitfuncs()  # noqa: SLF001  # what the interpreter itself calls at its end; there is no public name
    os._exit(code)


def guard_streams() -> tuple[Output, Output]:
    """Put guarded streams in place of sys.stdout and sys.stderr, and return both.

    A closed one is opened on /dev/null: otherwise the next file that is opened, the ledger for example, would
    get its number. Characters that the locale cannot write, and bytes that it cannot read, are spelled out.
    """
    _open_missing()
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    out, err = Output(sys.stdout), Output(sys.stderr)
    sys.stdout, sys.stderr = out, err
    return out, err


def _open_missing() -> None:
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)
            if descriptor != number:  # something that Python keeps open has taken the number
                os.close(descriptor)
            target = descriptor if descriptor == number else os.devnull
            setattr(sys, name, open(target, "w" if number else "r", encoding="utf-8"))  # noqa: SIM115  # open until the end
