"""The findings of the security audit that a plan causes and mends, in text, JSON and Markdown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from reconciler.app.schema import document_schema
from tests.cli.command import run

HEAD = {"version": 1, "host": "testhost"}
FILE = {"mode": "0644", "owner": "root", "group": "root"}
LOOSE: dict[str, Any] = {
    "users": {
        "alice": {
            "uid": 1000,
            "adopt": True,
            "groups": ["docker"],
            "sudo": [{"run": ["/usr/bin/true"], "password": False}],
        }
    },
    "files": {
        "/srv/open": {**FILE, "content": "x", "mode": "0666"},
        "/etc/ssh/sshd_config.d/10-root.conf": {**FILE, "content": "PermitRootLogin yes\n"},
        "/etc/sudoers.d/helpers": {**FILE, "content": "%docker ALL=(ALL) NOPASSWD: ALL\n", "mode": "0440"},
    },
}
CAUSED = {
    ("group-root", "alice in docker", "declared"),
    ("ssh-root-login", "PermitRootLogin", "fail"),
    ("sudo-all", "%docker in /etc/sudoers.d/helpers", "fail"),
    ("sudo-nopasswd", "%docker in /etc/sudoers.d/helpers", "fail"),
    ("sudo-nopasswd", "alice in /etc/sudoers.d/alice", "declared"),
    ("world-writable-files", "/srv/open", "fail"),
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tree with sshd and sudo, in the working directory."""
    monkeypatch.chdir(tmp_path)
    tree = tmp_path / "tree"
    for name in (
        "etc/sudoers.d",
        "etc/ssh/sshd_config.d",
        "usr/bin",
        "usr/sbin",
        "srv",
        "home/alice",
        "root",
    ):
        (tree / name).mkdir(parents=True)
    for name, text in {
        "etc/hostname": "testhost\n",
        "etc/passwd": "root:x:0:0::/root:/bin/bash\nalice:x:1000:1000::/home/alice:/bin/bash\n",
        "etc/group": "root:x:0:\nalice:x:1000:\ndocker:x:105:\n",
        "etc/shadow": "root:*:1::::::\nalice:!:1::::::\n",
        "etc/gshadow": "root:*::\nalice:!::\ndocker:!::\n",
        "etc/ssh/sshd_config": "Include /etc/ssh/sshd_config.d/*.conf\nUsePAM yes\n",
        "etc/sudoers": "root ALL=(ALL:ALL) ALL\n@includedir /etc/sudoers.d\n",
        "usr/bin/true": "",
        "usr/bin/sudo": "",
    }.items():
        (tree / name).write_text(text)
    (tree / "etc/sudoers").chmod(0o440)
    (tree / "usr/bin/sudo").chmod(0o4755)
    (tree / "home/alice").chmod(0o700)
    return tmp_path


def plan(spec: dict[str, Any], *options: str) -> str:
    """What `plan` prints for a spec."""
    Path("host.yaml").write_text(json.dumps(HEAD | spec))
    done = run("plan", "host.yaml", "--root", "tree", *options)
    assert done.code in (0, 3), done.out + done.err
    return done.out


def found(rows: Sequence[dict[str, Any]]) -> set[tuple[str, str, str]]:
    """The findings, as in CAUSED."""
    return {(row["id"], row["object"], row["status"]) for row in rows}


def test_what_a_plan_causes_is_told(place: Path) -> None:
    """A rule without a password, a group that is root, a file for all and a door for root are named."""
    from jsonschema import Draft202012Validator

    data = json.loads(plan(LOOSE, "--json"))
    text, comment = plan(LOOSE), plan(LOOSE, "--format", "markdown")
    Draft202012Validator(json.loads(document_schema("plan", ""))).validate(data)

    assert found(data["findings"]["caused"]) == CAUSED
    assert {row["id"] for row in data["findings"]["fixed"]} <= {"home-owner"}
    assert f"causes {len(CAUSED)}\n" in text.partition("Security audit: ")[2]
    assert "  causes  high      ssh-root-login: PermitRootLogin: yes\n" in text
    assert "group-root: alice in docker: group docker" in text
    assert "**Security audit: " in comment
    assert "* causes **high** `world-writable-files: /srv/open:" in comment
    assert text.index("causes  high") < text.index("causes  medium")


def test_what_a_plan_mends_is_told(place: Path) -> None:
    """The same things taken away are told as mended."""
    run("apply", _written(LOOSE), "--root", "tree", "--auto-approve", "--allow", "lock-out:root")
    tight = {"users": {"alice": {"uid": 1000, "groups": {"exactly": []}, "sudo": []}}}
    data = json.loads(plan(tight, "--json"))

    assert found(data["findings"]["fixed"]) >= {(name, item, "fail") for name, item, _ in CAUSED - {_OPEN}}
    assert data["findings"]["caused"] == []
    assert "Security audit: fixes " in plan(tight)


_OPEN = ("world-writable-files", "/srv/open", "fail")


def _written(spec: dict[str, Any]) -> str:
    Path("host.yaml").write_text(json.dumps(HEAD | spec))
    return "host.yaml"


def test_what_is_waived_is_told_as_waived(place: Path) -> None:
    """A waiver of the spec is named at its finding, with its reason."""
    waiver = {
        "check": "ssh-root-login",
        "object": "PermitRootLogin",
        "why": "for a day",
        "until": "2999-01-01",
    }
    spec = LOOSE | {"audit": {"waivers": [waiver]}}
    rows = json.loads(plan(spec, "--json"))["findings"]["caused"]

    assert ("ssh-root-login", "PermitRootLogin", "waived") in found(rows)
    assert "PermitRootLogin: yes (waived: for a day" in plan(spec)


def test_a_plan_without_findings_says_nothing(place: Path) -> None:
    """A harmless change has no such part, and a settled host is not looked at."""
    harmless = {"files": {"/srv/fine": {**FILE, "content": "x"}}}

    assert "findings" not in json.loads(plan(harmless, "--json"))
    assert "Security audit" not in plan(harmless) + plan(harmless, "--format", "markdown")
    assert run("apply", "host.yaml", "--root", "tree", "--auto-approve").code == 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("reconciler.app.plan.findings.findings", lambda _: pytest.fail("it was looked at"))
        assert "No changes" in plan(harmless)


def test_what_one_side_does_not_know_is_no_change(place: Path) -> None:
    """A fault that was there before is not told as caused where a snapshot has nothing to tell of the time
    before; the checks that have no answer are counted.
    """
    with (place / "tree/etc/passwd").open("a") as file:
        file.write("twice:x:1002:1000::/:/usr/sbin/nologin\ntwice:x:1003:1000::/:/usr/sbin/nologin\n")
    assert run("snapshot", "--root", "tree", "--out", "facts.json").code == 0
    facts = json.loads(Path("facts.json").read_text())
    del facts["audit"]
    Path("facts.json").write_text(json.dumps(facts))
    done = run("plan", _written(LOOSE), "--snapshot", "facts.json", "--json")
    data = json.loads(done.out)["findings"]

    assert ("world-writable-files", "/srv/open", "fail") in found(data["caused"])
    assert "account-names" not in {row["id"] for row in data["caused"]}
    assert data["left_out"] > 0
    text = run("plan", "host.yaml", "--snapshot", "facts.json").out
    assert f"  {data['left_out']} checks could not be answered, and are left out\n" in text
