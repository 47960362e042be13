"""SSH: how somebody gets in over the network."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from collections.abc import Set as AbstractSet

from reconciler.audit.facts import Facts
from reconciler.audit.mends import directory, sshd_setting
from reconciler.audit.model import Fail, Finding, NotKnown, Severity
from reconciler.audit.persons import first_person
from reconciler.audit.registry import check
from reconciler.core.host import HostError
from reconciler.formats.audit.people.passwords import parse_shadow
from reconciler.formats.audit.ssh import parse_settings
from reconciler.formats.ssh import authorized_keys, sshd_config
from reconciler.formats.ssh.authorized_keys import RSA_GOOD

_FILES = ("/etc/ssh/sshd_config", "/etc/ssh/sshd_config.d")
_MOST_ACCOUNTS = 20
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_MOST_ATTEMPTS = 6
_WEAK: Mapping[str, re.Pattern[str]] = {
    "kexalgorithms": re.compile(r"diffie-hellman-group(?:1|14|-exchange)-sha1.*"),
    "ciphers": re.compile(r".*-cbc.*|arcfour.*|.*3des.*|blowfish.*"),
    "macs": re.compile(r"hmac-md5.*|hmac-sha1-96.*|hmac-ripemd.*"),
    "hostkeyalgorithms": re.compile(r"ssh-rsa(?:-cert.*)?|ssh-dss.*"),
    "pubkeyacceptedalgorithms": re.compile(r"ssh-rsa(?:-cert.*)?|ssh-dss.*"),
}
"""Algorithms that rest on SHA-1 signatures, MD5, short groups, or ciphers that leak; not HMAC with SHA-1."""
_SPELLED = {
    "kexalgorithms": "KexAlgorithms",
    "ciphers": "Ciphers",
    "macs": "MACs",
    "hostkeyalgorithms": "HostKeyAlgorithms",
    "pubkeyacceptedalgorithms": "PubkeyAcceptedAlgorithms",
}
_EDIT = "Write `{0}` into a file in /etc/ssh/sshd_config.d, and systemctl reload ssh."


@check(
    "ssh-password-authentication",
    severity=Severity.HIGH,
    title="The SSH server takes keys only, and no passwords",
    rationale="Passwords of every account can be guessed from anywhere that reaches the port; keys cannot.",
    remediation=(
        "Write `PasswordAuthentication no` into a file in /etc/ssh/sshd_config.d, after you have seen a login"
        " by key, and reload ssh."
    ),
    needs=("sshd",),
)
def no_passwords_over_ssh(facts: Facts) -> Iterator[Finding]:
    """PasswordAuthentication and KbdInteractiveAuthentication, where some account has a password."""
    opened = {row.name for row in facts.parsed("shadow", parse_shadow) if row.scheme and not row.locked}
    for who, settings in _settings(facts):
        if isinstance(settings, str):
            yield NotKnown(who, settings)
            continue
        is_for_root = "yes" in settings.get("permitrootlogin", ())
        exposed = {who} & opened if who else opened - (set() if is_for_root else {"root"})
        for name in ("PasswordAuthentication", "KbdInteractiveAuthentication"):
            if exposed and "yes" in settings.get(name.lower(), ()):
                yield _fail(facts, (name, who), ("no", "yes"), "no" if _keys_suffice(facts, opened) else "")


@check(
    "ssh-root-login",
    severity=Severity.HIGH,
    title="Root does not log in over SSH with a password",
    rationale="The one account that every attacker knows by name can then be guessed at, and has everything.",
    remediation=_EDIT.format("PermitRootLogin prohibit-password"),
    cis=("5.1.20",),
    needs=("sshd",),
)
def root_needs_a_key(facts: Facts) -> Iterator[Finding]:
    """PermitRootLogin."""
    yield from _wrong(facts, "PermitRootLogin", ("yes",), "prohibit-password or no", "prohibit-password")


@check(
    "ssh-empty-passwords",
    severity=Severity.CRITICAL,
    title="The SSH server lets nobody in without a password",
    rationale="Whoever reaches the port and knows the name of an account with an empty password is in.",
    remediation=_EDIT.format("PermitEmptyPasswords no"),
    cis=("5.1.19",),
    needs=("sshd",),
)
def no_empty_passwords(facts: Facts) -> Iterator[Finding]:
    """PermitEmptyPasswords."""
    yield from _wrong(facts, "PermitEmptyPasswords", ("yes",), "no")


@check(
    "ssh-strict-modes",
    severity=Severity.HIGH,
    title="The SSH server takes no keys from files that others write",
    rationale="Without StrictModes whoever can write somebody's key file logs in as that account.",
    remediation=_EDIT.format("StrictModes yes"),
    needs=("sshd",),
)
def modes_are_strict(facts: Facts) -> Iterator[Finding]:
    """StrictModes."""
    yield from _wrong(facts, "StrictModes", ("no",), "yes")


@check(
    "ssh-pam",
    severity=Severity.MEDIUM,
    title="The SSH server asks PAM about each account",
    rationale="Without PAM limits of sessions, further factors and the end date of passwords do not hold.",
    remediation=_EDIT.format("UsePAM yes"),
    cis=("5.1.22",),
    needs=("sshd",),
)
def pam_is_asked(facts: Facts) -> Iterator[Finding]:
    """UsePAM."""
    yield from _wrong(facts, "UsePAM", ("no",), "yes")


@check(
    "ssh-user-environment",
    severity=Severity.HIGH,
    title="The SSH server takes no variables from files of the user",
    rationale="With LD_PRELOAD a key that allows one command only gives a shell.",
    remediation=_EDIT.format("PermitUserEnvironment no"),
    cis=("5.1.21",),
    needs=("sshd",),
)
def no_user_environment(facts: Facts) -> Iterator[Finding]:
    """PermitUserEnvironment; a pattern of names may be given too."""
    for who, settings in _settings(facts):
        if isinstance(settings, str):
            yield NotKnown(who, settings)
            continue
        for value in settings.get("permituserenvironment", ()):
            if value != "no":
                yield _fail(facts, ("PermitUserEnvironment", who), ("no", value), "no")


@check(
    "ssh-host-based",
    severity=Severity.HIGH,
    title="The SSH server takes no other host's word for who somebody is",
    rationale="Root on any host that it trusts is then anybody on this one.",
    remediation=_EDIT.format("HostbasedAuthentication no"),
    cis=("5.1.10", "5.1.11"),
    needs=("sshd",),
)
def no_trusted_hosts(facts: Facts) -> Iterator[Finding]:
    """HostbasedAuthentication."""
    yield from _wrong(facts, "HostbasedAuthentication", ("yes",), "no")


@check(
    "ssh-attempts",
    severity=Severity.LOW,
    title="The SSH server ends a connection after a few attempts",
    rationale="Each attempt more is one more guess for the same connection, and fewer lines in the log.",
    remediation=_EDIT.format("MaxAuthTries 4"),
    cis=("5.1.16",),
    needs=("sshd",),
)
def attempts_are_few(facts: Facts) -> Iterator[Finding]:
    """MaxAuthTries; 6 is what sshd has without a setting."""
    for who, settings in _settings(facts):
        if isinstance(settings, str):
            yield NotKnown(who, settings)
            continue
        for value in settings.get("maxauthtries", ()):
            if value.isdecimal() and int(value) > _MOST_ATTEMPTS:
                yield _fail(facts, ("MaxAuthTries", who), (f"at most {_MOST_ATTEMPTS}", value), "4")


@check(
    "ssh-x11",
    severity=Severity.LOW,
    title="The SSH server forwards no X11",
    rationale="Root of the server then types and looks in the windows of whoever logs in with ssh -X.",
    remediation=_EDIT.format("X11Forwarding no"),
    cis=("5.1.8",),
    needs=("sshd",),
)
def no_x11(facts: Facts) -> Iterator[Finding]:
    """X11Forwarding, where xauth is there, without which it does nothing."""
    if facts.files.entry("/usr/bin/xauth") is not None:
        yield from _wrong(facts, "X11Forwarding", ("yes",), "no")


@check(
    "ssh-algorithms",
    severity=Severity.MEDIUM,
    title="The SSH server takes no broken algorithms",
    rationale="Signatures by SHA-1 can be forged, short groups computed ahead, and CBC leaks what was sent.",
    remediation="Take the algorithm out of the setting; without the setting sshd has a good choice.",
    cis=("5.1.6", "5.1.12", "5.1.15"),
    needs=("sshd",),
)
def algorithms_are_sound(facts: Facts) -> Iterator[Fail]:
    """Every algorithm in force that is known to be broken."""
    settings = facts.parsed("sshd", parse_settings)
    for name, weak in _WEAK.items():
        accepted = ",".join(settings.get(name, ())).split(",")
        for algorithm in accepted:
            if weak.fullmatch(algorithm):
                sound = [word for word in accepted if not weak.fullmatch(word)]
                mend = sshd_setting(facts, _SPELLED[name], ",".join(sound)) if sound else None
                yield Fail(f"{name} {algorithm}", "left out", "accepted", "sshd -T", spec=mend)


@check(
    "ssh-config-files",
    severity=Severity.CRITICAL,
    title="Only root writes the configuration of the SSH server",
    rationale="Whoever writes it lets in everybody, and has root run a command (AuthorizedKeysCommand).",
    remediation="chown root:root FILE; chmod g-w,o-w FILE.",
    cis=("5.1.1",),
)
def configuration_is_roots(facts: Facts) -> Iterator[Finding]:
    """The main file, the directory, and the files in it."""
    names = [f"{_FILES[1]}/{name}" for name in facts.names(_FILES[1])]
    for path in (*_FILES, *names):
        try:
            writers = facts.writers.of(path)
        except HostError as problem:
            yield NotKnown(path, problem.detail or problem.summary)
            continue
        if writers:
            how = next(iter(writers.values())).how
            entry = facts.entry(path)
            mend = directory(path, entry, int(entry.mode, 8) & ~0o022) if entry is not None else None
            yield Fail(path, "only root writes it", how, path, spec=mend)


@check(
    "ssh-host-keys",
    severity=Severity.HIGH,
    title="Only root reads the private keys of the host",
    rationale="Whoever has them is this host for everybody who logs in, and hears what they type.",
    remediation="chown root:root FILE; chmod 0600 FILE; if others could read it: make new keys.",
    cis=("5.1.2",),
    needs=("sshd",),
)
def host_keys_are_roots(facts: Facts) -> Iterator[Finding]:
    """Every HostKey of sshd."""
    for path in facts.parsed("sshd", parse_settings).get("hostkey", ()):
        entry = facts.files.entry(path)
        if entry is not None and (int(entry.mode, 8) & 0o077 or entry.owner != "root"):
            yield Fail(path, "at most 0600 root", f"{entry.mode} {entry.owner}", path)


@check(
    "ssh-host-key-size",
    severity=Severity.MEDIUM,
    title="The keys of the host are long enough",
    rationale="A short key can be computed from its public part; its holder is then this host for others.",
    remediation="ssh-keygen -t rsa -b 3072 -N '' -f FILE, or take the HostKey out; ed25519 is enough.",
    needs=("sshd",),
)
def host_keys_are_long(facts: Facts) -> Iterator[Finding]:
    """The public part of every HostKey of sshd."""
    for path in facts.parsed("sshd", parse_settings).get("hostkey", ()):
        text = facts.text("ssh-public-key", path, absent="")
        key = authorized_keys.read(text.split("\n", 1)[0])
        if key is not None and (key.type == "ssh-dss" or 0 < key.bits < RSA_GOOD):
            yield Fail(path, f"RSA of {RSA_GOOD} bits, or ed25519", _size(key), f"{path}.pub")


def _settings(facts: Facts) -> Iterator[tuple[str, Mapping[str, tuple[str, ...]] | str]]:
    """Yield what sshd does for everybody, and for each account that a Match block could be about; a text
    says why nothing is known for one.
    """
    yield "", facts.parsed("sshd", parse_settings)
    config = facts.doors.ssh.config
    if config is None or not sshd_config.has_blocks(config):
        return
    names = _accounts(facts)
    for name in names[:_MOST_ACCOUNTS]:
        if not _PLAIN.fullmatch(name):
            yield name, "sshd cannot be asked about an account with such a name"
            continue
        try:
            yield name, facts.parsed("sshd-for-user", parse_settings, name)
        except HostError as problem:
            yield name, problem.detail or problem.summary
    for name in names[_MOST_ACCOUNTS:]:
        yield name, f"sshd is asked about {_MOST_ACCOUNTS} accounts at most"


def _accounts(facts: Facts) -> list[str]:
    """Root, and the accounts that somebody can work in."""
    least = first_person(facts)
    users = [user for user in facts.users if user.uid == 0 or facts.people.has_shell(user)]
    return [user.name for user in sorted(users, key=lambda user: (0 < user.uid < least, user.uid))]


def _wrong(
    facts: Facts, name: str, wrong: Collection[str], expected: str, mend: str = ""
) -> Iterator[Finding]:
    """Yield where a setting has one of the wrong values: for everybody, or for accounts only.

    `mend` is the value to write, where `expected` is more than one.
    """
    general = ""
    for who, settings in _settings(facts):
        if isinstance(settings, str):
            yield NotKnown(who, settings)
            continue
        value = " ".join(settings.get(name.lower(), ()))
        general = value if not who else general
        if value in wrong and (not who or value != general):
            yield _fail(facts, (name, who), (expected, value), mend or expected)


def _keys_suffice(facts: Facts, opened: AbstractSet[str]) -> bool:
    """Whether somebody has a key, and everybody who can become root and has a password has one as well."""
    try:
        holders = {user.name for user in facts.users if facts.keys.listed(user)}
        without = (user for user in facts.users if user.uid and user.name in opened - holders)
        return bool(holders) and not any(facts.becoming.of(user) for user in without)
    except HostError:
        return False


def _fail(facts: Facts, setting: tuple[str, str], values: tuple[str, str], mend: str) -> Fail:
    """The finding about a setting; one in a Match block is not mended by a line outside of it."""
    name, who = setting
    spec = sshd_setting(facts, name, mend) if mend and not who else None
    return Fail(f"{name} for {who}" if who else name, *values, "sshd -T", spec=spec)


def _size(key: authorized_keys.Key) -> str:
    return f"{key.type} of {key.bits} bits" if key.bits else key.type
