"""A conversation with a program on another machine, by the system's ssh: bytes there and back, in time."""

from __future__ import annotations

import os
import selectors
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from reconciler.host.archives.tar import TargetError
from reconciler.host.process.run import ENVIRONMENT, escape, find_program, not_run

_ERRORS = 1 << 14
_CHUNK = 1 << 18
_SLOW = 24 * 3600.0
"""Seconds that the far end may take for something large: a sum, or a write to a slow disk."""


class Lost(TargetError):
    """The connection could not be made, or was lost. Later it may be there again."""


class Channel:
    """A running ssh. A context manager, which ends it."""

    def __init__(self, argv: Sequence[str], timeout: float) -> None:
        """Start it. Raises ProgramMissing, NotRun."""
        program = find_program(argv[0])
        try:
            self._process = subprocess.Popen(
                [program, *argv[1:]],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=ENVIRONMENT,
                cwd="/",
                umask=0o077,
                start_new_session=True,
                bufsize=0,
            )
        except OSError as error:
            raise not_run(program, error) from error
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._in, self._out, self._err = (
            stream.fileno() for stream in (self._process.stdin, self._process.stdout, self._process.stderr)
        )
        for fd in (self._in, self._out, self._err):
            os.set_blocking(fd, False)
        self._timeout = timeout
        self._errors = bytearray()
        self._buffer = bytearray()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._err, selectors.EVENT_READ)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def slow(self) -> Iterator[None]:
        """Wait longer for answers: ssh itself notices a connection that is dead."""
        timeout, self._timeout = self._timeout, _SLOW
        try:
            yield
        finally:
            self._timeout = timeout

    @property
    def complaint(self) -> str:
        """The last line that ssh wrote to its standard error, safe to print; empty without one."""
        lines = [line.strip() for line in self._errors.decode("utf-8", "replace").splitlines()]
        return escape(next((line for line in reversed(lines) if line), ""))

    def send(self, content: bytes) -> None:
        """Send all of it. Raises Lost."""
        rest = memoryview(content)
        while rest:
            self._wait_for(self._in, selectors.EVENT_WRITE)
            try:
                rest = rest[os.write(self._in, rest) :]
            except BlockingIOError:
                continue
            except OSError as error:
                self._wait()
                raise self.lost() from error

    def receive(self, length: int) -> bytes:
        """So many bytes. Raises Lost."""
        while len(self._buffer) < length:
            chunk = self._read()
            if not chunk:
                self._wait()
                raise self.lost()
            self._buffer += chunk
        taken = bytes(memoryview(self._buffer)[:length])
        del self._buffer[:length]
        return taken

    def finish(self, cap: int) -> tuple[int, bytes]:
        """Send nothing more, and return the exit status and up to `cap` bytes of what comes until the end.

        Raises Lost where that takes too long.
        """
        assert self._process.stdin is not None
        self._process.stdin.close()
        while chunk := self._read():
            self._buffer += chunk[: cap - len(self._buffer)]
        self._wait()
        return self._process.returncode, bytes(self._buffer)

    def lost(self) -> Lost:
        """The error for a connection that ended, with the words of ssh."""
        return Lost("the connection was lost", self.complaint or "it ended without a word")

    def close(self) -> None:
        """End ssh, if it has not ended, and close the pipes."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._selector.close()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None and not stream.closed:
                stream.close()

    def _read(self) -> bytes:
        """The next bytes; empty at the end. Raises Lost."""
        while True:
            self._wait_for(self._out, selectors.EVENT_READ)
            try:
                return os.read(self._out, _CHUNK)
            except BlockingIOError:
                continue

    def _wait_for(self, fd: int, event: int) -> None:
        """Wait until a descriptor is ready, and keep what comes as errors meanwhile. Raises Lost."""
        deadline = time.monotonic() + self._timeout
        self._selector.register(fd, event)
        try:
            while True:
                ready = self._selector.select(max(0.0, deadline - time.monotonic()))
                for key, _ in ready:
                    if key.fd == self._err:
                        self._take_errors()
                if any(key.fd == fd for key, _ in ready):
                    return
                if time.monotonic() >= deadline:
                    self._process.kill()  # no late answer may be taken for that to another question
                    raise Lost("the connection was lost", f"there was no answer for {self._timeout:g} s")
        finally:
            self._selector.unregister(fd)

    def _take_errors(self) -> None:
        try:
            chunk = os.read(self._err, _CHUNK)
        except BlockingIOError:
            return
        self._errors += chunk[: _ERRORS - len(self._errors)]
        if not chunk:
            self._selector.unregister(self._err)

    def _wait(self) -> None:
        """Wait for the end of ssh, which has closed its output, and take its last words."""
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._err in self._selector.get_map():
            self._take_errors()
