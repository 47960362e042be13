"""How an account of a host becomes root: the values in which every rule about that answers."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.core.address import Address
from reconciler.core.basics.frozen import frozen
from reconciler.core.basics.lazy_regex import Late

EVERYBODY = ""
"""The account of a way that is open to every account of the host."""

_PLAIN = Late(r"[\w./@:+,~%=-]+")


def quoted(text: str) -> str:
    """Words that somebody else has chosen, with an end that they cannot write themselves; empty for none."""
    return '"{}"'.format(text.replace("\\", r"\\").replace('"', r"\"")) if text else ""


def named(path: str) -> str:
    """A path in a sentence: in quotes where it has blanks or signs by which it could go on with the
    sentence.
    """
    return path if _PLAIN.fullmatch(path) else quoted(path)


@frozen
class Way:
    """One way in which an account becomes root."""

    account: str
    """The name of an account, or EVERYBODY."""
    by: str
    """The words for "alice becomes root (BY)"."""
    path: str = ""
    """The file or directory that it hangs on; empty where there is none."""
    rank: int = 0
    """The order by danger: the lower, the more dangerous."""
    address: Address | None = None
    """The declaration that it hangs on, if there is one."""
    likely: bool = False
    """The account "may become root": the way hangs on a text that no rule can read to its end (a script that
    names the account), or on an unknown program.
    """

    @property
    def who(self) -> str:
        """The account, in words."""
        return self.account or "everybody"


@frozen
class Writer:
    """An account that can write or replace something. `how` are words with a subject: `alice owns /srv/app`.

    `account` is EVERYBODY for all accounts. `path` is the file or directory that is open to it. `likely`:
    nobody has looked at its owner.
    """

    account: str
    how: str
    path: str
    likely: bool = False
    group: str = ""
    """The group by whose membership it can, where it can by one."""


@frozen
class Hand:
    """Others have a hand in what the processes of an account other than root run or read: they are that
    account.

    `by` are the words for "bob becomes alice (BY; how bob can)". `writers` are those who can, the account
    itself among them where it can.
    """

    person: str
    by: str
    writers: Mapping[str, Writer]
    address: Address | None = None
    likely: bool = False


class Rank:
    """The ranks: what needs nobody else first, then what root must do first, then what a text only makes
    likely.
    """

    UID = 0
    """The account is root by its number, or has no password and a rule."""
    SUDO_ALL = 10
    """sudo lets it run anything."""
    SETUID = 15
    """A program runs as root for whoever starts it."""
    SUDO_PROGRAM = 20
    """sudo lets it run a program from which a shell is one step."""
    GROUP = 30
    """A group of the account amounts to root."""
    CAPABILITY = 40
    """A unit of the account has capabilities that amount to root."""
    WRITES = 50
    """Root runs or reads what the account can write or replace."""
    LIKELY = 90
    """A file that root runs or reads names the account."""
