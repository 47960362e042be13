"""The facts about accounts and homes that `observe` hands to `actions` beside the document."""

from __future__ import annotations

from reconciler.core.basics.frozen import frozen
from reconciler.core.changes import Facts


@frozen
class AccountFacts(Facts):
    """The facts about an account, or about a home left behind, that must be known before it goes."""

    hidden: bool = False
    """Whether a locked account has a password that can be unlocked."""
    own_group: bool = False
    """Whether there is a group of its name."""
    home_owner: str = ""
    """The owner of its home; empty where that is no directory."""
    home_mode: str = ""
    """The mode of its home: four octal digits."""
    others: tuple[str, ...] = ()
    """The other accounts that live in its home, or around it."""
    remnant: bool = False
    """Whether a home that was being removed is still there in part."""
    not_a_home: str = ""
    """Why the path that the account names is no home; also empty where nothing is there."""
    mail: tuple[str, str] = ("", "")
    """The path of the mailbox of an account that goes, and its file type; both empty where it is closed."""


@frozen
class HomeFacts(Facts):
    """The facts about the home of an account that stays."""

    unfinished: bool = False
    """Whether a killed run was making it."""
