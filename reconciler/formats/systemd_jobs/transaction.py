"""The jobs that systemd makes of one request: a transaction (systemd.unit(5), systemd 252 to 257).

From the one job that was asked for others follow by the units' relations. Jobs that contradict each other, or
would wait for each other in a circle, are dropped where the request can do without them; otherwise systemd
refuses the request as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from reconciler.core.host import UnitNode
from reconciler.formats.systemd_jobs.job import (
    DOWN,
    UP,
    Job,
    JobType,
    Link,
    NotApplicable,
    Order,
    Reason,
    Refused,
    merged,
)
from reconciler.formats.systemd_jobs.job_rules import (
    Step,
    Units,
    can_do_without,
    exhaust,
    is_applicable,
    next_unit,
)

GRACEFUL = 255
"""The first release that follows PropagatesStopTo= last, and restarts a unit through it if that is to
start.
"""


_REDUNDANT = {
    JobType.START: UP,
    JobType.VERIFY: UP,
    JobType.STOP: DOWN,
    JobType.RELOAD: frozenset({"reloading"}),
    JobType.RESTART: frozenset({"activating"}),
}
"""The states in which a job has nothing to do."""

_LOAD_WORDS = {
    "not-found": "Unit {} not found.",
    "masked": "Unit {} is masked.",
    "bad-setting": "Unit {} has a bad unit file setting.",
    "error": "Unit {} failed to load properly, please adjust/correct and reload service manager.",
}


class Transaction:
    """The jobs of one request."""

    def __init__(self, units: Units, release: int, order: Order, *, spare: bool = False) -> None:
        self.units, self.release, self.order, self.spare = units, release, order, spare
        self.jobs: dict[str, list[Job]] = {}
        self.anchor: Job | None = None

    # -------------------------------------------------------------------------- what follows from the request

    def request(self, type_: JobType, unit: str, reason: Reason | None) -> list[Job]:
        """The jobs of the request, one for each unit. Raises Refused."""
        exhaust(self._add(type_, unit, None, reason))
        self._mark()
        if self.spare:
            self._minimize()
        self._drop_redundant()
        self._collect()
        while (unit_in_circle := self._circle()) is not None:
            self._delete(self.jobs[unit_in_circle])
            self._collect()
        while self._drop_one_contradiction():
            self._collect()
        self._merge()
        self._drop_redundant()
        jobs = [jobs[0] for jobs in self.jobs.values()]
        if self.spare and any(self._contradicts_installed(job) for job in jobs):
            raise Refused(f"Transaction for {unit}/{type_.value} is destructive.")
        return jobs

    def _add(
        self,
        type_: JobType,
        unit: str,
        by: Job | None,
        reason: Reason | None = None,
        *,
        matters: bool = True,
        conflicts: bool = False,
        last: bool = False,
    ) -> Step:
        node = self.units.node(unit)
        if type_ != JobType.STOP and node.load != "loaded":
            raise Refused(_LOAD_WORDS.get(node.load, "Unit {} not found.").format(unit))
        if not is_applicable(type_, unit, node):
            raise NotApplicable(f"Job type {type_.value} is not applicable for unit {unit}.")
        jobs = self.jobs.setdefault(unit, [])
        job = next((job for job in jobs if job.type == type_), None)
        is_new = job is None
        if job is None:
            job = Job(unit, type_, reason)
            jobs.insert(0, job)
        if by is None:
            self.anchor = job
        else:
            link = Link(by, job, matters=matters, conflicts=conflicts)
            by.asks[link] = job.asked_by[link] = None
        if is_new:
            yield from self._follow(job, node, by is None or last)

    def _follow(self, job: Job, node: UnitNode, graceful: bool) -> Step:
        try:
            if job.type in (JobType.START, JobType.RESTART):
                yield from self._pull_in(job, node)
        except Refused:
            if self.release >= GRACEFUL:
                self._unlink(job)
            raise
        if job.type in (JobType.STOP, JobType.RESTART):
            yield from self._hand_on(job, node)
            if self.release >= GRACEFUL and graceful:
                yield from self._hand_on_gracefully(job, node)
        if job.type == JobType.RELOAD:
            for relation, other in self._others(node, "PropagatesReloadTo"):
                if self.units.state(other) in UP:
                    yield self._asked(job, JobType.RELOAD, relation, other, matters=False)

    def _pull_in(self, job: Job, node: UnitNode) -> Step:
        for relation, other in self._others(node, "Requires", "BindsTo"):
            yield self._asked(job, JobType.START, relation, other)
        for relation, other in self._others(node, "Wants", "Upholds"):
            yield self._asked(job, JobType.START, relation, other, matters=False)
        for relation, other in self._others(node, "Requisite"):
            yield self._asked(job, JobType.VERIFY, relation, other)
        for relation, other in self._others(node, "Conflicts"):
            yield self._asked(job, JobType.STOP, relation, other, conflicts=True)
        for relation, other in self._others(node, "ConflictedBy"):
            yield self._asked(job, JobType.STOP, relation, other, matters=False)

    def _hand_on(self, job: Job, node: UnitNode) -> Step:
        relations = ["RequiredBy", "RequisiteOf", "BoundBy", "ConsistsOf"]
        if job.type == JobType.STOP and self.release < GRACEFUL:
            relations.append("PropagatesStopTo")
        for relation, other in self._others(node, *relations):
            if job.type == JobType.STOP or self.units.state(other) in UP:
                yield self._asked(job, job.type, relation, other)

    def _hand_on_gracefully(self, job: Job, node: UnitNode) -> Step:
        for relation, other in self._others(node, "PropagatesStopTo"):
            types = {prospect.type for prospect in self.jobs.get(other, ())}
            if not types & {JobType.STOP, JobType.RESTART}:
                type_ = JobType.RESTART if JobType.START in types else JobType.STOP
                yield self._asked(job, type_, relation, other, last=True)

    def _asked(
        self, job: Job, type_: JobType, relation: str, other: str, *, matters: bool = True, **flags: bool
    ) -> Step:
        """Add the job that a job asks for on another unit. With `matters`, a refusal refuses the request too;
        raises Refused.
        """
        if not self.units.is_known(other):
            return
        try:
            yield self._add(type_, other, job, (relation, job.unit), matters=matters, **flags)
        except NotApplicable:
            return
        except Refused:
            if matters:
                raise

    def _others(self, node: UnitNode, *relations: str) -> Iterable[tuple[str, str]]:
        for relation in relations:
            for name in self.order(node.relations.get(relation, ())):
                yield relation, name

    # ------------------------------------------------------------------------------- what can be done without

    def _mark(self) -> None:
        """Mark the jobs that the request cannot do without."""
        waiting = [self.anchor] if self.anchor else []
        while waiting:
            job = waiting.pop()
            job.matters = True
            waiting += [link.object for link in job.asks if link.matters and not link.object.matters]

    def _minimize(self) -> None:
        """Drop dispensable jobs that would stop a running unit or reverse a job that systemd has already."""
        for jobs in list(self.jobs.values()):
            for job in list(jobs):
                stops = job.type == JobType.STOP and self.units.state(job.unit) in (*UP, "activating")
                if not job.matters and (stops or self._contradicts_installed(job)):
                    self._delete([job])

    def _contradicts_installed(self, job: Job) -> bool:
        installed = self.units.job(job.unit)
        return installed is not None and merged(job.type, installed, self.units.state(job.unit)) is None

    def _drop_redundant(self) -> None:
        for unit, jobs in list(self.jobs.items()):
            if not any(self._has_to_do(job) for job in jobs):
                for job in list(self.jobs.get(unit, ())):
                    self._unlink(job)

    def _has_to_do(self, job: Job) -> bool:
        state = self.units.state(job.unit)
        return job is self.anchor or state not in _REDUNDANT[job.type] or self._contradicts_installed(job)

    def _collect(self) -> None:
        """Drop the jobs that no other job asks for any more.

        systemd looks only at the one of several jobs for a unit that came last: the others stay until that
        one goes, and then it hangs on the order of the units which of the contradictions that they are part
        of is solved first.
        """
        waiting = [jobs[0] for jobs in self.jobs.values()]
        while waiting:
            job = waiting.pop()
            if job is self.anchor or job.asked_by or job is not self._last(job.unit):
                continue
            asked = {job.unit, *(link.object.unit for link in job.asks)}
            self._unlink(job)
            waiting += [last for unit in sorted(asked) if (last := self._last(unit)) is not None]

    def _last(self, unit: str) -> Job | None:
        """The job for a unit that was added last; None: it has none."""
        jobs = self.jobs.get(unit)
        return jobs[0] if jobs else None

    def _delete(self, jobs: Iterable[Job]) -> None:
        """Drop jobs, and the jobs that cannot do without them."""
        waiting = list(jobs)
        while waiting:
            job = waiting.pop()
            if job in self.jobs.get(job.unit, ()):
                waiting += [link.subject for link in job.asked_by if link.matters]
                self._unlink(job)

    def _unlink(self, job: Job) -> None:
        siblings = self.jobs.get(job.unit, [])
        if job in siblings:
            siblings.remove(job)
        if not siblings:
            self.jobs.pop(job.unit, None)
        for link in job.asks:
            link.object.asked_by.pop(link, None)
        for link in job.asked_by:
            link.subject.asks.pop(link, None)
        job.asks, job.asked_by = {}, {}

    # ------------------------------------------------------------------------------------------------ circles

    def _circle(self) -> str | None:
        """A dispensable unit of a circle of jobs that wait for each other; None: there is no circle.

        Raises Refused if the request can do without none of the circle.
        """
        done: set[str] = set()
        for first in self.order(self.jobs):
            path: list[str] = []
            on_path: dict[str, Iterable[str]] = {}
            unit: str | None = first
            while unit is not None:
                if unit in on_path:
                    return self._expendable(path[path.index(unit) :])
                if unit not in done:
                    path.append(unit)
                    on_path[unit] = iter(self._later(unit))
                unit = next_unit(path, on_path, done)
        return None

    def _later(self, unit: str) -> list[str]:
        """The units whose jobs wait for the one of this unit."""
        node, mine = self.units.node(unit), self._type(unit)
        later = []
        for relation in ("Before", "After"):
            for other in self.order(name for name in node.relations.get(relation, ()) if self._type(name)):
                first, second = (
                    (mine, self._type(other)) if relation == "Before" else (self._type(other), mine)
                )
                waits = second not in (JobType.STOP, JobType.RESTART)
                if waits == (relation == "Before") and first:
                    later.append(other)
        return later

    def _type(self, unit: str) -> JobType | None:
        """The type of the job that was added last: systemd looks at that one of several."""
        jobs = self.jobs.get(unit)
        return jobs[0].type if jobs else self.units.job(unit)

    def _expendable(self, circle: Sequence[str]) -> str:
        for unit in reversed(circle):
            if unit in self.jobs and not any(job.matters for job in self.jobs[unit]):
                return unit
        raise Refused("Transaction order is cyclic. See system logs for details.")

    # ----------------------------------------------------------------------------------------- contradictions

    def _drop_one_contradiction(self) -> bool:
        """Drop one of two jobs that contradict each other; False: there are none. Raises Refused."""
        for unit in self.order(self.jobs):
            jobs = self.jobs[unit]
            type_: JobType | None = jobs[0].type
            for job in jobs[1:]:
                both = merged(type_, job.type, self.units.state(unit)) if type_ else None
                if both is None:
                    self._drop_one_of(unit, jobs, type_ or job.type, job.type)
                    return True
                type_ = both
        return False

    def _drop_one_of(self, unit: str, jobs: Sequence[Job], type_: JobType, other_type: JobType) -> None:
        for index, first in enumerate(jobs):
            for second in jobs[index + 1 :]:
                if merged(first.type, second.type, self.units.state(unit)) is None:
                    dropped = can_do_without(first, second)
                    if dropped is not None:
                        self._delete([dropped])
                        return
        raise Refused(
            f"Transaction contains conflicting jobs '{type_.value}' and '{other_type.value}' for {unit}. "
            "Probably contradicting requirement dependencies configured."
        )

    def _merge(self) -> None:
        for unit, jobs in self.jobs.items():
            first = next((job for job in jobs if job is self.anchor), jobs[0])
            for job in jobs:
                type_ = merged(first.type, job.type, self.units.state(unit)) or first.type
                if type_ != first.type and type_ == job.type and first is not self.anchor:
                    first.reason = job.reason
                first.type = type_
                first.matters |= job.matters
            self.jobs[unit] = [first]
