"""Restic repositories in an S3 store: moto's server, where it is there (`pip install moto[server]`, and
`RECONCILER_TEST_MOTO=` the path of its `moto_server`). It is too large to be fetched for each run of the tests.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.formats.backups.job import Keep
from reconciler.host.state import restic_records
from reconciler.jobs import engines
from reconciler.jobs.health import lost_job
from reconciler.jobs.health.lost_job import Place
from reconciler.jobs.restoring import drill
from tests.jobs.places import manifest
from tests.jobs.repositories import ResticPlace
from tests.jobs.test_restic import ids, verify
from tests.jobs.test_restic_rest import Watch

MOTO = os.environ.get("RECONCILER_TEST_MOTO", "")
KEY_ID, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"  # Amazon's example
pytestmark = pytest.mark.slow
__test__ = bool(MOTO)
"""A form that somebody asks for, like the long ones: without the server there is nothing to skip."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the store."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (tmp_path_factory.mktemp("moto") / "log").open("wb") as log:
        server = subprocess.Popen([MOTO, "-H", "127.0.0.1", "-p", str(port)], stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            if _answers(port):
                break
            time.sleep(0.1)
        # restic 0.14 makes a missing bucket; 0.18 would ask for it for 15 minutes.
        argv = ["curl", "--silent", "--fail", "--request", "PUT", f"{address}/backups"]
        subprocess.run(argv, check=True, capture_output=True)
        yield address
    finally:
        server.terminate()
        server.wait()


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def test_a_job_in_a_bucket(new_restic_place: ResticPlace, store: str) -> None:
    """The first run makes the repository; old snapshots go, the rest is verified, a drill restores it,
    and it comes back, without the job too; the keys are in no argument, and in nothing that is recorded.
    """
    url, environment = f"s3:{store}/backups/app", new_restic_place.top / "s3.env"
    environment.write_text(f"AWS_ACCESS_KEY_ID={KEY_ID}\nexport AWS_SECRET_ACCESS_KEY={SECRET}\n")
    environment.chmod(0o600)
    assert new_restic_place.job.restic is not None
    settings = replace(new_restic_place.job.restic, environment_files={url: str(environment)})
    drills = new_restic_place.top / "drills"
    drills.mkdir(mode=0o700)
    place = new_restic_place.having(
        destinations=(url,), restic=settings, keep=Keep(last=1), drill_directory=str(drills)
    )
    with Watch() as watch:
        first = place.run()
        done = place.run()
        judged = verify(place, everything=True, compare=True)
        drilled = drill.drill(place.job, {}, lambda _: None, place.place.locks)
        engines.restore(place.job, "", str(place.top / "back"), [])
        there = Place(url, password_file=str(place.top / "pass"), environment_file=str(environment))
        engines.restore(lost_job.job_of(there, ""), "", str(place.top / "lost"), [])
    expected = manifest(place.source)
    expected.pop("cache.tmp")

    assert [{}, {}] == [first.failed, done.failed]
    assert () == done.pruned[url].notes
    assert [done.manifest.id] == ids(place)
    assert [("", ())] == [(item.problem, item.differences) for item in judged.judgements]
    assert (True, True) == (drilled.good, drilled.whole), drilled.reason
    for back in ("back", "lost"):
        assert expected == manifest(place.top.joinpath(back, *place.source.parts[1:]))
    recorded = (Path(restic_records.DIRECTORY) / f"{place.job.name}.json").read_text()
    assert json.loads(recorded)
    for secret in (SECRET, "correct horse"):
        assert secret.encode() not in b"".join(watch.seen)
        assert secret not in recorded
        assert secret not in repr((first, done, judged, drilled))
