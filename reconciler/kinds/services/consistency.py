"""The checks of a service's fields against each other, beyond their types.

Each raises ValueError with what to write instead.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.core.basics.lazy_regex import Late
from reconciler.core.model.resource import Directive
from reconciler.kinds.shared.unit_fields import SUFFIXED

if TYPE_CHECKING:
    from reconciler.kinds.services.model import Service

_UNIT_NAME = Late(SUFFIXED)
YES = ("yes", "true", "on", "1", "y", "t")
_ON_CHANGE = "what a change may do is said by `on_change: restart`, `reload` or `none`, and by `watch`"
_NOT_HERE = {
    (
        "Install",
        "Also",
    ): "nothing here runs `systemctl enable`; declare the other unit beside this one, with `enabled: true`",
    ("Install", "DefaultInstance"): "only a template has one, and a unit of ours is none",
    **{
        ("Unit", f"X-{name}"): _ON_CHANGE for name in ("RestartIfChanged", "ReloadIfChanged", "StopIfChanged")
    },
    **{("Unit", f"X-{name}"): _ON_CHANGE for name in ("Restart-Triggers", "Reload-Triggers")},
    **{
        ("Service", f"X-{name}"): _ON_CHANGE
        for name in ("RestartIfChanged", "ReloadIfChanged", "StopIfChanged")
    },
}
"""Why a directive is refused that systemd would take: links of [Install] are made here, and words of NixOS
are fields.
"""

_OF_A_SERVICE = "Unit, Service or Install"
_SECTIONS_OF_OTHERS = frozenset({"Timer", "Socket", "Mount", "Automount", "Swap", "Path", "Slice", "Scope"})
"""The sections of other types of units."""

# Fields that go into the unit file as they are.
_PLAIN_TEXT = (
    "description",
    "documentation",
    "working_directory",
    "environment_file",
    "load_credential",
    "syslog_identifier",
    "standard_output",
    "standard_error",
    "device_allow",
)


def check_effects(service: Service) -> None:
    """Refuse directives that systemd takes and that have no effect here, or make our own steps fail."""
    for section, names in service.directives.items():
        for name in names:
            why = _NOT_HERE.get((section, name))
            if why:
                raise ValueError(f"{name}: {why}")
    unit_section = service.directives.get("Unit", {})
    for name in ("RefuseManualStart", "RefuseManualStop"):
        if name in unit_section and str(unit_section[name]).lower() in YES:
            raise ValueError(f"{name}: systemd would refuse what an apply has to do to it; leave it out")
    for kind in ("aliases", "upheld_by"):
        for name in service.install[kind]:
            if _UNIT_NAME.fullmatch(name) is None:
                raise ValueError(
                    f"{name!r} is no unit's name to make a link for: write it whole, without specifiers"
                )
    wrong = next(
        (alias for alias in service.install["aliases"] if not alias.endswith(".service") or "@" in alias),
        None,
    )
    if wrong is not None:
        raise ValueError(f"Alias={wrong}: another name of a service ends with .service and has no @")


def check_limits(service: Service) -> None:
    """Refuse limits of nothing, which systemd ignores, and nodes that are not named."""
    for name in ("memory_max", "memory_high"):
        value = getattr(service, name)
        is_zero_or_share = value is not None and re.fullmatch("0+[KMGTPE%]?|.*%", value)
        if is_zero_or_share and not 0 < int(value.rstrip("KMGTPE%")) <= 100:
            raise ValueError(
                f"`{name}` takes a size above 0 or a share from 1% to 100%, not {value}: systemd would"
                " ignore it"
            )
    if service.numa_policy in ("bind", "interleave") and service.numa_mask is None and not service.vendor:
        raise ValueError(
            f"`numa_policy: {service.numa_policy}` needs `numa_mask`, the nodes: without it systemd does not"
            " start the service"
        )


def check_texts(service: Service) -> None:
    """Refuse texts that would not come out of the unit file as they went in."""
    plain = {name: getattr(service, name) for name in _PLAIN_TEXT if name in service.model_fields_set}
    plain |= {name: value for names in service.directives.values() for name, value in names.items()}
    for name, value in plain.items():
        texts = (
            [value] if isinstance(value, str) else value.values() if isinstance(value, dict) else value or ()
        )
        for text in texts:
            if text != text.strip() or text.endswith("\\"):
                raise ValueError(
                    f"`{name}` must not begin or end with a blank or end with a backslash: it would not"
                    " come out of the unit file so"
                )


def check_sections(service: Service) -> None:
    """Refuse directives of other units, and those that have a field of their own."""
    if not service.directives:
        return
    typed = {
        (mark.section, mark.name): name
        for name, info in type(service).model_fields.items()
        for mark in info.metadata
        if isinstance(mark, Directive)
    }
    problems: list[str] = []
    for section, names in service.directives.items():
        if section in _SECTIONS_OF_OTHERS:
            problems.append(
                f"[{section}] has no place in a service, where systemd ignores it: write {_OF_A_SERVICE}"
            )
            continue
        problems += [
            f"{name} has a field of its own here: write `{typed[section, name]}`"
            for name in names
            if (section, name) in typed
        ]
    if problems:
        raise ValueError("; ".join(dict.fromkeys(problems)))
