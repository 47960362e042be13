"""Restic repositories behind a server of its REST protocol that wants a name and a password."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Self
from urllib.parse import quote

import pytest

from reconciler.core.host import HostError
from reconciler.formats.backups.job import Keep
from reconciler.host.state import restic_records
from reconciler.jobs import engines
from tests.jobs.places import manifest
from tests.jobs.repositories import PROGRAM, ResticPlace
from tests.jobs.rest_server import PASSWORD, USER, RestServer, rest_server
from tests.jobs.test_restic import ids, verify

pytestmark = pytest.mark.slow

SECRETS = (PASSWORD, quote(PASSWORD, safe=""), PASSWORD.split("/", 1)[0], "correct horse")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RestServer]:
    """The server."""
    with rest_server(tmp_path / "server") as running:
        yield running


def behind(place: ResticPlace, server: RestServer, password: str = PASSWORD) -> ResticPlace:
    """The job with the server as its one destination."""
    environment = place.top / "rest.env"
    environment.write_text(f"RESTIC_REST_USERNAME={USER}\nRESTIC_REST_PASSWORD='{password}'\n")
    environment.chmod(0o600)
    if place.repository.exists():  # one that opens at once
        shutil.copytree(place.repository, server.top / "r", dirs_exist_ok=True)
    assert place.job.restic is not None
    files = {server.url: str(environment)}
    return place.having(destinations=(server.url,), restic=replace(place.job.restic, environment_files=files))


def stored(server: RestServer) -> set[str]:
    """The names of all files on the server, and of no other."""
    return {str(path.relative_to(server.top)) for path in server.top.rglob("*") if path.is_file()}


class Watch:
    """The arguments of every process of this machine that a restic of ours may be, while it runs."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stop.is_set():
            for entry in Path("/proc").iterdir():
                try:
                    argv = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
                except OSError:
                    continue
                if b"--password-file" in argv:
                    self.seen.add(argv)
            time.sleep(0.005)


def test_a_run_and_all_that_follows(new_restic_place: ResticPlace, server: RestServer) -> None:
    """The first run makes the repository; old snapshots go, what is there is verified and comes back; neither
    the password of the server nor that of the repository is in an argument or in what is recorded.
    """
    place = behind(new_restic_place, server).having(keep=Keep(last=1))
    with Watch() as watch:
        first = place.run()
        done = place.run()
        judged = verify(place, everything=True, compare=True)
        engines.restore(place.job, "", str(place.top / "back"), [])
    expected = manifest(place.source)
    expected.pop("cache.tmp")

    assert [{}, {}] == [first.failed, done.failed]
    assert (first.manifest.id,) == tuple(done.pruned[server.url].removed), done
    assert [done.manifest.id] == ids(place)
    assert [("", ())] == [(item.problem, item.differences) for item in judged.judgements]
    assert expected == manifest(place.top.joinpath("back", *place.source.parts[1:]))
    assert 1 == len([name for name in stored(server) if "/snapshots/" in name])
    assert not [name for name in stored(server) if "/locks/" in name]
    assert watch.seen
    recorded = (Path(restic_records.DIRECTORY) / f"{place.job.name}.json").read_text()
    for secret in SECRETS:
        assert secret.encode() not in b"".join(watch.seen)
        assert secret not in recorded
        assert secret not in repr((first, done, judged))


def test_a_wrong_password_of_the_server(new_restic_place: ResticPlace, server: RestServer) -> None:
    """The run fails and says so without the password; no repository is made."""
    with pytest.raises(HostError) as failure:
        behind(new_restic_place, server, "another s3cret").run()

    assert "401" in str(failure.value)
    assert "s3cret" not in str(failure.value)
    assert not stored(server)


def test_nobody_answers(restic_place: ResticPlace, tmp_path: Path) -> None:
    """The message has neither the name nor the password of the server."""
    with rest_server(tmp_path / "server") as server:
        place = behind(restic_place, server)
    with pytest.raises(HostError) as failure:
        place.run()

    assert "refused" in str(failure.value) or "cannot be reached" in str(failure.value)
    assert not [secret for secret in SECRETS if secret in str(failure.value)]


def fill(place: ResticPlace) -> None:
    """A file that fills a pack."""
    (place.source / "noise").write_bytes(os.urandom(6 << 20))


def test_an_upload_that_is_cut_off(restic_place: ResticPlace, server: RestServer) -> None:
    """Restic tries again, the run is whole, and every byte is there."""
    place = behind(restic_place, server)
    place.run()
    fill(place)
    server.cut_off_at, server.heals_after = 1 << 20, 2
    done = place.run()

    assert 2 == server.cuts
    assert not done.failed
    assert done.manifest.verified
    assert [("", ())] == [
        (item.problem, item.differences) for item in verify(place, everything=True, compare=True).judgements
    ]


def test_a_server_that_dies_in_mid_upload(restic_place: ResticPlace, server: RestServer) -> None:
    """A run that ends then is no good one: the last good snapshot stays and comes back, and the next run is
    whole.
    """
    place = behind(restic_place, server)
    before = place.run().manifest
    expected = manifest(place.source)
    expected.pop("cache.tmp")
    fill(place)
    server.cut_off_at = 1 << 20
    spy = place.top / "restic"
    spy.write_text(
        f'#!/bin/sh\ncase " $* " in *" backup "*) exec timeout 4 {PROGRAM} "$@";; esac\nexec {PROGRAM} "$@"\n'
    )
    spy.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("reconciler.host.archives.restic.PROGRAM", str(spy))
        with pytest.raises(HostError) as failure:
            place.run()
    server.cut_off_at = 0
    engines.restore(place.job, "", str(place.top / "back"), [])

    assert server.cuts
    assert not [secret for secret in SECRETS if secret in str(failure.value)]
    assert [before.id] == ids(place)
    assert expected == manifest(place.top.joinpath("back", *place.source.parts[1:]))
    done = place.run()
    assert not done.failed
    assert [before.id, done.manifest.id] == ids(place)
    assert [""] == [item.problem for item in verify(place, everything=True).judgements]
