"""Backups against the programs that they are made with: tar and restic alone, in the same run.

`RECONCILER_BENCH_MIB` and `RECONCILER_BENCH_FILES` choose a smaller tree than that of the issue, 10 GB in
100,000 files; `RECONCILER_BENCH_ROUNDS` how often, and `RECONCILER_BENCH_ENGINES` one of tar and restic.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from reconciler.formats.backups.job import Job
from tests.bench.report import Figure, Goal
from tests.booted.support import HarnessError

REPOSITORY = Path(__file__).resolve().parents[2]
MIB, FILES = (
    int(os.environ.get("RECONCILER_BENCH_MIB", "10240")),
    int(os.environ.get("RECONCILER_BENCH_FILES", "100000")),
)
ROUNDS = int(os.environ.get("RECONCILER_BENCH_ROUNDS", "0"))
"""0: as many as the size allows."""
ENGINES = os.environ.get("RECONCILER_BENCH_ENGINES", "tar restic").split()
LARGE = 4096
"""MiB from which one round is enough, and only what has a goal is measured."""
_IN_A_DIRECTORY = 200
_CHANGED = 100
"""One file of so many changes before the second run."""
_FLAGS = (
    "--create --file=- --format=posix --no-unquote --numeric-owner --acls --xattrs --xattrs-include='*' --sparse"
    " --one-file-system --directory=/"
)
_UNPACK = (
    "--extract --file=- --no-unquote --numeric-owner --acls --xattrs --xattrs-include='*' --same-owner"
    " --same-permissions"
)
TAR, RUN, QUICK = "tar and gzip, sync", "a run", "a run with verify: never"
TAR_INCREMENTAL, RUN_INCREMENTAL = "tar --listed-incremental and gzip, sync", "an incremental run"
TAR_RESTORE, RESTORE = "tar --extract", "a restore"
RESTIC, RUN_RESTIC = "restic backup", "a run of restic"
RESTIC_AGAIN, RUN_RESTIC_AGAIN = "restic backup, 1 % changed", "a run of restic, 1 % changed"


def make_tree(top: Path, mib: int, files: int) -> None:
    """Files of one size whose content compresses by about half, as that of hosts does."""
    generator = random.Random(16)  # noqa: S311  # the same tree each time
    size = mib * (1 << 20) // files
    noise = generator.randbytes(1 << 20)
    words = b"2026-11-30 02:00:00 host service[1234]: request served in 12 ms with status 200\n" * (1 << 14)
    for number in range(files):
        directory = top / f"{number // _IN_A_DIRECTORY:04}"
        directory.mkdir(parents=True, exist_ok=True)
        at = generator.randrange(1 << 19)
        half = size // 2
        content = (noise[at:] * (half // (1 << 19) + 1))[:half] + words[at % 80 : at % 80 + size - half]
        (directory / f"{number:06}").write_bytes(content)


def change(top: Path, files: int) -> None:
    """New content for one file of a hundred."""
    for number in range(0, files, _CHANGED):
        path = top / f"{number // _IN_A_DIRECTORY:04}" / f"{number:06}"
        path.write_bytes(os.urandom(path.stat().st_size))


class Bench:
    """A tree, and the figures of what was done with it."""

    def __init__(self, place: Path, mib: int, files: int) -> None:
        self.place, self.files = place, files
        self.tree = place / "data"
        self._runs: dict[str, dict[str, list[float]]] = {}
        for name in ("bare", "run", "owed", "records"):
            (place / name).mkdir(mode=0o700)
        (place / "password").write_text("bench\n")
        (place / "password").chmod(0o600)
        print(f"bench: {mib} MiB in {files} files", file=sys.stderr)
        make_tree(self.tree, mib, files)
        self.shell(f"find {self.tree} -type f -exec cat {{}} + | cat > /dev/null")

    def figures(self) -> list[Figure]:
        """The figures, in the order of their measurement."""
        return [Figure.of(name, runs) for name, runs in self._runs.items()]

    def shell(self, script: str, name: str = "") -> None:
        """A command line; measured if it has a name."""
        begun = time.perf_counter()
        argv = ["bash", "-euo", "pipefail", "-c", script]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode:
            raise HarnessError(f"{script}: exit {done.returncode}\n{done.stderr[-2000:]}")
        if name:
            self._note(name, begun, 0)

    def ours(self, name: str, action: str, job: dict[str, Any], to: str = "") -> None:
        """A command of a job; measured if it has a name."""
        whole = {"name": "bench", "sources": [str(self.tree)], **job}
        asked = {"action": action, "place": str(self.place), "to": to, "job": whole}
        begun = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "tests.bench.backup_worker"],
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            check=False,
            cwd=REPOSITORY,
        )
        if done.returncode:
            raise HarnessError(f"{name}: exit {done.returncode}\n{done.stderr[-2000:]}")
        if name:
            self._note(name, begun, json.loads(done.stdout)["kib"])

    def _note(self, name: str, begun: float, kib: float) -> None:
        runs = self._runs.setdefault(name, {"ms": [], "kib": []})
        runs["ms"].append((time.perf_counter() - begun) * 1000)
        runs["kib"].append(kib)
        print(f"bench: {name}: {runs['ms'][-1] / 1000:.1f} s{self._ratio(name)}", file=sys.stderr)

    def _ratio(self, name: str) -> str:
        """The ratio in this round to what it is measured against, in words."""
        return "".join(
            f", {self._runs[name]['ms'][-1] / self._runs[floor]['ms'][-1]:.2f} of {floor}"
            for ours, floor, _ in _LIMITS
            if ours == name and floor in self._runs
        )

    def fresh(self, name: str) -> str:
        """The path of an empty directory."""
        path = self.place / name
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(mode=0o700)
        return str(path)


def has_chains() -> bool:
    """Whether a job can have incremental archives."""
    return "type" in {member.name for member in fields(Job)}


def _by_tar(bench: Bench, chain: str, turn: int, *, large: bool) -> None:
    bare = bench.fresh("bare")
    archive = f"{bare}/full.tar.gz"
    pack = "gzip --stdout --no-name"
    names = str(bench.tree)[1:]
    bench.shell(f"tar {_FLAGS} -- {names} | {pack} > {archive}; sync {archive}", TAR)
    if not large:
        bench.ours(QUICK, "run", {"destinations": [bench.fresh("quick")], "verify": False})
        shutil.rmtree(bench.place / "quick")
    bench.ours(RUN, "run", {"destinations": [bench.fresh("full")]})
    # Each into a directory of its own, which stays: after many files were deleted ext4 is slow to make new
    # ones for a minute, and that would fall on whoever comes second.
    out, ours = bench.fresh(f"out-{turn}"), bench.fresh(f"ours-{turn}")
    unpack = f"gzip --stdout --decompress {archive} | tar {_UNPACK} --directory={out}"
    restored: dict[str, Any] = {"destinations": [f"{bench.place}/full"]}
    if turn % 2:
        bench.ours(RESTORE, "restore", restored, to=ours)
        bench.shell(unpack, TAR_RESTORE)
    else:
        bench.shell(unpack, TAR_RESTORE)
        bench.ours(RESTORE, "restore", restored, to=ours)
    if chain:
        _chain_by_tar(bench, chain, names, pack)


def _chain_by_tar(bench: Bench, chain: str, names: str, pack: str) -> None:
    bare = bench.fresh("bare")
    incremental = f"tar {_FLAGS} --listed-incremental={bare}/snar --no-check-device -- {names}"
    # The full ones before are not measured: tar notes what it would archive, and ours is not compressed.
    bench.shell(f"{incremental} > /dev/null")
    job: dict[str, Any] = {"destinations": [bench.fresh("full")], "type": chain}
    bench.ours("", "run", {**job, "compress": "none"})
    change(bench.tree, bench.files)
    bench.shell(f"{incremental} | {pack} > {bare}/1.tar.gz; sync {bare}/1.tar.gz", TAR_INCREMENTAL)
    bench.ours(RUN_INCREMENTAL, "run", job)
    bench.fresh("full")


def _by_restic(bench: Bench) -> None:
    password, bare = bench.place / "password", bench.fresh("bare")
    restic = f"restic --no-cache --password-file={password} --repo={bare}"
    # A run makes a missing repository as well.
    full = f"{restic} init && {restic} backup --one-file-system {bench.tree}"
    job: dict[str, Any] = {"destinations": [bench.fresh("snapshots")], "restic": str(password)}
    bench.shell(full, RESTIC)
    bench.ours(RUN_RESTIC, "run", job)
    change(bench.tree, bench.files)
    bench.shell(f"{restic} backup --one-file-system {bench.tree}", RESTIC_AGAIN)
    bench.ours(RUN_RESTIC_AGAIN, "run", job)


def measure(
    mib: int, files: int, rounds: int, directory: str = "/var/tmp"
) -> list[Figure]:  # a disk, and not memory
    """Everything, with its floor beside it."""
    with tempfile.TemporaryDirectory(prefix="reconciler-bench-", dir=directory) as name:
        bench = Bench(Path(name), mib, files)
        for turn in range(rounds):
            if "tar" in ENGINES:
                _by_tar(bench, "incremental" if has_chains() else "", turn, large=mib >= LARGE)
            if "restic" in ENGINES and shutil.which("restic"):
                _by_restic(bench)
        return bench.figures()


_LIMITS = (
    (RUN, TAR, 1.15),
    (QUICK, TAR, 1.15),
    (RUN_INCREMENTAL, TAR_INCREMENTAL, 1.3),
    (RESTORE, TAR_RESTORE, 1.1),
    (RUN_RESTIC, RESTIC, 1.15),
    (RUN_RESTIC_AGAIN, RESTIC_AGAIN, 1.3),
)
_MEMORY = 60


def goals(figures: Sequence[Figure]) -> list[Goal]:
    """The goals that the figures allow to judge."""
    by = {figure.name: figure for figure in figures}
    found = [
        Goal(f"{ours}, against {floor}", by[ours].ms / by[floor].ms, limit, "x")
        for ours, floor, limit in _LIMITS
        if ours in by and floor in by
    ]
    return [*found, Goal("peak memory of our process", max(one.mib for one in figures), _MEMORY, "MiB")]
