"""Where built hosts are kept between runs: directories named by a key over everything that went into them."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path


def directory() -> Path:
    """The cache: `$RECONCILER_TEST_CACHE`, or `reconciler-test` in the user's cache directory.

    It may be deleted whenever no test runs.
    """
    chosen = os.environ.get("RECONCILER_TEST_CACHE")
    base = (
        Path(chosen)
        if chosen
        else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "reconciler-test"
    )
    base.mkdir(parents=True, exist_ok=True, mode=0o755)
    return base


def key_of(*inputs: str | bytes) -> str:
    """A short name for these inputs; other inputs, another name."""
    total = hashlib.sha256()
    for item in inputs:
        data = item.encode() if isinstance(item, str) else item
        total.update(len(data).to_bytes(8, "big") + data)
    return total.hexdigest()[:16]


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


@contextlib.contextmanager
def _building(path: Path) -> Iterator[None]:
    """One builder at a time. A kernel lock: it goes with the process, however that ends."""
    with _beside(path, ".lock").open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def in_use(path: Path) -> Iterator[None]:
    """Keep a cached directory from being forgotten while it is mounted."""
    with _beside(path, ".use").open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_SH)
        yield


def built(name: str, build: Callable[[Path], None]) -> Path:
    """The cached directory `name`, made by `build` if it is not there.

    Processes that want the same one at the same time wait for the first. A directory that is there is whole: it is built
    beside and renamed.
    """
    done = directory() / name
    with _building(done):
        if not done.is_dir():
            partial = _beside(done, ".partial")
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            try:
                build(partial)
                # Before it has its name: whoever forgets the oldest ones must not take it for one.
                os.utime(partial)
                partial.rename(done)
            except BaseException:
                shutil.rmtree(partial, ignore_errors=True)
                raise
        os.utime(done)
    return done


def forget_all_but(prefix: str, keep: int) -> None:
    """Remove all but the `keep` last used directories with this prefix; those in use stay."""
    found = [path for path in directory().glob(prefix + "*") if path.is_dir() and path.suffix != ".partial"]
    for path in sorted(found, key=lambda item: item.stat().st_mtime, reverse=True)[keep:]:
        with _beside(path, ".use").open("a") as handle, contextlib.suppress(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)
