"""Facts of one account, or of one program, that a snapshot does not have silence no answer about anybody
else.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import Done, Tree, run
from tests.cli.test_access_from_snapshots import EVE, debian

MALLORY = 1002
ELSEWHERE = '/etc/ssh/sshd_config.d/x.conf: {content: "AuthorizedKeysFile .ssh/authorized_keys .keys/%u\\n", mode: "0644"}'
"""Where sshd reads keys now is in a snapshot; where it would read them with this is not."""
JOB = f'files: {{/etc/cron.d/q: {{content: "5 5 * * * root /home/eve/x\\n", mode: "0644"}}, {ELSEWHERE}}}\n'
RULE = f"users: {{mallory: {{adopt: true, sudo: [{{run: ALL, password: false}}]}}}}\nfiles: {{{ELSEWHERE}}}\n"
BY = "root runs /home/eve/x because of /etc/cron.d/q; eve owns /home/eve/x"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give eve a home")
__all__ = ["debian"]  # the tree of the neighbour


@pytest.fixture
def blinded(debian: Tree) -> Tree:
    """mallory has made ~/.ssh a link, which sshd follows; eve has a program."""
    for path, line in (
        ("passwd", f"mallory:x:{MALLORY}:{MALLORY}::/home/mallory:/bin/bash\n"),
        ("group", f"mallory:x:{MALLORY}:\n"),
    ):
        debian.path(f"/etc/{path}").write_text(debian.path(f"/etc/{path}").read_text() + line)
    debian.path("/etc/shadow").write_text(
        debian.path("/etc/shadow").read_text() + "mallory:*:19000:0:99999:7:::\n"
    )
    debian.put("/etc/ssh/sshd_config", "Include /etc/ssh/sshd_config.d/*.conf\nUsePAM yes\n")
    debian.path("/etc/ssh/sshd_config.d").mkdir()
    keys = debian.put("/home/mallory/.real/authorized_keys", "")
    debian.path("/home/mallory/.ssh").symlink_to(".real")
    program = debian.put("/home/eve/x", "#!/bin/sh\n", 0o755)
    for place, owner in (
        (keys, MALLORY),
        (keys.parent, MALLORY),
        (keys.parent.parent, MALLORY),
        (program, EVE),
    ):
        os.chown(place, owner, owner)
    return debian


def snapshot(tree: Tree) -> Path:
    """A snapshot of the tree."""
    path = tree.base / "snapshot.json"
    assert 0 == run("snapshot", "--root", tree.root, "--out", path).code
    return path


def becoming(done: Done) -> dict[str, str]:
    """Who becomes root by the plan, and by what."""
    data: dict[str, Any] = json.loads(done.out)
    return {
        row["account"]: row["detail"]
        for row in data["access"]
        if (row["effect"], row["what"]) == ("gains", "root")
    }


def test_a_link_of_one_account_silences_nobody(blinded: Tree) -> None:
    """Who becomes root by what root runs, or by sudo, is the first line of the plan from the snapshot; what
    is not known is said.
    """
    for spec, name, by in (
        (JOB, "eve", "root runs /home/eve/x"),
        (RULE, "mallory", "sudo: ALL without a password"),
    ):
        there = becoming(blinded.plan(blinded.spec(spec), "--json"))
        forms = [
            run("plan", blinded.spec(spec), "--snapshot", snapshot(blinded), *form)
            for form in ((), ("--format", "markdown"))
        ]
        here = run("plan", blinded.spec(spec), "--snapshot", snapshot(blinded), "--json")

        assert by in there[name]
        assert by in becoming(here).get(name, ""), here.out
        assert forms[0].out.startswith(f"{name} becomes root"), forms[0].out
        assert "becomes root" in forms[1].out.split("## Plan")[0], forms[1].out
        assert name in forms[1].out.split("## Plan")[0]
        assert not json.loads(here.out)["complete"]


def test_nothing_is_called_known_that_nobody_could_look_at(blinded: Tree) -> None:
    """A comment whose plan is incomplete does not say that nobody gains access, nor that its policy passes;
    one that is whole does.
    """
    spec = f"files: {{{ELSEWHERE}}}\n"
    here = run("plan", blinded.spec(spec), "--snapshot", snapshot(blinded), "--format", "markdown").out
    there = blinded.plan(
        blinded.spec('files: {/srv/a: {content: "a", mode: "0644"}}\n'), "--format", "markdown"
    ).out

    assert "by what mallory can log in" in here
    assert "nobody gains" not in here
    assert "**Policy** pass" not in here
    assert "**Access** no account gains or loses" in there
    assert "**Policy** pass" in there


def test_a_program_that_nobody_has_looked_at_is_judged_by_the_way_to_it(blinded: Tree) -> None:
    """Who owns a directory on the way becomes root; where not even that is known, whose home it is in may
    become root.
    """
    blinded.put("/home/eve/a/b/x", "#!/bin/sh\n", 0o755)
    job = '"5 5 * * * root /srv/1/2/3/4/x\\n"'
    spec = (
        f"services: {{s: {{exec_start: [/home/eve/a/b/x]}}}}\nfiles: {{/etc/cron.d/q: {{content: {job}, mode:"
        ' "0644"}}\n'
    )
    here = run("plan", blinded.spec(spec), "--snapshot", snapshot(blinded), "--json")
    taken = snapshot(blinded)
    data = json.loads(taken.read_text())
    for path in ("/home/eve", "/home/eve/.ssh"):
        data["paths"].pop(path, None)
    data["paths"]["/home"].pop("listed", None)
    taken.write_text(json.dumps(data))
    perhaps = run("plan", blinded.spec(spec), "--snapshot", taken)

    assert "eve owns /home/eve" in becoming(here)["eve"], here.out
    assert perhaps.out.startswith(
        "eve may become root (root runs /home/eve/a/b/x; /home/eve is the home of eve)"
    ), perhaps.out
    assert (
        "who can write /home/eve/a/b/x" in perhaps.out
        or "/home/eve/a/b/x" in perhaps.out.split("Not known")[1]
    )


def test_an_approval_covers_who_becomes_root(blinded: Tree) -> None:
    """Facts by which nobody becomes root approve no apply by which somebody does: it is refused, and a plan
    that names him approves it.
    """
    spec, file = blinded.spec(JOB), blinded.base / "plan.json"
    taken = snapshot(blinded)
    data = json.loads(taken.read_text())
    for path, said in data["paths"].items():
        if path.startswith("/home/eve") and said:
            said |= {"owner": "root", "group": "root"}
    taken.write_text(json.dumps(data))
    run("plan", spec, "--snapshot", taken, "--out", file)
    before = blinded.manifest()
    done = run("apply", spec, "--root", blinded.root, "--approved", file)

    assert (3, before) == (done.code, blinded.manifest())
    assert "did not by the plan that was approved: eve." in done.said
    blinded.plan(spec, "--out", file)
    assert 0 == run("apply", spec, "--root", blinded.root, "--approved", file).code
