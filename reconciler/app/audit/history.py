"""The record of audits on this host: what the last scheduled one found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.core.host import HostError
from reconciler.formats.audit import record
from reconciler.host.hosts import state_directory
from reconciler.host.state.job_records import read_record, records_lock, write_record

_NAME = "latest"


def directory() -> str:
    """Where the record is."""
    return f"{state_directory(None)}/audit"


def recorded() -> record.Record | None:
    """The record; None where there is none, or one that is not understood: the next run begins anew.

    Raises HostError where we may not look.
    """
    content = read_record(_NAME, directory())
    if content is None:
        return None
    try:
        return record.parse(content)
    except record.NotARecord:
        return None


def damage() -> str:
    """Why the record cannot be used; empty where it can, or there is none. Raises HostError where we may not
    look.
    """
    content = read_record(_NAME, directory())
    try:
        if content is not None:
            record.parse(content)
    except record.NotARecord as problem:
        return f"{directory()}/{_NAME}.json: {problem}; the next audit begins anew"
    return ""


def compared(report: Mapping[str, Any]) -> dict[str, Any] | None:
    """The difference between a report and the recorded audit; None where none is recorded or can be read."""
    try:
        return record.since(recorded(), record.findings_of(report))
    except HostError:
        return None


def keep(report: Mapping[str, Any]) -> dict[str, Any] | None:
    """Record an audit, and return what is new since the one before. Raises HostError."""
    with records_lock(directory()):
        earlier = recorded()
        write_record(_NAME, record.render(record.after(earlier, report)), directory())
    return record.since(earlier, record.findings_of(report))
