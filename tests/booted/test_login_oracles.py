"""Our reading of sshd_config and sudoers is that of sshd -T -C and sudo -l -U: configurations with every turn
that we know of.
"""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Mapping

import pytest

from reconciler.formats.ssh import sshd_config
from reconciler.formats.ssh.sshd_keywords import accepted
from reconciler.formats.ssh.sshd_match import Login, Origin
from reconciler.formats.sudo import answers as sudo_answers
from reconciler.formats.sudo import policy
from tests.booted.booted import BootedHost

PEOPLE = {"alice": frozenset({"alice", "sudo", "ml-users"}), "bob": frozenset({"bob"})}
ADDRESSES = ("192.0.2.7", "2001:db8::7")
DEFAULTS = {
    "permitrootlogin": ("without-password",),
    "pubkeyauthentication": ("yes",),
    "authorizedkeysfile": (".ssh/authorized_keys", ".ssh/authorized_keys2"),
    "authenticationmethods": ("any",),
    "usepam": ("no",),
    "strictmodes": ("yes",),
    "forcecommand": ("none",),
    "chrootdirectory": ("none",),
    "revokedkeys": ("none",),
    "requiredrsasize": ("1024",),
    **dict.fromkeys(("allowusers", "denyusers", "allowgroups", "denygroups"), ()),
}
MAIN = "/tmp/sshd/sshd_config"
Files = Mapping[str, str]

WRITTEN: tuple[Files, ...] = (
    {MAIN: "UsePAM yes\n"},
    {MAIN: "PubkeyAuthentication no\nPubkeyAuthentication yes\n"},
    {MAIN: "pubkeyauthentication = no # why\nALLOWUSERS alice\nAllowUsers bob@192.0.2.*\n"},
    {MAIN: "AllowUsers alice\nMatch User alice\n AllowUsers bob\n AllowUsers carol\n"},
    {
        MAIN: (
            "Match User alice\n PubkeyAuthentication no\nMatch User alice,bob\n PubkeyAuthentication yes\n"
            " PermitRootLogin yes\n"
        )
    },
    {MAIN: "PubkeyAuthentication no\nMatch all\n PubkeyAuthentication yes\n"},
    {
        MAIN: (
            "Match all\n PubkeyAuthentication no\n AllowGroups x\nMatch User bob\n PubkeyAuthentication yes\n"
        )
    },
    {
        MAIN: (
            "Match Group sudo,!ml-users\n PubkeyAuthentication no\nMatch Group s*\n ForceCommand /bin/false\n"
        )
    },
    {MAIN: "Match User *,!bob\n PubkeyAuthentication no\n"},
    {
        MAIN: (
            "Match Address 192.0.2.0/24\n PubkeyAuthentication no\nMatch Address !192.0.2.7,*\n"
            " PermitRootLogin no\n"
        )
    },
    {MAIN: "Match Address 2001:db8::/32 User alice\n PubkeyAuthentication no\n"},
    {MAIN: 'Match User "alice" Host 192.0.2.?\n AuthorizedKeysFile "/etc/keys/%u" .ssh/x\n'},
    {
        MAIN: "Include /tmp/sshd/a.conf\nPubkeyAuthentication yes\n",
        "/tmp/sshd/a.conf": "PubkeyAuthentication no\n",
    },
    {
        MAIN: "Include /tmp/sshd/*.conf\nUsePAM yes\n",
        "/tmp/sshd/b.conf": "AllowUsers bob\n",
        "/tmp/sshd/a.conf": "Match User alice\n PubkeyAuthentication no\n",
    },
    {
        MAIN: "Match User alice\n Include /tmp/sshd/a.conf\n PermitRootLogin no\n",
        "/tmp/sshd/a.conf": "PubkeyAuthentication no\nMatch User bob\n PermitRootLogin yes\n",
    },
    {
        MAIN: "Include /tmp/sshd/a.conf\nPermitRootLogin no\n",
        "/tmp/sshd/a.conf": "Match User bob\n PermitRootLogin yes\n Include /tmp/sshd/b.inc\n",
        "/tmp/sshd/b.inc": "PubkeyAuthentication no\nMatch all\n StreamLocalBindUnlink yes\n",
    },
    {
        MAIN: "Match User bob\n PermitRootLogin yes\nInclude /tmp/sshd/a.conf\n",
        "/tmp/sshd/a.conf": "Match User alice\n PubkeyAuthentication no\n",
    },
    {MAIN: "Include /tmp/sshd/none-*.conf\nStrictModes no\n"},
    {MAIN: "PubkeyAcceptedKeyTypes ssh-ed25519\n"},
    {MAIN: "PubkeyAcceptedAlgorithms -ssh-ed25519,ecdsa-*\n"},
    {MAIN: "PubkeyAcceptedAlgorithms +ssh-rsa\nMatch User bob\n PubkeyAcceptedAlgorithms rsa-sha2-*\n"},
    {MAIN: "AuthenticationMethods publickey,password publickey,keyboard-interactive\n"},
    {MAIN: "PermitRootLogin without-password\nMatch User bob\n PermitRootLogin forced-commands-only\n"},
    {MAIN: "RequiredRSASize 3072\nRevokedKeys /etc/ssh/revoked\nChrootDirectory /srv\n"},
    {MAIN: "AllowGroups sudo 'ml-users'\nDenyGroups \"x y\" z\n"},
    {MAIN: "\tAuthorizedKeysFile\t.ssh/authorized_keys\t/etc/ssh/%u\t\n\n# x\n   # y\n"},
)

BROKEN = (
    "PubkeyAuthentification yes\n",
    "PermitRootLogin maybe\n",
    "PubkeyAuthentication\n",
    "Match User alice\n UsePAM no\n",
    "Match Usr alice\n",
    "Match User\n",
    "AllowUsers 'alice\n",
    "Match Address 192.0.2.7/24\n",
    "Match all User alice\n",
    "StrictModes yes no\n",
)


def _random_files(seed: int) -> Files:
    """A configuration of many lines, with a file that it includes."""
    dice = random.Random(seed)  # noqa: S311  # no secret
    lines = (
        "PubkeyAuthentication yes",
        "PubkeyAuthentication no",
        "PermitRootLogin yes",
        "PermitRootLogin no",
        "AllowUsers alice",
        "AllowUsers b*",
        "DenyUsers bob@192.0.2.7",
        "AllowGroups sudo",
        "DenyGroups ml-*",
        "AuthorizedKeysFile /etc/k/%u",
        "ForceCommand /bin/true",
        "PubkeyAcceptedAlgorithms -ssh-ed25519",
        "Match User alice",
        "Match User !alice,*",
        "Match Group sudo",
        "Match all",
        "Match Address 192.0.2.0/24",
        "Match User bob Address 2001:db8::/32",
        "Include /tmp/sshd/a.conf",
    )

    def text(number: int, choices: tuple[str, ...]) -> str:
        return "".join(f"{dice.choice(choices)}\n" for _ in range(number))

    return {MAIN: text(dice.randint(1, 12), lines), "/tmp/sshd/a.conf": text(dice.randint(1, 6), lines[:-1])}


def ours(files: Files, user: str, address: str) -> dict[str, object]:
    """The settings that we say are in force."""
    from fnmatch import fnmatch

    lines = sshd_config.parse(
        MAIN,
        files[MAIN],
        lambda pattern: [
            (path, files[path]) for path in sorted(files) if path != MAIN and fnmatch(path, pattern)
        ],
    )
    assert [] == list(sshd_config.problems(lines))

    said = sshd_config.in_force(lines, Login(user, PEOPLE[user], Origin(address, "127.0.0.1", "22")))
    found: dict[str, object] = {name: said.words(name, default) for name, default in DEFAULTS.items()}
    found["permitrootlogin"] = tuple(
        word.replace("prohibit-password", "without-password")
        for word in said.words("permitrootlogin", ("without-password",))
    )
    return found | {"pubkeyacceptedalgorithms": accepted(",".join(said.words("pubkeyacceptedalgorithms")))}


def theirs(output: str) -> dict[str, object]:
    """The settings that sshd -T says are in force."""
    found: dict[str, object] = dict.fromkeys(("allowusers", "denyusers", "allowgroups", "denygroups"), ())
    for line in output.splitlines():
        name, _, value = line.partition(" ")
        if name in ("allowusers", "denyusers", "allowgroups", "denygroups"):
            found[name] = (*found[name], value)  # type: ignore[misc]  # a tuple
        elif name == "pubkeyacceptedalgorithms":
            found[name] = frozenset(value.split(","))
        elif name in DEFAULTS:
            found[name] = tuple(value.split(" "))
    return found


_ASK = """
cd /tmp/cases
for case in *; do
  rm -rf /tmp/sshd; cp -a $case /tmp/sshd
  for user in alice bob; do for address in ADDRESSES; do
    echo "=== $case $user $address"
    /usr/sbin/sshd -T -f /tmp/sshd/sshd_config -C user=$user,host=$address,addr=$address,laddr=127.0.0.1,lport=22 2>&1
  done; done
done
"""


@pytest.fixture
def people(booted: BootedHost) -> BootedHost:
    """A host with alice and bob in their groups."""
    booted.run("groupadd", "ml-users")
    booted.run("useradd", "--groups", "sudo,ml-users", "alice")
    booted.run("useradd", "bob")
    return booted


def test_what_is_in_force_is_what_sshd_says(people: BootedHost) -> None:
    """For each configuration, account and address: every keyword that decides about logins has the value that
    sshd -T -C tells.
    """
    cases = [*WRITTEN, *(_random_files(seed) for seed in range(60))]
    script = "".join(
        f"mkdir -p /tmp/cases/{number:03}; cat > /tmp/cases/{number:03}/{path.rpartition('/')[2]}"
        f" <<'END'\n{text}END\n"
        for number, files in enumerate(cases)
        for path, text in files.items()
    )
    people.run("sh", "-eu", input=script)
    said = people.run("sh", "-c", _ASK.replace("ADDRESSES", " ".join(ADDRESSES)), timeout=200).stdout
    answers = {
        tuple(block.split("\n", 1)[0].split()): block.split("\n", 1)[1] for block in said.split("=== ")[1:]
    }
    wrong = []
    for (number, files), user, address in itertools.product(enumerate(cases), PEOPLE, ADDRESSES):
        expected, actual = theirs(answers[f"{number:03}", user, address]), ours(files, user, address)
        wrong += [
            (files, user, address, name, expected.get(name), actual[name])
            for name in actual
            if expected.get(name) != actual[name]
        ]

    assert [] == wrong[:3]


def test_what_sshd_does_not_start_with_is_a_problem(people: BootedHost) -> None:
    """Each broken configuration is one for sshd and one for us."""
    for text in BROKEN:
        people.write("/tmp/broken", text)
        said = people.run("/usr/sbin/sshd", "-t", "-f", "/tmp/broken", check=False)

        assert said.returncode != 0, text
        assert list(sshd_config.problems(sshd_config.parse("/tmp/broken", text, lambda _: ()))), text


SUDOERS = (
    "alice ALL=(ALL:ALL) ALL",
    "alice ALL=(ALL) NOPASSWD: ALL",
    "%sudo ALL=(ALL) NOPASSWD: ALL\nalice ALL=(ALL) ALL",
    "alice ALL=(ALL) ALL\n%sudo ALL=(ALL) NOPASSWD: ALL",
    "alice ALL=NOPASSWD: ALL",
    "alice ALL=(bob) NOPASSWD: ALL",
    "alice ALL=(bob,root) NOPASSWD: ALL",
    "alice ALL=(ALL,!root) NOPASSWD: ALL",
    "alice ALL=(:bob) NOPASSWD: ALL",
    "alice testhost=(root) NOPASSWD: ALL",
    "alice elsewhere=(root) NOPASSWD: ALL",
    "alice ALL,!testhost=(root) NOPASSWD: ALL",
    "ALL ALL=(ALL) NOPASSWD: ALL",
    "ALL,!alice ALL=(ALL) NOPASSWD: ALL",
    "alice, bob ALL = (root) NOPASSWD: /usr/bin/true, ALL",
    "alice ALL=(root) NOPASSWD: /usr/bin/true, PASSWD: ALL",
    "alice ALL=(root) NOPASSWD: ALL, !ALL",
    "alice ALL=(root) NOPASSWD: ALL, !/usr/bin/true",
    "alice ALL=(root) NOPASSWD: ALL\nalice ALL=(root) !ALL",
    "alice ALL=(root) NOPASSWD: /bin/",
    "alice ALL=(root) NOPASSWD: /usr/bin/true",
    (
        "User_Alias A = bob, %sudo\nCmnd_Alias C = ALL\nHost_Alias H = testhost\nRunas_Alias R = root\nA H ="
        " (R) NOPASSWD: C"
    ),
    "User_Alias A = bob : B = alice\nB ALL = (ALL) NOPASSWD: ALL",
    "User_Alias A = ALL, !alice\nA ALL = (ALL) NOPASSWD: ALL",
    "Defaults !authenticate\nalice ALL=(ALL) ALL",
    "Defaults:alice !authenticate\nalice ALL=(ALL) ALL",
    "Defaults:bob !authenticate\nalice ALL=(ALL) ALL",
    "Defaults !authenticate\nDefaults:alice authenticate\nalice ALL=(ALL) ALL",
    "Defaults !authenticate\nalice ALL=(ALL) PASSWD: ALL",
    "alice ALL=(ALL) NOPASSWD: ALL # a comment\n#1234 ALL=(ALL) ALL",
    "alice ALL=(ALL) \\\n  NOPASSWD: ALL",
    "alice ALL=(ALL) NOPASSWD ALL",
    "alice ALL=(ALL\nalice ALL=(ALL) NOPASSWD: ALL",
    "alice ALL=(ALL) NOEXEC: NOPASSWD: ALL",
    "alice ALL=(ALL) CWD=/tmp TIMEOUT=1m NOPASSWD: ALL",
    "alice ALL=/usr/bin/true : testhost=(ALL) NOPASSWD: ALL",
)


_TRY_SUDO = """chmod 440 /etc/sudoers.d/x
echo "=== $(su -s /bin/sh alice -c 'sudo -n /bin/sh -c "echo in"' 2>/dev/null) $(sudo -U alice -l /bin/sh 2>/dev/null)"
"""


def test_who_becomes_root_is_what_sudo_says(people: BootedHost) -> None:
    """For each file of rules: whether alice may run a shell as root, and whether sudo does it without a
    password.
    """
    script = "\n".join(f"cat > /etc/sudoers.d/x <<'END'\n{text}\nEND\n{_TRY_SUDO}" for text in SUDOERS)
    people.run("sed", "-i", "/^%sudo/d", "/etc/sudoers")
    said = people.run("sh", "-c", script, timeout=120).stdout
    answers = [
        (" in " in f" {line} ", "/bin/sh" in line) for line in re.findall(r"^=== (.*)$", said, re.MULTILINE)
    ]
    uid = int(people.getent("passwd", "alice")[2])
    who = policy.Who("alice", uid, PEOPLE["alice"], frozenset({uid}), "testhost")
    grants = [
        sudo_answers.become_root(policy.parse(text, "testhost", lambda _: None, lambda _: ()), who)
        for text in SUDOERS
    ]
    ours_ = [(grant.allowed and not grant.password, grant.allowed) for grant in grants]

    assert [] == [
        (text, expected, actual)
        for text, expected, actual in zip(SUDOERS, answers, ours_, strict=True)
        if expected != actual
    ]
