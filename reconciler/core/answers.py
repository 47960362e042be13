"""Answers of a host to named questions: what its own programs print, and what its files say, as text.

The security audit asks them. A question has a name (`listeners`), and may have an argument (`sysctl` of
`kernel.dmesg_restrict`). `host.audit` knows how each is asked; a snapshot has what was answered.
"""

from __future__ import annotations

from typing import Protocol

from reconciler.core.host import HostError


class NotInstalled(HostError):
    """The host does not have the program that would answer. `program` is its name."""

    def __init__(self, program: str) -> None:
        super().__init__("a program is missing", f"{program} is not installed")
        self.program = program


class Answers(Protocol):
    """A host that can be asked by the name of a question."""

    def answer(self, question: str, argument: str = "") -> str:
        """The answer as text.

        Raises NotInstalled; FileNotFoundError where the question is about a file that is not there;
        Unreadable for everything else that cannot be known, with the reason.
        """
