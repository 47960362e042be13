"""Whatever happens to a tree, each of its days comes back from a chain as it was.

`RECONCILER_FAULTS=1` plays 200 histories.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from reconciler.formats.backups.job import Keep
from reconciler.host.archives import snapshot_file
from reconciler.jobs.restoring import restore as restoring
from tests.jobs.histories import History, differences
from tests.jobs.places import Place

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.geteuid() != 0, reason="needs root: owners")]

HISTORIES = 200 if os.environ.get("RECONCILER_FAULTS") == "1" else 12
FIRST = int(os.environ.get("RECONCILER_SEED", "0"))


@pytest.mark.parametrize("seed", range(FIRST, FIRST + HISTORIES))
def test_each_day_comes_back(place: Place, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to 12 runs of a random history: each archive restores the tree of its day, as rsync judges."""
    # Days follow each other within a second here: with it, most files would be archived each day.
    monkeypatch.setattr(snapshot_file, "_COARSE", 1)
    shutil.rmtree(place.source)
    kind = ("incremental", "incremental", "differential")[seed % 3]
    place = place.having(type=kind, keep=Keep(), exclude=(), compress="none")
    history = History(place.source, seed)
    kinds, idents = [], []
    for day in range(6 + seed % 7):
        history.live(12 if day else 0)
        manifest = place.run().manifest
        assert manifest.verified
        kinds.append(manifest.kind)
        idents.append(manifest.id)
        _copy(place.source, place.top / f"day{day}")
    for day, ident in enumerate(idents):
        target = place.top / f"back{day}"
        restoring.restore(place.job, ident, str(target), [])
        assert "" == differences(place.top / f"day{day}", target / str(place.source)[1:]), (seed, day)
    assert "full" == kinds[0]
    assert kind in kinds[1:]


def _copy(source: Path, target: Path) -> None:
    subprocess.run(["rsync", "-aHAX", f"{source}/", f"{target}/"], check=True)
    subprocess.run(["rsync", "-aHAX", f"{source}/", f"{target}/"], check=True)
