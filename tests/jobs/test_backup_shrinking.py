"""Sources that shrink a little each day, or whose files lose what is in them: what was there does not go from
the archives unseen.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.formats.backups.doubt import doubts, most_with
from reconciler.formats.backups.job import Keep
from reconciler.formats.backups.manifest import Manifest, started_of
from reconciler.formats.backups.retention import Archive, decide
from reconciler.host.archives.listed import unescaped
from reconciler.jobs import accepting, archives
from tests.jobs.places import Place
from tests.jobs.test_backup_doubt import DAY, at, ids

pytestmark = pytest.mark.slow

START = 1_780_000_000
FILES = 40
TEXT = b"a line of a text that compresses well, as most that people write does\n" * 500


@pytest.fixture
def daily(place: Place) -> Place:
    """A daily job that keeps seven archives of forty files, half of them text."""
    shutil.rmtree(place.source)
    for number in range(FILES):
        path = place.source / f"{number % 4}" / f"{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(TEXT if number % 2 else os.urandom(8_000))
    return place.having(keep=Keep(daily=7))


def files(place: Place) -> list[Path]:
    """Every file of the source."""
    return sorted(path for path in place.source.rglob("*") if path.is_file())


def cut(place: Place, day: int) -> None:
    """Every file loses a tenth of what it has."""
    for path in files(place):
        os.truncate(path, path.stat().st_size * 9 // 10)


def remove(place: Place, day: int) -> None:
    """Two files go, and at the end their directories."""
    for path in files(place)[:2] or sorted(place.source.iterdir())[:1]:
        path.unlink() if path.is_file() else path.rmdir()


def drain(place: Place, day: int) -> None:
    """Two files keep their names and lose what is in them."""
    for path in [path for path in files(place) if path.stat().st_size][:2]:
        path.write_bytes(b"")


def encrypt(place: Place, day: int) -> None:
    """Two files keep name and size, and have noise in them from then on."""
    for path in files(place)[2 * day : 2 * day + 2]:
        path.write_bytes(os.urandom(path.stat().st_size))


def beside_a_large_one(place: Place, day: int) -> None:
    """A large file stays that outweighs all others, which go two by two."""
    big = place.source / "big"
    if not big.exists():
        big.write_bytes(os.urandom(4_000_000))
    for path in [path for path in files(place) if path != big][:2]:
        path.unlink()


@pytest.mark.parametrize("shrink", [cut, remove, drain, encrypt, beside_a_large_one])
def test_a_source_that_shrinks_day_by_day(
    daily: Place, monkeypatch: pytest.MonkeyPatch, shrink: Callable[[Place, int], None]
) -> None:
    """Thirty days of it: an archive stays, as tar sees it, with half of the files as they were, and each
    later run says that it shrank.
    """
    if shrink is beside_a_large_one:
        shrink(daily, 0)
    for day in range(30):
        at(monkeypatch, START + day * DAY)
        done = daily.run()
        shrink(daily, day)
    members = [content(daily, ident) for ident in ids(daily)]

    assert done.doubts
    assert FILES // 2 <= max(whole(found, shrink) for found in members)
    assert len(members) <= 14


def content(place: Place, ident: str) -> dict[str, bytes]:
    """The content of each file that tar unpacks from an archive, by the last part of its name."""
    to = place.top / "unpacked"
    to.mkdir()
    subprocess.run(
        ["tar", "-xzf", str(place.destination / f"datasets-{ident}.tar.gz"), "-C", str(to)], check=True
    )
    found = {path.name: path.read_bytes() for path in to.rglob("*") if path.is_file()}
    shutil.rmtree(to)
    return found


def whole(found: dict[str, bytes], shrink: Callable[[Place, int], None]) -> int:
    """How many files have what they had, or half of it where all lose some."""
    if shrink is cut:
        return sum(len(data) >= 4_000 for data in found.values())
    if shrink is encrypt:
        return (
            FILES // 2 + sum(data == TEXT for data in found.values())
            if any(data == TEXT for data in found.values())
            else 0
        )
    return sum(len(data) >= 8_000 for name, data in found.items() if name != "big")


def made(day: int, size: int, before: list[Manifest], **more: object) -> Manifest:
    """The manifest of a day's archive, as a run writes it beside those before."""
    ident = f"{20260101 + day:08}T000000Z-000000000" if day < 28 else f"id-{day}"
    found = Manifest(
        ident,
        "d",
        f"d-{ident}.tar",
        day * DAY,
        day * DAY,
        size,
        "0" * 64,
        ("/data",),
        "1",
        "1",
        verified=True,
        compress="none",
        content=size,
    )
    found = replace(found, entries={"/data": 50}, data={"/data": size})
    return replace(found, most=most_with(before, found))


@pytest.mark.parametrize("percent", [1, 2, 5, 10, 30, 49, 60])
@pytest.mark.parametrize(
    "keep", [Keep(last=1), Keep(daily=7), Keep(daily=7, weekly=4), Keep(within=7.0 * DAY)]
)
def test_a_year_of_losing_so_much_a_day(percent: int, keep: Keep) -> None:
    """Whatever is kept, and however slowly it goes: after a year there is an archive with half of the most
    there ever was.
    """
    kept: list[Manifest] = []
    size = 10**12
    for day in range(365):
        kept.append(made(day, size, kept))
        doubtful = doubts(kept)
        decided = decide(
            [Archive(m.id, m.started, good=True, doubtful=m.id in doubtful) for m in kept],
            keep,
            day * DAY,
            60 * DAY,
        )
        kept = [manifest for manifest in kept if manifest.id not in decided.delete]
        size = size * (100 - percent) // 100

    assert 10**12 // 2 <= max(manifest.content for manifest in kept)
    assert len(kept) <= 30


def test_to_agree_is_a_new_beginning(daily: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next archive is compared with the one that was agreed to, also when that one has long gone."""
    for day in range(30):
        at(monkeypatch, START + day * DAY)
        if daily.run().doubts:
            accepting.accept(daily.job, "alice", daily.locks)
            break
        cut(daily, day)
    after = [daily.run() for _ in range(2)]
    for later in range(day + 1, day + 12):
        at(monkeypatch, START + later * DAY)
        after.append(daily.run())
    agreed = [
        copies
        for copies in archives.listing(daily.job).archives
        if next(iter(copies.values())).manifest.accepted_at
    ]
    for path in files(daily)[: FILES * 3 // 4]:
        path.unlink()

    assert not any(done.doubts for done in after)
    assert [] == agreed
    assert 1 == len(daily.run().doubts)


def test_an_older_and_larger_archive_that_stays(daily: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A yearly one that is larger than all since does not put in doubt what a person agreed to."""
    daily = daily.having(keep=Keep(daily=2, yearly=5))
    at(monkeypatch, START - 365 * DAY)
    daily.run()
    for path in files(daily)[:30]:
        path.unlink()
    at(monkeypatch, START)
    assert daily.run().doubts
    accepting.accept(daily.job, "alice", daily.locks)
    for day in range(1, 6):
        at(monkeypatch, START + day * DAY)
        assert not daily.run().doubts
    assert 3 == len(ids(daily))


def test_what_grows_and_changes_is_not_in_doubt(daily: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """New files, noise among them, other text of the same kind, a tenth of them gone: nothing is said."""
    for day in range(10):
        at(monkeypatch, START + day * DAY)
        assert not daily.run().doubts
        (daily.source / f"photo{day}").write_bytes(os.urandom(100_000))
        for number, path in enumerate(files(daily)[:20]):
            path.write_bytes(TEXT.replace(b"line", str(day).encode()) if number else os.urandom(8_000))
    for path in files(daily)[:4]:
        path.unlink()
    assert not daily.run().doubts


def test_two_destinations_remember_each_for_itself(daily: Place) -> None:
    """One that was added later has seen less: its first archive is compared with nothing."""
    both = daily.having(destinations=(*daily.job.destinations, str(daily.top / "second")))
    daily.run()
    for path in files(daily)[:35]:
        path.unlink()

    assert [str(daily.destination)] == list(both.run().doubts)


@pytest.mark.parametrize(
    "name", ["plain", "back\\slash", "ümläut", "octal\\101\\n", " leading", "a link to b", "\u202e"]
)
def test_what_is_in_each_source_is_counted(place: Place, name: str) -> None:
    """Members and bytes of each source, whatever it is called: files, links, hard links, sparse files as they
    seem.
    """
    odd = place.top / name
    odd.mkdir()
    (odd / "-rw-r--r-- 0:0 99 2026-01-01 00:00 x\n-rw-r--r-- 0:0 99999999 2026-01-01 00:00 y").write_bytes(
        b"12345"
    )
    (odd / name).write_bytes(b"123")
    (odd / "two\nlines\t\a\\n").touch()
    os.link(odd / name, odd / "other")
    os.mkfifo(odd / "fifo")
    (odd / "link").symlink_to("x")
    with (odd / "sparse").open("wb") as file:
        file.truncate(1_000_000)
    single = place.top / "single"
    os.link(odd / name, single)
    found = place.having(sources=(str(odd), str(single))).run().manifest

    assert {str(odd): 8, str(single): 1} == dict(found.entries)
    assert {str(odd): 1_000_008, str(single): 0} == dict(found.data)


def test_tar_s_escapes() -> None:
    """Octal digits, letters and the backslash itself."""
    assert b"a\nb\\101\\\x01\xff" == unescaped(rb"a\nb\\101\\\001\377")


def test_what_was_compared_is_written_down(daily: Place) -> None:
    """The manifest says the most of each measure and which archive had it; the list of a later run reads it
    back.
    """
    first = daily.run().manifest
    path = files(daily)[0]
    path.unlink()
    second = daily.run().manifest
    data = json.loads((daily.destination / f"datasets-{second.id}.json").read_text())

    assert [FILES + 4, first.id] == data["most"][f"entries {daily.source}"]
    assert second.most == next(iter(archives.listing(daily.job).archives[-1].values())).manifest.most
    assert started_of(first.id) <= started_of(second.id)
