"""ssh_keys: what a spec may say, what is refused with which words, and what a plan shows of it."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from reconciler.app.plan.options import PlanOptions
from reconciler.app.plan.planned import basis
from reconciler.core.action_data import as_data
from reconciler.core.actions import Action, EditLines, WriteFile, path_of
from reconciler.core.basics.digest import digest
from reconciler.core.host import PreImage, UnsafePath
from reconciler.core.result import Status
from reconciler.formats.ssh import authorized_keys
from reconciler.host.simulation.host import SimulatedHost
from reconciler.kinds import discover
from reconciler.policy.lint import lint
from reconciler.render.plan.json import plan_to_json
from reconciler.spec.load import load
from tests import worlds
from tests.breaking import Wrapped, crashing
from tests.case import Reader, document, full, parse
from tests.worlds import prepared

pytestmark = pytest.mark.slow


def key(number: int) -> str:
    """An ed25519 key that nobody has the other half of."""
    blob = b"\0\0\0\x0bssh-ed25519\0\0\0 " + hashlib.sha256(b"%d" % number).digest()
    return f"ssh-ed25519 {base64.b64encode(blob).decode()}"


ONE, TWO = key(1), key(2)
RSA = (
    "ssh-rsa "
    + base64.b64encode(
        b"".join(
            len(part).to_bytes(4, "big") + part for part in (b"ssh-rsa", b"\1\0\1", b"\0\xc0" + bytes(255))
        )
    ).decode()
)


def told(spec: dict[str, Any] | str) -> list[tuple[str, str, str, int]]:
    """Severity, summary, detail and line of everything that is said about a spec."""
    reader: Any = Reader(spec if isinstance(spec, str) else document(spec))
    found, diagnostics = load(reader, discover())
    diagnostics = [*diagnostics, *(lint(found, discover()) if found else ())]
    return [
        (
            str(item.severity),
            item.summary,
            f"{item.detail} {item.snippet or ''}",
            item.source.line if item.source else 0,
        )
        for item in diagnostics
    ]


def text(lines: str) -> str:
    """A spec with these lines under ssh_keys, as people write it; they begin in line 4."""
    return f"version: 1\nhost: testhost\nssh_keys:\n{lines}"


GOOD = {
    "list": [f"{ONE} a", TWO],
    "options in front": [f'from="10.0.0.0/8",no-pty {ONE}'],
    "long form": {"keys": [ONE], "adopt": True, "protect": True, "drift": "report"},
    "exactly": {"exactly": [ONE, {"key": TWO, "from": ["*.example.org", "!10.0.0.1"]}]},
    "nobody": {"exactly": []},
    "an authority": [{"key": ONE, "cert_authority": True, "principals": ["alice", "admins"]}],
    "forwarding": [
        {
            "key": ONE,
            "restrict": True,
            "port_forwarding": True,
            "permit_open": ["db:5432"],
            "permit_listen": [8080],
            "tunnel": 0,
        }
    ],
    "expiry": [{"key": ONE, "expires": "2030-01-31T18:00Z"}, {"key": TWO, "expires": "2030-01-31 18:00:30"}],
}


@pytest.mark.parametrize("case", GOOD)
def test_good(case: str) -> None:
    """Nothing is said about any of these, and the schema that editors use accepts them."""
    from jsonschema import Draft202012Validator

    spec = {"ssh_keys": {"alice": GOOD[case]}}
    schema = json.loads((Path(__file__).parents[2] / "schemas/host.2020-12.schema.json").read_text())

    assert [] == told(spec)
    assert [] == [item.message for item in Draft202012Validator(schema).iter_errors(full(spec))]


BAD = {
    "not a key": ("  alice:\n    - hello\n", 5, "TYPE BASE64 COMMENT"),
    "second of a list": (f"  alice:\n    - {ONE}\n    - ssh-rsa AAAA\n", 6, "cut off"),
    "in an entry": (f"  alice:\n    - key: {ONE}\n      from: [10.0.0.1/8]\n", 5, "no network"),
    "unknown key": (f"  alice:\n    - key: {ONE}\n      form: [a]\n", 6, "did you mean `from`"),
    "both forms": (f"  alice: {{keys: [{ONE}], exactly: []}}\n", 4, "exactly one of them"),
    "neither form": ("  alice: {adopt: true}\n", 4, "exactly one of them"),
    "a map in a list": (f"  alice:\n    - exactly: [{ONE}]\n", 5, "key"),
    "twice": (f"  alice:\n    - {ONE} a\n    - {ONE} b\n", 5, "in the list twice (a, b)"),
    "twice with other options": (
        f"  alice:\n    - {ONE} a\n    - pty {ONE} b\n",
        5,
        "twice with different options (a, b)",
    ),
    "twice in exactly": (f"  alice: {{exactly: ['{ONE}', '{ONE}']}}\n", 4, "in the list twice"),
    "options twice": (f"  alice:\n    - {{key: 'pty {ONE}', restrict: true}}\n", 5, "not both"),
    "a date": (f"  alice:\n    - {{key: {ONE}, expires: 31.1.2030}}\n", 5, "write a date as 2027-01-31"),
    "no such date": (f"  alice:\n    - {{key: {ONE}, expires: 2030-02-30}}\n", 5, "YYYYMMDD"),
    "principals of a key": (f"  alice:\n    - {{key: {ONE}, principals: [a]}}\n", 5, "cert_authority"),
    "no token": (f"  alice:\n    - {{key: {ONE}, touch_required: false}}\n", 5, "hardware tokens"),
    "a comma in from": (f"  alice:\n    - {{key: {ONE}, from: ['a,b']}}\n", 5, "from"),
    "a backslash at the end": (f"  alice:\n    - {{key: {ONE}, command: 'x\\'}}\n", 5, "backslash"),
    "permit_open without a port": (
        f"  alice:\n    - key: {ONE}\n      permit_open: [db:1, host]\n",
        6,
        "HOST:PORT",
    ),
    "permit_open beyond ports": (
        f"  alice:\n    - {{key: {ONE}, permit_open: ['host:99999']}}\n",
        5,
        "from 1 to 65535",
    ),
    "permit_listen of words": (
        f"  alice:\n    - {{key: {ONE}, permit_listen: [a b]}}\n",
        5,
        "from 1 to 65535",
    ),
    "tunnel of words": (f"  alice:\n    - {{key: {ONE}, tunnel: x y}}\n", 5, "number of a tun device"),
    "a mask in from": (f"  alice:\n    - {{key: {ONE}, from: [10.0.0.0/255.0.0.0]}}\n", 5, "number of bits"),
    "command twice": (f'  alice:\n    - \'command="a",command="b" {ONE}\'\n', 5, "there twice"),
    "a name": (f"  Alice Smith: [{ONE}]\n", 4, "Alice"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad(case: str) -> None:
    """Each mistake is one error, at its line, in words that say what to do."""
    lines, line, words = BAD[case]
    found = told(text(lines))

    assert {("error", line)} == {(severity, at) for severity, _, _, at in found}, found
    assert any(words.lower() in f"{summary} {detail}".lower() for _, summary, detail, _ in found), found


PRIVATE = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW"


@pytest.mark.parametrize(
    "lines",
    [
        (
            f"  alice:\n    - |\n      -----BEGIN OPENSSH PRIVATE KEY-----\n      {PRIVATE}\n      -----END"
            " OPENSSH PRIVATE KEY-----\n"
        ),
        f"  alice: ['-----BEGIN OPENSSH PRIVATE KEY----- {PRIVATE} -----END OPENSSH PRIVATE KEY-----']\n",
        f"  alice: [{{key: 'PuTTY-User-Key-File-3: ssh-ed25519 {PRIVATE}'}}]\n",
    ],
)
def test_a_private_key_is_not_repeated(lines: str) -> None:
    """Who pasted a private key is told so, and no output has a word of it."""
    found = told(text(lines))

    assert ["error"] == [severity for severity, *_ in found]
    assert "private key" in found[0][2]
    assert PRIVATE[:20] not in str(found)


def test_a_key_of_two_users_is_told() -> None:
    """One key for two users is a warning with both names, a short RSA key one with its length."""
    found = told({"ssh_keys": {"alice": [ONE], "bob": [f"{ONE} shared"], "carol": [RSA]}})

    assert [("warning", "short RSA key"), ("warning", "one key for two users")] == [
        (severity, summary) for severity, summary, *_ in found
    ]
    assert "alice" in found[1][2]
    assert "bob" in found[1][2]
    assert "2048 bits" in found[0][2]


def test_keys_in_two_places_are_refused() -> None:
    """`ssh_keys` inside the user and a block of its own would undo each other."""
    found = told({"users": {"alice": {"ssh_keys": [ONE]}}, "ssh_keys": {"alice": [TWO]}})

    assert [("error", "keys declared twice")] == [(severity, summary) for severity, summary, *_ in found]
    assert [] == told({"users": {"alice": {"ssh_keys": [ONE]}}, "ssh_keys": {"bob": [TWO]}})


PASSWD = "root:x:0:0:root:/root:/bin/bash\nalice:x:41500:41500::/home/alice:/bin/bash\n"


def _world(place: Path, content: bytes) -> worlds.World:
    paths = {"/etc/passwd": {"content": PASSWD}, "/etc/group": {"content": "root:x:0:\nalice:x:41500:\n"}}
    homes = {
        path: {"owner": "alice", "group": "alice", "mode": "0700"}
        for path in ("/home/alice", "/home/alice/.ssh")
    }
    world = prepared(
        worlds.simulated(place),
        parse("ssh_keys/x", {"about": "", "given": {"paths": {**paths, **homes}}, "spec": {}}),
    )
    host = world.host()
    simulated: SimulatedHost = getattr(host, "host", host)
    simulated._add(
        "/home/alice/.ssh/authorized_keys",
        {"owner": "alice", "group": "alice", "mode": "0600", "content": ""},
    )
    path = "/home/alice/.ssh/authorized_keys"
    simulated.execute(WriteFile(path, content, digest(content), "0600", "alice", "alice", digest(b"")))
    return world


STRANGE = b"\n".join(
    [
        b"\xff\xfe not text at all",
        b"\x1b[31mred " + TWO.encode(),
        f"{TWO} \x1b]0;title\x07 \u202e".encode(),
        b"x" * 5000,
        b"token=hunter2\n",
    ]
)


def test_strange_lines_of_a_user_harm_nobody(tmp_path: Path) -> None:
    """Bytes that are no text, control characters and endless lines are removed like any other, and none of
    them is in the plan.
    """
    world = _world(tmp_path, STRANGE)
    case = parse("ssh_keys/x", {"about": "", "spec": {"ssh_keys": {"alice": {"exactly": [ONE]}}}})
    planned = world.plan(case.loaded(), PlanOptions(adopt=True))
    assert planned.plan is not None
    shown = json.dumps(plan_to_json(planned.plan, basis=basis(planned), now="2026-01-01T00:00:00Z", tool="0"))
    edits = [step.action for step in planned.plan.steps if isinstance(step.action, EditLines)]

    assert 1 == len(edits)
    assert 5 == len(edits[0].remove)
    assert "hunter2" not in shown + str(as_data(edits[0]))
    assert not any(mark in shown for mark in ("\\u001b", "\\u0007", "\\u202e"))
    applied = world.apply(case.loaded(), PlanOptions(adopt=True))
    assert applied.result is not None
    assert not applied.result.failed
    assert f"{ONE}\n".encode() == world.host().read("/home/alice/.ssh/authorized_keys")


class _Obstructed(Wrapped):
    """A host on which somebody put a FIFO in the way after the plan was made: nothing below alice's home can
    be captured or listed.
    """

    def capture(self, action: Action) -> PreImage | None:
        """As Executor.capture."""
        if (path_of(action) or "").startswith("/home/alice"):
            raise UnsafePath("not a file, directory or link", f"{path_of(action)} is a FIFO")
        found: PreImage | None = self._host.capture(action)
        return found

    def leftovers(self, directories: Sequence[str]) -> tuple[str, ...]:
        """As Executor.leftovers."""
        if any(path.startswith("/home/alice") for path in directories):
            raise UnsafePath("the path leads through a symbolic link", "/home/alice/.ssh is a link")
        return ("/home/bob/.ssh/.reconciler.0.tmp",) if "/home/bob/.ssh" in directories else ()


@pytest.mark.parametrize("interrupted", [False, True])
def test_what_a_user_does_during_an_apply_stops_only_his_part(interrupted: bool, tmp_path: Path) -> None:
    """An obstacle that comes after the plan fails its user with the reason; bob gets his key, and the
    clean-up after a crash goes on.
    """
    accounts = {
        "/etc/passwd": {"content": f"{PASSWD}bob:x:41501:41501::/home/bob:/bin/sh\n"},
        "/etc/group": {"content": "root:x:0:\nalice:x:41500:\nbob:x:41501:\n"},
    }
    homes = {f"/home/{user}": {"owner": user, "group": user, "mode": "0700"} for user in ("alice", "bob")}
    case = parse(
        "ssh_keys/x",
        {
            "about": "",
            "given": {"paths": {**accounts, **homes}},
            "spec": {"ssh_keys": {"alice": [ONE], "bob": [TWO]}},
        },
    )
    world = prepared(worlds.simulated(tmp_path), case)
    if interrupted:
        crashing(world, case.loaded(), PlanOptions(), at=2)
    result = world.apply(case.loaded(), PlanOptions(), host=_Obstructed(world.host(), lambda _: None)).result
    assert result is not None
    failed = {
        str(address): outcome.reason
        for address, outcome in result.outcomes.items()
        if outcome.status is Status.FAILED
    }

    assert {"ssh_keys.alice", f"ssh_keys.alice/{fingerprint(ONE)}"} == failed.keys()
    assert all("FIFO" in reason for reason in failed.values())
    assert f"{TWO}\n".encode() == world.host().read("/home/bob/.ssh/authorized_keys")


def fingerprint(line: str) -> str:
    """The fingerprint of a line."""
    return authorized_keys.parse(line).fingerprint
