"""Plans that lock out, and plans that only look like it: a host, what was applied, what is declared.

`KEY:NAME` stands for a public key.

Alice is the one who gets in and becomes root, bob gets in and does not. Both have locked passwords.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Data = dict[str, Any]
Paths = Mapping[str, Mapping[str, str]]

RULE = [{"run": "ALL", "password": False}]
BASE: Data = {
    "users": {
        "alice": {"shell": "/bin/bash", "ssh_keys": {"exactly": ["KEY:alice"]}, "sudo": RULE},
        "bob": {"shell": "/bin/bash", "ssh_keys": ["KEY:bob"]},
    }
}
DROP_IN = "/etc/ssh/sshd_config.d/10-site.conf"
ADMINS = "/etc/sudoers.d/admins"


def with_user(name: str = "alice", base: Data = BASE, **fields: Any) -> Data:
    """The base with these fields of a user; None takes one away."""
    spec = copy.deepcopy(base)
    user = spec["users"].setdefault(name, {})
    for key, value in fields.items():
        user.pop(key, None)
        if value is not None:
            user[key] = value
    return spec


def without_user(name: str, base: Data = BASE) -> Data:
    """The base without this user."""
    return {**base, "users": {other: said for other, said in base["users"].items() if other != name}}


def with_file(path: str, content: str, mode: str = "0644", base: Data = BASE, **more: Any) -> Data:
    """The base with a file of root's."""
    said = {"content": content, "owner": "root", "group": "root", "mode": mode, **more}
    return {**base, "files": {**base.get("files", {}), path: said}}


def with_carol(spec: Data) -> Data:
    """The spec with another one like alice."""
    return with_user("carol", spec, shell="/bin/bash", ssh_keys=["KEY:carol"], sudo=RULE)


def sshd(text: str) -> Data:
    """The base with a drop-in of sshd."""
    return with_file(DROP_IN, text)


@dataclass(frozen=True, slots=True)
class LockPlan:
    """One plan. `why` is part of what the refusal says, empty where there is none.

    `lost` are the accounts that the refusal names, `left` is one that stays where there is none.

    `meanwhile` is what somebody did after `base` was applied. `live`: also on a booted host.
    """

    name: str
    spec: Data
    why: str = ""
    base: Data = field(default_factory=lambda: BASE)
    meanwhile: Paths = field(default_factory=dict)
    lost: tuple[str, ...] = ("alice",)
    left: str = "alice"
    live: bool = False
    groups: Mapping[str, int] = field(default_factory=dict)


_NO_KEYS = with_user(ssh_keys=None)
_BY_HAND: Paths = {
    "/home/alice/.ssh": {"mode": "0700", "owner": "alice", "group": "alice"},
    "/home/alice/.ssh/authorized_keys": {
        "content": "KEY:alice\n",
        "mode": "0600",
        "owner": "alice",
        "group": "alice",
    },
}
_ROOT_KEY: Paths = {
    "/root/.ssh": {"mode": "0700"},
    "/root/.ssh/authorized_keys": {"content": "KEY:alice\n", "mode": "0600"},
}
_SHELL = "/usr/local/bin/own-shell"
_OWN_SHELL = with_file(_SHELL, '#!/bin/sh\nexec /bin/sh "$@"\n', "0755", with_user(shell=_SHELL))
_RULES = with_file(ADMINS, "alice ALL=(ALL:ALL) NOPASSWD: ALL\n", "0440", with_user(sudo=None))
_GROUP_RULE: Paths = {ADMINS: {"content": "%sudo ALL=(ALL) NOPASSWD: ALL\n", "mode": "0440"}}
_IN_SUDO = with_user(groups=["sudo"], sudo=None)
_ALLOWED_GROUP: Paths = {DROP_IN: {"content": "AllowGroups staff ssh-u*\n", "mode": "0644"}}
_SSH_KEYS: Data = {**_NO_KEYS, "ssh_keys": {"alice": ["KEY:alice"]}}


def _directory(path: str, mode: str, base: Data) -> Data:
    return {**base, "directories": {path: {"owner": "alice", "group": "alice", "mode": mode, "adopt": True}}}


REFUSED: tuple[LockPlan, ...] = (
    # ------------------------------------------------------------------------------------------------ keys
    LockPlan(
        "last key no longer among exactly these",
        with_user(ssh_keys={"exactly": []}),
        "no key is in",
        live=True,
    ),
    LockPlan(
        "last key replaced by one that only runs a command",
        with_user(ssh_keys={"exactly": [{"key": "KEY:alice", "command": "/bin/true"}]}),
        "only runs one command",
        live=True,
    ),
    LockPlan(
        "last key expires in the past",
        with_user(ssh_keys={"exactly": [{"key": "KEY:alice", "expires": "2020-01-31"}]}),
        "it expired",
        live=True,
    ),
    LockPlan(
        "last key only from hosts by name",
        with_user(ssh_keys={"exactly": [{"key": "KEY:alice", "from": ["*.example.org", "localhost"]}]}),
        "only accepted from hosts by name",
        live=True,
    ),
    LockPlan(
        "last key leaves the spec",
        {**_NO_KEYS, "ssh_keys": {"bob": ["KEY:bob"]}}
        | {"users": without_user("bob", _NO_KEYS)["users"] | {"bob": {"shell": "/bin/bash"}}},
        "no key is in",
        base=_SSH_KEYS,
    ),
    LockPlan(
        "file of keys overwritten",
        with_file(
            "/home/alice/.ssh/authorized_keys",
            "# nobody\n",
            "0600",
            _NO_KEYS,
            owner="alice",
            group="alice",
            adopt=True,
        ),
        "no key is in",
        base=_NO_KEYS,
        meanwhile=_BY_HAND,
    ),
    LockPlan(
        "file of keys with an option that sshd skips the key for",
        with_file(
            "/home/alice/.ssh/authorized_keys",
            'permitopen="host" KEY:alice\n',
            "0600",
            _NO_KEYS,
            owner="alice",
            group="alice",
            adopt=True,
        ),
        "HOST:PORT",
        base=_NO_KEYS,
        meanwhile=_BY_HAND,
    ),
    LockPlan(
        "file of keys given to another",
        with_file(
            "/home/alice/.ssh/authorized_keys",
            "KEY:alice\n",
            "0604",
            _NO_KEYS,
            owner="bob",
            group="bob",
            adopt=True,
        ),
        "sshd does not trust",
        base=_NO_KEYS,
        meanwhile=_BY_HAND,
    ),
    # -------------------------------------------------------------------------------------------- the account
    LockPlan(
        "shell is nologin", with_user(shell="/usr/sbin/nologin"), "the shell is /usr/sbin/nologin", live=True
    ),
    LockPlan("shell goes", with_user(shell=_SHELL), f"the shell {_SHELL} is not there", base=_OWN_SHELL),
    LockPlan(
        "shell cannot be run",
        with_file(_SHELL, '#!/bin/sh\nexec /bin/sh "$@"\n', "0644", with_user(shell=_SHELL)),
        f"the shell {_SHELL} is not there, or cannot be run",
        base=_OWN_SHELL,
        live=True,
    ),
    LockPlan(
        "account expires in the past", with_user(expires="2020-01-01"), "expired on 2020-01-01", live=True
    ),
    LockPlan(
        "account disabled", with_user(state="disabled", ssh_keys=None, sudo=None), "expired on 1970-01-02"
    ),
    LockPlan(
        "account deleted",
        {
            **without_user("alice"),
            "users": {**without_user("alice")["users"], "alice": {"state": "absent", "home": "keep"}},
        },
        "the account is gone",
    ),
    LockPlan("account leaves the spec", without_user("alice"), "expired on 1970-01-02", live=True),
    LockPlan(
        "account renamed",
        with_user("alicia", without_user("alice"), shell="/bin/bash", sudo=RULE),
        "expired on 1970-01-02",
    ),
    LockPlan(
        "nobody may log in", with_file("/etc/nologin", "maintenance\n"), "/etc/nologin is there", live=True
    ),
    LockPlan(
        "access list refuses",
        with_file("/etc/security/access.conf", "+ : root : LOCAL\n- : ALL EXCEPT root : ALL\n", adopt=True),
        "refuses the session",
        meanwhile={
            "/etc/pam.d/sshd": {
                "content": (
                    "@include common-auth\naccount required pam_access.so\n@include common-account\n@include"
                    " common-session\n"
                ),
                "mode": "0644",
            }
        },
        live=True,
    ),
    # ----------------------------------------------------------------------------------------------- the home
    LockPlan("home writable for all", with_user(home_mode="0777"), "has mode 0777", live=True),
    LockPlan("home closed to its user", with_user(home_mode="0600"), "/home/alice is closed to alice"),
    LockPlan(
        ".ssh writable for all",
        _directory("/home/alice/.ssh", "0777", _NO_KEYS),
        "/home/alice/.ssh has mode 0777",
        base=_NO_KEYS,
        meanwhile=_BY_HAND,
        live=True,
    ),
    # ------------------------------------------------------------------------------------------------ sudo
    LockPlan("last sudo rule removed", with_user(sudo=None), "no rule of sudo", live=True),
    LockPlan(
        "sudo rule asks for a password that nobody has",
        with_user(sudo=[{"run": "ALL"}]),
        "asks for a password",
        live=True,
    ),
    LockPlan(
        "sudo rule for one command",
        with_user(sudo=[{"run": ["/usr/bin/true"], "password": False}]),
        "no rule of sudo",
    ),
    LockPlan(
        "sudo rule for another user",
        with_user(sudo=[{"run": "ALL", "as": "bob", "password": False}]),
        "no rule of sudo",
    ),
    LockPlan(
        "group sudo left",
        with_user(groups={"exactly": []}, sudo=None),
        "no rule of sudo",
        base=_IN_SUDO,
        meanwhile=_GROUP_RULE,
        live=True,
    ),
    LockPlan(
        "sudoers file replaced",
        with_file(ADMINS, "alice ALL=(ALL:ALL) NOPASSWD: /usr/bin/true\n", "0440", with_user(sudo=None)),
        "no rule of sudo",
        base=_RULES,
        live=True,
    ),
    LockPlan(
        "sudoers file taken back by a later one",
        with_file("/etc/sudoers.d/zz-last", "alice ALL = (ALL) !ALL\n", "0440", _RULES),
        "no rule of sudo",
        base=_RULES,
        live=True,
    ),
    LockPlan(
        "sudoers file under a name that sudo ignores",
        with_file("/etc/sudoers.d/.admins", "alice ALL=(ALL) NOPASSWD: ALL\n", "0440", with_user(sudo=None)),
        "no rule of sudo",
        base=_RULES,
    ),
    LockPlan(
        "directory of sudoers that all can write",
        {**_RULES, "directories": {"/etc/sudoers.d": {"mode": "0777", "adopt": True}}},
        "no rule of sudo",
        base=_RULES,
        live=True,
    ),
    LockPlan(
        "sudoers file with a slip",
        with_file(ADMINS, "alice ALL=(ALL:ALL) NOPASSWD ALL\n", "0440", with_user(sudo=None)),
        "no rule of sudo",
        base=_RULES,
    ),
    LockPlan(
        "sudoers Defaults ask for root's password",
        with_file(
            "/etc/sudoers.d/zz-last",
            "Defaults rootpw, authenticate\nalice ALL=(ALL) PASSWD: ALL\n",
            "0440",
            _RULES,
        ),
        "asks for a password",
        base=_RULES,
    ),
    # ------------------------------------------------------------------------------------------------ sshd
    LockPlan(
        "AuthorizedKeysFile moved",
        sshd("AuthorizedKeysFile /etc/ssh/authorized_keys.d/%u\n"),
        "/etc/ssh/authorized_keys.d/alice",
        live=True,
    ),
    LockPlan(
        "AllowUsers without her", sshd("AllowUsers bob root\n"), "not in allowusers bob root", live=True
    ),
    LockPlan("DenyUsers", sshd("DenyUsers al*\n"), "denyusers al*"),
    LockPlan(
        "AllowGroups without hers",
        sshd("AllowGroups sudo staff\n"),
        "in no group of allowgroups sudo staff",
        live=True,
    ),
    LockPlan("DenyGroups", sshd("DenyGroups alice\n"), "denygroups alice"),
    LockPlan(
        "AllowGroups, and she leaves the group",
        with_user(groups={"exactly": []}),
        "in no group of allowgroups",
        base=with_user(groups=["ssh-users"]),
        meanwhile=_ALLOWED_GROUP,
        groups={"ssh-users": 2001},
        live=True,
    ),
    LockPlan(
        "PubkeyAuthentication no", sshd("PubkeyAuthentication no\n"), "pubkeyauthentication no", live=True
    ),
    LockPlan(
        "PubkeyAcceptedAlgorithms without her type",
        sshd("PubkeyAcceptedAlgorithms -ssh-ed25519\n"),
        "ssh-ed25519 is not in",
        live=True,
    ),
    LockPlan(
        "AuthenticationMethods ask for a password",
        sshd("AuthenticationMethods publickey,password\n"),
        "asks for more than a key",
    ),
    LockPlan(
        "Match block", sshd("Match User alice\n    PubkeyAuthentication no\n"), f"{DROP_IN} line 2", live=True
    ),
    LockPlan(
        "Match block with a forced command",
        sshd("Match Group alice\n    ForceCommand internal-sftp\n"),
        "forcecommand internal-sftp",
    ),
    LockPlan(
        "RevokedKeys",
        with_file("/etc/ssh/revoked", "KEY:alice\n", base=sshd("RevokedKeys /etc/ssh/revoked\n")),
        "it is revoked",
        live=True,
    ),
    LockPlan("RevokedKeys that are not there", sshd("RevokedKeys /etc/ssh/revoked\n"), "refuses every key"),
    LockPlan(
        "UsePAM no, and the password is locked", sshd("UsePAM no\n"), "the password is locked", live=True
    ),
    LockPlan(
        "sshd_config with an unknown keyword",
        sshd("PubkeyAuthentification yes\n"),
        "would not start again",
        live=True,
    ),
    LockPlan("sshd_config with a bad value", sshd("PermitRootLogin maybe\n"), "would not start again"),
    LockPlan(
        "sshd_config with UsePAM in a Match block",
        sshd("Match User bob\n    UsePAM no\n"),
        "would not start again",
        live=True,
    ),
    LockPlan(
        "PermitRootLogin no, and root was the only way",
        with_file(DROP_IN, "PermitRootLogin no\n", base=with_user(sudo=None)),
        "permitrootlogin no",
        base=with_user(sudo=None),
        meanwhile=_ROOT_KEY,
        lost=("root",),
        live=True,
    ),
    LockPlan(
        "PermitRootLogin forced-commands-only",
        with_file(DROP_IN, "PermitRootLogin forced-commands-only\n", base=with_user(sudo=None)),
        "permitrootlogin forced",
        base=with_user(sudo=None),
        meanwhile=_ROOT_KEY,
        lost=("root",),
    ),
    LockPlan(
        "two ways in, both closed",
        with_file(DROP_IN, "PermitRootLogin no\n", base=with_user(sudo=None)),
        "2 accounts can log in",
        meanwhile=_ROOT_KEY,
        lost=("alice", "root"),
        live=True,
    ),
)

LET_THROUGH: tuple[LockPlan, ...] = (
    LockPlan(
        "last key of one of two",
        with_carol(with_user(ssh_keys={"exactly": []})),
        base=with_carol(BASE),
        left="carol",
        live=True,
    ),
    LockPlan(
        "another takes over in the same plan", with_carol(without_user("alice")), left="carol", live=True
    ),
    LockPlan("key replaced", with_user(ssh_keys={"exactly": ["KEY:bob"]})),
    LockPlan(
        "key only from a network",
        with_user(ssh_keys={"exactly": [{"key": "KEY:alice", "from": ["127.0.0.0/8", "::1"]}]}),
        live=True,
    ),
    LockPlan(
        "key expires in the future",
        with_user(ssh_keys={"exactly": [{"key": "KEY:alice", "expires": "2099-01-31"}]}),
        live=True,
    ),
    LockPlan("shell is sh", with_user(shell="/bin/sh"), live=True),
    LockPlan("shell of one of two", with_carol(with_user(shell="/usr/sbin/nologin")), base=with_carol(BASE)),
    LockPlan("account expires in the future", with_user(expires="2099-01-01"), live=True),
    LockPlan(
        "account of one of two expires", with_carol(with_user(expires="2020-01-01")), base=with_carol(BASE)
    ),
    LockPlan(
        "account of one of two leaves the spec", with_carol(without_user("alice")), base=with_carol(BASE)
    ),
    LockPlan("somebody else leaves the spec", without_user("bob")),
    LockPlan("home readable for all", with_user(home_mode="0755"), live=True),
    LockPlan("home writable for her own group", with_user(home_mode="0770"), live=True),
    LockPlan("home of bob writable for all", with_user("bob", home_mode="0777")),
    LockPlan(
        ".ssh readable for all",
        _directory("/home/alice/.ssh", "0755", _NO_KEYS),
        base=_NO_KEYS,
        meanwhile=_BY_HAND,
    ),
    LockPlan(
        "sudo rule goes, her group has one",
        with_user(groups=["sudo"], sudo=None),
        base=with_user(groups=["sudo"]),
        meanwhile=_GROUP_RULE,
        live=True,
    ),
    LockPlan(
        "sudo rule for one command, and one for all",
        with_user(sudo=[*RULE, {"run": ["/usr/bin/true"]}]),
        live=True,
    ),
    LockPlan(
        "group sudo emptied, she has a rule",
        with_user(groups={"exactly": []}),
        base=with_user(groups=["sudo"]),
        meanwhile=_GROUP_RULE,
    ),
    LockPlan(
        "sudoers file replaced by one that means the same",
        with_file(
            ADMINS,
            "User_Alias ADMINS = alice, \\\n   carol\nADMINS ALL = (root : root) NOPASSWD : ALL # all\n".replace(
                "NOPASSWD :", "NOPASSWD:"
            ),
            "0440",
            with_user(sudo=None),
        ),
        base=_RULES,
        live=True,
    ),
    LockPlan(
        "sudoers file with a slip, beside the good one",
        with_file("/etc/sudoers.d/other", "bob ALL=(ALL\n", "0440", _RULES),
        base=_RULES,
    ),
    LockPlan(
        "last key from a host by name, and sshd looks names up",
        with_file(
            DROP_IN,
            "UseDNS yes\n",
            base=with_user(
                ssh_keys={"exactly": [{"key": "KEY:alice", "from": ["*.example.org", "localhost"]}]}
            ),
        ),
    ),
    LockPlan(
        "AuthorizedKeysFile with one more",
        sshd("AuthorizedKeysFile /etc/ssh/authorized_keys.d/%u %h/.ssh/authorized_keys\n"),
        live=True,
    ),
    LockPlan(
        "keys moved, and they are there",
        with_file(
            "/etc/ssh/authorized_keys.d/alice",
            "KEY:alice\n",
            base={
                **sshd("AuthorizedKeysFile /etc/ssh/authorized_keys.d/%u\n"),
                "directories": {
                    "/etc/ssh/authorized_keys.d": {"owner": "root", "group": "root", "mode": "0755"}
                },
            },
        ),
        live=True,
    ),
    LockPlan("AllowUsers with her", sshd("AllowUsers bob alice@*\n"), live=True),
    LockPlan("DenyUsers is about bob", sshd("DenyUsers bob\n")),
    LockPlan("AllowGroups with hers", sshd("AllowGroups staff al?ce\n"), live=True),
    LockPlan("first value wins", sshd("PubkeyAuthentication yes\nPubkeyAuthentication no\n"), live=True),
    LockPlan(
        "PubkeyAuthentication no for bob", sshd("Match User bob\n    PubkeyAuthentication no\n"), live=True
    ),
    LockPlan(
        "PubkeyAuthentication no, but not for her",
        sshd("PubkeyAuthentication no\nMatch User alice,carol\n    PubkeyAuthentication yes\n"),
        live=True,
    ),
    LockPlan(
        "PubkeyAuthentication no from one network",
        sshd("Match Address 192.0.2.0/24\n    PubkeyAuthentication no\n"),
        live=True,
    ),
    LockPlan(
        "a file that sshd does not include",
        with_file("/etc/ssh/sshd_config.d/10-site.disabled", "PubkeyAuthentication no\n"),
        live=True,
    ),
    LockPlan(
        "PubkeyAcceptedAlgorithms with her type", sshd("PubkeyAcceptedAlgorithms ssh-ed25519\n"), live=True
    ),
    LockPlan(
        "PermitRootLogin no, and she remains", sshd("PermitRootLogin no\n"), meanwhile=_ROOT_KEY, live=True
    ),
    LockPlan(
        "her sudo rule goes, root remains", with_user(sudo=None), meanwhile=_ROOT_KEY, left="root", live=True
    ),
    LockPlan(
        "an intruder's key goes",
        BASE,
        meanwhile={
            "/home/alice/.ssh/authorized_keys": {
                "content": "KEY:alice\nKEY:bob\n",
                "mode": "0600",
                "owner": "alice",
                "group": "alice",
            }
        },
        live=True,
    ),
    LockPlan("a file that has nothing to do with it", with_file("/etc/motd.d-hello", "hello\n")),
    LockPlan(
        "nobody could before",
        with_user(state="disabled", ssh_keys=None, sudo=None),
        base=with_user(sudo=None),
    ),
)
"""The same in most words, but somebody is left."""
