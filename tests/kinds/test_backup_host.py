"""The diagnostics of a plan about a backup job before its first run: places, disks, and which archives a
change lets go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from reconciler.core.address import Address
from reconciler.core.changes import Change, Observed, Origin, Verb
from reconciler.core.diagnostic import errors
from reconciler.core.spec import Declared, Spec
from reconciler.formats import fstab
from reconciler.formats.backups.manifest import Manifest, dump, new_id, stem
from reconciler.host.simulation.host import SimulatedHost
from reconciler.kinds import discover
from reconciler.kinds.backups.archives import consequences, remain
from reconciler.kinds.backups.checks import BackupHost
from reconciler.kinds.backups.kind import KIND
from reconciler.spec.load import load
from tests.case import Reader, document

pytestmark = pytest.mark.slow

JOB = {"sources": ["/data"], "destinations": ["/backup/d"], "schedule": "daily"}
RESTIC = {"engine": "restic", "password_file": "/root/pass"}
DRILLS = {"restore_drill": "7d", "drill_directory": "/d"}
DAY = 86_400
KEY = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
Paths = Mapping[str, Any]
HERE: Paths = {"/data": {}, "/backup": {"mode": "0700"}}


def spec_of(more: Mapping[str, Any] | None = None, **job: Any) -> Spec:
    """A spec with one job."""
    spec, found = load(Reader(document({**(more or {}), "backups": {"d": {**JOB, **job}}})), discover())
    assert spec is not None, found
    return spec


def job_of(spec: Spec) -> Declared:
    """The one job."""
    return next(one for one in spec.resources if one.address.kind == "backups")


class Mounted(SimulatedHost):
    """A simulated host on which something is mounted."""

    at: frozenset[str] = frozenset()

    def mounts(self) -> frozenset[str]:
        """Where."""
        return self.at


def host_of(paths: Paths, mounts: Sequence[str] = (), table: str = "", *, running: bool = True) -> Mounted:
    """The host."""
    host = Mounted.of({**paths, **({"/etc/fstab": table} if table else {})}, running=running)
    assert isinstance(host, Mounted)
    host.at = frozenset(mounts)
    return host


def said(host: SimulatedHost, spec: Spec) -> list[tuple[str, str]]:
    """Severity and text of each trouble."""
    job: Any = job_of(spec).resource
    return [
        (str(one.severity), f"{one.summary}: {one.detail}") for one in BackupHost(host, spec).troubles(job)
    ]


@pytest.mark.parametrize(
    ("paths", "more", "job", "expected"),
    [
        (HERE, {}, {}, []),
        ({"/backup": {"mode": "0700"}}, {}, {}, ["source /data does not exist"]),
        (HERE, {}, {"sources": ["/data/*"]}, ["A `*` is not expanded"]),
        (
            {**HERE, "/link": {"target": "/data"}},
            {},
            {"sources": ["/link"]},
            ["source /link is a link: /link is a link to /data"],
        ),
        (
            {**HERE, "/link": {"target": "/data"}, "/data/x": {}},
            {},
            {"sources": ["/link/x"]},
            ["/link is a link to /data"],
        ),
        ({"/backup": {"mode": "0700"}}, {"directories": {"/data": {"mode": "0755"}}}, {}, []),
        ({"/backup": {"mode": "0700"}}, {"directories": {"/data/deep": {"mode": "0755"}}}, {}, []),
        ({"/data": {}}, {}, {}, ["destination /backup/d has no directory above it: /backup is not there"]),
        ({"/data": {}}, {"directories": {"/backup": {"mode": "0700"}}}, {}, []),
        ({"/data": {}}, {}, {"destinations": ["/backup"]}, []),
        ({**HERE, "/to": {"target": "/backup"}}, {}, {"destinations": ["/to"]}, ["/to is a link to /backup"]),
        (
            {**HERE, "/to": {"target": "/backup"}},
            {},
            {"destinations": ["/to/d"]},
            ["/to is a link to /backup"],
        ),
        (
            {**HERE, "/backup/d": {"mode": "0770"}},
            {},
            {},
            ["Others can write to /backup/d: chmod go-w /backup/d"],
        ),
        ({**HERE, "/backup/d": {"mode": "1777"}}, {}, {}, ["Others can write to /backup/d"]),
        ({"/data": {}, "/backup": {"mode": "0777"}}, {}, {}, ["Others can write to /backup: chmod"]),
        ({"/data": {}, "/backup": {"mode": "1777"}}, {}, {}, []),
        ({**HERE, "/backup/d": {"owner": "nobody"}}, {}, {}, ["/backup/d belongs to nobody"]),
        ({"/data": {}, "/backup": {"owner": "nobody"}}, {}, {}, ["/backup belongs to nobody"]),
        ({**HERE, "/backup/d": {"content": "x"}}, {}, {}, ["/backup/d is not a directory"]),
        ({**HERE, "/backup/d": {"mode": "0770"}}, {"directories": {"/backup/d": {"mode": "0700"}}}, {}, []),
        ({**HERE, "/d": {"owner": "nobody"}}, {}, DRILLS, ["/d belongs to nobody"]),
        ({**HERE, "/d": {"target": "/data"}}, {}, DRILLS, ["/d is a link to /data"]),
        ({**HERE, "/d": {"mode": "1777"}}, {}, DRILLS, []),
        ({**HERE, "/d": {"mode": "0777"}}, {}, DRILLS, ["Others can write to /d"]),
        (HERE, {}, RESTIC, ["/root/pass does not exist"]),
        ({**HERE, "/root/pass": {"mode": "0600", "content": "x"}}, {}, RESTIC, []),
        ({**HERE, "/root/pass": {"mode": "0640", "content": "x"}}, {}, RESTIC, ["/root/pass cannot be used"]),
        (
            {**HERE, "/root/pass": {"mode": "0600", "owner": "nobody", "content": "x"}},
            {},
            RESTIC,
            ["/root/pass cannot be used"],
        ),
        ({**HERE, "/root/pass": {"target": "/x"}}, {}, RESTIC, ["/root/pass cannot be used"]),
        (HERE, {"files": {"/root/pass": {"content": "x", "mode": "0600"}}}, RESTIC, []),
    ],
)
def test_places(paths: Paths, more: Mapping[str, Any], job: Mapping[str, Any], expected: list[str]) -> None:
    """Whatever a run would refuse is said when the job is planned; what the same spec makes is no trouble."""
    found = said(host_of(paths), spec_of(more, **job))

    assert len(expected) == len(found), found
    assert all(words in text for words, (_, text) in zip(expected, found, strict=True)), found


def test_what_can_never_work_is_an_error() -> None:
    """A link and a directory of somebody else's do not mend themselves; what is missing may come."""
    host = host_of({**HERE, "/link": {"target": "/data"}, "/backup/d": {"owner": "nobody"}})

    assert ["error", "warning", "error"] == [
        severity for severity, _ in said(host, spec_of(sources=["/link", "/gone"]))
    ]


def test_a_tree_has_no_disks() -> None:
    """In an image nothing is mounted, what a program will write is not there yet, and files may be those of
    who makes it.
    """
    assert [] == said(
        host_of({"/backup": {"owner": "nobody"}}, table="/dev/x /data ext4\n", running=False), spec_of()
    )


TABLE = (
    "UUID=1 /data ext4 defaults\nUUID=2 /backup ext4 noauto\n/dev/mapper/x /data/my\\040images ext4"
    " defaults\n"
)


def test_disks_that_are_not_mounted() -> None:
    """Sources and destinations that fstab puts on a disk which is not there, with the line to write."""
    found = said(host_of(HERE, table=TABLE), spec_of(one_file_system=True))

    assert ["require_mount: [/data]", "require_mount: [/backup]"] == [text.split("`")[1] for _, text in found]
    assert [] == said(host_of(HERE, ["/data", "/backup"], TABLE), spec_of(one_file_system=True))
    required = said(host_of(HERE, ["/backup"], TABLE), spec_of(one_file_system=True, require_mount=["/data"]))
    assert 1 == len(required)
    assert "Write" not in required[0][1]


def test_a_required_mount_that_is_not_there() -> None:
    """Without a line in fstab as well."""
    assert "`require_mount` names /backup" in said(host_of(HERE), spec_of(require_mount=["/backup"]))[0][1]
    assert [] == said(host_of(HERE, ["/backup"]), spec_of(require_mount=["/backup"]))


@pytest.mark.parametrize(
    ("mounts", "job", "expected"),
    [
        (["/data/images", "/data/images/more"], {}, ["/data/images is left out"]),
        (["/data/images"], {"one_file_system": True}, []),
        (["/data/images"], {"one_file_system": False}, []),
        (["/data/images"], {"exclude": ["/data/images"]}, []),
        (["/data/images"], {"exclude": ["images"]}, []),
        (["/data/images"], {"exclude": ["/data/images/*"]}, ["/data/images is left out"]),
        (["/data/d"], {"destinations": ["/data/d"]}, []),
        (["/dataset", "/data", "/"], {}, []),
    ],
)
def test_what_is_mounted_below(mounts: list[str], job: Mapping[str, Any], expected: list[str]) -> None:
    """It is named unless the spec says that it is meant, by `one_file_system` or `exclude`."""
    found = said(host_of({**HERE, "/data/d": {"mode": "0700"}}, mounts), spec_of(**job))

    assert len(expected) == len(found), found
    assert all(words in text for words, (_, text) in zip(expected, found, strict=True)), found


def test_what_is_to_be_mounted_below() -> None:
    """fstab's word counts before it is mounted: left out by default, and missing from the backup with
    `one_file_system: false`.
    """
    host = host_of(HERE, ["/data", "/backup"], TABLE)

    assert "/data/my images is left out" in said(host, spec_of())[0][1]
    assert "nothing is mounted at /data/my images" in said(host, spec_of(one_file_system=False))[0][1]


@pytest.mark.parametrize(
    ("mounts", "job", "expected"),
    [
        (["/"], {}, ["/data and /backup/d are on one file system"]),
        (["/", "/backup"], {}, []),
        (["/", "/backup/d"], {}, []),
        (["/", "/data"], {}, []),
        (["/"], {"destinations": ["/backup/d", "/backup/e"]}, ["/data and /backup/d and /backup/e are on"]),
        (["/", "/backup/e"], {"destinations": ["/backup/d", "/backup/e"]}, []),
        (["/", "/data"], {"sources": ["/data", "/srv"]}, ["/srv and /backup/d are on one file system"]),
        (["/", "/backup"], {"sources": ["/data/a", "/data"]}, ["/data is a source too"]),
        (["/", "/backup", "/data/a"], {"sources": ["/data/a", "/data"], "one_file_system": True}, []),
        ([], {}, []),
    ],
)
def test_one_disk(mounts: list[str], job: Mapping[str, Any], expected: list[str]) -> None:
    """Archives on the disk of their source, and what two sources have, are told; disks of their own are
    not.
    """
    host = host_of({**HERE, "/data/a": {}, "/srv": {}, "/backup/d": {"mode": "0700"}}, mounts)
    found = said(host, spec_of(**job))

    assert len(expected) == len(found), found
    assert all(words in text for words, (_, text) in zip(expected, found, strict=True)), found


# --------------------------------------------------------------------------------------------------- archives


def archives(
    place: str, days: int, sources: tuple[str, ...] = ("/data",), size: int = 10, *, chain: bool = False
) -> dict[str, Any]:
    """A destination with one good archive a day, each in need of all before it in a chain."""
    paths: dict[str, Any] = {place: {"mode": "0700"}}
    parents: tuple[str, ...] = ()
    for day in range(days):
        started = 1_780_000_000 + day * DAY
        ident = new_id(started * 1_000_000, "0000")
        name = f"{stem('d', ident)}.tar.gz"
        manifest = Manifest(
            ident,
            "d",
            name,
            started,
            started,
            size,
            "0" * 64,
            sources,
            "1",
            "1.34",
            verified=True,
            verified_at=started,
            parents=parents,
            kind="incremental" if parents else "full",
        )
        parents = (*parents, ident) if chain else ()
        paths |= {
            f"{place}/{name}": {"content": "x" * size},
            f"{place}/{stem('d', ident)}.json": {"content": dump(manifest).decode()},
        }
    return paths


def config(fields: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """The document of the job file; empty where there is none."""
    parts = KIND.expand(job_of(spec_of(**fields)), *(True,)) if fields is not None else ()
    return next((part.document["job"] for part in parts if part.address.part == "config"), {})


def told(host: SimulatedHost, before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> list[str]:
    """The consequences of a change of the job, in words."""
    found = consequences(host, job_of(spec_of(**after)), dict(config(before)) or None, config(after))
    return [f"{one.summary}: {one.detail}" for one in found]


def test_a_change_of_keep() -> None:
    """Which archives go is said by their ids; what would have gone anyway is not told."""
    host = host_of({**HERE, **archives("/backup/d", 5)})
    (text,) = told(host, {"keep": {"last": 5}}, {"keep": {"last": 1}})

    assert text.startswith("4 archives would be deleted: 4 of the 5 archives in /backup/d")
    assert 4 == text.count("-000000000")
    assert [] == told(host, {"keep": {"last": 1}}, {"keep": {"last": 1}, "compress": "zstd"})
    assert [] == told(host, {"keep": {"last": 1}}, {"keep": {"last": 9}})
    assert [] == told(host, {"keep": {"last": 1}}, {})
    (text,) = told(host, {"keep": {"within": "30d"}}, {"keep": {"within": "1d"}})
    assert text.startswith("3 archives")


def test_a_new_job_and_archives_of_an_old_one() -> None:
    """A job of the same name lets go of what is there: that is said too."""
    host = host_of({**HERE, **archives("/backup/d", 20)})
    (text,) = told(host, None, {"keep": {"last": 2}})

    assert text.startswith("18 archives")
    assert "and 8 more" in text


def test_archives_in_doubt_let_nothing_go() -> None:
    """The plan says what the run would do."""
    paths = {**HERE, **archives("/backup/d", 5, size=1000)}
    small = {name: value for name, value in archives("/backup/d", 7, size=10).items() if name not in paths}

    (only,) = told(host_of({**paths, **small}), {"keep": {"last": 7}}, {"keep": {"last": 5}})

    assert "No archive that is seen from here goes by that now" in only


def test_a_source_that_leaves() -> None:
    """The archives that have it are the last ones, and go by `keep`."""
    host = host_of({**HERE, **archives("/backup/d", 3, ("/data", "/srv"))})
    (text,) = told(host, {"sources": ["/data", "/srv"], "keep": {"last": 3}}, {"keep": {"last": 3}})

    assert text.startswith("/srv will be in no new archive")
    assert "they go one after the other" in text
    assert "they stay" in told(host, {"sources": ["/data", "/srv"]}, {})[0]
    assert [] == told(host, {"sources": ["/data", "/opt"]}, {})


def test_a_destination_that_leaves_or_comes() -> None:
    """Archives in the old destination are looked after by nobody; archives in the new one count."""
    host = host_of({**HERE, **archives("/backup/d", 3), **archives("/backup/e", 4)})
    found = told(host, {"keep": {"last": 1}}, {"destinations": ["/backup/e"], "keep": {"last": 1}})

    assert ["3 archives would be deleted", "/backup/d is left to itself"] == [
        text.partition(":")[0] for text in found
    ]
    assert "of the 3 archives of 30 bytes in /backup/d" in found[1]
    assert [] == told(host_of(HERE), {}, {"destinations": ["/backup/e"]})


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({}, {"exclude": ["*.tmp"]}, ["the next archive is a full one"]),
        ({}, {"one_file_system": False}, ["the next archive is a full one"]),
        ({}, {"type": "differential"}, []),
        ({"type": "full"}, {"exclude": ["*.tmp"]}, []),
        ({}, {"type": "full", "exclude": ["*.tmp"]}, []),
        ({}, {"keep": {"last": 9}, "full_every": "30d"}, []),
        (
            {"encrypt_to": [KEY]},
            {"encrypt_to": []},
            ["new archives are no longer encrypted", "the next archive is a full one"],
        ),
        ({}, {"encrypt_to": [KEY]}, ["the next archive is a full one"]),
        ({"destinations": ["/backup/d", "/backup/e"]}, {"type": "full"}, ["a new archive has 1 copy only"]),
    ],
)
def test_what_a_change_costs(before: dict[str, Any], after: dict[str, Any], expected: list[str]) -> None:
    """A chain that begins anew, archives that anybody can read, and fewer copies are told."""
    chain = {"type": "incremental", "keep": {"last": 5}}
    host = host_of({**HERE, "/backup/d": {"mode": "0700"}})
    found = [text.partition(":")[0] for text in told(host, {**chain, **before}, {**chain, **after})]

    assert expected == found


def test_a_chain_goes_as_a_whole() -> None:
    """None of a chain goes as long as an archive stays that needs it."""
    chain = {**HERE, **archives("/backup/d", 5, chain=True)}
    (text,) = told(host_of(chain), {"keep": {"last": 5}}, {"keep": {"last": 1}})

    assert text.startswith("fewer archives are kept: last 1")
    (text,) = told(
        host_of({**HERE, **archives("/backup/d", 5)}), {"keep": {"last": 5}}, {"keep": {"last": 1}}
    )
    assert text.startswith("4 archives would be deleted")


def test_another_engine() -> None:
    """The archives of the former engine stay, count for nothing any more, and are not said to go."""
    restic = {"engine": "restic", "password_file": "/root/pass"}
    host = host_of({**HERE, **archives("/backup/d", 3)})
    less, text = told(host, {"keep": {"last": 3}}, {**restic, "keep": {"last": 1}})

    assert less.startswith("fewer archives are kept")
    assert text.startswith("/backup/d has backups by tar:")
    assert "the 3 archives of 30 bytes in /backup/d" in text
    assert [] == told(host_of(HERE), {}, restic)
    (text,) = told(host_of(HERE), restic, {})
    assert "the snapshots in /backup/d" in text
    (text,) = told(host_of(HERE), restic, {**restic, "destinations": ["/backup/e"]})
    assert "`restic --repo /backup/d restore latest --target DIR`" in text


def test_a_job_that_goes() -> None:
    """Its archives stay where they are: how many, of which size, and how they give files back."""
    removed = Change(
        Address("backups", "d", "config"),
        Verb.DELETE,
        Origin.REMOVED,
        observed=Observed({"job": dict(config({}))}),
    )
    (left,) = remain(host_of({**HERE, **archives("/backup/d", 3)}), removed)

    assert "/backup/d is left to itself" == left.summary
    assert "the 3 archives of 30 bytes in /backup/d" in left.detail
    assert "`reconciler backup restore --from /backup/d --job d --to DIR`" in left.detail
    assert [] == [*remain(host_of(HERE), removed)]


# ---------------------------------------------------------------------------------------------------- spans


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"keep": {"within": 30}}, "30d are days"),
        ({"keep": {"within": "30"}}, "30d are days"),
        ({"keep": {"within": "1d 30"}}, "each number has its unit"),
        ({"keep": {"within": "30m"}}, "less than a day"),
        ({"keep": {"within": "30s"}}, "less than a day"),
        ({"max_age": 26}, "26h hours"),
        ({"max_age": "1.5"}, "each number has its unit"),
        ({"clock_jump": 60}, "60d are days"),
        ({"before_timeout": "90"}, "90min minutes"),
    ],
)
def test_a_span_needs_a_unit(fields: Mapping[str, Any], words: str) -> None:
    """A span that is meant in days must not be taken for seconds."""
    _, found = load(Reader(document({"backups": {"d": {**JOB, **fields}}})), discover())

    assert words in " ".join(one.detail for one in errors(found))


def test_a_source_inside_a_destination() -> None:
    """The destination is left out of the archive, and the source with it."""
    _, found = load(
        Reader(document({"backups": {"d": {**JOB, "sources": ["/data/src"], "destinations": ["/data"]}}})),
        discover(),
    )

    assert "inside the destination /data" in " ".join(one.detail for one in errors(found))


@pytest.mark.parametrize(
    ("user", "told"),
    [
        ({"home": "/srv/app"}, True),
        ({"home": "/srv/app", "directories": ["data"]}, False),
        ({"home": "/srv/app", "directories": ["data/x"]}, False),
        ({"home": "/srv/app/data"}, False),
        ({"home": {"path": "/srv/app/data", "manage": False}}, True),
    ],
)
def test_a_source_that_nothing_makes_is_told(user: dict[str, Any], told: bool) -> None:
    """A home that comes brings what is declared in it, and nothing else."""
    found = said(
        host_of({"/backup": {"mode": "0700"}}), spec_of({"users": {"app": user}}, sources=["/srv/app/data"])
    )

    assert told == any("source /srv/app/data does not exist" in text for _, text in found)


@pytest.mark.parametrize(
    ("destination", "place"),
    [
        ("/run/d", "/run"),
        ("/run/user/0/d", "/run"),
        ("/tmp/d", "/tmp"),  # nothing is put there
        ("/dev/shm/d", "/dev"),  # likewise
        ("/ram/d", "/ram"),
        ("/ram/deep/d", "/ram"),
        ("/old/d", "/old"),
        ("/unit/d", "/unit"),
        ("/ram/disk/d", ""),
        ("/run/disk/d", ""),
        ("/run/media/root/usb/d", ""),
        ("/disk/d", ""),
        ("/backup/d", ""),
        ("/runs/d", ""),
    ],
)
def test_a_destination_that_does_not_last(destination: str, place: str) -> None:
    """Places that a boot empties, and file systems in memory of fstab and units, unless a disk is nearer."""
    table = (
        "tmpfs /ram tmpfs size=1g 0 0\n/dev/a /ram/disk ext4\nnone /old ramfs\n/dev/b /disk ext4\n"
        "/dev/c /run/disk xfs\n"
    )
    unit = {"/etc/systemd/system/unit.mount": "[Mount]\nWhat=x\nWhere=/unit\nType = tmpfs\n"}
    host = host_of({**HERE, **unit}, table=table)
    told = [text for _, text in said(host, spec_of(destinations=[destination])) if "next boot" in text]

    assert bool(place) == bool(told)
    assert all(f"{place} is emptied by every boot" in text for text in told)


def test_a_destination_that_is_cleaned_by_age() -> None:
    """systemd-tmpfiles removes from /var/tmp what is older than thirty days."""
    told = said(host_of(HERE), spec_of(destinations=["/var/tmp/d"]))  # nothing is put there

    assert any("removed by age" in text for _, text in told)


def test_a_snapshot_tells_file_systems_in_memory() -> None:
    """Its outline of fstab has no devices and no options, and the types that count here."""
    text = "tmpfs /ram tmpfs size=1g 0 0\n//nas/x /x cifs password=S 0 0\n/dev/a none swap sw 0 0\n"

    assert "- /ram tmpfs\n- /x -\n- none swap\n" == fstab.outline(text)
    assert {"/ram"} == fstab.in_memory(fstab.outline(text)) == fstab.in_memory(text)
