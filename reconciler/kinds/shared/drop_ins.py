"""Drop-ins of a unit (systemd.unit(5)): where systemd looks for them, which count, which override ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconciler.core.basics.frozen import frozen
from reconciler.core.host import FileType, HostView, Unreadable, UnsafePath
from reconciler.formats.systemd import unit

DIRECTORIES = (
    "/etc/systemd/system.control",
    "/run/systemd/system.control",
    "/run/systemd/transient",
    "/run/systemd/generator.early",
    "/etc/systemd/system",
    "/run/systemd/system",
    "/run/systemd/generator",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/run/systemd/generator.late",
)
"""The directories of units and drop-ins; where two have a file of one name, the first one's counts.

`systemctl set-property` and `edit --runtime` write to some of them.
"""

Listed = Mapping[str, tuple[str, ...]]
"""The directories that have a drop-in directory of a name, by that name."""


@frozen
class DropIn:
    """A drop-in that counts: its path and its text."""

    path: str
    text: str

    @property
    def sections(self) -> unit.Sections:
        """The sections of its text, with empty assignments."""
        return unit.as_written(self.text)


def listed(view: HostView) -> Listed:
    """The drop-in directories of all units, from one look at each. Raises Unreadable, UnsafePath."""
    directories: dict[str, tuple[str, ...]] = {}
    for directory in DIRECTORIES:
        for name in view.names(directory):
            if name.endswith(".d"):
                directories[name] = (*directories.get(name, ()), directory)
    return directories


def kinds_of(name: str) -> list[str]:
    """The names of a unit's drop-in directories, the most general first: service.d, a-.service.d,
    a@.service.d, a@b.service.d.
    """
    stem, _, suffix = name.rpartition(".")
    template, at, instance = stem.partition("@")
    dashes = [
        index
        for index, letter in enumerate(template)
        if letter == "-" and index < len(template) - 1 + bool(at)
    ]
    kinds = [f"{suffix}.d", *(f"{template[: index + 1]}.{suffix}.d" for index in dashes if index)]
    if at:
        kinds.append(f"{template}@.{suffix}.d")
    return [*kinds, f"{name}.d"] if not at or instance else kinds


def of(view: HostView, name: str, where: Listed) -> Iterator[DropIn]:
    """Yield all drop-ins of a unit in the order in which they count: by file name.

    Raises Unreadable, UnsafePath.
    """
    paths: dict[str, str] = {}
    for kind in kinds_of(name):
        # A drop-in for this very unit replaces one of the same file name for several units.
        paths |= dict(_named(view, kind, where.get(kind, ())))
    for _, path in sorted(paths.items()):
        entry = view.entry(path)
        if entry is not None and entry.type is FileType.FILE:
            yield DropIn(path, _text(view, path))


def of_others(view: HostView, name: str, ours: str, where: Listed) -> tuple[DropIn, ...]:
    """The drop-ins that we did not write; none where they cannot be looked at, as our own parts need none."""
    if not any(kind in where for kind in kinds_of(name)):
        return ()
    try:
        return tuple(drop_in for drop_in in of(view, name, where) if drop_in.path != ours)
    except (Unreadable, UnsafePath):
        return ()


def both_say(ours: unit.Sections, theirs: unit.Sections) -> list[str]:
    """The directives that both set, such as `Service.ExecStart`."""
    return sorted(
        f"{section}.{name}"
        for section, names in theirs.items()
        for name in names
        if name in ours.get(section, {})
    )


def _named(view: HostView, kind: str, directories: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    names: set[str] = set()
    for directory in directories:
        for file in view.names(f"{directory}/{kind}"):
            if file.endswith(".conf") and file not in names:
                names.add(file)
                yield file, f"{directory}/{kind}/{file}"


def _text(view: HostView, path: str) -> str:
    try:
        return view.excerpt(path)[0].decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
