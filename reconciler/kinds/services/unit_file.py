"""A declared service as the sections of its unit file, and what a difference between two such files costs."""

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


# Fields that are not simply their text with `%` doubled.
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
    "exec_start_pre": lambda commands: [_command(one) for one in commands],
    "exec_start_post": lambda commands: [_command(one) for one in commands],
    "exec_stop": lambda commands: [_command(one) for one in commands],
    "environment": lambda variables: [
        unit.environment_value(name, value) for name, value in variables.items()
    ],
    "environment_file": _texts,
    "device_allow": _texts,
    "load_credential": lambda found: [
        f"{unit.escape_specifiers(name)}:{unit.escape_specifiers(path)}" for name, path in found.items()
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
    """Fields that stand for something even when nobody wrote them."""
    return frozenset(
        name for name, info in Service.model_fields.items() if info.is_required() or info.default
    )


_FOR_SYSTEMD_ALONE = (
    *(
        "Description",
        "Documentation",
        "OnFailure",
        "OnSuccess",
        "OnFailureJobMode",
        "OnSuccessJobMode",
        "IgnoreOnIsolate",
    ),
    *(
        "StopWhenUnneeded",
        "RefuseManualStart",
        "RefuseManualStop",
        "AllowIsolate",
        "CollectMode",
        "SourcePath",
    ),
)
"""The directives of [Unit] that systemd looks at anew each time, and the process never sees.

These are what NixOS restarts nothing for, and one of its kind.
"""


@cache
def _effects() -> Mapping[tuple[str, str], Effect]:
    alone = {("Unit", name): Effect.NONE for name in _FOR_SYSTEMD_ALONE}
    return alone | {(mark.section, mark.name): mark.effect for _, mark, _ in _table()}


def _plain(value: Value) -> Value | None:
    """One value as text, several as a list, none as None: the form in which `unit.parse` answers."""
    if isinstance(value, list):
        return value[0] if len(value) == 1 else (value or None)
    return value or None


def sections(service: Service) -> unit.Sections:
    """The unit file as sections.

    Directives stand in the order of the model, `hardening` after them, `directives` last.
    """
    result: unit.Sections = {"Unit": {}, "Service": {}, "Install": {}}
    said = service.model_fields_set
    for name, mark, form in _table():
        if name not in said and name not in _with_default():
            continue
        declared = getattr(service, name)
        value = None if declared is None or declared == [] else _plain(form(declared))
        if value is not None:
            result[mark.section][mark.name] = value
    result["Service"].update(SETS[service.hardening])
    for section, names in service.directives.items():
        for name, given in names.items():
            value = _plain(list(given) if isinstance(given, list) else given)
            if value is None and given == "" and name in unit.EMPTY_MEANS:
                value = ""
            if value is not None:
                result.setdefault(section, {})[name] = value
    return {section: names for section, names in result.items() if names}


def drop_in(service: Service) -> unit.Sections:
    """The sections of a drop-in for what is declared about a package's unit.

    Commands replace the package's: an empty one comes first.
    """
    result: unit.Sections = {"Unit": {}, "Service": {}}
    for name, mark, form in _table():
        declared = getattr(service, name)
        replaces = name.startswith("exec_")
        if (
            name not in service.model_fields_set
            or declared is None
            or (declared in ([], {}) and not replaces)
        ):
            continue
        value = form(declared)
        values = [value] if isinstance(value, str) else value
        if replaces:
            values = ["", *values]
        if values:
            result[mark.section][mark.name] = values[0] if len(values) == 1 else values
    result["Service"].update(SETS[service.hardening])
    for section, names in service.directives.items():
        for name, given in names.items():
            values = list(given) if isinstance(given, list) else [given]
            if values:
                result.setdefault(section, {})[name] = values[0] if len(values) == 1 else values
    return {section: names for section, names in result.items() if names}


def at_start(found: unit.Sections) -> unit.Sections:
    """Those directives of a unit file whose change costs a restart."""
    told = {
        section: {
            name: value
            for name, value in names.items()
            if not name.startswith("X-") and _cost(section, name) is Effect.RESTART
        }
        for section, names in found.items()
        if section != "Install" and not section.startswith("X-")
    }
    return {section: names for section, names in told.items() if names}


def _cost(section: str, name: str) -> Effect:
    return _effects().get((section, name), Effect.RESTART)


def effect(differences: Iterable[FieldChange]) -> tuple[Effect, str]:
    """The greatest cost of these differences below `unit`, and the directive that makes it: (Effect.RESTART,
    "Service.ExecStart").
    """
    worst, why = Effect.NONE, ""
    for change in differences:
        if change.path[0] != "unit" or len(change.path) < 3:
            continue
        section, name = change.path[1], change.path[2]
        if section == "Install" or section.startswith("X-") or name.startswith("X-"):
            continue
        cost = _cost(section, name)
        if cost > worst:
            worst, why = cost, f"{section}.{name}"
    return worst, why


def encrypted_credentials(service: Service) -> Iterator[str]:
    """Paths as `directives` have them: systemd reads these files once, at a start."""
    value = service.directives.get("Service", {}).get("LoadCredentialEncrypted", [])
    values = [value] if isinstance(value, str) else value
    last_reset = max((number for number, text in enumerate(values) if not text), default=-1)
    paths = (text.partition(":")[2] for text in values[last_reset + 1 :])
    yield from (path for path in paths if path.startswith(("/", "%")))


def has_specifier(path: str) -> bool:
    """Whether systemd puts something else in the place of a part of it (systemd.unit(5))."""
    return "%" in path.replace("%%", "")
