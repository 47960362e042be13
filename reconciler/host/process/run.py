"""Running the host's own programs: found on a fixed path, with a clean environment, bounded in time and
output.

Imported only where a program is about to be started: subprocess costs milliseconds.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from functools import cache
from typing import IO, Any

from reconciler.core.basics.frozen import frozen
from reconciler.core.host import HostError
from reconciler.host.process import reaper
from reconciler.host.process.accounts import Account

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENVIRONMENT = {
    "PATH": _PATH,
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
    "SYSTEMD_COLORS": "0",
    "SYSTEMD_PAGER": "",
    "PAGER": "cat",
}
_TICK = 0.1
"""Seconds between looks at whether the program has ended while something else keeps its output open."""


class ProgramMissing(HostError):
    """A program that is needed is not on the host."""


class NotRun(HostError):
    """The kernel refused what it takes to run a program: a descriptor, a process, the program itself."""


class TimedOut(HostError):
    """A program did not end in time; it and its process group were killed."""


@frozen
class Result:
    """The exit status of a program, negative for a signal, and its output up to the cap."""

    rc: int
    out: bytes
    err: bytes

    @property
    def message(self) -> str:
        """The first line of stderr that is not blank, with control characters escaped, or the exit status."""
        lines = (line.strip() for line in self.err.decode("utf-8", "replace").splitlines())
        return escape(next((line for line in lines if line), f"exit status {self.rc}"))


class Begun:
    """A running program. The caller that began it takes its result, or gives it up."""

    def __init__(self, process: subprocess.Popen[bytes], timeout: float, feed: bytes, cap: int) -> None:
        self._process = process
        self._timeout = timeout
        self._deadline = time.monotonic() + timeout
        self._feed = feed
        self._cap = cap

    def result(self) -> Result:
        """Wait for the end of the program. Raises NotRun, TimedOut."""
        process, program = self._process, str(self._process.args[0])  # type: ignore[index]  # a list, see `begin`
        try:
            out, err = _converse(process, self._feed, self._deadline, self._cap)
        except TimeoutError:
            _abandon(process)
            raise TimedOut(
                "a program did not end in time", f"{program} was killed after {self._timeout:g} s"
            ) from None
        except OSError as error:
            _abandon(process)
            raise not_run(program, error) from error
        except BaseException:  # a Ctrl-C, for example
            _abandon(process)
            raise
        finally:
            _end(process)
        return Result(process.returncode, out, err)

    def give_up(self) -> None:
        """Kill the program, and throw its output away."""
        _end(self._process)


def run(
    argv: list[str],
    *,
    timeout: float,
    input: bytes = b"",  # noqa: A002  # the name of subprocess.run
    cap: int = 1 << 20,
    variables: Mapping[str, str] | None = None,
    account: Account | None = None,
    pass_fds: Sequence[int] = (),
) -> Result:
    """Run a program to its end: `begin` and its result. Raises ProgramMissing, NotRun, TimedOut."""
    return begin(
        argv,
        timeout=timeout,
        input=input,
        cap=cap,
        variables=variables,
        account=account,
        pass_fds=pass_fds,
    ).result()


def begin(
    argv: list[str],
    *,
    timeout: float,
    input: bytes = b"",  # noqa: A002  # as `run`
    cap: int = 1 << 20,
    variables: Mapping[str, str] | None = None,
    account: Account | None = None,
    pass_fds: Sequence[int] = (),
) -> Begun:
    """Start a program.

    `timeout` is in seconds, `cap` bytes are kept of each output stream, `variables` join its environment. It
    runs with the rights of `account`, all of its groups and nothing of ours; as we do without one. The
    program gets no descriptor of ours but `pass_fds`, no terminal, a fixed environment, umask 022 and `/` as
    its directory. When its time is up, its process group is killed.

    Under the lock of an apply (`reaper`) the processes that it has started are killed too, wherever they have
    gone, and all of them die with us if we are killed. At worst half an account is left then, which the next
    apply completes. A process that a program leaves running when it ends in time lives on.

    Raises ProgramMissing, NotRun.
    """
    program = find_program(argv[0])
    own = account.variables if account else {}
    try:
        process = subprocess.Popen(
            [program, *argv[1:]],
            stdin=subprocess.PIPE if input else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**ENVIRONMENT, **own, **(variables or {}), **reaper.mark()},
            cwd="/",
            umask=0o022,
            start_new_session=True,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=account.groups if account else None,
            pass_fds=tuple(pass_fds),
        )
    except OSError as error:
        raise not_run(program, error) from error
    return Begun(process, timeout, input, cap)


def not_run(program: str, error: OSError) -> NotRun:
    """The error for a program that the kernel refused to run."""
    return NotRun("a program cannot be run", f"{program}: {error.strerror}")


@cache
def find_program(name: str) -> str:
    """The absolute path of a program on the fixed search path; an absolute path is taken as it is.

    Raises ProgramMissing.
    """
    candidates = [name] if name.startswith("/") else [f"{directory}/{name}" for directory in _PATH.split(":")]
    for candidate in candidates:
        if os.path.isfile(candidate) and os.access(candidate, os.X_OK):
            return candidate
    raise ProgramMissing("a program is missing", f"{name} is not in {_PATH}")


def escape(text: str) -> str:
    """The text of another program made safe for a terminal: control characters become escapes."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape", "replace").decode() for char in text
    )


def _converse(
    process: subprocess.Popen[bytes], feed: bytes, deadline: float, cap: int
) -> tuple[bytes, bytes]:
    """Feed and read until both outputs end, or until the program has ended and nothing more is in the pipes.

    Raises TimeoutError.
    """
    outputs: dict[Any, bytearray] = {process.stdout: bytearray(), process.stderr: bytearray()}
    rest = memoryview(feed)
    with selectors.DefaultSelector() as selector:
        for stream in outputs:
            os.set_blocking(stream.fileno(), False)
            selector.register(stream, selectors.EVENT_READ)
        if process.stdin is not None:
            os.set_blocking(process.stdin.fileno(), False)
            selector.register(process.stdin, selectors.EVENT_WRITE)
        while selector.get_map():
            ended = process.poll() is not None
            ready = selector.select(0 if ended else min(_TICK, max(0.0, deadline - time.monotonic())))
            if ended and not any(key.fileobj in outputs for key, _ in ready):
                break
            if time.monotonic() > deadline and not ended:
                raise TimeoutError
            for key, _ in ready:
                if key.fileobj in outputs:
                    _take(selector, key.fileobj, outputs[key.fileobj], cap)
                else:
                    rest = _feed(selector, key.fileobj, rest)
    _wait(process, deadline)
    return bytes(outputs[process.stdout]), bytes(outputs[process.stderr])


def _take(selector: selectors.BaseSelector, stream: Any, output: bytearray, cap: int) -> None:
    """Read once from a stream; bytes beyond the cap are thrown away."""
    chunk = os.read(stream.fileno(), 1 << 16)
    if not chunk:
        selector.unregister(stream)
    output += chunk[: cap - len(output)]


def _feed(selector: selectors.BaseSelector, stream: Any, rest: memoryview) -> memoryview:
    """Write once to a stream, and return the bytes that are still to be written."""
    try:
        rest = rest[os.write(stream.fileno(), rest[: 1 << 16]) :]
    except BrokenPipeError:
        rest = rest[len(rest) :]
    if not rest:
        selector.unregister(stream)
        stream.close()
    return rest


def _wait(process: subprocess.Popen[bytes], deadline: float) -> None:
    try:
        process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise TimeoutError from None


def _abandon(process: subprocess.Popen[bytes]) -> None:
    """Kill the program's group, and every process that carries the mark of this apply."""
    _end(process)
    reaper.end_marked()


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the whole group if the program has not ended, reap it and close the pipes."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    streams: tuple[IO[bytes] | None, ...] = (process.stdin, process.stdout, process.stderr)
    for stream in streams:
        if stream is not None and not stream.closed:
            stream.close()
