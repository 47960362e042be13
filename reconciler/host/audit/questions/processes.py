"""The processes that run: their programs and libraries. A command line is read for one word, and not told."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from reconciler.host.audit.question import Files, Reader

_DELETED = " (deleted)"
_SERVICE = re.compile(r"/system\.slice/(?:[^/\n]+\.slice/)*([^/\n]+\.service)")
_EFFECTIVE = re.compile(r"^Uid:\s+[0-9]+\s+([0-9]+)", re.MULTILINE)
_LIBRARY = re.compile(rb"^\S+ ..x. .* (/(?:usr|lib|lib64|opt)/[^\n]*\.so[^\n]*) \(deleted\)$", re.MULTILINE)
_SERVERS = ("jupyter", "mlflow", "ollama", "raylet", "sglang", "tensorboard", "tritonserver", "vllm")
_LONGEST = 4096


def processes(_files: Files, _: str) -> str:
    """All processes that have a program, as JSON: see formats.audit.processes."""
    pids = sorted(int(name) for name in os.listdir("/proc") if name.isdigit())
    host = os.stat("/")
    rows = []
    for pid in pids:
        try:
            row = _row(Path("/proc") / str(pid), host)
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended
        if row is not None:
            rows.append(row)
    return json.dumps(rows)


def _row(directory: Path, host: os.stat_result) -> dict[str, Any] | None:
    """One process; None for one of the kernel's own."""
    uid = _EFFECTIVE.search((directory / "status").read_text("utf-8", "replace"))
    name = (directory / "comm").read_text("utf-8", "replace").rstrip("\n")
    try:
        target = os.readlink(directory / "exe")
        own_root = not os.path.samestat(os.stat(directory / "root"), host)
        maps = (directory / "maps").read_bytes()
    except PermissionError:
        target, own_root, maps = "", False, b""
        if not _words(directory):
            return None  # the kernel's own have no command line
    except FileNotFoundError:
        return None
    program = target.removesuffix(_DELETED)
    service = _SERVICE.search((directory / "cgroup").read_text("utf-8", "replace"))
    return {
        "pid": int(directory.name),
        "uid": int(uid[1]) if uid else -1,
        "name": name,
        "program": _text(program),
        "deleted": target != program,
        "gone": target != program and not os.path.lexists(program),
        "unit": service[1] if service else "",
        "own_root": own_root,
        "libraries": sorted({path.decode("utf-8", "replace") for path in _LIBRARY.findall(maps)}),
        "serves": _server(_words(directory)),
    }


def _words(directory: Path) -> list[str]:
    """The beginning of a command line, which may hold a secret: nothing of it leaves this module."""
    with (directory / "cmdline").open("rb") as stream:
        return stream.read(_LONGEST).decode("utf-8", "replace").split("\0")[:-1]


def _server(words: list[str]) -> str:
    """The server that the first words of a command line name, as a program or as a module of Python."""
    for word in words[:4]:
        name = word.rpartition("/")[2].split(".")[0].split("-")[0]
        if name in _SERVERS:
            return name
    return ""


def _text(path: str) -> str:
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


QUESTIONS = {"processes": Reader(processes, live=True)}
