"""Disks that are not mounted, and file systems below a source."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from reconciler.formats import fstab
from reconciler.formats.backups.job import Hook
from reconciler.host.archives.private_directory import Refused
from reconciler.host.live import LiveHost
from tests.host.hosts_under_test import mounted
from tests.jobs.places import Place
from tests.jobs.test_backup import archives_names

pytestmark = pytest.mark.slow

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts")


@pytest.fixture
def table(place: Place, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file in the place of /etc/fstab."""
    path = place.top / "fstab"
    path.write_text("")
    monkeypatch.setattr(fstab, "PATH", str(path))
    return path


def test_a_source_that_is_to_be_mounted(place: Place, table: Path) -> None:
    """A line in fstab, nothing mounted, no `require_mount`: no archive of an empty directory is made."""
    table.write_text(f"/dev/sdz1 {place.source} ext4 defaults 0 2\n")

    with pytest.raises(Refused, match=f"fstab names {place.source}"):
        place.run()
    assert [] == place.names()


@pytest.mark.parametrize("options", ["defaults", "noauto,nofail", "ro,x-systemd.automount"])
def test_a_source_below_such_a_place(place: Place, table: Path, options: str) -> None:
    """The directory above, whatever its options."""
    table.write_text(f"# a comment\nUUID=1-2\t{place.top}/\text4\t{options}\n")

    with pytest.raises(Refused, match="nothing is mounted there"):
        place.run()


def test_a_place_with_a_space(place: Place, table: Path) -> None:
    """fstab writes it as backslash 040."""
    odd = place.top / "my data"
    odd.mkdir()
    escaped = str(odd).replace(" ", "\\040")
    table.write_text(f"server:/x {escaped} nfs defaults\n")

    with pytest.raises(Refused, match="my data"):
        place.having(sources=(str(odd),)).run()


def test_a_destination_that_is_to_be_mounted(place: Place, table: Path) -> None:
    """Nothing is written on the root disk; another destination has the archive all the same."""
    disk = place.top / "disk"
    disk.mkdir()
    table.write_text(f"LABEL=usb {disk} ext4 noauto 0 0\n")

    with pytest.raises(Refused, match="fstab names"):
        place.having(destinations=(str(disk / "d"),)).run()
    done = place.having(destinations=(str(disk / "d"), *place.job.destinations)).run()

    assert [] == place.names(disk)
    assert [str(disk / "d")] == list(done.failed)
    assert 1 == len(place.archives())


@root_only
def test_it_is_mounted(place: Place, table: Path) -> None:
    """With something mounted there, and with fstab lines of other places, the run goes on."""
    disk = place.top / "disk"
    table.write_text(
        f"tmpfs {disk} tmpfs mode=0700\n/dev/sdz2 none swap sw\n/dev/sdz3 / ext4\nbroken line\n/dev/sdz4"
        f" {place.top}/other ext4\n"
    )
    with mounted("tmpfs", "mode=0700", disk):
        (disk / "x").mkdir()
        place.having(sources=(str(disk / "x"), *place.job.sources)).run()

    assert 1 == len(place.archives())


@root_only
def test_a_command_before_may_mount_it(place: Place, table: Path) -> None:
    """A file system that `before` mounts is there when it counts."""
    disk = place.top / "disk"
    disk.mkdir()
    table.write_text(f"tmpfs {disk} tmpfs noauto\n")
    try:
        place.having(
            sources=(str(disk),), before=(Hook(("/bin/mount", "-t", "tmpfs", "tmpfs", str(disk))),)
        ).run()
    finally:
        os.system(f"umount {disk}")  # noqa: S605

    assert 1 == len(place.archives())


@root_only
def test_what_is_mounted_below_is_named(place: Place, table: Path) -> None:
    """A file system that `one_file_system` leaves out stands in the manifest, but no excluded one and no bind
    mount of the same one.
    """
    images, excluded, bound = (place.source / name for name in ("images", "scratch", "bound"))
    bound.mkdir()
    with mounted("tmpfs", "mode=0700", images), mounted("tmpfs", "mode=0700", excluded):
        (images / "picture").write_text("x")
        os.system(f"mount --bind '{place.source / 'empty'}' {bound}")  # noqa: S605
        try:
            done = place.having(exclude=(str(excluded),)).run()
            both = place.having(one_file_system=False).run()
        finally:
            os.system(f"umount {bound}")  # noqa: S605
    names = archives_names(place.destination / both.manifest.archive)

    assert (str(images),) == done.manifest.left_out
    assert () == both.manifest.left_out
    assert any("picture" in name for name in names)


@root_only
@pytest.mark.skipif(shutil.which("mkfs.btrfs") is None, reason="needs mkfs.btrfs")
def test_a_subvolume_below_is_named(place: Place, table: Path) -> None:
    """mountinfo knows nothing of it, tar leaves it out: manifest and plan name it; a bind mount of the same
    file system is in.
    """
    disk, image = place.top / "disk", place.top / "image"
    subprocess.run(["truncate", "-s", "120M", image], check=True)
    subprocess.run(["mkfs.btrfs", "-q", image], check=True, capture_output=True)
    disk.mkdir()
    subprocess.run(["mount", "-o", "loop", image, disk], check=True)
    try:
        source, inner, bound = disk / "data", disk / "data" / "my images", disk / "data" / "bound"
        bound.mkdir(parents=True)
        for path in (inner, inner / "nested", disk / "beside"):
            subprocess.run(["btrfs", "-q", "subvolume", "create", path], check=True)
        (inner / "picture").write_text("x")
        (disk / "more").mkdir()
        (disk / "more" / "file").write_text("x")
        subprocess.run(["mount", "--bind", disk / "more", bound], check=True)
        host = LiveHost()
        host.running = True
        planned = host.mounts()
        done = place.having(sources=(str(source),)).run()
        both = place.having(sources=(str(source),), one_file_system=False).run()
        without = place.having(sources=(str(source),), exclude=("my images",)).run()
    finally:
        os.system(f"umount {disk}/data/bound; umount {disk}")  # noqa: S605
    names = archives_names(place.destination / done.manifest.archive)

    assert (str(inner),) == done.manifest.left_out
    assert () == both.manifest.left_out
    assert () == without.manifest.left_out
    assert () == done.manifest.warnings
    assert any(name.endswith("bound/file") for name in names)
    assert not any("picture" in name for name in names)
    assert any("picture" in name for name in archives_names(place.destination / both.manifest.archive))
    assert {str(path) for path in (inner, inner / "nested", disk / "beside", disk)} <= planned


@root_only
@pytest.mark.parametrize("xino", ["xino=off", "xino=on"])
def test_a_source_on_an_overlay(place: Place, table: Path, xino: str) -> None:
    """Its files have other devices than its directories (layers on two file systems), and are in the archive
    all the same.
    """
    lower, upper, merged = (place.top / name for name in ("lower", "upper", "merged"))
    for path in (lower, merged):
        path.mkdir()
    (lower / "below").write_text("x")
    with mounted("tmpfs", "mode=0700", upper):
        for name in ("u", "w"):
            (upper / name).mkdir()
        options = f"{xino},lowerdir={lower},upperdir={upper}/u,workdir={upper}/w"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, merged], check=True)
        try:
            (merged / "above").write_text("y")
            done = place.having(sources=(str(merged),)).run()
        finally:
            os.system(f"umount {merged}")  # noqa: S605
    names = archives_names(place.destination / done.manifest.archive)

    assert {"above", "below"} <= {name.rpartition("/")[2] for name in names}
    assert () == done.manifest.left_out


@root_only
def test_what_is_to_be_mounted_below(place: Place, table: Path) -> None:
    """With `one_file_system: false` it is a part of the backup, and the run is refused without it; with true
    it is left out anyway.
    """
    (place.source / "images").mkdir()
    table.write_text(f"/dev/sdz {place.source}/images ext4\n")

    with pytest.raises(Refused, match="images"):
        place.having(one_file_system=False).run()
    place.having(one_file_system=False, exclude=(f"{place.source}/images",)).run()
    place.run()

    assert 2 == len(place.archives())
