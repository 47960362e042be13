from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.address import Address
from reconciler.core.changes import Part
from reconciler.core.diagnostic import Diagnostic, errors
from reconciler.core.spec import Declared
from reconciler.formats.backups import job as backup_job
from reconciler.formats.backups.job import NotAJob
from reconciler.formats.systemd import timespan
from reconciler.kinds import discover
from reconciler.kinds.backups.kind import KIND
from reconciler.policy.lint import lint
from reconciler.spec.load import load
from tests.case import Reader, document

pytestmark = pytest.mark.slow

PASSWORD = {"password_file": "/root/restic.pass"}
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGVYq0M2hA1qUeqSvLRrWm7mSxv1k4l4jzW0JwG1tJQf"
FAR = {"url": "sftp://me@vault/srv", "host_key": KEY, "identity_file": "/root/.ssh/backup"}
NEAR = {**FAR, "url": "sftp:me@nas:/srv/r"}
"""A repository of restic."""
JOB = {"sources": ["/data/x"], "destinations": ["/backup/x"], "schedule": "0 2 * * *"}


def loaded(**fields: Any) -> tuple[Declared | None, list[Diagnostic]]:
    """The job as the loader has it, and everything there is to complain about."""
    spec, found = load(Reader(document({"backups": {"x": {**JOB, **fields}}})), discover())
    if spec is None:
        return None, found
    return spec.resources[0], [*found, *lint(spec, discover())]


def parts(declared: Declared, *, running: bool = True) -> dict[str, Part]:
    """The parts that a job expands into, by name."""
    return {part.address.part: part for part in KIND.expand(declared, running)}


def job_of(declared: Declared) -> backup_job.Job:
    """The job that `backup run` reads from what apply writes."""
    config = parts(declared)["config"]
    assert config.content is not None
    return backup_job.job(backup_job.parse(config.content.decode()), "x")


def test_what_is_declared_is_what_runs() -> None:
    """Every field of the spec arrives in the job, through the file, with spans as seconds."""
    declared, found = loaded(
        exclude=["*.tmp"],
        keep={"daily": 7, "within": "30d"},
        verify="never",
        require_mount=["/data"],
        before=[["/bin/dump", "--all"]],
        before_timeout="5min",
        compress="zstd",
        one_file_system=False,
        max_age="26h",
        clock_jump="infinity",
        type="differential",
        full_every="monthly",
    )
    assert declared is not None
    job = job_of(declared)

    assert [] == errors(found)
    assert (("/data/x",), ("/backup/x",), ("*.tmp",), ("/data",)) == (
        job.sources,
        job.destinations,
        job.exclude,
        job.require_mount,
    )
    assert backup_job.Keep(daily=7, within=30 * 86_400) == job.keep
    assert ((backup_job.Hook(("/bin/dump", "--all"), timeout=300),), "zstd", 26 * 3600) == (
        job.before,
        job.compress,
        job.max_age,
    )
    assert (False, False, float("inf")) == (job.verify, job.one_file_system, job.clock_jump)
    assert ("differential", 30 * 86_400) == (job.type, job.full_every)


def test_a_job_of_restics() -> None:
    """Its job file has the password's file, the host, and the environment of each repository elsewhere."""
    far = {"url": "s3:https://host/bucket", "environment_file": "/root/s3.env"}
    declared, found = loaded(engine="restic", destinations=["/backup/x", far], **PASSWORD)
    assert declared is not None
    job = job_of(declared)

    assert [] == found
    assert ("/backup/x", "s3:https://host/bucket") == job.destinations
    assert ("/backup/x",) == job.places
    assert "zstd" == job.compress
    expected = backup_job.Restic("testhost", "/root/restic.pass", {"s3:https://host/bucket": "/root/s3.env"})
    assert expected == job.restic


@pytest.mark.parametrize("url", ["sftp:me@nas:/srv/r", "sftp://me@nas:2222//srv/r", "sftp://me@[::1]//r"])
def test_a_repository_behind_a_key(url: str) -> None:
    """The job file of a restic job has the key of the machine and the private key; the job needs ssh, and the
    file of the key.
    """
    declared, found = loaded(engine="restic", destinations=[{**NEAR, "url": url}], **PASSWORD)
    assert declared is not None
    job = job_of(declared)
    assert job.restic is not None
    remote = job.restic.remotes[url]

    assert [] == found
    assert (url,) == job.destinations
    assert {} == job.remotes
    assert (KEY, "/root/.ssh/backup", "me") == (remote.host_key, remote.identity_file, remote.place.user)
    assert remote.place.port == (2222 if "2222" in url else 22)
    assert "/usr/bin/ssh" in [requirement.name for requirement in KIND.requires(declared)]
    assert Address("files", "/root/.ssh/backup") in [*KIND.references(declared)]


def test_a_destination_on_another_machine() -> None:
    """Its job file has the key of the machine and the private key; the job needs ssh, and the file of the
    key.
    """
    declared, found = loaded(destinations=["/backup/x", {**FAR, "limit": "10M", "retry_for": "2h"}])
    assert declared is not None
    job = job_of(declared)

    assert [] == found
    assert ("/backup/x", FAR["url"]) == job.destinations
    assert (10 << 20, 7200.0, 60.0) == (
        job.remotes[FAR["url"]].limit,
        job.remotes[FAR["url"]].retry_for,
        job.remotes[FAR["url"]].timeout,
    )
    assert "/usr/bin/ssh" in [requirement.name for requirement in KIND.requires(declared)]
    assert Address("files", "/root/.ssh/backup") in [*KIND.references(declared)]


@pytest.mark.parametrize("word", list(backup_job.EVERY))
def test_a_word_is_the_same_span_everywhere(word: str) -> None:
    """A month between drills is as long as one between full archives."""
    declared, found = loaded(restore_drill=word, full_every=word, type="incremental")
    assert declared is not None
    job = job_of(declared)

    assert [] == found
    assert job.restore_drill == job.full_every == backup_job.EVERY[word]


@pytest.mark.parametrize(
    ("text", "days"), [("daily", 1), ("weekly", 7), ("monthly", 30), ("quarterly", 91), ("2w 1d", 15)]
)
def test_drills(text: str, days: int) -> None:
    """A word or a span says how often; the job waits for the directory that drills unpack in."""
    declared, found = loaded(restore_drill=text, drill_directory="/srv/room", verify_max_age="35d")
    assert declared is not None
    job = job_of(declared)

    assert [] == found
    assert (days * 86_400, "/srv/room", 35 * 86_400) == (
        job.restore_drill,
        job.drill_directory,
        job.verify_max_age,
    )
    assert Address("directories", "/srv/room") in [*KIND.references(declared)]


def test_a_job_file_without_drills_says_nothing_of_them() -> None:
    """A job of a version without them has not changed."""
    declared, _ = loaded()
    assert declared is not None

    written = parts(declared)["config"].document["job"]
    assert not {"restore_drill", "drill_directory", "verify_max_age"} & set(written)


@pytest.mark.parametrize("text", ["30", "fortnightly", "0d", "infinity", "-1d", ""])
def test_a_drill_has_a_span(text: str) -> None:
    """A number without a unit, no time at all and any other word are refused."""
    assert loaded(restore_drill=text)[1]


def test_the_defaults_are_safe() -> None:
    """Verified, one file system, nothing deleted."""
    declared, _ = loaded()
    assert declared is not None
    job = job_of(declared)

    assert (True, True, backup_job.Keep(), "gzip") == (
        job.verify,
        job.one_file_system,
        job.keep,
        job.compress,
    )


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"engine": "borg"}, "not there yet"),
        ({"engine": "restic"}, "write `password_file`"),
        ({"engine": "restic", **PASSWORD, "type": "full"}, "is for `engine: tar`"),
        ({"engine": "restic", **PASSWORD, "compress": "gzip"}, "restic has zstd, or none"),
        ({"engine": "restic", **PASSWORD, "exclude": ["[[:digit:]]"]}, "a class of characters"),
        (
            {"engine": "restic", **PASSWORD, "destinations": [{"url": "/srv"}]},
            "a repository as restic has it",
        ),
        (
            {"engine": "restic", **PASSWORD, "destinations": [{"url": "rest:https://me:secret@host/"}]},
            "password in a URL",
        ),
        ({"engine": "restic", **PASSWORD, "destinations": ["s3:bucket"]}, "`{url: s3:bucket}`"),
        ({"destinations": ["sftp://me@vault/srv"]}, "host_key: ..., identity_file: ...}`"),
        ({"destinations": [{"url": "sftp://me@vault/srv"}]}, "with tar write `{url: sftp://user@host/path"),
        ({"destinations": [FAR, FAR]}, "is named twice"),
        ({"destinations": [{**FAR, "host_key": "x"}]}, "public key of a machine"),
        ({"destinations": [{**FAR, "limit": "5"}]}, "less than 1K a second"),
        ({"destinations": [{**FAR, "identity_file": "key"}]}, "absolute path"),
        ({"engine": "restic", **PASSWORD, "destinations": [FAR]}, "write `{url: sftp:user@host:/path,"),
        ({"engine": "restic", **PASSWORD, "destinations": [{**NEAR, "limit": "5M"}]}, "is no URL like"),
        (
            {"engine": "restic", **PASSWORD, "destinations": [{"url": NEAR["url"], "host_key": KEY}]},
            "go together",
        ),
        (
            {"engine": "restic", **PASSWORD, "destinations": [{**NEAR, "url": "rest:https://host/"}]},
            "are for sftp",
        ),
        (
            {"engine": "restic", **PASSWORD, "destinations": [{**NEAR, "url": "sftp:nas:/r"}]},
            "is no URL like",
        ),
        (
            {"engine": "restic", **PASSWORD, "destinations": [{**NEAR, "host_key": "x"}]},
            "public key of a machine",
        ),
        ({"destinations": [NEAR]}, "is for `engine: restic`"),
        (PASSWORD, "password_file is for `engine: restic`"),
        ({"type": "partial"}, "'full', 'incremental' or 'differential'"),
        ({"encrypt_to": ["age1x"]}, "age-keygen"),
        ({"encrypt_to": ["AGE-SECRET-KEY-1X"]}, "private key"),
        ({"full_every": "14d"}, "these archives are full"),
        ({"type": "incremental", "full_every": "infinity"}, "30d"),
        ({"type": "incremental", "full_every": "now and then"}, "time span"),
        ({"destinations": [{"url": "sftp://backup@nas/srv"}]}, "is for `engine: restic`"),
        ({"destinations": ["s3://bucket"]}, "is no path"),
        ({"destinations": ["backup"]}, "absolute"),
        ({"destinations": []}, "1 or more"),
        ({"sources": []}, "1 or more"),
        ({"sources": ["/"]}, "whole file system"),
        ({"sources": ["/data/../etc"]}, "plain form"),
        ({"sources": ["/a", "/a"]}, "twice"),
        ({"sources": ["/backup/x"]}, "both a source and a destination"),
        ({"exclude": ["cache/"]}, "at the end"),
        ({"exclude": ["x"]}, "whole of /data/x"),
        ({"exclude": ["d*"]}, "whole of /data/x"),
        ({"exclude": ["/data"]}, "whole of /data/x"),
        ({"exclude": ["data/?"]}, "whole of /data/x"),
        ({"keep": {}}, "at least one of"),
        ({"keep": {"daily": 0}}, "at least 1"),
        ({"keep": {"within": "infinity"}}, "30d"),
        ({"keep": {"hourly": 1}}, "hourly"),
        ({"before": [["dump-db"]]}, "absolute path of the program"),
        ({"before": [[]]}, "1 or more"),
        ({"compress": "xz"}, "xz"),
        ({"schedule": "now and then"}, "cron expression"),
    ],
)
def test_what_cannot_be_is_told(fields: dict[str, Any], told: str) -> None:
    """Each mistake is refused in words that say what to write."""
    _, found = loaded(**fields)
    text = " ".join(f"{item.summary} {item.detail}" for item in errors(found))

    assert told in text


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"destinations": ["/backup", {"url": "sftp://me@vault/srv"}]}, '"url": "sftp://me@vault/srv"'),
        (
            {"destinations": [{"limit": "5M", "url": FAR["url"], "host_key": FAR["host_key"]}]},
            '"url": "sftp://me@vault/srv"',
        ),
        ({"engine": "restic", **PASSWORD, "destinations": ["/backup", FAR]}, '"url": "sftp://me@vault/srv"'),
        ({"engine": "restic"}, '"engine": "restic"'),
        ({"engine": "restic", **PASSWORD, "full_every": "7d"}, '"full_every": "7d"'),
        ({"engine": "restic", **PASSWORD, "compress": "gzip"}, '"compress": "gzip"'),
        ({"engine": "restic", **PASSWORD, "exclude": ["a", "[[:digit:]]"]}, '"[[:digit:]]"'),
        (PASSWORD, '"password_file": "/root/restic.pass"'),
        ({"full_every": "14d"}, '"full_every": "14d"'),
        ({"sources": ["/a", "/backup/x"]}, '"/backup/x"'),
        ({"sources": ["/a", "/backup/x/y"]}, '"/backup/x"'),
        ({"exclude": ["a", "x"]}, '"x"'),
    ],
)
def test_a_mistake_is_shown_on_its_own_line(fields: dict[str, Any], line: str) -> None:
    """The place of a value that does not fit the others is its own, not that of the job."""
    lines = document({"backups": {"x": {**JOB, **fields}}}).splitlines()
    _, found = loaded(**fields)
    (problem,) = errors(found)

    assert problem.source is not None
    assert line == lines[problem.source.line - 1].strip(" ,")


@pytest.mark.parametrize("name", ["../x", "a b", "a.b", "-x", "", "x" * 70, "ä"])
def test_names_are_plain(name: str) -> None:
    """A name is part of unit names, file names and a command line."""
    spec, found = load(Reader(document({"backups": {name: JOB}})), discover())

    assert spec is None
    assert errors(found)


def test_the_job_file_is_private_and_the_unit_calls_our_command() -> None:
    """The file is root's alone; the unit calls `settings.command` by its fixed path."""
    spec, _ = load(
        Reader(document({"settings": {"command": "/opt/bin/reconciler"}, "backups": {"x": JOB}})), discover()
    )
    assert spec is not None
    found = parts(spec.resources[0])

    assert ("0600", "root", "root") == tuple(
        found["config"].document[key] for key in ("mode", "owner", "group")
    )
    assert "/opt/bin/reconciler backup run x" == found["service"].document["unit"]["Service"]["ExecStart"]
    assert Address("backups", "x", "config") in found["timer"].needs


def test_one_path_belongs_to_one_resource() -> None:
    """A timer that would have the same unit is refused."""
    spec, _ = load(
        Reader(
            document(
                {
                    "backups": {"x": JOB},
                    "timers": {"backup-x": {"schedule": "daily", "exec_start": ["/bin/true"]}},
                }
            )
        ),
        discover(),
    )
    assert spec is not None

    assert "one-path" in {found.rule for found in lint(spec, discover())}


def valid() -> dict[str, Any]:
    """The document of a job file."""
    declared, _ = loaded()
    assert declared is not None
    return dict(parts(declared)["config"].document["job"])


@pytest.mark.parametrize("key", sorted(valid()))
def test_a_job_file_without_a_field_is_none(key: str) -> None:
    """A missing field is told, not guessed."""
    data = {name: value for name, value in valid().items() if name != key}

    with pytest.raises(NotAJob):
        backup_job.job(data, "x")


@given(
    st.sampled_from(sorted(valid())),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    ),
)
def test_a_damaged_job_file_never_raises_anything_else(key: str, value: Any) -> None:
    """Whatever stands in a field: a job, or NotAJob."""
    with contextlib.suppress(NotAJob):
        backup_job.job({**valid(), key: value}, "x")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30d", 2_592_000),
        ("1h 30min", 5400),
        ("90", 90),
        ("1w2d", 777_600),
        ("infinity", float("inf")),
        ("500ms", 0.5),
    ],
)
def test_time_spans(text: str, expected: float) -> None:
    """systemd's words as seconds."""
    assert expected == timespan.seconds(text)


@pytest.mark.parametrize("text", ["", "soon", "1x", "-1d", "d"])
def test_what_is_no_time_span(text: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(ValueError, match="time span"):
        timespan.seconds(text)


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("/archives", "is in no source"),
        ("/data/y/cache", "is in no source"),
        ("./archives", "no `.` and no `..`"),
        ("/data/x/../y", "is in no source"),
        ("!keep", "takes another one back"),
        ("archives", ""),
        ("/data/x/cache", ""),
        ("/data/*/cache", ""),
        ("x/cache", ""),
    ],
)
def test_a_pattern_without_effect_is_told(pattern: str, words: str) -> None:
    """A pattern that can match nothing below a source is a warning that says why."""
    declared, found = loaded(exclude=[pattern])
    idle = [item for item in found if item.rule == "backup-exclude"]

    assert declared is not None
    assert bool(words) == bool(idle)
    assert all(words in item.detail for item in idle)


@pytest.mark.parametrize("pattern", ["/data/x/*", "x/*", "/data/x/**", "/data/*/*"])
def test_a_pattern_that_leaves_nothing_is_refused(pattern: str) -> None:
    """An archive of an empty directory would count as a good one."""
    _, found = loaded(exclude=[pattern])

    assert "leaves out all that is in /data/x" in " ".join(item.detail for item in errors(found))
