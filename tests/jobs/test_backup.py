from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from reconciler.core.host import HostError, UnsafePath
from reconciler.formats.backups import manifest as manifests
from reconciler.formats.backups.job import Keep
from reconciler.host.archives.private_directory import Refused
from reconciler.host.archives.tar import ArchiveError
from reconciler.host.state.job_lock import JobBusy, job_lock
from reconciler.jobs import archives, pruning
from reconciler.jobs.making.hooks import NotNow
from reconciler.jobs.restoring import restore as restoring
from reconciler.jobs.restoring import verify as verifying
from tests.host.hosts_under_test import as_ordinary_user, place_for_everybody
from tests.jobs.places import Place, listed, make_place, shell
from tests.jobs.places import manifest as tree

pytestmark = pytest.mark.slow

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts, owners")


def restored(place: Place, *paths: str, at: str = "") -> Path:
    """Where a restore put the source tree."""
    target = place.top / f"restored-{len(place.names(place.top))}"
    restoring.restore(place.job, at, str(target), paths)
    return target / str(place.source).removeprefix("/")


def everything(place: Place) -> dict[str, tuple[object, ...]]:
    """The source tree without what is excluded."""
    return {name: facts for name, facts in tree(place.source).items() if not name.endswith(".tmp")}


@pytest.mark.parametrize("compress", ["gzip", "zstd", "none"])
def test_what_went_in_comes_out(place: Place, compress: str) -> None:
    """Names, modes, owners, times, links, holes and content are the same after a restore; what is excluded is
    not there.
    """
    place = place.having(compress=compress)
    done = place.run()

    assert everything(place) == tree(restored(place))
    assert done.manifest.verified
    assert 1 == len(place.archives())


def test_an_ordinary_user_can_do_it_all() -> None:
    """Nothing needs root but root's files."""
    with place_for_everybody() as top:

        def work() -> list[object]:
            place = make_place(top / "host")
            place.run()
            judged = verifying.verify(
                place.job, "", everything=True, compare=True, lock_directory=place.locks
            )
            return [
                everything(place) == tree(restored(place)),
                [one.problem for one in judged.judgements],
                [one.differences for one in judged.judgements],
            ]

        assert [True, [""], [()]] == as_ordinary_user(work, top)


def test_the_system_s_own_tools_accept_it(place: Place) -> None:
    """sha256sum, gzip and tar find nothing wrong, from wherever the archive has been moved to: the sum names
    no path.
    """
    place.run()
    moved = place.top / "moved"
    place.destination.rename(moved)
    (archive,) = (name for name in listed(moved) if name.endswith(".tar.gz"))

    for argv in (
        ["sha256sum", "--check", f"{archive}.sha256"],
        ["gzip", "--test", archive],
        ["tar", "--compare", "--file", archive, "-C", "/"],
    ):
        done = subprocess.run(argv, cwd=moved, capture_output=True, text=True, check=False)

        assert (0, "") == (done.returncode, done.stderr)


def test_only_root_can_read_it(place: Place) -> None:
    """Archive, sum, manifest and the directory that was made for them are private."""
    place.run()

    assert 0o700 == place.destination.stat().st_mode & 0o777
    assert {0o600} == {path.stat().st_mode & 0o777 for path in place.destination.iterdir()}


def test_two_runs_in_one_second_do_not_collide(place: Place) -> None:
    """The name of an archive is not its date: a second run on the same day replaces nothing."""
    ids = {place.run().manifest.id for _ in range(3)}

    assert 3 == len(ids) == len(place.archives())


def test_a_missing_source_is_refused(place: Place) -> None:
    """One missing source of two: nothing is made, and nobody is told that all went well (`tar | gzip` exits
    0).
    """
    place = place.having(sources=(*place.job.sources, str(place.top / "gone")))

    with pytest.raises(Refused, match="gone"):
        place.run()
    assert [] == place.names()


def test_a_source_that_is_a_link_is_refused(place: Place) -> None:
    """tar would archive the link and nothing of what it leads to."""
    (place.top / "alias").symlink_to(place.source)

    with pytest.raises(UnsafePath, match="link"):
        place.having(sources=(str(place.top / "alias"),)).run()


def test_a_name_with_a_dollar_is_a_name(place: Place) -> None:
    """No shell sees the job: `$HOME` and `$(id)` are directories (a here-document with quotes backed up
    nothing).
    """
    odd = place.top / "$HOME $(touch x) `y`"
    odd.mkdir()
    (odd / "file").write_text("here\n")
    place = place.having(sources=(str(odd),))
    place.run()

    restoring.restore(place.job, "", str(place.top / "back"), [])

    assert ["file"] == listed(place.top / "back" / str(odd).removeprefix("/"))


def test_an_unmounted_disk_is_refused(place: Place) -> None:
    """A mount point that nothing is mounted at is an empty directory: not to be archived as one."""
    with pytest.raises(Refused, match="mounted"):
        place.having(require_mount=(str(place.source),)).run()
    place.having(require_mount=("/proc",)).run()

    assert 1 == len(place.archives())


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o707])
def test_a_destination_that_others_can_write_to_is_refused(place: Place, mode: int) -> None:
    """Whoever can write there can replace archives."""
    place.destination.mkdir()
    place.destination.chmod(mode)

    with pytest.raises(Refused, match="write"):
        place.run()


@root_only
def test_a_destination_of_somebody_else_is_refused(place: Place) -> None:
    """Nor is one taken that belongs to another user, or that lies in a directory of theirs."""
    place.destination.mkdir()
    os.chown(place.destination, 65534, 65534)

    with pytest.raises(Refused, match="65534"):
        place.run()
    with pytest.raises(Refused, match="65534"):
        place.having(destinations=(str(place.destination / "below"),)).run()


def test_a_destination_that_is_a_link_is_refused(place: Place) -> None:
    """A link may lead anywhere."""
    (place.top / "elsewhere").mkdir()
    place.destination.symlink_to(place.top / "elsewhere")

    with pytest.raises(HostError):
        place.run()
    assert [] == place.names(place.top / "elsewhere")


def test_a_destination_without_a_parent_is_refused(place: Place) -> None:
    """Only the last directory is made: a missing one above is a disk that is not mounted."""
    with pytest.raises(Refused, match="above"):
        place.having(destinations=(str(place.top / "disk/backups"),)).run()


def test_a_destination_inside_the_source_is_left_out(place: Place) -> None:
    """An archive does not contain the archives, whatever the name of the directory
    looks like to a pattern.
    """
    inside = place.source / "-rf [x] *" / "back[u]ps?"
    place = place.having(destinations=(str(inside),))
    place.run()
    second = place.run().manifest
    names = archives_names(inside / second.archive)

    assert not [name for name in names if "back[u]ps" in name]
    assert any("sparse" in name for name in names)


def archives_names(archive: Path) -> list[str]:
    """The names that tar lists."""
    return subprocess.run(
        ["tar", "--list", "--file", archive], capture_output=True, text=True, check=True
    ).stdout.splitlines()


def test_patterns(place: Place) -> None:
    """A pattern with a leading slash is a place, one without is a name at any depth; `*` does not cross a
    slash.
    """
    for name in ("a/cache/x", "cache/y", "a/keep/cache.d/z", "a/one.log", "two.log", "a/b/three.log"):
        (place.source / name).parent.mkdir(parents=True, exist_ok=True)
        (place.source / name).write_text(name)
    place = place.having(exclude=(f"{place.source}/cache", f"{place.source}/a/*.log", "x"))
    done = place.run()
    names = " ".join(archives_names(place.destination / done.manifest.archive))

    assert all(name in names for name in ("cache.d/z", "two.log", "three.log", "a/cache/"))
    assert not any(name in names for name in ("cache/y", "one.log", "cache/x"))


def test_a_running_job_is_busy(place: Place) -> None:
    """A second run does not wait and does not begin; the lock is free when its holder is gone."""
    with job_lock("backup-datasets", place.locks), pytest.raises(JobBusy):
        place.run()
    place.run()

    assert 1 == len(place.archives())
    assert 0o700 == Path(place.locks).stat().st_mode & 0o777


def test_a_failing_command_before_aborts(place: Place) -> None:
    """No archive is made of a dump that failed; what the program said is told."""
    failing = (shell("echo no database >&2; exit 3"),)

    with pytest.raises(ArchiveError, match="no database"):
        place.having(before=failing).run()
    assert [] == place.names()


def test_a_command_may_say_not_now(place: Place) -> None:
    """Exit status 75 is no failure: a removable disk is away."""
    with pytest.raises(NotNow):
        place.having(before=(shell("exit 75"),)).run()


def test_commands_before_run_in_order_and_know_the_job(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """They run before the archive is made, know the job and the id, and get nothing of our environment."""
    script = f"env > {place.source}/dump"
    place = place.having(before=(shell(script), shell(f"echo more >> {place.source}/dump")))
    monkeypatch.setenv("CANARY", "x")
    done = place.run()
    text = (restored(place) / "dump").read_text()

    assert f"RECONCILER_BACKUP_ID={done.manifest.id}\n" in text
    assert "RECONCILER_JOB=datasets\n" in text
    assert text.endswith("more\n")
    assert "CANARY" not in text


def test_retention_runs_after_success_only(place: Place) -> None:
    """Three are kept of five; a run that fails removes none."""
    made = [place.run().manifest.id for _ in range(5)]

    assert 3 == len(place.archives())
    assert 9 == len(place.names())
    with pytest.raises(Refused):
        place.having(sources=("/gone",), keep=Keep(last=1)).run()
    assert 3 == len(place.archives())
    assert made[-1] in " ".join(place.archives())


def test_other_jobs_in_the_same_directory_are_not_touched(place: Place) -> None:
    """Names that begin alike, strangers' files and half-made archives of others stay."""
    other = place.having(name="datasets-old")
    other.run()
    before = place.names()
    (place.destination / ".partial-datasets-old-20260101T000000Z-000000000.tar.gz").write_text("theirs")
    (place.destination / "datasets.tar.gz").write_text("somebody's")
    strange = place.destination / "datasets-20260101T000000Z-000000000.tar.gz"
    strange.write_text("no manifest")
    for _ in range(3):
        place.having(keep=Keep(last=1)).run()

    assert {
        *before,
        strange.name,
        "datasets.tar.gz",
        ".partial-datasets-old-20260101T000000Z-000000000.tar.gz",
    } <= {*place.names()}
    assert "no manifest" in " ".join(archives.listing(place.job).complaints)
    assert 1 == len(archives.listing(place.job).archives)


def test_two_destinations_have_the_same_archive(place: Place) -> None:
    """The archive is made once; when one destination fails, the other has it and the failure is told."""
    second = place.top / "second"
    place = place.having(destinations=(*place.job.destinations, str(second)))
    place.run()

    assert place.names() == place.names(second)
    second.chmod(0o777)
    done = place.run()
    assert [str(place.destination)] == list(done.made)
    assert [str(second)] == list(done.failed)
    assert 2 == len(archives.listing(place.job).archives)


def test_without_verification_nothing_is_deleted(place: Place) -> None:
    """With `verify: never` archives are not known to be good, so none goes; after a verification by hand the
    rule applies.
    """
    place = place.having(verify=False, keep=Keep(last=1))
    for _ in range(3):
        done = place.run()

    assert 3 == len(place.archives())
    assert "verify" in " ".join(done.pruned[str(place.destination)].notes)
    verifying.verify(place.job, "", everything=True, compare=False, lock_directory=place.locks)
    pruning.prune(place.job, dry_run=True, lock_directory=place.locks)
    assert 3 == len(place.archives())
    pruning.prune(place.job, dry_run=False, lock_directory=place.locks)
    assert 1 == len(place.archives())


def test_the_list_has_the_promised_fields(place: Place) -> None:
    """id, started, kind, parents, bytes and verified, as JSON."""
    done = place.run()
    (row,) = [archives.as_data(copies) for copies in archives.listing(place.job).archives]
    data = json.loads(json.dumps(row))

    assert {"id": done.manifest.id, "kind": "full", "parents": [], "verified": True}.items() <= data.items()
    assert data["bytes"] == (place.destination / done.manifest.archive).stat().st_size
    assert manifests.seconds_of(data["started"]) == done.manifest.started


def test_a_restore_of_some_paths(place: Place) -> None:
    """Only what was asked for comes back; what is not in the archive is an error."""
    place.run()
    back = restored(place, f"{place.source}/sparse", f"{place.source}/-rf [x] *")

    assert ["-rf [x] *", "-rf [x] */ümläut\nline", "sparse"] == sorted(tree(back))
    with pytest.raises(ArchiveError, match="Not found"):
        restored(place, f"{place.source}/nothing")
    with pytest.raises(Refused):
        restored(place, "../etc/shadow")


def test_a_restore_by_id_and_by_time(place: Place) -> None:
    """An id means that archive, a time the newest up to then; what cannot be meant is refused."""
    first = place.run().manifest
    (place.source / "numbers").write_text("changed\n")
    place.run()

    assert 256 * 512 == (restored(place, at=first.id) / "numbers").stat().st_size
    assert "changed\n" == (restored(place, at="2999-01-01") / "numbers").read_text()
    for at in ("2000-01-01", "yesterday", "20260101T000000Z-000000000"):
        with pytest.raises(Refused):
            restored(place, at=at)


def test_a_restore_overwrites_nothing(place: Place) -> None:
    """A directory with something in it, a file and a link are refused, and left as they are."""
    place.run()
    full, link = place.top / "full", place.top / "link"
    full.mkdir()
    (full / "mine").write_text("mine")
    link.symlink_to(full)

    for target in (full, full / "mine", link, link / "below", place.top / "no/where"):
        with pytest.raises(HostError):
            restoring.restore(place.job, "", str(target), [])
    assert ["mine"] == listed(full)


def test_a_restore_goes_to_an_empty_directory(place: Place) -> None:
    """An empty directory that nobody else can write to will do; one that others can write to will not."""
    place.run()
    empty, shared = place.top / "empty", place.top / "shared"
    empty.mkdir()
    shared.mkdir()
    shared.chmod(0o777)
    restoring.restore(place.job, "", str(empty), [])

    assert listed(empty)
    with pytest.raises(Refused):
        restoring.restore(place.job, "", str(shared), [])


@root_only
def test_owners_and_attributes_come_back(place: Place) -> None:
    """Numeric owners without an account, extended attributes and file capabilities survive a restore."""
    os.chown(place.source / "numbers", 4711, 4712)
    os.setxattr(place.source / "numbers", "user.note", b"here")
    os.setxattr(
        place.source / "numbers",
        "security.capability",
        bytes.fromhex("0100000200040000000000000000000000000000"),
    )
    place.run()
    back = restored(place) / "numbers"

    assert (4711, 4712) == (back.stat().st_uid, back.stat().st_gid)
    assert {"user.note", "security.capability"} <= set(os.listxattr(back))


def test_a_compare_tells_what_changed_since(place: Place) -> None:
    """Files that are not as in the archive are told, and the archive is good all the same."""
    place.run()
    (place.source / "sparse").write_text("changed\n")
    (judged,) = verifying.verify(
        place.job, "", everything=False, compare=True, lock_directory=place.locks
    ).judgements

    assert "" == judged.problem
    assert "sparse" in " ".join(judged.differences)
