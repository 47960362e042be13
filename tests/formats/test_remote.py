from __future__ import annotations

from typing import Any

import pytest

from reconciler.formats.backups import job as jobs
from reconciler.formats.backups import remote
from reconciler.formats.backups.job import NotAJob
from reconciler.formats.backups.remote import Place

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGVYq0M2hA1qUeqSvLRrWm7mSxv1k4l4jzW0JwG1tJQf"
FAR: dict[str, Any] = {"url": "sftp://me@vault/srv", "host_key": KEY, "identity_file": "/root/key"}
JOB: dict[str, Any] = {
    "format": 1,
    "name": "data",
    "sources": ["/data"],
    "exclude": [],
    "destinations": ["/backup"],
    "engine": "tar",
    "type": "full",
    "keep": {},
    "verify": "always",
    "require_mount": [],
    "before": [],
    "before_timeout": "1h",
    "compress": "gzip",
    "one_file_system": True,
    "clock_jump": "60d",
}


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("sftp://me@vault.example.com/srv/a", Place("me", "vault.example.com", 22, "/srv/a")),
        ("sftp://me@vault:2222/a b", Place("me", "vault", 2222, "/a b")),
        ("sftp://u123-sub1@[2001:db8::1]:23/a", Place("u123-sub1", "2001:db8::1", 23, "/a")),
        ("sftp://me@vault/a%20b%25%C3%BC", Place("me", "vault", 22, "/a b%ü")),
    ],
)
def test_urls(url: str, place: Place) -> None:
    """A URL has a user, a machine, perhaps a port, and a path in which characters may be written as %20."""
    assert place == remote.place(url)


@pytest.mark.parametrize(
    "url",
    [
        "sftp://vault/srv",
        "sftp://me:secret@vault/srv",
        "sftp://me@vault",
        "sftp://me@vault/",
        "sftp://me@vault/a/../b",
        "sftp://me@vault/a//b",
        "sftp://me@vault/a/",
        "sftp://me@vault/%2e%2e/a",
        "sftp://me@vault/a%0ab",
        "sftp://me@vault/a%ff",
        "sftp://-oProxyCommand=x@vault/a",
        "sftp://me@-oProxyCommand=x/a",
        "sftp://me@vault:0/a",
        "sftp://me@vault:65536/a",
        "ssh://me@vault/a",
        "/srv",
    ],
)
def test_texts_that_are_no_urls(url: str) -> None:
    """Options for ssh, passwords and paths that lead upwards are refused."""
    with pytest.raises(ValueError, match=r".+"):
        remote.place(url)


@pytest.mark.parametrize(
    "line",
    ["", "x", "ssh-ed25519", f"* {KEY}", "ssh-dss AAAAB3NzaC1kc3MAAACBAKkAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"],
)
def test_texts_that_are_no_host_keys(line: str) -> None:
    """A key is a type that ssh still takes, and its text."""
    with pytest.raises(ValueError, match="no public key of a machine"):
        remote.host_key(line)
    assert KEY == remote.host_key(f"{KEY} root@vault\n")


@pytest.mark.parametrize(
    ("limit", "rate"), [("", 0), ("5000", 5000), ("500K", 512_000), ("10M", 10_485_760), ("1G", 1 << 30)]
)
def test_limits(limit: str, rate: int) -> None:
    """Bytes per second, with the usual letters."""
    assert rate == remote.rate(limit)


def test_a_job_file_with_a_remote_destination() -> None:
    """The job has its URL among the destinations, and what belongs to it beside them."""
    far = {**FAR, "limit": "10M", "retry_for": "0", "timeout": "30s"}
    parsed = jobs.job({**JOB, "destinations": ["/backup", far]}, "data")

    assert ("/backup", FAR["url"]) == parsed.destinations
    assert ("/backup",) == parsed.places
    expected = remote.Remote(FAR["url"], KEY, "/root/key", 10_485_760, 0.0, 30.0)
    assert {FAR["url"]: expected} == parsed.remotes


@pytest.mark.parametrize(
    "change",
    [
        {"port": 22},
        {"url": "sftp://vault/srv"},
        {"host_key": "none"},
        {"identity_file": "key"},
        {"limit": "fast"},
        {"timeout": "soon"},
    ],
)
def test_a_job_file_that_asks_for_something_else(change: dict[str, Any]) -> None:
    """A destination that this version does not understand is no job: half of what was asked for is not done."""
    with pytest.raises(NotAJob):
        jobs.job({**JOB, "destinations": [{**FAR, **change}]}, "data")
