"""The health of services and jobs for machines: one JSON document, one line of a monitoring plugin, figures
for Prometheus.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.formats.prometheus import Metric, render
from reconciler.render.terminal import visible

Rows = Sequence[Mapping[str, Any]]
OK, WARNING, CRITICAL, UNKNOWN = range(4)
"""The exit codes of a plugin (Monitoring Plugins Development Guidelines)."""
_STATES = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
_NAMED = 5
"""Services named in the one line; the others are counted."""


def counts(rows: Rows) -> dict[str, int]:
    """The numbers of services: in all, healthy, unhealthy, unknown, on hold."""
    return {
        "total": len(rows),
        "healthy": sum(1 for row in rows if row["healthy"]),
        "unhealthy": sum(1 for row in rows if row["healthy"] is False),
        "unknown": sum(1 for row in rows if row["healthy"] is None),
        "held": sum(1 for row in rows if row["held"]),
    }


def health_data(rows: Rows, jobs: Rows = ()) -> dict[str, Any]:
    """The document of `health --json`."""
    counted = counts(rows)
    job_states = [row["healthy"] for row in jobs]
    return {
        "healthy": counted["healthy"] == counted["total"] and all(job_states),
        "complete": not counted["unknown"] and None not in job_states,
        "counts": counted,
        "services": list(rows),
        "jobs": list(jobs),
    }


def nagios_state(rows: Rows, jobs: Rows = ()) -> int:
    """The exit code of the plugin: CRITICAL if one is not well, but WARNING if all such are on hold; else
    UNKNOWN if the health of one is not known.
    """
    bad = [row for row in (*rows, *jobs) if row["healthy"] is False]
    if bad:
        return WARNING if all(row.get("held") for row in bad) else CRITICAL
    return UNKNOWN if any(row["healthy"] is None for row in (*rows, *jobs)) else OK


def nagios_text(rows: Rows, jobs: Rows = ()) -> str:
    """One line: state, what is wrong, and figures behind the bar."""
    counted = counts(rows)
    wrong = [
        f"{row['name']} {row['reason']}{' (held)' if row['held'] else ''}"
        for row in rows
        if not row["healthy"]
    ]
    wrong = [*wrong, *(f"{row['address']} {row['reason']}" for row in jobs if not row["healthy"])]
    more = [f"{len(wrong) - _NAMED} more"] if len(wrong) > _NAMED else []
    problems = f": {'; '.join([*wrong[:_NAMED], *more])}" if wrong else ""
    limits = {"unhealthy": ";;0", "unknown": ";0;"}
    figures = [
        f"{name}={counted[name]}{limits.get(name, ';;')};0;{counted['total']}"
        for name in ("healthy", "unhealthy", "unknown", "held")
    ]
    figures.append(f"restarts={sum(row['restarts'] for row in rows)};;;0;")
    if jobs:
        figures.append(f"unhealthy_jobs={sum(1 for row in jobs if row['healthy'] is False)};;0;0;{len(jobs)}")
    return (
        _line(nagios_state(rows, jobs), f"{counted['healthy']} of {counted['total']} healthy{problems}")
        + f" | {' '.join(figures)}\n"
    )


def nagios_unknown(why: str) -> str:
    """The line of a check that could not be made."""
    return _line(UNKNOWN, why) + "\n"


def _line(state: int, text: str) -> str:
    """The line of a plugin; a bar in the text would begin the figures, and is replaced."""
    return f"SERVICES {_STATES[state]} - {visible(text).replace('|', '/')}"


def prometheus_text(rows: Rows | None, jobs: Rows = ()) -> str:
    """The figures of each service for node_exporter's textfile collector; None for a check that failed."""
    counted = counts(rows) if rows is not None else {}
    by_state = [
        ({"health": name}, float(counted[name])) for name in ("healthy", "unhealthy", "unknown") if counted
    ]
    complete = rows is not None and not counted["unknown"]
    rows = rows or ()
    held = [{**row, "held": bool(row["held"])} for row in rows if row["holds_known"]]
    return render(
        [
            Metric(
                "reconciler_service_check_complete",
                "gauge",
                "Whether the health of all services could be told.",
                [({}, complete)],
            ),
            Metric("reconciler_services", "gauge", "Services by health.", by_state),
            _metric("healthy", "Whether a service is as it is to be.", rows, "healthy"),
            _metric(
                "active",
                "Whether systemd calls it active.",
                [{**row, "active": row["state"] == "active"} for row in rows],
                "active",
            ),
            _metric("held", "Whether it is on hold.", held, "held"),
            _metric(
                "restarts", "How often systemd has started it again since a person did.", rows, "restarts"
            ),
            _metric("memory_bytes", "Memory that it uses.", rows, "memory"),
            *job_metrics(jobs),
        ]
    )


def job_metrics(jobs: Rows) -> list[Metric]:
    """The figures of each job."""
    figures = (
        (
            "job_healthy",
            "Whether the last run did not fail, and its archives are as they should be.",
            "healthy",
        ),
        (
            "backup_newest_timestamp_seconds",
            "When the newest archive that is not bad was begun.",
            "newest_seconds",
        ),
        ("backup_max_age_seconds", "The age from which the newest archive is too old.", "max_age_seconds"),
        ("backup_bytes", "The size of the newest archive.", "bytes"),
        (
            "backup_last_success_timestamp_seconds",
            "When the last run ended that made an archive.",
            "last_success_seconds",
        ),
        ("backup_last_run_ok", "Whether the last run was good in all destinations.", "last_run_ok"),
        (
            "backup_last_verify_timestamp_seconds",
            "When an archive was last read from end to end.",
            "last_verify_seconds",
        ),
        ("backup_last_verify_ok", "Whether the last verification by hand passed.", "last_verify_ok"),
        ("backup_last_drill_timestamp_seconds", "When the last restore drill ended.", "last_drill_seconds"),
        ("backup_last_drill_ok", "Whether the last restore drill passed.", "last_drill_ok"),
    )
    rows = [{**row, **(row.get("figures") or {})} for row in jobs]
    return [
        Metric(
            f"reconciler_{name}",
            "gauge",
            help_text,
            [({"job": row["address"]}, float(row[key])) for row in rows if row.get(key) is not None],
        )
        for name, help_text, key in (figures if jobs else ())
    ]


def _metric(name: str, help_text: str, rows: Rows, key: str) -> Metric:
    samples = [
        ({"service": row["name"]}, float(row[key]))
        for row in rows
        if row[key] is not None and row["healthy"] is not None
    ]
    return Metric(f"reconciler_service_{name}", "gauge", help_text, samples)
