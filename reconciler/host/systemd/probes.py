"""Asking a service whether it is well: over HTTP, by connecting to it, or by running a command."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import Any

from reconciler.core.host import HostError
from reconciler.formats.endpoint import Endpoint, parse_address, parse_url

_ASK, _RUN = 5.0, 10.0
"""Seconds that one question may take, and one command."""
_LONGEST_LINE = 4096


def probe(asked: Sequence[str], user: str = "", limit: float = _RUN) -> str:
    """Why a service is not well, empty if it is.

    `asked` and `user` as in Gate; nothing to ask is well. `limit` is in seconds.
    """
    reason = _PROBES[asked[0]](asked[1:], user, max(limit, 0.1)) if asked else ""
    if not reason:
        return ""
    from reconciler.core.secrets.masking import (
        masked,
    )  # only where something is wrong: it goes to the journal, too

    return masked(reason)


def _http(asked: Sequence[str], _user: str, limit: float) -> str:
    url = asked[0]
    try:
        status, line = _answer(parse_url(url), time.monotonic() + min(limit, _ASK))
    except TimeoutError:
        return f"{url} did not answer within {min(limit, _ASK):.3g} s"
    except (OSError, ValueError) as problem:
        return f"{url} does not answer: {_words(problem)}"
    return "" if 200 <= status < 400 else f"{url} answered {line}"


def _answer(asked: Endpoint, deadline: float) -> tuple[int, str]:
    """The status of the answer, and its line. Raises TimeoutError, OSError, ValueError.

    http.client has a time limit for each read only, so that a service which answers byte by byte could keep
    an apply for ever.
    """
    name = f"[{asked.host}]" if ":" in asked.host else asked.host
    request = (
        f"GET {asked.path} HTTP/1.1\r\nHost: {name}:{asked.port}\r\nUser-Agent: reconciler\r\nAccept:"
        " */*\r\nConnection: close\r\n\r\n"
    )
    with closing(_connected(asked, deadline)) as connection:
        connection.sendall(request.encode("ascii"))
        while (status := _status(line := _line(connection, deadline))) < 200:
            while _line(connection, deadline):  # an interim answer, such as 103
                pass
    return status, line.partition(" ")[2]


def _connected(asked: Endpoint, deadline: float) -> socket.socket:
    connection = socket.create_connection((asked.host, asked.port), timeout=_left(deadline))
    try:
        return _secured(connection, asked) if asked.scheme == "https" else connection
    except BaseException:
        connection.close()
        raise


def _secured(connection: socket.socket, asked: Endpoint) -> socket.socket:
    import ssl  # costs milliseconds

    context = ssl.create_default_context()
    if asked.loopback:
        # Nobody is in between, and the certificate has the name by which others call the service.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(connection, server_hostname=asked.host)


def _line(connection: socket.socket, deadline: float) -> str:
    line = bytearray()
    while not line.endswith(b"\n"):
        connection.settimeout(_left(deadline))
        byte = connection.recv(1)
        if not byte:
            raise ValueError("it closed the connection")
        line += byte
        if len(line) > _LONGEST_LINE:
            raise ValueError("what it says is not HTTP")
    return line.decode("latin-1").strip("\r\n")


def _status(line: str) -> int:
    version, _, rest = line.partition(" ")
    status = rest.partition(" ")[0]
    if (
        not version.startswith("HTTP/")
        or len(status) != 3
        or not status.isdecimal()
        or not status.isascii()
        or status < "100"
    ):
        raise ValueError("what it says is not HTTP")
    return int(status)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _tcp(asked: Sequence[str], _user: str, limit: float) -> str:
    place = parse_address(asked[0])
    try:
        socket.create_connection((place.host, place.port), timeout=min(limit, _ASK)).close()
    except OSError as problem:
        return f"{asked[0]} accepts no connection: {_words(problem)}"
    return ""


def _words(problem: Exception) -> str:
    words = (
        os.strerror(problem.errno)
        if isinstance(problem, OSError) and problem.errno and problem.errno > 0
        else str(problem)
    )
    return words or type(problem).__name__


def _command(argv: Sequence[str], user: str, limit: float) -> str:
    from reconciler.host.process.run import TimedOut, escape, run  # starts programs

    try:
        result = run([*_as(user), *argv], timeout=min(limit, _RUN))
    except TimedOut:
        return f"{argv[0]} did not end within {min(limit, _RUN):.3g} s"
    except (HostError, OSError) as problem:
        return f"{argv[0]} cannot be run: {problem}"
    if result.rc == 0:
        return ""
    lines = (result.err or result.out).decode("utf-8", "replace").strip().splitlines()
    said = f": {escape(lines[-1])[:200]}" if lines else ""
    return f"{argv[0]} exited with {result.rc}{said}"


def _as(user: str) -> list[str]:
    """The words put before a command so that it has this user's rights and no more. Raises HostError."""
    if user in ("", "root", "0"):
        return []
    import pwd

    try:
        account = pwd.getpwuid(int(user)) if user.isdecimal() else pwd.getpwnam(user)
    except KeyError:
        raise HostError("no such user", user) from None
    rights = [
        "--reuid",
        str(account.pw_uid),
        "--regid",
        str(account.pw_gid),
        "--init-groups",
        "--inh-caps=-all",
        "--no-new-privs",
    ]
    return ["setpriv", *rights, "--"]


_PROBES: Mapping[str, Callable[[Any, str, float], str]] = {"http": _http, "tcp": _tcp, "command": _command}
