"""PID 1, as far as jobs go: it runs the jobs of a request in the order of Before= and After=, and those that
the states of units bring about by themselves.

Every program is assumed to start when it is started and to end when it is stopped.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Mapping

from reconciler.core.host import UnitNode
from reconciler.formats.systemd_jobs.job import (
    DOWN,
    MISSING,
    UP,
    Job,
    JobType,
    Order,
    Pace,
    Reason,
    Refused,
    at_once,
    ends,
    merged,
    rank,
)
from reconciler.formats.systemd_jobs.queues import Queues
from reconciler.formats.systemd_jobs.transaction import Transaction

_BY_DEPENDENCY = (
    "Operation refused, unit {} may be requested by dependency only (it is configured to refuse manual"
    " start/stop)."
)
_DEPENDENCY = "A dependency job for {} failed."
_INVALID = "Job for {} invalid."


class Installed:
    """A job that systemd has accepted."""

    __slots__ = ("because", "running", "type")

    def __init__(self, type_: JobType, because: Reason | None) -> None:
        self.type, self.because, self.running = type_, because, False


class Manager:
    """PID 1: the states of the units, their jobs, and what is still to come."""

    def __init__(self, units: Mapping[str, UnitNode], release: int, order: Order) -> None:
        self.units, self.release, self.order = units, release, order
        self.states: dict[str, str] = {}
        self.jobs: dict[str, Installed] = {}
        self.done: dict[str, dict[str, Reason | None]] = {}
        """The jobs that were carried out: {unit: {stop, start or reload: reason}}."""
        self.failed: dict[str, str] = {}
        self._runnable: list[tuple[tuple[int, str], str]] = []
        self._coming: dict[str, str] = {}
        self._ending: deque[tuple[str, str]] = deque()
        self._queues = Queues(self)

    def node(self, name: str) -> UnitNode:
        """A unit as it is loaded."""
        return self.units.get(name, MISSING)

    @property
    def restless(self) -> frozenset[str]:
        """Units that were started or stopped by themselves as often as systemd allows, and those with a job
        that waits for ever.
        """
        return self._queues.restless | self.jobs.keys()

    def is_known(self, name: str) -> bool:
        """Whether anything is known of a unit."""
        return name in self.units

    def state(self, name: str) -> str:
        """The present ActiveState of a unit; an unknown one is assumed to run."""
        if name in self.states:
            return self.states[name]
        return self.units[name].active if name in self.units else "active"

    def job(self, name: str) -> JobType | None:
        """The type of the job that a unit has; None: it has none."""
        job = self.jobs.get(name)
        return job.type if job else None

    def carry_out(self, type_: JobType, names: Iterable[str], *, pace: Pace) -> dict[str, str]:
        """Run a request for each of the named units in turn, to the end; return the units whose job was
        refused or failed, with the reason.
        """
        refused: dict[str, str] = {}
        for name in names:
            if words := self._request(type_, name):
                refused[name] = words
            if pace is Pace.DONE:
                self._settle()
            elif pace is Pace.BEGUN:
                self._run_jobs()
        self._settle()
        return {**self.failed, **refused}

    def _request(self, type_: JobType, name: str) -> str:
        """Install the jobs for a named unit; return the reason if they are refused, else an empty text."""
        try:
            self._refuse(type_, name)
            self._install(Transaction(self, self.release, self.order).request(type_, name, None))
        except Refused as refusal:
            return str(refusal)
        return ""

    # ------------------------------------------------------------------------------------------------ jobs

    def _refuse(self, type_: JobType, name: str) -> None:
        """Raise Refused for a job that may not be asked for by name."""
        node = self.node(name)
        if (
            type_ == JobType.STOP
            and node.load in ("not-found", "bad-setting", "error")
            and self.state(name) == "inactive"
        ):
            raise Refused(f"Unit {name} not loaded.")
        starts = type_ in (JobType.START, JobType.RESTART) and node.flags.get("RefuseManualStart") == "yes"
        if starts or (
            type_ in (JobType.STOP, JobType.RESTART) and node.flags.get("RefuseManualStop") == "yes"
        ):
            raise Refused(_BY_DEPENDENCY.format(name))

    def add(self, type_: JobType, name: str, because: Reason, *, spare: bool = False) -> None:
        """Install a job of systemd's own accord, unless systemd would refuse it."""
        try:
            self._install(
                Transaction(self, self.release, self.order, spare=spare).request(type_, name, because)
            )
        except Refused:
            return

    def _install(self, jobs: Iterable[Job]) -> None:
        for job in jobs:
            self._install_one(job.unit, job.type, job.reason)

    def _install_one(self, unit: str, type_: JobType, because: Reason | None) -> None:
        present = self.jobs.get(unit)
        both = merged(present.type, type_, self.state(unit)) if present else None
        if present and both is None:
            self._finish(unit, "canceled", hand_on=False)
            present = None
        if present is None or both is None:
            self.jobs[unit] = Installed(type_, because)
        elif present.running and (type_ == JobType.RELOAD or both != present.type):
            present.type, present.running = both, False
        else:
            present.type = both
        self._run(unit)

    def _run(self, unit: str) -> None:
        heapq.heappush(self._runnable, (rank(unit), unit))

    def _settle(self) -> None:
        """Run everything until no job and no change of state is left."""
        while self._queues.work_off() or self._run_jobs() or self._go_on():
            pass

    def _run_jobs(self) -> bool:
        if not self._runnable:
            return False
        while self._runnable:
            _, unit = heapq.heappop(self._runnable)
            job = self.jobs.get(unit)
            if job and not job.running and self._may_run(unit, job):
                job.running = True
                _PERFORM[job.type](self, unit, job)
        return True

    def _may_run(self, unit: str, job: Installed) -> bool:
        """Whether no job stands in the way by Before= or After=."""
        stops = job.type in (JobType.STOP, JobType.RESTART)
        relations = self.node(unit).relations
        if not stops and any(name in self.jobs for name in relations.get("After", ())):
            return False
        others = (self.job(name) for name in relations.get("Before", ()))
        return not any(other in (JobType.STOP, JobType.RESTART) for other in others)

    def start(self, unit: str, job: Installed) -> None:
        """Begin to start a unit."""
        state, node = self.state(unit), self.node(unit)
        if state in UP:
            self._finish(unit, "done")
        elif state == "deactivating":
            job.running = False
            self._expect(unit, "inactive")
        elif self._bound_to_one_down(node):
            self._finish(unit, "dependency")
        elif state == "activating":
            self._expect(unit, "inactive" if ends(node) else "active")
        else:
            self.done.setdefault(unit, {}).setdefault("start", job.because)
            if at_once(node):
                self._become(unit, "active")
            else:
                self._become(unit, "activating")
                self._coming[unit] = "inactive" if ends(node) else "active"

    def _bound_to_one_down(self, node: UnitNode) -> bool:
        after = node.relations.get("After", frozenset())
        return any(
            self.state(other) not in UP for other in node.relations.get("BindsTo", ()) if other in after
        )

    def stop(self, unit: str, job: Installed) -> None:
        """Begin to stop a unit."""
        state = self.state(unit)
        if state in DOWN:
            self._finish(unit, "done")
        elif state == "deactivating":
            self._expect(unit, "inactive")
        else:
            self.done.setdefault(unit, {}).setdefault("stop", job.because)
            if unit.endswith(".service"):
                self._become(unit, "deactivating")
                self._coming[unit] = "inactive"
            else:
                self._become(unit, "inactive")

    def reload(self, unit: str, job: Installed) -> None:
        """Begin to reload a unit."""
        state = self.state(unit)
        if state == "reloading":
            job.running = False
            self._expect(unit, "active")
        elif state != "active":
            self._finish(unit, "invalid")
        else:
            self.done.setdefault(unit, {}).setdefault("reload", job.because)
            if unit.endswith(".service"):
                self._become(unit, "reloading")
                self._coming[unit] = "active"
            else:
                self._become(unit, "active")

    def _expect(self, unit: str, state: str) -> None:
        """Let a change of state that had begun before the request end as well."""
        if unit not in self.states:
            self.states[unit] = self.state(unit)
            self._coming[unit] = state

    def verify(self, unit: str, job: Installed) -> None:
        """Check whether a unit is active."""
        state = self.state(unit)
        if state in UP:
            self._finish(unit, "done")
        elif state == "activating":
            job.running = False
            self._expect(unit, "inactive" if ends(self.node(unit)) else "active")
        else:
            self._finish(unit, "skipped")

    def _finish(self, unit: str, result: str, *, hand_on: bool = True) -> None:
        job = self.jobs[unit]
        if result == "done" and job.type == JobType.RESTART:
            job.type, job.running = JobType.START, False
            self._run(unit)
        else:
            del self.jobs[unit]
            self._hand_on(unit, job, result, hand_on)
            if self.release >= _REQUEUED:
                self._queues.submit(unit)
        for relation in ("After", "Before"):
            for other in self.node(unit).relations.get(relation, ()):
                if other in self.jobs:
                    self._run(other)

    def _hand_on(self, unit: str, job: Installed, result: str, hand_on: bool) -> None:
        """Let jobs that depend on a failed one fail as well."""
        node = self.node(unit)
        if result not in ("done", "canceled") and job.because is None:
            self.failed[unit] = (_INVALID if result == "invalid" else _DEPENDENCY).format(unit)
        if not hand_on:
            return
        if result != "done" and job.type in (JobType.START, JobType.VERIFY):
            self._fail_those(node, "RequiredBy", "RequisiteOf", "BoundBy")
        elif result != "done" and job.type == JobType.STOP:
            self._fail_those(node, "ConflictedBy")
        elif result == "done" and job.type in (JobType.START, JobType.RELOAD) and self.state(unit) not in UP:
            self._fail_those(node, "RequisiteOf")
        if result == "dependency":
            self._after_the_end(unit, "OnFailure")

    def _fail_those(self, node: UnitNode, *relations: str) -> None:
        for relation in relations:
            for other in self.order(node.relations.get(relation, ())):
                if self.job(other) in (JobType.START, JobType.VERIFY):
                    self._finish(other, "dependency")

    # ------------------------------------------------------------------------------------------------ states

    def _go_on(self) -> bool:
        """End one change of state that has begun: a program has ended, or is ready; False if there is none.

        If several began together, any of them may be the first to end.
        """
        if not self._ending:
            self._ending.extend((unit, self._coming[unit]) for unit in self.order(self._coming))
            self._coming.clear()
        if not self._ending:
            return False
        unit, state = self._ending.popleft()
        self._become(unit, state)
        return True

    def _become(self, unit: str, new: str) -> None:
        old = self.state(unit)
        self.states[unit] = new
        unexpected = self._tell_job(unit, new)
        node = self.node(unit)
        if unexpected and old in DOWN and new in (*UP, "activating"):
            self._start_those(unit, node)
        elif unexpected and old in (*UP, "activating") and new in (*DOWN, "deactivating"):
            self._stop_those(unit, node)
        if new == "inactive" and old not in DOWN:
            self._after_the_end(unit, "OnSuccess")
        self._queues.enter(unit, node, new)

    def _tell_job(self, unit: str, state: str) -> bool:
        """Tell the unit's job the new state; return whether no job has asked for that state."""
        job = self.jobs.get(unit)
        if job is None:
            return True
        if not job.running:
            self._run(unit)
        if job.type in (JobType.START, JobType.VERIFY):
            return self._tell_start(unit, job, state)
        if job.type == JobType.RELOAD:
            if job.running and state == "active":
                self._finish(unit, "done")
            return False
        if state in DOWN:
            self._finish(unit, "done")
        return False

    def _tell_start(self, unit: str, job: Installed, state: str) -> bool:
        if state in UP:
            self._finish(unit, "done")
            return False
        if not job.running or state == "activating":
            return False
        if state in DOWN:
            self._finish(unit, "done")
        return True

    def _start_those(self, unit: str, node: UnitNode) -> None:
        after = node.relations.get("After", frozenset())
        for relation in ("Requires", "BindsTo", "Upholds", "Wants"):
            for other in self.order(node.relations.get(relation, ())):
                if other not in after and self.state(other) not in (*UP, "activating"):
                    self.add(JobType.START, other, (relation, unit), spare=relation == "Wants")
        for relation in ("Conflicts", "ConflictedBy"):
            for other in self.order(node.relations.get(relation, ())):
                if self.state(other) not in (*DOWN, "deactivating"):
                    self.add(JobType.STOP, other, (relation, unit))

    def _stop_those(self, unit: str, node: UnitNode) -> None:
        for relation in ("BoundBy", "PropagatesStopTo"):
            for other in self.order(node.relations.get(relation, ())):
                if self.state(other) not in (*DOWN, "deactivating"):
                    self.add(JobType.STOP, other, (relation, unit))

    def _after_the_end(self, unit: str, relation: str) -> None:
        for other in self.order(self.node(unit).relations.get(relation, ())):
            self.add(JobType.START, other, (relation, unit), spare=relation == "OnSuccess")


_REQUEUED = 254
"""The first release that looks again at a unit whose job has ended without a change of its state."""

_PERFORM = {
    JobType.START: Manager.start,
    JobType.RESTART: Manager.stop,
    JobType.STOP: Manager.stop,
    JobType.RELOAD: Manager.reload,
    JobType.VERIFY: Manager.verify,
}
