"""Nobody else can enter a directory while root unpacks into it, whatever the owners of its content may do."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from reconciler.host.archives import tar
from reconciler.host.archives.restore_target import as_on_the_host, as_recorded, restore_target
from reconciler.jobs.restoring import restore as restoring
from tests.jobs.places import Place


def mode(path: Path) -> int:
    """The permission bits."""
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """An empty directory that everybody may enter."""
    path = tmp_path / "target"
    path.mkdir()
    path.chmod(0o755)
    return path


def test_it_is_closed_meanwhile(target: Path) -> None:
    """A directory that was there is 0700 until all is unpacked, and then as before, also after a failure."""
    with restore_target(str(target)):
        assert 0o700 == mode(target)
    assert 0o755 == mode(target)

    with pytest.raises(KeyError), restore_target(str(target)):
        raise KeyError
    assert 0o755 == mode(target)


def test_the_mode_of_the_archive_stays(target: Path) -> None:
    """The mode that the archive has for `/` is not undone."""
    with restore_target(str(target)) as fd:
        os.fchmod(fd, 0o750)

    assert 0o750 == mode(target)


@pytest.mark.slow
def test_tar_unpacks_into_a_closed_one(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """tar itself runs while nobody else can enter."""
    target = place.top / "back"
    target.mkdir()
    target.chmod(0o755)
    modes: list[int] = []
    extract = tar.extract

    def noted(*args: Any, **more: Any) -> tuple[str, ...]:
        modes.append(mode(target))
        return extract(*args, **more)

    monkeypatch.setattr(tar, "extract", noted)
    place.run()
    restoring.restore(place.job, "", str(target), [])

    assert [0o700] == modes


@pytest.mark.parametrize("recorded", [True, False])
def test_the_directory_itself_is_opened_last(
    target: Path, monkeypatch: pytest.MonkeyPatch, *, recorded: bool
) -> None:
    """Directories that lead to a source get their modes from the deepest to `/`: whoever owns one cannot move
    what is below it before that has its own.
    """
    host = target.parent / "host"
    (host / "a" / "b").mkdir(parents=True)
    below = str(host / "a" / "b").removeprefix("/")
    changed: list[str] = []
    fchmod = os.fchmod

    def noted(fd: int, bits: int) -> None:
        changed.append(str(Path(f"/proc/self/fd/{fd}").readlink()).removeprefix(str(target)))
        fchmod(fd, bits)

    monkeypatch.setattr(os, "fchmod", noted)
    directories = [f"/{below}", str(host / "a"), str(host), "/"]
    with restore_target(str(target)) as fd:
        (target / below).mkdir(parents=True)
        changed.clear()
        if recorded:
            as_recorded(fd, {path: (0o755, os.geteuid(), os.getegid()) for path in sorted(directories)})
        else:
            as_on_the_host(fd, sorted(directories))

        assert [directory.rstrip("/") for directory in directories] == changed
