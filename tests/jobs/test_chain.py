"""Chains of archives: what each is built upon, what breaks one, and that every member comes back or says why
it does not.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from reconciler.app.backup.run import run_job
from reconciler.core.host import HostError
from reconciler.formats.backups.job import Keep
from reconciler.formats.backups.manifest import Manifest
from reconciler.host.archives import snapshot_file, stored_archives
from reconciler.host.archives.destination import Destination
from reconciler.jobs import archives, jobfile, pruning, store
from reconciler.jobs.destinations import open_destination
from reconciler.jobs.making import chain
from reconciler.jobs.restoring import restore as restoring
from reconciler.jobs.restoring import verify as verifying
from tests.jobs.places import Place, listed
from tests.jobs.test_backup_doubt import at
from tests.jobs.test_backup_faults import flip

pytestmark = pytest.mark.slow

NOW = 1_780_000_000
DAY = 86_400


@pytest.fixture
def chained(place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A job of incremental archives.

    Runs follow each other within a second here: with it, most files would be archived each time.
    """
    monkeypatch.setattr(snapshot_file, "_COARSE", 1)
    return place.having(type="incremental", keep=Keep())


def days(place: Place, number: int) -> list[Manifest]:
    """Runs, with a file that is new each time and one that is gone."""
    made = []
    for day in range(number):
        (place.source / f"day{day}").write_text(f"{day}")
        (place.source / f"day{day - 2}").unlink(missing_ok=True)
        made.append(place.run().manifest)
    return made


def back(place: Place, ident: str, *paths: str) -> Path:
    """Where an archive, or paths of it, was restored to."""
    target = place.top / f"back-{len(list(place.top.iterdir()))}"
    restoring.restore(place.job, ident, str(target), paths)
    return target / str(place.source)[1:]


def remove(destination: Path, ident: str) -> None:
    """Take an archive away, as somebody does by hand."""
    for path in destination.glob(f"*{ident}*"):
        path.unlink()


def kinds(made: list[Manifest]) -> list[str]:
    """The kinds of archives."""
    return [manifest.kind for manifest in made]


def test_incrementals_need_all_before_them(chained: Place) -> None:
    """The first is full and says why; each later one has what changed, and its manifest names all it needs."""
    (chained.source / "large").write_bytes(os.urandom(500_000))
    time.sleep(0.1)
    first, second, third = days(chained, 3)

    assert ["full", "incremental", "incremental"] == kinds([first, second, third])
    assert "it is the first one" == first.why_full
    assert ((), (first.id,), (first.id, second.id)) == (first.parents, second.parents, third.parents)
    assert second.bytes < first.bytes / 10
    assert ["day0", "day1"] == sorted(path.name for path in back(chained, second.id).glob("day*"))
    assert ["day1", "day2"] == sorted(path.name for path in back(chained, "").glob("day*"))
    assert [f"datasets-{third.id}.snar"] == [path.name for path in Path(chained.snapshots).iterdir()]


def test_differentials_need_the_full_one(chained: Place) -> None:
    """However many there are, each needs the full one alone, and what was gone by then stays gone."""
    made = days(chained.having(type="differential"), 4)

    assert ["full", "differential", "differential", "differential"] == kinds(made)
    assert {(made[0].id,)} == {manifest.parents for manifest in made[1:]}
    remove(chained.destination, made[1].id)
    assert ["day2", "day3"] == sorted(path.name for path in back(chained, made[3].id).glob("day*"))


def test_sources_that_are_files(chained: Place) -> None:
    """One that did not change is not in the next archive, which is good all the same, and restores it."""
    file = chained.top / "-file"
    file.write_text("as it was")
    place = chained.having(sources=(str(chained.source), str(file)))
    place.run()
    second = place.run().manifest
    target = place.top / "back"
    restoring.restore(place.job, second.id, str(target), [])

    assert "incremental" == second.kind
    assert "as it was" == (target / str(file)[1:]).read_text()


@pytest.mark.parametrize("missing", [0, 1])
def test_a_removed_ancestor_is_named(chained: Place, missing: int) -> None:
    """An archive that needs it is refused before anything is unpacked, is not good, and the next run is full."""
    made = days(chained, 3)
    remove(chained.destination, made[missing].id)
    target = chained.top / "back"

    with pytest.raises(HostError, match=f"it needs {made[missing].id}: it is not there"):
        restoring.restore(chained.job, made[2].id, str(target), [])
    assert not target.exists()
    (entry,) = archives.listing(chained.job).archives[-1].values()
    assert f"it needs {made[missing].id}: it is not there" == entry.problem
    assert not entry.good
    last = chained.run().manifest
    assert ("full", f"{made[missing].id} is not there") == (last.kind, last.why_full)


def test_a_run_says_why_it_begins_a_chain(chained: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run prints why its archive is a full one, and so do the documents of the run and the list."""
    made = days(chained, 2)
    remove(chained.destination, made[0].id)
    monkeypatch.setattr(jobfile, "load", lambda _: chained.job)
    runs = iter([chained.run(), chained.run()])
    monkeypatch.setattr("reconciler.jobs.backup.run", lambda *_: next(runs))
    full, next_one = run_job("datasets", print), run_job("datasets", print)
    why = f"{made[0].id} is not there"

    assert f"a full archive begins a chain: {why}" in full.lines
    assert why == full.data["archive"]["why_full"]
    assert None is next_one.data["archive"]["why_full"]
    assert not [line for line in next_one.lines if "chain" in line]


def test_without_an_id_an_older_whole_one_is_restored(chained: Place) -> None:
    """The newest needs one that is gone: the one before the gap comes back, and both are told."""
    made = days(chained, 3)
    remove(chained.destination, made[1].id)
    restored = restoring.restore(chained.job, "", str(chained.top / "back"), [])

    assert made[0].id == restored.manifest.id
    assert [made[2].id] == [ident for ident, _ in restored.passed]


def test_a_rotten_ancestor_spoils_what_needs_it(chained: Place) -> None:
    """verify reads the newest with all that it needs, names the bad one, and the next run is full."""
    made = days(chained, 3)
    flip(chained.destination / made[1].archive)
    done = verifying.verify(chained.job, "", everything=False, compare=False, lock_directory=chained.locks)
    problems = {judgement.id: judgement.problem for judgement in done.judgements}

    assert {manifest.id for manifest in made} == set(problems)
    assert "" == problems[made[0].id]
    assert "sum" in problems[made[1].id]
    assert f"it needs {made[1].id}: it did not pass its last verification" == problems[made[2].id]
    assert "full" == chained.run().manifest.kind
    with open_destination(chained.job, str(chained.destination)) as directory:
        good = [entry.good for entry in stored_archives.scan(directory, "datasets").entries]
    assert [True, False, False, True] == good


def _damage_the_snapshot(place: Place) -> Place:
    (path,) = Path(place.snapshots).iterdir()
    content = path.read_bytes()
    at = content.index(b"\n") + 1  # its time becomes a later one: tar would miss what changed before
    path.write_bytes(content[:at] + b"9" + content[at + 1 :])
    return place


def _lose_the_snapshot(place: Place) -> Place:
    shutil.rmtree(place.snapshots)
    return place


def _exclude(place: Place) -> Place:
    return place.having(exclude=("other",))


def _another_source(place: Place) -> Place:
    return place.having(sources=(*place.job.sources, "/etc/hostname"))


def _all_file_systems(place: Place) -> Place:
    return place.having(one_file_system=False)


def _split_links(place: Place) -> Place:
    (place.source / "empty").rename(place.source / "moved")
    return place


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (_damage_the_snapshot, "is damaged"),
        (_lose_the_snapshot, "the host has no snapshot file"),
        (_exclude, "what the job archives is not what it was"),
        (_another_source, "what the job archives is not what it was"),
        (_all_file_systems, "what the job archives is not what it was"),
        (_split_links, "directories were moved in which files have names that did not move"),
    ],
)
def test_a_broken_chain_is_begun_anew(chained: Place, change: Callable[[Place], Place], why: str) -> None:
    """The next run is full and says why; the one after that is incremental again."""
    os.link(chained.source / "numbers", chained.source / "empty" / "third name")
    days(chained, 2)
    chained = change(chained)
    third, fourth = chained.run().manifest, chained.run().manifest

    assert why in third.why_full
    assert ["full", "incremental"] == kinds([third, fourth])
    assert (chained.source / "numbers").read_bytes() == (back(chained, fourth.id) / "numbers").read_bytes()


@contextmanager
def disk(image: Path, at: Path) -> Iterator[None]:
    """A disk in a file, mounted."""
    subprocess.run(["mount", "-o", "loop", image, at], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", at], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts")
@pytest.mark.parametrize("is_source", [True, False])
def test_another_disk_in_the_same_place(chained: Place, *, is_source: bool) -> None:
    """Its directories have the inodes of the one before, and its files may be old: the next archive is full.
    The same disk, mounted anew, is no reason for one.
    """
    point = chained.source / "empty"
    sources = (str(point if is_source else chained.source),)
    chained = chained.having(one_file_system=is_source, sources=sources)
    images = [chained.top / "first", chained.top / "second"]
    for image in images:
        image.write_bytes(bytes(4_000_000))
        subprocess.run(["mke2fs", "-q", "-t", "ext4", image], check=True)
    with disk(images[1], point):
        (point / "old").write_text("of the second disk")
    made = []
    for image in (images[0], images[0], images[1]):
        with disk(image, point):
            made.append(chained.run().manifest)
    target = chained.top / "back"
    restoring.restore(chained.job, made[2].id, str(target), [])

    assert ["full", "incremental", "full"] == kinds(made)
    assert "of the second disk" == (target / str(point)[1:] / "old").read_text()


def test_a_chain_has_an_end(chained: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is begun anew when its full one is as old as `full_every`, a little early being no reason to wait."""
    chained = chained.having(full_every=7.0 * DAY)
    made = []
    for day in range(9):
        at(monkeypatch, NOW + day * DAY - day)
        made.append(chained.run().manifest)

    assert ["full", *["incremental"] * 6, "full", "incremental"] == kinds(made)
    assert f"{made[0].id}, the last full one, is 6d 23h old" == made[7].why_full


def test_a_chain_has_so_many_members(chained: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A restore unpacks all of them: their number is limited."""
    monkeypatch.setattr(chain, "MEMBERS", 3)

    assert ["full", "incremental", "incremental", "full"] == kinds(days(chained, 4))


def test_a_clock_that_was_set_back(chained: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """tar would take files for old that changed since: the next archive is full, and the chain goes on from it
    though an archive is from the future.
    """
    made = []
    for now in (NOW, NOW + 300 * DAY, NOW + DAY, NOW + 2 * DAY):
        at(monkeypatch, now)
        made.append(chained.having(full_every=1000.0 * DAY).run().manifest)

    assert ["full", "incremental", "full", "incremental"] == kinds(made)
    assert f"the clock is before {made[1].id}" == made[2].why_full
    assert (made[2].id,) == made[3].parents


def test_a_destination_gets_what_it_missed(chained: Place) -> None:
    """One that could not be used for a while has every archive that the new one needs, and is good alone."""
    second = chained.top / "second"
    both = chained.having(destinations=(*chained.job.destinations, str(second)))
    both.run()
    second.rename(chained.top / "unplugged")
    second.symlink_to("/")
    missed = both.run()
    second.unlink()
    (chained.top / "unplugged").rename(second)
    last = both.run().manifest

    assert [str(second)] == list(missed.failed)
    assert "incremental" == last.kind
    for path in both.job.destinations:
        with open_destination(both.job, path) as directory:
            assert [True] * 3 == [entry.good for entry in stored_archives.scan(directory, "datasets").entries]


def test_the_first_destination_gets_what_it_missed(chained: Place) -> None:
    """Likewise; where the other's copy is rotten the run is full, and says so."""
    second = chained.top / "second"
    both = chained.having(destinations=(str(second), *chained.job.destinations))
    both.run()
    made = both.run().manifest
    remove(second, made.id)
    assert "incremental" == both.run().manifest.kind
    assert (second / made.archive).exists()

    remove(second, made.id)
    flip(chained.destination / made.archive)
    last = both.run().manifest
    assert "full" == last.kind
    assert made.id in last.why_full


def test_members_come_from_any_destination(chained: Place) -> None:
    """One destination lost the full archive, the other one a later one: together they have all."""
    second = chained.top / "second"
    both = chained.having(destinations=(*chained.job.destinations, str(second)))
    made = days(both, 3)
    (chained.destination / made[0].archive).unlink()
    (second / made[1].archive).unlink()

    assert ["day1", "day2"] == sorted(path.name for path in back(both, made[2].id).glob("day*"))


def test_a_part_of_any_day(chained: Place) -> None:
    """A path comes back as it was on that day, whichever member has it, with what leads to it; one that was
    gone by then is an error.
    """
    deep = chained.source / "deep" / "er"
    deep.mkdir(parents=True, mode=0o711)
    (deep / "old").write_text("old")
    (deep / "gone").write_text("gone")
    chained.run()
    (deep / "gone").unlink()
    (deep / "new").write_text("new")
    ident = chained.run().manifest.id
    chained.run()
    found = back(chained, "", f"{deep}/old", f"{deep}/new")

    assert ["new", "old"] == sorted(path.name for path in (found / "deep" / "er").iterdir())
    assert ["deep"] == [path.name for path in found.iterdir()]
    assert 0o711 == (found / "deep" / "er").stat().st_mode & 0o7777
    assert chained.top.stat().st_mode == found.parent.stat().st_mode
    with pytest.raises(HostError, match=r"does not have .*gone"):
        back(chained, ident, f"{deep}/gone")


def test_ancestors_stay_and_a_chain_goes_from_its_end(
    chained: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`keep` lets no archive go that one it keeps needs; what it lets go, goes with all that needs it first."""
    chained = chained.having(keep=Keep(last=2), full_every=3.0 * DAY)
    made, removed = [], []
    delete = store.delete

    def remember(directory: Destination, job: str, ident: str) -> None:
        removed.append(ident)
        delete(directory, job, ident)

    monkeypatch.setattr(store, "delete", remember)
    for day in range(8):
        at(monkeypatch, NOW + day * DAY)
        made.append(chained.run().manifest)
        assert [True] * len(archives.listing(chained.job).archives) == [
            entry.good for copies in archives.listing(chained.job).archives for entry in copies.values()
        ]

    idents = [manifest.id for manifest in made]
    assert ["full", "incremental", "incremental"] * 2 == kinds(made[:6])
    assert idents[5::-1] == [*removed[3:], *removed[:3]]
    assert idents[6:] == [
        archives.manifest_of(copies).id for copies in archives.listing(chained.job).archives
    ]


def test_an_incremental_is_small_by_nature(chained: Place) -> None:
    """It is in no doubt, nor is the full one after it; one whose source was emptied is, and what is built on
    it.
    """
    for number in range(20):
        (chained.source / f"many{number}").write_bytes(os.urandom(10_000))
    days(chained, 3)
    shutil.rmtree(chained.snapshots)
    chained.run()
    with open_destination(chained.job, str(chained.destination)) as directory:
        assert {} == stored_archives.scan(directory, "datasets").doubts
    for path in chained.source.glob("many*"):
        path.unlink()
    doubtful = [chained.run().manifest.id, chained.run().manifest.id]
    with open_destination(chained.job, str(chained.destination)) as directory:
        doubts = stored_archives.scan(directory, "datasets").doubts

    assert doubtful == list(doubts)
    assert "entries" in doubts[doubtful[0]]


def test_names_that_are_left_out_are_no_entries(chained: Place) -> None:
    """A directory full of what `exclude` names counts the same in a full and in an incremental archive."""
    for number in range(30):
        (chained.source / f"{number}.tmp").write_text("x")
    first, second = chained.run().manifest, chained.run().manifest

    assert first.entries == second.entries


def test_doubt_about_a_full_one_is_about_all_that_need_it(chained: Place) -> None:
    """Its files lost their bytes: the incrementals on it take no place among those that are kept either."""
    (chained.source / "large").write_bytes(os.urandom(200_000))
    chained.run()
    (chained.source / "large").write_bytes(b"")
    (chained.source / "numbers").write_bytes(b"")
    (chained.source / "sparse").write_bytes(b"")
    shutil.rmtree(chained.snapshots)
    full, incremental = chained.run().manifest, chained.run().manifest
    with open_destination(chained.job, str(chained.destination)) as directory:
        doubts = stored_archives.scan(directory, "datasets").doubts

    assert {full.id, incremental.id} == set(doubts)
    assert f"it needs {full.id}, of which: " in doubts[incremental.id]


def test_compare_judges_files_only(chained: Place) -> None:
    """A new file is no difference, as with any archive; a changed one is."""
    chained.run()
    chained.run()

    def differences() -> str:
        done = verifying.verify(chained.job, "", everything=False, compare=True, lock_directory=chained.locks)
        assert not [judgement.problem for judgement in done.judgements if judgement.problem]
        return " ".join(line for judgement in done.judgements for line in judgement.differences)

    (chained.source / "numbers").write_bytes(b"as the second archive has it")
    chained.run()
    assert "" == differences()
    (chained.source / "new").write_text("new")
    assert "new" not in differences()
    (chained.source / "numbers").write_text("other")
    assert "numbers" in differences()


def test_a_job_of_full_ones_leaves_no_snapshot_file(place: Place) -> None:
    """And its manifests say that they are in no chain."""
    manifest = place.having(type="full").run().manifest

    assert ("", "", "") == (manifest.scope, manifest.snapshot, manifest.why_full)
    assert not os.path.lexists(place.snapshots)


def test_a_type_that_changes(chained: Place) -> None:
    """From one type to another the next run does what it can do right, and every archive comes back."""
    made = [
        days(chained.having(type=kind), 2)[-1] for kind in ("full", "incremental", "differential", "full")
    ]
    trees = [sorted(path.name for path in back(chained, manifest.id).glob("day*")) for manifest in made]

    assert [["day0", "day1"]] * 4 == trees


def test_the_manifest_is_read_as_it_was_written(chained: Place) -> None:
    """Kind, parents, reason and the modes above the sources."""
    made = days(chained, 2)
    read = [archives.manifest_of(copies) for copies in archives.listing(chained.job).archives]
    document = json.loads((chained.destination / f"datasets-{made[1].id}.json").read_text())

    assert made == read
    assert ["incremental", [made[0].id]] == [document["kind"], document["parents"]]
    assert [0o700, os.geteuid(), chained.top.stat().st_gid] == document["leading"][str(chained.top)]


def test_a_run_trusts_no_rotten_chain(chained: Place) -> None:
    """The base of the new archive is read before an older chain goes; it has rotted, so that one stays,
    and the next run begins a new one.
    """
    chained = chained.having(keep=Keep(last=2))
    old = days(chained, 2)
    shutil.rmtree(chained.snapshots)
    full = chained.run().manifest
    flip(chained.destination / full.archive)
    incremental = chained.run().manifest
    left = [archives.manifest_of(copies).id for copies in archives.listing(chained.job).archives]

    assert ["full", "incremental"] == kinds([full, incremental])
    assert [manifest.id for manifest in (*old, full, incremental)] == left
    assert "full" == chained.run().manifest.kind


def test_prune_by_hand_trusts_no_rotten_chain(chained: Place) -> None:
    """The full archive of the newest chain has rotted: nothing is deleted for the sake of what needs it."""
    old = days(chained, 2)
    shutil.rmtree(chained.snapshots)
    new = days(chained, 2)
    assert ["full", "incremental"] == kinds(new)
    flip(chained.destination / new[0].archive)
    pruning.prune(chained.having(keep=Keep(last=1)).job, dry_run=False, lock_directory=chained.locks)

    left = [archives.manifest_of(copies).id for copies in archives.listing(chained.job).archives]
    assert [manifest.id for manifest in (*old, *new)] == left


def test_prune_by_hand_leaves_whole_chains(chained: Place) -> None:
    """With `keep: {last: 1}` the newest and all that it needs stay."""
    days(chained, 4)
    pruning.prune(chained.having(keep=Keep(last=1)).job, dry_run=False, lock_directory=chained.locks)

    assert 4 == len(archives.listing(chained.job).archives)


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({}, "incremental"),
        ({"destinations": "elsewhere"}, "full"),
        ({"sources": "other"}, "full"),
        ({"exclude": "*.x"}, "full"),
    ],
)
def test_a_later_job_of_the_same_name(chained: Place, fields: dict[str, str], kind: str) -> None:
    """The snapshot file of a removed job is there when its name is used again: the new job builds upon it where
    it is the same, and else begins with a full archive. Either way what comes back is all there was.
    """
    days(chained, 2)
    (chained.top / "other").mkdir()
    (chained.top / "other" / "old").write_text("from before")
    names = {"destinations": "elsewhere", "sources": "other"}
    later = chained.having(
        **{key: (str(chained.top / value) if key in names else value,) for key, value in fields.items()}
    )
    source = Path(later.job.sources[0])
    (source / "unseen").write_text("written while there was no job")
    made = later.run().manifest
    target = chained.top / "all"
    restoring.restore(later.job, made.id, str(target), [])

    assert kind == made.kind
    assert bool(made.why_full) is (kind == "full")
    assert {*listed(source)} - {"cache.tmp"} == {*listed(target / str(source)[1:])} - {"cache.tmp"}
