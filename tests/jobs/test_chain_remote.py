"""Chains with a destination on another machine: it gets what it missed, and gives back what the others lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.formats.backups.job import Keep
from reconciler.jobs import archives
from reconciler.jobs.restoring import restore as restoring
from reconciler.jobs.restoring import verify as verifying
from tests.jobs.far_end import SFTP_ONLY, SSHD, FarEnd, far_end
from tests.jobs.places import Place, manifest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path(SSHD).exists(), reason="needs sshd: apt install openssh-server"),
]


@pytest.fixture(params=["", SFTP_ONLY], ids=["shell", "sftp"])
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FarEnd]:
    """Another machine, with a shell or without."""
    arguments = [request.param] if request.param else []
    with far_end(tmp_path / "machine", *arguments) as end:
        yield end


def test_a_chain_over_there(place: Place, machine: FarEnd) -> None:
    """A run that it missed is made good by the next one, whose archive is incremental; with the archives of
    here gone every day comes back from there, and both are judged with what they need.
    """
    remote = machine.remote()
    here = place.having(type="incremental", keep=Keep(), exclude=())
    both = here.having(destinations=(*here.job.destinations, remote.url), remotes={remote.url: remote})
    idents = [both.run().manifest.id]
    (place.source / "second").write_text("second")
    idents.append(here.run().manifest.id)
    (place.source / "numbers").unlink()
    last = both.run()
    idents.append(last.manifest.id)

    assert {} == last.failed
    assert "incremental" == last.manifest.kind
    listed = archives.listing(both.job)
    assert idents == [archives.manifest_of(copies).id for copies in listed.archives]
    assert all(copies[remote.url].good for copies in listed.archives)
    done = verifying.verify(both.job, "", everything=False, compare=False, lock_directory=place.locks)
    assert [""] * 6 == [judgement.problem for judgement in done.judgements]
    for path in place.destination.glob("*.tar.gz"):
        path.unlink()
    restoring.restore(both.job, "", str(place.top / "back"), [])
    assert manifest(place.source) == manifest(place.top / "back" / str(place.source)[1:])
