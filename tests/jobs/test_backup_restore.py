"""A restore brings back the directories that lead to a source and the newest archive that is good, and tells
what is not.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.app.backup.origin import Origin
from reconciler.app.backup.outcome import End
from reconciler.app.backup.restore import restore_files
from reconciler.app.backup.verify import verify_archives
from reconciler.core.host import HostError
from reconciler.jobs import engines, jobfile
from reconciler.jobs.restoring import restore as restoring
from reconciler.jobs.restoring import verify as verifying
from tests.jobs.places import Place
from tests.jobs.test_backup_faults import cut, flip

pytestmark = pytest.mark.slow


def modes(top: Path) -> dict[str, tuple[int, int, int]]:
    """Mode and owner of everything in a tree, itself included."""
    paths = [top, *top.rglob("*")]
    return {
        str(path.relative_to(top)): (path.lstat().st_mode, path.lstat().st_uid, path.lstat().st_gid)
        for path in paths
    }


@pytest.fixture
def commanded(place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A place whose job the commands find."""
    monkeypatch.setattr(jobfile, "load", lambda _: place.job)
    monkeypatch.setattr(engines.verify, "__kwdefaults__", {"lock_directory": place.locks})
    return place


def test_directories_above_come_back_as_they_were(place: Place) -> None:
    """From `/` down to the source: mode and owner are those of the host, whatever they are."""
    odd = place.top / "one" / "two"
    (odd / "app").mkdir(parents=True)
    (odd / "app" / "file").write_text("x")
    (place.top / "one" / "not a source").write_text("stays out")
    odd.chmod(0o1751)
    (place.top / "one").chmod(0o2711)
    place = place.having(sources=(str(odd / "app"),))
    place.run()
    target = place.top / "back"
    restoring.restore(place.job, "", str(target), [])

    found = modes(target)
    for path in [odd / "app", *(odd / "app").parents]:
        facts = path.stat()
        assert (facts.st_mode, facts.st_uid, facts.st_gid) == found[str(path).removeprefix("/") or "."]
    assert not (target / str(place.top / "one" / "not a source").removeprefix("/")).exists()


def test_a_part_comes_back_with_what_leads_to_it(place: Place) -> None:
    """One file out of a directory that nobody may write to: the directory is as it was, and nothing else of
    it comes.
    """
    (place.source / "ro" / "deep").mkdir(parents=True)
    (place.source / "ro" / "deep" / "f").write_text("x")
    (place.source / "ro" / "deep" / "g").write_text("y")
    (place.source / "ro").chmod(0o555)
    place.run()
    target = place.top / "back"
    restoring.restore(place.job, "", str(target), [f"{place.source}/ro/deep/f"])
    back = target / str(place.source).removeprefix("/")

    assert 0o555 == (back / "ro").stat().st_mode & 0o7777
    assert ["f"] == [path.name for path in (back / "ro" / "deep").iterdir()]
    assert ["ro"] == [path.name for path in back.iterdir()]
    assert place.top.stat().st_mode == back.parent.stat().st_mode
    assert Path("/").stat().st_mode == target.stat().st_mode


def test_archives_without_the_directories_above(place: Place) -> None:
    """The directories above, which an older version's archive lacks, are as on the host now, and not closed."""
    manifest = place.run().manifest
    path = place.destination / f"datasets-{manifest.id}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "above": []}))
    (archive,) = place.destination.glob("*.tar.gz")
    bare = ["tar", "-C", "/", "--exclude=*.tmp", "-czf", str(archive), str(place.source).removeprefix("/")]
    subprocess.run(bare, check=True)
    facts = {"bytes": archive.stat().st_size, "sha256": hashlib.sha256(archive.read_bytes()).hexdigest()}
    path.write_text(json.dumps({**json.loads(path.read_text()), **facts}))
    place.top.chmod(0o711)
    restoring.restore(place.job, "", str(place.top / "back"), [])
    restoring.restore(place.job, "", str(place.top / "part"), [f"{place.source}/sparse"])

    for target in ("back", "part"):
        found = modes(place.top / target)
        for parent in place.source.parents:
            facts_now = parent.stat()
            assert (facts_now.st_mode, facts_now.st_uid, facts_now.st_gid) == found[
                str(parent).removeprefix("/") or "."
            ]


def test_names_that_look_like_options(place: Place) -> None:
    """Above a source as well as in it."""
    odd = place.top / "-rf" / "--x"
    (odd / "src").mkdir(parents=True)
    (odd / "src" / "file").write_text("x")
    place = place.having(sources=(str(odd / "src"),))
    place.run()
    restoring.restore(place.job, "", str(place.top / "back"), [f"{odd}/src/file"])

    assert "x" == (place.top / "back" / str(odd).removeprefix("/") / "src/file").read_text()


@pytest.mark.parametrize("damage", [flip, cut, Path.unlink])
def test_verify_judges_the_newest_there_is(commanded: Place, damage: Callable[[Path], None]) -> None:
    """However often it is asked, as long as the newest is bad; the older one being good is no answer."""
    commanded.run()
    newest = commanded.run().manifest
    damage(commanded.destination / newest.archive)

    for _ in range(3):
        told = verify_archives("datasets", "", everything=False, compare=False)
        assert End.FINDINGS is told.end
        assert newest.id in " ".join(told.problems)
    assert End.FINDINGS is verify_archives("datasets", newest.id, everything=False, compare=False).end


def test_the_only_one_is_bad(commanded: Place) -> None:
    """That is a finding, and not that there is no archive."""
    cut(commanded.destination / commanded.run().manifest.archive)

    assert End.FINDINGS is verify_archives("datasets", "", everything=False, compare=False).end


@pytest.mark.parametrize("everything", [True, False])
@pytest.mark.parametrize("content", ["{", "", '{"format": 9}'])
def test_a_damaged_manifest_is_a_finding(commanded: Place, content: str, *, everything: bool) -> None:
    """The newest archive cannot be used: to say that the older one is good would hide it."""
    commanded.run()
    newest = commanded.run().manifest
    (commanded.destination / f"datasets-{newest.id}.json").write_text(content)
    told = verify_archives("datasets", "", everything=everything, compare=False)

    assert End.FINDINGS is told.end
    assert newest.id in " ".join(told.problems)


def test_a_manifest_that_is_gone_is_a_finding(commanded: Place) -> None:
    """An archive without one cannot be used either."""
    commanded.run()
    newest = commanded.run().manifest
    (commanded.destination / f"datasets-{newest.id}.json").unlink()

    assert End.FINDINGS is verify_archives("datasets", "", everything=False, compare=False).end


@pytest.mark.parametrize(
    "damage", [Path.unlink, lambda path: path.write_text("0" * 64 + "  datasets.tar.gz\n")]
)
def test_a_damaged_sum_file_is_told(commanded: Place, damage: Callable[[Path], None]) -> None:
    """The archive is good, and counts; who checks with sha256sum is told that this file is not."""
    done = commanded.run().manifest
    damage(commanded.destination / f"{done.archive}.sha256")
    told = verify_archives("datasets", "", everything=False, compare=False)

    assert End.FINDINGS is told.end
    assert f"{done.archive}.sha256" in " ".join(told.problems)
    assert f"{done.id} is good" in " ".join(told.lines)


def test_a_destination_that_is_gone_is_a_finding(commanded: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of two cannot be read: the other's copy being good is not all."""
    second = commanded.top / "second"
    two = commanded.having(destinations=(*commanded.job.destinations, str(second)))
    monkeypatch.setattr(jobfile, "load", lambda _: two.job)
    two.run()
    second.rename(commanded.top / "elsewhere")

    assert End.FINDINGS is verify_archives("datasets", "", everything=False, compare=False).end


def strike(place: Place, ident: str) -> None:
    """A verification has found it bad."""
    (path,) = place.destination.glob(f"*{ident}.tar*[!6]")
    flip(path)
    verifying.verify(place.job, ident, everything=False, compare=False, lock_directory=place.locks)


@pytest.mark.parametrize("how", ["flip", "cut", "unlink", "known", "manifest"])
def test_a_restore_says_when_it_falls_back(commanded: Place, how: str) -> None:
    """The newest is bad: the one before is given back, and both are named."""
    older, newest = commanded.run().manifest, commanded.run().manifest
    path = commanded.destination / newest.archive
    if how == "known":
        strike(commanded, newest.id)
    elif how == "manifest":
        (commanded.destination / f"datasets-{newest.id}.json").write_text("{")
    else:
        damage: dict[str, Callable[[Path], None]] = {"flip": flip, "cut": cut, "unlink": Path.unlink}
        damage[how](path)
    told = restore_files(Origin("datasets"), "", str(commanded.top / "out"), [])

    assert End.GOOD is told.end
    assert f"the newest, {newest.id}, is bad: " in told.problems[0]
    assert f"this is {older.id} from 20" in told.problems[1]
    assert f"restored everything of {older.id}" in told.lines[0]


def test_an_id_means_that_archive(commanded: Place) -> None:
    """No other one is given back instead."""
    commanded.run()
    newest = commanded.run().manifest
    flip(commanded.destination / newest.archive)

    with pytest.raises(HostError):
        restoring.restore(commanded.job, newest.id, str(commanded.top / "out"), [])
    assert not (commanded.top / "out").exists()


def test_all_of_them_are_bad(commanded: Place) -> None:
    """Then nothing is given back, and each is named."""
    for _ in range(2):
        flip(commanded.destination / commanded.run().manifest.archive)
    told = restore_files(Origin("datasets"), "", str(commanded.top / "out"), [])

    assert End.FAILED is told.end
    assert not os.path.lexists(commanded.top / "out")


def test_a_good_copy_is_enough(commanded: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest is known to be bad in one destination and good in the other: it is given back, with no older
    one.
    """
    second = commanded.top / "second"
    two = commanded.having(destinations=(*commanded.job.destinations, str(second)))
    monkeypatch.setattr(jobfile, "load", lambda _: two.job)
    two.run()
    newest = two.run().manifest
    strike(two, newest.id)

    assert newest.id in restore_files(Origin("datasets"), "", str(commanded.top / "out"), []).lines[0]
