"""A kind of resource: a model and pure functions.

A kind never diffs, never reads a file and never runs anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from reconciler.core.actions import Gate, UnitVerb
from reconciler.core.address import Address
from reconciler.core.basics.frozen import frozen
from reconciler.core.changes import Change, Document, Observed, Part
from reconciler.core.diagnostic import Diagnostic
from reconciler.core.host import HostView
from reconciler.core.model.places import Place
from reconciler.core.spec import Declared, Spec
from reconciler.core.state import LedgerRow, OwedRow
from reconciler.core.steps import Step

if TYPE_CHECKING:
    from reconciler.core.model.resource import Resource


class RequirementType(StrEnum):
    """The things that must be on the host, or declared in the same spec, for a
    resource to make sense there.
    """

    USER = "user"
    GROUP = "group"
    DIRECTORY = "directory"
    FILE = "file"
    PATH = "path"
    """A file or a directory."""
    PROGRAM = "program"


@frozen
class Requirement:
    """One thing that a resource needs."""

    type: RequirementType
    name: str
    fatal: bool = True
    """Whether the resource cannot be applied without it; otherwise the plan only warns."""


@frozen
class Runs:
    """A process that a part is to keep running."""

    unit: str
    files: tuple[str, ...] = ()
    """The files that are its configuration."""
    defined: tuple[str, ...] = ()
    """The paths that define the unit; everything in a directory among them counts."""


@frozen
class DeclaredUnit:
    """The systemd unit that a part speaks for."""

    name: str
    """With its suffix."""
    runs: bool | None = None
    """Whether it is to run all the time; None: the declaration leaves it open, or it is a job that ends."""
    may: tuple[UnitVerb, ...] = (UnitVerb.RELOAD, UnitVerb.RESTART)
    """The verbs that a change of configuration may use on its process (`on_change`)."""


class Impossible(Exception):
    """A difference that no action may remove: another type of object is at the path, a number must not
    change.

    The text says what to do.
    """


def _none(*_: Any) -> tuple[()]:
    return ()


def _no_reason(*_: Any) -> str:
    return ""


def _no(*_: Any) -> bool:
    return False


def _no_part(*_: Any) -> None:
    return None


@frozen
class Kind:
    """One kind of resource: a model, and functions from values to values."""

    # --------------------------------------------------------------------------------------- what is declared

    name: str
    """The section of a spec: `users`."""
    model: type[Resource]
    """The pydantic model of one block."""
    name_type: Any
    """The annotated type of the keys under the section."""
    expand: Callable[[Declared, bool], Iterable[Part]]
    """A declaration as parts. The second argument says whether a systemd answers for the host."""

    # ------------------------------------------------------------------------------------------ what is there

    observe: Callable[[HostView, Sequence[Address]], Mapping[Address, Observed]]
    """The host's documents, asked once for all addresses."""

    # ------------------------------------------------------------------------------------------ what to do

    actions: Callable[[Change], Iterable[Step]]
    """One change as steps. It may look at nothing else. Raises Impossible."""
    ownership_keys: tuple[str, ...]
    """Document keys that prove that an object is still what we wrote."""
    locate: (
        Callable[[HostView, Mapping[Address, Part], Mapping[Address, Observed]], Mapping[Address, Observed]]
        | None
    ) = None
    """Observes again where only the declaration tells the place. Asked after `observe`."""
    programs: tuple[tuple[str, str], ...] = ()
    """The host's own programs that its steps or checks call, each with the Debian package that has it.

    None: it is made of files alone, and needs no booted host to be seen at work.
    """
    single: str = ""
    """The name of the only resource, where the section itself is its block; empty: blocks have names."""
    tells_access: bool = False
    """A change of it is shown beside the plan although it changes nobody's answer about access."""
    order: int = 50
    """The place of the kind in specs, plans and reference pages: kinds that others build on come first."""
    whole: bool = True
    """The object is entirely ours, so unknown fields are differences.

    False: only declared fields are compared.
    """
    unowned: bool = False
    """Nobody owns its objects: one that is there and differs is changed, or removed where the spec says so,
    without being adopted. A package is such an object.
    """
    prunes_adopted: bool = True
    """Removal from the spec also removes an object that was there before us."""
    reason_to_keep: Callable[[HostView, Address, AbstractSet[str]], str] = _no_reason
    """Why an object that left the spec must stay; empty: it may go.

    The set has the names that leave with it: paths, addresses, and fields whose old value goes, as
    ADDRESS.FIELD.
    """
    paths: Callable[[Address], Iterable[str]] = _none
    """The paths that an address stands for."""
    places: Callable[[Declared], Iterable[Place]] | None = None
    """The paths of a declaration whose address alone does not tell them.

    Fields marked `NamesPath` tell theirs by themselves.
    """
    references: Callable[[Declared], Iterable[Address]] = _none
    """Addresses that come first if they are declared."""
    requires: Callable[[Declared], Iterable[Requirement]] = _none
    """The things that must be on the host, or in the same spec."""
    config_paths: Callable[[Declared], Iterable[str]] = _none
    """Paths whose content is this resource's configuration."""
    on_config_change: Callable[[Part, Observed, Sequence[str]], Iterable[Step]] = _none
    """The steps that a change of such paths calls for."""
    resume_owed: Callable[[Part, Observed, OwedRow], Iterable[Step]] = _none
    """The steps that an effect still owed means under today's declaration."""
    process: Callable[[Part], Runs | None] = _no_part
    """The process that a part is to keep running."""
    start_settings: Callable[[Document], Any] = _no_part
    """The settings of an observed document that only a start puts into force."""
    lint: Callable[[Declared], Iterable[Diagnostic]] = _none
    """Mistakes of a declaration as the whole spec shows it, its settings for one. It needs no host."""
    lint_spec: Callable[[Spec], Iterable[Diagnostic]] = _none
    """Mistakes across resources. Asked once."""
    check: Callable[[HostView, Spec, Sequence[Change]], Iterable[Diagnostic]] = _none
    """Objections of the host to changes. Errors block their addresses.

    Asked once with all changes, if anything of the kind changes.
    """
    objections: Callable[[HostView, Spec, Sequence[Change]], Iterable[Diagnostic]] = _none
    """Objections of declared resources to changes of other kinds: of a backup job to a directory that others
    may write to. Errors block their addresses.

    Asked once with all changes, where the spec has the kind, whether anything of it changes or not.
    """
    overdue: Callable[[Sequence[Change], int], Iterable[Diagnostic]] = _none
    """Warnings of times that have passed (seconds since the epoch), of the kind's own changes.

    Not asked where no clock is known.
    """
    retire: Callable[[Address, LedgerRow, Declared | None], Part | None] = _no_part
    """The desired document of something of ours that the spec no longer has and that is not simply removed.

    The block of its resource that the spec may still have is the third argument. None: it is removed.
    """
    identity: Callable[[Address], Iterable[str]] = _none
    """Names of the object that an address stands for. Two addresses with a name in common are one object.

    A key under `ssh_keys` and under `users` is one: moving it between sections must not remove it.
    """
    foreign_overrides: Callable[[Part, Observed], Iterable[Diagnostic]] = _none
    """Files of others that have a say in a declared part (`Observed.others`), changed or not."""
    sibling_kinds: tuple[str, ...] = ()
    """Kinds whose resource of the same name is in `Declared.beside`: keys have to know where the home will
    be.
    """
    wants_removal: Callable[[Declared, Address], bool] = _no
    """Whether the block that the spec still has wants this part gone, whatever `reason_to_keep` says."""
    grants_access: Callable[[Address], bool] = _no
    """Whether a part lets somebody do something: it is taken back when it leaves the spec, whoever changed it
    since.
    """
    gate: Callable[[Part], Gate | None] = _no_part
    """The gate that a part's unit has to pass after each start. None too where it is not to run."""
    unit: Callable[[Part], DeclaredUnit | None] = _no_part
    """The unit that a part speaks for."""
    absent: Callable[[Declared, bool], Iterable[Address]] = _none
    """Addresses where a declaration says that nothing shall be, whoever put it there.

    The second argument is that of `expand`.
    """
    remains: Callable[[Change], Iterable[tuple[Address, Document]]] = _none
    """Documents of removed objects that stay ours: a home that was kept, and that the spec may yet let go."""


Kinds = Mapping[str, Kind]
