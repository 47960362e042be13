"""A server for restic's REST backend, as its documentation describes it: files in a directory, versions 1 and
2 of the protocol, with a name and a password.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

V2 = "application/vnd.x.restic.rest.v2"
USER, PASSWORD = "me", "s3cret word/@:"  # they open nothing
_EXPECTED = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
_CHUNK = 1 << 16


@dataclass(slots=True)
class RestServer:
    """A running server. What tests change takes effect at once."""

    top: Path
    port: int = 0
    cut_off_at: int = 0
    """Uploads of data break off after so many bytes; 0: never."""
    cuts: int = 0
    """How many uploads were cut off."""
    heals_after: int = 1 << 30
    """Cuts after which no more follow."""
    requests: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The repository, without what logs in."""
        return f"rest:http://127.0.0.1:{self.port}/r/"


@contextmanager
def rest_server(top: Path) -> Iterator[RestServer]:
    """The server, until the end of the block."""
    top.mkdir(mode=0o700, exist_ok=True)
    state = RestServer(top)
    handler = type("Handler", (_Handler,), {"state": state})
    http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    state.port = http.server_address[1]
    thread = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    """One request."""

    state: RestServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Nothing is logged."""

    def _answer(self, status: int, body: bytes = b"", kind: str = "binary/octet-stream") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _place(self) -> Path | None:
        """The file or directory that is meant, once whoever asks has logged in."""
        self.state.requests.append(f"{self.command} {self.path}")
        if self.headers.get("Authorization") != _EXPECTED:
            self._drain()
            self._answer(401)
            return None
        return self.state.top / self.path.partition("?")[0].strip("/")

    def _drain(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def do_HEAD(self) -> None:
        place = self._place()
        if place is not None:
            self._send(place)

    def do_GET(self) -> None:
        place = self._place()
        if place is not None and place.is_dir():
            self._list(place)
        elif place is not None:
            self._send(place)

    def _send(self, place: Path) -> None:
        if not place.is_file():
            self._answer(404)
            return
        content, wanted = place.read_bytes(), self.headers.get("Range", "")
        if wanted:
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            content = content[int(first) : int(last) + 1 if last else None]
        self._answer(206 if wanted else 200, content)

    def _list(self, place: Path) -> None:
        files = [path for path in sorted(place.rglob("*")) if path.is_file() and path.suffix != ".part"]
        if self.headers.get("Accept") == V2:
            rows = [{"name": path.name, "size": path.stat().st_size} for path in files]
            self._answer(200, json.dumps(rows).encode(), V2)
        else:
            self._answer(200, json.dumps([path.name for path in files]).encode(), "application/json")

    def do_POST(self) -> None:
        place = self._place()
        if place is None:
            return
        if self.path.endswith("?create=true"):
            for name in ("data", "index", "keys", "locks", "snapshots"):
                (place / name).mkdir(parents=True, exist_ok=True)
            self._answer(200)
            return
        self._save(place, int(self.headers.get("Content-Length") or 0))

    def _save(self, place: Path, size: int) -> None:
        partial = place.with_suffix(".part")
        dies = (
            "/data/" in self.path
            and 0 < self.state.cut_off_at < size
            and self.state.cuts < self.state.heals_after
        )
        with partial.open("wb") as file:
            while file.tell() < size:
                chunk = self.rfile.read(min(_CHUNK, size - file.tell()))
                if dies and file.tell() + len(chunk) > self.state.cut_off_at:
                    self.state.cuts += 1
                    self.close_connection = True
                    self.connection.close()
                    return
                file.write(chunk)
        partial.rename(place)
        self._answer(200)

    def do_DELETE(self) -> None:
        place = self._place()
        if place is not None:
            there = place.is_file()
            place.unlink(missing_ok=True)
            self._answer(200 if there else 404)
