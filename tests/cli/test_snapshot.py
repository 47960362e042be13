"""`snapshot` and `plan --snapshot`: the same plan somewhere else, nothing secret on the way, and nothing
claimed that is not known.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.cli.command import Done, Tree, run
from tests.cli.test_secrets import canary, leaks

SPEC = """\
groups:
  ml: {gid: 2000}
directories:
  /opt: {mode: "0755", group: ml}
files:
  /etc/a: {content: "a\\n", mode: "0644"}
  /opt/b: {content: "b\\n", mode: "0640"}
services:
  s: {exec_start: [/usr/bin/true]}
"""
LATER = (
    SPEC.replace('"b\\n"', '"B\\n"').replace("gid: 2000", "system: true")
    + "  t: {exec_start: [/usr/bin/true, --all], user: root}\n"
)
SECRET = '  /etc/key: {content: "hidden\\n", mode: "0600", sensitive: true}\nservices:\n'
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGuGsnP/NPzhnWuATv9aP1dHraTqoi8dScAeUt23h1tL"
FOREIGN = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINRzXjomXhbu4D9ZcYubXQMBnAfYtsUfkNo6Zm7sE6s1"


def snapshot(tree: Tree) -> Path:
    """A snapshot of the tree, in a file beside it."""
    tree.put("/etc/hostname", "h1\n")
    path = tree.base / "s.json"
    done = run("snapshot", "--root", tree.root, "--out", path)

    assert (0, "") == (done.code, done.out + done.err)
    return path


def plan(tree: Tree, spec: str, taken: Path, *options: object) -> Done:
    """Plan a spec from the snapshot."""
    return run("plan", tree.spec(spec), "--snapshot", taken, *options)


def changed(file: Path, **members: Any) -> Path:
    """The snapshot with other members."""
    file.write_text(json.dumps(json.loads(file.read_text()) | members))
    return file


def document(done: Done) -> dict[str, Any]:
    """A plan document without what it is made from, and when."""
    data: dict[str, Any] = json.loads(done.out)
    del data["basis"], data["timestamp"], data["document_digest"]
    for row in data["schedule"]:
        for side in filter(None, (row["before"], row["after"])):
            del side["runs"]  # counted from when the plan is made
    return data


@pytest.mark.parametrize(
    "spec", [SPEC, LATER, "services:\n  s: {exec_start: [/usr/bin/true]}\n"], ids=["same", "later", "less"]
)
def test_it_is_the_plan_of_the_host(tree: Tree, spec: str) -> None:
    """With drift, changes, new things and removals the plan from the snapshot is that on the tree, approval
    and diffs included.
    """
    tree.apply(tree.spec(SPEC))
    tree.path("/etc/a").write_text("by hand\n")
    taken = snapshot(tree)
    there = document(tree.plan(tree.spec(spec), "--json"))
    before = tree.manifest()
    here = plan(tree, spec, taken, "--json")

    assert json.loads(here.out)["complete"]
    assert there == document(here)
    assert before == tree.manifest()


def test_it_is_as_its_schema_says(tree: Tree) -> None:
    """The published schema accepts a snapshot, of a host that has a ledger and of one that has none; the file
    is its owner's only.
    """
    schema = Draft202012Validator(json.loads(run("schema", "snapshot").out))
    first = snapshot(tree)

    assert [] == [error.message for error in schema.iter_errors(json.loads(first.read_text()))]
    tree.apply(tree.spec(SPEC))
    taken = snapshot(tree)
    printed = run("snapshot", "--root", tree.root)

    assert [] == [error.message for error in schema.iter_errors(json.loads(taken.read_text()))]
    assert 0o600 == taken.stat().st_mode & 0o777
    assert json.loads(taken.read_text())["paths"] == json.loads(printed.out)["paths"]


def test_what_it_cannot_know_is_unknown(tree: Tree) -> None:
    """Whether a secret is as declared only its host can tell: never "No changes", and a CI that asks for
    details gets an error.
    """
    spec = SPEC.replace("services:\n", SECRET)
    tree.apply(tree.spec(spec))
    taken = snapshot(tree)
    done, data = (
        plan(tree, spec, taken, "--detailed-exitcode"),
        json.loads(plan(tree, spec, taken, "--json").out),
    )

    assert 1 == done.code
    assert "Not known from the snapshot, so the plan is incomplete" in done.said
    assert 'files["/etc/key"] unknown: its content is secret' in done.said
    assert "No changes" not in done.said
    assert (False, ['files["/etc/key"]']) == (
        data["complete"],
        [row["address"] for row in data["unreadable"]],
    )


def test_somebody_elses_content_is_unknown(tree: Tree) -> None:
    """A snapshot claims nothing about a foreign unit that not everybody can read; a readable one that is as
    declared is known by its digest, another as different.
    """
    tree.apply(tree.spec(SPEC))
    text = tree.path("/etc/systemd/system/s.service").read_text()
    tree.apply(tree.spec("groups:\n  ml: {gid: 2000}\n"), "--allow", "many-destroyed")
    tree.put("/etc/systemd/system/s.service", text)
    same = json.loads(plan(tree, SPEC, snapshot(tree), "--json").out)
    tree.put("/etc/systemd/system/s.service", "[Service]\nExecStart=/bin/foreign\n")
    other = plan(tree, SPEC, snapshot(tree))
    tree.put("/etc/systemd/system/s.service", "[Service]\nExecStart=/bin/foreign\n", 0o600)
    closed = plan(tree, SPEC, snapshot(tree))

    assert same["complete"]
    assert (3, 1) == (
        other.code,
        other.said.count("Service.ExecStart: (not shown) -> /usr/bin/true"),
    ), other.said
    assert (
        "services.s unknown: the snapshot does not have the content of /etc/systemd/system/s.service"
        in closed.said
    )
    assert "/bin/foreign" not in other.said + closed.said


OPEN = """\
files:
  /etc/ours: {content: "ours\\n", mode: "0644"}
services:
  s: {exec_start: [/usr/bin/true], environment: {API_TOKEN: hunter2-and-more}}
  t: {exec_start: [/usr/bin/true]}
"""


@pytest.mark.parametrize(
    ("before", "after", "complete"),
    [
        ("", "", True),
        ("ours\\n", "ours, still\\n", True),
        ("[/usr/bin/true]}", "[/usr/bin/false]}", True),
        ("and-more", "no-more", False),
        ("  s: {exec_start: [/usr/bin/true]", "  s: {exec_start: [/usr/bin/false]", False),
        ("  s: {", "  x: {", False),
    ],
    ids=["same", "file", "another-service", "secret", "its-service", "removed"],
)
def test_a_secret_in_the_open_is_known_to_who_declares_it(
    tree: Tree, before: str, after: str, complete: bool
) -> None:
    """The snapshot has none of it; by the digest of a file that all can read the plan is that of the host,
    and so is what it approves.
    """
    tree.apply(tree.spec(OPEN))
    spec = OPEN.replace(before, after)
    taken = snapshot(tree)
    there = document(tree.plan(tree.spec(spec), "--json"))
    here = json.loads(plan(tree, spec, taken, "--json").out)

    assert "hunter2" not in taken.read_text()
    assert complete is here["complete"], here["unreadable"]
    assert here["approval"]["inputs"] == there["approval"]["inputs"]
    if complete:
        assert there == document(plan(tree, spec, taken, "--json"))
        plan(tree, spec, taken, "--out", tree.base / "plan.json")
        assert 0 == tree.apply(tree.spec(spec), "--approved", tree.base / "plan.json").code


def test_where_nobody_has_looked(tree: Tree) -> None:
    """A change below a directory that was not recorded is shown, and what is not known about it is said."""
    tree.path("/srv/1/2/3/4").mkdir(parents=True)
    spec = 'files:\n  /srv/1/2/3/4/x: {content: "x\\n", mode: "0644"}\n'
    done = plan(tree, spec, snapshot(tree))

    assert 'files["/srv/1/2/3/4/x"] unknown: the snapshot does not have /srv/1/2/3/4/x' in done.said
    assert "No changes" not in done.said


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "seconds ago"),
        (7_300, "2 hours ago"),
        (86_400 * 3, "3 days ago"),
        (-7_300, "2 hours in the future"),
    ],
)
def test_the_age_is_told(tree: Tree, seconds: int, words: str) -> None:
    """Text and JSON say when the snapshot was taken and how old it is, also when nothing is to be done."""
    moment = (datetime.now(UTC) - timedelta(seconds=seconds or 2)).strftime("%Y-%m-%dT%H:%M:%SZ")
    tree.apply(tree.spec(SPEC))
    taken = changed(snapshot(tree), taken=moment)
    done, basis = plan(tree, SPEC, taken), json.loads(plan(tree, SPEC, taken, "--json").out)["basis"]

    assert f"{words} ({moment})" in done.said
    assert "No changes." in done.said
    assert ("snapshot", moment) == (basis["kind"], basis["taken"])
    assert 60 > abs(basis["age_seconds"] - seconds)


def test_another_hosts_is_refused(tree: Tree) -> None:
    """A snapshot of another host is refused with exit 3 and no plan, unless that is what is meant."""
    taken = changed(snapshot(tree), host={"name": "h2"})
    done = plan(tree, SPEC, taken)

    assert (3, "") == (done.code, done.out)
    assert "taken on h2, the spec is for host h1" in done.said
    assert 0 == plan(tree, SPEC, taken, "--allow", "other-host").code


_PATHS: Mapping[str, Any] = {
    "no mode": {"/etc": {"type": "directory"}},
    "no target": {"/etc": {"type": "link"}},
    "not a path": {"etc": {"mode": "0644"}},
    "not a type": {"/etc": {"type": "socket", "mode": "0644"}},
}
_MEMORY = {
    "lineage": "",
    "serial": 0,
    "commit": "",
    "spec_host": "",
    "damaged": "",
    "unreadable": "",
    "interrupted": 0,
    "rows": [],
    "owed": [],
}


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"format_version": "2.0"}, "has format 2.0, this version of the tool reads 1.x"),
        ({"format_version": "new"}, "format_version is not as its schema says"),
        ({"taken": "yesterday"}, "taken is not as its schema says"),
        ({"taken": "2026-99-99T00:00:00Z"}, "is not a snapshot: "),
        ({"running": "yes"}, "running is not as its schema says"),
        *(({"paths": paths}, "is not as its schema says") for paths in _PATHS.values()),
        (
            {"memory": _MEMORY | {"rows": [{"address": "nonsense", "document": {}}]}},
            "'nonsense' is not an address",
        ),
        ({"memory": _MEMORY | {"serial": -1}}, "memory/serial is not as its schema says"),
    ],
)
def test_what_is_none_is_refused(tree: Tree, members: Mapping[str, Any], words: str) -> None:
    """A document of the future, and one that somebody changed, is an error that says what is wrong."""
    done = plan(tree, SPEC, changed(snapshot(tree), **members))

    assert (1, "") == (done.code, done.out)
    assert words in done.said


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '"x"', "{}", pytest.param("[" * 100_000, id="deep"), "\x00\xff"]
)
def test_what_is_cut_short_is_refused(tree: Tree, text: str) -> None:
    """Anything but a whole document is an error and no traceback; so is a file that is not there."""
    path = tree.base / "s.json"
    path.write_text(text)
    done = plan(tree, SPEC, path)

    assert (1, "") == (done.code, done.out)
    assert "cannot use the snapshot" in done.said
    assert "No such file" in plan(tree, SPEC, tree.base / "none.json").said


def test_one_host_at_a_time(tree: Tree) -> None:
    """--root and --snapshot together are a mistake of the command line."""
    assert 64 == tree.plan(tree.spec(SPEC), "--snapshot", tree.base / "s.json").code


SECRETS = {
    name: canary(name)
    for name in (
        *(
            "password",
            "locked-password",
            "passwd-password",
            "group-password",
            "gshadow-password",
            "environment-file",
            "open-environment",
        ),
        *(
            "unowned",
            "unowned-open",
            "host-key",
            "private-key",
            "credential",
            "declared",
            "declared-open",
            "by-hand",
            "command",
            "variable",
        ),
        *(
            "no-key",
            "comment",
            "rotation",
            "foreign-unit",
            "sudoers",
            "crontab",
            "defs",
            "shells",
            "bashrc",
            "skeleton",
            "hostname",
            "netrc",
        ),
        *("timer", "neighbour", "history", "subuid", "foreign-value", "foreign-script", "foreign-closed"),
    )
}


def _planted(tree: Tree) -> str:
    """A tree with a secret wherever one may be; the spec that was applied there."""
    at = SECRETS
    tree.put("/etc/passwd", f"root:x:0:0:root:/root:/bin/sh\nalice:{at['passwd-password']}:1000:1000::/home/alice:/bin/sh\n"
             "bob:x:1001:1001::/home/bob:/bin/sh\ncarol:x:1002:1002::/home/carol:/bin/sh\n")  # fmt: skip
    tree.put("/etc/group", f"root:x:0:\nalice:{at['group-password']}:1000:\nbob:x:1001:\ncarol:x:1002:\n")
    tree.put(
        "/etc/shadow",
        f"root:*:1:::::\nalice:$6${at['password']}:1:::::\nbob:!$6${at['locked-password']}:1:::::\n{at['no-key']}\n",
        0o640,
    )
    tree.put("/etc/gshadow", f"root:*::\nalice:{at['gshadow-password']}::\n", 0o640)
    tree.put("/etc/subuid", f"alice:100000:65536\n# {at['subuid']}\n")
    files = {
        "/etc/default/ml": ("environment-file", 0o600), "/etc/default/open": ("open-environment", 0o644), "/etc/app/x": ("unowned", 0o640),
        "/etc/motd": ("unowned-open", 0o644), "/etc/ssh/ssh_host_ed25519_key": ("host-key", 0o600), "/root/.ssh/id": ("private-key", 0o600),
        "/etc/credstore/db": ("credential", 0o600), "/etc/sudoers.d/x": ("sudoers", 0o440), "/etc/cron.d/x": ("crontab", 0o644),
        "/etc/login.defs": ("defs", 0o644), "/etc/shells": ("shells", 0o644), "/etc/bash.bashrc": ("bashrc", 0o644),
        "/etc/skel/.bashrc": ("skeleton", 0o644), "/root/.netrc": ("netrc", 0o600), "/opt/neighbour": ("neighbour", 0o644),
        "/root/.bash_history": ("history", 0o600), "/etc/systemd/system/logrotate.timer": ("timer", 0o644),
    }  # fmt: skip
    for path, (name, mode) in files.items():
        tree.put(path, f"# {at[name]}\nX={at[name]}\n", mode)
    tree.put(
        "/etc/logrotate.d/x",
        f"/var/log/x.log {{\n  postrotate\n  curl -u {at['rotation']}\n  endscript\n}}\n",
    )
    tree.put(
        "/etc/systemd/system/x.service",
        f"[Service]\nEnvironment=TOKEN={at['foreign-unit']}\nExecStart=/bin/x {at['foreign-value']}\n",
    )
    tree.put(
        "/etc/systemd/system/y.service",
        f"[Service]\nExecStart=/bin/x {at['foreign-value']}\nUser={at['foreign-value']}\n",
    )
    tree.put("/etc/systemd/system/z.service", f"[Service]\nExecStart=/bin/x {at['foreign-closed']}\n", 0o600)
    tree.put(
        "/etc/logrotate.d/y",
        f"/var/log/y.log {{\n  mail {at['foreign-value']}\n  postrotate\n  x {at['foreign-script']}\n "
        " endscript\n}\n",
    )
    for name in ("alice", "bob", "carol"):
        tree.path(f"/home/{name}/.ssh").mkdir(parents=True)
    tree.put(
        "/home/alice/.ssh/authorized_keys",
        f'command="x {at["command"]}" {FOREIGN} c\nenvironment="A={at["variable"]}" {FOREIGN} c\n',
        0o600,
    )
    tree.put("/home/bob/.ssh/authorized_keys", f"{FOREIGN} token={at['comment']}\n# {at['no-key']}\n", 0o600)
    tree.put("/home/carol/.ssh/authorized_keys", f"{at['no-key']}\n", 0o600)
    return (
        f'files:\n  /etc/key: {{content: "{at["declared"]}\\n", mode: "0600", sensitive: true}}\n'
        f'  /etc/open-key: {{content: "{at["declared-open"]}\\n", mode: "0644", sensitive: true}}\n'
        '  /opt/ours: {content: "ours\\n", mode: "0644"}\n'
    )


def test_no_secret_is_in_it(tree: Tree) -> None:
    """None of more than twenty secrets all over the host is in the snapshot, in no form, nor the plain digest
    of a file that not all can read.
    """
    spec = _planted(tree)
    assert 0 == tree.apply(tree.spec(spec)).code
    tree.path("/etc/key").write_text(SECRETS["by-hand"])
    tree.put("/etc/hostname", f"# {SECRETS['hostname']}\nh1\n")
    done = run("snapshot", "--root", tree.root)
    closed = [
        path
        for path in tree.root.rglob("*")
        if path.is_file() and (not path.stat().st_mode & 0o004 or "key" in path.name)
    ]
    taken = tree.base / "s.json"
    taken.write_text(done.out)
    more = (
        spec
        + "ssh_keys:\n"
        + "".join(f"  {name}: {{exactly: [{KEY} new]}}\n" for name in ("alice", "bob", "carol"))
    )
    shown = [plan(tree, more, taken, *options) for options in ((), ("--json",), ("--verbose",))]

    assert [] == leaks(SECRETS.values(), done, *shown)
    assert 8 < len(closed)
    assert [] == [str(path) for path in closed if hashlib.sha256(path.read_bytes()).hexdigest() in done.out]
    assert "(set)" in done.out
    assert FOREIGN in done.out


def test_values_of_somebody_else_are_digests_or_left_out(tree: Tree) -> None:
    """Only of what everybody on the host can read, and never of what may be a secret; a plan that declares
    the same file shows none.
    """
    _planted(tree)
    done = run("snapshot", "--root", tree.root)
    paths, units = json.loads(done.out)["paths"], "/etc/systemd/system"
    said = {
        path: paths[path].get("values")
        for path in (f"{units}/x.service", f"{units}/y.service", f"{units}/z.service")
    }
    secret = json.dumps(
        [f"{units}/x.service", "Service", "Environment", f"TOKEN={SECRETS['foreign-unit']}"],
        separators=(",", ":"),
    )
    taken = tree.base / "s.json"
    taken.write_text(done.out)
    services = "".join(f"  {name}: {{exec_start: [/bin/x]}}\n" for name in ("x", '"y"', "z"))
    more = f'services:\n{services}logrotate:\n  "y": {{paths: [/var/log/y.log], frequency: daily}}\n'
    shown = [
        plan(tree, more, taken, *options)
        for options in ((), ("--json",), ("--verbose",), ("--adopt",), ("--adopt", "--json"))
    ]
    data = json.loads(shown[1].out)

    assert [""] == said[f"{units}/x.service"]["Service"]["Environment"]
    assert ["sha256:"] == [value[:7] for value in said[f"{units}/y.service"]["Service"]["User"]]
    assert said[f"{units}/z.service"] is None
    assert hashlib.sha256(secret.encode()).hexdigest() not in done.out
    assert [] == leaks(SECRETS.values(), done, *shown)
    assert {"services.x", "services.z"} == {row["address"] for row in data["unreadable"]}
    assert {"services.y", "logrotate.y"} == {row["address"] for row in data["resource_changes"]}


@pytest.mark.slow
def test_it_stays_small(tree: Tree) -> None:
    """A hundred services with all that belongs to them take a third of a megabyte: beside all of a Debian's
    /etc that stays below one.
    """
    services = "".join(
        f"  ml-{n}:\n    description: inference number {n}\n    environment: {{PYTHONUNBUFFERED: 1, MODEL:"
        f" model-{n}}}\n    exec_start: [/opt/ml/{n}/bin/serve, --port, {8000 + n}, --model,"
        f" /opt/ml/{n}/m.bin]\n    restart_sec: 10s\n    limit_nofile: 65536\n    memory_max: 32G\n    watch:"
        f" [/etc/ml/{n}.yaml]\n    hardening: strict\n"
        for n in range(100)
    )
    files = "".join(
        f'  /etc/ml/{n}.yaml: {{content: "port: {8000 + n}\\nmodel: m.bin\\n", mode: "0640"}}\n'
        for n in range(100)
    )
    done = tree.apply(
        tree.spec(f'directories:\n  /etc/ml: {{mode: "0755"}}\nfiles:\n{files}services:\n{services}')
    )

    assert 0 == done.code, done.said
    assert 500_000 > snapshot(tree).stat().st_size
