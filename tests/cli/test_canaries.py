"""Secrets of fourteen forms, old and new, on a host and in its spec: no view of a plan shows one."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.cli.command import Done, Tree, run
from tests.cli.test_secrets import canary, leaks

pytestmark = pytest.mark.slow

PEM = "-----BEGIN OPENSSH PRIVATE KEY-----\n{}\n-----END OPENSSH PRIVATE KEY-----\n"
NAMES = (
    "marked",
    "source",
    "token",
    "password",
    "option",
    "credential",
    "url",
    "config",
    "pem",
    "profile",
    "sudo",
    "alias",
    "header",
)
"""Places for a secret; each holds one before and another one after."""
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGh5c2lHOm5vdGFyZWFsa2V5bm90YXJlYWxrZXlub3Rh alice@laptop"
ACCOUNTS = {
    "/etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
    "/etc/group": "root:x:0:\n",
    "/etc/shadow": "root:*:20000:0:99999:7:::\n",
    "/etc/gshadow": "root:*::\n",
}


def secrets(when: str) -> dict[str, str]:
    """Those of a time; the last is known by its form alone."""
    digest = hashlib.sha256(when.encode()).hexdigest()[:34]
    return {**{name: canary(f"{when}-{name}") for name in NAMES}, "shape": f"hf_{digest}"}


def spec_of(tree: Tree, said: dict[str, str]) -> Path:
    """A spec with all of them."""
    (tree.base / "key").write_text(said["source"])
    (tree.base / "pem").write_text(PEM.format(said["pem"]))
    return tree.spec(f"""\
files:
  /etc/marked: {{content: "{said["marked"]}", mode: "0600", sensitive: true}}
  /etc/source: {{source: key, mode: "0600", sensitive: true}}
  /etc/pem: {{source: pem, mode: "0600"}}
  /etc/app.conf: {{content: "[db]\\npassword = {said["config"]}\\nport = 1\\n", mode: "0640"}}
services:
  s:
    exec_start_pre: [[/usr/bin/true, -H, "Authorization: Bearer {said["header"]}"], [/usr/bin/true, --as, "{said["shape"]}"]]
    exec_start: [/usr/bin/true, --api-token, "{said["option"]}", "--password={said["password"]}"]
    environment: {{API_TOKEN: "{said["token"]}", DB: "postgres://app:{said["url"].replace("/", "_")}@db/x", MODE: fast}}
    directives: {{Service: {{SetCredential: "db:{said["credential"]}"}}}}
users:
  alice:
    ssh_keys: ['{KEY}']
    environment: {{set: {{SECRET_KEY: "{said["profile"]}"}}}}
    sudo: [{{run: [/usr/bin/mysql, "--password={said["sudo"]}"]}}]
    aliases: {{api: "curl -H 'Authorization: Basic {said["alias"]}' http://h/"}}
""")


def looked_for(said: dict[str, str]) -> list[str]:
    """As they are written."""
    return [text.replace("/", "_") if name == "url" else text for name, text in said.items()]


def views(tree: Tree, spec: Path) -> list[Done | Path]:
    """Everything that shows a plan or complains about a spec."""
    file = tree.base / "plan.json"
    found: list[Done | Path] = [
        tree.plan(spec, *options)
        for options in (
            (),
            ("--verbose",),
            ("--json",),
            ("--format", "json"),
            ("--format", "markdown"),
            ("--out", file),
        )
    ]
    found += [
        run("show", file, *options) for options in ((), ("--verbose",), ("--json",), ("--format", "markdown"))
    ]
    found += [run("validate", spec, *options) for options in ((), ("--json",), ("--format", "github"))]
    found += [file, tree.drift(spec), tree.drift(spec, "--json"), run("status", spec, "--root", tree.root)]
    root = ("--root", tree.root)
    found += [
        run("history", *root),
        run("history", "--json", *root),
        run("doctor", "--json", *root),
        run("snapshot", *root),
    ]
    found += [run("show", number, *root) for number in (1, 2) if tree.state.exists()]
    found += [run("rollback", *root, *options) for options in ((), ("--json",)) if tree.state.exists()]
    found += [
        run("explain", address, spec, "--root", tree.root)
        for address in ("services.s", "users.alice", 'files["/etc/app.conf"]')
    ]
    return found


@pytest.fixture
def host(tree: Tree) -> Tree:
    """A tree with accounts."""
    for path, text in ACCOUNTS.items():
        tree.put(path, text)
    tree.put("/bin/bash", "", 0o755)
    tree.put("/etc/sudoers", "@includedir /etc/sudoers.d\n", 0o440)
    for name in ("home", "etc/profile.d", "etc/sudoers.d"):
        (tree.root / name).mkdir(exist_ok=True)
    return tree


def test_no_view_shows_a_secret(host: Tree) -> None:
    """Neither when it is new, nor when it changes, nor edited by hand, nor when it goes."""
    old, new, hand = secrets("old"), secrets("new"), canary("hand")
    assert 28 == len({*looked_for(old), *looked_for(new)})
    spec = spec_of(host, old)
    seen = [*views(host, spec), host.apply(spec, "--json")]
    assert "postgres://app:" + old["url"].replace("/", "_") in host.path(
        "/etc/systemd/system/s.service"
    ).read_text().replace("%%", "%")
    spec = spec_of(host, new)
    changed = views(host, spec)
    seen += [*changed, host.apply(spec)]
    for path in ("/etc/marked", "/etc/source", "/etc/pem", "/etc/app.conf", "/etc/systemd/system/s.service"):
        there = host.path(path)
        there.write_text(
            there.read_text().replace("port = 1", f"db_password = {hand}").replace(new["token"], hand)
        )
    seen += [
        *views(host, spec),
        host.apply(spec, "--json"),
        *views(host, host.spec("groups: {g: {}}\n")),
        host.apply(host.spec("groups: {g: {}}\n")),
    ]
    texts = "".join(one.out for one in changed if isinstance(one, Done))

    assert {0} == {one.code for one in seen if isinstance(one, Done)} - {1, 2, 3}
    assert [] == leaks([*looked_for(old), *looked_for(new), hand], *seen)
    assert "API_TOKEN=(sensitive value, changed)" in texts
    assert "-password = (sensitive value)" in texts
    assert "alice@laptop" in texts or "SHA256:" in texts


def test_an_approval_with_secrets_is_refused_without_showing_them(host: Tree) -> None:
    """The refusal of a stale approval names addresses, not values."""
    old, new = secrets("old"), secrets("new")
    host.apply(spec_of(host, old))
    file = host.base / "plan.json"
    host.plan(spec_of(host, new), "--out", file)
    spec = spec_of(host, secrets("later"))
    done = [
        run("apply", spec, "--root", host.root, "--approved", file, *options) for options in ((), ("--json",))
    ]

    assert [3, 3] == [one.code for one in done]
    assert [] == leaks([*looked_for(old), *looked_for(new), *looked_for(secrets("later"))], *done)


def test_a_refused_argument_of_a_sudo_rule_is_not_quoted(tree: Tree) -> None:
    """A header with a token has a blank, which a rule cannot have: the error names
    its number, not its value.
    """
    secret = canary("refused")
    spec = tree.spec(f'users: {{alice: {{sudo: [{{run: [/usr/bin/curl, -H, "X-Api-Key: {secret}"]}}]}}}}\n')
    said = [run("validate", spec, *options) for options in ((), ("--json",), ("--format", "github"))]
    said.append(run("plan", spec, "--root", tree.root))

    assert [True] * 4 == ["Argument 2 has a space" in done.said for done in said]
    assert [] == leaks([secret], *said)
