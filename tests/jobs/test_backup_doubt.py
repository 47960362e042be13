"""Archives that shrank, and what may be deleted because of them: nothing, until a person agrees."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from reconciler.app.backup.listing import list_archives
from reconciler.app.backup.origin import Origin
from reconciler.app.backup.run import run_job
from reconciler.formats.backups.job import Hook, Keep
from reconciler.host.process import environment
from reconciler.jobs import accepting, archives, backup, jobfile, pruning
from tests.jobs.places import Place

pytestmark = pytest.mark.slow

DAY = 86_400


@pytest.fixture
def rich(place: Place) -> Place:
    """A source with half a megabyte that does not compress, of which the two newest archives stay."""
    (place.source / "noise").write_bytes(os.urandom(500_000))
    return place.having(keep=Keep(last=2))


def empty(source: Path) -> None:
    """As a disk looks that is not mounted."""
    shutil.rmtree(source)
    source.mkdir()


def ids(place: Place) -> list[str]:
    """The archives that are there, the oldest first."""
    return [archives.as_data(copies)["id"] for copies in archives.listing(place.job).archives]


def at(monkeypatch: pytest.MonkeyPatch, seconds: int) -> None:
    """Set the clock that a run reads."""
    monkeypatch.setattr(environment, "now", lambda: seconds)
    monkeypatch.setattr(environment, "microseconds", lambda: seconds * 1_000_000)


def test_a_source_that_is_empty_lets_nothing_go(rich: Place) -> None:
    """However often a job runs over a disk that is gone, the two real archives stay,
    and each run says why.
    """
    real = [rich.run().manifest.id for _ in range(2)]
    empty(rich.source)
    runs = [rich.run() for _ in range(5)]

    assert set(real) <= set(ids(rich))
    assert 4 == len(ids(rich))
    assert all("is empty in it" in why for done in runs for why in done.doubts.values())
    assert [1] * 5 == [len(done.doubts) for done in runs]


def test_half_of_it_is_not_enough(rich: Place) -> None:
    """A second small archive is compared with the last real one, not with the first small one."""
    real = [rich.run().manifest.id for _ in range(2)]
    (rich.source / "noise").unlink()
    runs = [rich.run() for _ in range(3)]

    assert set(real) <= set(ids(rich))
    assert all(f"{real[-1]} had" in why for done in runs for why in done.doubts.values())


def test_one_of_two_sources_is_empty(rich: Place) -> None:
    """The other one being large does not hide it."""
    second = rich.top / "second"
    second.mkdir()
    (second / "file").write_text("small, and the only one\n")
    two = rich.having(sources=(*rich.job.sources, str(second)))
    real = [two.run().manifest.id for _ in range(2)]
    (second / "file").unlink()
    done = [two.run() for _ in range(3)][-1]

    assert set(real) <= set(ids(two))
    assert [f"{second} is empty in it and had 1 entries in {real[-1]}"] == list(done.doubts.values())


def test_a_year_of_small_archives(rich: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Week after week: the real ones stay, and the small ones do not fill the disk."""
    at(monkeypatch, 1_780_000_000)
    real = [rich.run().manifest.id]
    empty(rich.source)
    for week in range(1, 53):
        at(monkeypatch, 1_780_000_000 + week * 7 * DAY)
        rich.run()

    assert set(real) <= set(ids(rich))
    assert 3 == len(ids(rich))


def test_a_year_without_any_success(rich: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs that fail make nothing and delete nothing; nor does the first one that works again."""
    at(monkeypatch, 1_780_000_000)
    real = rich.run().manifest.id
    broken = rich.having(before=(Hook(("/bin/false",)),))
    for week in range(1, 53):
        at(monkeypatch, 1_780_000_000 + week * 7 * DAY)
        with pytest.raises(Exception, match="before the backup failed"):
            broken.run()
    empty(rich.source)
    for _ in range(4):
        rich.run()

    assert real in ids(rich)


def test_a_clock_in_2035(rich: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs over an empty source while the clock is nine years ahead, and after it is right again, leave the
    real archives.
    """
    today = 1_780_000_000
    at(monkeypatch, today)
    real = [rich.run().manifest.id for _ in range(2)]
    empty(rich.source)
    for number in range(4):
        at(monkeypatch, 2_060_000_000 + number * DAY)
        rich.run()
    at(monkeypatch, today + DAY)
    done = rich.run()
    (note,) = next(iter(done.pruned.values())).notes

    assert set(real) <= set(ids(rich))
    assert "the clock is before the newest archive" in note


def test_the_way_out_of_2035_works(rich: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command that is advised, run to the letter, lets retention go on."""
    today = 1_780_000_000
    at(monkeypatch, 2_060_000_000)
    rich.run()
    at(monkeypatch, today)
    (note,) = next(iter(rich.run().pruned.values())).notes
    os.system(note.partition("remove that archive: ")[2])  # noqa: S605  # the advice, as a person types it
    for number in range(1, 4):
        at(monkeypatch, today + number * DAY)
        done = rich.run()

    assert () == next(iter(done.pruned.values())).notes
    assert 2 == len(ids(rich))


def test_a_person_agrees(rich: Place) -> None:
    """Then the small ones count, older ones go, and the manifests say who agreed and when."""
    real = [rich.run().manifest.id for _ in range(2)]
    empty(rich.source)
    small = [rich.run().manifest.id for _ in range(2)]
    done = accepting.accept(rich.job, "alice", rich.locks)
    pruning.prune(rich.job, dry_run=False, lock_directory=rich.locks)
    manifest = json.loads((rich.destination / f"datasets-{small[-1]}.json").read_text())

    assert small == [one.id for one in done]
    assert small == ids(rich)
    assert not set(real) & set(ids(rich))
    assert "alice" == manifest["accepted_by"]
    assert manifest["accepted_at"].endswith("Z")
    assert {} == dict(rich.run().doubts)
    assert [] == accepting.accept(rich.job, "alice", rich.locks)


def test_to_agree_to_one_is_not_to_agree_to_the_next(rich: Place) -> None:
    """An archive that shrinks again after that is in doubt again."""
    rich.run()
    (rich.source / "noise").write_bytes(os.urandom(200_000))
    rich.run()
    accepting.accept(rich.job, "alice", rich.locks)
    accepted = rich.run()
    empty(rich.source)

    assert {} == dict(accepted.doubts)
    assert 1 == len(rich.run().doubts)


def test_it_is_there_again(rich: Place) -> None:
    """The disk is mounted again: the next archive is not in doubt, counts, and the small ones go by the
    calendar.
    """
    rich.run()
    kept = rich.top / "kept"
    shutil.copytree(rich.source, kept, symlinks=True)
    empty(rich.source)
    small = [rich.run().manifest.id for _ in range(2)]
    shutil.rmtree(rich.source)
    kept.rename(rich.source)
    back = [rich.run() for _ in range(2)]

    assert [{}, {}] == [dict(done.doubts) for done in back]
    assert [done.manifest.id for done in back] == ids(rich)
    assert not set(small) & set(ids(rich))


def test_another_compression_is_no_loss(rich: Place) -> None:
    """The size before compression counts: zeros that are compressed from now on are all still there."""
    (rich.source / "zeros").write_bytes(bytes(4_000_000))
    plain = rich.having(compress="none").run()
    packed = rich.having(compress="zstd").run()

    assert packed.manifest.bytes < plain.manifest.bytes / 2
    assert {} == dict(packed.doubts)


def test_archives_of_before_say_less(rich: Place) -> None:
    """A manifest without sizes and numbers of entries is compared by the size of the archive."""
    first = rich.run().manifest
    path = rich.destination / f"datasets-{first.id}.json"
    data = json.loads(path.read_text())
    for name in ("content", "entries", "above", "left_out", "accepted_by", "accepted_at"):
        del data[name]
    path.write_text(json.dumps(data))
    (rich.source / "noise").unlink()

    assert 1 == len(rich.run().doubts)


def test_a_later_version_says_more(rich: Place) -> None:
    """A field that is not known is no damage."""
    first = rich.run().manifest
    path = rich.destination / f"datasets-{first.id}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "colour": "blue"}))

    assert [first.id] == ids(rich)


def test_the_list_and_the_run_say_it(rich: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both name the archive that shrank; the run names the command that agrees to it."""
    monkeypatch.setattr(jobfile, "load", lambda _: rich.job)
    run = backup.run
    monkeypatch.setattr(backup, "run", lambda job, tell: run(job, tell, rich.locks))
    run_job("datasets", print)
    empty(rich.source)
    told = run_job("datasets", print)
    rows = list_archives(Origin("datasets")).data

    assert "reconciler backup accept datasets" in " ".join(told.problems)
    assert [False, True] == [row["doubt"] is not None for row in rows]
