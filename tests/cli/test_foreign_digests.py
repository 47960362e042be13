"""No digest of what is not ours leaves the command: of a PIN in a file of mode 0600 a digest is as good as
the PIN.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import Done, Tree, run

PIN = "pin 4711\n"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILtJoYpX1bjgpAaW1YZqhXvZdrV2yVbZQ6Ph4Jz0zVQY hand"
PASTED = "hunter2"
KEYS = f'environment="API_TOKEN=4711" {KEY}\n{PASTED}\n'
SPEC = """\
files:
  /etc/app/secret: {content: "new\\n", mode: "0600", adopt: true}
  /etc/app/same: {content: "same\\n", mode: "0600", adopt: true}
"""


def _digests(*contents: str) -> list[str]:
    return [hashlib.sha256(content.encode()).hexdigest() for content in contents]


def _scene(tree: Tree, content: str = PIN, *, applied: bool = False) -> Path:
    tree.put("/etc/machine-id", "0123456789abcdef0123456789abcdef\n")
    tree.put("/etc/hostname", "h1\n")
    if applied:
        assert 0 == tree.apply(tree.spec('files:\n  /etc/first: {content: "x\\n", mode: "0644"}\n')).code
    tree.put("/etc/app/secret", content)
    tree.put("/etc/app/same", "same\n")
    for name in ("secret", "same"):
        (tree.root / "etc/app" / name).chmod(0o600)
    return tree.spec(SPEC + ('  /etc/first: {content: "x\\n", mode: "0644"}\n' if applied else ""))


def _saved(tree: Tree, spec: Path, name: str = "plan.json") -> dict[str, Any]:
    file = tree.base / name
    file.unlink(missing_ok=True)
    assert 0 == run("plan", spec, "--root", tree.root, "--out", file).code
    return dict(json.loads(file.read_text()))


def test_no_output_has_the_digest_of_what_is_not_ours(tree: Tree) -> None:
    """Neither plan, explain, events of apply, history nor a rollback, in any form: and sizes are told of
    nothing that is closed.
    """
    spec = _scene(tree)
    at = ("--root", tree.root)
    said = [
        run("plan", spec, *at, *options)
        for options in ((), ("--json",), ("--verbose",), ("--format", "markdown"))
    ]
    said += [Done(0, json.dumps(_saved(tree, spec)), "")]
    said += [run("explain", 'files["/etc/app/secret"]', spec, *at, *options) for options in ((), ("--json",))]
    said += [run("drift", spec, *at, "--json"), run("apply", spec, *at, "--auto-approve", "--json")]
    said += [run("show", "1", *at, *options) for options in ((), ("--json",))]
    said += [run("rollback", *at, "--auto-approve", *options) for options in (("--json",),)]
    said += [run("show", "2", *at, "--json"), run("history", *at, "--json"), run("status", *at, "--json")]

    assert [] == [done.out for done in said if done.code not in (0, 1)]
    assert [] == [
        done.out + done.err for done in said for digest in _digests(PIN) if digest[:12] in done.out + done.err
    ]
    assert [] == [
        done.out for done in said if f'"size": {len(PIN)}' in done.out or f'"size":{len(PIN)}' in done.out
    ]
    assert PIN == (tree.root / "etc/app/secret").read_text()


def test_an_approval_is_no_oracle(tree: Tree) -> None:
    """The digests that an approval covers are made with the host's key: two hosts have two, and the first
    plan covers no content that is closed.
    """
    first = {content: _saved(tree, _scene(tree, content))["approval"] for content in (PIN, "pin 4712\n")}
    assert len({json.dumps(approval, sort_keys=True) for approval in first.values()}) == 1

    spec = _scene(tree, PIN, applied=True)
    mine = _saved(tree, spec)["approval"]["changes"]['files["/etc/app/secret"]']
    again = _saved(tree, spec)["approval"]["changes"]['files["/etc/app/secret"]']
    other = _saved(tree, _scene(tree, "pin 4712\n"))
    assert mine == again
    assert mine["found"].startswith("hmac:")
    assert other["approval"]["changes"]['files["/etc/app/secret"]']["found"] != mine["found"]


@pytest.mark.parametrize(
    ("content", "code", "words"), [(PIN, 0, ""), ("pin 4712\n", 3, "Changed on the host since the approval")]
)
def test_an_approval_holds_as_long_as_the_file_does(tree: Tree, content: str, code: int, words: str) -> None:
    """Nothing changed: it is applied. Another content of the same size, mode and owner: it is stale."""
    spec = _scene(tree, applied=True)
    _saved(tree, spec)
    (tree.root / "etc/app/secret").write_text(content)
    done = run("apply", spec, "--root", tree.root, "--approved", tree.base / "plan.json")

    assert (code, words in done.said) == (done.code, True), done.said


def test_a_line_that_is_no_key_goes_without_its_digest(tree: Tree) -> None:
    """A password that was pasted into authorized_keys is removed by `exactly`; no output has its digest, nor
    that of the file.
    """
    tree.put("/etc/machine-id", "0123456789abcdef0123456789abcdef\n")
    tree.put("/etc/hostname", "h1\n")
    tree.put("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n")
    tree.put("/etc/group", "root:x:0:\nann:x:1000:\n")
    tree.put("/etc/shadow", "root:*:1::::::\nann:*:1::::::\n")
    tree.put("/home/ann/.ssh/authorized_keys", KEYS)
    spec = tree.spec(f"ssh_keys:\n  ann: {{exactly: ['{KEY}'], adopt: true}}\n")
    said = [
        run("plan", spec, "--root", tree.root, *options)
        for options in ((), ("--json",), ("--verbose",), ("--format", "markdown"))
    ]
    said += [
        Done(0, json.dumps(_saved(tree, spec)), ""),
        run("explain", "ssh_keys.ann", spec, "--root", tree.root, "--json"),
    ]

    assert "authorized_keys" in said[1].out
    hidden = _digests(KEYS, PASTED, KEYS.splitlines()[0])
    assert [] == [done.out for done in said for digest in hidden if digest[:12] in done.out + done.err]
