"""The means by which an account logs in: the keys that sshd takes for it with their files, or why not, and
whether a password is enough.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconciler.formats.accounts.passwd import User
from reconciler.formats.ssh import authorized_keys, sshd_config
from reconciler.formats.ssh.authorized_keys import Key
from reconciler.formats.ssh.sshd_config import Settings
from reconciler.formats.ssh.sshd_match import Login, Origin
from reconciler.policy.access.login_accounts import People
from reconciler.policy.access.ssh.login import SshLogin, Verdict, no_shell, not_listed, not_root

_PASSWORDS = (
    ("password", "passwordauthentication"),
    ("keyboard-interactive", "kbdinteractiveauthentication"),
)
_SFTP = "internal-sftp"


class SshWays:
    """The ways into the accounts of one host. Raises HostError for what cannot be read."""

    def __init__(self, ssh: SshLogin, people: People) -> None:
        self._ssh = ssh
        self._people = people
        self._shells: dict[str, Mapping[str, Key]] = {}

    def keys(self, user: User) -> dict[str, str]:
        """The files of all keys that sshd takes for the account from anywhere, by fingerprint."""
        return {key.fingerprint: path for key, path, why in self._tried(user) if key is not None and not why}

    def shells(self, user: User) -> Mapping[str, Key]:
        """The keys with which the account gets a shell, by fingerprint; none where sshd gives it no shell."""
        if user.name not in self._shells:
            tried = self._tried(user) if self._ssh.verdict(user).can else ()
            self._shells[user.name] = {
                key.fingerprint: key
                for key, _, why in tried
                if key is not None and not why and not _forced(key)
            }
        return self._shells[user.name]

    def listed(self, user: User) -> frozenset[str]:
        """The fingerprints in the files that sshd reads for an account, whether or not it takes them."""
        if self._ssh.config is None:
            return frozenset()
        settings = self._ssh.settings(user, Origin())
        lines = (
            line
            for path in self._ssh.paths(settings, user)
            for line in self._ssh.lines(path, settings, user)[1]
        )
        return frozenset(key.fingerprint for key in map(authorized_keys.read, lines) if key is not None)

    def words(self, user: User) -> list[str]:
        """Every way in, in words: keys with their file, and a password.

        A key that gives no shell is told as such.
        """
        by_key = self._ssh.verdict(user)
        keys = [(key, path) for key, path, why in self._tried(user) if key is not None and not why]
        words = [f"key {key.fingerprint} in {path}{_limit(key, shell=by_key.can)}" for key, path in keys]
        words += [by_key.how] if by_key.can and not keys else []
        by_password = self.by_password(user)
        return list(dict.fromkeys((*words, *([by_password.how] if by_password.can else []))))

    def why_not(self, user: User, fingerprint: str) -> str:
        """Why sshd does not take this key for the account; empty if it does, and where there is no sshd."""
        if self._ssh.config is None:
            return ""
        reasons: list[str] = []
        for key, path, why in self._tried(user):
            if key is not None and key.fingerprint == fingerprint and not why:
                return ""
            if key is None or key.fingerprint == fingerprint:
                reasons.append(f"{path}: {why}" if key is not None else why)
        settings = self._ssh.settings(user, Origin())
        return (
            next(iter(reasons), "")
            or f"it is in no file that sshd reads: {settings.as_line('authorizedkeysfile')}"
        )

    def asks_pam(self, user: User) -> bool:
        """Whether sshd lets PAM decide about the account, with the age of its password."""
        return (
            self._ssh.config is not None
            and self._ssh.settings(user, Origin()).choice("usepam", "no") == "yes"
        )

    def by_password(self, user: User) -> Verdict:
        """Whether the account logs in with a password alone, from anywhere."""
        if self._ssh.config is None:
            return Verdict("sshd has no configuration")
        why = self._ssh.closed(user) or self._ssh.aged(user)
        if why:
            return Verdict(why)
        verdicts = [self._password_from(user, origin) for origin in sshd_config.origins(self._ssh.config)]
        return next((verdict for verdict in verdicts if verdict.can), verdicts[0])

    def _tried(self, user: User) -> Iterator[tuple[Key | None, str, str]]:
        """Yield every key in every file, and why it is not taken; no key with the reason against a whole
        file, or against everybody.
        """
        if self._ssh.config is None:
            return
        for origin in sshd_config.origins(self._ssh.config):
            settings = self._ssh.settings(user, origin)
            why = (
                self._closed(user, settings, origin)
                or not_root(settings, user)
                or self._ssh.no_method(settings, user)
            )
            if why:
                yield None, "", why
                continue
            judge = self._ssh.judge(settings, origin)
            for path in self._ssh.paths(settings, user):
                closed, lines = self._ssh.lines(path, settings, user)
                if closed:
                    yield None, path, closed
                for key in filter(None, map(authorized_keys.read, lines)):
                    yield key, path, judge.refusal(key)

    def _closed(self, user: User, settings: Settings, origin: Origin) -> str:
        """Why nobody gets in at all; empty if somebody does. sshd's own internal-sftp needs no shell."""
        sftp = settings.word("forcecommand", "none").startswith(_SFTP)
        closed = "" if sftp else self._ssh.closed(user)
        return closed or not_listed(settings, Login(user.name, self._people.groups_of(user), origin))

    def _password_from(self, user: User, origin: Origin) -> Verdict:
        settings = self._ssh.settings(user, origin)
        why = not_listed(settings, Login(user.name, self._people.groups_of(user), origin)) or no_shell(
            settings
        )
        if not why and user.uid == 0 and settings.choice("permitrootlogin", "prohibit-password") != "yes":
            why = settings.as_line("permitrootlogin")
        is_empty = self._people.password_is_empty(user.name)
        if why or not _takes_passwords(settings, is_empty=is_empty):
            return Verdict(why or "sshd takes no password alone")
        if is_empty:
            is_taken = settings.choice("permitemptypasswords", "no") == "yes"
            return (
                Verdict(how="a password that is empty")
                if is_taken
                else Verdict("the password is empty, which sshd does not take")
            )
        works = self._people.password_works(user.name)
        return Verdict(how="password") if works else Verdict("the account has no password that works")


def _limit(key: Key, *, shell: bool) -> str:
    if _forced(key):
        return ", for one command only"
    return "" if shell else ", without a shell"


def _forced(key: Key) -> bool:
    return any(name == "command" for name, _ in key.options)


def _takes_passwords(settings: Settings, *, is_empty: bool) -> bool:
    """Whether one method that asks for a password is allowed, and enough.

    Where empty passwords are tried first, sshd 9.2 drops a client that then answers PAM's questions:
    pam_setcred(3) remembers the first failure.
    """
    pam = settings.choice("usepam", "no") == "yes"
    questions = pam and (is_empty or settings.choice("permitemptypasswords", "no") != "yes")
    ways = {way.partition(":")[0].lower() for way in settings.words("authenticationmethods", ("any",))}
    return any(
        settings.choice(keyword, "yes") == "yes" and bool(ways & {"any", method})
        for method, keyword in _PASSWORDS
        if questions or method == "password"
    )
