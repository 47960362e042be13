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
    """The verbs of systemctl that a plan may use."""

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
    """No command of its own: chpasswd, chage, usermod and gpasswd restore what useradd and groupadd have no
    option for.
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
    """Replace the file at `path` atomically with these bytes."""

    path: str
    """The file."""
    content: bytes
    """The new bytes."""
    digest: str
    """The name of the content (`core.basics.digest`): plans and the journal carry it, never the content."""
    mode: str
    """Four octal digits."""
    owner: str
    """The name of the owner, or its number."""
    group: str
    """With `as_user`, empty stands for that user's own group."""
    expects: str = ABSENT
    """The digest of what was seen there (`link:TARGET` for a link), or ABSENT: checked at the last moment."""
    sensitive: bool = False
    """Not even the digests leave the process."""
    as_user: str = ""
    """The user below whose home it is: written with that user's rights and nobody else's."""
    check: Check = Check.NONE
    """The program that must agree before the file is put in place."""
    attributes: Attributes | None = None
    """Exactly these, as a rollback puts them back; None: those of the replaced file, but for what belongs to
    its content.
    """


@frozen
class EditLines:
    """Take lines out of a shared text file and append others, leaving every other line as it is (at-least key
    lists, hooks in bash.bashrc).

    Lines are compared whole, without the line end. A line in both `add` and `remove` is moved to the end. A
    missing file is made, unless lines were only to be taken out of it.
    """

    path: str
    add: tuple[str, ...]
    """Lines to append; one that is there already is success."""
    remove: tuple[str, ...]
    """Lines to take out, by their `sha256:` digest if they cannot be shown; one that is missing is success.
    """
    mode: str
    """Set on an existing file too, as are `owner` and `group`."""
    owner: str
    group: str
    expects: str = ABSENT
    """As in WriteFile."""
    as_user: str = ""
    """As in WriteFile."""


@frozen
class MakeDirectory:
    """Create one directory; its parent must be there."""

    path: str
    mode: str
    owner: str
    group: str
    as_user: str = ""
    """As in WriteFile."""
    skeleton: str = ""
    """A directory whose content is copied into the new one and given to its owner (/etc/skel into a home).

    The copy that a killed run left unfinished, still root's, is finished.
    """
    attributes: Attributes | None = None
    """Exactly these; None: what it gets from its parent."""


@frozen
class SetAccess:
    """Set mode and owner of what is at `path`; its content is not touched."""

    path: str
    mode: str
    owner: str
    group: str
    as_user: str = ""
    """As in WriteFile: a directory of root's then becomes that user's."""
    attributes: Attributes | None = None
    """Exactly these besides; never a file capability, which belongs to a content. None: they are left as they
    are.
    """


@frozen
class MakeLink:
    """Make `path` a symbolic link to `target` (enablement, masks), replacing a file or link; a missing
    containing directory is made.
    """

    path: str
    target: str
    """The text of the link."""
    expects: str = ABSENT
    """As in WriteFile."""
    owner: str = ""
    """The owner of the link itself; so with `group`. Empty: root."""
    group: str = ""


@frozen
class RemovePath:
    """Remove a file, a link or an empty directory."""

    path: str
    expects: str
    """As in WriteFile."""
    prune_parent: bool = False
    """Whether to remove the containing directory too if that leaves it empty (.wants)."""
    sensitive: bool = False


@frozen
class ArchiveTree:
    """Keep a whole directory, a home that is about to go, as the archive of that name in our own directory of
    archives.

    The archive has everything below `path` on the same file system, with numeric owners, ACLs and extended
    attributes. It is complete, durable and compared with what it was made from, or not there at all. Another
    archive of that name is moved aside, never replaced. Nothing changes at `path`.
    """

    path: str
    archive: str


@frozen
class RemoveTree:
    """Remove a directory and everything below it, or one file.

    No link is followed and no mount crossed; a tree that is gone already is success. It vanishes from `path`
    as a whole and is taken apart under another name; the next run finishes a killed one.
    """

    path: str
    archive: str = ""
    """The archive that ArchiveTree made of it before: without one nothing undoes this (`irreversible`)."""


@frozen
class RestoreTree:
    """Unpack an archive that ArchiveTree made to `path`, where nothing must be: whole or not at all."""

    path: str
    archive: str
    mode: str
    """The mode of the top; so are `owner`, `group` and `attributes`."""
    owner: str
    group: str
    attributes: Attributes | None = None


@frozen
class EndSessions:
    """End the sessions and the user manager of an account, which does not linger any more.

    Anything else that runs in its name, a service for one, is named and never killed.
    """

    user: str
    services: bool = True
    """Whether the action fails while anything else runs in the account's name; otherwise it is only said."""


@frozen
class Account:
    """One account command."""

    op: AccountOp
    name: str
    fields: tuple[tuple[str, str], ...] = ()
    """Its options by long name."""
    content: bytes = b""
    """Only for RESTORE: lines of the account files as the undo store has them. They hold passwords, which no
    plan and no journal sees.
    """

    def __repr__(self) -> str:
        return f"Account(op={self.op!r}, name={self.name!r}, fields={self.fields!r})"


@frozen
class Unit:
    """One systemctl verb for any number of units; `daemon-reload` names none.

    Same verbs merge into one call.
    """

    verb: UnitVerb
    units: tuple[str, ...] = ()


@frozen
class ChangePackages:
    """One transaction of the host's package manager; all packages of a plan are in one.

    It installs and removes what it names and what that depends on, never removes another package, keeps
    changed configuration files, and upgrades only what is named with a version.
    """

    install: tuple[str, ...] = ()
    """Names, each with `>=VERSION` behind it where an older version does not do."""
    remove: tuple[str, ...] = ()
    """Names; configuration files stay."""
    hold: tuple[str, ...] = ()
    """Names of packages that stay at their version from now on."""
    unhold: tuple[str, ...] = ()
    """Names of packages that may be upgraded again."""


class Then(StrEnum):
    """The consequence when a gate does not open."""

    ROLLBACK = "rollback"
    FAIL = "fail"
    WARN = "warn"


@frozen
class Gate:
    """Wait until a unit that was started is healthy: its process stays the same one, and the probe succeeds.

    It changes nothing itself.
    """

    unit: str
    window: float
    """Seconds from the unit's start: within them the probe must succeed; without a probe it is watched so
    long.
    """
    probe: tuple[str, ...] = ()
    """`("http", URL)`, `("tcp", "HOST:PORT")`, `("command", *argv)` or empty."""
    then: Then = Then.ROLLBACK
    """The consequence when it fails, which the engine carries out."""
    interval: float = 1.0
    """Seconds between two tries of the probe."""
    user: str = ""
    """The user as whom a probe's command runs."""


Tree = ArchiveTree | RemoveTree | RestoreTree
PathAction = WriteFile | EditLines | MakeDirectory | SetAccess | MakeLink | RemovePath | Tree
"""The actions that change what is at one path, their `path`."""
Action = PathAction | EndSessions | Account | ChangePackages | Unit | Gate

_UNIT_PHASE = {
    UnitVerb.STOP: Phase.STOP,
    UnitVerb.DAEMON_RELOAD: Phase.RELOAD,
    UnitVerb.RESET_FAILED: Phase.RELOAD,
    UnitVerb.RELOAD: Phase.START,
    UnitVerb.RESTART: Phase.START,
    UnitVerb.START: Phase.START,
}


def phase(action: Action) -> Phase:
    """The phase in which an action runs."""
    if isinstance(action, Gate):
        return Phase.GATE
    return _UNIT_PHASE[action.verb] if isinstance(action, Unit) else Phase.WRITE


def removes(action: Action) -> bool:
    """Whether the action takes something away: such actions run after those that create, in reverse order."""
    return isinstance(action, RemovePath | RemoveTree) or (
        isinstance(action, Account) and action.op in (AccountOp.GROUPDEL, AccountOp.USERDEL)
    )


def remnant(path: str, suffix: str = "gone") -> str:
    """The path beside a directory where RemoveTree takes it apart (`gone`) and RestoreTree puts it together
    (`back`).
    """
    parent = path.rpartition("/")[0]
    return f"{parent}/.reconciler.{digest(path.encode('utf-8', 'surrogateescape'))[-16:]}.{suffix}"


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
        case Account() | ChangePackages() | Unit() | EndSessions() | Gate():
            return None
        case _:
            assert_never(action)
