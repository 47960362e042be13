"""Asking a service: what counts as healthy, what is said otherwise, and that no answer keeps us for long."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from reconciler.host.systemd.probes import probe


@contextmanager
def answering(*answers: bytes, after: Callable[[socket.socket], None] = lambda _: None) -> Iterator[int]:
    """Something that listens, says this to whoever connects, and hangs up. The port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            for answer in answers:
                connection, _ = listening.accept()
                with connection:
                    connection.recv(4096)
                    connection.sendall(answer)
                    after(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        thread.join(timeout=30)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", ""),
        (b"HTTP/1.0 204\r\n\r\n", ""),
        (b"HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\n\r\n", ""),
        (b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", ""),
        (b"HTTP/1.1 500 Internal Server Error\r\n\r\n", " answered 500 Internal Server Error"),
        (b"HTTP/1.1 404 \r\n\r\n", " answered 404"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", " does not answer: what it says is not HTTP"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", " does not answer: what it says is not HTTP"),
        (b"x" * 9000, " does not answer: what it says is not HTTP"),
        (b"", " does not answer: it closed the connection"),
    ],
)
def test_the_status_decides(answer: bytes, words: str) -> None:
    """200 to 399 is healthy, redirects are not followed, and what is no HTTP is told."""
    with answering(answer) as port:
        url = f"http://127.0.0.1:{port}/healthz"

        assert (f"{url}{words}" if words else "") == probe(("http", url)).rstrip()


def test_what_is_said_has_no_secret() -> None:
    """The address that is asked may have a key in it, and the last line of a command a password: neither goes
    to a journal.
    """
    with answering(b"HTTP/1.1 500 Oh\r\n\r\n") as port:
        asked = probe(("http", f"http://127.0.0.1:{port}/healthz?key=hunter2"))
    ran = probe(("command", "/bin/sh", "-c", "echo mysql -phunter2 failed; exit 3"))

    assert asked.endswith("/healthz?key=(sensitive value) answered 500 Oh")
    assert ran == "/bin/sh exited with 3: mysql -p(sensitive value) failed"


def test_an_answer_byte_by_byte_does_not_keep_us() -> None:
    """The limit is one for the whole answer, and not one for each read."""
    done = threading.Event()

    def drip(connection: socket.socket) -> None:
        with_time = time.monotonic() + 20
        while not done.wait(0.02) and time.monotonic() < with_time:
            try:
                connection.sendall(b"x")
            except OSError:
                return

    with answering(b"HTTP/1.1 ", after=drip) as port:
        said = probe(("http", f"http://127.0.0.1:{port}/"), limit=0.3)
        done.set()

    assert said.endswith("/ did not answer within 0.3 s")


def test_a_port_counts_when_it_accepts() -> None:
    """A listening port is healthy, a closed one is told with the reason."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        place = f"127.0.0.1:{listening.getsockname()[1]}"

        assert probe(("tcp", place)) == ""

    assert probe(("tcp", place)) == f"{place} accepts no connection: Connection refused"


def test_a_command_counts_by_its_exit() -> None:
    """0 is healthy; otherwise its last words are told, made safe for a terminal, and its time is limited."""
    assert probe(("command", "/bin/true")) == ""
    assert (
        probe(("command", "/bin/sh", "-c", "echo one; printf 'two \\033[1m' >&2; exit 3"))
        == "/bin/sh exited with 3: two \\x1b[1m"
    )
    assert probe(("command", "/bin/sleep", "60"), limit=0.2) == "/bin/sleep did not end within 0.2 s"
    assert probe(("command", "/nowhere/check")).startswith("/nowhere/check cannot be run: ")
    assert probe(()) == ""
