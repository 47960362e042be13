"""Who becomes root on a host because root reads or runs what they can write: the plan's own rule, asked about
everything there is.
"""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.audit.facts import Facts
from reconciler.audit.model import Fail, Finding, NotKnown
from reconciler.core.basis import in_vain
from reconciler.core.host import FileType
from reconciler.policy.access.host_access import HostAccess
from reconciler.policy.access.ways import EVERYBODY, Rank, Way
from reconciler.policy.lockout.guard import Doors, Question
from reconciler.policy.root_reach.reach import RootReach
from reconciler.policy.root_reach.relevance import Look, host_looks
from reconciler.policy.symlinks import Followed

_UNITS = "/etc/systemd/system/"
_PACKAGED = ("/usr/lib/systemd/", "/lib/systemd/")
_OF_DEBIAN = {"daemon": ("/usr/bin/at", "/var/spool/cron/atjobs", "/var/spool/cron/atspool")}
"""Files that Debian gives to an account that nobody logs in to: at(1) and atd work as `daemon`."""


def ways_to_root(facts: Facts) -> Iterator[Finding]:
    """Yield a finding for each file or directory by which somebody is root. Raises HostError."""
    now = int(facts.now.timestamp())
    with in_vain(facts.view.basis):
        doors = Doors(facts.view, Question(_host_name(facts), now))
        access = HostAccess(doors, now)
        reach = RootReach(doors.files, doors.people, access.becomes_root)
        ways = [
            way
            for way in reach.ways(_looks(doors.files))
            if way.rank == Rank.WRITES and not access.becomes_root(way.account) and not _is_debians(way)
        ]
    words: dict[str, list[str]] = {}
    for way in ways:
        who = "everybody" if way.account == EVERYBODY else way.account
        words.setdefault(way.path or "/", []).append(f"{who} becomes root: {way.by}")
    for path, sentences in words.items():
        more = f" (and {len(sentences) - 1} more ways)" if len(sentences) > 1 else ""
        yield Fail(path, "nobody but root writes it", sentences[0] + more, path)
    if missing := list(doors.files.missing.values()):
        why = f"{len(missing)} paths that root reads or runs are not in the snapshot, the first {missing[0]}"
        yield NotKnown("", why)


def _is_debians(way: Way) -> bool:
    return any(f"{way.path}/".startswith(f"{path}/") for path in _OF_DEBIAN.get(way.account, ()))


def _looks(files: Followed) -> Iterator[Look]:
    """Everything that root reads or runs, but the links by which a package's unit is enabled: the unit itself
    is looked at.
    """
    for look in host_looks(files):
        entry = files.plain_entry(look.path) if look.path.startswith(_UNITS) else None
        if entry is None or entry.type is not FileType.LINK or not entry.target.startswith(_PACKAGED):
            yield look


def _host_name(facts: Facts) -> str:
    """The name for rules of sudo that hold on one host alone."""
    try:
        return facts.view.read("/etc/hostname").decode("utf-8", "replace").strip()
    except FileNotFoundError:
        return ""
