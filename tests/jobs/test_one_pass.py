"""An archive is proved while it is written, and unpacked while its sum is read: nothing is believed sooner."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.core.host import HostError
from reconciler.host.archives import held_back, restore_target, tar
from reconciler.host.archives.held_back import AnotherSum, Damaged, but_the_end
from reconciler.jobs.restoring import restore as restoring
from tests.jobs.places import Place, manifest
from tests.jobs.test_backup_faults import flip

pytestmark = pytest.mark.slow
PART = 4096


@pytest.fixture
def in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Archives are read in small parts, so that those of a test have many."""
    monkeypatch.setattr(held_back, "PART", PART)


@pytest.fixture
def removed(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, int]]:
    """The mode of the target and of each directory in it, whenever what was unpacked is removed."""
    modes: list[dict[str, int]] = []

    def noted(target: int) -> None:
        top = Path(f"/proc/self/fd/{target}").resolve()
        paths = [top, *(path for path in top.rglob("*") if path.is_dir() and not path.is_symlink())]
        modes.append({str(path.relative_to(top)): stat.S_IMODE(path.stat().st_mode) for path in paths})
        restore_target.remove_all(target)

    monkeypatch.setattr(restoring, "remove_all", noted)
    return modes


@pytest.fixture
def copies(place: Place) -> Place:
    """A job with two copies of an archive that is not compressed, the first of them damaged."""
    place.source.chmod(0o777)
    (place.source / "large").write_bytes(os.urandom(6 << 20))  # more than pipes hold: tar is at work by then
    place = place.having(
        compress="none", destinations=(str(place.destination), str(place.top / "other")), verify=False
    )
    flip(place.destination / place.run().manifest.archive)
    return place


@pytest.mark.usefixtures("in_parts")
def test_a_damaged_copy_is_unpacked_and_removed_again(copies: Place, removed: list[dict[str, int]]) -> None:
    """The next copy is taken, and what was unpacked of the first one was closed to everybody until it went."""
    target = copies.top / "back"
    done = restoring.restore(copies.job, "", str(target), [])

    assert str(copies.top / "other") == done.destination
    assert [f"{copies.destination}: the sum of {done.manifest.archive} is not the one that was recorded"] == [
        *done.problems
    ]
    assert manifest(copies.source).items() - manifest(target / str(copies.source)[1:]).items() == {
        pair for pair in manifest(copies.source).items() if pair[0] == "cache.tmp"
    }
    ((modes),) = removed
    assert str(copies.source)[1:] in modes
    assert {0o700} == set(modes.values())


@pytest.mark.usefixtures("in_parts")
@pytest.mark.parametrize("exists", [True, False])
def test_nothing_stays_of_the_only_copy(
    copies: Place, removed: list[dict[str, int]], *, exists: bool
) -> None:
    """A directory that was there is empty and as open as before, one that was made is gone."""
    target = copies.top / "back"
    if exists:
        target.mkdir(mode=0o750)
    alone = copies.having(destinations=(str(copies.destination),))
    with pytest.raises(HostError, match="no copy of the archive is sound"):
        restoring.restore(alone.job, "", str(target), [])

    assert 1 == len(removed)
    assert exists is target.exists()
    assert not exists or ([], 0o750) == ([*target.iterdir()], stat.S_IMODE(target.stat().st_mode))


def test_a_small_archive_is_not_unpacked_before_its_sum_is_right(
    copies: Place, removed: list[dict[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is read in a single part is held back as a whole."""
    monkeypatch.setattr(held_back, "PART", 1 << 24)
    restoring.restore(copies.job, "", str(copies.top / "back"), [])

    assert [{".": 0o700}] == removed


def test_a_copy_that_cannot_be_read_is_passed_over(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that reads no more is the fault of that copy, not of the restore."""
    place = place.having(destinations=(str(place.destination), str(place.top / "other")))
    place.run()
    failures = iter([Damaged("the archive cannot be read", "Input/output error")])

    def failing(fd: int, sha256: str) -> Iterator[bytes]:
        for failure in failures:
            raise failure
        yield from but_the_end(fd, sha256)

    monkeypatch.setattr(tar, "but_the_end", failing)
    done = restoring.restore(place.job, "", str(place.top / "back"), [])

    assert str(place.top / "other") == done.destination
    assert "cannot be read: Input/output error" in done.problems[0]


@pytest.mark.parametrize("size", [0, 1, PART - 1, PART, PART + 1, 3 * PART])
@pytest.mark.usefixtures("in_parts")
def test_the_last_part_is_held_back(tmp_path: Path, size: int) -> None:
    """All of a file comes if its sum is right; without its last part if it is not, whatever its size."""
    path = tmp_path / "file"
    path.write_bytes(os.urandom(size))
    with path.open("rb", buffering=0) as file:
        assert path.read_bytes() == b"".join(
            but_the_end(file.fileno(), hashlib.sha256(path.read_bytes()).hexdigest())
        )
    parts: list[bytes] = []
    with path.open("rb", buffering=0) as file, pytest.raises(AnotherSum):
        parts.extend(but_the_end(file.fileno(), hashlib.sha256(b"another").hexdigest()))

    assert path.read_bytes()[: max(0, size - 1) // PART * PART] == b"".join(parts)


def test_what_cannot_be_read_is_damaged(tmp_path: Path) -> None:
    """An error of the disk is one of the file: a directory fails as a broken disk does."""
    fd = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(Damaged, match="Is a directory"):
        list(but_the_end(fd, ""))
    os.close(fd)


def test_the_proof_reads_the_stream_and_then_the_disk(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list is made of what was handed to the file; a byte that is another one on the disk is found."""
    kinds: list[bool] = []
    check, sync = tar.check, tar._Writer.sync  # the moment when all is on the disk

    def noted(fd: int, *args: object) -> tar.Checked:
        kinds.append(stat.S_ISFIFO(os.fstat(fd).st_mode))
        return check(fd, *args)  # type: ignore[arg-type]  # passed through

    def flipped(writer: object) -> None:
        sync(writer)  # type: ignore[arg-type]  # the writer's own method
        (partial,) = place.destination.glob(".partial-*.tar.gz")
        with partial.open("r+b") as file:
            file.seek(partial.stat().st_size // 2)
            byte = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte[0] ^ 1]))

    monkeypatch.setattr(tar, "check", noted)
    place.run()
    monkeypatch.setattr(tar._Writer, "sync", flipped)
    with pytest.raises(HostError, match="its sum is not the one that was recorded"):
        place.run()

    assert [True, True] == kinds
    assert 1 == len(place.archives())
