"""`install`: our own units, declared here and applied by the same engine as any spec, with a ledger of their
own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from reconciler.app.apply import Applied, Approve, apply_host
from reconciler.app.plan.options import PlanOptions
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
"""Shortly before an apply, so that drift is reported before it is corrected."""
DELAY = "2min"
_COMMAND = "/usr/local/bin/reconciler"
_LEDGER = "install"
_HIDDEN = ("/tmp", "/var/tmp")  # noqa: S108  # not to put something there, but to refuse it


@frozen
class InstallOptions:
    """The options of `install`."""

    root: str | None = None
    """A tree instead of the running host."""
    commit: str = ""
    """The Git revision that the spec is read from."""
    schedule: str = APPLY_SCHEDULE
    """The times of an apply, as systemd.time(7) writes them."""
    drift_schedule: str = DRIFT_SCHEDULE
    """The times of a check for drift."""
    scheduler: str | None = None
    """timer or cron; None for the one of the spec."""
    delay: str | None = None
    """The longest random delay; empty where the scheduler knows none."""
    metrics: str = ""
    """The file for node_exporter."""
    publish: str = ""
    """The file for the snapshot."""
    notify: Sequence[str] = ()
    """The targets of notifications, as written."""
    adopt: bool = False
    """Whether units of the same name that somebody else made are taken over."""


def install(
    loaded: Loaded,
    options: InstallOptions,
    approve: Approve,
    tell: Callable[[Progress], None],
    lock_timeout: float,
) -> Applied:
    """Write the units that apply this spec, and the account and settings that they need."""
    assert loaded.spec is not None
    wrong = _wrong(loaded, options)
    if wrong:
        return Applied(Planned(tuple(wrong)))
    spec = Spec(loaded.spec.host, tuple(_declared(loaded, options)), loaded.spec.settings)
    # The lint rules forbid our own account to a spec, so only the units are linted.
    diagnostics = lint(
        replace(spec, resources=tuple(item for item in spec.resources if item.address.kind == NAME)), _kinds()
    )
    diagnostics += _open_to_others(loaded, options)
    own = Loaded(spec, (*loaded.diagnostics, *diagnostics), None, "")
    if errors(diagnostics):
        return Applied(Planned(tuple(diagnostics)))
    return _apply(own, PlanOptions(options.root, adopt=options.adopt), approve, tell, lock_timeout)


def uninstall(
    root: str | None, approve: Approve, tell: Callable[[Progress], None], lock_timeout: float
) -> Applied:
    """Remove our own units.

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
    """Hold the lock of every apply while the unit that applies is changed or removed: removing a unit ends
    its run half-way. Raises LockBusy, HostError.
    """
    make_state_directory(directory)
    with Lock(directory, timeout_seconds=timeout):
        yield


def _wrong(loaded: Loaded, options: InstallOptions) -> list[Diagnostic]:
    path = _path_there(loaded, options.root)
    problems = []
    if not path:
        problems.append(
            error(
                "install needs a file",
                "The spec on standard input is gone when the timer comes: name a file.",
            )
        )
    if path.startswith(tuple(f"{directory}/" for directory in _HIDDEN)):
        problems.append(
            error(
                "not a place for a spec",
                f"{path}: it does not stay there. Move it, to /etc/reconciler for one.",
            )
        )
    return [*problems, *filter(None, _wrong_options(options))]


def _open_to_others(loaded: Loaded, options: InstallOptions) -> list[Diagnostic]:
    """A refusal for each who could change the spec: a timer would apply it with nobody looking at it."""
    from reconciler.app.plan.spec_place import others

    try:
        others_words = others(
            open_host(options.root), _path_there(loaded, options.root), bool(options.commit)
        )
    except HostError:
        return []  # the plan of the units reports what cannot be read
    advice = (
        "Give it to root alone (chown, chmod), or to people who are root already, or put it in"
        " /etc/reconciler."
    )
    return [error("others decide what is applied", f"{words}. {advice}") for words in others_words]


def _wrong_options(options: InstallOptions) -> Iterator[Diagnostic | None]:
    for name, text in (("--schedule", options.schedule), ("--drift-schedule", options.drift_schedule)):
        yield _problem("not a schedule", f"{name} {text!r}", calendar.parse, text)
    yield _problem("not a time span", "--delay", timespan.seconds, options.delay or "0")
    for name, text in (("--metrics", options.metrics), ("--publish", options.publish)):
        if text and (not text.startswith("/") or text.endswith("/") or not text.isprintable()):
            yield error("not a file", f"{name} {text!r}: write an absolute path")
    if options.metrics and not options.metrics.endswith(".prom"):
        yield error(
            "not a file for metrics",
            f"--metrics {options.metrics!r}: node_exporter reads only names that end in .prom",
        )
    for text in options.notify:
        yield _problem("cannot notify so", "--notify", reconcile.target, text)


def _problem(summary: str, option: str, read: Callable[[str], object], text: str) -> Diagnostic | None:
    """The fault in an option's value, in the words of the function that reads it; None if it can be read."""
    try:
        read(text)
    except ValueError as problem:
        return error(summary, f"{option}: {problem}")
    return None


def _path_there(loaded: Loaded, root: str | None) -> str:
    """The path at which the host itself finds the spec: without the tree's own path, for one that lies in a
    tree.
    """
    inside = f"{absolute(root)}/" if root is not None else "/"
    return "/" + loaded.path.removeprefix(inside) if loaded.path.startswith(inside) else loaded.path


def _declared(loaded: Loaded, options: InstallOptions) -> Iterator[Declared]:
    assert loaded.spec is not None
    spec_settings = loaded.spec.settings
    command = str(spec_settings.get("command", _COMMAND))
    path = _path_there(loaded, options.root)
    revision = ("--commit", options.commit) if options.commit else ()

    def declare(name: str, **fields: object) -> Declared:
        return Declared(
            Address(NAME, name), Own.model_validate(fields), Source("install", 1), settings=spec_settings
        )

    scheduler = Scheduler(scheduler_of(declare("settings"), options.scheduler))
    by_timer = scheduler is Scheduler.TIMER
    delay = options.delay if options.delay is not None else DELAY if by_timer else ""
    how = {"scheduler": scheduler, "randomized_delay_sec": delay}
    settings = reconcile.Settings(
        path,
        options.commit,
        options.metrics,
        options.publish,
        tuple(reconcile.target(text) for text in options.notify),
    )
    apply = (command, "apply", path, *revision, "--auto-approve", "--report")
    drift = (command, "drift", path, *revision)
    yield declare("settings", settings=reconcile.document(settings))
    if by_timer:
        yield declare("failure", command=(command, "report"))
        yield declare("notify", command=(command, "report"))
        yield declare("apply", command=apply, when=options.schedule, **how)
        comment = "Reconciler, looks for drift"
        yield Declared(
            Address("users", reconcile.USER), User(system=True, comment=comment), Source("install", 1)
        )
        yield declare(
            "drift",
            command=(*drift, "--json", "--detailed-exitcode"),
            user=reconcile.USER,
            when=options.drift_schedule,
            **how,
        )
    else:
        yield declare("apply", command=_quiet(apply), when=options.schedule, **how)
        yield declare("drift", command=_quiet((*drift, "--report")), when=options.drift_schedule, **how)


def _quiet(argv: Sequence[str]) -> tuple[str, ...]:
    """The command without its output: cron mails whatever is printed, and only complaints shall be mailed."""
    return ("/bin/sh", "-c", 'exec "$@" > /dev/null', *argv[:1], *argv)
