"""The unit file of a declared service, as sections, and the cost of a difference between two such files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from reconciler.core.changes import FieldChange
from reconciler.core.model.resource import Directive, Effect
from reconciler.formats.systemd import unit
from reconciler.kinds.services.hardening import SETS
from reconciler.kinds.services.model import Service

Value = str | list[str]


def _command(value: str | list[str]) -> str:
    return value if isinstance(value, str) else unit.exec_line(value)


def _words(values: Iterable[str]) -> str:
    return " ".join(values)


def _texts(values: Iterable[str]) -> list[str]:
    return [unit.escape_specifiers(value) for value in values]


# The fields whose directives are not simply their text with `%` doubled.
_FORMS: Mapping[str, Callable[[Any], Value]] = {
    "after": _words,
    "before": _words,
    "wants": _words,
    "requires": _words,
    "wanted_by": _words,
    "required_by": _words,
    "documentation": _words,
    "exec_start": _command,
    "exec_reload": _command,
    "exec_start_pre": lambda commands: [_command(command) for command in commands],
    "exec_start_post": lambda commands: [_command(command) for command in commands],
    "exec_stop": lambda commands: [_command(command) for command in commands],
    "environment": lambda variables: [
        unit.environment_value(name, value) for name, value in variables.items()
    ],
    "environment_file": _texts,
    "device_allow": _texts,
    "load_credential": lambda paths: [
        f"{unit.escape_specifiers(name)}:{unit.escape_specifiers(path)}" for name, path in paths.items()
    ],
    "remain_after_exit": lambda value: "yes" if value else "no",
    "nice": str,
    "io_weight": str,
    "cpu_quota": str,
    **dict.fromkeys(
        ("memory_max", "memory_high", "memory_low", "memory_swap_max", "tasks_max", "limit_memlock"), str
    ),
    "supplementary_groups": _words,
}


@cache
def _table() -> tuple[tuple[str, Directive, Callable[[Any], Value]], ...]:
    return tuple(
        (name, mark, _FORMS.get(name, unit.escape_specifiers))
        for name, info in Service.model_fields.items()
        for mark in info.metadata
        if isinstance(mark, Directive)
    )


@cache
def _with_default() -> frozenset[str]:
    """The fields that count even when nobody wrote them."""
    return frozenset(
        name for name, info in Service.model_fields.items() if info.is_required() or info.default
    )


_FOR_SYSTEMD_ALONE = (
    "Description",
    "Documentation",
    "OnFailure",
    "OnSuccess",
    "OnFailureJobMode",
    "OnSuccessJobMode",
    "IgnoreOnIsolate",
    "StopWhenUnneeded",
    "RefuseManualStart",
    "RefuseManualStop",
    "AllowIsolate",
    "CollectMode",
    "SourcePath",
)
"""The directives of [Unit] that systemd looks up each time, and the process never sees.

NixOS restarts nothing for these either.
"""


@cache
def _effects() -> Mapping[tuple[str, str], Effect]:
    alone = {("Unit", name): Effect.NONE for name in _FOR_SYSTEMD_ALONE}
    return alone | {(mark.section, mark.name): mark.effect for _, mark, _ in _table()}


def _plain(value: Value) -> Value | None:
    """A value as `unit.parse` has it: one as text, several as a list, none as None."""
    if isinstance(value, list):
        return value[0] if len(value) == 1 else (value or None)
    return value or None


def sections(service: Service) -> unit.Sections:
    """The unit file as sections.

    Directives stand in the order of the model, `hardening` after them, `directives` last.
    """
    result: unit.Sections = {"Unit": {}, "Service": {}, "Install": {}}
    for name, mark, form in _table():
        if name not in service.model_fields_set and name not in _with_default():
            continue
        declared = getattr(service, name)
        value = None if declared is None or declared == [] else _plain(form(declared))
        if value is not None:
            result[mark.section][mark.name] = value
    result["Service"].update(SETS[service.hardening])
    for section, names in service.directives.items():
        for name, directive in names.items():
            value = _plain(list(directive) if isinstance(directive, list) else directive)
            if value is None and directive == "" and name in unit.EMPTY_MEANS:
                value = ""
            if value is not None:
                result.setdefault(section, {})[name] = value
    return {section: names for section, names in result.items() if names}


def drop_in(service: Service) -> unit.Sections:
    """The sections of the drop-in for a package's unit: the fields that are written.

    Commands replace the package's: an empty one comes first.
    """
    result: unit.Sections = {"Unit": {}, "Service": {}}
    for name, mark, form in _table():
        declared = getattr(service, name)
        replaces = name.startswith("exec_")
        if name not in service.model_fields_set or declared is None:
            continue
        if declared in ([], {}) and not replaces:
            continue
        value = form(declared)
        values = [value] if isinstance(value, str) else value
        if replaces:
            values = ["", *values]
        if values:
            result[mark.section][mark.name] = values[0] if len(values) == 1 else values
    result["Service"].update(SETS[service.hardening])
    for section, names in service.directives.items():
        for name, directive in names.items():
            values = list(directive) if isinstance(directive, list) else [directive]
            if values:
                result.setdefault(section, {})[name] = values[0] if len(values) == 1 else values
    return {section: names for section, names in result.items() if names}


def at_start(unit_sections: unit.Sections) -> unit.Sections:
    """The directives of a unit file whose change costs a restart."""
    costly = {
        section: {
            name: value
            for name, value in names.items()
            if not name.startswith("X-") and _cost(section, name) is Effect.RESTART
        }
        for section, names in unit_sections.items()
        if section != "Install" and not section.startswith("X-")
    }
    return {section: names for section, names in costly.items() if names}


def _cost(section: str, name: str) -> Effect:
    return _effects().get((section, name), Effect.RESTART)


def effect(differences: Iterable[FieldChange]) -> tuple[Effect, str]:
    """The greatest cost of these differences below `unit`, and its directive, such as `Service.ExecStart`."""
    greatest, directive = Effect.NONE, ""
    for change in differences:
        if change.path[0] != "unit" or len(change.path) < 3:
            continue
        section, name = change.path[1], change.path[2]
        if section == "Install" or section.startswith("X-") or name.startswith("X-"):
            continue
        cost = _cost(section, name)
        if cost > greatest:
            greatest, directive = cost, f"{section}.{name}"
    return greatest, directive


def encrypted_credentials(service: Service) -> Iterator[str]:
    """The paths of encrypted credentials in `directives`: systemd reads these files once, at a start."""
    value = service.directives.get("Service", {}).get("LoadCredentialEncrypted", [])
    values = [value] if isinstance(value, str) else value
    last_reset = max((number for number, text in enumerate(values) if not text), default=-1)
    paths = (text.partition(":")[2] for text in values[last_reset + 1 :])
    yield from (path for path in paths if path.startswith(("/", "%")))


def has_specifier(path: str) -> bool:
    """Whether systemd replaces a part of the path (systemd.unit(5))."""
    return "%" in path.replace("%%", "")
