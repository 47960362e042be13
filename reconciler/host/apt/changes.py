"""A transaction of packages by apt-get: nobody is asked anything, changed configuration files stay, and
nothing goes that was not named.

It is not atomic: one that is killed, or whose maintainer script fails, leaves packages half installed. dpkg
knows which; the next transaction begins with them. An exit code alone is never believed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reconciler.core.actions import ChangePackages
from reconciler.core.host import ActionFailed, HostView, Receipt, Transaction
from reconciler.formats.packages import dpkg_status, version
from reconciler.host.apt.simulation import complaint, transaction, words
from reconciler.host.process.run import Result, TimedOut, run

_TIMEOUT = 3600.0
"""Seconds for a transaction: a download may be slow, and a kill in the middle of dpkg is worse."""
_LISTS = "/var/lib/apt/lists"
_UPDATES = "/var/lib/dpkg/updates"
"""dpkg's own journal: a name in it that is a number is an interrupted dpkg (apt-get refuses to go on)."""
_OPTIONS = (
    "--quiet",
    "--assume-yes",
    "--option=DPkg::Lock::Timeout=120",
    "--option=Dpkg::Options::=--force-confdef",
    "--option=Dpkg::Options::=--force-confold",
    "--option=APT::Get::AllowUnauthenticated=false",
)
_VARIABLES: Mapping[str, str] = {
    "DEBIAN_FRONTEND": "noninteractive",
    "APT_LISTCHANGES_FRONTEND": "none",
    "NEEDRESTART_MODE": "l",
    "UCF_FORCE_CONFFOLD": "1",
}


def change_packages(view: HostView, action: ChangePackages) -> Receipt:
    """Carry out the transaction. Raises ActionFailed."""
    notes = [*_finish_interrupted(view)]
    if action.unhold:
        _check(_run(["apt-mark", "unhold", *action.unhold]), "apt-mark")
    if action.install or action.remove:
        notes += _install(view, action)
    if action.hold:
        _check(_run(["apt-mark", "hold", *action.hold]), "apt-mark")
    _check_outcome(view, action)
    return Receipt("; ".join(notes))


def _finish_interrupted(view: HostView) -> Sequence[str]:
    """Let dpkg finish what a kill has interrupted; nothing else may be installed before."""
    if not any(name.isdecimal() for name in view.names(_UPDATES)):
        return ()
    argv = ["dpkg", "--force-confdef", "--force-confold", "--configure", "--pending"]
    _check(_run(argv), "dpkg --configure --pending")
    return ("finished an interrupted dpkg first",)


def _install(view: HostView, action: ChangePackages) -> Sequence[str]:
    foreseen = _foreseen(action)
    if foreseen is None or foreseen.refusal or _is_too_old(foreseen, action):
        # The lists may be missing, or older than what is asked for.
        _check(_run(["apt-get", *_OPTIONS, "update"]), "apt-get update")
        foreseen = _foreseen(action)
    if foreseen is None:
        raise ActionFailed("apt-get is missing", "packages are installed on Debian and Ubuntu only")
    if foreseen.refusal:
        raise ActionFailed("apt-get refuses", foreseen.refusal)
    unasked = unasked_removals(foreseen, action.remove)
    if unasked:
        detail = f"{', '.join(unasked)} would be removed; declare them `state: absent`, or do it by hand"
        raise ActionFailed("packages would go that are not declared", detail)
    safe = () if action.remove else ("--no-remove",)
    _check(_run(["apt-get", *_OPTIONS, *safe, *words(action.install, action.remove)]), "apt-get install")
    others = len(foreseen.new) - sum(name in _names(action) for name, _ in foreseen.new)
    return (f"{others} more came along",) if others > 0 else ()


def _foreseen(action: ChangePackages) -> Transaction | None:
    return transaction(action.install, action.remove)


def _names(action: ChangePackages) -> frozenset[str]:
    return frozenset(wanted.partition(">=")[0] for wanted in action.install)


def _is_too_old(foreseen: Transaction, action: ChangePackages) -> bool:
    """Whether a package would come in a version that is too old."""
    coming = {**dict(foreseen.new), **{name: after for name, _, after in foreseen.upgraded}}
    wishes = (wanted.partition(">=") for wanted in action.install)
    return any(wish and not version.at_least(coming.get(name, ""), wish) for name, _, wish in wishes)


def unasked_removals(foreseen: Transaction, remove: Sequence[str]) -> list[str]:
    """The packages that would go without being named."""
    named = {name.partition(":")[0] for name in remove}
    return [name for name in foreseen.removed if name.partition(":")[0] not in named]


def _check_outcome(view: HostView, action: ChangePackages) -> None:
    """Raise ActionFailed unless dpkg's own list says what was asked for."""
    packages = dpkg_status.parse(view.read(dpkg_status.PATH).decode("utf-8", "surrogateescape"))
    problems: list[str] = []
    for wanted in action.install:
        name, _, wish = wanted.partition(">=")
        package = packages.get(name)
        if package is None or not package.installed:
            problems.append(f"{name} is not installed ({'unknown' if package is None else package.state})")
        elif wish and not version.at_least(package.version, wish):
            problems.append(f"{name} is {package.version}; no source has {wish} or newer")
    for name in action.remove:
        package = packages.get(name)
        if package is not None and not package.gone:
            problems.append(f"{name} is still there ({package.state})")
    if problems:
        raise ActionFailed("packages are not as asked for", "; ".join(problems))


def _run(argv: list[str]) -> Result:
    try:
        return run(argv, timeout=_TIMEOUT, variables=_VARIABLES)
    except TimedOut as error:
        raise ActionFailed(error.summary, error.detail) from error


def _check(result: Result, program: str) -> None:
    if result.rc:
        raise ActionFailed(f"{program} failed", complaint(result))
