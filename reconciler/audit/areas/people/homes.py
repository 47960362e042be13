"""Homes: whose they are, and who can change what a shell or a server trusts in them."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.audit.facts import Facts
from reconciler.audit.model import Fail, Finding, NotKnown, Severity, Snippet
from reconciler.audit.persons import persons
from reconciler.audit.registry import check
from reconciler.formats.accounts.passwd import User
from reconciler.formats.audit.people.accounts import Home, HomeEntry, parse_homes

_GROUP_WRITES, _OTHERS_WRITE, _TOO_MUCH = 0o020, 0o002, 0o027
_READABLE = 0o044
_TRUST = (".rhosts", ".shosts")


@check(
    "home-owner",
    severity=Severity.MEDIUM,
    title="The home of each person is there and is their own",
    rationale="Whoever owns the home of somebody else changes what they start, and puts a key there.",
    remediation="chown NAME: HOME, or make it: mkhomedir_helper NAME.",
    cis=("7.2.9",),
)
def homes_are_their_own(facts: Facts) -> Iterator[Finding]:
    """Every person with a shell whose home is missing, or is somebody else's."""
    for user, home in _homes(facts):
        if home.unknown:
            yield NotKnown(user.name, home.unknown)
        elif home.entry is None:
            is_declared = user.name in facts.intent.users
            mend = None if is_declared else Snippet(("users", user.name, "home"), user.home)
            yield Fail(user.name, "a home", "it is not there", user.home, spec=mend)
        elif home.entry.type != "directory":
            yield Fail(user.name, "a directory", home.entry.type, user.home)
        elif facts.people.uid(home.entry.owner) != user.uid:
            yield Fail(user.name, f"owner {user.name}", f"owner {home.entry.owner}", user.home)


@check(
    "home-writable",
    severity=Severity.HIGH,
    title="Nobody else writes to the home of a person",
    rationale="Whoever does changes what the person's shell starts, and is that person at the next login.",
    remediation="chmod g-w,o-w HOME.",
    cis=("7.2.9",),
)
def homes_are_written_by_their_owner(facts: Facts) -> Iterator[Finding]:
    """Every home that all may write to, or a group with other members."""
    for user, home in _homes(facts):
        if home.unknown:
            yield NotKnown(user.name, home.unknown)
        elif home.entry is not None and (who := _writers(facts, user, home.entry)):
            yield Fail(
                user.name,
                "written by its owner only",
                f"{home.entry.mode:04o}, {who} writes",
                user.home,
                spec=Snippet(("users", user.name, "home_mode"), f"{home.entry.mode & ~_TOO_MUCH:04o}"),
            )


@check(
    "home-readable",
    severity=Severity.LOW,
    title="Homes are not open to everybody",
    rationale="Others read notes, histories and tokens there; useradd(8) of Debian opens homes unless told.",
    remediation="chmod o-rwx HOME; for new homes write HOME_MODE 0700 in /etc/login.defs.",
    cis=("7.2.9",),
)
def homes_are_closed(facts: Facts) -> Iterator[Finding]:
    """Every home that all may read or pass through."""
    for user, home in _homes(facts):
        if home.unknown:
            yield NotKnown(user.name, home.unknown)
        elif home.entry is not None and home.entry.mode & 0o007:
            yield Fail(
                user.name,
                "at most 0750",
                f"{home.entry.mode:04o}",
                user.home,
                spec=Snippet(("users", user.name, "home_mode"), f"{home.entry.mode & ~_TOO_MUCH:04o}"),
            )


@check(
    "home-files",
    severity=Severity.HIGH,
    title="Nobody else writes the files of a home that a shell or a server trusts",
    rationale="A line in the profile of somebody, or a key beside theirs, is all that it takes to be them.",
    remediation="chown NAME: FILE; chmod g-w,o-w FILE.",
    cis=("7.2.10",),
)
def trusted_files_are_the_owners(facts: Facts) -> Iterator[Finding]:
    """Every such file that somebody else owns or may write to; root's home counts too."""
    for user, home in _homes(facts, root=True):
        if home.unknown:
            yield NotKnown(user.name, home.unknown)
        for name, entry in home.files.items():
            if entry.type == "link":
                continue  # a link has no mode of its own
            path = f"{user.home.rstrip('/')}/{name}"
            if facts.people.uid(entry.owner) not in (user.uid, 0):
                yield Fail(path, f"owner {user.name}", f"owner {entry.owner}", path)
            elif who := _writers(facts, user, entry):
                yield Fail(path, "written by its owner only", f"{entry.mode:04o}, {who} writes", path)


@check(
    "home-netrc",
    severity=Severity.MEDIUM,
    title="Nobody else reads the passwords in a .netrc",
    rationale="The file holds passwords for other hosts as they are.",
    remediation="chmod 0600 FILE.",
    cis=("7.2.10",),
)
def netrc_is_private(facts: Facts) -> Iterator[Finding]:
    """Every .netrc that its group or all may read."""
    for user, home in _homes(facts, root=True):
        if home.unknown:
            yield NotKnown(user.name, home.unknown)
        entry = home.files.get(".netrc")
        if entry is not None and entry.type == "file" and entry.mode & _READABLE:
            path = f"{user.home.rstrip('/')}/.netrc"
            yield Fail(path, "at most 0600", f"{entry.mode:04o}", path)


@check(
    "home-rhosts",
    severity=Severity.MEDIUM,
    title="No home names hosts that log in without a password",
    rationale="A server that looks at .rhosts or .shosts takes the word of another host for who somebody is.",
    remediation="Remove the file, and use keys.",
    cis=("7.2.10",),
)
def no_rhosts(facts: Facts) -> Iterator[Finding]:
    """Every .rhosts and .shosts."""
    for user, home in _homes(facts, root=True):
        if home.unknown:
            yield NotKnown(user.name, home.unknown)
        for name in _TRUST:
            if name in home.files:
                path = f"{user.home.rstrip('/')}/{name}"
                yield Fail(path, "no such file", "it is there", path)


def _homes(facts: Facts, *, root: bool = False) -> Iterator[tuple[User, Home]]:
    """The homes of persons with a shell, and of root where that is asked for.

    A home that the spec says is not the account's own belongs to somebody else by design.
    """
    homes = facts.parsed("homes", parse_homes)
    users = [user for user in facts.users if user.name == "root"] if root else []
    for user in (*users, *persons(facts)):
        foreign = getattr(facts.intent.resources.get("users", {}).get(user.name), "home", None)
        if facts.people.has_shell(user) and (foreign is None or isinstance(foreign, str)):
            yield user, homes.get(user.name) or Home(None, {}, "its home was not looked at")


def _writers(facts: Facts, user: User, entry: HomeEntry) -> str:
    """Who else may write, in words; empty for nobody."""
    if entry.mode & _OTHERS_WRITE:
        return "everybody"
    others = set(facts.people.members_of(entry.group)) - {user.name}
    return f"the group {entry.group}" if entry.mode & _GROUP_WRITES and others else ""
