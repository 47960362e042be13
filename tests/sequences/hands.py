"""Edits by hand on a simulated host and in a tree, with the executor's own hands:
they are tested elsewhere.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reconciler.core.actions import (
    ABSENT,
    Account,
    AccountOp,
    RemovePath,
    SetAccess,
    Unit,
    UnitVerb,
    WriteFile,
)
from reconciler.core.basics.digest import digest
from reconciler.core.host import FileType
from reconciler.host.files.expects import state_of
from tests import worlds
from tests.case import Host
from tests.sequences.draw import BEFORE, CAROL, DECOYS, OF_DIRECTORIES, OF_FILES, OF_UNITS, UNITS, Hand
from tests.worlds import World

WANTS = tuple(f"{UNITS}/{target}.target.wants" for target in ("multi-user", "timers"))
READ = frozenset({"/etc/y.conf", "/etc/z.conf", "/srv/a/x"})
"""The files that services read."""


def fresh(place: Path, *, running: bool) -> World:
    """A world in which somebody lived before us."""
    world = worlds.simulated(place, read=READ) if running else worlds.tree(place)
    accounts = {
        path: {**_kept(world, path), "content": world.host().read(path).decode() + more}
        for path, more in CAROL.items()
    }
    worlds.make(world, Host(paths=accounts))
    settle(world)
    return world


def settle(world: World) -> None:
    """Put on the host the objects that were there before us, and those that are nobody's business."""
    home = {"owner": "carol", "group": "carol", "mode": "0700"}
    somewhere: dict[str, dict[str, str]] = {"/etc/cron.d": {}, "/home/carol": home}
    there = {
        path: said
        for path, said in {**somewhere, **BEFORE, **DECOYS}.items()
        if world.host().entry(path) is None
    }
    worlds.make(world, Host(paths=there))
    if world.running:
        world.host().execute(Unit(UnitVerb.DAEMON_RELOAD))


def _kept(world: World, path: str) -> dict[str, str]:
    entry = world.host().entry(path)
    return {"mode": entry.mode, "owner": entry.owner, "group": entry.group}


def addresses(hand: Hand) -> frozenset[str]:
    """Whose thing it is that somebody has changed, should it be declared."""
    if hand.verb == "usermod":
        return frozenset({f"users.{hand.target}"})
    if hand.target.endswith("/authorized_keys"):
        name = hand.target.split("/")[2]
        return frozenset({f"ssh_keys.{name}", f"users.{name}"})
    found = OF_FILES.get(hand.target) or OF_DIRECTORIES.get(hand.target) or OF_UNITS.get(hand.target, "")
    return frozenset({found} - {""})


def possible(world: World, hand: Hand) -> bool:
    """Whether what it is about is there, and of the kind that it takes."""
    return (world.running or hand.verb not in ("unit", "disable")) and _POSSIBLE.get(hand.verb, _is_there)(
        world.host(), hand
    )


def _is_unit(host: Any, hand: Hand) -> bool:
    loaded = host.units([hand.target])[hand.target].load == "loaded"
    return (
        _is_file(host, f"{UNITS}/{hand.target}")
        if hand.verb == "disable"
        else loaded and _is_file(host, f"{UNITS}/{hand.target}")
    )


def _is_user(host: Any, hand: Hand) -> bool:
    grouping = hand.more[0] in ("append", "remove")
    return _line_of(host, "/etc/passwd", hand.target) is not None and (
        not grouping or _group_fits(host, hand.target, *hand.more)
    )


def _is_below(host: Any, hand: Hand) -> bool:
    above = host.entry(hand.target.rpartition("/")[0])
    return above is not None and above.type is FileType.DIRECTORY


def _is_there(host: Any, hand: Hand) -> bool:
    entry = host.entry(hand.target)
    return entry is not None and (
        entry.type is FileType.FILE or (entry.type is FileType.DIRECTORY and hand.verb in ("chmod", "chown"))
    )


_POSSIBLE = {"unit": _is_unit, "disable": _is_unit, "usermod": _is_user, "put": _is_below}


def _group_fits(host: Any, user: str, verb: str, group: str) -> bool:
    row = _line_of(host, "/etc/group", group)
    return row is not None and ((user in row[3].split(",")) == (verb == "remove"))


def _line_of(host: Any, path: str, name: str) -> list[str] | None:
    rows = [line.split(":") for line in host.read(path).decode().splitlines()]
    return next((row for row in rows if row[0] == name), None)


def _is_file(host: Any, path: str) -> bool:
    entry = host.entry(path)
    return entry is not None and entry.type is FileType.FILE


def do(world: World, hand: Hand) -> bool:
    """Do it, if it is possible; whether it was."""
    if not possible(world, hand):
        return False
    _DO[hand.verb](world.host(), hand)
    return True


def _expects(host: Any, path: str) -> str:
    return state_of(host.entry(path), lambda: host.digest(path)) if host.entry(path) is not None else ABSENT


def _append(host: Any, hand: Hand) -> None:
    entry, content = host.entry(hand.target), host.read(hand.target) + hand.more[0].encode()
    access = (entry.mode, entry.owner, entry.group)
    host.execute(WriteFile(hand.target, content, digest(content), *access, _expects(host, hand.target)))


def _put(host: Any, hand: Hand) -> None:
    content = hand.more[0].encode()
    host.execute(
        WriteFile(hand.target, content, digest(content), "0644", "root", "root", _expects(host, hand.target))
    )


def _chmod(host: Any, hand: Hand) -> None:
    entry = host.entry(hand.target)
    host.execute(SetAccess(hand.target, hand.more[0], entry.owner, entry.group))


def _chown(host: Any, hand: Hand) -> None:
    owner, group = hand.more
    host.execute(SetAccess(hand.target, host.entry(hand.target).mode, owner, group))


def _remove(host: Any, hand: Hand) -> None:
    host.execute(RemovePath(hand.target, _expects(host, hand.target)))


def _unit(host: Any, hand: Hand) -> None:
    host.execute(Unit(UnitVerb(hand.more[0]), (hand.target,)))


def _disable(host: Any, hand: Hand) -> None:
    """As systemctl disable --now: it reloads, too."""
    for path in (f"{directory}/{hand.target}" for directory in WANTS):
        if host.entry(path) is not None:
            host.execute(RemovePath(path, _expects(host, path)))
    host.execute(Unit(UnitVerb.DAEMON_RELOAD))
    host.execute(Unit(UnitVerb.STOP, (hand.target,)))


def _usermod(host: Any, hand: Hand) -> None:
    host.execute(Account(AccountOp.USERMOD, hand.target, (hand.more,)))  # type: ignore[arg-type]  # two of two


_DO = {
    "append": _append,
    "put": _put,
    "chmod": _chmod,
    "chown": _chown,
    "remove": _remove,
    "unit": _unit,
    "disable": _disable,
    "usermod": _usermod,
}
