"""The files that a restore in place keeps are in no backup, though it lies in a source, and a run tells of
it.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from reconciler.formats.backups.kept_directory import PREFIX
from reconciler.jobs import backup, engines
from reconciler.jobs.restoring import drill
from reconciler.jobs.restoring.in_place import restore_in_place
from tests.jobs.places import Place
from tests.jobs.repositories import ResticPlace

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it is root's command"),
]


def kept_in_the_source(place: Place | ResticPlace) -> Path:
    """The directory in the source that has what a restore of a part of it replaced."""
    below = place.source / "sub" / "file"
    below.parent.mkdir(exist_ok=True)
    below.write_text("good")
    place.run()
    below.write_text("a secret of the time between")
    plain = place if isinstance(place, Place) else place.place
    restore_in_place(
        place.job, "", [str(below.parent)], lambda _: True, delete=False, lock_directory=plain.locks
    )
    (kept,) = place.source.glob(f"{PREFIX}*")
    assert "a secret of the time between" == (kept / "files" / str(below)[1:]).read_text()
    return kept


def told_by_a_run(place: Place | ResticPlace) -> str:
    """The words of a run."""
    plain = place if isinstance(place, Place) else place.place
    lines: list[str] = []
    backup.run(place.job, lines.append, plain.locks, plain.locks, plain.snapshots)
    return "\n".join(lines)


def names_in_newest(place: Place | ResticPlace) -> set[str]:
    """The names that a restore of everything gives back in the source."""
    target = place.top / "out"
    engines.restore(place.job, "", str(target), [])
    names = {path.name for path in (target / str(place.source)[1:]).iterdir()}
    shutil.rmtree(target)
    return names


@pytest.mark.parametrize("kind", ["full", "incremental", "differential"])
def test_archives_do_not_have_it(place: Place, kind: str) -> None:
    """No archive of any type has it; the run names it and how to remove it; a name that only begins so is
    archived.
    """
    place = place.having(type=kind, drill_directory=str(place.top / "drills"))
    kept = kept_in_the_source(place)
    (place.source / f"{PREFIX}of-mine").mkdir()
    told = told_by_a_run(place)

    assert f"{kept} is in no backup" in told
    assert f"rm -r {kept}" in told
    names = names_in_newest(place)
    assert kept.name not in names
    assert {f"{PREFIX}of-mine", "sub", "numbers"} <= names
    result = drill.drill(place.job, {}, lambda _: None, place.locks)
    assert result.good, result.reason
    shutil.rmtree(kept)
    assert "is in no backup" not in told_by_a_run(place)


def test_snapshots_of_restic_do_not_have_it(restic_place: ResticPlace) -> None:
    """Nor does one of restic, which still has all the rest."""
    kept = kept_in_the_source(restic_place)
    told = told_by_a_run(restic_place)

    assert f"rm -r {kept}" in told
    assert kept.name not in restic_place.restic("ls", "latest").stdout
    assert "numbers" in restic_place.restic("ls", "latest").stdout
