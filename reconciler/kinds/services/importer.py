"""Unit files of a host's administrator as a spec would declare them: directives become fields again."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from reconciler.core.host import FileType, HostView, Unreadable, UnsafePath
from reconciler.core.model.resource import Directive
from reconciler.formats.systemd import unit, unit_spelling
from reconciler.kinds.services.activation import Starters, starters
from reconciler.kinds.services.model import Service
from reconciler.kinds.shared import unit_files, unit_observe
from reconciler.kinds.shared.importing import Asked, Candidate

_HEADER = re.compile(rf"# {unit_files.MARK}(\w+)[.\[]")
PLACES = (unit_files.DIRECTORY,)
_OTHERS = (".timer", ".socket", ".path", ".mount", ".automount", ".target", ".slice", ".swap")
_WORDS = (
    "after",
    "before",
    "wants",
    "requires",
    "wanted_by",
    "required_by",
    "documentation",
    "supplementary_groups",
)
_LISTS = ("exec_start_pre", "exec_start_post", "exec_stop", "environment_file", "device_allow")
_NEEDED: Mapping[str, Any] = {"type": None, "restart": None, "wanted_by": []}
"""The fields with a default that stands for a directive, each with its value for a file without that one."""


class _CannotSay(Exception):
    """A directive that no field can say as it stands in the file."""


def find(view: HostView, asked: Asked) -> Iterator[Candidate]:
    """Yield the regular files in /etc/systemd/system that no package brought.

    Raises Unreadable, UnsafePath.
    """
    names = [name for name in view.names(unit_files.DIRECTORY) if name.endswith((".service", *_OTHERS))]
    files = {
        name: entry
        for name in names
        if (entry := view.entry(unit_files.path(name))) and entry.type is FileType.FILE and entry.size
    }
    states = (
        view.units([name for name in files if name.endswith(".service") and "@." not in name])
        if view.running
        else {}
    )
    started_by = starters(view)
    for name in files:
        if unit_files.path(name) in asked.packaged:
            continue
        if not name.endswith(".service"):
            kind = name.rpartition(".")[2]
            yield Candidate(
                "services",
                name,
                why=f"{kind} units are not imported; a job by the clock is declared under `timers:`",
            )
            continue
        if "@" in name:
            yield Candidate("services", name, why="templates and their instances cannot be declared yet")
            continue
        yield _service(view, name, unit_observe.state_of(states[name]) if name in states else "", started_by)


def _service(view: HostView, name: str, state: str, started_by: Starters) -> Candidate:
    """One service; `state` is empty where no systemd runs that could be asked."""
    short = name.removesuffix(".service")
    try:
        text = view.read(unit_files.path(name)).decode("utf-8", "replace")
    except (Unreadable, UnsafePath) as problem:
        return Candidate("services", short, why=str(problem))
    header = _HEADER.match(text)
    if header is not None and header[1] != "services":
        return Candidate("services", short, why=f"it belongs to `{header[1]}:`, which is not imported")
    if text.startswith(f"# {unit_files.INSTALLED}"):
        return Candidate("services", short, why="it is the tool's own: `reconciler install` writes it")
    sections = unit_spelling.canonical(unit.parse(text))
    links = unit_observe.enabled_by(view, name)
    why = _reason_to_leave_out(
        sections, {name, *_other_names(sections, links)}, started_by, state, enabled=bool(links)
    )
    if why:
        return Candidate("services", short, why=why)
    try:
        fields = dict(_fields(sections))
    except _CannotSay as problem:
        return Candidate("services", short, why=str(problem))
    for field, nothing in _NEEDED.items():
        fields.setdefault(field, nothing)
    fields["enabled"] = bool(links)
    if not _is_job(sections) and (state == "stopped" or not (state or links)):
        fields["state"] = "stopped"
    return Candidate(
        "services", short, {field: fields[field] for field in Service.model_fields if field in fields}
    )


def _is_job(sections: unit.Sections) -> bool:
    """Whether a service runs and ends, and is not active afterwards."""
    service = sections.get("Service", {})
    kind = service.get("Type", "simple" if "ExecStart" in service else "oneshot")
    return kind == "oneshot" and service.get("RemainAfterExit") != "yes"


def _other_names(sections: unit.Sections, links: Iterable[str]) -> set[str]:
    """The aliases that the [Install] section or a link gives a unit."""
    alias = sections.get("Install", {}).get("Alias", [])
    written = {word for text in ([alias] if isinstance(alias, str) else alias) for word in text.split()}
    return written | {link.rpartition("/")[2] for link in links}


def _reason_to_leave_out(
    sections: unit.Sections, names: set[str], started_by: Starters, state: str, *, enabled: bool
) -> str:
    """Why neither `state: running` nor `state: stopped` would be true for long; empty if one would be."""
    triggers = sorted({trigger for name in names for trigger in started_by.triggers.get(name, ())})
    sockets = sections.get("Service", {}).get("Sockets")
    if sockets:
        triggers += sockets.split() if isinstance(sockets, str) else sockets
    if triggers:
        return f"{_some(triggers)} starts it: an apply would stop it while it runs, or run it off schedule"
    pulls = sorted({pull for name in names for pull in started_by.pulls.get(name, ())})
    if _is_job(sections):
        by = f", {_some(pulls)} starts it" if pulls else ""
        return (
            ""
            if enabled
            else f"it is a job that nothing starts with the host{by}: a change of it would run it"
        )
    if state == "stopped" and pulls:
        return f"it does not run now, and {_some(pulls)} starts it: an apply would stop it then"
    conditions = [name for name in sections.get("Unit", {}) if name.startswith(("Condition", "Assert"))]
    if enabled and not state and conditions:
        return (
            f"whether it runs hangs on {_some(conditions)}, which only the running host knows: import there"
        )
    if state == "stopped" and enabled:
        because = f" ({_some(conditions)} may not hold now)" if conditions else ""
        return f"it starts with the host but does not run now{because}: start or disable it, and import again"
    return ""


def _some(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} (and {len(names) - 1} more)"


def _fields(sections: unit.Sections) -> Iterator[tuple[str, Any]]:
    by_directive = {
        (mark.section, mark.name): field
        for field, info in Service.model_fields.items()
        for mark in info.metadata
        if isinstance(mark, Directive)
    }
    others: dict[str, dict[str, Any]] = {}
    for section, names in sections.items():
        if unit.STRAY in (section, *names):
            raise _CannotSay(f"it has lines that systemd does not read: {names[unit.STRAY]}")
        for name, value in names.items():
            field = by_directive.get((section, name))
            if field is None:
                others.setdefault(section, {})[name] = value
            else:
                yield field, _field_value(field, f"{section}.{name}", value)
    if others:
        yield "directives", others


def _field_value(field: str, directive: str, value: str | list[str]) -> Any:
    """The value of a field for that of its directive. Raises _CannotSay."""
    values = [value] if isinstance(value, str) else value
    if field in _LISTS:
        return [_item(field, directive, text) for text in values]
    if field == "environment":
        return _variables(directive, values)
    if field == "load_credential":
        return dict(_pair(directive, text) for text in values)
    if len(values) != 1:
        raise _CannotSay(f"{directive} stands there {len(values)} times; a field has one value")
    return values[0].split() if field in _WORDS else _item(field, directive, values[0])


def _item(field: str, directive: str, value: str) -> Any:
    if field.startswith("exec_"):
        words = value.split()
        try:
            return words if unit.exec_line(words) == value else value
        except ValueError:
            return value
    convert = _CONVERT.get(field)
    return convert(value) if convert is not None else _plain(directive, value)


def _flag(value: str) -> bool | str:
    return {"yes": True, "no": False}.get(value, value)


def _number(value: str) -> int | str:
    return int(value) if re.fullmatch(r"-?[0-9]{1,3}", value) else value


_AS_IS = ("memory_max", "memory_high", "cpu_quota")
_CONVERT: Mapping[str, Callable[[str], Any]] = {
    "remain_after_exit": _flag,
    "nice": _number,
    **dict.fromkeys(_AS_IS, str),
}


def _plain(directive: str, value: str) -> str:
    """The text of a directive without specifiers, with each `%%` as `%`. Raises _CannotSay."""
    if "%" in value.replace("%%", ""):
        raise _CannotSay(f"{directive} has a specifier (%): a field's text is taken as it is written")
    return value.replace("%%", "%")


def _variables(directive: str, values: list[str]) -> dict[str, str]:
    try:
        return unit_spelling.assignments(values)
    except ValueError as problem:
        raise _CannotSay(f"{directive}: {problem}; a field has names and values as they are") from None


def _pair(directive: str, value: str) -> tuple[str, str]:
    name, _, path = _plain(directive, value).partition(":")
    if not path.startswith("/"):
        raise _CannotSay(f"{directive} names a credential without the file that it comes from")
    return name, path
