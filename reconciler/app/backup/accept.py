"""`backup accept`: agree to archives that shrank, or that are another machine's."""

from __future__ import annotations

from reconciler.app.backup.origin import Origin, job_of
from reconciler.app.backup.outcome import End, Report, guarded
from reconciler.formats.backups import machine_mark
from reconciler.host.process import environment
from reconciler.jobs import engines


def accept_archives(name: str, root: str | None = None) -> Report:
    """`backup accept`."""
    return guarded(lambda: _accept(name, root))


def _accept(name: str, root: str | None) -> Report:
    by = environment.started_by().get("user", "root")
    done = engines.accept(job_of(Origin(name, root=root)), by)
    lines = [f"{accepted.destination}: {accepted.id} is accepted, though {accepted.why}" for accepted in done]
    data = {
        "accepted": [
            {"destination": accepted.destination, "id": accepted.id, "doubt": accepted.why}
            for accepted in done
        ]
    }
    return Report(
        End.GOOD, tuple(lines or [f"nothing to agree to: no archive of {name} is in doubt"]), data=data
    )


def take_archives_over(name: str, root: str | None = None) -> Report:
    """`backup accept --take-over`."""
    return guarded(lambda: _take_over(name, root))


def _take_over(name: str, root: str | None) -> Report:
    taken = engines.take_over(job_of(Origin(name, root=root)))
    lines = [
        f"{claim.destination}: its {claim.archives} archives are this machine's from now on, and `keep`"
        f" counts them; {machine_mark.name_of(name)} said that it {claim.before}"
        for claim in taken
    ]
    data = {"taken_over": [{"destination": claim.destination, "archives": claim.archives} for claim in taken]}
    return Report(
        End.GOOD, tuple(lines or [f"nothing to take over: no archives of {name} are another's"]), data=data
    )
