"""Who can become root: root itself, and whom sudo lets, with a password that somebody can give."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from reconciler.core.host import Entry, FileType
from reconciler.formats.accounts.passwd import User
from reconciler.formats.sudo import answers, environment
from reconciler.formats.sudo import policy as sudo_policy
from reconciler.formats.sudo.policy import Policy, Who
from reconciler.formats.sudo.programs import Program
from reconciler.policy.access.login_accounts import People
from reconciler.policy.access.ssh.login import Verdict
from reconciler.policy.access.sudo import environment as of_programs
from reconciler.policy.lockout import sudo_defaults
from reconciler.policy.symlinks import Followed

SUDOERS = "/etc/sudoers"
_SUDO = ("/usr/bin/sudo", "/usr/local/bin/sudo")
_SETUID, _WRITABLE_BY_OTHERS, _WRITABLE_BY_GROUP = 0o4000, 0o002, 0o020


class SudoRoot:
    """sudo of one host; `host` is the host's name. Raises HostError for what cannot be read."""

    def __init__(self, files: Followed, people: People, host: str) -> None:
        self._files = files
        self._people = people
        self._host = host

    @cached_property
    def _policy(self) -> Policy | None:
        """The rules; None without sudo."""
        if not any(self._is_setuid(path) for path in _SUDO):
            return None
        text = self._include(SUDOERS)
        return None if text is None else sudo_policy.parse(text, self._host, self._include, self._names)

    def who(self, user: User) -> Who:
        """An account as sudo asks for it."""
        return Who(user.name, user.uid, self._people.groups_of(user), self._people.gids_of(user), self._host)

    @cached_property
    def search_path(self) -> tuple[str, ...]:
        """The directories in which sudo looks for programs (secure_path), also by Defaults for certain
        people.
        """
        return () if self._policy is None else tuple(dict.fromkeys(environment.directories(self._policy)))

    def shell_by(self, user: User, program: Program) -> str:
        """Why the environment that sudo keeps makes a program start what the account wants; empty if it does
        not.
        """
        return (
            ""
            if self._policy is None
            else of_programs.shell_by(self._policy, self.who(user), program, self._files)
        )

    def ignores_arguments(self, path: str) -> bool:
        """Whether a program is a script that does nothing with its arguments."""
        return of_programs.ignores_arguments(path, self._files)

    @property
    def policy(self) -> Policy | None:
        """The rules in force; None without sudo."""
        return self._policy

    def verdict(self, user: User) -> Verdict:
        """Whether somebody who is logged in can become root."""
        if user.uid == 0:
            return Verdict(how="root")
        if self._policy is None:
            return Verdict("there is no sudo that is setuid and root's, or no rules for it")
        grant = answers.become_root(self._policy, self.who(user))
        if not grant.allowed:
            return Verdict("no rule of sudo lets it become root")
        if grant.password and not self._people.password_works(grant.password):
            whose = "the account" if grant.password == user.name else grant.password
            return Verdict(
                f"the sudo rule `{grant.rule}` asks for a password, and {whose} has none that works"
            )
        broken = self.why_broken(user)
        return Verdict(broken, how="" if broken else grant.rule)

    def why_broken(self, user: User) -> str:
        """Why sudo starts nothing for an account, whatever the rules allow; empty if it does."""
        if self._policy is None:
            return "there is no sudo that is setuid and root's, or no rules for it"
        return sudo_defaults.why_broken(answers.settings_for(self._policy, self.who(user)), self._files)

    def _is_setuid(self, path: str) -> bool:
        entry = self._files.entry(path)
        is_roots = entry is not None and entry.type is FileType.FILE and self._people.uid(entry.owner) == 0
        return is_roots and entry is not None and bool(int(entry.mode, 8) & _SETUID)

    def _include(self, path: str) -> str | None:
        entry = self._files.entry(path)
        if entry is None or entry.type is not FileType.FILE or not self._trusted(entry):
            return None
        return self._files.text(path)

    def _names(self, path: str) -> Sequence[str]:
        entry = self._files.entry(path)
        return self._files.names(path) if entry is not None and self._trusted(entry) else ()

    def _trusted(self, entry: Entry) -> bool:
        """Whether sudo reads what is there: it passes over what others could have written."""
        mode = int(entry.mode, 8)
        if self._people.uid(entry.owner) != 0 or mode & _WRITABLE_BY_OTHERS:
            return False
        return not mode & _WRITABLE_BY_GROUP or entry.group == "root"
