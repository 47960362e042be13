"""Whether somebody can log in with a key, and why not: what sshd makes of its configuration, an account and
its files of keys.

Sources: sshd(8), auth.c, auth2-pubkey.c and misc.c of OpenSSH 9.2 with Debian's patch for group-writable
files, tried with a live sshd. Not seen: keys that a program gives (AuthorizedKeysCommand), whether somebody
holds a certificate for a key of an authority, and PAM modules other than pam_unix, pam_nologin, pam_shells,
pam_limits and pam_access.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cached_property

from reconciler.core.basics.frozen import frozen
from reconciler.core.host import Entry, FileType
from reconciler.formats.accounts.passwd import User
from reconciler.formats.ssh import authorized_keys, sshd_config, sshd_match
from reconciler.formats.ssh.sshd_config import Line, Settings
from reconciler.formats.ssh.sshd_match import Login, Origin
from reconciler.policy.access.login_accounts import People
from reconciler.policy.access.ssh.key_judge import KeyJudge
from reconciler.policy.symlinks import Followed

CONFIG = "/etc/ssh/sshd_config"
_KEY_FILES = (".ssh/authorized_keys", ".ssh/authorized_keys2")
_LARGEST_KEYS = 1 << 20
"""Bytes of a file of keys that is read: a user can make theirs as large as the disk."""
_DEBIAN = "/etc/debian_version"
_WRITABLE_BY_OTHERS, _WRITABLE_BY_GROUP = 0o002, 0o020
_SECONDS_A_DAY = 86_400
_MISSING = " is not there"


@frozen
class Verdict:
    """Whether somebody can do it: `why` says why not, empty if they can; `how` says by what they can."""

    why: str = ""
    how: str = ""

    @property
    def can(self) -> bool:
        """Whether they can."""
        return not self.why


class _Included:
    """As `sshd_config.Include`."""

    def __init__(self, files: Followed) -> None:
        self._files = files

    def __call__(self, pattern: str) -> Sequence[tuple[str, str]]:
        if not pattern.startswith("/"):
            return ()
        texts = [(path, self._files.text(path)) for path in self._files.matching(pattern)]
        return [(path, text) for path, text in texts if text is not None]


def configuration(files: Followed) -> dict[str, tuple[bytes, dict[int, tuple[str, ...]]]]:
    """The files that sshd reads, the main one first: their content, and the paths that each Include line
    finds, by its number.
    """
    contents: dict[str, tuple[bytes, dict[int, tuple[str, ...]]]] = {}
    include, todo = _Included(files), [CONFIG]
    for path in todo:
        content = files.read(path)
        if content is None or path in contents:
            continue
        lines = sshd_config.parse(path, content.decode("utf-8", "surrogateescape"), lambda _: ())
        included = {
            line.number: tuple(name for pattern in sshd_config.patterns(line) for name, _ in include(pattern))
            for line in lines
            if line.keyword == "include"
        }
        contents[path] = (content, included)
        todo += [name for names in included.values() for name in names]
    return contents


class SshLogin:
    """sshd of one host. `now` is in seconds since the epoch. Raises HostError for what cannot be read."""

    def __init__(self, files: Followed, people: People, now: int) -> None:
        self._files = files
        self._people = people
        self._now = now
        self._for_all: Settings | None = None

    @cached_property
    def config(self) -> tuple[Line, ...] | None:
        """The configuration that sshd reads; None where it has nothing to read, and does not run."""
        text = self._files.text(CONFIG)
        return None if text is None else sshd_config.parse(CONFIG, text, _Included(self._files))

    def verdict(self, user: User, origin: Origin | None = None) -> Verdict:
        """Whether the account can log in with a key, from an origin or from anywhere."""
        if self.config is None:
            return Verdict("sshd has no configuration")
        why = self.closed(user)
        if why:
            return Verdict(why)
        origins = sshd_config.origins(self.config) if origin is None else [origin]
        verdicts = [self._from(user, address) for address in origins]
        return next((verdict for verdict in verdicts if verdict.can), verdicts[0])

    # ------------------------------------------------------------------------------------------ configuration

    def settings(self, user: User, origin: Origin) -> Settings:
        """The settings in force for a login; there must be a configuration."""
        assert self.config is not None
        if self._for_all is not None:
            return self._for_all
        settings = sshd_config.in_force(self.config, Login(user.name, self._people.groups_of(user), origin))
        if not sshd_config.has_blocks(self.config):
            self._for_all = settings
        return settings

    # ---------------------------------------------------------------------------------------------- one login

    def _from(self, user: User, origin: Origin) -> Verdict:
        settings = self.settings(user, origin)
        login = Login(user.name, self._people.groups_of(user), origin)
        why = (
            not_listed(settings, login)
            or not_root(settings, user)
            or self.no_method(settings, user)
            or no_shell(settings)
        )
        return Verdict(why) if why else self._keys(settings, user, origin)

    def no_method(self, settings: Settings, user: User) -> str:
        """Why a key is not enough; empty if it is."""
        if settings.choice("pubkeyauthentication", "yes") == "no":
            return settings.as_line("pubkeyauthentication")
        ways = settings.words("authenticationmethods", ("any",))
        if any(self._enough(way, settings, user) for way in ways):
            return ""
        return f"{settings.as_line('authenticationmethods')} asks for more than a key"

    def _enough(self, way: str, settings: Settings, user: User) -> bool:
        """Whether a list of methods can be gone through with a key, and a password where there is one."""
        if way.lower() == "any":
            return True
        methods = [method.partition(":")[0].lower() for method in way.split(",")]
        keywords = {
            "password": "passwordauthentication",
            "keyboard-interactive": "kbdinteractiveauthentication",
        }
        others = [method for method in methods if method != "publickey"]
        allowed = all(
            method in keywords and settings.choice(keywords[method], "yes") == "yes" for method in others
        )
        return (
            methods.count("publickey") == 1
            and allowed
            and (not others or self._people.password_works(user.name))
        )

    def _keys(self, settings: Settings, user: User, origin: Origin) -> Verdict:
        """Whether a key lets somebody in: the first that does, or what is wrong with the files and all their
        keys.
        """
        reasons: list[str] = []
        if settings.choice("trustedusercakeys", "none") != "none" and self._authority(
            settings.word("trustedusercakeys", "none")
        ):
            return Verdict(how=settings.as_line("trustedusercakeys"))
        revoked = settings.word("revokedkeys", "none")
        if revoked.lower() != "none" and not self._files.is_file(revoked):
            return Verdict(f"{settings.as_line('revokedkeys')} is not there: sshd then refuses every key")
        judge = self.judge(settings, origin)
        for path in self.paths(settings, user):
            why, lines = self.lines(path, settings, user)
            reasons += [why] if why else []
            for key in filter(None, map(authorized_keys.read, lines)):
                flaw = judge.flaw(key)
                if not flaw:
                    return Verdict(how=f"key {key.fingerprint} in {path}")
                reasons.append(f"key {key.fingerprint} in {path}: {flaw}")
        relevant = [reason for reason in reasons if not reason.endswith(_MISSING)] or reasons
        return Verdict("; ".join(relevant) or settings.as_line("authorizedkeysfile"))

    def judge(self, settings: Settings, origin: Origin) -> KeyJudge:
        """The judge of whether sshd takes a key for a login."""
        revoked = settings.word("revokedkeys", "none")
        withdrawn = self._files.read(revoked) or b"" if revoked.lower() != "none" else b""
        return KeyJudge(settings, origin, self._now, _blobs(withdrawn), self._files)

    def closed(self, user: User) -> str:
        """Why nobody logs in to this account by any way; empty if somebody does."""
        pam = self.settings(user, Origin()).choice("usepam", "no") == "yes"
        return self._people.why_not(user, pam=pam, today=self._now // _SECONDS_A_DAY)

    def aged(self, user: User) -> str:
        """Why a login with a password does no more than change it; without PAM sshd looks at the age itself
        (auth-passwd.c).
        """
        return self._people.why_aged(user.name, today=self._now // _SECONDS_A_DAY)

    def _authority(self, path: str) -> bool:
        entry = self._files.entry(path) if path.startswith("/") else None
        return entry is not None and entry.type is FileType.FILE and entry.size > 0

    def paths(self, settings: Settings, user: User) -> Iterator[str]:
        """Every file of keys that sshd reads for an account."""
        tokens = {"%%": "%", "%h": user.home, "%u": user.name, "%U": str(user.uid)}
        for word in settings.words("authorizedkeysfile", _KEY_FILES):
            path = re.sub("%.", lambda match: tokens.get(match[0], match[0]), word)
            if word.lower() != "none":
                yield path if path.startswith("/") else f"{user.home.rstrip('/')}/{path}"

    def lines(self, path: str, settings: Settings, user: User) -> tuple[str, Sequence[str]]:
        """The reason why sshd takes no keys from a file, or an empty one with the lines of the file."""
        real = self._files.real(path)
        entry = None if real is None else self._files.entry(real)
        if real is None or entry is None:
            return f"{path}{_MISSING}", ()
        if entry.type is not FileType.FILE:
            return f"{path} is no regular file", ()
        why = self._unreachable(real, user) or (
            self._insecure(real, user) if settings.choice("strictmodes", "yes") == "yes" else ""
        )
        if why or entry.size > _LARGEST_KEYS:
            return why or f"{path} is too large", ()
        lines = (self._files.text(path) or "").split("\n")
        keys = any(authorized_keys.read(line) is not None for line in lines)
        return ("", lines) if keys else (f"no key is in {path}", ())

    def _unreachable(self, real: str, user: User) -> str:
        """Why the user, with whose rights sshd reads keys, cannot read the file; empty if they can."""
        for at in _above(real):
            entry = self._files.entry(at)
            if entry is not None and not self._may(entry, user, 1):
                return f"{at} is closed to {user.name} (mode {entry.mode}, owner {entry.owner})"
        entry = self._files.entry(real)
        if entry is not None and not self._may(entry, user, 4):
            return f"{user.name} cannot read {real} (mode {entry.mode}, owner {entry.owner})"
        return ""

    def _may(self, entry: Entry, user: User, bit: int) -> bool:
        mode = int(entry.mode, 8)
        if user.uid == 0:
            return True
        if self._people.uid(entry.owner) == user.uid:
            return bool(mode >> 6 & bit)
        return bool((mode >> 3 if entry.group in self._people.groups_of(user) else mode) & bit)

    def _insecure(self, real: str, user: User) -> str:
        """Why sshd does not trust the file (StrictModes): it and every directory up to the home, or to the
        top, must be the user's or root's, and nobody else may write there.
        """
        home = self._files.real(user.home)
        for at in (real, *_above(real)):
            entry = self._files.entry(at)
            if entry is not None and not self._is_secure(entry, user):
                return (
                    f"{at} has mode {entry.mode} and owner {entry.owner}, which sshd does not trust"
                    " (StrictModes)"
                )
            if at == home:
                break
        return ""

    def _is_secure(self, entry: Entry, user: User) -> bool:
        mode = int(entry.mode, 8)
        if self._people.uid(entry.owner) not in (0, user.uid) or mode & _WRITABLE_BY_OTHERS:
            return False
        if not mode & _WRITABLE_BY_GROUP:
            return True
        return self._files.entry(_DEBIAN) is not None and self._people.is_private(entry.group, user)


def _above(path: str) -> Iterator[str]:
    """Every directory above a path, the nearest first."""
    while path != "/":
        path = path.rpartition("/")[0] or "/"
        yield path


# --------------------------------------------------------------------------------------------------- settings


def not_listed(settings: Settings, login: Login) -> str:
    """Why the lists of users and groups keep a login out; empty if they do not."""
    denied = next(
        (word for word in settings.words("denyusers") if sshd_match.user_pattern(login, word, allows=False)),
        "",
    )
    if denied:
        return settings.as_line("denyusers")
    if settings.words("allowusers") and not any(
        sshd_match.user_pattern(login, word, allows=True) for word in settings.words("allowusers")
    ):
        return f"not in {settings.as_line('allowusers')}"
    if any(_in_group(login, word) for word in settings.words("denygroups")):
        return settings.as_line("denygroups")
    if settings.words("allowgroups") and not any(
        _in_group(login, word) for word in settings.words("allowgroups")
    ):
        return f"in no group of {settings.as_line('allowgroups')}"
    return settings.as_line("refuseconnection") if settings.choice("refuseconnection", "no") == "yes" else ""


def _in_group(login: Login, pattern: str) -> bool:
    return any(sshd_match.matches(group, pattern) for group in login.groups)


def not_root(settings: Settings, user: User) -> str:
    """Why root may not log in with a key; empty if root may, and for everybody else."""
    allowed = settings.choice("permitrootlogin", "prohibit-password")
    if user.uid or allowed in ("yes", "prohibit-password", "without-password"):
        return ""
    return settings.as_line("permitrootlogin")


def no_shell(settings: Settings) -> str:
    """The setting that takes the place of a shell, or of the file system that it would work in."""
    for keyword in ("forcecommand", "chrootdirectory"):
        if settings.choice(keyword, "none") != "none":
            return settings.as_line(keyword)
    return _no_session(settings)


def _no_session(settings: Settings) -> str:
    """The limits of sshd with which nobody gets as far as a session."""
    for keyword in ("maxsessions", "maxauthtries", "persourcemaxstartups"):
        if settings.choice(keyword, "1") == "0":
            return settings.as_line(keyword)
    return ""


# ---------------------------------------------------------------------------------------------------- keys


def _blobs(content: bytes) -> frozenset[bytes]:
    """The keys in a list of revoked ones; none of a binary list (KRL), which is not read."""
    lines = content.decode("utf-8", "replace").split("\n") if not content.startswith(b"SSHKRL") else []
    return frozenset(key.blob for key in map(authorized_keys.read, lines) if key is not None)
