"""What must not be done with logs: two files for one log, root's hands in a directory of somebody else, policies that never take effect."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from reconciler.core import globs
from reconciler.core.changes import Change, Part, Verb
from reconciler.core.diagnostic import Diagnostic, Severity, error, warning
from reconciler.core.host import FileType, HostView, Unreadable, UnsafePath
from reconciler.core.spec import Declared, Spec
from reconciler.core.values import frozen
from reconciler.kinds.access import ACCESS, Access, access_of, parents
from reconciler.kinds.logrotate_host import MAIN, LogrotateHost
from reconciler.kinds.logrotate_model import Frequency, Policy
from reconciler.kinds.logrotate_observed import DIRECTORY

_PROGRAM = "/usr/sbin/logrotate"


def _policies(spec: Spec) -> list[tuple[Declared, Policy]]:
    return [(declared, declared.resource) for declared in spec.resources if isinstance(declared.resource, Policy)]


# ------------------------------------------------------------------------------------------------ without a host


def lint(spec: Spec) -> Iterator[Diagnostic]:
    """Two policies of one log; reloads that cannot work."""
    policies = _policies(spec)
    yield from _twice(policies)
    services = {declared.address.name: declared for declared in spec.resources if declared.address.kind == "services"}
    for declared, policy in policies:
        for script in (policy.firstaction, policy.prerotate, policy.postrotate, policy.lastaction):
            service = services.get(script.reload or "") if script else None
            if service is not None and not _can_reload(service):
                detail = f"{declared.address} reloads {service.address}, which has no `exec_reload`: every rotation would fail."
                yield warning("service cannot be reloaded", detail, address=declared.address, source=declared.source, rule="reload")
        if _names_collide(policy):
            detail = (
                f"{declared.address} names old logs by date, and may rotate more than once a day: the second time fails, because the name "
                "is taken. Write `dateformat: -%Y%m%d-%s`."
            )
            yield warning("old logs get the same name", detail, address=declared.address, source=declared.source, rule="dateformat")


def _twice(policies: Sequence[tuple[Declared, Policy]]) -> Iterator[Diagnostic]:
    """Of two patterns only the host can tell whether they meet: there logrotate itself is asked."""
    plain: dict[str, Declared] = {}
    patterns: list[tuple[str, Declared]] = []
    for declared, policy in policies:
        for path in policy.paths:
            first = plain.setdefault(path, declared)
            if first is not declared:
                yield _both(first, declared, path)
            if globs.is_pattern(path):
                patterns.append((path, declared))
    for pattern, declared in patterns:
        for path, other in plain.items():
            if other is not declared and not globs.is_pattern(path) and globs.matches(pattern, path):
                yield _both(other, declared, path)


def _both(first: Declared, second: Declared, log: str) -> Diagnostic:
    detail = f"{first.address} and {second.address} both rotate {log}. logrotate then ignores one of the two files. Remove one."
    return error("a log has two policies", detail, address=second.address, source=second.source, rule="one-policy")


def _can_reload(service: Declared) -> bool:
    model = service.resource
    more = getattr(model, "directives", {}).get("Service", {})
    types = (getattr(model, "type", ""), more.get("Type"))
    return bool(getattr(model, "exec_reload", None)) or "ExecReload" in more or "notify-reload" in types


def _names_collide(policy: Policy) -> bool:
    if not policy.dateext or "%s" in (policy.dateformat or ""):
        return False
    # By itself, hourly makes names with the hour.
    hours = "%H" in (policy.dateformat or ("%H" if policy.frequency is Frequency.HOURLY else ""))
    return not hours and (policy.frequency is Frequency.HOURLY or policy.size is not None or policy.maxsize is not None)


# ------------------------------------------------------------------------------------------------ with a host


@frozen
class _Case:
    """One policy that is about to be written. `declared` is how directories of the spec will be."""

    view: HostView
    host: LogrotateHost
    declared: Mapping[str, Access]
    part: Part
    policy: Policy

    def say(self, severity: Severity, rule: str, summary: str, detail: str) -> Diagnostic:
        return Diagnostic(severity, summary, detail, self.part.address, self.part.declared.source, rule=rule)


def check(view: HostView, spec: Spec, changes: Sequence[Change]) -> Iterator[Diagnostic]:
    """What the host's own facts say against policies that change."""
    going = {f"{DIRECTORY}/{change.address.name}" for change in changes if change.address.kind == "logrotate"}
    going |= {change.address.name for change in changes if change.address.kind == "files" and change.verb is Verb.DELETE}
    staying = {f"{DIRECTORY}/{declared.address.name}" for declared, _ in _policies(spec)}
    host = LogrotateHost(view, frozenset(going | staying))
    declared = [one for one in spec.resources if one.address.kind == "directories"]
    directories = {one.address.name: _declared_access(one) for one in declared}
    for change in changes:
        part = change.part
        if part is not None and change.verb is not Verb.NONE and isinstance(part.declared.resource, Policy):
            case = _Case(view, host, directories, part, part.declared.resource)
            for rule in RULES:
                yield from rule(case)


def _programs(case: _Case) -> Iterator[Diagnostic]:
    if not case.host.is_program(_PROGRAM):
        severity = Severity.ERROR if case.view.running else Severity.WARNING
        detail = f"{_PROGRAM} does not exist: nothing would rotate these logs. Install it: apt-get install logrotate."
        yield case.say(severity, "missing-program", "logrotate is not installed", detail)
    elif not case.host.includes_directory and case.view.running:
        detail = f"{MAIN} does not have `include {DIRECTORY}`: the policy would have no effect. Add the line, or reinstall logrotate."
        yield case.say(Severity.ERROR, "include", "policies are not read", detail)


def _duplicates(case: _Case) -> Iterator[Diagnostic]:
    own = f"{DIRECTORY}/{case.part.address.name}"
    for path, config in case.host.files.items():
        theirs = [pattern for stanza in config.stanzas for pattern in stanza.patterns]
        log = next((log for mine in case.policy.paths for other in theirs if (log := case.host.overlap(mine, other))), "")
        if log:
            detail = (
                f"{log} is rotated by {path} already, and would be by {own}. logrotate then ignores one of the two files, whichever it "
                f"reads later. Take it out of the paths here, or remove {path}."
            )
            yield case.say(Severity.ERROR, "one-policy", "the log has another policy on the host", detail)


def _directories(case: _Case) -> Iterator[Diagnostic]:
    missing: dict[str, None] = {}
    for pattern in case.policy.paths:
        for log in sorted(case.host.expand(pattern)) or [pattern]:
            directory = log.rpartition("/")[0] or "/"
            if globs.is_pattern(directory):
                continue
            try:
                found = _insecure(case, directory)
                there = _access(case, directory) is not None
            except Unreadable as problem:
                yield case.say(Severity.WARNING, "su", "cannot be checked", f"Who owns the directory of {log} is not known: {problem}.")
                return
            except UnsafePath as problem:
                yield case.say(Severity.ERROR, "su", "the way to the log is a link", f"{problem}. Write the path without links.")
                return
            if found:
                yield case.say(Severity.ERROR, "su", "`su` is required", f"{log}: {found}")
                return
            if not there:
                missing[directory] = None
    for directory in missing:
        detail = f"{directory} does not exist and is not under `directories:`; until it does, nothing is rotated there."
        yield case.say(Severity.WARNING, "missing-directory", "the directory of the log does not exist", detail)


def _insecure(case: _Case, directory: str) -> str:
    """Why root must not rotate here with its own rights; empty if it may, or if the policy says with whose rights instead."""
    su = case.policy.su
    for place in (directory, *parents(directory)):
        found = _access(case, place)
        if found is None:
            continue
        mode, owner, group = int(found["mode"], 8), found["owner"], found["group"]
        if owner != "root" and (su is None or su.user == "root"):
            return (
                f"{place} belongs to {owner}, who could make root rotate any file of the host by putting a link there. "
                f"Write `su: {{user: {owner}, group: {group}}}`."
            )
        # Where others may write but only remove what is theirs, what is deeper down is safe.
        shared = mode & 0o002 or (mode & 0o020 and group != "root")
        if shared and su is None and (place == directory or not mode & 0o1000):
            who = "everybody" if mode & 0o002 else f"group {group}"
            advice = f"Write `su: {{user: ..., group: {group}}}`."
            return f"{place} can be written by {who} (mode {mode:04o}), so logrotate skips the log. {advice}"
    return ""


def _access(case: _Case, path: str) -> Access | None:
    """Mode, owner and group that a directory will have, or has."""
    if path in case.declared:
        return case.declared[path]
    entry = case.view.entry(path)
    if entry is not None and entry.type is FileType.LINK:
        raise UnsafePath("the path leads through a symbolic link", f"{path} is a link to {entry.target}")
    return None if entry is None else Access(mode=entry.mode, owner=entry.owner, group=entry.group)


def _declared_access(declared: Declared) -> Access:
    return access_of({name: getattr(declared.resource, name) for name in ACCESS})


def _links(case: _Case) -> Iterator[Diagnostic]:
    for log in (log for pattern in case.policy.paths for log in sorted(case.host.expand(pattern))):
        entry = case.host.entry(log)
        if entry is not None and (entry.type is FileType.LINK or entry.nlink > 1) and entry.type is not FileType.DIRECTORY:
            what = "a link" if entry.type is FileType.LINK else "a file with several names"
            detail = f"{log} is {what}; logrotate passes over it without a word. Name the file itself."
            yield case.say(Severity.WARNING, "link", "the log is never rotated", detail)


def _hourly(case: _Case) -> Iterator[Diagnostic]:
    if case.policy.frequency is Frequency.HOURLY and case.view.running and not case.host.is_hourly:
        detail = (
            "logrotate runs once a day here, so `hourly` means daily. Give logrotate.timer a drop-in: under `directories` "
            '/etc/systemd/system/logrotate.timer.d with mode "0755", and under `files` hourly.conf in it with mode "0644" and '
            "the lines `[Timer]`, `OnCalendar=`, `OnCalendar=hourly`, `AccuracySec=1min`."
        )
        yield case.say(Severity.WARNING, "hourly", "logrotate does not run every hour", detail)


RULES: tuple[Callable[[_Case], Iterator[Diagnostic]], ...] = (_programs, _duplicates, _directories, _links, _hourly)
