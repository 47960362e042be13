"""Who becomes root and who can log in, before and after a plan: the first line of a plan names him.

A booted host judges in tests/booted.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from reconciler.app.plan.options import PlanOptions
from reconciler.app.plan.planned import Planned
from reconciler.cli.shared.output import plan_data
from reconciler.formats.ssh.authorized_keys import read
from reconciler.formats.sudo import answers
from reconciler.formats.sudo import programs as sudo_programs
from reconciler.policy.access import becoming_root
from reconciler.policy.access.becoming_root import BecomingRoot
from reconciler.policy.access.login_accounts import People
from reconciler.policy.access.ssh import login_ways as ssh_ways
from reconciler.policy.access.ssh.login_ways import SshWays
from reconciler.policy.root_reach import programs as root_programs
from reconciler.render.plan.markdown import plan_markdown
from reconciler.render.plan.text import plan_text
from tests import worlds
from tests.case import Case, Expected, Host
from tests.policy.lockout_plans import BASE, DROP_IN, with_carol, with_file, with_user, without_user
from tests.policy.test_access_warnings import foo
from tests.policy.test_lockout import DEBIAN, GROUPS, KEYS, with_keys
from tests.worlds import World, prepared

Data = dict[str, Any]
MALLORY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGh5c2lHOm5vdGFyZWFsa2V5bm90YXJlYWxrZXlub3Rh alice@desktop"
PRINT = "SHA256:0zNzXR9nwsJyY6uADhU2XHU6fNWJ0hwjRwPbd8YBlcs"
BOB = next(key.fingerprint for key in [read(KEYS["bob"])] if key is not None)
AS_ALICE = "logs in as alice, who is root by sudo: ALL without a password"
FREE = [{"run": "ALL", "password": False}]


@dataclass(frozen=True)
class Turn:
    """A plan: what was applied, what somebody did then, what is declared; and the sentence with which the
    plan begins, empty for none.
    """

    spec: Data
    first: str
    base: Data = field(default_factory=lambda: BASE)
    meanwhile: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    host: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def rules(text: str, mode: str = "0440", **more: Any) -> Data:
    """The base with a file of rules for sudo."""
    return with_file("/etc/sudoers.d/site", text, mode, **more)


def bob(**fields: Any) -> Data:
    """The base with these fields of bob, who logs in and is not root."""
    return with_user("bob", **fields)


def _by_hand(text: str) -> Mapping[str, Mapping[str, str]]:
    return {"/etc/sudoers.d/zz-site": {"content": text, "mode": "0440"}}


TURNS: dict[str, Turn] = {
    "a rule for everything": Turn(bob(sudo=FREE), "bob becomes root (sudo: ALL without a password)."),
    "a password that nobody has": Turn(
        bob(sudo=[{"run": "ALL"}]), "bob may become root (as soon as bob has a password, by sudo: ALL)."
    ),
    "the group of sudo, and no password": Turn(
        bob(groups=["staff"]),
        "bob may become root (as soon as bob has a password, by sudo: ALL).",
        meanwhile=_by_hand("%staff ALL=(ALL) ALL\n"),
    ),
    "the group of the hashes": Turn(
        {**bob(groups=["shadow"]), "groups": {"shadow": {}}},
        "bob may become root (group shadow, which reads the hashes of all passwords).",
    ),
    "the group of the logs": Turn({**bob(groups=["adm"]), "groups": {"adm": {}}}, ""),
    "a harmless program": Turn(bob(sudo=[{"run": ["/usr/bin/true"], "password": False}]), ""),
    "a group of the host's own sudoers": Turn(
        bob(groups=["staff"]),
        "bob becomes root (sudo: ALL without a password).",
        meanwhile=_by_hand("%staff ALL=(ALL) NOPASSWD: ALL\n"),
    ),
    "the group docker": Turn(
        {**bob(groups=["docker"]), "groups": {"docker": {}}},
        "bob becomes root (group docker, which starts containers as root).",
    ),
    "a file of rules": Turn(
        rules("bob ALL=(ALL) NOPASSWD: ALL\n"), "bob becomes root (sudo: ALL without a password)."
    ),
    "a file whose content is a secret": Turn(
        rules("bob ALL=(ALL) NOPASSWD: ALL\n", sensitive=True),
        "bob becomes root (sudo: ALL without a password).",
    ),
    "a file that sudo ignores": Turn(rules("bob ALL=(ALL) NOPASSWD: ALL\n", mode="0446"), ""),
    "an editor": Turn(
        bob(sudo=[{"run": ["/usr/bin/vim", "/etc/motd"], "password": False}]),
        "bob becomes root (sudo: /usr/bin/vim without a password, an editor starts a shell).",
    ),
    "a script of his own": Turn(
        bob(sudo=[{"run": ["/home/bob/run.sh"], "password": False}]),
        "bob becomes root (sudo: /home/bob/run.sh without a password, bob owns /home/bob).",
    ),
    "as somebody who is root": Turn(
        bob(sudo=[{"run": "ALL", "as": "alice", "password": False}]),
        "bob becomes root (sudo as alice: sudo: ALL without a password).",
    ),
    "as somebody who is not": Turn(
        with_user("carol", bob(sudo=[{"run": "ALL", "as": "carol", "password": False}])), ""
    ),
    "a later rule takes it back": Turn(bob(sudo=FREE), "", meanwhile=_by_hand("bob ALL=(ALL) !ALL\n")),
    "an alias": Turn(
        rules("User_Alias A = bob\nCmnd_Alias S = /bin/sh\nA ALL=(root) NOPASSWD: S\n"),
        "bob becomes root (sudo: /bin/sh without a password).",
    ),
    "for everybody": Turn(
        rules("ALL ALL=(ALL) NOPASSWD: ALL\n"),
        "everybody becomes root (sudo: ALL without a password).",
    ),
    "he was root before": Turn(with_user(groups=["staff"]), ""),
    "without a password where one was asked for": Turn(
        with_user("dan", groups=["staff"], sudo=FREE),
        "dan becomes root (sudo: ALL without a password).",
    ),
    "a further key of an account that is root": Turn(
        with_user(ssh_keys=["KEY:alice", MALLORY]),
        f'whoever holds the key {PRINT} (comment "alice@desktop") becomes root ({AS_ALICE}).',
    ),
    "a key with a quote in its comment": Turn(
        with_user(ssh_keys=["KEY:alice", MALLORY.replace("alice@desktop", 'x" becomes nobody')]),
        f'whoever holds the key {PRINT} (comment "x\\" becomes nobody") becomes root ({AS_ALICE}).',
    ),
    "the key of somebody else": Turn(
        with_user(ssh_keys=["KEY:bob"]),
        f'bob becomes root (bob\'s key {BOB} (comment "bob@laptop") {AS_ALICE}).',
    ),
    "the key of somebody who leaves": Turn(
        without_user("bob", with_user(ssh_keys=["KEY:alice", "KEY:bob"])),
        f'bob becomes root (bob\'s key {BOB} (comment "bob@laptop") {AS_ALICE}).',
    ),
    "a key loses its only command": Turn(
        with_user(ssh_keys=["KEY:alice", MALLORY]),
        f'whoever holds the key {PRINT} (comment "alice@desktop") becomes root ({AS_ALICE}).',
        base=with_user(ssh_keys=["KEY:alice", {"key": MALLORY, "command": "/usr/bin/true"}]),
    ),
    "a key for one command": Turn(
        with_user(ssh_keys=["KEY:alice", {"key": MALLORY, "command": "/usr/bin/true"}]), ""
    ),
    "a key that was root's before": Turn(
        with_carol(with_user(ssh_keys=["KEY:alice"])), "", base=with_carol(BASE)
    ),
    "a key that goes over to another account that is root": Turn(
        with_user("dan", with_carol(BASE), ssh_keys=["KEY:carol"], sudo=FREE),
        "dan becomes root (sudo: ALL without a password).",
        base=with_carol(BASE),
    ),
    "a new account with its own key": Turn(
        with_user("dan", ssh_keys=[MALLORY], sudo=FREE), "dan becomes root (sudo: ALL without a password)."
    ),
    "a key of root's": Turn(
        {**BASE, "ssh_keys": {"root": [MALLORY]}},
        f'whoever holds the key {PRINT} (comment "alice@desktop") becomes root (logs in as root).',
    ),
    "a key of root's that sshd does not take": Turn(
        {**BASE, "ssh_keys": {"root": [MALLORY]}},
        "",
        meanwhile={DROP_IN: {"content": "AllowUsers alice bob\n"}},
    ),
    "a key of an account whose sudo asks for a password": Turn(
        with_user("foo", ssh_keys=[MALLORY], adopt=True),
        f'whoever holds the key {PRINT} (comment "alice@desktop") may become root '
        "(logs in as foo, who may become root by sudo: ALL with a password).",
        host=foo("$6$abc$def", groups="foo"),
    ),
    "an account that PAM refuses": Turn(bob(sudo=FREE, expires="2020-01-01"), ""),
}


@pytest.fixture(scope="module")
def plan_of() -> Iterator[Callable[[Turn], Planned]]:
    """Plan a turn on a simulated Debian. Turns that begin alike share the host."""
    known: dict[str, World] = {}
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as directory:

        def planned(turn: Turn) -> Planned:
            key = json.dumps([turn.base, dict(turn.meanwhile), dict(turn.host)], sort_keys=True)
            nothing = Expected()
            given, meanwhile = (
                Host(paths={**DEBIAN, **turn.host}, groups=GROUPS),
                Host(paths=with_keys(dict(turn.meanwhile))),
            )
            case = Case(
                "turn", "", with_keys(turn.spec), nothing, nothing, given, with_keys(turn.base), meanwhile
            )
            if key not in known:
                known[key] = prepared(worlds.simulated(Path(directory) / str(len(known))), case)
            return known[key].plan(case.loaded(), PlanOptions())

        yield planned


def told(planned: Planned) -> tuple[str, str, list[Mapping[str, Any]]]:
    """The first line of text, the first visible line of Markdown that is no heading, and the rows of JSON."""
    data = plan_data(planned)
    lines = plan_markdown(data).split("\n")
    shown = next(line for line in lines if line and not line.startswith(("<!--", "###")))
    return plan_text(data).split("\n\n")[0].replace("\n  ", " "), shown, list(data["access"])


@pytest.mark.parametrize("name", TURNS)
def test_the_first_line_names_who_becomes_root(name: str, plan_of: Callable[[Turn], Planned]) -> None:
    """Text, Markdown and JSON begin with him; a plan that makes nobody root begins with something else."""
    turn = TURNS[name]
    text, markdown, rows = told(plan_of(turn))
    first = turn.first

    if first:
        assert first == text
        assert f"* `{first}`" == markdown
        assert ("gains", "root") == (rows[0]["effect"], rows[0]["what"])
        assert f"({rows[0]['detail']}" in first
    else:
        assert "become" not in text
        assert [] == [row for row in rows if row["what"] == "root"]


@pytest.mark.parametrize("number", [40, 300])
def test_nobody_who_becomes_root_is_cut(number: int, plan_of: Callable[[Turn], Planned]) -> None:
    """Behind many new accounts with a key each, the one who becomes root stands first, and everybody who can
    log in is named.
    """
    many = {f"u{at:03}": {"ssh_keys": ["KEY:carol"]} for at in range(number)}
    spec = {**BASE, "users": {**BASE["users"], **many, "zed": {"groups": ["sudo"], "sudo": FREE}}}
    text, markdown, rows = told(planned := plan_of(Turn(spec, "")))
    comment = plan_markdown(plan_data(planned))

    assert text.startswith("zed becomes root (sudo: ALL without a password).")
    assert "* `zed becomes root (sudo: ALL without a password).`" == markdown
    assert ("zed", "root") == (rows[0]["account"], rows[0]["what"])
    assert [
        name for name in many if f"`{name}`" not in comment.split("**Restarts**")[0].split("**Access**")[1]
    ] == []
    assert len(comment.encode()) < 60_000


_BUGS: dict[str, tuple[Any, str, Any, str]] = {
    "the first rule counts": (
        sudo_programs,
        "_last",
        lambda items, at: items[at],
        "a later rule takes it back",
    ),
    "every program is harmless": (root_programs, "_ALWAYS_WHY", {}, "an editor"),
    "what he can write is harmless": (
        becoming_root,
        "by_program",
        lambda *_, **__: None,
        "a script of his own",
    ),
    "other accounts are nobody": (BecomingRoot, "_steps", lambda *_: iter(()), "as somebody who is root"),
    "groups are nothing": (becoming_root, "ROOT_GROUPS", {}, "the group docker"),
    "keys are nothing": (SshWays, "shells", lambda *_: {}, "a further key of an account that is root"),
    "a key is its first holder's only": (
        SshWays,
        "listed",
        lambda *_: frozenset(),
        "the key of somebody else",
    ),
    "a fixed command is no limit": (ssh_ways, "_forced", lambda *_: False, "a key loses its only command"),
    "an expired account goes on": (People, "why_closed", lambda *_, **__: "", "an account that PAM refuses"),
    "every password works": (People, "password_works", lambda *_: True, "a password that nobody has"),
    "aliases are unknown": (answers, "alias", lambda *_: None, "an alias"),
}


@pytest.mark.parametrize("bug", _BUGS)
def test_a_planted_bug_is_caught(bug: str, plan_of: Callable[[Turn], Planned]) -> None:
    """With each of these mistakes in it a plan begins with something else than it should."""
    where, name, instead, caught_by = _BUGS[bug]
    turn = TURNS[caught_by]
    with mock.patch.object(where, name, instead):
        text, _, rows = told(plan_of(turn))

    assert (turn.first or "") != (text if any(row["what"] == "root" for row in rows) else "")
