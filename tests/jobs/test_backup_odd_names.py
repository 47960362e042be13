"""Names that tar treats in ways of its own: hard links that are asked for alone, and paths that are too long."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reconciler.app.backup.outcome import End
from reconciler.app.backup.verify import verify_archives
from reconciler.core.host import HostError
from reconciler.jobs import archives, jobfile
from reconciler.jobs.restoring import restore as restoring
from reconciler.jobs.restoring import verify as verifying
from tests.jobs.places import Place

pytestmark = pytest.mark.slow


def restored(place: Place, *paths: Path, to: str = "back") -> tuple[Path, list[str]]:
    """Where these paths were restored, and what was told."""
    target = place.top / to
    done = restoring.restore(place.job, "", str(target), [str(path) for path in paths])
    return target, list(done.warnings)


@pytest.mark.parametrize("job", [{}, {"type": "incremental", "full_every": 86_400.0}])
@pytest.mark.parametrize("name", ["z", "z\n\\ link to ü", "-z *"])
def test_one_name_of_a_hard_link(place: Place, job: dict[str, object], name: str) -> None:
    """Any name of a file can be restored alone: the name that has the content comes along, and that is told."""
    (place.source / "a").write_text("content\n")
    os.link(place.source / "a", place.source / name)
    place = place.having(**job)
    place.run()
    told: dict[str, list[str]] = {}
    for number, one in enumerate((name, "a")):  # which of them is the first one is the file system's matter
        target, told[one] = restored(place, place.source / one, to=str(number))
        back = target / str(place.source / one)[1:]
        assert "content\n" == back.read_text()
        assert (2 if told[one] else 1) == back.stat().st_nlink

    (alone,) = [one for one in told if told[one]]
    first = place.source / ("a" if alone == name else name)
    assert [f"{first} is there too: it is the first name of a file that was asked for"] == told[alone]


def test_both_names_of_a_hard_link(place: Place) -> None:
    """Nothing is told where both are asked for."""
    (place.source / "a").write_text("content\n")
    os.link(place.source / "a", place.source / "z")
    place.run()
    target, told = restored(place, place.source / "z", place.source / "a")

    assert [] == told
    assert "content\n" == (target / str(place.source / "z")[1:]).read_text()


def deep(top: Path, levels: int) -> None:
    """A file below so many directories with long names."""
    at = os.open(top, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("d" * 250, dir_fd=at)
        below = os.open("d" * 250, os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(os.open("file", os.O_WRONLY | os.O_CREAT, dir_fd=at))
    os.close(at)


def test_a_path_that_no_restore_can_unpack(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run and each verification say so, and the list keeps it; what tar can unpack is restored."""
    deep(place.source, 20)
    (place.source / "plain").write_text("x")
    done = place.run()
    (words,) = done.manifest.warnings
    monkeypatch.setattr(jobfile, "load", lambda _: place.job)
    monkeypatch.setattr(verifying.verify, "__kwdefaults__", {"lock_directory": place.locks})
    report = verify_archives("datasets", "", everything=False, compare=False)

    assert words.startswith("paths of more than 4095 bytes, which tar cannot unpack: ")
    assert End.GOOD is report.end
    assert [f"warning: {place.destination}: {done.manifest.id}: {words}"] == list(report.problems)
    (copies,) = archives.listing(place.job).archives
    assert [words] == archives.as_data(copies)["warnings"]
    with pytest.raises(HostError, match="File name too long"):
        restored(place)
    assert "x" == (place.top / "back" / str(place.source / "plain")[1:]).read_text()


def test_a_long_path_that_can_be_unpacked(place: Place) -> None:
    """Nothing is told of paths that a restore brings back."""
    deep(place.source, 12)

    assert () == place.run().manifest.warnings
    assert [] == restored(place)[1]
