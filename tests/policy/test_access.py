"""Who gains or loses access: what a reviewer must not overlook is told, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.core.address import Address
from reconciler.policy.access.changes import access_diff
from tests.engine.workbench import Notes, applied, host_of, plan_of

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGh5c2lHOm5vdGFyZWFsa2V5bm90YXJlYWxrZXlub3Rh alice@laptop"
PRINT = "SHA256:0zNzXR9nwsJyY6uADhU2XHU6fNWJ0hwjRwPbd8YBlcs"
OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGh5c2lHOm5vdGFyZWFsa2V5bm90YXJlYWxrZXlub3Ri"
RESTART = {"run": ["/usr/bin/true", "restart"], "password": False}
GROUPS: dict[str, Any] = {"groups": {"docker": {}, "sudo": {}, "ml-users": {}}}

Told = list[tuple[str, str, str, str]]


def users(**said: Any) -> dict[str, Any]:
    """A spec with users and the groups they may be in."""
    return {**GROUPS, "users": said}


def access(
    before: dict[str, Any] | None, after: dict[str, Any], by_hand: dict[str, str] | None = None
) -> Told:
    """The changes of access from one spec to the next, on a simulated host."""
    shells = {
        "/bin/bash": {"content": "", "mode": "0755"},
        "/usr/sbin/nologin": {"content": "", "mode": "0755"},
        "/etc/cron.d": {"mode": "0755"},
        "/etc/ssh/sshd_config.d": {"mode": "0755"},
    }
    host, notes = host_of(shells), Notes()
    if before is not None:
        assert not applied(before, host, notes).failed
    for path, text in (by_hand or {}).items():
        host._add(path, text)
    plan = plan_of(after, host, notes.memory())
    texts: dict[Address, tuple[str | None, str | None]] = {
        Address("files", path): (said["content"], None)
        for path, said in (before or {}).get("files", {}).items()
    }
    texts |= (
        {Address("users", "alice", "sudo"): (OLD_RULES, None)}
        if before and before.get("users", {}).get("alice", {}).get("sudo")
        else {}
    )
    return [(one.account, one.effect, one.what, one.detail) for one in access_diff(plan, texts)]


OLD_RULES = "# Managed\nalice ALL=(root) NOPASSWD: /usr/bin/true restart\n"
RULE = "alice ALL=(root) NOPASSWD: /usr/bin/true restart"

ALICE: dict[str, tuple[dict[str, Any] | None, dict[str, Any], Told]] = {
    "created": (None, users(alice={}), [("alice", "gains", "account", "created")]),
    "created disabled": (
        None,
        users(alice={"state": "disabled"}),
        [("alice", "changes", "account", "created, disabled")],
    ),
    "created with everything": (
        None,
        users(
            alice={
                "groups": ["docker", "ml-users"],
                "sudo": [RESTART],
                "ssh_keys": [KEY],
                "expires": "2037-06-30",
            }
        ),
        [
            ("alice", "gains", "account", "created"),
            ("alice", "changes", "account", "expires 2037-06-30"),
            ("alice", "gains", "group", "docker"),
            ("alice", "gains", "group", "ml-users"),
            ("alice", "gains", "sudo rule", RULE),
            ("alice", "gains", "ssh key", f'{PRINT} "alice@laptop"'),
        ],
    ),
    "joins sudo": (users(alice={}), users(alice={"groups": ["sudo"]}), [("alice", "gains", "group", "sudo")]),
    "joins a harmless group": (
        users(alice={}),
        users(alice={"groups": ["ml-users"]}),
        [("alice", "gains", "group", "ml-users")],
    ),
    "a group lost": (
        users(alice={"groups": ["ml-users"]}),
        users(alice={"groups": {"exactly": []}}),
        [("alice", "loses", "group", "ml-users")],
    ),
    "leaves docker": (
        users(alice={"groups": ["docker"]}),
        users(alice={}),
        [("alice", "loses", "group", "docker")],
    ),
    "exactly others": (
        users(alice={"groups": ["docker"]}),
        users(alice={"groups": {"exactly": ["sudo"]}}),
        [("alice", "gains", "group", "sudo"), ("alice", "loses", "group", "docker")],
    ),
    "disabled": (
        users(alice={}),
        users(alice={"state": "disabled"}),
        [("alice", "loses", "account", "disabled")],
    ),
    "enabled": (
        users(alice={"state": "disabled"}),
        users(alice={}),
        [("alice", "gains", "account", "enabled")],
    ),
    "left the spec": (users(alice={}), GROUPS, [("alice", "loses", "account", "disabled")]),
    "absent": (
        users(alice={}),
        users(alice={"state": "absent", "home": "keep"}),
        [("alice", "loses", "account", "deleted")],
    ),
    "expires": (
        users(alice={"expires": "2037-06-30"}),
        users(alice={"expires": "2036-01-01"}),
        [("alice", "changes", "account", "expires 2036-01-01, not 2037-06-30")],
    ),
    "a comment": (users(alice={}), users(alice={"comment": "Alice"}), []),
    "no shell": (
        users(alice={}),
        users(alice={"shell": "/usr/sbin/nologin"}),
        [("alice", "loses", "shell", "/usr/sbin/nologin")],
    ),
    "a rule more": (
        users(alice={"sudo": [RESTART]}),
        users(alice={"sudo": [RESTART, {"run": ["/usr/bin/sh"]}]}),
        [("alice", "gains", "sudo rule", 'alice ALL=(root) PASSWD: /usr/bin/sh ""')],
    ),
    "a rule less": (
        users(alice={"sudo": [RESTART]}),
        users(alice={}),
        [("alice", "loses", "sudo rule", RULE)],
    ),
    "a key withdrawn": (
        users(alice={"ssh_keys": [KEY]}),
        users(alice={"ssh_keys": []}),
        [("alice", "loses", "ssh key", f'{PRINT} "alice@laptop"')],
    ),
    "a key restricted": (
        users(alice={"ssh_keys": [KEY]}),
        users(alice={"ssh_keys": [{"key": KEY, "from": ["10.0.0.0/8"]}]}),
        [("alice", "changes", "ssh key", f'{PRINT} "alice@laptop" (options: none -> from="10.0.0.0/8")')],
    ),
    "a key in the other section": (
        users(alice={}),
        {**users(alice={}), "ssh_keys": {"alice": [KEY]}},
        [("alice", "gains", "ssh key", f'{PRINT} "alice@laptop"')],
    ),
    "a file of sudo": (
        None,
        {"files": {"/etc/sudoers.d/x": {"content": "x ALL=(ALL) ALL\n", "mode": "0440"}}},
        [("", "changes", "file", "root reads the sudo rules in /etc/sudoers.d/x, which is created")],
    ),
    "a sensitive file of every login": (
        None,
        {"files": {"/etc/profile.d/x.sh": {"content": "umask 022\n", "mode": "0644", "sensitive": True}}},
        [("", "changes", "file", "root runs what is in /etc/profile.d/x.sh, which is created")],
    ),
    "a remark in a file of sudo": (
        {"files": {"/etc/sudoers.d/x": {"content": "# one\nx ALL=(ALL) ALL\n", "mode": "0440"}}},
        {"files": {"/etc/sudoers.d/x": {"content": "# two\n\nx ALL=(ALL) ALL\n", "mode": "0440"}}},
        [],
    ),
    "users of sshd in another order": (
        {
            "files": {
                "/etc/ssh/sshd_config.d/x.conf": {
                    "content": "AllowUsers root bob alice  # all\n",
                    "mode": "0644",
                }
            }
        },
        {
            "files": {
                "/etc/ssh/sshd_config.d/x.conf": {"content": "allowusers alice bob root\n", "mode": "0644"}
            }
        },
        [],
    ),
    "one user more of sshd": (
        {"files": {"/etc/ssh/sshd_config.d/x.conf": {"content": "AllowUsers root bob\n", "mode": "0644"}}},
        {
            "files": {
                "/etc/ssh/sshd_config.d/x.conf": {"content": "AllowUsers alice bob root\n", "mode": "0644"}
            }
        },
        [
            (
                "",
                "changes",
                "file",
                "root runs sshd by what is in /etc/ssh/sshd_config.d/x.conf, which changes",
            )
        ],
    ),
    "lines of sshd in another order": (
        {
            "files": {
                "/etc/ssh/sshd_config.d/x.conf": {
                    "content": "PermitRootLogin no\nPermitRootLogin yes\n",
                    "mode": "0644",
                }
            }
        },
        {
            "files": {
                "/etc/ssh/sshd_config.d/x.conf": {
                    "content": "PermitRootLogin yes\nPermitRootLogin no\n",
                    "mode": "0644",
                }
            }
        },
        [
            (
                "",
                "changes",
                "file",
                "root runs sshd by what is in /etc/ssh/sshd_config.d/x.conf, which changes",
            )
        ],
    ),
    "another minute of a job": (
        {
            "files": {
                "/etc/cron.d/x": {"content": "MAILTO=root\n30 2 * * * root /usr/bin/true\n", "mode": "0644"}
            }
        },
        {
            "files": {
                "/etc/cron.d/x": {
                    "content": "MAILTO=root\n45 */3 1-5 * mon root /usr/bin/true\n",
                    "mode": "0644",
                }
            }
        },
        [],
    ),
    "another user of a job": (
        {"files": {"/etc/cron.d/x": {"content": "30 2 * * * nobody /usr/bin/true\n", "mode": "0644"}}},
        {"files": {"/etc/cron.d/x": {"content": "30 2 * * * root /usr/bin/true\n", "mode": "0644"}}},
        [("", "changes", "file", "root runs the jobs in /etc/cron.d/x, which changes")],
    ),
    "another variable of a job": (
        {"files": {"/etc/cron.d/x": {"content": "PATH=/bin\n30 2 * * * root true\n", "mode": "0644"}}},
        {"files": {"/etc/cron.d/x": {"content": "PATH=/sbin\n30 2 * * * root true\n", "mode": "0644"}}},
        [("", "changes", "file", "root runs the jobs in /etc/cron.d/x, which changes")],
    ),
    "a path that goes on with the sentence": (
        None,
        {"files": {"/etc/cron.d/x. boss loses root (y": {"content": "# one\n", "mode": "0644"}}},
        [
            (
                "",
                "changes",
                "file",
                'root runs the jobs in "/etc/cron.d/x. boss loses root (y", which is created',
            )
        ],
    ),
    "another time of a timer": (
        {
            "files": {
                "/etc/systemd/system/x.timer": {
                    "content": "; one\n[Timer]\nOnCalendar=daily\n",
                    "mode": "0644",
                }
            }
        },
        {
            "files": {
                "/etc/systemd/system/x.timer": {
                    "content": "; two\n[Timer]\nOnCalendar=weekly\n",
                    "mode": "0644",
                }
            }
        },
        [],
    ),
    "another program of a unit": (
        {
            "files": {
                "/etc/systemd/system/x.service": {
                    "content": "[Service]\nExecStart=/bin/true\n",
                    "mode": "0644",
                }
            }
        },
        {
            "files": {
                "/etc/systemd/system/x.service": {
                    "content": "[Service]\nExecStart=/bin/false\n",
                    "mode": "0644",
                }
            }
        },
        [("", "changes", "file", "root runs the units in /etc/systemd/system/x.service, which changes")],
    ),
    "a number in a file of sudo": (
        {"files": {"/etc/sudoers.d/x": {"content": "x ALL=(ALL) ALL\n", "mode": "0440"}}},
        {
            "files": {
                "/etc/sudoers.d/x": {
                    "content": "x ALL=(ALL) ALL\n#1001 ALL=(root) /usr/bin/id\n",
                    "mode": "0440",
                }
            }
        },
        [("", "changes", "file", "root reads the sudo rules in /etc/sudoers.d/x, which changes")],
    ),
    "an include in a file of sudo": (
        {"files": {"/etc/sudoers.d/x": {"content": "x ALL=(ALL) ALL\n", "mode": "0440"}}},
        {"files": {"/etc/sudoers.d/x": {"content": "#include /etc/y\nx ALL=(ALL) ALL\n", "mode": "0440"}}},
        [("", "changes", "file", "root reads the sudo rules in /etc/sudoers.d/x, which changes")],
    ),
    "a home that everybody may look into": (
        users(alice={"home_mode": "0700"}),
        users(alice={"home_mode": "0755"}),
        [("", "gains", "open", "everybody can look into the home of alice (mode 0700 -> 0755)")],
    ),
    "a directory that everybody may write in": (
        {"directories": {"/srv/x": {"mode": "2770"}}},
        {"directories": {"/srv/x": {"mode": "2777"}}},
        [
            ("", "gains", "open", "everybody can look into /srv/x (mode 2770 -> 2777)"),
            ("", "gains", "open", "everybody can write in /srv/x (mode 2770 -> 2777)"),
        ],
    ),
    "a directory that is closed": (
        {"directories": {"/srv/x": {"mode": "0755"}}},
        {"directories": {"/srv/x": {"mode": "0700"}}},
        [],
    ),
    "a file": (None, {"files": {"/etc/motd": {"content": "x\n", "mode": "0644"}}}, []),
    "nothing": (users(alice={"groups": ["sudo"]}), users(alice={"groups": ["sudo"]}), []),
}


@pytest.mark.parametrize("name", ALICE)
def test_what_changes_about_access(name: str) -> None:
    """From one spec to the next."""
    before, after, told = ALICE[name]

    assert told == access(before, after)


def test_foreign_keys_that_go_are_named() -> None:
    """With an exact list, whoever is shut out by it is told by fingerprint and comment."""
    file = {"/home/alice/.ssh/authorized_keys": f"{KEY}\n{OTHER} eve@cafe\n"}
    spec = users(alice={"ssh_keys": {"exactly": [KEY]}})
    told = access(spec, spec, file)

    assert [("alice", "loses", "ssh key")] == [one[:3] for one in told]
    assert told[0][3].startswith("ssh-ed25519 SHA256:")
    assert told[0][3].endswith(" eve@cafe")


def test_a_repair_is_told_as_one() -> None:
    """A member that somebody added by hand and that an exact list takes out again is drift."""
    spec = users(alice={"groups": {"exactly": ["ml-users"]}})
    shells = {"/bin/bash": {"content": "", "mode": "0755"}}
    host, notes = host_of(shells), Notes()
    applied(spec, host, notes)
    for name in ("group", "gshadow"):
        text = host.read(f"/etc/{name}").decode().split("\n")
        host._add(
            f"/etc/{name}", "\n".join(line + "alice" if line.startswith("sudo:") else line for line in text)
        )
    (found,) = access_diff(plan_of(spec, host, notes.memory()), {})

    assert ("alice", "loses", "group", "sudo", True) == (
        found.account,
        found.effect,
        found.what,
        found.detail,
        found.drift,
    )
