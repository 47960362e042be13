"""The facts that checks look at, each read when the first check asks for it, and kept.

A fact that cannot be known raises HostError: the check that needs it becomes `not-checked`, with the reason.
A check that can tell of the other objects catches it and yields `NotKnown` for that object.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from reconciler.audit.intent import Intent
from reconciler.core.answers import Answers
from reconciler.core.basis import TreeBasis
from reconciler.core.host import Entry, HostView, Unreadable
from reconciler.formats.accounts import account_files
from reconciler.formats.accounts.passwd import Group, User
from reconciler.formats.audit.policy import Policy
from reconciler.policy.access.login_accounts import People
from reconciler.policy.access.writers import Writers
from reconciler.policy.symlinks import Followed

if TYPE_CHECKING:
    from reconciler.policy.access.becoming_root import BecomingRoot
    from reconciler.policy.access.ssh.login_ways import SshWays
    from reconciler.policy.lockout.guard import Doors

T = TypeVar("T")


class Facts:
    """A host, for checks. `view` has its files and units, `answers` what its programs say."""

    def __init__(
        self, view: HostView, answers: Answers, intent: Intent, now: datetime, policy: Policy | None = None
    ) -> None:
        self.view = view
        self.intent = intent
        self.policy = policy or Policy()
        """The policy: the things that are as they should be although no other section declares them."""
        self.now = now
        """The moment that ages are counted to: that of the snapshot, where it is one."""
        self._answers = answers
        self._parsed: dict[tuple[str, str, Callable[[str], Any]], Any] = {}

    @property
    def running(self) -> bool:
        """Whether it is a host that runs, or a snapshot of one, and no file tree."""
        return not isinstance(self.view.basis, TreeBasis)

    @cached_property
    def files(self) -> Followed:
        """The files of the host, with links followed."""
        return Followed(self.view)

    @cached_property
    def people(self) -> People:
        """The accounts of the host, as the plan's access part has them."""
        return People(self.files)

    @cached_property
    def writers(self) -> Writers:
        """Who besides root can write or replace what is at a path, as the plan's access part tells it."""
        return Writers(self.files, self.people)

    def text(self, question: str, argument: str = "", *, absent: str | None = None) -> str:
        """The answer to a question of `host.audit.questions`.

        `absent` stands for a file that is not there; without it that raises FileNotFoundError. Raises
        NotInstalled, Unreadable.
        """
        try:
            return self._answers.answer(question, argument)
        except FileNotFoundError:
            if absent is None:
                raise
            return absent

    def parsed(
        self, question: str, parse: Callable[[str], T], argument: str = "", *, absent: str | None = None
    ) -> T:
        """The answer to a question, parsed once. `parse` is a function of `formats.audit`.

        Raises as `text`; Unreadable too where the parser does not understand the answer.
        """
        key = (question, argument, parse)
        if key not in self._parsed:
            try:
                self._parsed[key] = parse(self.text(question, argument, absent=absent))
            except ValueError as problem:
                raise Unreadable("an answer is not understood", str(problem)) from problem
        value: T = self._parsed[key]
        return value

    def entry(self, path: str) -> Entry | None:
        """Facts about a path, a link itself and not what it points to; None when nothing is there.

        Raises HostError.
        """
        return self.view.entry(path)

    def names(self, path: str) -> tuple[str, ...]:
        """The names in a directory, sorted; none when it is not there. Raises HostError."""
        return self.view.names(path)

    @cached_property
    def users(self) -> tuple[User, ...]:
        """The accounts of passwd(5). Raises HostError; a host without the file is not known."""
        return self._accounts("/etc/passwd", account_files.users)

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """The groups of group(5). Raises HostError; a host without the file is not known."""
        return self._accounts("/etc/group", account_files.groups)

    def _accounts(self, path: str, read: Callable[[HostView], tuple[T, ...]]) -> tuple[T, ...]:
        if self.view.entry(path) is None:
            raise Unreadable("cannot be read", f"{path} is not there")
        return read(self.view)

    @cached_property
    def doors(self) -> Doors:
        """The accounts as the access part of a plan sees them: sshd, sudo, groups. Raises HostError."""
        from reconciler.policy.lockout.guard import Doors, Question

        name = self.text("hostname", absent="").strip()
        return Doors(self.view, Question(name, int(self.now.timestamp())))

    @cached_property
    def keys(self) -> SshWays:
        """The keys by which somebody gets in, as sshd takes them. Raises HostError."""
        from reconciler.policy.access.ssh.login_ways import SshWays

        return SshWays(self.doors.ssh, self.doors.people)

    @cached_property
    def becoming(self) -> BecomingRoot:
        """The ways by which an account becomes root. Raises HostError."""
        from reconciler.policy.access.becoming_root import BecomingRoot

        return BecomingRoot(self.doors.people, self.doors.sudo, self.writers, int(self.now.timestamp()))

    def sysctl(self, name: str) -> str:
        """A kernel setting as it is in force.

        Raises HostError, FileNotFoundError for one that this kernel lacks.
        """
        return re.sub(r"\s+", " ", self.text("sysctl", name))
