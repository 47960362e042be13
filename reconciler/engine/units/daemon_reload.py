"""When systemd reads its unit files again: before anything is started, unless it has read none of what
changes.

A unit that systemd has no definition of is loaded from disk when it is started; that is how it loads every
unit, and new files are seen without a reload (`manager_unit_cache_should_retry_load` in its source, since
246). The reload then only tells the targets of their new links, and comes while what was started is watched
(docs/decisions/2026-11-28-new-units-start-before-the-reload.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.core.actions import ABSENT, Action, MakeLink, RemovePath, Unit, UnitVerb, WriteFile, path_of
from reconciler.core.host import HostView
from reconciler.core.steps import Cause, Step

_UNITS = "/etc/systemd/system"
_LINKS = (".wants", ".requires")
_SYSTEM = ("/etc", "/usr", "/lib", "/run")
"""Where units, drop-ins, and what generators make units of (systemd.generator(7)) may be."""
_NEITHER = (
    "/etc/cron.d",
    "/etc/logrotate.d",
    "/etc/profile.d",
    "/etc/reconciler",
    "/etc/ssh",
    "/etc/sudoers.d",
)
"""The directories on which nothing that is started can depend in the eyes of systemd."""

_GENERATED_FROM = (
    *(
        "/etc/containers/systemd",
        "/usr/share/containers/systemd",
        "/etc/fstab",
        "/etc/crypttab",
        "/etc/veritytab",
    ),
    *("/etc/init.d", "/etc/rc.local", "/etc/netplan", "/etc/postgresql"),
    *(
        "/etc/systemd/system-generators",
        "/usr/local/lib/systemd/system-generators",
        "/usr/lib/systemd/system-generators",
    ),
)
"""The sources from which generators of systemd and of packages make units, and the generators.

Among them are podman's quadlet, fstab and sysv-init.
"""


def of_generators(steps: Sequence[Step]) -> Iterator[Step]:
    """A daemon-reload for each change of what a generator makes units of: without it systemd keeps those of
    before.
    """
    for step in steps:
        path = path_of(step.action) if isinstance(step.action, WriteFile | MakeLink | RemovePath) else None
        if path is not None and not step.held and _is_below(path, _GENERATED_FROM):
            causes = tuple(Cause(cause.address, f"generators make units of {path}") for cause in step.causes)
            yield Step(Unit(UnitVerb.DAEMON_RELOAD), causes)


def placed(steps: Sequence[Step], view: HostView) -> tuple[Step, ...]:
    """The steps in their order; the daemon-reload behind the starts, where none of them waits for it."""
    reload = next((step for step in steps if _is(step.action, UnitVerb.DAEMON_RELOAD)), None)
    if reload is None or not _can_wait(reload, steps, view):
        return tuple(steps)
    others = [step for step in steps if step is not reload]
    started = 1 + max(n for n, step in enumerate(others) if _is(step.action, UnitVerb.START))
    return (*others[:started], reload, *others[started:])


def _is(action: Action, verb: UnitVerb) -> bool:
    return isinstance(action, Unit) and action.verb is verb


def _can_wait(reload: Step, steps: Sequence[Step], view: HostView) -> bool:
    """Whether the reload is only for new units and their links, and the verbs are only starts of some of
    these.
    """
    new = {name: step for step in steps if (name := _new_unit(step.action))}
    verbs = [step for step in steps if isinstance(step.action, Unit) and step is not reload]
    started = {unit for step in verbs if isinstance(step.action, Unit) for unit in step.action.units}
    if (
        not started
        or not started <= new.keys()
        or any(step.held or not _is(step.action, UnitVerb.START) for step in verbs)
    ):
        return False
    reasons = {cause.address for step in new.values() for cause in step.causes}
    if any(cause.address not in reasons for cause in reload.causes) or any(
        _is_read(step.action) for step in steps
    ):
        return False
    return all(state.load == "not-found" for state in view.units(sorted(new)).values())


def _new_unit(action: Action) -> str:
    """The name of the unit whose file this step writes, where there was none."""
    if not isinstance(action, WriteFile) or action.expects != ABSENT:
        return ""
    directory, _, name = action.path.rpartition("/")
    return name if directory == _UNITS else ""


def _is_read(action: Action) -> bool:
    """Whether the step changes something that systemd may read, other than a new unit and links for the next
    boot.
    """
    path = path_of(action)
    if path is None or _new_unit(action):
        return False
    if (
        isinstance(action, MakeLink)
        and path.startswith(f"{_UNITS}/")
        and path.rpartition("/")[0].endswith(_LINKS)
    ):
        return False
    return _is_below(path, _SYSTEM) and not _is_below(path, _NEITHER)


def _is_below(path: str, directories: Sequence[str]) -> bool:
    return any(f"{path}/".startswith(f"{directory}/") for directory in directories)
