"""The state of a host's jobs that run by the clock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from reconciler.core.address import Address
from reconciler.core.changes import Observed
from reconciler.core.host import HostView, Unreadable, UnsafePath
from reconciler.formats.accounts import account_files
from reconciler.formats.accounts.passwd import parse_users
from reconciler.formats.schedule import cron_job
from reconciler.kinds.shared import file_observe, unit_observe
from reconciler.kinds.shared.unit_facts import UnitFacts

PARTS = frozenset({"service", "timer", "cron"})
UnitOf = Callable[[Address], str]

CRON_D = "/etc/cron.d"
_STAMPS = "/var/lib/systemd/timers"


def observe(view: HostView, addresses: Sequence[Address], unit_of: UnitOf) -> dict[Address, Observed]:
    """The state of each part: all units at once, and each file of cron's with one look."""
    names = {address: f"{unit_of(address)}.{address.part}" for address in addresses if address.part != "cron"}
    observed = unit_observe.observe(view, names)
    stamps = _stamps(view) if names else frozenset()
    for address, name in names.items():
        stamp = f"{_STAMPS}/stamp-{name}"
        if stamp in stamps:
            facts = replace(observed[address].facts(UnitFacts), stamp=stamp)
            observed[address] = replace(observed[address], private=facts)
    files = {address: cron_file(address, unit_of) for address in addresses if address.part == "cron"}
    users = _users(view) if files else None
    return observed | {address: _observe_cron(view, path, users) for address, path in files.items()}


def _users(view: HostView) -> frozenset[str] | None:
    """The names of the host's accounts; None where they cannot be read."""
    text = account_files.known_text(view, "passwd")
    return None if text is None else frozenset(user.name for user in parse_users(text))


def _stamps(view: HostView) -> frozenset[str]:
    """The stamps of persistent timers: a stamp's time is that of the last run (systemd.timer(5))."""
    try:
        return frozenset(f"{_STAMPS}/{name}" for name in view.names(_STAMPS))
    except (Unreadable, UnsafePath):
        return frozenset()


def cron_file(address: Address, unit_of: UnitOf) -> str:
    """The path of the file of cron's."""
    return f"{CRON_D}/{unit_of(address)}"


def _observe_cron(view: HostView, path: str, users: frozenset[str] | None) -> Observed:
    return file_observe.observe(
        view,
        path,
        lambda content: {
            "cron": _as_cron_reads(cron_job.parse(content.decode("utf-8", "surrogateescape")), users)
        },
    )


def _as_cron_reads(crontab: cron_job.Crontab, users: frozenset[str] | None) -> cron_job.Crontab:
    """A file of cron's, marked where its account does not exist: cron passes over such a file silently."""
    user = crontab.get("user", "root")
    if users is None or user == "root" or user in users:
        return crontab
    return {
        **crontab,
        cron_job.STRAY: [
            *crontab.get(cron_job.STRAY, ()),
            f"no account {user}: cron passes over the whole file",
        ],
    }
