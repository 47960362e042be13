"""What a kind of resource is: a model and pure functions. A kind never diffs, never reads a file and never runs anything."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from reconciler.core.actions import Gate, Step, UnitVerb
from reconciler.core.address import Address
from reconciler.core.basics.frozen import frozen
from reconciler.core.changes import Change, Document, Observed, Part
from reconciler.core.diagnostic import Diagnostic
from reconciler.core.host import HostView
from reconciler.core.model.places import Place
from reconciler.core.spec import Declared, Spec
from reconciler.core.state import LedgerRow, OwedRow

if TYPE_CHECKING:
    from reconciler.core.model.resource import Resource


class RequirementType(StrEnum):
    """What must be on the host, or declared in the same spec, for a resource to make sense there."""

    USER = "user"
    GROUP = "group"
    DIRECTORY = "directory"
    FILE = "file"
    PATH = "path"
    """A file or a directory."""
    PROGRAM = "program"


@frozen
class Requirement:
    """`fatal`: the resource cannot be applied without it; otherwise it is a warning in the plan."""

    type: RequirementType
    name: str
    fatal: bool = True


@frozen
class Runs:
    """A process that a part is to keep running: its unit, the files that are its configuration, and the paths that define the unit.

    Of a directory among `defined` everything that is in it counts.
    """

    unit: str
    files: tuple[str, ...] = ()
    defined: tuple[str, ...] = ()


@frozen
class DeclaredUnit:
    """The unit of systemd's that a part speaks for."""

    name: str
    """With its suffix."""
    runs: bool | None = None
    """Whether it is to run all the time; None: nothing is said of that, or it is a job that ends."""
    may: tuple[UnitVerb, ...] = (UnitVerb.RELOAD, UnitVerb.RESTART)
    """What a change of configuration may do to its process (`on_change`)."""


class Impossible(Exception):
    """A difference that no action may remove (another thing is at the path, a number that must not change). The text says what to do."""


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
    """One kind of resource.

    `name_type` is the annotated type of the keys under the kind's section. `expand` turns a declaration into parts (`running`: a systemd
    answers for the host). `observe` is asked once for all addresses, `locate` then for what is
    to be observed elsewhere: where only the declaration tells the place. `actions` turns one Change into steps and may not look at anything
    else. `references` lists addresses that come first if they are declared. `watches` lists paths whose content is this resource's
    configuration, `watched` says what a change of them means, `catch_up` what an effect still owed means under today's declaration. `runs`
    says which process a part is to keep running, `settings` what of an observed document only a start puts into force. `whole`: the object
    is entirely ours, so unknown fields are differences; otherwise only declared fields are compared. `carries` are the document keys that
    prove an object is still what we wrote. `order` places the kind in specs, plans and reference pages: what others build on comes first.
    `prunes_adopted`: removal from the spec also removes what existed before us. `keep` says why an object that left the spec must stay
    (`vanishing` are the names that leave with it: paths, addresses, and the fields whose old value goes, as ADDRESS.FIELD). `paths` are
    the paths that an address stands for, `places` those of a declaration, where its address alone does not tell them (fields marked
    `NamesPath` tell theirs by themselves). `lint` says what is wrong with a declaration that only the whole spec shows, its settings
    for one; it needs no host. `lint_together` is asked once, about all resources. `check` is asked once, if anything of the kind
    changes, with all changes: what the host's own facts forbid. Its errors block their addresses. `overdue` likewise, of the kind's own
    changes: what the time has passed for (in seconds since the epoch; not asked where no clock is known). `retire` gives the desired
    document of something of ours that the spec no longer has and that is not simply removed (an account is disabled), with the block of
    its resource that the spec may still have; None: it is removed, as usual. `stands_for` names what an address stands for, where
    another one could stand for the very same thing (a key under `ssh_keys` or under `users`): what is declared is not removed because
    it has left another place of the spec. `others` tells of files of others that have a say in a declared part (`Observed.others`),
    changed or not. `beside` are kinds whose resource of the same name is in `Declared.beside`: a user's keys have to know where the
    user's home will be. `goes` says that the block which the spec still has wants this part gone, whatever `keep` says. `is_right` says
    of a part that it lets somebody do something: it is taken back when it leaves the spec, whoever has changed it since. `gate` is what
    a part's unit has to pass after each start, if anything; None too where it is not to run. `unit` names the unit that a part speaks
    for, and whether it is to run. `absent` are the addresses of which a declaration says that nothing shall be there, whoever put it
    there. `remains` says what stays ours of what was taken away, by address: a home that was kept, and that the spec may yet let go.
    """

    name: str
    model: type[Resource]
    name_type: Any
    expand: Callable[[Declared, bool], Iterable[Part]]
    observe: Callable[[HostView, Sequence[Address]], Mapping[Address, Observed]]
    actions: Callable[[Change], Iterable[Step]]
    carries: tuple[str, ...]
    locate: Callable[[HostView, Mapping[Address, Part], Mapping[Address, Observed]], Mapping[Address, Observed]] | None = None
    order: int = 50
    whole: bool = True
    prunes_adopted: bool = True
    keep: Callable[[HostView, Address, AbstractSet[str]], str] = _no_reason
    paths: Callable[[Address], Iterable[str]] = _none
    places: Callable[[Declared], Iterable[Place]] | None = None
    references: Callable[[Declared], Iterable[Address]] = _none
    requires: Callable[[Declared], Iterable[Requirement]] = _none
    watches: Callable[[Declared], Iterable[str]] = _none
    watched: Callable[[Part, Observed, Sequence[str]], Iterable[Step]] = _none
    catch_up: Callable[[Part, Observed, OwedRow], Iterable[Step]] = _none
    runs: Callable[[Part], Runs | None] = _no_part
    settings: Callable[[Document], Any] = _no_part
    lint: Callable[[Declared], Iterable[Diagnostic]] = _none
    lint_together: Callable[[Spec], Iterable[Diagnostic]] = _none
    check: Callable[[HostView, Spec, Sequence[Change]], Iterable[Diagnostic]] = _none
    overdue: Callable[[Sequence[Change], int], Iterable[Diagnostic]] = _none
    retire: Callable[[Address, LedgerRow, Declared | None], Part | None] = _no_part
    stands_for: Callable[[Address], Iterable[str]] = _none
    others: Callable[[Part, Observed], Iterable[Diagnostic]] = _none
    beside: tuple[str, ...] = ()
    goes: Callable[[Declared, Address], bool] = _no
    is_right: Callable[[Address], bool] = _no
    gate: Callable[[Part], Gate | None] = _no_part
    unit: Callable[[Part], DeclaredUnit | None] = _no_part
    absent: Callable[[Declared], Iterable[Address]] = _none
    remains: Callable[[Change], Iterable[tuple[Address, Document]]] = _none


Kinds = Mapping[str, Kind]
