"""The diagnostics of a plan about a restic repository on a machine whose key ssh does not know."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from reconciler.core.spec import Spec
from reconciler.formats.backups import remote
from reconciler.formats.ssh import known_hosts
from reconciler.host.simulation.host import SimulatedHost
from reconciler.kinds import discover
from reconciler.kinds.backups.checks import BackupHost
from reconciler.spec.load import load
from tests.case import Reader, document

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGVYq0M2hA1qUeqSvLRrWm7mSxv1k4l4jzW0JwG1tJQf"
ROOT, ALL = "/root/.ssh/known_hosts", "/etc/ssh/ssh_known_hosts"
FAR = "sftp:me@nas:/srv"


def spec_of(*urls: str | dict[str, str], **more: Any) -> Spec:
    """A spec with one job of restic's."""
    job = {
        "engine": "restic",
        "password_file": "/root/pass",
        "sources": ["/data"],
        "destinations": [url if isinstance(url, dict) else {"url": url} for url in urls],
        "schedule": "daily",
    }
    spec, found = load(Reader(document({**more, "backups": {"d": job}})), discover())
    assert spec is not None, found
    return spec


def told(spec: Spec, paths: Mapping[str, Any], *, running: bool = True) -> list[str]:
    """The texts of the warnings about keys."""
    host = SimulatedHost.of({"/data": {}, **paths}, running=running)
    job: Any = next(block for block in spec.resources if block.address.kind == "backups").resource
    troubles = [one for one in BackupHost(host, spec).troubles(job) if one.rule == "restic-host-key"]
    assert {"warning"} >= {str(one.severity) for one in troubles}
    return [f"{one.summary}: {one.detail}" for one in troubles]


def test_a_machine_that_ssh_does_not_know() -> None:
    """The warning names the machine, the file that ssh goes by, the command, and the other way."""
    (text,) = told(spec_of(FAR), {ROOT: f"vault {KEY}\n"})

    assert text.startswith("nothing pins the host key of nas: ")
    assert "root's known_hosts" in text
    assert f"echo 'nas ssh-ed25519 AAAA...' >> {ROOT}" in text
    assert "Or write `host_key` and `identity_file` beside the url" in text


@pytest.mark.parametrize("url", ["s3:https://nas/bucket", "rest:https://nas/", "rclone:nas:x", "b2:nas:x"])
def test_storage_without_ssh(url: str) -> None:
    """Only SFTP has host keys."""
    assert [] == told(spec_of(url), {})


@pytest.mark.parametrize("path", [ROOT, ALL])
def test_a_known_machine(path: str) -> None:
    """Once the key is there, nothing is told."""
    assert [] == told(spec_of(FAR), {path: f"nas {KEY}\n"})


def test_a_machine_whose_key_the_job_names() -> None:
    """Its ssh goes by that key alone: known_hosts need not have it. The private key is looked at instead."""
    keys = {"host_key": KEY, "identity_file": "/root/key"}
    host = SimulatedHost.of({"/data": {}})
    spec = spec_of({"url": FAR, **keys})
    job: Any = spec.resources[0].resource

    assert [] == told(spec, {})
    assert "/root/key does not exist" in [one.summary for one in BackupHost(host, spec).troubles(job)]


def test_each_machine_once() -> None:
    """Two repositories on one machine are one warning; another port is another name."""
    texts = told(spec_of(FAR, "sftp:me@nas:/more", "sftp://me@nas:2222//srv"), {})

    assert ["nas", "[nas]:2222"] == [text.partition(": ")[0].rpartition(" ")[2] for text in texts]
    assert "echo '[nas]:2222 ssh-ed25519 AAAA...'" in texts[1]


def test_what_cannot_be_known() -> None:
    """A tree, a file behind a link and a declared file of known hosts tell nothing."""
    declared = spec_of(FAR, files={ROOT: {"content": f"nas {KEY}\n", "mode": "0600"}})

    assert [] == told(declared, {})
    assert [] == told(spec_of(FAR), {}, running=False)
    assert [] == told(spec_of(FAR), {"/root/.ssh": {"target": "/elsewhere"}})


@pytest.mark.parametrize(
    ("url", "machine"),
    [
        ("sftp:me@nas:/srv", ("nas", 22)),
        ("sftp:nas:srv", ("nas", 22)),
        ("sftp:a@b@nas:/srv", ("nas", 22)),
        ("sftp://me@nas/srv", ("nas", 22)),
        ("sftp://NAS:2222//srv", ("NAS", 2222)),
        ("sftp://me@[::1]:2222/srv", ("::1", 2222)),
        ("sftp:nas", None),
        ("sftp://me@nas", None),
        ("rest:https://nas/", None),
        ("/srv", None),
    ],
)
def test_the_machine_of_a_repository(url: str, machine: tuple[str, int] | None) -> None:
    """It is the one to which restic 0.14 has ssh connect."""
    assert machine == remote.machine_of_restic(url)


KNOWN = f"""\
# gone {KEY}
Nas,10.0.0.7 {KEY} root@nas
[vault]:2222 {KEY}
*.example.com,!old.example.com {KEY}
@cert-authority *.example.org {KEY}
@revoked lost {KEY}
short ssh-ed25519
|1|no|base64! {KEY}
"""


@pytest.mark.parametrize("hashed", [False, True])
@pytest.mark.parametrize(
    ("host", "port", "known"),
    [
        ("nas", 22, True),
        ("NAS", 22, True),
        ("nas", 2222, True),
        ("10.0.0.7", 22, True),
        ("vault", 2222, True),
        ("vault", 22, False),
        ("a.example.com", 22, True),
        ("old.example.com", 22, False),
        ("a.example.org", 22, True),
        ("gone", 22, False),
        ("lost", 22, False),
        ("short", 22, False),
        ("na", 22, False),
    ],
)
def test_known_hosts(tmp_path: Path, host: str, port: int, known: bool, hashed: bool) -> None:
    """Patterns, ports, markers and hashed names count as they do for ssh."""
    text = KNOWN
    if hashed:
        keygen = shutil.which("ssh-keygen")
        if keygen is None:
            pytest.skip("no ssh-keygen")
        file = tmp_path / "known_hosts"
        lines = (f"{line}\n" for line in KNOWN.splitlines() if not line.startswith(("|1|", "short")))
        file.write_text("".join(lines))
        subprocess.run([keygen, "-q", "-H", "-f", str(file)], check=True, capture_output=True)
        text = file.read_text()
        assert "|1|" in text
        assert "nas," not in text.lower()

    assert known is known_hosts.knows(text, host, port)
