"""The faults for which systemd refuses a unit as a whole, though each line of it is right.

They are those of `service_verify` and its like in systemd's source. Such a unit has LoadState=bad-setting:
its processes run on, and nothing can start it. A unit that systemd 252 or 257 refuses is refused for both: a
spec must be valid on either host.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from reconciler.core.basics.lazy_regex import Late

Value = str | list[str]
Names = Mapping[str, Value]

_YES = frozenset({"1", "yes", "y", "true", "t", "on"})
_NO = frozenset({"0", "no", "n", "false", "f", "off", ""})
_NONE = ("", "none")
_QUOTED = Late(r""" "(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*' """, re.VERBOSE)
_SEPARATOR = Late(r"(?<=\s);(?=\s+\S)")
_NAMESPACES = frozenset(
    {
        *(
            "BindPaths",
            "BindReadOnlyPaths",
            "ExecPaths",
            "ExtensionDirectories",
            "ExtensionImages",
            "InaccessiblePaths",
            "MountImages",
        ),
        *("NoExecPaths", "ReadOnlyPaths", "ReadWritePaths", "RootImage", "TemporaryFileSystem"),
    }
)
_SANDBOXES = frozenset(
    {
        *(
            "PrivateDevices",
            "PrivateIPC",
            "PrivateMounts",
            "PrivateNetwork",
            "PrivatePIDs",
            "ProtectControlGroups",
            "ProtectHome",
        ),
        *("ProtectKernelLogs", "ProtectKernelModules", "ProtectKernelTunables", "ProtectSystem"),
    }
)
"""Directives that give a service a mount namespace of its own unless they are off; those of _NAMESPACES do so
with any value.
"""

DECIDING = frozenset(
    {
        *(
            "DynamicUser",
            "ExitType",
            "KillMode",
            "OnFailure",
            "OnFailureJobMode",
            "OnSuccess",
            "OnSuccessJobMode",
            "RemainAfterExit",
        ),
        *("Restart", "SuccessAction", "Type", "WorkingDirectory", *_SANDBOXES),
    }
)
"""Directives whose value counts here, and is no secret."""
COMMANDS = frozenset({"ExecStart", "ExecStop"})
"""Directives of which only the number of commands counts here."""
NAMED = frozenset({"BusName", "PAMName", "RestartForceExitStatus", *_NAMESPACES})
"""Directives of which only the presence counts here."""


def refusals(sections: Mapping[str, Names]) -> Iterator[str]:
    """The reasons for which systemd would not load a service of these sections (its file and drop-ins, resets
    resolved), each with what to do.
    """
    service, unit = sections.get("Service", {}), sections.get("Unit", {})
    kind = type_of(service)
    yield from _commands(service, unit, kind)
    if kind == "oneshot":
        yield from _oneshot(service)
    if kind == "dbus" and not _last(service, "BusName"):
        yield "Type=dbus needs BusName=, the name that says that it has started: add it, or take another type"
    if (
        "PAMName" in service
        and _last(service, "PAMName")
        and _last(service, "KillMode") not in ("", "control-group", "mixed")
    ):
        yield (
            f"KillMode={_last(service, 'KillMode')} does not go with PAMName=: write control-group or mixed,"
            " or leave it out"
        )
    if kind == "forking" and _on(service, "PrivatePIDs"):
        yield (
            "PrivatePIDs=yes does not go with Type=forking: let it stay in the foreground, with type exec or"
            " notify"
        )
    if "WorkingDirectory" in service:
        yield from _working_directory(service)
    for event in ("OnFailure", "OnSuccess"):
        if _last(unit, f"{event}JobMode") == "isolate" and len(_words(unit, event)) > 1:
            yield f"{event}JobMode=isolate goes with one unit in {event}=: keep one, or take another mode"


def type_of(service: Names) -> str:
    """The type of a service; where it declares none, the one that systemd takes."""
    declared = _last(service, "Type")
    if declared:
        return declared
    if _last(service, "BusName"):
        return "dbus"
    return "simple" if "ExecStart" in service else "oneshot"


def _commands(service: Names, unit: Names, kind: str) -> Iterator[str]:
    starts = sum(commands(command) for command in _values(service, "ExecStart"))
    if starts > 1 and kind != "oneshot":
        yield (
            f"only Type=oneshot may have several commands in ExecStart=, and this is Type={kind}: keep one"
            " (an empty ExecStart= resets)"
        )
    if starts:
        return
    if kind != "oneshot":
        yield f"Type={kind} needs a command in ExecStart="
    elif _last(unit, "SuccessAction") in _NONE and not (
        _values(service, "ExecStop") and _on(service, "RemainAfterExit")
    ):
        yield "it has no ExecStart=: that needs ExecStop= with RemainAfterExit=yes, or SuccessAction="


def commands(command: str) -> int:
    """The number of commands in a line: a `;` as a word of its own ends one."""
    return 1 + len(_SEPARATOR.findall(_QUOTED.sub("x", command))) if ";" in command else 1


def _oneshot(service: Names) -> Iterator[str]:
    restart = _last(service, "Restart")
    if restart in ("always", "on-success"):
        yield (
            f"Restart={restart} does not go with Type=oneshot, which runs once: write on-failure, or take"
            " another type"
        )
    if _values(service, "RestartForceExitStatus"):
        yield "RestartForceExitStatus= does not go with Type=oneshot: leave it out, or take another type"
    if _last(service, "ExitType") == "cgroup":
        yield "ExitType=cgroup does not go with Type=oneshot: leave it out, or take another type"


def _working_directory(service: Names) -> Iterator[str]:
    directory = _last(service, "WorkingDirectory").removeprefix("-")
    if directory == "~" and _on(service, "DynamicUser"):
        yield (
            "WorkingDirectory=~ does not go with DynamicUser=yes, whose user has no home: take a"
            " StateDirectory="
        )
    if f"{directory}/".startswith(("/proc/", "/sys/", "/dev/")):
        sandbox = next(
            (
                name
                for name in service
                if name in _NAMESPACES or (name in _SANDBOXES and _last(service, name) not in _NO)
            ),
            "",
        )
        if sandbox:
            yield (
                f"WorkingDirectory={directory} does not go with {sandbox}=, which gives the service mounts of"
                " its own: take another one"
            )


def _values(names: Names, name: str) -> list[str]:
    value = names.get(name, "")
    values = [value] if isinstance(value, str) else value
    last_reset = max((n for n, entry in enumerate(values) if not entry), default=-1)
    return list(values[last_reset + 1 :])


def _last(names: Names, name: str) -> str:
    value = names.get(name, "")
    return value if isinstance(value, str) else value[-1] if value else ""


def _words(names: Names, name: str) -> list[str]:
    return list(dict.fromkeys(word for value in _values(names, name) for word in value.split()))


def _on(names: Names, name: str) -> bool:
    return _last(names, name).lower() in _YES
