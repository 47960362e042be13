"""Says what a host lacks of a spec, with nothing of the engine's: lines of files are split here, by few and
plain rules.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reconciler.core.host import FileType
from tests.sequences.draw import UNITS, Spec
from tests.worlds import World

DISABLED_DAY = "1"


@dataclass(frozen=True, slots=True)
class Fact:
    """One path.

    `text` is a file's content or a link's target; `stamp` inode and times, where there are some.
    """

    type: str
    mode: str
    owner: str
    group: str
    text: str = ""
    stamp: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything on a host. `active` and `process` by unit, empty where no systemd runs."""

    paths: Mapping[str, Fact]
    active: Mapping[str, str] = field(default_factory=dict)
    process: Mapping[str, str] = field(default_factory=dict)

    @property
    def running(self) -> bool:
        """Whether a systemd answers."""
        return bool(self.active)

    def rows(self, path: str) -> dict[str, list[str]]:
        """An account file, by name."""
        found = (line.split(":") for line in self.paths[path].text.splitlines())
        return {row[0]: row for row in found}

    def text(self, path: str) -> str:
        """A file's content; empty if there is none."""
        found = self.paths.get(path)
        return found.text if found is not None and found.type == "file" else ""


def look(world: World, units: tuple[str, ...] = ()) -> Seen:
    """Everything on the host of a world."""
    if world.simulated is None and os.geteuid() == 0:
        return Seen(dict(_in_tree(world.place / "tree")))
    host = world.host()
    paths = dict(_through(host, "/"))
    if not world.running:
        return Seen(paths)
    names = sorted(
        {
            *units,
            *(
                path.rpartition("/")[2]
                for path in paths
                if path.startswith(f"{UNITS}/") and path.count("/") == 4
            ),
        }
    )
    states = host.units([name for name in names if name.endswith((".service", ".timer"))])
    active = {name: state.active for name, state in states.items()}
    return Seen(paths, active or {"": ""}, {name: state.invocation for name, state in states.items()})


def _through(host: Any, path: str) -> Iterator[tuple[str, Fact]]:
    entry = host.entry(path)
    assert entry is not None
    text = host.read(path).decode() if entry.type is FileType.FILE else entry.target
    mode = "" if entry.type is FileType.LINK else entry.mode
    yield path, Fact(str(entry.type), mode, entry.owner, entry.group, text, (entry.mtime_ns,))
    if entry.type is FileType.DIRECTORY:
        for name in host.names(path):
            yield from _through(host, f"{path.rstrip('/')}/{name}")


def _in_tree(root: Path) -> Iterator[tuple[str, Fact]]:
    """Every path of the tree as lstat describes it, with names from the tree's own account files."""
    names = [
        {row[2]: row[0] for row in _rows((root / file).read_text())} for file in ("etc/passwd", "etc/group")
    ]
    for path in (root, *sorted(root.rglob("*"))):
        found = path.lstat()
        kind = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link"}[
            stat.S_IFMT(found.st_mode)
        ]
        text = path.read_text() if kind == "file" else str(path.readlink()) if kind == "link" else ""
        mode = "" if kind == "link" else f"{stat.S_IMODE(found.st_mode):04o}"
        owner, group = (
            known.get(str(number), str(number))
            for known, number in zip(names, (found.st_uid, found.st_gid), strict=True)
        )
        stamp = (found.st_ino, found.st_mtime_ns, found.st_ctime_ns)
        yield (
            f"/{path.relative_to(root)}".replace("/.", "/") if path == root else f"/{path.relative_to(root)}",
            Fact(kind, mode, owner, group, text, stamp),
        )


def _rows(text: str) -> list[list[str]]:
    return [line.split(":") for line in text.splitlines()]


# -------------------------------------------------------------------------------------------- what is lacking


def complaints(seen: Seen, spec: Spec, exempt: frozenset[str] = frozenset()) -> list[str]:
    """The differences between the host and the spec, but for resources that are exempt."""
    found = []
    for kind, named in spec.items():
        for name, said in named.items():
            if f"{kind}.{name}" not in exempt:
                found += [f"{kind}.{name}: {what}" for what in _JUDGES[kind](seen, name, said)]
    return found


def _differs(what: str, expected: object, actual: object) -> Iterator[str]:
    if expected != actual:
        yield f"{what} should be {expected!r} and is {actual!r}"


def _path(seen: Seen, path: str, **wanted: str) -> Iterator[str]:
    fact = seen.paths.get(path)
    if fact is None:
        yield f"{path} is not there"
        return
    for what, value in wanted.items():
        yield from _differs(f"{what} of {path}", value, getattr(fact, what))


def _group(seen: Seen, name: str, said: Mapping[str, Any]) -> Iterator[str]:
    row = seen.rows("/etc/group").get(name)
    if row is None or name not in seen.rows("/etc/gshadow"):
        yield "is not in /etc/group and /etc/gshadow"
    elif "gid" in said:
        yield from _differs("gid", str(said["gid"]), row[2])


def _user(seen: Seen, name: str, said: Mapping[str, Any]) -> Iterator[str]:
    row, shadow = seen.rows("/etc/passwd").get(name), seen.rows("/etc/shadow").get(name)
    if row is None or shadow is None:
        yield "is not in /etc/passwd and /etc/shadow"
        return
    system, disabled = said.get("system", False), said.get("state") == "disabled"
    home = "/nonexistent" if system else f"/home/{name}"
    yield from _differs("home", home, row[5])
    yield from _differs("system", system, int(row[2]) < 1000)
    for key, at in (("comment", 4), ("shell", 6)):
        if key in said:
            yield from _differs(key, said[key], row[at])
    yield from _differs(
        "expires", DISABLED_DAY if disabled else "24652" if "expires" in said else "", shadow[7]
    )
    if disabled:
        yield from _differs("locked", expected=True, actual=shadow[1].startswith("!"))
    yield from _memberships(seen, name, said["groups"])
    if not system:
        yield from _path(seen, home, type="directory", owner=name, group=name)
        for path in said.get("directories", ()):
            yield from _path(seen, f"{home}/{path}", type="directory", owner=name)
    profile = f"/etc/reconciler/profile/{name}.sh"
    lines = [f"alias {key}='{value}'" for key, value in said.get("aliases", {}).items()]
    lines += [f"export {key}='{value}'" for key, value in said.get("environment", {}).get("set", {}).items()]
    yield from _differs(
        "profile",
        sorted(lines),
        sorted(line for line in seen.text(profile).splitlines() if not line.startswith("#")),
    )
    rules = [
        f'{name} ALL=(root) {"" if rule["password"] else "NO"}PASSWD: /usr/bin/true ""'
        for rule in said.get("sudo", ())
    ]
    sudoers = f"/etc/sudoers.d/{name}"
    there = [line for line in seen.text(sudoers).splitlines() if not line.startswith("#")]
    yield from _differs("sudo rules", [] if disabled else rules, there)
    if there:
        yield from _path(seen, sudoers, mode="0440", owner="root", group="root")
    if "ssh_keys" in said and not disabled:
        keys = said["ssh_keys"]
        yield from _keys(seen, name, keys if isinstance(keys, dict) else {"keys": keys})


def _memberships(seen: Seen, name: str, said: Any) -> Iterator[str]:
    for file, at in (("/etc/group", 3), ("/etc/gshadow", 3)):
        there = {row[0] for row in seen.rows(file).values() if name in row[at].split(",")}
        if isinstance(said, dict):
            yield from _differs(f"groups in {file}", set(said["exactly"]), there)
        elif not set(said) <= there:
            yield f"lacks groups {set(said) - there} in {file}"


def _keys(seen: Seen, name: str, said: Mapping[str, Any]) -> Iterator[str]:
    home = f"/home/{name}/.ssh"
    wanted = {_line_of(entry) for entry in said.get("exactly", said.get("keys", ()))}
    there = key_lines(seen, name)
    if "exactly" in said:
        yield from _differs("keys", wanted, there)
    elif not wanted <= there:
        yield f"lacks keys {wanted - there}"
    if f"{home}/authorized_keys" in seen.paths:
        yield from _path(seen, home, type="directory", mode="0700", owner=name)
        yield from _path(seen, f"{home}/authorized_keys", type="file", mode="0600", owner=name)


def key_lines(seen: Seen, name: str) -> set[str]:
    """The keys of a user, as options and key without the remark."""
    lines = seen.text(f"/home/{name}/.ssh/authorized_keys").splitlines()
    return {
        " ".join(line.split()[:3] if '"' in line else line.split()[:2])
        for line in lines
        if line and not line.startswith("#")
    }


def _line_of(entry: Any) -> str:
    if isinstance(entry, str):
        return " ".join(entry.split()[:2])
    return f'from="{",".join(entry["from"])}" ' + " ".join(entry["key"].split()[:2])


def _access(said: Mapping[str, Any]) -> dict[str, str]:
    return {"mode": said["mode"], "owner": said.get("owner", "root"), "group": said.get("group", "root")}


def _directory(seen: Seen, name: str, said: Mapping[str, Any]) -> Iterator[str]:
    yield from _path(seen, name, type="directory", **_access(said))


def _file(seen: Seen, name: str, said: Mapping[str, Any]) -> Iterator[str]:
    yield from _path(seen, name, type="file", text=said["content"], **_access(said))


def _unit_has(seen: Seen, unit: str, *wanted: str) -> Iterator[str]:
    lines = seen.text(f"{UNITS}/{unit}").splitlines()
    for line in wanted:
        if lines.count(line) != 1:
            yield f"{unit} says {line!r} {lines.count(line)} times"


def _enabled(seen: Seen, unit: str) -> list[str]:
    return [
        path
        for path in seen.paths
        if path.startswith(f"{UNITS}/") and path.endswith((f".wants/{unit}", f".requires/{unit}"))
    ]


def _active(seen: Seen, unit: str, *, wanted: bool) -> Iterator[str]:
    if seen.running:
        yield from _differs(
            f"state of {unit}", "active" if wanted else "inactive", seen.active.get(unit, "inactive")
        )


def _service(seen: Seen, name: str, said: Mapping[str, Any]) -> Iterator[str]:
    unit = f"{name}.service"
    if said["enabled"] == "masked":
        yield from _path(seen, f"{UNITS}/{unit}", type="link", text="/dev/null")
        yield from _active(seen, unit, wanted=False)
        return
    wanted = [f"ExecStart={' '.join(said['exec_start'])}"]
    wanted += [
        f"{key}={said[field]}"
        for key, field in (("User", "user"), ("Description", "description"))
        if field in said
    ]
    wanted += [f"LimitNOFILE={said['limit_nofile']}"] if "limit_nofile" in said else []
    wanted += ["EnvironmentFile=-/etc/z.conf"] if "environment_file" in said else []
    yield from _unit_has(seen, unit, *wanted)
    yield from _differs(
        f"links to {unit}",
        [f"{UNITS}/multi-user.target.wants/{unit}"] if said["enabled"] else [],
        _enabled(seen, unit),
    )
    yield from _active(seen, unit, wanted=said.get("state") != "stopped")


def _timer(seen: Seen, name: str, said: Mapping[str, Any]) -> Iterator[str]:
    command = " ".join(said["exec_start"])
    if said.get("scheduler") == "cron":
        jobs = [line for line in seen.text(f"/etc/cron.d/{name}").splitlines() if line[0] in "0123456789@*"]
        yield from _differs("job", [f"{said['schedule']} {said.get('user', 'root')} {command}"], jobs)
        yield from (
            f"{path} is still there"
            for path in seen.paths
            if path in (f"{UNITS}/{name}.timer", f"{UNITS}/{name}.service")
        )
        return
    yield from _unit_has(
        seen, f"{name}.service", f"ExecStart={command}", *([f"User={said['user']}"] if "user" in said else [])
    )
    yield from _clock(seen, name, said)
    if f"/etc/cron.d/{name}" in seen.paths:
        yield "is in /etc/cron.d too"


_CALENDAR = {"0 2 * * *": "*-*-* 02:00:00", "30 4 * * 1": "Mon *-*-* 04:30:00", "daily": "*-*-* 00:00:00"}


def _clock(seen: Seen, name: str, said: Mapping[str, Any]) -> Iterator[str]:
    unit = f"{name}.timer"
    yield from _unit_has(seen, unit, f"OnCalendar={_CALENDAR[said['schedule']]}")
    wanted = [f"{UNITS}/timers.target.wants/{unit}"] if said.get("enabled", True) else []
    yield from _differs(f"links to {unit}", wanted, _enabled(seen, unit))
    yield from _active(seen, unit, wanted=said.get("state") != "stopped")


def _policy(seen: Seen, name: str, said: Mapping[str, Any]) -> Iterator[str]:
    words = {line.strip() for line in seen.text(f"/etc/logrotate.d/{name}").splitlines()}
    for word in (said["frequency"], f"rotate {said['rotate']}", "missingok"):
        if word not in words:
            yield f"lacks {word!r}"
    if not any(said["paths"][0] in word for word in words):
        yield f"does not name {said['paths'][0]}"
    yield from _path(seen, f"/etc/logrotate.d/{name}", mode="0644", owner="root", group="root")


def _backup(seen: Seen, name: str, said: Mapping[str, Any]) -> Iterator[str]:
    text = seen.text(f"/etc/reconciler/backups/{name}.json")
    job = json.loads(text) if text else {}
    for key in ("sources", "destinations"):
        yield from _differs(key, said[key], job.get(key))
    yield from _differs(
        "keep", said["keep"], {key: value for key, value in (job.get("keep") or {}).items() if value}
    )
    yield from _clock(seen, f"backup-{name}", {"schedule": said["schedule"]})


_JUDGES: Mapping[str, Callable[[Seen, str, Mapping[str, Any]], Iterator[str]]] = {
    "groups": _group,
    "users": _user,
    "ssh_keys": _keys,
    "directories": _directory,
    "files": _file,
    "services": _service,
    "timers": _timer,
    "logrotate": _policy,
    "backups": _backup,
}
