"""Checks of rotation policies: two files for one log, root in somebody else's directory, no effect at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from reconciler.core.basics import globs
from reconciler.core.changes import Change, Observed, Part, Verb
from reconciler.core.diagnostic import Diagnostic, Severity, error, warning
from reconciler.core.host import FileType, HostView
from reconciler.core.spec import Declared, Spec
from reconciler.formats.logrotate import DIRECTORY
from reconciler.kinds.logrotate.directories import Case, declared_access, log_directories, old_directory
from reconciler.kinds.logrotate.loss import old_logs
from reconciler.kinds.logrotate.model import Frequency, Policy
from reconciler.kinds.shared.rotation_files import MAIN, LogrotateHost

_PROGRAM = "/usr/sbin/logrotate"


def _policies(spec: Spec) -> list[tuple[Declared, Policy]]:
    return [
        (declared, declared.resource) for declared in spec.resources if isinstance(declared.resource, Policy)
    ]


# --------------------------------------------------------------------------------------------- without a host


def lint(spec: Spec) -> Iterator[Diagnostic]:
    """Yield two policies of one log, reloads that cannot work, old logs that are rotated again or collide."""
    policies = _policies(spec)
    yield from _twice(policies)
    services = {
        declared.address.name: declared for declared in spec.resources if declared.address.kind == "services"
    }
    for declared, policy in policies:
        for script in (policy.firstaction, policy.prerotate, policy.postrotate, policy.lastaction):
            service = services.get(script.reload or "") if script else None
            if service is not None and not _can_reload(service):
                detail = (
                    f"{declared.address} reloads {service.address}, which has no `exec_reload`: every"
                    " rotation would fail."
                )
                yield warning(
                    "service cannot be reloaded",
                    detail,
                    address=declared.address,
                    source=declared.source,
                    rule="reload",
                )
        for path in policy.paths:
            if path.endswith("/*") and policy.olddir is None:
                detail = (
                    f"{path} also stands for the old logs, which are rotated again: {path[:-1]}a.log.1.1, and"
                    " `rotate` holds for none of them. Write the end of the names (`*.log`), or `olddir`."
                )
                yield warning(
                    "old logs are rotated again",
                    detail,
                    address=declared.address,
                    source=declared.source,
                    rule="old-logs",
                )
        if _names_collide(policy):
            detail = (
                f"{declared.address} names old logs by date, and may rotate more than once a day: the second"
                " time fails, because the name is taken. Write `dateformat: -%Y%m%d-%s`."
            )
            yield warning(
                "old logs get the same name",
                detail,
                address=declared.address,
                source=declared.source,
                rule="dateformat",
            )


def _twice(policies: Sequence[tuple[Declared, Policy]]) -> Iterator[Diagnostic]:
    """Yield two paths that stand for one log, in two policies or in one.

    Most paths are plain: those are looked up, and only patterns are compared with all others.
    """
    plain: dict[str, Declared] = {}
    patterns: list[tuple[str, Declared]] = []
    for declared, path in ((declared, path) for declared, policy in policies for path in policy.paths):
        if globs.is_pattern(path):
            patterns.append((path, declared))
        elif plain.setdefault(path, declared) is not declared:
            yield _both(plain[path], declared, path)
    for number, (pattern, declared) in enumerate(patterns):
        for path, other in (*patterns[:number], *plain.items()):
            log = globs.common(pattern, path)
            if log and other is declared:
                yield _overlapping(declared, pattern, path, log)
            elif log:
                yield _both(other, declared, log)


def _overlapping(declared: Declared, pattern: str, other: str, log: str) -> Diagnostic:
    detail = (
        f"{pattern} and {other} both stand for {log}. As soon as there is such a log, logrotate refuses the"
        " file, and rotates none of these logs any more. Take one of the two out."
    )
    return error(
        "a log is named twice", detail, address=declared.address, source=declared.source, rule="one-policy"
    )


def _both(first: Declared, second: Declared, log: str) -> Diagnostic:
    detail = (
        f"{first.address} and {second.address} both rotate {log}. logrotate then ignores one of the two"
        " files. Remove one."
    )
    return error(
        "a log has two policies", detail, address=second.address, source=second.source, rule="one-policy"
    )


def _can_reload(service: Declared) -> bool:
    model = service.resource
    directives = getattr(model, "directives", {}).get("Service", {})
    types = (getattr(model, "type", ""), directives.get("Type"))
    has_command = bool(getattr(model, "exec_reload", None)) or "ExecReload" in directives
    return has_command or "notify-reload" in types


def _names_collide(policy: Policy) -> bool:
    if not policy.dateext or "%s" in (policy.dateformat or ""):
        return False
    # By itself, hourly makes names with the hour.
    hours = "%H" in (policy.dateformat or ("%H" if policy.frequency is Frequency.HOURLY else ""))
    return not hours and (
        policy.frequency is Frequency.HOURLY or policy.size is not None or policy.maxsize is not None
    )


# ------------------------------------------------------------------------------------------------ with a host


def check(view: HostView, spec: Spec, changes: Sequence[Change]) -> Iterator[Diagnostic]:
    """Yield the problems that policies which change have with what is on the host."""
    going = {f"{DIRECTORY}/{change.address.name}" for change in changes if change.address.kind == "logrotate"}
    going |= {
        change.address.name
        for change in changes
        if change.address.kind == "files" and change.verb is Verb.DELETE
    }
    staying = {f"{DIRECTORY}/{declared.address.name}" for declared, _ in _policies(spec)}
    host = LogrotateHost(view, frozenset(going | staying))
    directories = {
        block.address.name: declared_access(block)
        for block in spec.resources
        if block.address.kind == "directories"
    }
    for change in changes:
        part = change.part
        if part is not None and change.verb is not Verb.NONE and isinstance(part.declared.resource, Policy):
            case = Case(view, host, directories, part, part.declared.resource)
            yield from old_logs(host, change)
            for rule in RULES:
                yield from rule(case)


def others(part: Part, observed: Observed) -> Iterator[Diagnostic]:
    """Warn of other files that rotate the logs of an unchanged policy; `check` does it for a changed one."""
    if any((observed.document or {}).get(key) != value for key, value in part.document.items()):
        return
    for clash in observed.others:
        detail = (
            f"{clash}: logrotate ignores one of the two files, whichever it reads later. Take the log out of"
            " one of them."
        )
        where = {"address": part.address, "source": part.declared.source, "rule": "one-policy"}
        yield warning("the log has another policy on the host", detail, **where)


def _programs(case: Case) -> Iterator[Diagnostic]:
    if not case.host.is_program(_PROGRAM):
        severity = Severity.ERROR if case.view.running else Severity.WARNING
        detail = (
            f"{_PROGRAM} does not exist: nothing would rotate these logs. Install it: apt-get install"
            " logrotate."
        )
        yield case.diagnostic(severity, "missing-program", "logrotate is not installed", detail)
    elif not case.host.includes_directory and case.view.running:
        detail = (
            f"{MAIN} does not have `include {DIRECTORY}`: the policy would have no effect. Add the line, or"
            " reinstall logrotate."
        )
        yield case.diagnostic(Severity.ERROR, "include", "policies are not read", detail)


def _duplicates(case: Case) -> Iterator[Diagnostic]:
    own = f"{DIRECTORY}/{case.part.address.name}"
    for path, config in case.host.files.items():
        patterns = [pattern for stanza in config.stanzas for pattern in stanza.patterns]
        pairs = [
            (ours, pattern, log)
            for ours in case.policy.paths
            for pattern in patterns
            if (log := globs.common(ours, pattern))
        ]
        existing = next((log for ours, pattern, _ in pairs if (log := case.host.overlap(ours, pattern))), "")
        if existing:
            detail = (
                f"{existing} is rotated by {path} already, and would be by {own}. logrotate then ignores one"
                f" of the two files, whichever it reads later. Take it out of the paths here, or remove"
                f" {path}."
            )
            yield case.diagnostic(
                Severity.ERROR, "one-policy", "the log has another policy on the host", detail
            )
        elif pairs:
            ours, pattern, log = pairs[0]
            detail = (
                f"{ours} and {pattern} of {path} both stand for {log}. There is no such log yet; as soon as"
                " there is, logrotate ignores one of the two files, whichever it reads later. Name the logs"
                " more closely."
            )
            yield case.diagnostic(Severity.WARNING, "one-policy", "a log would have two policies", detail)


def _links(case: Case) -> Iterator[Diagnostic]:
    for log in (log for pattern in case.policy.paths for log in sorted(case.host.expand(pattern))):
        entry = case.host.entry(log)
        if entry is None or entry.type is FileType.DIRECTORY:
            continue
        if entry.type is FileType.LINK or entry.nlink > 1:
            type_ = "a link" if entry.type is FileType.LINK else "a file with several names"
            detail = f"{log} is {type_}; logrotate passes over it without a word. Name the file itself."
            yield case.diagnostic(Severity.WARNING, "link", "the log is never rotated", detail)


def _hourly(case: Case) -> Iterator[Diagnostic]:
    if case.policy.frequency is Frequency.HOURLY and case.view.running and not case.host.is_hourly:
        detail = (
            "logrotate runs once a day here, so `hourly` means daily. Give logrotate.timer a drop-in: under"
            ' `directories` /etc/systemd/system/logrotate.timer.d with mode "0755", and under `files`'
            ' hourly.conf in it with mode "0644" and the lines `[Timer]`, `OnCalendar=`, `OnCalendar=hourly`,'
            " `AccuracySec=1min`."
        )
        yield case.diagnostic(Severity.WARNING, "hourly", "logrotate does not run every hour", detail)


RULES: tuple[Callable[[Case], Iterator[Diagnostic]], ...] = (
    _programs,
    _duplicates,
    log_directories,
    old_directory,
    _links,
    _hourly,
)
