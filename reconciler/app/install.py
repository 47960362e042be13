"""Install our own units: declarations made here, applied by the same engine as any spec, with a ledger of
their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from reconciler.app.apply import Applied, Approve, apply_host
from reconciler.app.plan.plan import PlanOptions
from reconciler.app.plan.planned import Planned
from reconciler.app.specs import Loaded
from reconciler.core.address import Address
from reconciler.core.basics.frozen import frozen
from reconciler.core.basics.scalars import Scheduler
from reconciler.core.diagnostic import Diagnostic, Source, error, errors
from reconciler.core.host import HostError
from reconciler.core.kind import Kinds
from reconciler.core.result import Progress
from reconciler.core.spec import Declared, Spec
from reconciler.formats import reconcile
from reconciler.formats.schedule import calendar
from reconciler.formats.systemd import timespan
from reconciler.host.hosts import open_host, state_directory, static_hostname
from reconciler.host.process.environment import is_root
from reconciler.host.spec_source.readers import absolute
from reconciler.host.state.files import make_state_directory
from reconciler.host.state.lock import Lock, LockBusy
from reconciler.kinds import discover
from reconciler.kinds.reconcile.own_units import NAME, OWN, Own
from reconciler.kinds.shared.schedule.part import scheduler_of
from reconciler.kinds.users.model import User
from reconciler.policy.lint import lint

APPLY_SCHEDULE = "*:00/30"
DRIFT_SCHEDULE = "*:25/30"
"""Shortly before an apply: what somebody did by hand is told before it is put back."""
DELAY = "2min"
_COMMAND = "/usr/local/bin/reconciler"
_LEDGER = "install"
_HIDDEN = ("/tmp", "/var/tmp")  # noqa: S108  # not to put something there, but to refuse it


@frozen
class InstallOptions:
    """The options of `install`.

    `delay` is empty where the scheduler knows none; `notify` are targets as written.
    """

    root: str | None = None
    commit: str = ""
    schedule: str = APPLY_SCHEDULE
    drift_schedule: str = DRIFT_SCHEDULE
    scheduler: str | None = None
    delay: str | None = None
    metrics: str = ""
    publish: str = ""
    notify: Sequence[str] = ()
    adopt: bool = False


def install(
    loaded: Loaded,
    wanted: InstallOptions,
    approve: Approve,
    tell: Callable[[Progress], None],
    lock_timeout: float,
) -> Applied:
    """Write the units that apply this spec, and what they need."""
    assert loaded.spec is not None
    wrong = _wrong(loaded, wanted)
    if wrong:
        return Applied(Planned(tuple(wrong)))
    spec = Spec(loaded.spec.host, tuple(_declared(loaded, wanted)), loaded.spec.settings)
    # The rules of a spec keep our account out of reach, so they are asked about the units only.
    found = lint(
        replace(spec, resources=tuple(one for one in spec.resources if one.address.kind == NAME)), _kinds()
    )
    found += _open_to_others(loaded, wanted)
    own = Loaded(spec, (*loaded.diagnostics, *found), None, "")
    if errors(found):
        return Applied(Planned(tuple(found)))
    return _apply(own, PlanOptions(wanted.root, adopt=wanted.adopt), approve, tell, lock_timeout)


def uninstall(
    root: str | None, approve: Approve, tell: Callable[[Progress], None], lock_timeout: float
) -> Applied:
    """Take our own units away.

    Everything that they applied stays, and so does its ledger.
    """
    try:
        name = static_hostname(open_host(root))
    except HostError as problem:
        return Applied(Planned((error(problem.summary, problem.detail),)))
    allow = ("empty-spec", "many-destroyed", "other-host")
    return _apply(Loaded(Spec(name)), PlanOptions(root, allow=allow), approve, tell, lock_timeout)


def _apply(
    own: Loaded, options: PlanOptions, approve: Approve, tell: Callable[[Progress], None], lock_timeout: float
) -> Applied:
    if options.root is None and not is_root():
        return Applied(
            Planned((error("install needs root", "Run it as root, or try it on a tree with --root DIR."),))
        )
    directory = state_directory(options.root)
    chosen = PlanOptions(
        options.root, adopt=options.adopt, allow=options.allow, kinds=_kinds(), state=f"{directory}/{_LEDGER}"
    )
    try:
        with _no_apply(directory, lock_timeout):
            return apply_host(own, chosen, approve, tell, lock_timeout)
    except LockBusy as busy:
        return Applied(Planned((error("an apply is running", str(busy)),)), busy=str(busy))
    except HostError as problem:
        return Applied(Planned((error(problem.summary, problem.detail),)))


def _kinds() -> Kinds:
    return {"users": discover()["users"], NAME: OWN}


@contextmanager
def _no_apply(directory: str, timeout: float) -> Iterator[None]:
    """While we take away or change the unit that applies, it does not run: removing
    it would end it half-way.
    """
    make_state_directory(directory)
    with Lock(directory, timeout_seconds=timeout):
        yield


def _wrong(loaded: Loaded, wanted: InstallOptions) -> list[Diagnostic]:
    path = _path_there(loaded, wanted.root)
    found = []
    if not path:
        found.append(
            error(
                "install needs a file",
                "The spec on standard input is gone when the timer comes: name a file.",
            )
        )
    if path.startswith(tuple(f"{place}/" for place in _HIDDEN)):
        found.append(
            error(
                "not a place for a spec",
                f"{path}: it does not stay there. Move it, to /etc/reconciler for one.",
            )
        )
    return [*found, *filter(None, _wrong_options(wanted))]


def _open_to_others(loaded: Loaded, wanted: InstallOptions) -> list[Diagnostic]:
    """Refused: what somebody else can write would be applied by the clock, with nobody to look at it."""
    from reconciler.app.plan.spec_place import others

    try:
        known = others(open_host(wanted.root), _path_there(loaded, wanted.root), bool(wanted.commit))
    except HostError:
        return []  # the plan of the units tells what cannot be read
    advice = (
        "Give it to root alone (chown, chmod), or to people who are root already, or put it in"
        " /etc/reconciler."
    )
    return [error("others decide what is applied", f"{words}. {advice}") for words in known]


def _wrong_options(wanted: InstallOptions) -> Iterator[Diagnostic | None]:
    for name, text in (("--schedule", wanted.schedule), ("--drift-schedule", wanted.drift_schedule)):
        yield _problem("not a schedule", f"{name} {text!r}", calendar.parse, text)
    yield _problem("not a time span", "--delay", timespan.seconds, wanted.delay or "0")
    for name, text in (("--metrics", wanted.metrics), ("--publish", wanted.publish)):
        if text and (not text.startswith("/") or text.endswith("/") or not text.isprintable()):
            yield error("not a file", f"{name} {text!r}: write an absolute path")
    if wanted.metrics and not wanted.metrics.endswith(".prom"):
        yield error(
            "not a file for metrics",
            f"--metrics {wanted.metrics!r}: node_exporter reads only names that end in .prom",
        )
    for text in wanted.notify:
        yield _problem("cannot notify so", "--notify", reconcile.target, text)


def _problem(summary: str, option: str, read: Callable[[str], object], text: str) -> Diagnostic | None:
    """The fault in an option's value, in the words of what reads it."""
    try:
        read(text)
    except ValueError as problem:
        return error(summary, f"{option}: {problem}")
    return None


def _path_there(loaded: Loaded, root: str | None) -> str:
    """Where the host itself will find the spec: one that lies in a tree is found there when that has become a
    host's root.
    """
    inside = f"{absolute(root)}/" if root is not None else "/"
    return "/" + loaded.path.removeprefix(inside) if loaded.path.startswith(inside) else loaded.path


def _declared(loaded: Loaded, wanted: InstallOptions) -> Iterator[Declared]:
    assert loaded.spec is not None
    spec_settings = loaded.spec.settings
    command = str(spec_settings.get("command", _COMMAND))
    path = _path_there(loaded, wanted.root)
    revision = ("--commit", wanted.commit) if wanted.commit else ()

    def declare(name: str, **fields: object) -> Declared:
        return Declared(
            Address(NAME, name), Own.model_validate(fields), Source("install", 1), settings=spec_settings
        )

    scheduler = Scheduler(scheduler_of(declare("settings"), wanted.scheduler))
    by_timer = scheduler is Scheduler.TIMER
    delay = wanted.delay if wanted.delay is not None else DELAY if by_timer else ""
    how = {"scheduler": scheduler, "randomized_delay_sec": delay}
    settings = reconcile.Settings(
        path,
        wanted.commit,
        wanted.metrics,
        wanted.publish,
        tuple(reconcile.target(text) for text in wanted.notify),
    )
    apply = (command, "apply", path, *revision, "--auto-approve", "--report")
    drift = (command, "drift", path, *revision)
    yield declare("settings", settings=reconcile.document(settings))
    if by_timer:
        yield declare("failure", command=(command, "report"))
        yield declare("notify", command=(command, "report"))
        yield declare("apply", command=apply, when=wanted.schedule, **how)
        comment = "Reconciler, looks for drift"
        yield Declared(
            Address("users", reconcile.USER), User(system=True, comment=comment), Source("install", 1)
        )
        yield declare(
            "drift",
            command=(*drift, "--json", "--detailed-exitcode"),
            user=reconcile.USER,
            when=wanted.drift_schedule,
            **how,
        )
    else:
        yield declare("apply", command=_quiet(apply), when=wanted.schedule, **how)
        yield declare("drift", command=_quiet((*drift, "--report")), when=wanted.drift_schedule, **how)


def _quiet(argv: Sequence[str]) -> tuple[str, ...]:
    """cron mails whatever is printed: only complaints shall be."""
    return ("/bin/sh", "-c", 'exec "$@" > /dev/null', *argv[:1], *argv)
