"""Accounts that their age shuts out, on a host on which all is as declared: told by plan, drift and doctor,
and never a change.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.app.plan import noop_fast_path
from reconciler.app.plan.options import PlanOptions
from reconciler.app.specs import SpecChoice
from tests.cli.command import Tree, run

TODAY = int(time.time()) // 86_400
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGkbQx0Zr3tV9P1mJ1mE0n3w4m0m1xJ9b2Jq0d1n2pQv ada"
EVES = KEY.replace("d1n2pQv ada", "d1n2pQw eve")
SPEC = f"""\
version: 1
host: h1
users:
  ada: {{ssh_keys: ["{KEY}"], adopt: true}}
  gone: {{state: disabled}}
  svc: {{system: true, home: /home/svc, adopt: true}}
ssh_keys:
  eve: ["{EVES}"]
directories:
  /home/eve: {{owner: eve, mode: "0700"}}
"""
ACCOUNTS = ("ada", 1500, "/bin/bash"), ("eve", 1501, "/bin/bash"), ("svc", 300, "/usr/sbin/nologin")


@pytest.fixture
def spec(tree: Tree) -> Path:
    """A tree with these accounts, and a spec that is applied on it."""
    (tree.root / "home").mkdir()
    tree.put("/bin/bash", "", 0o755)
    tree.put("/etc/ssh/sshd_config", "UsePAM yes\n")
    tree.put(
        "/etc/passwd",
        "root:x:0:0::/root:/bin/bash\n" + "".join(f"{n}:x:{u}:{u}::/home/{n}:{s}\n" for n, u, s in ACCOUNTS),
    )
    tree.put("/etc/group", "root:x:0:\n" + "".join(f"{n}:x:{u}:\n" for n, u, _ in ACCOUNTS))
    tree.put(
        "/etc/shadow",
        "root:*:19000:0:99999:7:::\n" + "".join(f"{n}:*:19000:0:99999:7:::\n" for n, _, _ in ACCOUNTS),
        0o640,
    )
    tree.put("/etc/gshadow", "root:*::\n" + "".join(f"{n}:!::\n" for n, _, _ in ACCOUNTS), 0o640)
    path = tree.spec(SPEC.replace("version: 1\nhost: h1\n", ""))
    done = tree.apply(path, "--adopt")
    assert 0 == done.code, done.said
    assert "No changes." in tree.plan(path).out
    return path


def age(tree: Tree, name: str, **fields: object) -> None:
    """Set fields of a line of /etc/shadow by number, as `f2`, as chage(1) does."""
    path = tree.root / "etc/shadow"
    lines = [line.split(":") for line in path.read_text().splitlines()]
    for row in lines:
        if row[0] == name:
            for field, value in fields.items():
                row[int(field[1:])] = str(value)
    path.write_text("".join(":".join(row) + "\n" for row in lines))


def short(tree: Tree, spec: Path) -> bool:
    """Whether the short way answers."""
    return (
        noop_fast_path.settled_plan(SpecChoice(str(spec), root=str(tree.root)), PlanOptions(str(tree.root)))
        is not None
    )


AGED: dict[str, tuple[str, dict[str, object], str]] = {
    "too old": ("ada", {"f2": 19_000, "f4": 30}, "ada cannot log in or use sudo: the password is too old"),
    "must be changed": (
        "ada",
        {"f2": 0},
        "ada cannot log in or use sudo: the password must be changed at the next login.",
    ),
    "soon too old": (
        "ada",
        {"f2": TODAY - 10, "f4": 60},
        "on the password of ada is too old, and PAM then ends every login, by key too",
    ),
    "expired, of an account with keys only": (
        "eve",
        {"f7": 19_000},
        "eve cannot log in or use sudo: the account expired on 2022-01-08.",
    ),
    "expires soon": ("eve", {"f7": TODAY + 5}, "on eve cannot log in or use sudo: the account expires then."),
}


@pytest.mark.parametrize("name", AGED)
def test_an_age_that_shuts_out_is_told_of_a_settled_host(tree: Tree, spec: Path, name: str) -> None:
    """By both ways to "No changes" in the same words, by drift and by doctor; there is nothing to change, and
    no exit code says so.
    """
    account, fields, words = AGED[name]
    age(tree, account, **fields)
    before = tree.manifest()

    plan, document = tree.plan(spec, "--detailed-exitcode"), json.loads(tree.plan(spec, "--json").out)
    drift, doctor = (run(command, spec, "--root", tree.root) for command in ("drift", "doctor"))

    assert (0, True, True) == (plan.code, "No changes." in plan.out, words in plan.said), plan.said
    assert (True, [], False) == (
        words in " ".join(row["detail"] for row in document["diagnostics"]),
        document["resource_drift"],
        document["applyable"],
    )
    assert (0, True, True) == (drift.code, "No drift" in drift.said, words in drift.said), drift.said
    assert words in doctor.said
    assert before == tree.manifest()

    # The next apply notes the line of the spec, so that the short way repeats the warning word for word.
    assert 0 == tree.apply(spec).code
    assert short(tree, spec)
    assert plan.out == tree.plan(spec).out


QUIET: dict[str, Callable[[Tree], None]] = {
    "nobody ages": lambda _: None,
    "far away": lambda tree: age(tree, "ada", f2=TODAY - 10, f4=365),
    "a password that somebody can change": lambda tree: age(tree, "ada", f1="$y$j9T$x", f2=TODAY - 10, f4=60),
    "nobody works in that account": lambda tree: age(tree, "svc", f2=19_000, f4=30),
}


@pytest.mark.parametrize("name", QUIET)
def test_an_age_that_shuts_nobody_out_is_not_told(tree: Tree, spec: Path, name: str) -> None:
    """The short way answers as before, and doctor finds nothing about accounts."""
    QUIET[name](tree)

    assert short(tree, spec)
    assert tree.plan(spec).out == "No changes. Your host matches the configuration.\n"
    assert "accounts" not in run("doctor", spec, "--root", tree.root).said


def test_a_date_of_the_spec_is_told_when_it_is_near(tree: Tree, spec: Path) -> None:
    """An account that expires as the spec says is told of with what to write there; one that is disabled is
    meant to be shut.
    """
    day = time.strftime("%Y-%m-%d", time.gmtime((TODAY + 3) * 86_400))
    spec.write_text(
        spec.read_text().replace("adopt: true}\n  gone", f'adopt: true, expires: "{day}"}}\n  gone')
    )
    assert 0 == tree.apply(spec).code

    said = tree.plan(spec).said

    assert (
        f"From {day} on ada cannot log in or use sudo: the account expires then. Write another day, or"
        " `state: disabled`." in said
    )
    assert "gone" not in said
