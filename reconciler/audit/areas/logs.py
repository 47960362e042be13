"""Logs: whether what happened can be told afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from reconciler.audit.facts import Facts
from reconciler.audit.mends import directory, file, service
from reconciler.audit.model import RUNNING, Fail, NotApplicable, Severity
from reconciler.audit.registry import check
from reconciler.core.host import FileType
from reconciler.formats.audit.logs import parse_storage

_DIRECTORY = "/var/log"
_JOURNAL = f"{_DIRECTORY}/journal"
_KEPT = "/etc/systemd/journald.conf.d/zz-audit-persistent.conf"
"""The last of the drop-ins counts."""
_OTHERS = ("rsyslog.service", "syslog-ng.service")
_SECRETIVE = ("auth.log", "btmp", "secure", "audit", "sudo-io", "sudo.log")
"""Logs with text that people typed in the wrong field, passwords among it; each with its older parts."""
_ROTATED = "/var/lib/logrotate/status"
_WEEKLY = timedelta(days=8)
"""logrotate runs daily; a week and a day is no host that was switched off over a weekend."""
_TIMER = "logrotate.timer"
_AUDITD = "auditd.service"


@check(
    "journal-volatile",
    severity=Severity.MEDIUM,
    title="The log outlives a start of the host",
    rationale="Whoever breaks in and starts the host anew leaves no trace, and no crash can be explained.",
    remediation="Write Storage=persistent to a file of /etc/systemd/journald.conf.d, or run rsyslog.",
    needs=(RUNNING, "systemd-analyze"),
)
def log_is_kept(facts: Facts) -> Iterator[Fail]:
    """Where the journal is stored; a syslog daemon that runs keeps a log as well."""
    storage = facts.parsed("journald", parse_storage)
    if storage == "persistent" or (storage == "auto" and facts.entry(_JOURNAL) is not None):
        return
    states = facts.view.units(_OTHERS)
    if all(states[unit].active != "active" for unit in _OTHERS):
        actual = f"Storage={storage}" + (f", and no {_JOURNAL}" if storage == "auto" else "")
        reader = {"unit": "vendor", "state": "running", "watch": [_KEPT.rpartition("/")[0]]}
        mend = file(_KEPT, "[Journal]\nStorage=persistent\n", services={"systemd-journald": reader})
        yield Fail("journald", "Storage=persistent", actual, "systemd/journald.conf", spec=mend)


@check(
    "log-readable",
    severity=Severity.MEDIUM,
    title="Logs of logins are not for everybody",
    rationale="A password that was typed as a name stands in them.",
    remediation="Take the right away: chmod o= PATH; and mend its `create` in /etc/logrotate.d.",
)
def logs_are_not_for_everybody(facts: Facts) -> Iterator[Fail]:
    """The logs of logins, of sudo and of auditd, and their older parts."""
    for name in facts.names(_DIRECTORY):
        if not any(name == log or name.startswith((f"{log}.", f"{log}-")) for log in _SECRETIVE):
            continue
        path = f"{_DIRECTORY}/{name}"
        entry = facts.entry(path)
        if entry is None or entry.type not in (FileType.FILE, FileType.DIRECTORY):
            continue
        if int(entry.mode, 8) & 0o004:
            mend = directory(path, entry, int(entry.mode, 8) & ~0o007, entry.owner, entry.group)
            yield Fail(path, "nothing for others", entry.mode, path, spec=mend)


@check(
    "logrotate-stopped",
    severity=Severity.LOW,
    title="Logs are rotated",
    rationale="A log that grows for ever fills the disk; a full disk stops services, and the log itself.",
    remediation="Start it: systemctl enable --now logrotate.timer; see why: journalctl -u logrotate.",
    needs=(RUNNING, "logrotate", "systemctl"),
)
def logs_are_rotated(facts: Facts) -> Iterator[Fail]:
    """The timer of logrotate, and the moment of its last run, if it ever ran."""
    state = facts.view.units([_TIMER])[_TIMER]
    if state.active != "active":
        yield Fail(_TIMER, "active", f"{state.load}, {state.active}", _TIMER)
    status = facts.entry(_ROTATED)
    if status is None or not status.mtime_ns:
        return
    ran = datetime.fromtimestamp(status.mtime_ns // 10**9, UTC)
    if facts.now - ran > _WEEKLY:
        yield Fail(_ROTATED, "written within 8 days", f"written on {ran.date()}", _ROTATED)


@check(
    "auditd-stopped",
    severity=Severity.LOW,
    title="auditd runs where it is installed",
    rationale="Somebody wanted a record of what is done here, and there is none.",
    remediation="Start it: systemctl enable --now auditd; or remove the package auditd.",
    needs=(RUNNING, "systemctl"),
)
def auditd_runs(facts: Facts) -> Iterator[Fail]:
    """The unit of auditd. A host without it is no finding: the journal has logins and sudo."""
    state = facts.view.units([_AUDITD])[_AUDITD]
    if state.load == "not-found":
        raise NotApplicable("auditd is not installed")
    if state.active != "active":
        mend = service("auditd", state="running", enabled=True)
        yield Fail(_AUDITD, "active", f"{state.load}, {state.active}", _AUDITD, spec=mend)
