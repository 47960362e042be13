"""The sorts of questions: a program of the host, a file, or a function of ours.

Everything that an answer has can end up in a snapshot, which others read. Whatever may hold a secret gets a
`redact`, which is applied before the text reaches anybody, on the live host too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from reconciler.core.actions import Attributes
from reconciler.core.basics.frozen import frozen
from reconciler.core.basis import Basis
from reconciler.core.host import Entry


class Files(Protocol):
    """The files of a host: as much of a HostView as a reader needs."""

    @property
    def basis(self) -> Basis:
        """As HostView.basis."""

    def entry(self, path: str) -> Entry | None:
        """As HostView.entry."""

    def read(self, path: str) -> bytes:
        """As HostView.read."""

    def names(self, path: str) -> tuple[str, ...]:
        """As HostView.names."""

    def attributes(self, path: str) -> Attributes:
        """As HostView.attributes."""


def unchanged(text: str) -> str:
    """The text as it is: nothing in it is secret."""
    return text


@frozen
class Program:
    """A program that is run on the live host, without a shell and without a terminal; it changes nothing."""

    argv: tuple[str, ...]
    """`{}` in an argument stands for the argument of the question."""
    exits: tuple[int, ...] = (0,)
    """The exit statuses with which its output is an answer."""
    errors: bool = False
    """Whether what it writes to standard error belongs to the answer, after the output."""
    timeout: float = 10.0
    """Seconds after which it is ended, and the question has no answer."""
    redact: Callable[[str], str] = unchanged
    """Takes out what nobody may see, before anybody sees it."""
    cap: int = 8 << 20
    """More bytes are no answer."""
    in_tree: Callable[[Files, str], str] | None = None
    """A reader that answers from the files of a tree, in the words of the program."""


@frozen
class File:
    """The content of one file, on a live host and in a tree. `{}` stands for the argument."""

    path: str
    redact: Callable[[str], str] = unchanged


@frozen
class Reader:
    """A function of ours that gathers facts: from the files of the host and the argument to a text.

    A reader of what only a running host has (/proc, sockets) is `live`. It may raise HostError and
    FileNotFoundError.
    """

    read: Callable[[Files, str], str]
    live: bool = False


Question = Program | File | Reader
