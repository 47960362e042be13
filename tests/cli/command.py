"""Running the command: in this process (fast) or in a fresh one, on a small tree; and proving that nothing
was touched.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import io
import os
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from reconciler.cli.main import run as run_command
from reconciler.host.tree import TreeHost

REPOSITORY = Path(__file__).parents[2]
ENTRY = "from reconciler.cli.main import main; main()"
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(REPOSITORY), "LC_ALL": "C.UTF-8"}

OPENED: list[TreeHost] = []
"""The hosts of a command line in this process: a process of its own need not close them."""

Manifest = dict[str, tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """Both streams, with the line ends that are only there to wrap text taken out."""
        return " ".join((self.out + self.err).split())


class _Stdin(io.TextIOWrapper):
    """Standard input of a command in this process."""

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data), encoding="utf-8")


def run(*arguments: object, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> Done:
    """One command line in this process. A traceback fails the test."""
    out, err = io.StringIO(), io.StringIO()
    environment = {"PATH": "/usr/bin:/bin"} | dict(env or {})
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        mock.patch.object(sys, "stdin", _Stdin(stdin)),
        mock.patch.dict(os.environ, environment, clear=True),
    ):
        try:
            code = run_command([str(argument) for argument in arguments])
        finally:
            gc.enable()  # a process of its own does without
            while OPENED:
                OPENED.pop().close()
    return Done(int(code), out.getvalue(), err.getvalue())


def argv(*arguments: object) -> list[str]:
    """The command line of a fresh process."""
    return [sys.executable, "-c", ENTRY, *map(str, arguments)]


def fresh(
    *arguments: object, stdin: bytes = b"", env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Done:
    """One command line in a process of its own, with a clean environment."""
    done = subprocess.run(
        argv(*arguments),
        input=stdin,
        capture_output=True,
        env=ENVIRONMENT | dict(env or {}),
        cwd=cwd,
        check=False,
        timeout=60,
    )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


def manifest(*roots: Path) -> Manifest:
    """Type, mode, owner, inode, time and content of everything below these directories, and whether they are
    there.
    """
    return {str(path): _facts(path) for root in roots for path in _below(root)}


def _below(root: Path) -> Iterator[Path]:
    if root.exists():
        yield root
        yield from sorted(root.rglob("*"))


def _facts(path: Path) -> tuple[object, ...]:
    found = path.lstat()
    content = (
        str(path.readlink())
        if path.is_symlink()
        else hashlib.sha256(path.read_bytes()).hexdigest()
        if path.is_file()
        else ""
    )
    return stat.filemode(found.st_mode), found.st_uid, found.st_gid, found.st_ino, found.st_mtime_ns, content


@dataclass(frozen=True, slots=True)
class Tree:
    """A minimal file tree beside the place for specs."""

    base: Path

    @property
    def root(self) -> Path:
        """The tree."""
        return self.base / "tree"

    @property
    def state(self) -> Path:
        """Where our state of this tree lives."""
        return self.base / "tree.reconciler"

    def path(self, name: str) -> Path:
        """A path as the host sees it."""
        return self.root / name.lstrip("/")

    def put(self, name: str, text: str, mode: int = 0o644) -> Path:
        """Write a file into the tree."""
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        return path

    def spec(self, text: str | bytes, name: str = "host.yaml") -> Path:
        """Write a spec; `version` and `host` are put in front of text that lacks them."""
        path = self.base / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(text, str) and not text.startswith("version:"):
            text = f"version: 1\nhost: h1\n{text}"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def plan(self, spec: Path | str, *options: object, **more: object) -> Done:
        """`plan` on this tree."""
        return run("plan", spec, "--root", self.root, *options, **more)  # type: ignore[arg-type]  # keywords of run

    def apply(self, spec: Path | str, *options: object, **more: object) -> Done:
        """`apply` on this tree without a question."""
        return run("apply", spec, "--root", self.root, "--auto-approve", *options, **more)  # type: ignore[arg-type]  # likewise

    def drift(self, spec: Path | str, *options: object) -> Done:
        """`drift` on this tree."""
        return run("drift", spec, "--root", self.root, *options)

    def manifest(self) -> Manifest:
        """The tree and our state of it."""
        return manifest(self.root, self.state)

    def manifest_but(self, hidden: str) -> Manifest:
        """The same without the files of this name, which an ordinary user cannot read."""
        return {path: facts for path, facts in self.manifest().items() if not path.endswith(hidden)}


def make_tree(base: Path) -> Tree:
    """A tree with accounts, the directories of a base system and nothing of ours."""
    tree = Tree(base)
    for name in ("etc/systemd/system", "srv", "usr/bin", "root", "var/lib"):
        (tree.root / name).mkdir(parents=True)
    tree.put("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n")
    tree.put("/etc/group", "root:x:0:\n")
    tree.put("/etc/shadow", "root:SHADOW-CANARY:20000:0:99999:7:::\n", 0o600)
    tree.put("/usr/bin/true", "#!/bin/sh\n", 0o755)
    return tree


def everywhere(tree: Tree, spec: Path | str, *, stdin: bytes = b"") -> Sequence[tuple[str, Done]]:
    """The same spec through validate, plan and apply."""
    return [
        ("validate", run("validate", spec, stdin=stdin)),
        ("plan", tree.plan(spec, stdin=stdin)),
        ("apply", tree.apply(spec, stdin=stdin)),
    ]
