"""Secrets that are told by their shape alone, in each place of a spec: no view of a plan, of a host or of a
mistake shows one.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.cli.command import Done, Tree, run
from tests.cli.test_canaries import ACCOUNTS, KEY, views
from tests.cli.test_secrets import leaks
from tests.core.secret_shapes import HIDES

pytestmark = pytest.mark.slow

PLACES = (
    *(
        "pat",
        "pgpassword",
        "url",
        "pre",
        "start",
        "auth",
        "timer",
        "before",
        "after",
        "environment",
        "alias",
        "variable",
        "sudo",
    ),
    *("comment", "command", "cron", "rotate", "postrotate"),
)
ADDRESSES = (
    "services.s",
    "timers.t",
    "backups.b",
    "users.alice",
    "ssh_keys.alice",
    "logrotate.l",
    'files["/etc/shapes.conf"]',
)


def secret_of(name: str) -> str:
    """A secret without a character that ends a word of some form."""
    return "Zq" + hashlib.sha256(name.encode()).hexdigest()[:30] + "K8"


def secrets(when: str) -> list[str]:
    """Those of a time."""
    return [secret_of(f"{when}-{name}") for name in (*PLACES, *HIDES)]


def lines(when: str) -> str:
    """A file with all shapes, one a line."""
    return "".join(
        text.replace("{}", secret_of(f"{when}-{text}")).replace("{{", "{").replace("}}", "}") + "\n"
        for text in HIDES
    )


def spec_of(tree: Tree, when: str, more: str = "") -> Path:
    """A spec with a secret in each place."""
    said = {name: secret_of(f"{when}-{name}") for name in PLACES}
    (tree.base / "shapes").write_text(lines(when))
    return tree.spec(f"""\
files:
  /etc/shapes.conf: {{source: shapes, mode: "0644"}}
  /etc/cron.d/x: {{content: "5 5 * * * root /usr/bin/curl -u a:{said["cron"]} http://h\\n", mode: "0644"}}
services:
  s:
    exec_start_pre: [[/usr/bin/mysql, "-p{said["pre"]}", db]]
    exec_start: [/usr/bin/curl, -u, "a:{said["start"]}", --auth, "bearer:{said["auth"]}", http://h]
    environment: {{GITHUB_PAT: "{said["pat"]}", PGPASSWORD: "{said["pgpassword"]}"}}
    health: {{http: "http://127.0.0.1:8000/healthz?key={said["url"]}", within: 60s}}
timers:
  t:
    schedule: daily
    exec_start: [/usr/bin/sshpass, -p, "{said["timer"]}", ssh, h]
    environment: {{APP_CREDENTIAL: "{said["environment"]}"}}
backups:
  b:
    sources: [/srv]
    destinations: [/bk]
    schedule: daily
    keep: {{daily: 7}}
    before: [[/usr/bin/mysqldump, "-p{said["before"]}", db], [/usr/bin/curl, -u, "a:{said["after"]}", http://h]]
logrotate:
  l:
    paths: [/var/log/a.log]
    postrotate: {{run: [/usr/bin/curl, -u, "a:{said["postrotate"]}", http://h]}}
users:
  alice:
    environment: {{set: {{GH_PAT: "{said["variable"]}"}}}}
    sudo: [{{run: [/usr/bin/mysql, "-p{said["sudo"]}"]}}]
    aliases: {{api: "curl -u user:{said["alias"]} http://h/"}}
ssh_keys:
  alice:
    - key: {KEY.rpartition(" ")[0]} token={said["comment"]}
      command: /usr/bin/curl -u a:{said["command"]} http://h
{more}""")


@pytest.fixture
def host(tree: Tree) -> Tree:
    """A tree with accounts."""
    for path, text in ACCOUNTS.items():
        tree.put(path, text)
    for program in ("bash", "curl", "mysql", "mysqldump", "sshpass"):
        tree.put(f"/usr/bin/{program}", "", 0o755)
    tree.put("/bin/bash", "", 0o755)
    tree.put("/etc/sudoers", "@includedir /etc/sudoers.d\n", 0o440)
    for name in ("home", "etc/profile.d", "etc/sudoers.d", "etc/cron.d", "etc/logrotate.d", "var/log", "bk"):
        (tree.root / name).mkdir(exist_ok=True, parents=True)
    return tree


def more_views(tree: Tree, spec: Path) -> list[Done | Path]:
    """Those of one plan, and what else tells of a host."""
    root = ("--root", tree.root)
    found = views(tree, spec)
    for command in ("access", "status", "graph"):
        found += [run(command, spec, *root, *options) for options in ((), ("--json",))]
    found += [
        run("explain", address, spec, *root, *options)
        for address in ADDRESSES
        for options in ((), ("--json",))
    ]
    found += [run("import", *root), run("plan", spec, *root, "--verbose", "--format", "markdown")]
    found += [run("drift", spec, *root, *options) for options in (("--verbose",), ("--format", "markdown"))]
    found += [
        run(*words, *root)
        for words in (("service", "status"), ("service", "list"), ("backup", "list"), ("report",))
    ]
    found += [
        run("show", number, *root, *options)
        for number in (1, 2)
        for options in ((), ("--json",), ("--verbose",))
    ]
    return found


def test_no_view_shows_a_secret_of_a_shape(host: Tree) -> None:
    """New, applied, changed, edited by hand, and gone."""
    valid = run("validate", spec_of(host, "old"))
    assert valid.code == 0, valid.said
    seen = [*more_views(host, spec_of(host, "old")), host.apply(spec_of(host, "old"), "--json")]
    applied = host.path("/etc/shapes.conf").read_text()
    assert lines("old") == applied
    seen += more_views(host, spec_of(host, "new"))
    host.path("/etc/shapes.conf").write_text(lines("hand"))
    seen += [*views(host, spec_of(host, "new")), host.apply(spec_of(host, "new"))]
    seen += [
        *views(host, host.spec("groups: {g: {}}\n")),
        host.apply(host.spec("groups: {g: {}}\n"), "--json"),
    ]
    texts = "".join(one.out for one in seen if isinstance(one, Done))

    assert "(sensitive value, changed)" in texts
    assert [] == leaks([*secrets("old"), *secrets("new"), *secrets("hand")], *seen)


WRONG = ("users: {bob: {shell: [x]}}", "  bob: {shell: 5}", "services2: {}", "  - x", '  "unclosed')


@pytest.mark.parametrize("more", WRONG)
def test_a_quoted_mistake_does_not_show_one_either(host: Tree, more: str) -> None:
    """Whatever line is quoted, in the words and in the data."""
    spec = spec_of(host, "wrong", more)
    seen = [run("validate", spec, *options) for options in ((), ("--json",), ("--format", "github"))]

    assert {1} == {one.code for one in seen}
    assert [] == leaks(secrets("wrong"), *seen)


def test_each_line_with_a_secret_may_be_the_mistake(host: Tree) -> None:
    """An unknown key on the very line: the line is not quoted with what stands in it."""
    text = spec_of(host, "line").read_text()
    for number, line in enumerate(text.splitlines()):
        if "Zq" not in line:
            continue
        for wrong in (
            line.replace("[", "{", 1),
            f"{line} ]",
            line.replace(": ", "x: ", 1),
            line.replace("Zq", "\\eZq", 1),
        ):
            broken = text.splitlines()
            broken[number] = wrong
            spec = host.spec("\n".join(broken) + "\n")
            assert [] == leaks(secrets("line"), run("validate", spec), run("validate", spec, "--json"))


@pytest.mark.parametrize(
    "text",
    [
        "backups: {b: {sources: [/srv], schedule: daily, destinations: ['sftp://u:SECRET@h/x']}}",
        "timers: {t: {schedule: 'password=SECRET', exec_start: [/bin/true]}}",
        "users: {bob: {sudo: [{run: ['mysql -pSECRET']}]}}",
        "services: {s: {exec_start: ['curl -u u:SECRET h']}}",
        "services: {s: {exec_start: [/bin/true], health: {http: 'ftp://u:SECRET@h/x'}}}",
        "services: {s: {exec_start: [/bin/true], environment: ['API_TOKEN=SECRET']}}",
    ],
)
def test_a_message_that_names_a_value_does_not_show_a_secret_in_it(tree: Tree, text: str) -> None:
    """The sentence about a mistake says what stands there, but for a secret."""
    spec = tree.spec(text.replace("SECRET", secret_of("told")))
    seen = [run("validate", spec, *options) for options in ((), ("--json",), ("--format", "github"))]

    assert {1} == {one.code for one in seen}, seen[0].said
    assert [] == leaks([secret_of("told")], *seen)
