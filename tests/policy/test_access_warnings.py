"""Specs that are applied without a complaint and are not what was meant: keys, rules of sudo, empty
passwords, ageing.

Booted in tests/booted.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from reconciler.app.doctor.doctor import administrators
from reconciler.app.plan.options import PlanOptions
from reconciler.app.plan.planned import Planned
from reconciler.cli.shared.output import plan_data
from reconciler.core.diagnostic import Diagnostic
from reconciler.render.plan.markdown import plan_markdown
from reconciler.render.plan.text import plan_text
from tests import worlds
from tests.case import Case, Expected, Host
from tests.policy.lockout_plans import BASE, DROP_IN, with_carol, with_file, with_user
from tests.policy.test_lockout import DEBIAN, GROUPS, with_keys
from tests.worlds import prepared

Data = dict[str, Any]
Paths = Mapping[str, Mapping[str, str]]
ID = {"run": ["/usr/bin/id", "-u"], "password": False}
TODAY = int(time.time()) // 86_400
TOMORROW, NEXT_YEAR = (
    time.strftime("%Y-%m-%d", time.gmtime(time.time() + days * 86_400)) for days in (1, 365)
)
ELSEWHERE = {
    DROP_IN: {"content": "AuthorizedKeysFile /etc/ssh/keys/%u .ssh/authorized_keys\n"},
    "/etc/ssh/keys": {},
}


def foo(hashed: str = "*", changed: int = 19_000, most: int = 99_999, groups: str = "") -> Paths:
    """A host with foo, made by hand, and this line of /etc/shadow."""
    return {
        "/etc/passwd": {"content": "root:x:0:0:root:/root:/bin/bash\nfoo:x:1500:1500::/home/foo:/bin/bash\n"},
        "/etc/group": {"content": f"root:x:0:\nsudo:x:27:{groups}\nstaff:x:50:\nfoo:x:1500:\n"},
        "/etc/shadow": {
            "content": f"root:*:19000:0:99999:7:::\nfoo:{hashed}:{changed}:0:{most}:7:::\n",
            "mode": "0640",
        },
        "/etc/gshadow": {"content": "root:*::\nsudo:*::\nstaff:*::\nfoo:!::\n", "mode": "0640"},
        "/etc/subuid": {"content": "foo:100000:65536\n"},
        "/etc/subgid": {"content": "foo:100000:65536\n"},
        "/bin/bash": {"content": "", "mode": "0755"},
        "/home/foo": {"mode": "0700", "owner": "foo", "group": "foo"},
    }


def users(**said: Any) -> Data:
    """A spec with these users."""
    return {"users": said}


@dataclass(frozen=True)
class Turn:
    """A plan, and what is said of it: part of the detail of the first diagnostic, which is of this rule; no
    rule: none of them.
    """

    spec: Data
    rule: str = ""
    said: str = ""
    refused: bool = False
    base: Data = field(default_factory=dict)
    host: Paths = field(default_factory=dict)
    meanwhile: Paths = field(default_factory=dict)
    also: tuple[str, ...] = ()
    """Further rules that rightly say something."""


OLD_ELSEWHERE: Paths = {**ELSEWHERE, "/etc/ssh/keys/bob": {"content": "KEY:bob\n", "mode": "0644"}}
LATER = {"/etc/sudoers.d/zz-site": {"content": "%staff ALL=(ALL) ALL\n", "mode": "0440"}}
NEW_KEY = with_user("bob", ssh_keys=["KEY:bob", "KEY:carol"])

TURNS: dict[str, Turn] = {
    # -------------------------------------------------------------------------- a key that sshd does not take
    "a key, and AllowGroups without him": Turn(
        NEW_KEY,
        "refused-key",
        "in no group of allowgroups sudo",
        base=BASE,
        meanwhile={DROP_IN: {"content": "AllowGroups sudo alice\n"}},
    ),
    "a key, and AuthorizedKeysFile elsewhere": Turn(
        NEW_KEY,
        "refused-key",
        "/etc/ssh/keys/bob is not there",
        base=BASE,
        meanwhile={DROP_IN: {"content": "AuthorizedKeysFile /etc/ssh/keys/%u\n"}},
    ),
    "a key in a home that all can write": Turn(
        {**NEW_KEY, "users": {**NEW_KEY["users"], "bob": {**NEW_KEY["users"]["bob"], "home_mode": "0777"}}},
        "refused-key",
        "sshd does not trust (StrictModes)",
        base=BASE,
    ),
    "a key of an account without a shell": Turn(
        users(
            app={
                "system": True,
                "home": "/srv/app",
                "ssh_keys": [{"key": "KEY:carol", "command": "/usr/bin/rrsync /srv"}],
            }
        ),
        "refused-key",
        "the shell is /usr/sbin/nologin",
    ),
    "a key that has expired": Turn(
        with_user("bob", ssh_keys=["KEY:bob", {"key": "KEY:carol", "expires": "2020-01-31"}]),
        "refused-key",
        "it expired",
        base=BASE,
    ),
    "a key that is taken": Turn(NEW_KEY, base=BASE),
    "a key that runs one command": Turn(
        with_user("bob", ssh_keys=["KEY:bob", {"key": "KEY:carol", "command": "/bin/true"}]), base=BASE
    ),
    # --------------------------------------------------------------------------------------- a key that stays
    "a key that leaves and stands elsewhere": Turn(
        with_user("bob", ssh_keys=None),
        "key-still-lets-in",
        "from /etc/ssh/keys/bob",
        refused=True,
        base=BASE,
        meanwhile=OLD_ELSEWHERE,
    ),
    "an exact list, and another key elsewhere": Turn(
        with_user("bob", ssh_keys={"exactly": ["KEY:carol"]}),
        "key-still-lets-in",
        "still takes it for bob from /etc/ssh/keys/bob",
        refused=True,
        base=BASE,
        meanwhile=OLD_ELSEWHERE,
    ),
    "an exact list that comes to an account with a foreign file": Turn(
        {**with_user("bob", ssh_keys=None), "ssh_keys": {"bob": {"exactly": ["KEY:carol"]}}},
        "key-still-lets-in",
        "none of those",
        refused=True,
        base=with_user("bob", ssh_keys=None),
        meanwhile=OLD_ELSEWHERE,
    ),
    "a key that leaves": Turn(with_user("bob", ssh_keys=["KEY:carol"]), base=BASE, meanwhile=ELSEWHERE),
    "an account that leaves, with its key elsewhere": Turn(
        {"users": {"alice": BASE["users"]["alice"]}}, base=BASE, meanwhile=OLD_ELSEWHERE
    ),
    # --------------------------------------------------------------------------------- rules that do not hold
    "a rule before one for everything": Turn(
        with_user("bob", sudo=[ID, {"run": "ALL"}]),
        "overruled-rule",
        "a later rule of the same list asks for one",
        base=BASE,
        also=("unusable-rule",),
    ),
    "a rule before a drop-in of the host": Turn(
        with_user("bob", sudo=[ID], groups=["staff"]),
        "overruled-rule",
        "a rule in /etc/sudoers.d/zz-site",
        base=BASE,
        meanwhile=LATER,
    ),
    "a rule that a later file denies": Turn(
        with_file(
            "/etc/sudoers.d/zz-more", "bob ALL=(ALL) !/usr/bin/id\n", "0440", with_user("bob", sudo=[ID])
        ),
        "overruled-rule",
        "which sudo reads later, denies it",
        base=with_user("bob", sudo=[ID]),
    ),
    "a rule after one for everything": Turn(
        with_user("bob", sudo=[{"run": ["/usr/bin/true"], "password": False}, ID]), base=BASE
    ),
    "a rule with a password that nobody has": Turn(
        with_user("bob", sudo=[{"run": "ALL"}]), "unusable-rule", "Write `password: false`", base=BASE
    ),
    "a rule with a password that he has": Turn(
        users(foo={"adopt": True, "sudo": [{"run": "ALL"}]}), host=foo("$6$abc$def")
    ),
    # ---------------------------------------------------------------------------------------- empty passwords
    "an empty password gets sudo": Turn(
        users(foo={"sudo": [{"run": "ALL"}]}),
        "empty-password",
        "and root by this plan. Lock it: passwd --lock foo.",
        refused=True,
        host=foo(""),
    ),
    "an empty password joins sudo": Turn(
        users(foo={"groups": ["sudo"], "adopt": True}),
        "empty-password",
        "root by this plan",
        refused=True,
        host=foo(""),
    ),
    "an empty password is taken over": Turn(
        users(foo={}), "empty-password", "everybody on the host can be foo (su)", host=foo("")
    ),
    "an empty password that was root before": Turn(
        users(foo={"comment": "Foo", "adopt": True}),
        "empty-password",
        "can be foo (su). Lock it",
        host=foo("", groups="foo"),
    ),
    "a locked password gets sudo": Turn(users(foo={"sudo": [ID]}), host=foo("!")),
    # --------------------------------------------------------------------------------- the last administrator
    "the last administrator expires tomorrow": Turn(
        with_user(expires=TOMORROW),
        "last-administrator",
        "Give another account keys and sudo first",
        base=BASE,
        also=("expiring-account",),
    ),
    "one of two administrators expires tomorrow": Turn(
        with_carol(with_user(expires=TOMORROW)), "expiring-account", base=with_carol(BASE)
    ),
    "the last administrator expires in a year": Turn(with_user(expires=NEXT_YEAR), base=BASE),
    # ------------------------------------------------------------------------------------------------ ageing
    "a password that is soon too old": Turn(
        users(foo={"ssh_keys": ["KEY:carol"]}),
        "ageing-password",
        "chage --maxdays -1 foo",
        host=foo("*", TODAY - 10, 60),
    ),
    "a new account on a host that ages passwords": Turn(
        users(dan={"ssh_keys": ["KEY:carol"]}),
        "ageing-password",
        "PASS_MAX_DAYS in /etc/login.defs",
        host={"/etc/login.defs": {"content": "UID_MIN 1000\nUID_MAX 60000\nPASS_MAX_DAYS 60\n"}},
    ),
    "a password that ages later": Turn(
        users(foo={"ssh_keys": ["KEY:carol"]}), host=foo("*", TODAY - 10, 365)
    ),
    "a password that ages, and nobody logs in": Turn(
        users(foo={"sudo": [ID]}), host=foo("*", TODAY - 10, 60)
    ),
}
_RULES = {turn.rule for turn in TURNS.values()} - {""}


def planned(turn: Turn, *allow: str) -> Planned:
    """The plan, on a simulated Debian."""
    given, meanwhile = (
        Host(paths={**DEBIAN, **turn.host}, groups=GROUPS),
        Host(paths=with_keys(dict(turn.meanwhile))),
    )
    nothing = Expected()
    base = with_keys(turn.base) if turn.base else None
    case = Case("turn", "", with_keys(turn.spec), nothing, nothing, given, base, meanwhile)
    with tempfile.TemporaryDirectory() as directory:
        return prepared(worlds.simulated(Path(directory)), case).plan(case.loaded(), PlanOptions(allow=allow))


def of_access(found: Planned) -> list[Diagnostic]:
    """The diagnostics of the rules about access, the others left out."""
    return [item for item in found.diagnostics if item.rule in _RULES]


@pytest.mark.parametrize("name", TURNS)
def test_what_is_not_meant_is_told(name: str) -> None:
    """One diagnostic with what is wrong and what to do, a refusal where somebody gains by it; and none where
    all is well.
    """
    turn = TURNS[name]
    found = of_access(planned(turn))

    assert [*([turn.rule] if turn.rule else []), *turn.also] == [item.rule for item in found], [
        item.detail for item in found
    ]
    if found:
        assert turn.said in found[0].detail
        assert turn.refused == found[0].refusal
        assert found[0].source is not None or turn.refused
    if turn.refused:
        assert f"If it is meant: --allow {turn.rule}." in found[0].detail
        assert [] == [item for item in of_access(planned(turn, turn.rule)) if item.refusal]


@pytest.mark.parametrize("name", [name for name, turn in TURNS.items() if turn.rule == "refused-key"])
def test_a_key_that_sshd_does_not_take_is_not_gained(name: str) -> None:
    """Access says that it is written and not taken."""
    rows = plan_data(planned(TURNS[name]))["access"]

    assert [] == [row for row in rows if (row["effect"], row["what"]) == ("gains", "ssh key")]
    assert any("is written, and sshd does not take it" in row["detail"] for row in rows)


def test_the_last_administrator_who_expires_stands_first() -> None:
    """Before the lists of the plan, in text and Markdown."""
    data = plan_data(planned(TURNS["the last administrator expires tomorrow"]))
    first = f"alice expires {TOMORROW}, and nobody else can log in with a key and become root"

    assert plan_text(data).replace("\n  ", " ").startswith(first)
    assert f"### :warning: The last administrator expires\n\n* `users.alice`: `{first}`" in plan_markdown(
        data
    )


def test_a_home_that_is_deleted_stands_first() -> None:
    """A deletion that nothing brings back is no fourth item of the access."""
    spec = {"users": {**BASE["users"], "bob": {"state": "absent", "home": "delete"}}}
    data = plan_data(planned(Turn(spec, base=BASE)))

    assert plan_text(data).startswith("/home/bob is deleted with all that is in it (users.bob).")
    assert (
        "### :warning: Data will be removed for ever\n\n* `users.bob`: `/home/bob is deleted"
        in plan_markdown(data)
    )


@pytest.mark.parametrize(
    ("text", "said"), [("DenyUsers alice\n", ["alice: denyusers alice"]), ("DenyUsers bob\n", [])]
)
def test_doctor_asks_whether_anybody_gets_in(text: str, said: list[str]) -> None:
    """A host on which nobody can log in with a key and become root any more is a
    finding, with who and why.
    """
    found = planned(Turn(BASE, base=BASE, meanwhile={DROP_IN: {"content": text}}))
    assert found.request is not None
    told = [finding.what for finding in administrators(found.request.view, {"alice", "bob"})]

    assert len(said) == len(told)
    assert all(words in what for words, what in zip(said, told, strict=True)), told
    assert all(what.startswith("nobody can log in with a key and become root now: ") for what in told)
