"""What `observe` of accounts and homes tells `actions` beside the document."""

from __future__ import annotations

from reconciler.core.basics.frozen import frozen
from reconciler.core.changes import Facts


@frozen
class AccountFacts(Facts):
    """An account, or the home that one has left behind: what must be known before it goes."""

    hidden: bool = False
    """Whether a locked account has a password that can be unlocked."""
    own_group: bool = False
    """Whether there is a group of its name."""
    home: str = ""
    """The owner of its home; empty where that is no directory."""
    home_mode: str = ""
    """Four octal digits."""
    others: tuple[str, ...] = ()
    """The other accounts that live in its home, or around it."""
    remnant: bool = False
    """Whether a home that was being removed is still there in part."""
    not_a_home: str = ""
    """Why what the account names is no home; empty too where nothing is there."""
    mail: tuple[str, str] = ("", "")
    """The mailbox of an account that goes, and its type, a file or a directory; empty where it is closed."""


@frozen
class HomeFacts(Facts):
    """A home of an account that stays."""

    unfinished: bool = False
    """Whether it is one that a killed run was making."""
