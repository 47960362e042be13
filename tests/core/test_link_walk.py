"""Paths through links: the kernel is the judge."""

from __future__ import annotations

import os
import random
import stat
from pathlib import Path

import pytest

from reconciler.core.host import Entry, FileType, HostView, Unreadable
from reconciler.core.paths.link_walk import reached, real_path, trail
from reconciler.host.tree import TreeHost

_TYPES = {stat.S_IFDIR: FileType.DIRECTORY, stat.S_IFREG: FileType.FILE, stat.S_IFLNK: FileType.LINK}


def _look(path: str) -> Entry | None:
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return None
    target = str(Path(path).readlink()) if stat.S_ISLNK(mode) else ""
    return Entry(_TYPES[stat.S_IFMT(mode)], "0755", "root", "root", target=target)


def _kernel(path: str) -> str | None:
    """The kernel's answer: the path of what it opens."""
    try:
        Path(path).stat()
    except OSError:
        return None
    return os.path.realpath(path)


def _wood(root: Path, luck: random.Random) -> list[str]:
    """Directories, files and links in a tree: some lead nowhere, up, out and around."""
    names, folders = ["a", "b", "c"], [root]
    for _ in range(12):
        place = luck.choice(folders) / luck.choice(names)
        if os.path.lexists(place):
            continue
        kind = luck.choice(["folder", "file", "link", "link", "link"])
        if kind == "folder":
            place.mkdir()
            folders.append(place)
        elif kind == "file":
            place.touch()
        else:
            step = "/".join(luck.choice([*names, "..", "."]) for _ in range(luck.randint(1, 3)))
            place.symlink_to(luck.choice([step, f"{root}/{step}", f"{luck.choice(folders)}/{step}"]))
    return names


@pytest.mark.parametrize("seed", range(60))
def test_a_walk_ends_where_the_kernel_ends(tmp_path: Path, seed: int) -> None:
    """Where a path leads, and that it leads nowhere, is as the kernel says."""
    luck = random.Random(seed)  # noqa: S311  # a test's dice
    names = _wood(tmp_path, luck)
    for _ in range(60):
        path = f"{tmp_path}/" + "/".join(luck.choice([*names, ".."]) for _ in range(luck.randint(1, 5)))
        assert real_path(_look, path) == _kernel(path), path


@pytest.mark.parametrize("links", [39, 40, 41])
def test_as_many_links_as_the_kernel_follows(tmp_path: Path, links: int) -> None:
    """A chain of forty links has an end, one of forty-one has none."""
    (tmp_path / "0").touch()
    for number in range(links):
        (tmp_path / str(number + 1)).symlink_to(str(number))
    path = str(tmp_path / str(links))
    assert real_path(_look, path) == _kernel(path)
    assert (real_path(_look, path) is None) == (links > 40)


def test_the_trail_names_everything_on_the_way(tmp_path: Path) -> None:
    """Every directory and link is told once, in order, and what is not there as None."""
    (tmp_path / "bin").symlink_to("usr")
    (tmp_path / "usr").mkdir()
    steps = [(path, entry and str(entry.type)) for path, entry in trail(_look, f"{tmp_path}/bin/x")]
    own = [step for step in steps if step[0].startswith(f"{tmp_path}/")]
    assert own == [(f"{tmp_path}/bin", "link"), (f"{tmp_path}/usr", "directory"), (f"{tmp_path}/usr/x", None)]


@pytest.mark.parametrize(
    ("path", "real", "type_"),
    [
        ("/usr/bin/sh", "/usr/bin/dash", FileType.FILE),
        ("/bin/sh", "/usr/bin/dash", FileType.FILE),
        ("/bin/dash", "/usr/bin/dash", FileType.FILE),
        ("/usr/bin/none", "/usr/bin/none", None),
        ("/bin/none", "/bin/none", None),
        ("/loop", "/loop", None),
        ("/loop/x", "/loop/x", None),
        ("/root-dir", "/", FileType.DIRECTORY),
    ],
)
def test_what_a_path_of_a_host_leads_to(tmp_path: Path, path: str, real: str, type_: FileType | None) -> None:
    """Links above a path and at its end are followed inside the host's own tree."""
    (tmp_path / "usr/bin").mkdir(parents=True)
    (tmp_path / "usr/bin/dash").touch()
    (tmp_path / "usr/bin/sh").symlink_to("dash")
    (tmp_path / "bin").symlink_to("usr/bin")
    (tmp_path / "loop").symlink_to("/loop")
    (tmp_path / "root-dir").symlink_to("/")
    view: HostView = TreeHost(str(tmp_path), str(tmp_path / "state"))
    entry, at = reached(view, path)
    assert (entry and entry.type, at) == (type_, real)


def test_what_cannot_be_looked_at_is_told() -> None:
    """A walk guesses nothing about what it may not read."""

    def closed(path: str) -> Entry | None:
        raise Unreadable("cannot be read", path)

    with pytest.raises(Unreadable):
        real_path(closed, "/etc/a")
