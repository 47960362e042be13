"""Machines that answer what nobody should believe: the program in place of ssh is one of ours."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from reconciler.core.host import HostError
from reconciler.formats import sftp
from reconciler.formats.backups.remote import Remote
from reconciler.formats.sftp import Type
from reconciler.host.archives.private_directory import Refused
from reconciler.host.archives.remote.channel import Lost
from reconciler.host.archives.remote.directory import RemoteDirectory
from reconciler.host.archives.remote.login import Login

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGVYq0M2hA1qUeqSvLRrWm7mSxv1k4l4jzW0JwG1tJQf"
_SERVER = """
import sys
read, write = sys.stdin.buffer.read, sys.stdout.buffer.write
answers = {answers!r}
while head := read(5):
    body = read(int.from_bytes(head[:4], "big") - 1)
    answer = answers.get(head[4])
    if answer is None:
        break
    kind, content, with_number = answer
    content = (body[:4] if with_number else b"") + content
    write((len(content) + 1).to_bytes(4, "big") + bytes([kind]) + content)
    sys.stdout.buffer.flush()
"""
VERSION = sftp.u32(3) + sftp.text("posix-rename@openssh.com") + sftp.text("1")
DIRECTORY = sftp.u32(4) + sftp.u32(0o40700)
LARGE = sftp.u32(5) + sftp.u64(1 << 60) + sftp.u32(0o100600)
SMALL = sftp.u32(5) + sftp.u64(10) + sftp.u32(0o100600)
HONEST: dict[int, tuple[int, bytes, bool]] = {
    Type.INIT: (Type.VERSION, VERSION, False),
    Type.STAT: (Type.ATTRS, DIRECTORY, True),
    Type.LSTAT: (Type.ATTRS, SMALL, True),
    Type.OPEN: (Type.HANDLE, sftp.text("h"), True),
    Type.OPENDIR: (Type.HANDLE, sftp.text("h"), True),
    Type.CLOSE: (Type.STATUS, sftp.u32(0) + sftp.text("") + sftp.text(""), True),
}


_HEARD = "import sys; sys.stdin.buffer.read(4)"
"""A program that ends before our first word is one that cannot be reached: these hear it."""


def far_end(monkeypatch: pytest.MonkeyPatch, top: Path, program: str) -> RemoteDirectory:
    """The directory on a machine where this Python program answers."""
    (top / "identity").touch(mode=0o600)
    top.chmod(0o700)
    monkeypatch.setattr(Login, "_argv", lambda *_: [sys.executable, "-c", program])
    remote = Remote("sftp://me@127.0.0.1:1/srv", KEY, str(top / "identity"), timeout=1.0)
    return RemoteDirectory(remote, spool_in=str(top))


def serving(answers: dict[int, tuple[int, bytes, bool]]) -> str:
    """A server with one answer for each type of request."""
    return _SERVER.format(answers={int(kind): (int(a), b, c) for kind, (a, b, c) in answers.items()})


@pytest.mark.parametrize(
    ("program", "kind", "why"),
    [
        (f"{_HEARD}; print('This account is currently not available.')", Refused, "does not speak SFTP"),
        (_HEARD + r"; sys.stdout.buffer.write(b'\xff\xff\xff\xff\x02')", Refused, "does not speak SFTP"),
        (serving({Type.INIT: (Type.VERSION, sftp.u32(2), False)}), Refused, "does not speak SFTP"),
        (serving({Type.INIT: (Type.VERSION, sftp.u32(3), False)}), Refused, "lacks posix-rename"),
        ("import sys; sys.exit('gone')", Lost, "cannot be reached.*gone"),
        (serving(HONEST | {Type.STAT: (Type.ATTRS, b"\x00", True)}), Lost, "too short"),
        (
            serving(HONEST | {Type.STAT: (Type.ATTRS, sftp.u32(4) + sftp.u32(0o100600), True)}),
            Refused,
            "not a dir",
        ),
    ],
)
def test_a_beginning_that_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, kind: type[HostError], why: str
) -> None:
    """Whatever answers there is named, and only a connection that may come back is tried again."""
    with pytest.raises(kind, match=rf"(?s){why}") as told:
        far_end(monkeypatch, tmp_path, program)
    assert isinstance(told.value, Lost) is (kind is Lost)


def test_a_size_that_no_disk_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is downloaded for which there is no room."""
    program = serving(HONEST | {Type.LSTAT: (Type.ATTRS, LARGE, True)})
    with (
        far_end(monkeypatch, tmp_path, program) as directory,
        pytest.raises(Refused, match="too little space"),
    ):
        directory.open("a")


@pytest.mark.parametrize(
    "answer",
    [
        (Type.DATA, sftp.text(b"x" * 11), True),
        (Type.STATUS, sftp.u32(1) + sftp.text("") + sftp.text(""), True),
        (Type.STATUS, sftp.u32(4) + sftp.text("no\x1b[2J") + sftp.text(""), True),
    ],
)
def test_more_or_less_than_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: tuple[int, bytes, bool]
) -> None:
    """A file that has more bytes than it said, or fewer, is no file that can be used; words are made safe."""
    program = serving(HONEST | {Type.READ: answer})
    with far_end(monkeypatch, tmp_path, program) as directory, pytest.raises(Refused) as told:
        directory.read("a")
    assert "\x1b" not in str(told.value)


def test_names_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory that goes on for ever is left."""
    names = sftp.u32(2000) + (sftp.text("n") + sftp.text("") + sftp.u32(0)) * 2000
    program = serving(HONEST | {Type.READDIR: (Type.NAME, names, True)})
    with far_end(monkeypatch, tmp_path, program) as directory, pytest.raises(Refused, match="more than"):
        directory.names()


def test_one_that_falls_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer is a lost connection, in the time of the destination."""
    monkeypatch.setattr("reconciler.host.archives.remote.login.CONNECT", 0.5)
    program = "import time, sys; sys.stdin.buffer.read(9); time.sleep(60)"
    with pytest.raises(Lost, match=r"no answer for 1.5 s"):
        far_end(monkeypatch, tmp_path, program)
