"""The files that name mount points: fstab(5), mount and automount units (systemd.mount(5)), and autofs
(auto.master(5)).

Files that a package ships below /usr/lib do not count: they name file systems of the kernel, and images that
need not be there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from reconciler.core.basics.lazy_regex import Late
from reconciler.formats import fstab

_GENERATED = "/run/systemd/generator"
_UNITS = (
    "/etc/systemd/system",
    "/run/systemd/system",
    _GENERATED,
    "/usr/local/lib/systemd/system",
    f"{_GENERATED}.late",
)
"""The directories of units that somebody wrote for this host, by precedence (systemd.unit(5))."""
_SUFFIXES = (".mount", ".automount")
_ESCAPE = Late(r"\\x([0-9a-f]{2})")
_MASTER, _MORE = "/etc/auto.master", "/etc/auto.master.d"
_DIRECT = "/-"

Names = Callable[[str], Sequence[str]]
"""The names in a directory; none if it is not there or cannot be read."""
Text = Callable[[str], str | None]
"""The text of a file, empty for a link to /dev/null; None if it is not there or cannot be read."""


def named(names: Names, text: Text) -> dict[str, str]:
    """The file that names each mount point, by mount point."""
    file_by_mount_point = dict.fromkeys(fstab.mount_points(text(fstab.PATH) or ""), fstab.PATH)
    for mount_point, file in (*_by_units(names, text), *_by_autofs(names, text)):
        file_by_mount_point.setdefault(mount_point, file)
    return file_by_mount_point


def advice(file: str) -> str:
    """The advice on how to remove a mount point from a file that names it."""
    if file == fstab.PATH:
        return f"take its line out of {file}"
    return (
        f"remove {file}, and then run: systemctl daemon-reload"
        if file.endswith(_SUFFIXES)
        else f"take it out of {file}"
    )


def place_of(unit: str) -> str:
    """The mount point in the name of a unit (systemd-escape --path); systemd accepts no other in its file."""
    stem = unit.rpartition(".")[0]
    path = "" if stem == "-" else stem.replace("-", "/")
    plain = _ESCAPE.sub(lambda match: chr(int(match[1], 16)), path).encode("latin-1", "replace")
    return f"/{plain.decode('utf-8', 'surrogateescape')}"


def _by_units(names: Names, text: Text) -> Iterator[tuple[str, str]]:
    units: set[str] = set()
    for directory in _UNITS:
        for unit in names(directory):
            if unit.endswith(_SUFFIXES) and unit not in units:
                units.add(unit)
                if place_of(unit) != "/" and _counts(directory, text(f"{directory}/{unit}")):
                    yield place_of(unit), f"{directory}/{unit}"


def _counts(directory: str, content: str | None) -> bool:
    """Whether a unit counts: it is not masked, and not generated from a line in fstab, which may have gone
    since.
    """
    if content is None:
        return not directory.startswith(_GENERATED)
    return content != "" and f"SourcePath={fstab.PATH}" not in content.splitlines()


def _by_autofs(names: Names, text: Text) -> Iterator[tuple[str, str]]:
    files = (_MASTER, *(f"{_MORE}/{name}" for name in names(_MORE) if name.endswith(".autofs")))
    for file in files:
        for mount_point, table in _rows(text(file)):
            if mount_point != _DIRECT:
                yield fstab.plain(mount_point), file
            elif table.startswith("/"):
                yield from (
                    (fstab.plain(path), table) for path, _ in _rows(text(table)) if path.startswith("/")
                )


def _rows(content: str | None) -> Iterator[tuple[str, str]]:
    """The first two words of each line of a table of autofs that names a mount point."""
    for line in (content or "").replace("\\\n", " ").splitlines():
        words = line.partition("#")[0].split()
        if len(words) >= 2 and words[0].startswith("/"):
            yield words[0], words[1].removeprefix("file:")
