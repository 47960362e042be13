"""Desired, observed and what lies between them."""

from __future__ import annotations

from dataclasses import field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

from reconciler.core.actions import ABSENT
from reconciler.core.address import Address
from reconciler.core.basics.frozen import frozen

if TYPE_CHECKING:
    from reconciler.core.spec import Declared

Document = dict[str, Any]
"""JSON-able data of one shape for desired, observed and last applied.

An absent object is None, never an empty Document.
"""

LOAD = "load"
"""The key of an observed document for the LoadState of a unit that systemd refuses.

No desired document has it, and it always counts as a difference: the object is not as declared, whatever its
file says.
"""


DECLARED_ABSENT = "declared absent"
"""The reason of a removal of something whose block in the spec says that it shall not be there."""


class Verb(StrEnum):
    """The verb of a change of a part; the value is its symbol."""

    CREATE = "+"
    UPDATE = "~"
    DELETE = "-"
    FORGET = "."
    NONE = " "
    """Seen and reported, not acted upon (`drift: report`)."""


class Origin(StrEnum):
    """Whose doing a difference is, as applied, present and declared values tell."""

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
    """One object on the host, as the spec declares it."""

    address: Address
    """The part's name."""
    document: Document
    """The state that the spec asks for."""
    declared: Declared
    """The resource that it is a part of."""
    content: bytes | None = None
    """The bytes that a digest in `document` stands for."""
    sensitive: bool = False
    """No content and no plain digest leaves the process."""
    needs: tuple[Address, ...] = ()
    """Other parts that come first, besides those of the resources that this one refers to."""
    retired: str = ""
    """Why it is wanted although the spec no longer declares it (`Kind.retire`)."""
    note: str = ""
    """Shown in a plan that creates it, because its address does not tell it (whose key it is)."""


class Facts:
    """The facts that a kind's `observe` has for its own `actions` beside the document (which links exist).

    Each kind has a frozen dataclass of its own for them, in which every field has a default.
    """

    __slots__ = ()


NO_FACTS = Facts()
F = TypeVar("F", bound=Facts)


@frozen
class Observed:
    """One object, as the host shows it."""

    document: Document | None
    """Only what the host states, never our defaults; None where nothing is."""
    private: Facts = NO_FACTS
    """Facts for the kind's own `actions`, which narrow them by `facts`; they are not compared."""
    unreadable: str = ""
    """Why nothing is known."""
    others: tuple[str, ...] = ()
    """Files of others that have a say in what the object does. No action of ours changes them; every plan
    names them (`Kind.foreign_overrides`).
    """
    excused: str = ""
    """The condition because of which systemd would not start it: not running is as declared then."""
    refusal: str = ""
    """Why the host refuses what is there, and in whose words: systemd's for a unit file."""
    hidden: bool = False
    """Whether it is `unreadable` only because the caller lacks the right: no link is in the way, and nothing
    is broken.
    """
    expects: str = ABSENT
    """The state in which an action must find it: a digest, `link:TARGET` or a type."""
    at: str = ""
    """The path that was looked at, where only the declaration tells it."""

    def facts(self, form: type[F]) -> F:
        """The facts of this form; its defaults where the kind has given none."""
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
    """One part that is not as it should be, and what is to be done about it."""

    address: Address
    """The part that changes."""
    verb: Verb
    """CREATE, UPDATE, DELETE or FORGET; NONE where nothing is done."""
    origin: Origin
    """Whose doing the difference is."""
    fields: tuple[FieldChange, ...] = ()
    """The leaves of the document that differ."""
    part: Part | None = None
    """The part as declared; None for what is removed."""
    observed: Observed = field(default_factory=lambda: Observed(None))
    """The object as it is on the host."""
    applied: Document | None = None
    """The document that was last applied, as the ledger has it."""
    reason: str = ""
    """Why the part is removed, or forgotten in place of that, in words."""
    sensitive: bool = False
    """Whether its content is secret."""
    declared: Declared | None = None
    """For a part that goes: the block of its resource that the spec still has, which may say how it goes."""
    policy: tuple[FieldChange, ...] = ()
    """The leaves that differ in what is declared about later applies: they need no step, the ledger gets
    them.
    """

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
