"""Archives that are encrypted with age: made without the private key, proved while they are made, and restored
with the key alone.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from reconciler.core.host import HostError
from reconciler.formats.backups import recipients
from reconciler.formats.backups.job import Keep
from reconciler.host.archives import tar
from reconciler.host.archives.private_directory import Refused
from reconciler.jobs import archives
from reconciler.jobs.restoring import drill, stream
from reconciler.jobs.restoring import restore as restoring
from reconciler.jobs.restoring import verify as verifying
from tests.jobs.places import Place, manifest
from tests.jobs.test_backup_faults import flip

pytestmark = pytest.mark.slow


def new_key(path: Path) -> str:
    """Make a key; its public half."""
    subprocess.run(["age-keygen", "-o", path], check=True, capture_output=True)
    done = subprocess.run(["age-keygen", "-y", path], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def sealed(place: Place) -> Place:
    """A job that encrypts to two keys."""
    keys = (new_key(place.top / "key"), new_key(place.top / "other"))
    return place.having(encrypt_to=keys, keep=Keep())


def with_key(place: Place, name: str) -> Place:
    """The job as somebody has it who has a private key."""
    return place.having(identity=str(place.top / name))


@pytest.mark.parametrize("compress", ["gzip", "zstd", "none"])
def test_it_comes_back_with_any_of_the_keys(sealed: Place, compress: str) -> None:
    """The whole tree, with either key; the archive is age's, as are its name and its sum."""
    sealed = sealed.having(compress=compress, exclude=())
    made = sealed.run().manifest
    archive = sealed.destination / made.archive
    for name in ("key", "other"):
        target = sealed.top / f"back-{name}"
        restoring.restore(with_key(sealed, name).job, "", str(target), [])
        assert manifest(sealed.source) == manifest(target / str(sealed.source)[1:])

    assert made.verified
    assert archive.name.endswith(".age")
    assert archive.read_bytes().startswith(b"age-encryption.org/v1\n")
    assert b"numbers" not in archive.read_bytes()
    subprocess.run(["sha256sum", "--check", f"{archive.name}.sha256"], cwd=sealed.destination, check=True)


def test_without_a_key_nothing_is_read(sealed: Place) -> None:
    """None, a wrong one, a file that is none: refused, with nothing unpacked."""
    sealed.run()
    new_key(sealed.top / "stranger")
    target = sealed.top / "back"
    with pytest.raises(Refused, match="--decrypt-with"):
        restoring.restore(sealed.job, "", str(target), [])
    for name, why in (("stranger", "no identity matched"), ("absent", "No such file"), ("data", "regular")):
        with pytest.raises(Refused, match=why):
            restoring.restore(with_key(sealed, name).job, "", str(target), [])
    assert not target.exists()


def test_its_content_is_proved_while_it_is_made(sealed: Place) -> None:
    """The figures of the manifest are those of an archive that is not encrypted."""
    encrypted = sealed.run().manifest
    plain = sealed.having(encrypt_to=(), destinations=(str(sealed.top / "plain"),)).run().manifest

    assert plain.entries == encrypted.entries
    assert plain.data == encrypted.data
    assert {} == archives.listing(sealed.job).doubts[str(sealed.destination)]


def test_a_source_that_is_missing_in_it_is_found(sealed: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """tar leaves out a source without an error: the archive is not published."""
    argv = tar._create_argv  # a tar that works wrong is made on purpose
    monkeypatch.setattr(tar, "_create_argv", lambda contents: [*argv(contents)[:-1], "etc/hostname"])
    with pytest.raises(HostError, match="is not in it"):
        sealed.run()
    assert [] == sealed.archives()


def test_verify_judges_the_sum(sealed: Place) -> None:
    """A flipped byte is found without the key; comparing with the files is refused."""
    made = sealed.run().manifest

    def problems() -> list[str]:
        done = verifying.verify(sealed.job, "", everything=True, compare=False, lock_directory=sealed.locks)
        return [judgement.problem for judgement in done.judgements]

    assert [""] == problems()
    with pytest.raises(Refused, match="cannot be compared"):
        verifying.verify(sealed.job, "", everything=True, compare=True, lock_directory=sealed.locks)
    flip(sealed.destination / made.archive)
    assert ["its sum is not the one that was recorded"] == problems()


def test_a_chain_is_encrypted_too(sealed: Place) -> None:
    """Each member; with other keys a new chain begins, for who has the new one reads no older member."""
    sealed = sealed.having(type="incremental")
    sealed.run()
    (sealed.source / "new").write_text("new")
    (sealed.source / "numbers").unlink()
    second = sealed.run().manifest
    third = sealed.having(encrypt_to=sealed.job.encrypt_to[:1]).run().manifest
    target = sealed.top / "back"
    restoring.restore(with_key(sealed, "key").job, second.id, str(target), [])
    found = target / str(sealed.source)[1:]

    assert ["incremental", "full"] == [second.kind, third.kind]
    assert "what the job archives is not what it was" in third.why_full
    assert "new" == (found / "new").read_text()
    assert not (found / "numbers").exists()


def test_one_file_and_two_destinations(sealed: Place) -> None:
    """A file is streamed with the key; the other destination has the same archive."""
    second = sealed.top / "second"
    both = sealed.having(destinations=(*sealed.job.destinations, str(second)))
    made = both.run().manifest
    with (sealed.top / "out").open("wb") as out:
        stream.stream(with_key(both, "other").job, "", f"{sealed.source}/numbers", out.fileno())

    assert (sealed.source / "numbers").read_bytes() == (sealed.top / "out").read_bytes()
    assert (second / made.archive).read_bytes() == (sealed.destination / made.archive).read_bytes()


def test_a_drill_says_what_it_cannot_prove(sealed: Place) -> None:
    """The sum is read, and it says that this is all; a flipped byte fails it."""
    made = sealed.run().manifest
    done = drill.drill(sealed.job, {}, lambda _: None, sealed.locks)
    flip(sealed.destination / made.archive)
    failed = drill.drill(sealed.job, {}, lambda _: None, sealed.locks)

    assert done.good
    assert "it is encrypted, and this host has no key" in drill.words(done)
    assert not failed.good
    assert "sum" in failed.reason


def test_age_is_missing(sealed: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is published, and nothing is left."""
    sealed.run()
    before = sealed.names()
    monkeypatch.setattr("reconciler.host.archives.encryption.stage", lambda _: ["age-is-not-here"])
    with pytest.raises(HostError, match="age-is-not-here"):
        sealed.run()
    assert before == sealed.names()


def test_a_run_of_its_own_leaves_nothing_of_a_killed_one(sealed: Place) -> None:
    """Killed while it is written: the next run removes what is left, and is whole."""
    sealed.run_elsewhere(RECONCILER_TESTING="1", RECONCILER_FAILPOINT="backup.renamed:1")
    sealed.run_elsewhere(RECONCILER_TESTING="1", RECONCILER_FAILPOINT="backup.streamed:1")
    sealed.run()

    assert not [name for name in sealed.names() if name.startswith(".")]
    assert all(entry.good for copies in archives.listing(sealed.job).archives for entry in copies.values())


def test_the_manifest_is_read_without_the_key(sealed: Place) -> None:
    """It names the public keys, and nothing of the private ones."""
    made = sealed.run().manifest
    text = (sealed.destination / f"datasets-{made.id}.json").read_text()

    assert list(sealed.job.encrypt_to) == json.loads(text)["encrypt_to"]
    assert "SECRET" not in text


@pytest.mark.parametrize(
    "damage", ["", "age1", "age1" + "q" * 58, "AGE-SECRET-KEY-1QQQ", "ssh-ed25519 AAAA", "x\ny"]
)
def test_what_is_no_public_key(damage: str) -> None:
    """It is refused before any run; a private key most of all."""
    assert recipients.wrong(damage)


def test_public_keys(tmp_path: Path) -> None:
    """Each key of age-keygen and ssh-keygen is one, and with any character changed it is none."""
    key = new_key(tmp_path / "key")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "ssh"], check=True)

    assert "" == recipients.wrong(key)
    assert "" == recipients.wrong((tmp_path / "ssh.pub").read_text().strip())
    for at in range(4, len(key)):
        assert recipients.wrong(key[:at] + ("q" if key[at] != "q" else "p") + key[at + 1 :])


def test_keys_of_ssh(place: Place) -> None:
    """An archive to an SSH key is read with its private half."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", place.top / "ssh"], check=True)
    place = place.having(encrypt_to=((place.top / "ssh.pub").read_text().strip(),))
    place.run()
    restoring.restore(with_key(place, "ssh").job, "", str(place.top / "back"), [])

    assert os.path.lexists(place.top / "back" / str(place.source)[1:] / "numbers")
