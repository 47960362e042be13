"""Keys: who holds one that lets somebody in, and whether anybody declared it."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.audit.facts import Facts
from reconciler.audit.keys import Held, held
from reconciler.audit.model import Fail, Finding, NotApplicable, NotKnown, Severity
from reconciler.audit.registry import check
from reconciler.formats.audit.people.accounts import parse_homes
from reconciler.formats.ssh.authorized_keys import RSA_GOOD

_LIMITS = frozenset(("from", "command"))


@check(
    "key-undeclared",
    severity=Severity.HIGH,
    title="Each key that lets somebody in is declared",
    rationale="A key beside the declared ones is the usual way to come back, and nobody sees it at a login.",
    remediation="Declare it under `ssh_keys:`, or have the spec take it out: `ssh_keys: {exactly: [...]}`.",
)
def keys_are_declared(facts: Facts) -> Iterator[Finding]:
    """Every key that the spec does not give to the account in whose file it is."""
    if not facts.intent.key_users:
        raise NotApplicable("no spec declares keys")
    for item in held(facts):
        if isinstance(item, NotKnown):
            yield item
        elif not item.declared:
            yield Fail(item.object, "declared", f"{item.key.type}, declared by nobody", item.path)


@check(
    "key-root",
    severity=Severity.MEDIUM,
    title="A key that logs in as root is limited or declared",
    rationale="Whoever has such a key is root at once, and the log does not tell which person it was.",
    remediation="Log in as a person and use sudo; or limit the key with from= or command= in its line.",
)
def keys_of_root_are_limited(facts: Facts) -> Iterator[Finding]:
    """Every undeclared key of an account with number 0 that has neither from= nor command=."""
    for item in held(facts):
        if isinstance(item, NotKnown):
            if item.object == "root":
                yield item
        elif (
            item.user.uid == 0 and not item.declared and not _LIMITS & {name for name, _ in item.key.options}
        ):
            yield Fail(item.object, "from= or command=, or declared", "may do everything", item.path)


@check(
    "key-weak",
    severity=Severity.LOW,
    title="The keys that let somebody in are long enough",
    rationale="A short key can be computed from its public part, which lies on many hosts.",
    remediation="Have its holder make a new one: ssh-keygen -t ed25519.",
)
def keys_are_long(facts: Facts) -> Iterator[Finding]:
    """Every DSA key, and RSA keys below 3072 bits."""
    for item in held(facts):
        if isinstance(item, NotKnown):
            yield item
        elif item.key.type == "ssh-dss" or 0 < item.key.bits < RSA_GOOD:
            actual = f"{item.key.type} of {item.key.bits} bits" if item.key.bits else item.key.type
            yield Fail(item.object, f"ed25519, or RSA of {RSA_GOOD} bits", actual, item.path)


@check(
    "key-shared",
    severity=Severity.MEDIUM,
    title="No key lets somebody into several accounts",
    rationale="The log cannot tell who it was, and who leaves keeps a way in by the other account.",
    remediation="Give each person a key of their own, and take this one out of the other files.",
)
def keys_are_not_shared(facts: Facts) -> Iterator[Finding]:
    """Every key in the files of several accounts, unless the spec declares each of them."""
    holders: dict[str, list[Held]] = {}
    for item in held(facts):
        if isinstance(item, NotKnown):
            yield item
        else:
            holders.setdefault(item.key.fingerprint, []).append(item)
    for fingerprint, items in holders.items():
        names = dict.fromkeys(item.user.name for item in items)
        if len(names) > 1 and not all(item.declared for item in items):
            yield Fail(fingerprint, "one account", ", ".join(names), items[0].path)


@check(
    "key-second-file",
    severity=Severity.MEDIUM,
    title="No account has a second file of keys",
    rationale="sshd of Debian reads authorized_keys2 too, where nobody looks.",
    remediation="Move its keys to authorized_keys, or remove the file.",
)
def no_second_file(facts: Facts) -> Iterator[Finding]:
    """Every authorized_keys2."""
    names = {user.name for user in facts.users if facts.people.has_shell(user)}
    for name, home in facts.parsed("homes", parse_homes).items():
        if home.unknown and name in names:
            yield NotKnown(name, home.unknown)
        elif ".ssh/authorized_keys2" in home.files:
            yield Fail(name, "no authorized_keys2", "it is there", "~/.ssh/authorized_keys2")
