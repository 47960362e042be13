"""The closed union of actions: plain data, what `plan` prints and what `apply` runs.

Another member needs a decision record. No callable, no shell string.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import assert_never

from reconciler.core.basics.digest import digest
from reconciler.core.basics.frozen import frozen


class Phase(IntEnum):
    """The order in which a plan runs. Within a phase: dependencies first, removals last and in reverse."""

    STOP = 1
    WRITE = 2
    RELOAD = 3
    START = 4
    GATE = 5


class UnitVerb(StrEnum):
    """The verbs that systemd can be asked for.

    They are systemctl's.
    """

    STOP = "stop"
    DAEMON_RELOAD = "daemon-reload"
    RESET_FAILED = "reset-failed"
    RELOAD = "reload"
    RESTART = "restart"
    START = "start"


class AccountOp(StrEnum):
    """Account commands; the names are those of shadow-utils."""

    GROUPADD = "groupadd"
    GROUPDEL = "groupdel"
    USERADD = "useradd"
    USERMOD = "usermod"
    USERDEL = "userdel"
    RESTORE = "restore"
    """No command of its own: chpasswd, chage, usermod and gpasswd give an account that came back what no
    other option says.
    """


class Check(StrEnum):
    """Which of the host's own programs judges a file before it is put in place."""

    NONE = ""
    VISUDO = "visudo"
    LOGROTATE = "logrotate"
    SYSTEMD = "systemd-analyze"
    SUDOERS = "visudo with the host's other rules"
    LOGROTATE_FILE = "logrotate of one file"
    TMPFILES = "systemd-tmpfiles"


ABSENT = "absent"
"""`expects` of a path at which nothing was seen."""

Attributes = tuple[tuple[str, bytes], ...]
"""Extended attributes by name, POSIX ACLs among them in the kernel's form (acl(5)).

In plans and the journal only their names.
"""


@frozen
class WriteFile:
    """Replace the file at `path` atomically with these bytes.

    `digest` names the content (see `core.basics.digest`); plans and the journal carry the digest, never the
    content. `mode` is four octal digits. `expects` is the digest of what was seen there (`link:TARGET` for a
    link), or ABSENT: it is checked at the last moment. `sensitive`: not even the digests leave the process.
    `as_user`: below that user's home, written with that user's rights and nobody else's; an empty `group` is
    then that user's own. `check` must agree before the file is put in place. `attributes`: exactly these
    (what a rollback puts back); None: those of the file that is replaced, but for what belongs to its
    content.
    """

    path: str
    content: bytes
    digest: str
    mode: str
    owner: str
    group: str
    expects: str = ABSENT
    sensitive: bool = False
    as_user: str = ""
    check: Check = Check.NONE
    attributes: Attributes | None = None


@frozen
class EditLines:
    """Take lines out of a shared text file and append others, leaving every other line as it is (at-least key
    lists, hooks in bash.bashrc).

    Lines are compared whole, without the line end; what is to be removed and is not there, or to be added and
    is there, is success. A line in both is moved to the end; one that cannot be shown is removed by its
    `sha256:` digest. A missing file is made with `mode`, `owner` and `group`, unless lines were only to be
    taken out of it; those of an existing one are set to them too. `as_user` as in WriteFile.
    """

    path: str
    add: tuple[str, ...]
    remove: tuple[str, ...]
    mode: str
    owner: str
    group: str
    expects: str = ABSENT
    as_user: str = ""


@frozen
class MakeDirectory:
    """Create one directory; its parent must be there. `as_user` as in WriteFile.

    `skeleton` is a directory whose content is copied into the new one and given to its owner (/etc/skel into
    a home); the copy that a killed run left unfinished, still root's, is finished. `attributes`: exactly
    these; None: what it gets from its parent.
    """

    path: str
    mode: str
    owner: str
    group: str
    as_user: str = ""
    skeleton: str = ""
    attributes: Attributes | None = None


@frozen
class SetAccess:
    """Set mode and owner of what is at `path`; its content is not touched.

    `as_user` as in WriteFile: then root's directory becomes his.

    `attributes`: exactly these besides; never a file capability, which belongs to a content. None: they are
    left as they are.
    """

    path: str
    mode: str
    owner: str
    group: str
    as_user: str = ""
    attributes: Attributes | None = None


@frozen
class MakeLink:
    """Make `path` a symbolic link to `target` (enablement, masks), replacing a file or link; a missing
    containing directory is made.

    `owner` and `group` are the link's own; when empty, root.
    """

    path: str
    target: str
    expects: str = ABSENT
    owner: str = ""
    group: str = ""


@frozen
class RemovePath:
    """Remove a file, a link or an empty directory.

    `prune_parent`: also the containing directory if that leaves it empty (.wants).
    """

    path: str
    expects: str
    prune_parent: bool = False
    sensitive: bool = False


@frozen
class ArchiveTree:
    """Keep a whole directory, a home that is about to go, as an archive of that name in our own directory of
    archives.

    Everything below `path` on the same file system, with numeric owners, ACLs and extended attributes;
    complete, durable and compared with what it was made from, or not there at all. Another archive of that
    name is moved aside, never replaced. It changes nothing at `path`.
    """

    path: str
    archive: str


@frozen
class RemoveTree:
    """Remove a directory and everything below it, or one file.

    No link is followed and no mount crossed; what is gone already is success.

    It vanishes from `path` as a whole and is taken apart under another name; a killed one is finished by the
    next. `archive` names what ArchiveTree made of it before: without one this is the one action that nothing
    undoes (`irreversible`).
    """

    path: str
    archive: str = ""


@frozen
class RestoreTree:
    """Unpack an archive that ArchiveTree made to `path`, where nothing must be: whole or not at all.

    The top has this mode and owner.
    """

    path: str
    archive: str
    mode: str
    owner: str
    group: str
    attributes: Attributes | None = None


@frozen
class EndSessions:
    """End the sessions and the user manager of an account, which does not linger any more.

    `services`: fails while anything else runs in its name, a service for one, and names it; otherwise that is
    only said. None of that is killed.
    """

    user: str
    services: bool = True


@frozen
class Account:
    """One account command; `fields` are its options by long name.

    `content`, of RESTORE only, are lines of the account files as the undo store has them: passwords, which no
    plan and no journal sees.
    """

    op: AccountOp
    name: str
    fields: tuple[tuple[str, str], ...] = ()
    content: bytes = b""

    def __repr__(self) -> str:
        return f"Account(op={self.op!r}, name={self.name!r}, fields={self.fields!r})"


@frozen
class Unit:
    """One systemctl verb for any number of units; `daemon-reload` names none.

    Same verbs merge into one call.
    """

    verb: UnitVerb
    units: tuple[str, ...] = ()


class Then(StrEnum):
    """The consequence when a gate does not open."""

    ROLLBACK = "rollback"
    FAIL = "fail"
    WARN = "warn"


@frozen
class Gate:
    """Wait until a unit that was started is healthy: its process stays the same one, and the probe finds it
    well.

    `window` is in seconds from its start: as long as the probe may take to succeed, or, without one, as long
    as it is watched. `probe` is `("http", URL)`, `("tcp", "HOST:PORT")`, `("command", *argv)` or empty; a
    command runs as `user`. `interval` is in seconds. It changes nothing; what `then` says is the engine's to
    do.
    """

    unit: str
    window: float
    probe: tuple[str, ...] = ()
    then: Then = Then.ROLLBACK
    interval: float = 1.0
    user: str = ""


Tree = ArchiveTree | RemoveTree | RestoreTree
PathAction = WriteFile | EditLines | MakeDirectory | SetAccess | MakeLink | RemovePath | Tree
"""The actions that change what is at one path, their `path`."""
Action = PathAction | EndSessions | Account | Unit | Gate

_UNIT_PHASE = {
    UnitVerb.STOP: Phase.STOP,
    UnitVerb.DAEMON_RELOAD: Phase.RELOAD,
    UnitVerb.RESET_FAILED: Phase.RELOAD,
    UnitVerb.RELOAD: Phase.START,
    UnitVerb.RESTART: Phase.START,
    UnitVerb.START: Phase.START,
}


def phase(action: Action) -> Phase:
    """In which phase an action runs."""
    if isinstance(action, Gate):
        return Phase.GATE
    return _UNIT_PHASE[action.verb] if isinstance(action, Unit) else Phase.WRITE


def removes(action: Action) -> bool:
    """Whether the action takes something away: such actions run after those that create, in reverse order."""
    return isinstance(action, RemovePath | RemoveTree) or (
        isinstance(action, Account) and action.op in (AccountOp.GROUPDEL, AccountOp.USERDEL)
    )


def remnant(path: str, what: str = "gone") -> str:
    """Where RemoveTree takes a directory apart (`gone`) and RestoreTree puts one together (`back`): beside
    it, under a name of ours.
    """
    parent = path.rpartition("/")[0]
    return f"{parent}/.reconciler.{digest(path.encode('utf-8', 'surrogateescape'))[-16:]}.{what}"


def irreversible(action: Action) -> bool:
    """Whether nothing brings back what this takes away."""
    return isinstance(action, RemoveTree) and not action.archive


def path_of(action: Action) -> str | None:
    """The one path an action changes, if it changes a path."""
    match action:
        case WriteFile() | EditLines() | MakeDirectory() | SetAccess() | MakeLink() | RemovePath():
            return action.path
        case ArchiveTree() | RemoveTree() | RestoreTree():
            return action.path
        case Account() | Unit() | EndSessions() | Gate():
            return None
        case _:
            assert_never(action)
