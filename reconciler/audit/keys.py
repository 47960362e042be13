"""The keys by which somebody gets in: those that lie on the host, and those that the spec declares."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.audit.facts import Facts
from reconciler.audit.model import NotApplicable, NotKnown
from reconciler.core.basics.frozen import frozen
from reconciler.core.host import HostError
from reconciler.formats.accounts.passwd import User
from reconciler.formats.ssh import authorized_keys
from reconciler.formats.ssh.authorized_keys import Key
from reconciler.formats.ssh.sshd_match import Origin

_SHOWN = 19
"""Signs of a fingerprint that are enough to tell keys apart."""


@frozen
class Held:
    """A key in a file that sshd reads for an account."""

    user: User
    key: Key
    path: str
    declared: bool

    @property
    def object(self) -> str:
        """The words for it in a report, the same at each run."""
        return f"{self.user.name} {self.key.fingerprint}"


def held(facts: Facts) -> Iterator[Held | NotKnown]:
    """Yield every key of every account with a shell; an account whose keys cannot be read is not known.

    Raises NotApplicable without a configuration of sshd.
    """
    if facts.doors.ssh.config is None:
        raise NotApplicable("there is no /etc/ssh/sshd_config")
    for user in facts.users:
        if facts.people.has_shell(user):
            try:
                yield from held_by(facts, user)
            except HostError as problem:
                yield NotKnown(user.name, problem.detail or problem.summary)


def held_by(facts: Facts, user: User) -> list[Held]:
    """The keys in the files that sshd reads for an account; none without a sshd. Raises HostError."""
    return list(_of(facts, user)) if facts.doors.ssh.config is not None else []


def _of(facts: Facts, user: User) -> Iterator[Held]:
    ssh = facts.doors.ssh
    settings = ssh.settings(user, Origin())
    declared = facts.intent.fingerprints(user.name)
    fingerprints: set[str] = set()
    for path in ssh.paths(settings, user):
        _, lines = ssh.lines(path, settings, user)
        for key in filter(None, map(authorized_keys.read, lines)):
            if key.fingerprint not in fingerprints:
                fingerprints.add(key.fingerprint)
                yield Held(user, key, path, key.fingerprint in declared)
