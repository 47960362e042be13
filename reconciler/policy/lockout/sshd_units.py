"""The units of sshd: whether a plan changes them, or lets another unit stop them, so that sessions may not
work any more.

Sessions inherit what systemd gives sshd: a sandbox, limits, NoNewPrivileges. A directive that is not known to
leave them alone is therefore refused. A change back to what the package's unit says is always allowed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from reconciler.core.actions import WriteFile
from reconciler.core.host import FileType, HostView
from reconciler.core.steps import Step
from reconciler.formats.systemd import unit
from reconciler.kinds.services.vendor import observe
from reconciler.kinds.shared import drop_ins
from reconciler.policy.lockout.relevance import SSHD

_UNITS = (*SSHD, "ssh@.service", "sshd@.service")
_PACKAGED = ("/usr/lib/systemd/system", "/lib/systemd/system")
_MANAGER = "system.conf"
_MANAGER_DIRECTORIES = ("/etc/systemd", "/run/systemd", "/usr/local/lib/systemd", "/usr/lib/systemd")
"""The directories of PID 1's configuration and drop-ins; a name in the first hides it in the others."""
_NAMED = 3
"""Directives that are named in one sentence."""
_ENDLESS = float("inf")
_FACTORS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40, "P": 1 << 50, "E": 1 << 60}
_LEAST_MEMORY = 256 << 20
_LEAST_FILES = 1024
_LEAST_TASKS = 256

Value = str | Sequence[str] | None


def _any(_: Sequence[str]) -> bool:
    return True


def _at_least(least: float) -> Callable[[Sequence[str]], bool]:
    def fits(values: Sequence[str]) -> bool:
        return all(_number(part) >= least for value in values for part in value.split(":"))

    return fits


def _number(text: str) -> float:
    """A size or a count, `infinity` included; -1 for what is neither."""
    if text == "infinity":
        return _ENDLESS
    match = re.fullmatch(r"(\d+)([KMGTPE]?)", text)
    return int(match[1]) * _FACTORS[match[2]] if match else -1


def _only_language(values: Sequence[str]) -> bool:
    names = (word.strip("\"'").partition("=")[0] for value in values for word in value.split())
    return all(re.fullmatch(r"LANG|LANGUAGE|LC_[A-Z]+|TZ", name) for name in names)


def _only_targets(values: Sequence[str]) -> bool:
    harmless = (
        "network.target",
        "network-online.target",
        "nss-user-lookup.target",
        "time-sync.target",
        "sshd-keygen.service",
    )
    return all(word in harmless for value in values for word in value.split())


_HARMLESS: Mapping[str, Callable[[Sequence[str]], bool]] = {
    **dict.fromkeys(
        (
            "Unit.Description",
            "Unit.Documentation",
            "Unit.After",
            "Unit.Before",
            "Unit.OnFailure",
            "Unit.OnSuccess",
        ),
        _any,
    ),
    **dict.fromkeys(("Unit.StartLimitIntervalSec", "Unit.StartLimitInterval", "Unit.SourcePath"), _any),
    "Unit.StartLimitBurst": _at_least(1),
    "Unit.Wants": _only_targets,
    **dict.fromkeys(
        (
            f"Service.{name}"
            for name in (
                *(
                    "Restart",
                    "RestartSec",
                    "RestartSteps",
                    "RestartMaxDelaySec",
                    "RestartForceExitStatus",
                    "SuccessExitStatus",
                ),
                *(
                    "TimeoutStopSec",
                    "Nice",
                    "OOMScoreAdjust",
                    "OOMPolicy",
                    "CPUWeight",
                    "StartupCPUWeight",
                    "IOWeight",
                    "StartupIOWeight",
                ),
                *(
                    "CPUAccounting",
                    "MemoryAccounting",
                    "TasksAccounting",
                    "IOAccounting",
                    "IPAccounting",
                    "MemoryLow",
                    "MemoryMin",
                ),
                *(
                    "LogLevelMax",
                    "LogRateLimitIntervalSec",
                    "LogRateLimitBurst",
                    "SyslogIdentifier",
                    "SyslogFacility",
                    "SyslogLevel",
                ),
                *(
                    "IOSchedulingClass",
                    "IOSchedulingPriority",
                    "LimitCORE",
                    "LimitMEMLOCK",
                    "LimitMSGQUEUE",
                    "LimitNICE",
                    "LimitRTPRIO",
                ),
                "LimitSIGPENDING",
            )
        ),
        _any,
    ),
    "Service.Environment": _only_language,
    "Service.LimitNOFILE": _at_least(_LEAST_FILES),
    "Service.LimitNPROC": _at_least(_LEAST_TASKS),
    "Service.TasksMax": _at_least(_LEAST_TASKS),
    "Service.MemoryMax": _at_least(_LEAST_MEMORY),
    "Service.MemoryHigh": _at_least(_LEAST_MEMORY),
    **dict.fromkeys(
        (
            f"Manager.{name}"
            for name in (
                *(
                    "LogLevel",
                    "LogTarget",
                    "LogColor",
                    "LogLocation",
                    "LogTime",
                    "ShowStatus",
                    "StatusUnitFormat",
                    "DumpCore",
                ),
                *(
                    "DefaultTimeoutStopSec",
                    "DefaultRestartSec",
                    "DefaultStartLimitIntervalSec",
                    "DefaultLimitCORE",
                    "DefaultLimitMEMLOCK",
                ),
                *(
                    "DefaultCPUAccounting",
                    "DefaultMemoryAccounting",
                    "DefaultTasksAccounting",
                    "DefaultIOAccounting",
                    "DefaultOOMPolicy",
                ),
                *(
                    "RuntimeWatchdogSec",
                    "RebootWatchdogSec",
                    "KExecWatchdogSec",
                    "WatchdogDevice",
                    "TimerSlackNSec",
                ),
            )
        ),
        _any,
    ),
    "Manager.DefaultEnvironment": _only_language,
    "Manager.DefaultLimitNOFILE": _at_least(_LEAST_FILES),
    "Manager.DefaultLimitNPROC": _at_least(_LEAST_TASKS),
    "Manager.DefaultTasksMax": _at_least(_LEAST_TASKS),
    "Manager.DefaultStartLimitBurst": _at_least(1),
}
"""The directives that leave sessions alone, with the values for which that is known."""
_WHY = {
    "NoNewPrivileges": "every session inherits it, and sudo no longer works in one",
    "RestrictSUIDSGID": "every session inherits it",
    "CapabilityBoundingSet": "sshd cannot become the user without its capabilities",
    "SystemCallFilter": "every session inherits it",
    "ProtectHome": "sshd then does not see the keys in homes",
    "InaccessiblePaths": "sshd may not see keys or homes",
    "User": "only root can become another user",
    "ExecStart": "it may be another program than sshd, or sshd with other options",
    "EnvironmentFile": "without the file, or with other options in it, sshd does not start as now",
    "Type": "systemd may wait for it in vain",
    "ListenStream": "sshd is reached there and nowhere else",
}


def changed_service(before: HostView, after: HostView, steps: Sequence[Step]) -> str:
    """Why perhaps nobody gets in, or becomes root, with the units as the plan leaves them; empty without a
    reason.
    """
    written = [step.action for step in steps if isinstance(step.action, WriteFile) and not step.held]
    conflict = next(filter(None, (_conflict(before, action) for action in written)), "")
    if conflict:
        return conflict
    for name in _UNITS:
        why = _unit_changes(before, after, name)
        if why:
            return why
    harm = _harm(_manager(before), _manager(after), {})
    if not harm:
        return ""
    return f"{_MANAGER} of systemd would say for every service, from the next boot on, {_named(harm)}"


def _unit_changes(before: HostView, after: HostView, name: str) -> str:
    file, alias, _ = observe.find(before, name)
    if not file or alias:
        return ""
    later, other, masks = observe.find(after, name)
    if masks:
        return ""  # whether it still starts is asked apart
    if not later:
        return f"the unit {name} would be {f'another name of {other}' if other else 'gone'}"
    harm = _harm(_sections(before, name, file), _sections(after, name, later), _packaged(after, name))
    return f"{name} would have {_named(harm)}" if harm else ""


def _sections(view: HostView, name: str, file: str) -> unit.Sections:
    texts = [_text(view, file), *(drop_in.text for drop_in in drop_ins.of(view, name, drop_ins.listed(view)))]
    return unit.merge(texts)


def _packaged(view: HostView, name: str) -> unit.Sections:
    """The sections of a unit as its package has it; none where no package has."""
    for directory in _PACKAGED:
        entry = _entry(view, f"{directory}/{name}")
        if entry:
            return unit.merge([_text(view, f"{directory}/{name}")])
    return {}


def _manager(view: HostView) -> unit.Sections:
    mains = [f"{base}/{_MANAGER}" for base in _MANAGER_DIRECTORIES]
    main = next((path for path in mains if view.entry(path)), mains[0])
    drop_ins_by_name: dict[str, str] = {}
    for directory in (f"{path}.d" for path in mains):
        for name in view.names(directory) if view.entry(directory) else ():
            if name.endswith(".conf"):
                drop_ins_by_name.setdefault(name, f"{directory}/{name}")
    paths = [main, *(path for _, path in sorted(drop_ins_by_name.items()))]
    return unit.merge([_text(view, path) for path in paths if _entry(view, path)])


def _entry(view: HostView, path: str) -> bool:
    if path.startswith("/lib/") and (top := view.entry("/lib")) is not None and top.type is FileType.LINK:
        return False
    entry = view.entry(path)
    return entry is not None and entry.type is FileType.FILE


def _text(view: HostView, path: str) -> str:
    try:
        return view.excerpt(path)[0].decode("utf-8", "replace")
    except FileNotFoundError:
        return ""


def _harm(before: unit.Sections, after: unit.Sections, packaged: unit.Sections) -> list[str]:
    """The directives that are neither as they were nor as the package has them, and not known to be harmless,
    in words; those known for harm first.
    """
    harmful = []
    for section in dict.fromkeys((*before, *after)):
        if section == "Install" or section.startswith("X-"):
            continue
        was, now, as_packaged = before.get(section, {}), after.get(section, {}), packaged.get(section, {})
        for name in dict.fromkeys((*was, *now)):
            value = now.get(name)
            if (
                value in (was.get(name), as_packaged.get(name))
                or name.startswith("X-")
                or _is_harmless(f"{section}.{name}", value)
            ):
                continue
            harmful.append(_worded(name, value))
    return sorted(harmful, key=lambda text: not text.endswith(")"))


def _is_harmless(directive: str, value: Value) -> bool:
    judge = _HARMLESS.get(directive)
    return judge is not None and judge([value] if isinstance(value, str) else value or ())


def _worded(name: str, value: Value) -> str:
    text = value if isinstance(value, str) or value is None else value[-1]
    setting = f"no {name} any more" if text is None else f"{name}={text}"
    return f"{setting} ({_WHY[name]})" if name in _WHY else setting


def _named(harm: Sequence[str]) -> str:
    more = f" and {len(harm) - _NAMED} more" if len(harm) > _NAMED else ""
    unknown = "" if harm[0].endswith(")") else ", and whether sessions bear that is not known"
    return f"{', '.join(harm[:_NAMED])}{more}{unknown}"


def _conflict(before: HostView, action: WriteFile) -> str:
    """Why another unit will take sshd down when it starts or stops, and did not so far; empty if none
    will.
    """
    if "/systemd/" not in action.path or b"ssh" not in action.content:
        return ""
    old = (
        set(_taken_down(unit.as_written(_text(before, action.path))))
        if _entry(before, action.path)
        else set()
    )
    new = [
        pair
        for pair in _taken_down(unit.as_written(action.content.decode("utf-8", "replace")))
        if pair not in old
    ]
    owner = re.sub(r"\.d/[^/]*$", "", action.path).rpartition("/")[2]
    if not new or owner in _UNITS:
        return ""
    directive, name = new[0]
    return (
        f"{owner} would have {directive}={name}, with which systemd stops {name} when it {_VERBS[directive]}"
        f" {owner}"
    )


def _taken_down(sections: unit.Sections) -> Iterator[tuple[str, str]]:
    for directive in _VERBS:
        value = sections.get("Unit", {}).get(directive, ())
        for text in [value] if isinstance(value, str) else value:
            yield from ((directive, word) for word in text.split() if word in _UNITS)


_VERBS = {"Conflicts": "starts", "PropagatesStopTo": "stops"}
