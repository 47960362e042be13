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
"""Seconds that one connection may take, and one command."""
_LONGEST_LINE = 4096


def probe(asked: Sequence[str], user: str = "", limit: float = _RUN) -> str:
    """The reason why a service is not well; empty if it is, or if there is nothing to ask.

    `asked` is `Gate.probe`, `user` is `Gate.user`. `limit` is in seconds.
    """
    reason = _PROBES[asked[0]](asked[1:], user, max(limit, 0.1)) if asked else ""
    if not reason:
        return ""
    # Imported only where something is wrong. The reason goes to the journal too.
    from reconciler.core.secrets.masking import masked

    return masked(reason)


def _http(arguments: Sequence[str], _user: str, limit: float) -> str:
    url = arguments[0]
    try:
        status, line = _answer(parse_url(url), time.monotonic() + min(limit, _ASK))
    except TimeoutError:
        return f"{url} did not answer within {min(limit, _ASK):.3g} s"
    except (OSError, ValueError) as error:
        return f"{url} does not answer: {_words(error)}"
    return "" if 200 <= status < 400 else f"{url} answered {line}"


def _answer(endpoint: Endpoint, deadline: float) -> tuple[int, str]:
    """The status of the answer, and its status line without the version.

    http.client limits the time of each read only: a service that answers byte by byte could keep an apply for
    ever. Raises TimeoutError, OSError, ValueError.
    """
    name = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    request = (
        f"GET {endpoint.path} HTTP/1.1\r\nHost: {name}:{endpoint.port}\r\nUser-Agent: reconciler\r\nAccept:"
        " */*\r\nConnection: close\r\n\r\n"
    )
    with closing(_connected(endpoint, deadline)) as connection:
        connection.sendall(request.encode("ascii"))
        while (status := _status(line := _line(connection, deadline))) < 200:
            while _line(connection, deadline):  # an interim answer, such as 103
                pass
    return status, line.partition(" ")[2]


def _connected(endpoint: Endpoint, deadline: float) -> socket.socket:
    connection = socket.create_connection((endpoint.host, endpoint.port), timeout=_seconds_until(deadline))
    try:
        return _secured(connection, endpoint) if endpoint.scheme == "https" else connection
    except BaseException:
        connection.close()
        raise


def _secured(connection: socket.socket, endpoint: Endpoint) -> socket.socket:
    import ssl  # costs milliseconds

    context = ssl.create_default_context()
    if endpoint.loopback:
        # Nobody is in between, and the certificate has the name by which others call the service.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(connection, server_hostname=endpoint.host)


def _line(connection: socket.socket, deadline: float) -> str:
    line = bytearray()
    while not line.endswith(b"\n"):
        connection.settimeout(_seconds_until(deadline))
        byte = connection.recv(1)
        if not byte:
            raise ValueError("it closed the connection")
        line += byte
        if len(line) > _LONGEST_LINE:
            raise ValueError("what it says is not HTTP")
    return line.decode("latin-1").strip("\r\n")


def _status(line: str) -> int:
    """The status in the first line of an answer. Raises ValueError."""
    version, _, rest = line.partition(" ")
    status = rest.partition(" ")[0]
    is_status = len(status) == 3 and status.isascii() and status.isdecimal() and status >= "100"
    if not version.startswith("HTTP/") or not is_status:
        raise ValueError("what it says is not HTTP")
    return int(status)


def _seconds_until(deadline: float) -> float:
    """The seconds until a deadline. Raises TimeoutError when there are none."""
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds


def _tcp(arguments: Sequence[str], _user: str, limit: float) -> str:
    endpoint = parse_address(arguments[0])
    try:
        socket.create_connection((endpoint.host, endpoint.port), timeout=min(limit, _ASK)).close()
    except OSError as error:
        return f"{arguments[0]} accepts no connection: {_words(error)}"
    return ""


def _words(error: Exception) -> str:
    words = (
        os.strerror(error.errno)
        if isinstance(error, OSError) and error.errno and error.errno > 0
        else str(error)
    )
    return words or type(error).__name__


def _command(argv: Sequence[str], user: str, limit: float) -> str:
    from reconciler.host.process.run import TimedOut, escape, run  # starts programs

    try:
        result = run([*_as(user), *argv], timeout=min(limit, _RUN))
    except TimedOut:
        return f"{argv[0]} did not end within {min(limit, _RUN):.3g} s"
    except (HostError, OSError) as error:
        return f"{argv[0]} cannot be run: {error}"
    if result.rc == 0:
        return ""
    lines = (result.err or result.out).decode("utf-8", "replace").strip().splitlines()
    last_line = f": {escape(lines[-1])[:200]}" if lines else ""
    return f"{argv[0]} exited with {result.rc}{last_line}"


def _as(user: str) -> list[str]:
    """The words before a command that give it this user's rights and no more. Raises HostError."""
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
