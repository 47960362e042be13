"""Drop-ins of a unit: where systemd looks for them, which count, and what those of others say that we say too
(systemd.unit(5)).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconciler.core.basics.frozen import frozen
from reconciler.core.host import FileType, HostView, Unreadable, UnsafePath
from reconciler.formats.systemd import unit

DIRECTORIES = (
    *(
        "/etc/systemd/system.control",
        "/run/systemd/system.control",
        "/run/systemd/transient",
        "/run/systemd/generator.early",
    ),
    *("/etc/systemd/system", "/run/systemd/system", "/run/systemd/generator"),
    *("/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/run/systemd/generator.late"),
)
"""The first directory's drop-in counts where two have one name.

The drop-ins that `systemctl set-property` and `edit --runtime` leave are among them.
"""

Listed = Mapping[str, tuple[str, ...]]
"""Which of these directories have a drop-in directory of a name."""


@frozen
class DropIn:
    """One that counts: its path, and what it says as it stands there."""

    path: str
    text: str

    @property
    def sections(self) -> unit.Sections:
        """Empty assignments included."""
        return unit.as_written(self.text)


def listed(view: HostView) -> Listed:
    """One look at each directory, for any number of units. Raises Unreadable, UnsafePath."""
    found: dict[str, tuple[str, ...]] = {}
    for directory in DIRECTORIES:
        for name in view.names(directory):
            if name.endswith(".d"):
                found[name] = (*found.get(name, ()), directory)
    return found


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
    found = [f"{suffix}.d", *(f"{template[: index + 1]}.{suffix}.d" for index in dashes if index)]
    if at:
        found.append(f"{template}@.{suffix}.d")
    return [*found, f"{name}.d"] if not at or instance else found


def of(view: HostView, name: str, where: Listed) -> Iterator[DropIn]:
    """All drop-ins of a unit in the order in which they count: by file name.

    Raises Unreadable, UnsafePath.
    """
    found: dict[str, str] = {}
    for kind in kinds_of(name):
        # What is for this unit wins over what is for more of them.
        found |= dict(_named(view, kind, where.get(kind, ())))
    for file in sorted(found):
        entry = view.entry(found[file])
        if entry is not None and entry.type is FileType.FILE:
            yield DropIn(found[file], _text(view, found[file]))


def of_others(view: HostView, name: str, ours: str, where: Listed) -> tuple[DropIn, ...]:
    """Those that we did not write; none of what cannot be looked at, for what is ours does not hang on it."""
    if not any(kind in where for kind in kinds_of(name)):
        return ()
    try:
        return tuple(one for one in of(view, name, where) if one.path != ours)
    except (Unreadable, UnsafePath):
        return ()


def both_say(ours: unit.Sections, theirs: unit.Sections) -> list[str]:
    """Directives that stand in both: `Service.ExecStart`."""
    return sorted(
        f"{section}.{name}"
        for section, names in theirs.items()
        for name in names
        if name in ours.get(section, {})
    )


def _named(view: HostView, kind: str, directories: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for directory in directories:
        for file in view.names(f"{directory}/{kind}"):
            if file.endswith(".conf") and file not in seen:
                seen.add(file)
                yield file, f"{directory}/{kind}/{file}"


def _text(view: HostView, place: str) -> str:
    try:
        return view.excerpt(place)[0].decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
