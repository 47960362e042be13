"""`service health --heal`: start failed services, see whether they stay up, and report. Nothing else changes.

A failure is nobody's decision, so `on_change: none` and `drift: report` do not keep a failed service down. A
decision that somebody made does: a hold, a mask, `state: stopped`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Any

from reconciler.app.service.service import Chosen, hold_of, is_job, remembered, to_run, unhealthy
from reconciler.core.basics.frozen import frozen
from reconciler.core.diagnostic import Diagnostic, error
from reconciler.core.host import HostError
from reconciler.core.model.resource import DriftPolicy
from reconciler.core.state import Hold, Memory
from reconciler.host.hosts import state_directory
from reconciler.host.process.environment import is_root, now
from reconciler.host.state.lock import Lock, LockBusy
from reconciler.host.systemd import service_facts
from reconciler.host.systemd.journal import send
from reconciler.host.systemd.service_facts import Facts
from reconciler.kinds.services.model import Service
from reconciler.kinds.shared.unit_fields import State
from reconciler.render.plan.phrases import moment

PAUSES = (0, 2, 6)
"""Seconds before each start of a failed service."""
STEADY = 3.0
"""Seconds that a service has to stay up, with the same process, to count as healed."""
LONGEST_WAIT = 30
"""The longest wait in seconds for the end of a start limit; a longer one is left to a person."""
HEALING = "7d0b8f0c7d564f5a9b9b7f4e5a1c2d36"
"""MESSAGE_ID of the entries: a start, and the outcome for a service."""


@frozen
class Healing:
    """The healing of one service."""

    outcome: str
    """healed, failed or left."""
    starts: int
    why: str = ""
    """Why it was left, or is still not well."""

    @property
    def data(self) -> dict[str, Any]:
        """As JSON."""
        return {"outcome": self.outcome, "starts": self.starts, "why": self.why}


@frozen
class Healed:
    """The healing of every service that was not well, or the problem because of which none was tried."""

    done: Mapping[str, Healing] = field(default_factory=dict)
    problem: Diagnostic | None = None
    busy: bool = False
    """Whether an apply is running."""


def heal(chosen: Chosen, lock_timeout: float) -> Healed:
    """Heal the services that are not well, under the lock of every apply.

    Raises HostError when systemd cannot be asked.
    """
    if not is_root():
        return Healed(problem=error("healing needs root", "Run it as root. Without --heal anybody may look."))
    try:
        lock = Lock(state_directory(None), command="reconciler service health --heal").acquire(lock_timeout)
    except LockBusy as busy:
        return Healed(problem=error("an apply is running", str(busy)), busy=True)
    except HostError as problem:
        return Healed(problem=error(problem.summary, problem.detail))
    try:
        memory = remembered()
        blind = memory.unreadable or memory.damaged
        if blind:
            detail = (
                f"{blind}. Nobody knows what is on hold. Restart by name what you are sure of: reconciler"
                " service restart NAME"
            )
            return Healed(problem=error("the state cannot be read", detail))
        return Healed(_heal(chosen, memory))
    finally:
        lock.release()


def _heal(chosen: Chosen, memory: Memory) -> dict[str, Healing]:
    """The healing of each service that is not well. Raises HostError."""
    facts = _ask(chosen, chosen.names)
    sick = [name for name in chosen.names if unhealthy(facts[name], chosen.declaration(name))]
    spared = {name: spare(facts[name], chosen.declaration(name), hold_of(name, memory)) for name in sick}
    done = {name: Healing("left", 0, why) for name, why in spared.items() if why}
    waiting = [name for name in sick if name not in done]
    starts: Counter[str] = Counter()
    refused: frozenset[str] = frozenset()
    for pause in PAUSES:
        if not waiting:
            break
        _wait(pause, [_limit_left(facts[name], refused=name in refused) for name in waiting])
        before = facts = facts | _ask(chosen, waiting)
        now_due = [name for name in waiting if _due(facts[name], starts[name], refused=name in refused)]
        send(
            _entry(name, f"starting it ({facts[name].result}), try {starts[name] + 1}", "healing")
            for name in now_due
        )
        fell = service_facts.revive(
            [f"{name}.service" for name in now_due], [f"{name}.service" for name in waiting], STEADY
        )
        facts = facts | _ask(chosen, waiting)
        refused = frozenset(name for name in now_due if _refused(before[name], facts[name]))
        starts.update(name for name in now_due if name not in refused)
        up = [
            name
            for name in waiting
            if f"{name}.service" not in fell and not unhealthy(facts[name], chosen.declaration(name))
        ]
        done |= {name: Healing("healed", starts[name]) for name in up}
        waiting = [name for name in waiting if name not in up]
    done |= {
        name: Healing(
            "failed", starts[name], unhealthy(facts[name], chosen.declaration(name)) or "it does not stay up"
        )
        for name in waiting
    }
    send(_entry(name, _words(healing), healing.outcome) for name, healing in done.items())
    return {name: done[name] for name in sick}


def spare(facts: Facts, declared: Service | None, hold: Hold | None) -> str:
    """The reason why a service that is not well is not started; empty if it is started."""
    stopped = declared is not None and declared.says("state") and declared.state is State.STOPPED
    enforced = declared is None or declared.drift is DriftPolicy.ENFORCE
    rules = (
        (not facts.is_known, "systemd told nothing of it"),
        (hold is not None, f"it is held until {moment(hold.until)}: {hold.why}" if hold is not None else ""),
        (not facts.installed, "it is not installed; an apply does that"),
        (facts.load == "masked", "it is masked"),
        (facts.load != "loaded", f"its unit cannot be loaded ({facts.load}); that is not mended by a start"),
        (stopped, "the spec says `state: stopped`"),
        (is_job(facts), "it is a job that runs to its end; to run it again: reconciler service start"),
        (facts.condition_failed, "a Condition...= of its unit does not hold, so a start does nothing"),
        (
            facts.active in ("activating", "deactivating") and facts.sub != "auto-restart",
            f"systemd is at it ({facts.sub})",
        ),
        (
            facts.active != "failed" and not enforced and to_run(facts, declared),
            "somebody stopped it, and its `drift` says to leave that so",
        ),
        (
            _limit_left(facts) > LONGEST_WAIT,
            f"systemd starts it at most {facts.limit} times in {facts.limit_seconds:g} s; that is used up",
        ),
    )
    return next((words for holds, words in rules if holds), "")


def _due(facts: Facts, starts: int, *, refused: bool) -> bool:
    """Whether a service is started now: systemd itself does not start it, and allows another start."""
    most = min(len(PAUSES), facts.limit) if facts.limited else len(PAUSES)
    return (
        facts.active in ("failed", "inactive") and starts < most and not _limit_left(facts, refused=refused)
    )


def _refused(before: Facts, after: Facts) -> bool:
    """Whether systemd refused a start because of the start limit: the invocation is the one before it.

    Result names the limit only where nothing else had failed.
    """
    return (
        after.active == "failed"
        and after.limited
        and before.invocation != ""
        and before.invocation == after.invocation
    )


def _limit_left(facts: Facts, *, refused: bool = False) -> float:
    """Seconds until systemd can start a service again; 0 if it can now, as far as is known.

    Result keeps the failure from before the limit, so the limit shows by the number of restarts too.
    """
    at_limit = refused or facts.result == "start-limit-hit" or facts.restarts >= facts.limit - 1 > 0
    if not (facts.active == "failed" and facts.limited and at_limit):
        return 0
    # Both moments are whole seconds.
    return max(0.0, facts.since + facts.limit_seconds + 1 - now())


def _wait(pause: float, limits: Iterable[float]) -> None:
    """The pause, or longer until a start limit is over."""
    service_facts.wait(max([pause, *(seconds for seconds in limits if seconds <= LONGEST_WAIT)]))


def _ask(chosen: Chosen, names: tuple[str, ...] | list[str]) -> dict[str, Facts]:
    facts = service_facts.ask([f"{name}.service" for name in names])
    return {name: facts[f"{name}.service"] for name in names}


def _words(healing: Healing) -> str:
    tries = f"after {healing.starts} {'start' if healing.starts == 1 else 'starts'}"
    return {"healed": f"up again {tries}", "failed": f"still not well {tries}: {healing.why}"}.get(
        healing.outcome, f"left alone: {healing.why}"
    )


def _entry(name: str, words: str, outcome: str) -> dict[str, str]:
    """With OBJECT_SYSTEMD_UNIT, so that `journalctl --unit` shows it among what the service itself wrote."""
    return {
        "MESSAGE": f"services.{name}: {words}",
        "MESSAGE_ID": HEALING,
        "PRIORITY": {"failed": "3", "left": "4"}.get(outcome, "5"),
        "SYSLOG_IDENTIFIER": "reconciler",
        "RECONCILER_ADDRESS": f"services.{name}",
        "RECONCILER_RESULT": outcome,
        "OBJECT_SYSTEMD_UNIT": f"{name}.service",
    }
