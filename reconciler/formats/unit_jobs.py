"""Which units systemd takes along with others: its transactions, worked out from what it has loaded.

One verb for one unit is one transaction: its job, the jobs that this pulls in or hands on, what is redundant left out, what contradicts
resolved or refused. The rules are those of systemd's `transaction.c` and `job.c`, 252 to 257; systemd.unit(5) has them in words. What
follows when a unit comes up or goes down outside of a transaction (Upholds=, StopWhenUnneeded=) is worked out after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from reconciler.core.actions import UnitVerb
from reconciler.core.host import UnitNode
from reconciler.core.values import frozen

UP = frozenset({"active", "reloading", "refreshing"})
"""What systemd takes for active when it decides about a job."""
_DOWN = frozenset({"inactive", "failed"})
_MOST_TURNS = 50


class JobType(StrEnum):
    """The types of systemd's jobs that are in a transaction."""

    START = "start"
    VERIFY = "verify-active"
    STOP = "stop"
    RELOAD = "reload"
    RESTART = "restart"


@frozen
class Effect:
    """Something that happens to a unit that nobody asked for."""

    verb: UnitVerb
    """What happens."""
    because: tuple[str, str]
    """The property in systemctl's words that names the unit, and the unit whose property it is."""


@frozen
class Outcome:
    """What comes of one call of systemctl."""

    effects: Mapping[str, Effect]
    """What happens to units that were not named."""
    refused: Mapping[str, str]
    """Of the named units those whose transaction systemd refuses, with its reason."""
    active: Mapping[str, bool]
    """The units that run afterwards and did not, or the other way round."""


@frozen
class _Pull:
    """One relation of a job's unit: which job it brings the other unit."""

    relation: str
    job: JobType
    matters: bool
    conflicts: bool = False


_STARTING = (
    *(_Pull(relation, JobType.START, matters=True) for relation in ("Requires", "BindsTo")),
    *(_Pull(relation, JobType.START, matters=False) for relation in ("Wants", "Upholds")),
    _Pull("Requisite", JobType.VERIFY, matters=True),
    _Pull("Conflicts", JobType.STOP, matters=True, conflicts=True),
    _Pull("ConflictedBy", JobType.STOP, matters=False),
)
_HANDING_ON = ("RequiredBy", "RequisiteOf", "BoundBy", "ConsistsOf")
_STOPPING = tuple(_Pull(relation, JobType.STOP, matters=True) for relation in (*_HANDING_ON, "PropagatesStopTo"))
_RESTARTING = tuple(_Pull(relation, JobType.RESTART, matters=True) for relation in _HANDING_ON)
_RELOADING = (_Pull("PropagatesReloadTo", JobType.RELOAD, matters=False),)
_PULLS: Mapping[JobType, tuple[_Pull, ...]] = {
    JobType.START: _STARTING,
    JobType.RESTART: (*_STARTING, *_RESTARTING),
    JobType.STOP: _STOPPING,
    JobType.RELOAD: _RELOADING,
    JobType.VERIFY: (),
}
"""What a new job brings other units (`transaction_add_job_and_dependencies`)."""

_VERBS = {verb: JobType(verb.value) for verb in (UnitVerb.START, UnitVerb.STOP, UnitVerb.RELOAD, UnitVerb.RESTART)}
_ABSENT = UnitNode("not-found", "inactive", {}, {})


class _Refused(Exception):
    """systemd does not begin the transaction."""


@dataclass(slots=True, eq=False)
class _Job:
    """A job in the making. `by` are the jobs that brought it: each with whether it matters to that one, and whether it is a conflict."""

    unit: str
    type: JobType
    because: tuple[str, str]
    by: list[tuple[_Job, bool, bool]] = field(default_factory=list)
    anchored: bool = False


class _Transaction:
    """All jobs that one verb for one unit comes to."""

    def __init__(self, units: Mapping[str, UnitNode], unit: str, job: JobType) -> None:
        self._units = units
        self.jobs: dict[str, dict[JobType, _Job]] = {}
        self._anchor = self._add(unit, job, ("", unit), None, matters=True, conflicts=False)

    def _node(self, name: str) -> UnitNode:
        return self._units.get(name, _ABSENT)

    def _add(self, name: str, type_: JobType, because: tuple[str, str], by: _Job | None, *, matters: bool, conflicts: bool) -> _Job:
        """A job and all that it brings. Raises _Refused."""
        node = self._node(name)
        if type_ is not JobType.STOP and node.load != "loaded":
            raise _Refused(f"Unit {name} is masked." if node.load == "masked" else f"Unit {name} not found.")
        jobs = self.jobs.setdefault(name, {})
        new = type_ not in jobs
        job = jobs.setdefault(type_, _Job(name, type_, because))
        if by is not None:
            job.by.append((by, matters, conflicts))
        if new:
            self._pull(job, node)
        return job

    def _pull(self, job: _Job, node: UnitNode) -> None:
        for pull in _PULLS[job.type]:
            for name in sorted(node.relations.get(pull.relation, ())):
                self._pull_one(job, pull, name)

    def _pull_one(self, job: _Job, pull: _Pull, name: str) -> None:
        if name not in self._units:
            return  # nothing is known of it: what every unit is tied to is left out
        if pull in (*_RESTARTING, *_RELOADING) and self._node(name).active not in UP:
            return  # try-restart and try-reload are nothing then
        try:
            self._add(name, pull.job, (pull.relation, job.unit), job, matters=pull.matters, conflicts=pull.conflicts)
        except _Refused:
            if pull.matters:
                raise

    def settle(self) -> None:
        """Leave out what is redundant, and resolve what contradicts. Raises _Refused."""
        self._mark(self._anchor)
        self._drop_redundant()
        while (pair := self._contradiction()) is not None:
            self._delete(self._weaker(*pair))
            self._collect()
        self._drop_redundant()

    def _mark(self, anchor: _Job) -> None:
        """Which jobs matter to the one that was asked for: those that it brought and needs, and what these need."""
        anchor.anchored = True
        changed = True
        while changed:
            changed = False
            for job in self._all():
                if not job.anchored and any(by.anchored and matters for by, matters, _ in job.by):
                    job.anchored = changed = True

    def _all(self) -> list[_Job]:
        return [job for jobs in self.jobs.values() for job in jobs.values()]

    def _drop_redundant(self) -> None:
        for name, jobs in list(self.jobs.items()):
            state = self._node(name).active
            if self._anchor not in jobs.values() and all(_redundant(type_, state) for type_ in jobs):
                del self.jobs[name]

    def _contradiction(self) -> tuple[_Job, _Job] | None:
        for jobs in self.jobs.values():
            stop = jobs.get(JobType.STOP)
            other = next((job for type_, job in jobs.items() if type_ is not JobType.STOP), None)
            if stop is not None and other is not None:
                return stop, other
        return None

    def _weaker(self, stop: _Job, other: _Job) -> _Job:
        """Which of the two goes: what does not matter; of two that do not rather the stop, if it is not for a conflict."""
        if stop.anchored and other.anchored:
            raise _Refused(f"Transaction contains conflicting jobs '{stop.type}' and '{other.type}' for {stop.unit}.")
        if stop.anchored or other.anchored:
            return other if stop.anchored else stop
        return other if any(conflicts for _, _, conflicts in stop.by) else stop

    def _delete(self, job: _Job) -> None:
        """Without what it matters to."""
        jobs = self.jobs.get(job.unit, {})
        if jobs.get(job.type) is not job:
            return
        del jobs[job.type]
        if not jobs:
            self.jobs.pop(job.unit, None)
        for by, matters, _ in job.by:
            if matters:
                self._delete(by)

    def _collect(self) -> None:
        """Without what nothing brings any more."""
        while True:
            here = set(map(id, self._all()))
            orphans = [job for job in self._all() if job is not self._anchor and not any(id(by) in here for by, _, _ in job.by)]
            if not orphans:
                return
            for job in orphans:
                self._delete(job)

    def merged(self) -> Iterator[_Job]:
        """One job for each unit."""
        for jobs in self.jobs.values():
            yield next(
                jobs[type_] for type_ in (JobType.STOP, JobType.RESTART, JobType.START, JobType.RELOAD, JobType.VERIFY) if type_ in jobs
            )


def _redundant(type_: JobType, state: str) -> bool:
    """Whether the job asks for what is so (`job_type_is_redundant`)."""
    if type_ in (JobType.START, JobType.VERIFY):
        return state in UP
    return state in _DOWN if type_ is JobType.STOP else False


# ---------------------------------------------------------------------------------------------------- what comes of it


def take_along(units: Mapping[str, UnitNode], verb: UnitVerb, names: Sequence[str]) -> Outcome:
    """What one call of systemctl comes to: a transaction for each of the names, in their order."""
    nodes = dict(units)
    effects: dict[str, Effect] = {}
    refused: dict[str, str] = {}
    for name in names:
        try:
            jobs = _jobs(nodes, name, _VERBS[verb])
        except _Refused as reason:
            refused[name] = str(reason)
            continue
        _run(nodes, jobs, effects)
        _follow(nodes, effects)
    told = {name: effect for name, effect in effects.items() if name not in names or effect.verb is not verb}
    changed = {name: node.active in UP for name, node in nodes.items() if (node.active in UP) != (units[name].active in UP)}
    return Outcome(told, refused, changed)


def _jobs(nodes: Mapping[str, UnitNode], name: str, type_: JobType) -> list[_Job]:
    """Raises _Refused."""
    transaction = _Transaction(nodes, name, type_)
    transaction.settle()
    jobs = list(transaction.merged())
    unmet = next((job for job in jobs if job.type is JobType.VERIFY), None)
    if unmet is not None:
        raise _Refused(f"{unmet.unit} does not run, and {unmet.because[1]} needs it (Requisite=).")
    return jobs


def _run(nodes: dict[str, UnitNode], jobs: Iterable[_Job], effects: dict[str, Effect]) -> None:
    """What the jobs leave behind. A oneshot without RemainAfterExit= has run and ended."""
    for job in jobs:
        node = nodes.get(job.unit, _ABSENT)
        if job.type is JobType.STOP:
            nodes[job.unit] = replace(node, active="inactive")
        elif job.type in (JobType.START, JobType.RESTART) and not _ends(node):
            nodes[job.unit] = replace(node, active="active")
        if job.because[0]:
            _note(effects, job.unit, UnitVerb(job.type.value), job.because, ran=node.active in UP)


def _note(effects: dict[str, Effect], name: str, verb: UnitVerb, because: tuple[str, str], *, ran: bool) -> None:
    """A restart of what did not run is a start; what is stopped and started is restarted."""
    if verb is UnitVerb.RESTART and not ran:
        verb = UnitVerb.START
    before = effects.get(name)
    if before is not None and (before.verb, verb) == (UnitVerb.STOP, UnitVerb.START):
        verb = UnitVerb.RESTART
    effects[name] = Effect(verb, because)


def _ends(node: UnitNode) -> bool:
    return node.flags.get("Type") == "oneshot" and node.flags.get("RemainAfterExit", "no") != "yes"


def _follow(nodes: dict[str, UnitNode], effects: dict[str, Effect]) -> None:
    """What systemd does when units have come up or gone down: it starts what is upheld, and stops what is bound or not needed."""
    for _ in range(_MOST_TURNS):
        due = _due(nodes)
        if due is None:
            return
        name, type_, because = due
        try:
            jobs = _jobs(nodes, name, type_)
        except _Refused:
            return
        for job in jobs:
            job.because = job.because if job.because[0] else because
        _run(nodes, jobs, effects)


def _due(nodes: Mapping[str, UnitNode]) -> tuple[str, JobType, tuple[str, str]] | None:
    for name, node in nodes.items():
        if node.active in UP:
            down = next((other for other in sorted(node.relations.get("BindsTo", ())) if _is_down(nodes, other)), None)
            if down is not None:
                return name, JobType.STOP, ("BoundBy", down)
            if node.flags.get("StopWhenUnneeded") == "yes" and not _needed(nodes, node):
                return name, JobType.STOP, ("StopWhenUnneeded", name)
        elif node.load == "loaded" and not _ends(node):
            upholder = next((other for other in sorted(node.relations.get("UpheldBy", ())) if _is_up(nodes, other)), None)
            if upholder is not None:
                return name, JobType.START, ("Upholds", upholder)
    return None


_NEEDED = ("RequiredBy", "RequisiteOf", "WantedBy", "BoundBy", "UpheldBy")


def _needed(nodes: Mapping[str, UnitNode], node: UnitNode) -> bool:
    """A unit that is not among these is taken for running: nothing is known of it."""
    return any(name not in nodes or nodes[name].active in UP for relation in _NEEDED for name in node.relations.get(relation, ()))


def _is_up(nodes: Mapping[str, UnitNode], name: str) -> bool:
    return name in nodes and nodes[name].active in UP


def _is_down(nodes: Mapping[str, UnitNode], name: str) -> bool:
    return name in nodes and nodes[name].active in _DOWN
