"""The record of a restic job on its host: the verdict on each snapshot, its figures, and the place in the
rotation of checks.

A repository does not say which snapshots were proved to be good. Without the record none is known to be, so
that `keep` lets none go until a run or `backup verify` has looked.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import field, replace
from typing import Any

from reconciler.core.basics.frozen import frozen
from reconciler.formats.backups import manifest as manifests
from reconciler.formats.backups.manifest import Manifest, NotAManifest

FORMAT = 1
PARTS = 30
"""A check reads one of so many parts of the data: with a check a day all of it in a month."""


class NotARecord(Exception):
    """The bytes are no record of this version."""


@frozen
class RepositoryRecord:
    """Everything that is known of one repository."""

    id: str = ""
    """The id of the repository, empty before the first run."""
    part: int = 1
    """The part that the next check reads."""
    checked: int | None = None
    """When the last check ended, in seconds since the epoch."""
    problem: str = ""
    """The fault that a check found; empty if it is mended, or none was found."""
    problem_part: int = 0
    """The part of the data that it was found in, 0 if all was read: all must be read again."""
    unfinished: tuple[str, ...] = ()
    """The ids of archives whose run has not ended, or never did: nobody knows what they lack."""
    prune_due: bool = False
    """Whether snapshots were forgotten whose data is still there."""
    machines: tuple[str, ...] = ()
    """The former machines whose snapshots are this machine's."""
    archives: Mapping[str, Manifest] = field(default_factory=dict)
    """The manifest of each snapshot by id; `sha256` is the snapshot's own id."""

    def with_archive(self, archive: Manifest) -> RepositoryRecord:
        """The same with a new archive, or a new verdict on it."""
        unfinished = tuple(ident for ident in self.unfinished if ident != archive.id)
        return replace(self, archives={**self.archives, archive.id: archive}, unfinished=unfinished)

    def only(self, idents: Collection[str]) -> RepositoryRecord:
        """The same without what is known of archives that are gone."""
        return replace(
            self,
            archives={ident: archive for ident, archive in self.archives.items() if ident in idents},
            unfinished=tuple(ident for ident in self.unfinished if ident in idents),
        )

    def passed(self, part: int, now: int) -> RepositoryRecord:
        """The same after a check that found no fault; `part` is 0 if it read everything."""
        following = 1 if part == 0 else part % PARTS + 1
        still = self.problem if part and part != self.problem_part else ""
        return replace(self, part=following, checked=now, problem=still)

    def failed(self, part: int, problem: str, now: int) -> RepositoryRecord:
        """The same after a check that found a fault: the next one reads this part again."""
        return replace(self, checked=now, problem=problem, problem_part=part)


Records = Mapping[str, RepositoryRecord]
"""The repositories of a job, by destination."""


def dump(records: Records) -> bytes:
    """The record as a file."""
    data = {destination: _data(record) for destination, record in records.items()}
    text = json.dumps({"format": FORMAT, "repositories": data}, indent=1, sort_keys=True)
    return text.encode() + b"\n"


def _data(record: RepositoryRecord) -> dict[str, Any]:
    archives = {ident: json.loads(manifests.dump(archive)) for ident, archive in record.archives.items()}
    return {
        "id": record.id,
        "part": record.part,
        "checked": record.checked,
        "problem": record.problem,
        "problem_part": record.problem_part,
        "unfinished": list(record.unfinished),
        "prune_due": record.prune_due,
        "machines": list(record.machines),
        "archives": archives,
    }


def load(content: bytes, job: str) -> Records:
    """Read what `dump` wrote. Raises NotARecord."""
    try:
        data = json.loads(content)
        if data["format"] != FORMAT:
            raise NotARecord("it was written by another version")
        return {str(place): _record(item, job) for place, item in data["repositories"].items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as problem:
        raise NotARecord(f"it is damaged: {problem}") from problem


def _record(data: Mapping[str, Any], job: str) -> RepositoryRecord:
    archives: dict[str, Manifest] = {}
    for ident, item in data["archives"].items():
        try:
            archives[ident] = manifests.load(json.dumps(item).encode(), job, ident)
        except NotAManifest:
            continue  # nothing is known of it, then
    part = int(data["part"])
    return RepositoryRecord(
        str(data["id"]),
        part if 1 <= part <= PARTS else 1,
        None if data["checked"] is None else int(data["checked"]),
        str(data["problem"]),
        int(data["problem_part"]),
        tuple(map(str, data["unfinished"])),
        data["prune_due"] is True,
        tuple(map(str, data["machines"])),
        archives,
    )
