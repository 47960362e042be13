"""The questions that a host answers, and the actions that it takes: two different types, so that an observer
cannot write.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum, StrEnum
from typing import Protocol

from reconciler.core.actions import Action, Attributes, UnitVerb
from reconciler.core.basics.frozen import frozen
from reconciler.core.basis import Basis

ACCOUNT_FILES = "account files"
"""Stands for a path in what `Executor.finish` returns: the accounts that a batch of steps makes, changes or
removes.
"""


class UnitRelation(Enum):
    """The relation of a systemd unit to this run."""

    NONE = "none"
    TIED = "tied"
    """Its stop is handed on to a unit that is PART."""
    PART = "part"
    """The run ends when it is stopped."""


class FileType(StrEnum):
    """The type of the object at a path."""

    FILE = "file"
    DIRECTORY = "directory"
    LINK = "link"
    OTHER = "other"


@frozen
class Entry:
    """Facts about the object at a path, a link itself and not what it points to."""

    type: FileType
    """File, directory, link or another."""
    mode: str
    """Four octal digits."""
    owner: str
    """The name of the owner, or its number."""
    group: str
    """The name of the group, or its number."""
    size: int = 0
    """The size in bytes."""
    mtime_ns: int = 0
    """Nanoseconds since the epoch; 0: not known."""
    nlink: int = 1
    """The number of its names."""
    target: str = ""
    """The text of a link."""
    ctime_ns: int = 0
    """Nanoseconds since the epoch; 0: not known."""
    digest: str = ""
    """The digest of a file's content, only where it is known without the content (a snapshot)."""


@frozen
class UnitState:
    """systemd's view of one unit, in systemctl's words.

    A unit that is not loaded is `not-found`/`inactive`/`dead`.
    """

    load: str = "not-found"
    active: str = "inactive"
    sub: str = "dead"
    invocation: str = ""
    """The InvocationID of the running process, empty when none runs."""
    refusal: str = ""
    """Why systemd does not load the unit file that is there, in its own words, where it is asked for them."""

    @property
    def refused(self) -> bool:
        """Whether systemd has read its unit file and refuses it: its process runs on, and none can be
        started.
        """
        return self.load in ("bad-setting", "error")


_BECAUSE: Mapping[str, str] = {
    "RequiredBy": "it requires {}",
    "RequisiteOf": "it requires {} (Requisite=)",
    "BoundBy": "it is bound to {}",
    "ConsistsOf": "it is part of {}",
    "PropagatesStopTo": "{} hands its stop on to it",
    "PropagatesReloadTo": "{} hands its reload on to it",
    "Conflicts": "{} conflicts with it",
    "ConflictedBy": "it conflicts with {}",
    "Requires": "{} requires it",
    "Requisite": "{} requires it",
    "BindsTo": "{} is bound to it",
    "Wants": "{} wants it",
    "Upholds": "{} upholds it",
    "UpheldBy": "it upholds {}",
    "OnFailure": "{} failed",
    "OnSuccess": "{} ended",
    "Triggers": "{} triggers it",
    "TriggeredBy": "it triggers {}",
}
"""Why a unit is taken along, by the property that names it; `{}` is the unit that it hangs on."""


@frozen
class TakenAlong:
    """A unit to which something happens because of what is asked of another unit (systemd.unit(5))."""

    unit: str
    """The unit, with its suffix."""
    verb: UnitVerb
    """The verb that happens to it: start, stop, restart or reload."""
    relation: str
    """The property of `via`, in systemctl's words, that names the unit: `RequiredBy`, `Conflicts`."""
    via: str
    """The unit that it hangs on; that one may have been taken along itself."""
    root: str
    """The unit that the request names."""
    ran: bool = False
    """Whether it ran before."""

    @property
    def why(self) -> str:
        """In words."""
        return _BECAUSE.get(self.relation, f"{{}} takes it along ({self.relation}=)").format(self.via)


@frozen
class UnitNode:
    """A unit as systemd has it loaded: what it is tied to (systemd.unit(5)), and what decides about jobs for
    it.
    """

    load: str
    """LoadState: `loaded`, `masked`, `not-found`, `bad-setting`, `error`."""
    active: str
    """ActiveState."""
    relations: Mapping[str, frozenset[str]]
    """The units that each property names, by the property in systemctl's words: `Requires`, `RequiredBy`;
    none is empty.
    """
    flags: Mapping[str, str]
    """Other properties in systemctl's words: `Type`, `RemainAfterExit`, `StopWhenUnneeded`; only those that
    are not the default.
    """


@frozen
class PreImage:
    """The object at a path before an action, bit for bit: a row of the undo store."""

    path: str
    """`user:NAME` or `group:NAME` for an account that goes."""
    type: FileType | None
    """None: nothing was there. OTHER for an account."""
    mode: str = ""
    owner: str = ""
    group: str = ""
    target: str = ""
    content: bytes | None = None
    """The lines of an account (`formats.accounts.belongings`), the bytes of a file."""
    xattrs: Attributes = ()


@frozen
class Receipt:
    """The outcome of an executed action."""

    note: str = ""
    failed: Mapping[str, str] | None = None
    """The units that could not be brought to the state that was asked for, each with the reason."""
    noted: Mapping[str, str] | None = None
    """Notes about units that did not fail and yet may not run: a condition that does not hold."""
    along: tuple[TakenAlong, ...] = ()
    """The other units to which something happens; only a simulated host knows them beforehand."""
    coming: frozenset[str] = frozenset()
    """The failed units that systemd starts again by itself."""
    order: tuple[str, ...] = ()
    """The units of the action in the order that suits one call, those that others need first; only a
    simulated host tells.
    """


@frozen
class Transaction:
    """The changes that the package manager would make for what it is asked to install and to remove."""

    new: tuple[tuple[str, str], ...] = ()
    """Packages that come, each with its version."""
    upgraded: tuple[tuple[str, str, str], ...] = ()
    """Packages that change, each with the version before and after."""
    removed: tuple[str, ...] = ()
    """Packages that go."""
    refusal: str = ""
    """Why it refuses to do it, in its own words."""


class HostError(Exception):
    """A problem of the host that the administrator must know of: `summary` is constant, `detail` says what is
    wrong and what to do.
    """

    def __init__(self, summary: str, detail: str = "") -> None:
        super().__init__(f"{summary}: {detail}" if detail else summary)
        self.summary = summary
        self.detail = detail


class Unreadable(HostError):
    """A fact that we may not read (an ordinary user's plan). It is never guessed: the part is reported as
    unreadable.
    """


class NotInSnapshot(Unreadable):
    """The fact was not recorded.

    Whatever handles Unreadable handles this: nothing is guessed, and the plan says that it is incomplete.
    """


class UnsafePath(HostError):
    """The path leads through a link, or is not what it has to be (a FIFO, a device, a hard link).

    `instead` is the path without the link, where one is in the way and leads somewhere.
    """

    instead: str = ""


class ActionFailed(HostError):
    """An action could not be done, or its `expects` no longer held.

    Everything that it touches is as before.
    """


class HostView(Protocol):
    """A host that can be read."""

    running: bool
    """Whether a systemd answers for it: without one no unit state is known and none is wanted."""

    @property
    def basis(self) -> Basis:
        """The running host, a tree or a snapshot; a simulated host has the basis of the host under it."""

    def entry(self, path: str) -> Entry | None:
        """Facts about a path; None when nothing is there. Raises Unreadable, UnsafePath."""

    def read(self, path: str) -> bytes:
        """A regular file's content. Raises Unreadable, UnsafePath, FileNotFoundError."""

    def excerpt(self, path: str) -> tuple[bytes, str]:
        """The content and the digest of a file that we share with others. Raises as read.

        A snapshot has no more of the content than `formats.redaction` keeps; the digest is of all of it, and
        empty where it has none.
        """

    def digest(self, path: str) -> str:
        """The digest of a regular file's content (`core.basics.digest`), which a snapshot may have where it
        has no content.

        Raises as read.
        """

    def names(self, path: str) -> tuple[str, ...]:
        """Sorted names in a directory; empty when it does not exist. Raises Unreadable."""

    def attributes(self, path: str) -> Attributes:
        """The extended attributes and ACLs of a file or directory, sorted by name; a link has none.

        Raises as entry.
        """

    def mounts(self) -> frozenset[str]:
        """The paths where something is mounted, and those of btrfs subvolumes that need no mount: each is a
        file system of its own.

        A snapshot has none that only the kernel shows; a tree has none at all. Raises Unreadable.
        """

    def units(self, names: Sequence[str]) -> Mapping[str, UnitState]:
        """The states of all these units, asked for at once."""

    def named(self, name: str, *, group: bool = False) -> int | None:
        """The number of a user or group that no file of the host has, where its name service has other
        sources too (nsswitch.conf(5)).

        None: there is none of that name, or there is no other source. Raises Unreadable.
        """

    def relations(self, names: Sequence[str]) -> Mapping[str, UnitNode]:
        """These units, and those that may be taken along with one of them, as systemd has them loaded.

        Raises Unreadable.
        """

    def conditions(self, texts: Sequence[str]) -> Mapping[str, bool]:
        """Whether each of these conditions holds now, each as a line of a unit
        (`ConditionVirtualization=!container`): systemd's own answer.

        Those that only PID 1 itself could decide are left out. Raises Unreadable.
        """

    def transaction(self, install: Sequence[str], remove: Sequence[str]) -> Transaction | None:
        """The outcome of a transaction of packages, as the package manager simulates it; it changes nothing.

        None: no package manager answers here (a tree, a snapshot). Raises Unreadable.
        """


class Executor(HostView, Protocol):
    """A host that can be changed."""

    def capture(self, action: Action) -> PreImage | None:
        """The object that the action is about to replace or remove, for the undo store; None for actions that
        remove nothing.

        Raises HostError.
        """

    def prepare(self, actions: Sequence[Action]) -> None:
        """Announce the actions that are executed next, in this order, up to `finish`: work for all of them at
        once may be done together.

        Changes nothing.
        """

    def finish(self) -> Mapping[str, str]:
        """Make durable what was executed since `prepare`; return the paths for which that failed, each with
        the reason.

        Without `prepare`, everything that `execute` did is durable when it returns.
        """

    def execute(self, action: Action) -> Receipt:
        """Run an action. Raises ActionFailed, and then nothing was changed."""

    def leftovers(self, directories: Sequence[str]) -> tuple[str, ...]:
        """Temporary files of ours that a killed run left in these directories."""
