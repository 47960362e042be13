"""Restic jobs in directories of their own, with the real program."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.formats.backups.job import Job, Restic
from reconciler.host.archives import restic
from reconciler.host.state import restic_records
from reconciler.jobs import backup
from reconciler.jobs.making.done import Done
from tests.jobs.places import REPOSITORY, Place, make_place
from tests.jobs.quick_key import replace_key

PROGRAM = os.environ.get("RECONCILER_TEST_RESTIC", "/usr/bin/restic")
"""The restic that the tests use: another version than the system's, if this says so."""

PASSWORD = "correct horse\n"  # it opens nothing that stays

_RUN = """
import sys
sys.path.insert(0, {repository!r})
from reconciler.core.host import HostError
from reconciler.formats.backups.job import Job, Keep, Restic
from reconciler.host.archives import restic
from reconciler.host.state import restic_records
from reconciler.jobs import backup
restic.PROGRAM, restic.CACHE, restic_records.DIRECTORY = {program!r}, {cache!r}, {records!r}
try:
    backup.run({job!r}, print, {locks!r})
except HostError as problem:
    sys.exit(f"{{type(problem).__name__}}: {{problem}}")
"""


@dataclass(frozen=True, slots=True)
class ResticPlace:
    """A source tree and a job whose engine is restic."""

    place: Place

    @property
    def job(self) -> Job:
        """The job."""
        return self.place.job

    @property
    def top(self) -> Path:
        """The directory that everything is in."""
        return self.place.top

    @property
    def source(self) -> Path:
        """The source tree."""
        return self.place.source

    @property
    def repository(self) -> Path:
        """The first destination."""
        return Path(self.job.destinations[0])

    def having(self, **fields: Any) -> ResticPlace:
        """The same with a job that differs."""
        return ResticPlace(self.place.having(**fields))

    def on(self, host: str) -> ResticPlace:
        """The same as a job of another host."""
        assert self.job.restic is not None
        return self.having(restic=replace(self.job.restic, host=host))

    def run(self) -> Done:
        """One run."""
        return backup.run(self.job, lambda _: None, self.place.locks)

    def run_elsewhere(self, *wrapper: str, **env: str) -> subprocess.CompletedProcess[str]:
        """One run in a process of its own."""
        program = _RUN.format(
            repository=str(REPOSITORY),
            program=PROGRAM,
            cache=restic.CACHE,
            records=restic_records.DIRECTORY,
            job=self.job,
            locks=self.place.locks,
        )
        return subprocess.run(
            [*wrapper, sys.executable, "-c", program],
            env={**os.environ, **env},
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def restic(self, *argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Restic itself, the judge, on the first destination."""
        options = ["--no-cache", f"--password-file={self.top}/pass", f"--repo={self.repository}"]
        return subprocess.run(
            [PROGRAM, *options, *argv], capture_output=True, text=True, check=check, stdin=subprocess.DEVNULL
        )

    def snapshots(self) -> list[dict[str, Any]]:
        """All snapshots in the first destination, whoever made them."""
        listed: list[dict[str, Any]] = json.loads(self.restic("snapshots", "--json").stdout) or []
        return sorted(listed, key=lambda snapshot: str(snapshot["time"]))

    def check_it_is_sound(self) -> None:
        """Every byte in the repository is as restic wrote it."""
        self.restic("unlock")
        self.restic("check", "--read-data")


def make_template(top: Path) -> Path:
    """An empty repository that opens at once."""
    repository, password = top / "repository", top / "pass"
    password.write_text(PASSWORD)
    argv = [PROGRAM, "--no-cache", f"--password-file={password}", f"--repo={repository}"]
    subprocess.run([*argv, "init"], check=True, capture_output=True)
    master = subprocess.run([*argv, "cat", "masterkey"], check=True, capture_output=True).stdout
    replace_key(repository, PASSWORD.strip(), master)
    return repository


def make_restic_place(top: Path, monkeypatch: pytest.MonkeyPatch, template: Path | None) -> ResticPlace:
    """The tree that backups get wrong, a repository, and what is root's elsewhere."""
    place = make_place(top)
    (top / "pass").write_text(PASSWORD)
    (top / "pass").chmod(0o600)
    monkeypatch.setattr(restic, "PROGRAM", PROGRAM)
    monkeypatch.setattr(restic, "CACHE", str(top / "cache"))
    monkeypatch.setattr(restic_records, "DIRECTORY", str(top / "records"))
    if template is not None:
        shutil.copytree(template, top / "repository")
    settings = Restic("testhost", str(top / "pass"))
    return ResticPlace(place.having(restic=settings, destinations=(str(top / "repository"),)))
