"""Desired, observed and what lies between them."""

from __future__ import annotations

from dataclasses import field
from enum import StrEnum
from typing import Any, TypeVar

from reconciler.core.actions import ABSENT
from reconciler.core.address import Address
from reconciler.core.basics.frozen import frozen
from reconciler.core.spec import Declared

Document = dict[str, Any]
"""JSON-able data of one shape for desired, observed and last applied.

An absent object is None, never an empty Document.
"""

LOAD = "load"
"""The key of an observed document that says what systemd's LoadState is where it refuses a unit.

No desired document has it, and it always counts as a difference: the object is not as declared, whatever its
file says.
"""


class Verb(StrEnum):
    """The verb of a change of a part.

    The value is the symbol.
    """

    CREATE = "+"
    UPDATE = "~"
    DELETE = "-"
    FORGET = "."
    NONE = " "
    """Seen and told, not acted upon (`drift: report`)."""


class Origin(StrEnum):
    """Which row of the truth table (DESIGN §2) a difference is."""

    INTENT = "spec_changed"
    DRIFT = "drift"
    CONFLICT = "conflict"
    ADOPTION = "adopt"
    UNKNOWN = "unknown"
    """It is there and differs, and the ledger, which knows whether it is ours, cannot be read."""
    UPGRADE = "tool_upgrade"
    REMOVED = "delete_because_not_in_spec"


@frozen
class Part:
    """One object on the host, as the spec declares it.

    `content` is the bytes that a digest in `document` stands for. `sensitive`: no content and no plain digest
    leaves the process. `needs` are other parts that come first, besides what the resource refers to.
    `retired` says why something is wanted that the spec no longer declares (see `Kind.retire`). `note` says
    in a plan that creates it what its address does not (whose key it is).
    """

    address: Address
    document: Document
    declared: Declared
    content: bytes | None = None
    sensitive: bool = False
    needs: tuple[Address, ...] = ()
    retired: str = ""
    note: str = ""


class Facts:
    """The facts that a kind's `observe` has for its own `actions` beside the document (which links exist).

    Each kind has a frozen dataclass of its own for them, in which every field has a default.
    """

    __slots__ = ()


NO_FACTS = Facts()
F = TypeVar("F", bound=Facts)


@frozen
class Observed:
    """One object, as the host shows it.

    `document` has only what the host states, never our defaults. `private` is for the kind's own `actions`,
    which narrow it by `facts`; it is not compared. `unreadable` says why nothing is known. `others` are files
    of others that have a say in what the object does, and that no action of ours changes: they are told in
    every plan (`Kind.foreign_overrides`). `refusal` says in whose words and why the host does not take what
    is there: systemd's, of a unit file. `expects` is what an action has to find there: a digest,
    `link:TARGET` or a type. `at` is the path that was looked at, where only the declaration tells it.
    """

    document: Document | None
    private: Facts = NO_FACTS
    unreadable: str = ""
    others: tuple[str, ...] = ()
    excused: str = ""
    """The condition because of which systemd would not start it: that it does not run is as declared then."""
    refusal: str = ""
    hidden: bool = False
    """Whether who asks may not read what is `unreadable`: there is no link in the
    way, and nothing is broken.
    """
    expects: str = ABSENT
    at: str = ""

    def facts(self, form: type[F]) -> F:
        """The facts of this form; those of nothing where the kind has told none."""
        return self.private if isinstance(self.private, form) else form()


@frozen
class FieldChange:
    """One leaf that differs. A missing leaf is None. Lists are leaves."""

    path: tuple[str, ...]
    before: Any
    after: Any
    origin: Origin


@frozen
class Change:
    """One part that is not as it should be, and what is to be done about it.

    `declared`, of a part that goes, is the block of its resource that the spec still has: it may say how it
    goes. `policy` has the leaves that differ of what is declared about later applies: no step is done for
    them, the ledger gets them.
    """

    address: Address
    verb: Verb
    origin: Origin
    fields: tuple[FieldChange, ...] = ()
    part: Part | None = None
    observed: Observed = field(default_factory=lambda: Observed(None))
    applied: Document | None = None
    reason: str = ""
    sensitive: bool = False
    declared: Declared | None = None
    policy: tuple[FieldChange, ...] = ()

    @property
    def ours(self) -> bool:
        """Whether what is on the host is known to be ours: only then may its content be shown."""
        return self.origin not in (Origin.ADOPTION, Origin.UNKNOWN)

    @property
    def moves(self) -> bool:
        """Whether anything on the host, or its owner, changes because of it."""
        return self.verb is not Verb.NONE and (bool(self.fields) or not self.policy)

    @property
    def before(self) -> Document | None:
        """The observed document."""
        return self.observed.document

    @property
    def after(self) -> Document | None:
        """The desired document; None for what is removed."""
        return self.part.document if self.part else None

    def touches(self, *path: str) -> bool:
        """Whether any difference lies at or below this path."""
        return any(item.path[: len(path)] == path for item in self.fields)
