"""Jobs whose engine is restic: runs, what is listed, and what is given back."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from reconciler.core.host import HostError
from reconciler.formats.backups.job import Keep
from reconciler.host.archives.private_directory import Refused
from reconciler.host.state import restic_records
from reconciler.jobs import backup, engines
from reconciler.jobs.archives import manifest_of
from reconciler.jobs.health import job_health
from reconciler.jobs.restoring import verify as verifying
from tests.jobs.places import manifest
from tests.jobs.repositories import PROGRAM, ResticPlace

pytestmark = pytest.mark.slow


def ids(place: ResticPlace) -> list[str]:
    """The archives that are listed, the oldest first."""
    return [manifest_of(copies).id for copies in engines.listing(place.job).archives]


def verify(
    place: ResticPlace, at: str = "", *, everything: bool = False, compare: bool = False
) -> verifying.Verified:
    """`backup verify`."""
    return engines.verify(
        place.job, at, everything=everything, compare=compare, lock_directory=place.place.locks
    )


def test_a_run_and_back(new_restic_place: ResticPlace) -> None:
    """The first run makes the repository, the snapshot is good, and what is restored is the tree without what
    is left out.
    """
    done = new_restic_place.run()
    (snapshot,) = new_restic_place.snapshots()
    back = new_restic_place.top / "back"
    engines.restore(new_restic_place.job, "", str(back), [])
    expected = manifest(new_restic_place.source)
    expected.pop("cache.tmp")

    assert ["testhost", "reconciler:datasets"] == [snapshot["hostname"], snapshot["tags"][0]]
    assert f"reconciler-id:{done.manifest.id}" in snapshot["tags"]
    assert [done.manifest.id] == ids(new_restic_place)
    assert done.manifest.verified
    assert expected == manifest(back.joinpath(*new_restic_place.source.parts[1:]))
    assert [new_restic_place.source.parts[1]] == [path.name for path in back.iterdir()]
    new_restic_place.check_it_is_sound()


def test_the_password_is_in_no_argument_and_no_environment(
    restic_place: ResticPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Restic gets a descriptor of the file, so that nobody can put another file in its place either."""
    seen = restic_place.top / "seen"
    spy = restic_place.top / "restic"
    spy.write_text(f'#!/bin/sh\necho "$@" >> {seen}\nenv >> {seen}\nexec {PROGRAM} "$@"\n')
    spy.chmod(0o755)
    monkeypatch.setattr("reconciler.host.archives.restic.PROGRAM", str(spy))
    restic_place.run()

    assert "--password-file=/proc/self/fd/" in seen.read_text()
    assert "correct horse" not in seen.read_text()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_password_that_others_can_read(restic_place: ResticPlace, mode: int) -> None:
    """It opens nothing: the run is refused before anything is made, and the doctor knows it before."""
    (restic_place.top / "pass").chmod(mode)

    assert "chmod 600" in backup.refusal(restic_place.job)
    with pytest.raises(Refused, match="others may read it"):
        restic_place.run()


def test_a_wrong_password_makes_no_second_repository(restic_place: ResticPlace) -> None:
    """The run is refused, names the file, and leaves the repository as it is."""
    restic_place.run()
    (restic_place.top / "pass").write_text("another\n")
    before = sorted(path.name for path in restic_place.repository.rglob("*"))

    with pytest.raises(Refused, match=r"the password is not that of the repository.*/pass"):
        restic_place.run()
    assert before == sorted(path.name for path in restic_place.repository.rglob("*"))


def test_a_repository_that_is_gone_is_not_made_anew(restic_place: ResticPlace) -> None:
    """A disk that is not mounted looks like that: the run is refused as long as nobody has made one."""
    restic_place.run()
    shutil.rmtree(restic_place.repository)

    with pytest.raises(Refused, match=r"the repository is gone: .*restic -r .* init"):
        restic_place.run()
    restic_place.restic("init")
    assert [restic_place.run().manifest.id] == ids(restic_place)


def test_a_directory_with_other_files_gets_no_repository(new_restic_place: ResticPlace) -> None:
    """It is refused, and nothing is put there."""
    new_restic_place.repository.mkdir(mode=0o700)
    (new_restic_place.repository / "notes").write_text("mine\n")

    with pytest.raises(Refused, match="no restic repository"):
        new_restic_place.run()
    assert ["notes"] == [path.name for path in new_restic_place.repository.iterdir()]


def test_a_missing_source_is_refused(restic_place: ResticPlace) -> None:
    """Restic would leave it out, and end with 0."""
    gone = str(restic_place.top / "gone")
    with pytest.raises(Refused, match="a source does not exist"):
        restic_place.having(sources=(*restic_place.job.sources, gone)).run()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: a file that root cannot read is on no other disk")
def test_files_that_cannot_be_read(restic_place: ResticPlace) -> None:
    """The snapshot is kept, marked as partial, takes no place in `keep`, and a restore passes it over."""
    place = restic_place.having(keep=Keep(last=1))
    first = place.run().manifest.id
    unreadable = place.source / "unreadable"
    unreadable.write_text("x")
    spy = place.top / "restic"
    spy.write_text(
        "#!/bin/sh\n"
        f'case "$*" in *" backup "*) exec setpriv --bounding-set -dac_override,-dac_read_search'
        f' --inh-caps -all --reuid 0 {PROGRAM} "$@";; esac\nexec {PROGRAM} "$@"\n'
    )
    spy.chmod(0o755)
    unreadable.chmod(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("reconciler.host.archives.restic.PROGRAM", str(spy))
        done = place.run()
    back = place.top / "back"
    restored = engines.restore(place.job, "", str(back), [])

    assert "the snapshot is partial" in next(iter(done.failed.values()))
    assert (
        any("unreadable" in line and "denied" in line for line in done.manifest.warnings)
        or done.manifest.warnings
    )
    assert "reconciler-partial" in place.snapshots()[-1]["tags"]
    assert [first, done.manifest.id] == ids(place)
    assert first == restored.manifest.id
    assert [done.manifest.id] == [ident for ident, _ in restored.passed]


def test_some_paths_only(restic_place: ResticPlace) -> None:
    """A path with the characters of patterns is taken as it is; one that is not in the snapshot is refused."""
    restic_place.run()
    odd = restic_place.source / "-rf [x] *"
    back = restic_place.top / "back"
    engines.restore(restic_place.job, "", str(back), [str(odd)])

    assert manifest(odd) == manifest(back.joinpath(*odd.parts[1:]))
    assert [odd.name] == [path.name for path in back.joinpath(*restic_place.source.parts[1:]).iterdir()]
    with pytest.raises(Refused, match="not in the archive"):
        engines.restore(restic_place.job, "", str(restic_place.top / "other"), [f"{odd}/nothing"])
    assert not (restic_place.top / "other").exists()


def test_compare(restic_place: ResticPlace) -> None:
    """A file with another content is named; where nothing changed, nothing is."""
    restic_place.run()
    same = verify(restic_place, compare=True)
    (restic_place.source / "numbers").write_bytes(b"other")
    differs = verify(restic_place, compare=True)

    assert [()] == [judgement.differences for judgement in same.judgements]
    (judgement,) = differs.judgements
    assert "" == judgement.problem
    assert any("numbers" in line for line in judgement.differences)


def test_a_flipped_byte_is_found_within_one_rotation(
    restic_place: ResticPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each verification reads another part; the one with the fault says so until it is mended, and nothing
    goes meanwhile.
    """
    parts = 4
    for module in ("jobs.restic.checking", "formats.backups.restic_record"):
        monkeypatch.setattr(f"reconciler.{module}.PARTS", parts)
    (restic_place.source / "noise").write_bytes(os.urandom(3_000_000))
    place = restic_place.having(keep=Keep(last=1))
    place.run()
    flip(pack := largest_pack(place))
    verdicts = [verify(place).judgements[0].problem for _ in range(parts)]
    found = next(number for number, problem in enumerate(verdicts) if problem)
    place.run()
    done = place.run()
    (health,) = job_health.condition(place.job, done.manifest.started).reasons
    flip(pack)
    mended = verify(place).judgements[0].problem
    after = place.run()

    assert all(verdicts[found:])
    assert all("its repository is damaged" in words for words in done.failed.values())
    assert done.failed
    assert "nothing was deleted" in next(iter(done.pruned.values())).notes[0]
    assert "the repository is damaged" in health
    assert "" == mended
    assert 3 == len(next(iter(after.pruned.values())).removed)
    assert [after.manifest.id] == ids(place)


def largest_pack(place: ResticPlace) -> Path:
    """The file of a repository that has the most data."""
    packs = [path for path in (place.repository / "data").rglob("*") if path.is_file()]
    return max(packs, key=lambda path: path.stat().st_size)


def flip(path: Path) -> None:
    """Turn a byte round."""
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.seek(1000)
        (byte,) = file.read(1)
        file.seek(1000)
        file.write(bytes([byte ^ 0xFF]))


def test_all_data_is_read_when_asked_for(restic_place: ResticPlace) -> None:
    """`verify --all` finds the byte at once, and so does reading that very snapshot."""
    (restic_place.source / "noise").write_bytes(os.urandom(3_000_000))
    ident = restic_place.run().manifest.id
    good = verify(restic_place, everything=True)
    flip(largest_pack(restic_place))

    assert [""] == [judgement.problem for judgement in good.judgements]
    assert all(judgement.problem for judgement in verify(restic_place, everything=True).judgements)
    assert all(judgement.problem for judgement in verify(restic_place, ident).judgements)
    with pytest.raises(HostError, match="restic failed"):
        engines.restore(restic_place.job, "", str(restic_place.top / "back"), [])


def test_damage_that_was_found_by_reading_all(restic_place: ResticPlace) -> None:
    """A part of the data that is good does not take it back: all has to be read once more."""
    (restic_place.source / "noise").write_bytes(os.urandom(3_000_000))
    place = restic_place.having(keep=Keep(last=1))
    place.run()
    flip(pack := largest_pack(place))
    verify(place, everything=True)
    flip(pack)
    partly = [verify(place).judgements[0].problem, *place.run().failed.values()]
    verify(place, everything=True)

    assert all(partly)
    assert not place.run().failed


def test_a_record_that_cannot_be_kept(restic_place: ResticPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    """The snapshot is made all the same: a full /var stops no backup. It counts once somebody has looked."""

    def full(name: str, content: bytes) -> None:
        raise HostError("the record of the job cannot be kept", "No space left on device")

    place = restic_place.having(verify=False)
    with monkeypatch.context() as patch:
        patch.setattr(restic_records, "write", full)
        told: list[str] = []
        backup.run(place.job, told.append, place.place.locks)
    before = engines.listing(place.job).archives
    verify(place)

    assert any("does not count until" in line for line in told)
    assert [None] == [manifest_of(copies).verified for copies in before]
    assert [True] == [manifest_of(copies).verified for copies in engines.listing(place.job).archives]


def test_a_directory_that_only_looks_like_a_repository(new_restic_place: ResticPlace) -> None:
    """Somebody's keys in it are not taken for what a killed `restic init` has left."""
    keys = new_restic_place.repository / "keys"
    keys.mkdir(parents=True)
    (keys / ("ab" * 32)).write_text("mine")
    for path in (keys, new_restic_place.repository):
        path.chmod(0o700)

    with pytest.raises(Refused, match="no restic repository"):
        new_restic_place.run()
    assert "mine" == (keys / ("ab" * 32)).read_text()


def test_patterns_mean_what_they_mean_to_tar(restic_place: ResticPlace) -> None:
    """`!` in front turns nothing round, and a bracket that is not closed is a character."""
    for name in ("!note", "a[", "kept"):
        (restic_place.source / name).write_text("x")
    place = restic_place.having(exclude=("*.tmp", "!note", "a["))
    place.run()
    back = place.top / "back"
    engines.restore(place.job, "", str(back), [])
    names = {path.name for path in back.joinpath(*place.source.parts[1:]).iterdir()}

    assert "kept" in names
    assert not {"!note", "a["} & names


def test_a_snapshot_that_somebody_wrote_anew(restic_place: ResticPlace) -> None:
    """It has the id of the run, and is another one: the verdict is not about it."""
    restic_place.run()
    restic_place.restic("tag", "--add", "note")
    (copies,) = engines.listing(restic_place.job).archives

    assert manifest_of(copies).verified is None


def test_a_lost_record(restic_place: ResticPlace) -> None:
    """No snapshot is known to be good then, and none goes, until a verification has looked."""
    place = restic_place.having(keep=Keep(last=1), verify=False)
    place.run()
    place.run()
    shutil.rmtree(restic_records.DIRECTORY)
    listed = engines.listing(place.job)
    judged = verify(place)
    after = engines.listing(place.job)

    assert [None, None] == [manifest_of(copies).verified for copies in listed.archives]
    assert [""] == [judgement.problem for judgement in judged.judgements]
    assert [True, True] == [manifest_of(copies).verified for copies in after.archives]


def test_a_source_that_became_empty(restic_place: ResticPlace) -> None:
    """The snapshot is in doubt, and lets none go, until a person agrees."""
    place = restic_place.having(keep=Keep(last=1))
    place.run()
    for path in place.source.iterdir():
        subprocess.run(["rm", "-r", "--", path], check=True)
    done = place.run()
    accepted = engines.accept(place.job, "alice", place.place.locks)
    after = place.run()

    assert "is empty in it" in next(iter(done.doubts.values()))
    assert [done.manifest.id] == [item.id for item in accepted]
    assert {} == after.doubts
    assert [after.manifest.id] == ids(place)
