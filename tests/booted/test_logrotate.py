"""Rotation of logs on a real Debian, judged by logrotate itself, systemctl and stat."""

from __future__ import annotations

import json
from functools import partial

import pytest

from tests.booted.booted import BootedHost

SPEC = "/root/host.yaml"

SERVE = """#!/bin/sh
# A stand-in: it counts how often it was told to reload.
trap 'echo reload >> /run/ml-api.reloads' HUP
while :; do sleep 0.1; done
"""

POLICY = """\
version: 1
host: testhost
groups:
  ml-users: {gid: 2000}
directories:
  /opt/ml: {mode: "0755"}
  /var/log/ml: {mode: "0755", owner: ml-user, group: ml-user}
files:
  /opt/ml/serve: {source: serve, mode: "0755"}
services:
  ml-api:
    exec_start: [/opt/ml/serve]
    exec_reload: [/bin/kill, -HUP, $MAINPID]
logrotate:
  ml-api:
    paths: [/var/log/ml/ml-api.log]
    frequency: daily
    rotate: 30
    compress: true
    delaycompress: true
    missingok: true
    notifempty: true
    create: {mode: "0644", owner: ml-user, group: ml-user}
    su: {user: ml-user, group: ml-user}
    sharedscripts: true
    postrotate: {reload: ml-api}
"""

JUDGE = """
import json, sys
from reconciler.core.actions import ABSENT, Check, WriteFile
from reconciler.core.basics.digest import digest
from reconciler.core.host import ActionFailed
from reconciler.host.live import LiveHost
said = []
for text in json.load(sys.stdin):
    content = text.encode()
    try:
        where = ("0644", "root", "root", ABSENT)
        LiveHost().execute(WriteFile("/etc/logrotate.d/new", content, digest(content), *where, check=Check.LOGROTATE))
        said.append("")
    except ActionFailed as failed:
        said.append(str(failed))
print(json.dumps(said))
"""


def ready(host: BootedHost, spec: str = POLICY) -> None:
    """Put a spec, its stand-in and the user of the logs on the host."""
    if not host.getent("passwd", "ml-user"):
        host.run("useradd", "--system", "--user-group", "ml-user")
    host.write("/root/serve", SERVE)
    host.write(SPEC, spec)


def apply(host: BootedHost, *options: str, code: int = 0) -> str:
    """Apply the spec without a question; the output, complaints included."""
    done = host.reconciler("apply", SPEC, "--auto-approve", *options, check=False)

    assert code == done.returncode, done.stdout + done.stderr
    return done.stdout + done.stderr


def plan(host: BootedHost, code: int = 0) -> str:
    """Plan with --detailed-exitcode; the output."""
    done = host.reconciler("plan", SPEC, "--detailed-exitcode", check=False)

    assert code == done.returncode, done.stdout + done.stderr
    return done.stdout


def errors(host: BootedHost) -> list[str]:
    """The errors of logrotate over the whole tree."""
    said = host.run("logrotate", "-d", "-s", "/run/judge.state", "/etc/logrotate.conf", check=False)
    return [line for line in (said.stdout + said.stderr).splitlines() if line.startswith("error:")]


def rotate(host: BootedHost) -> None:
    """Rotate now, whatever the time, the whole tree, with a state of its own."""
    said = host.run("logrotate", "-f", "-s", "/run/test.state", "/etc/logrotate.conf")

    assert "error:" not in said.stderr


def reloads(host: BootedHost) -> int:
    """How often the stand-in was told to reload."""
    return len(host.read("/run/ml-api.reloads").splitlines()) if host.exists("/run/ml-api.reloads") else 0


def reloaded(host: BootedHost, times: int) -> bool:
    """Whether the stand-in was told to reload so often."""
    return reloads(host) == times


def test_a_policy_rotates_as_declared(booted: BootedHost) -> None:
    """One apply, and logrotate finds no fault with the whole tree, keeps, compresses with delay, makes the
    new log and reloads.
    """
    ready(booted)
    apply(booted)

    assert [] == errors(booted)
    there = booted.stat("/etc/logrotate.d/ml-api")
    assert ("file", "644", "root", "root") == (there.type, there.mode, there.owner, there.group)

    for times, text in enumerate(("one", "two", "three"), start=1):
        booted.write("/var/log/ml/ml-api.log", f"{text}\n")
        booted.run("chown", "ml-user:ml-user", "/var/log/ml/ml-api.log")
        rotate(booted)
        # Waited for each time: two signals of one kind that are pending at once are one signal (signal(7)).
        assert booted.until(partial(reloaded, booted, times))

    log = booted.stat("/var/log/ml/ml-api.log")
    assert ("file", "644", "ml-user", "ml-user", 0) == (log.type, log.mode, log.owner, log.group, log.size)
    left = sorted(booted.run("ls", "/var/log/ml").stdout.split())
    assert ["ml-api.log", "ml-api.log.1", "ml-api.log.2.gz", "ml-api.log.3.gz"] == left
    assert "three\n" == booted.read("/var/log/ml/ml-api.log.1")
    assert "two\n" == booted.run("zcat", "/var/log/ml/ml-api.log.2.gz").stdout
    assert "ml-user" == booted.stat("/var/log/ml/ml-api.log.2.gz").owner


def test_an_inactive_service_is_no_error(booted: BootedHost) -> None:
    """A rotation while the service is stopped neither fails nor starts it; one whose reload fails is told."""
    ready(booted, POLICY.replace("    exec_reload: [/bin/kill, -HUP, $MAINPID]\n", ""))
    told = apply(booted)

    assert "cannot be reloaded" in told
    booted.write("/var/log/ml/ml-api.log", "one\n")
    failed = booted.run("logrotate", "-f", "-s", "/run/test.state", "/etc/logrotate.d/ml-api", check=False)
    assert 1 == failed.returncode
    booted.run("systemctl", "stop", "ml-api")
    booted.write("/var/log/ml/ml-api.log", "two\n")
    rotate(booted)

    assert "inactive" == booted.active("ml-api.service")


def test_the_second_apply_changes_nothing_and_removal_leaves_nothing(booted: BootedHost) -> None:
    """Not an inode changes the second time; what leaves the spec leaves the tree as it was."""
    ready(booted)
    clean = booted.manifest("/etc/logrotate.d", "/etc/logrotate.conf")
    apply(booted)
    before = booted.manifest("/etc", "/var/lib/reconciler/state.db")
    apply(booted)

    assert before == booted.manifest("/etc", "/var/lib/reconciler/state.db")
    assert "No changes." in plan(booted)

    ready(booted, POLICY[: POLICY.index("logrotate:")])
    apply(booted)
    after = booted.manifest("/etc/logrotate.d", "/etc/logrotate.conf")
    after["/etc/logrotate.d"] = clean["/etc/logrotate.d"]

    assert clean == after
    assert "" == booted.run("find", "/run", "-name", "reconciler-logrotate-*").stdout
    assert [] == errors(booted)


def test_root_does_not_rotate_in_a_directory_of_somebody_else(booted: BootedHost) -> None:
    """Without `su` the plan refuses; with it, a user who puts a link in the place of the directory gets
    nothing rotated but their own.
    """
    without = POLICY.replace("    su: {user: ml-user, group: ml-user}\n", "")
    ready(booted, without)
    told = plan(booted, code=1)
    apply(booted, code=6)

    assert "`su` is required" in told
    assert "su: {user: ml-user, group: ml-user}" in told
    assert not booted.exists("/etc/logrotate.d/ml-api")

    ready(booted)
    apply(booted)
    booted.write("/var/log/ml-api.log", "important\n")
    booted.run("sh", "-c", "mv /var/log/ml /var/log/aside; ln -s /var/log /var/log/ml")
    booted.run("logrotate", "-f", "-s", "/run/test.state", "/etc/logrotate.conf", check=False)

    assert "important\n" == booted.read("/var/log/ml-api.log")
    assert not booted.exists("/var/log/ml-api.log.1")


def test_a_duplicate_of_a_package_is_refused(booted: BootedHost) -> None:
    """A log that a vendor's file rotates is refused, also under a name that sorts first, which would switch
    the vendor's file off.
    """
    spec = (
        "version: 1\nhost: testhost\nlogrotate:\n  aa-ours: {paths: [/var/log/dpkg.log], frequency: daily}\n"
    )
    ready(booted, spec)
    told = plan(booted, code=1)

    assert "/etc/logrotate.d/dpkg" in told
    assert "/etc/logrotate.d/aa-ours" in told
    apply(booted, code=4)
    assert not booted.exists("/etc/logrotate.d/aa-ours")
    assert [] == errors(booted)

    booted.write("/etc/logrotate.d/aa-ours", "/var/log/dpkg.log {\n}\n")
    assert any("duplicate log entry" in line for line in errors(booted))


def test_what_logrotate_refuses_never_reaches_the_disk(booted: BootedHost) -> None:
    """logrotate judges each file in its place among the others before it is there; what was broken before is
    not held against it.
    """
    booted.write("/etc/logrotate.d/broken", "/var/log/broken.log {\n  nonsense\n  missingok\n}\n")
    wrong = {
        "/var/log/x.log {\n  missingok\n  nonsense\n}\n": "unknown option 'nonsense'",
        "/var/log/x.log {\n  missingok\n  su nobody nosuch\n}\n": "unknown group 'nosuch'",
        "/var/log/x.log {\n  missingok\n  postrotate\n    true\n}\n": "endscript",
        "/var/log/x.log {\n  rotate 4 # four\n  missingok\n}\n": "bad rotation count",
        "/var/log/dpkg.log {\n  missingok\n}\n": "duplicate log entry",
        "# nothing\n/var/log/x.log\n": "error",
        "/var/log/none.log {\n  olddir /nowhere\n}\n": "olddir",
    }
    before = booted.manifest("/etc/logrotate.d")
    said = booted.run("/opt/reconciler/bin/python", "-c", JUDGE, input=json.dumps(list(wrong))).stdout

    for text, words, answer in zip(wrong, wrong.values(), json.loads(said), strict=True):
        assert words in answer, text
    assert before == booted.manifest("/etc/logrotate.d")

    right = "/var/log/missing.log {\n  daily\n}\n"
    assert [""] == json.loads(
        booted.run("/opt/reconciler/bin/python", "-c", JUDGE, input=json.dumps([right])).stdout
    )
    assert right == booted.read("/etc/logrotate.d/new")
    assert "" == booted.run("find", "/run", "-name", "reconciler-logrotate-*").stdout


def test_a_policy_that_only_logrotate_sees_through_fails_alone(booted: BootedHost) -> None:
    """Old logs on another file system are refused by logrotate at apply, with its words; the rest converges
    and the file is not there.
    """
    spec = (
        "version: 1\nhost: testhost\ndirectories:\n  /run/old: {mode: '0755'}\nlogrotate:\n  bad: {paths:"
        " [/var/log/bad.log], frequency: daily, olddir: /run/old}\n  good: {paths: [/var/log/good.log],"
        " frequency: daily}\n"
    )
    ready(booted, spec)
    booted.write("/var/log/bad.log", "one\n")
    told = apply(booted, code=6)

    assert "different devices" in told
    assert not booted.exists("/etc/logrotate.d/bad")
    assert booted.exists("/etc/logrotate.d/good")


def test_two_policies_swap_their_logs(booted: BootedHost) -> None:
    """Between two policies of ours the spec decides: a log moves from one to the other, and a policy is
    renamed, in one apply each.
    """
    two = (
        "version: 1\nhost: testhost\nlogrotate:\n  one: {{paths: [/var/log/{}.log]}}\n  two: {{paths:"
        " [/var/log/{}.log]}}\n"
    )
    ready(booted, two.format("a", "b"))
    apply(booted)
    ready(booted, two.format("b", "a"))
    apply(booted)
    ready(booted, two.format("b", "a").replace("two:", "renamed:"))
    apply(booted)

    assert "No changes." in plan(booted)
    assert [line for line in errors(booted) if "stat of" not in line] == []
    assert not booted.exists("/etc/logrotate.d/two")


def test_odd_names_reach_logrotate_as_they_are(booted: BootedHost) -> None:
    """logrotate itself reads back every path that a spec may have, and the script runs with the exact
    arguments.
    """
    names = [
        "with space",
        "semi;colon",
        "dollar$x",
        "a,b",
        "[x]",
        "ü",
        "no\u00a0break",
        "a=b",
        "per%cent",
        "back`tick",
        "and&pipe|",
    ]
    argv = ["/usr/bin/printf", "%s|", "a b", "it's", "$(id)", "}", "# c", "endscript", '"', "\\", "ü"]
    paths = [f"/var/log/odd/{name}.log" for name in names]
    policy = {"paths": paths, "frequency": "daily", "rotate": 1, "sharedscripts": True}
    script = {"run": ["/usr/local/bin/note", *argv[2:]]}
    spec = {
        "version": 1,
        "host": "testhost",
        "directories": {"/var/log/odd": {"mode": "0755"}},
        "files": {
            "/usr/local/bin/note": {"content": '#!/bin/sh\nprintf "%s|" "$@" > /run/noted\n', "mode": "0755"}
        },
        "logrotate": {"odd": {**policy, "lastaction": script}},
    }
    ready(booted, json.dumps(spec))
    apply(booted)
    for path in paths:
        booted.write(path.replace("[x]", "x"), "text\n")
    rotate(booted)

    assert sorted(f"{name.replace('[x]', 'x')}.log.1" for name in names) == sorted(
        line for line in booted.run("ls", "/var/log/odd").stdout.splitlines() if line.endswith(".1")
    )
    assert "|".join([*argv[2:], ""]) == booted.read("/run/noted")


def test_a_kill_leaves_nothing_that_logrotate_reads(booted: BootedHost) -> None:
    """The file in the making has a name that logrotate passes over: one with a dot in front it would read."""
    ready(booted)
    environment = {"RECONCILER_TESTING": "1", "RECONCILER_FAILPOINT": "write.attributes:1"}
    killed = booted.reconciler(
        "apply", SPEC, "--auto-approve", "--target", "logrotate.ml-api", env=environment, check=False
    )
    left = booted.run("ls", "-A", "/etc/logrotate.d").stdout

    assert killed.returncode in {-9, 137}, killed.stdout + killed.stderr
    assert "reconciler." in left
    assert [] == errors(booted)
    apply(booted)
    assert "reconciler." not in booted.run("ls", "-A", "/etc/logrotate.d").stdout


REFUSED = (
    "/var/log/c1.log {\r\n    daily\r\n}\r\n",
    "/var/log/c1.log {\n    weekly # on Sundays\n}\n",
    "/var/log/c1.log {\n\f    daily\n}\n",
    "/var/log/c1.log {\n    daily\n    postrotate\n        true\n    endscript x\n}\n",
    "/var/log/c1.log {\n    daily\n}\r\n",
    "/var/log/c1.log {\n    \v daily\n}\n",
)
"""Files that logrotate refuses, or reads as another policy; each was once taken for
the one that is declared.
"""
LED = """\
version: 1
host: testhost
logrotate:
  %s
"""


def test_what_logrotate_refuses_is_never_no_changes(booted: BootedHost) -> None:
    """A policy file that somebody edited so that logrotate refuses it is a change, and told by status and
    doctor when logrotate failed.
    """
    host = booted
    host.write("/var/log/c1.log", "x\n")
    for text in REFUSED:
        frequency = "weekly" if "weekly" in text else "daily"
        host.write(SPEC, LED % f"c1: {{paths: [/var/log/c1.log], frequency: {frequency}}}")
        apply(host)
        host.write("/etc/logrotate.d/c1", text)
        assert errors(host), text
        assert "logrotate.c1" in plan(host, code=2), text
    host.run("systemctl", "start", "logrotate.service", check=False)
    assert "logrotate" in host.reconciler("status", check=False).stdout
    assert "its last run failed" in host.reconciler("doctor", check=False).stdout
    apply(host)

    assert [] == errors(host)


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ("users: {paths: ['/home/*/logs/*.log'], frequency: daily, missingok: true}", "`su` is required"),
        ("one: {paths: [/var/log/app/*.log, /var/log/app/c1.log], frequency: daily}", "a log is named twice"),
        (
            (
                "c: {paths: [/var/log/app/c*.log], frequency: daily}\n  all: {paths: [/var/log/app/*.log],"
                " frequency: daily}"
            ),
            "two policies",
        ),
    ],
)
def test_root_is_not_led_by_logs_that_are_not_there_yet(policy: str, words: str, booted: BootedHost) -> None:
    """Patterns are judged without a log: nothing is written, and what a user links is not rotated."""
    host = booted
    if not host.getent("passwd", "bob"):
        host.run("useradd", "--create-home", "bob")
    host.write("/var/log/important.log", "x\n")
    host.run("su", "bob", "-c", "cd; rm -rf logs; mkdir logs")
    host.write(SPEC, LED % policy)
    done = host.reconciler("apply", SPEC, "--auto-approve", check=False)
    host.run("su", "bob", "-c", "cd; rm -rf logs; ln -s /var/log logs")
    rotate(host)

    assert done.returncode != 0
    assert words in done.stdout + done.stderr
    assert "x\n" == host.read("/var/log/important.log")


FOREIGN = "%s {\n    weekly\n    missingok\n}\n"


def test_a_file_of_others_that_comes_later_is_told_of_a_settled_host(booted: BootedHost) -> None:
    """It appears, changes and goes while ours stays: each plan, drift, doctor and status say what `logrotate
    -d` says, and nothing else.
    """
    host = booted
    for log in ("a", "b"):
        host.write(f"/var/log/app/{log}.log", "x\n")
    host.write(SPEC, LED % "ours: {paths: [/var/log/app/*.log], frequency: daily}")
    apply(host)
    apply(host)
    told = []
    for foreign in (
        "",
        "/var/log/app/a.log",
        "/var/log/other.log",
        "/var/log/app/[ab].log /var/log/z.log",
        "/var/log/app/c*.log",
        "",
    ):
        if foreign:
            host.write("/etc/logrotate.d/aa-theirs", FOREIGN % foreign)
        else:
            host.run("rm", "--force", "/etc/logrotate.d/aa-theirs")
        refused = any("duplicate log entry" in line for line in errors(host))
        for command in (("plan", SPEC), ("drift", SPEC), ("doctor",), ("status",)):
            done = host.reconciler(*command, check=False)
            said = " ".join((done.stdout + done.stderr).split())
            told.append(
                (
                    foreign,
                    command[0],
                    refused,
                    "is rotated by /etc/logrotate.d/aa-theirs as well" in said,
                    said,
                )
            )

    assert [] == [row for row in told if row[2] is not row[3]]
    assert {True, False} == {row[2] for row in told}


FEWER = """
set -e
rm -rf /var/log/p
mkdir -m 755 /var/log/p
echo x > /var/log/p/a.log
for end in $2; do echo x > "/var/log/p/a.log$end"; done
printf '/var/log/p/a.log {\\n%b}\\n' "$1" > /root/fewer.conf
logrotate --force --state /root/fewer.state /root/fewer.conf
ls /var/log/p
"""


@pytest.mark.parametrize(
    ("policy", "there", "left"),
    [
        ("rotate 2\\nnodateext\\n", (".1", ".2", ".3", ".4", ".5"), {"a.log.4", "a.log.5"}),
        ("rotate 0\\nnodateext\\n", (".1", ".2", ".3"), {"a.log.2", "a.log.3"}),
        ("rotate 2\\ndateext\\n", ("-20260101", "-20260102", "-20260103", "-20260104"), {"a.log-20260104"}),
    ],
)
def test_what_becomes_of_old_logs_when_fewer_are_kept(
    policy: str, there: tuple[str, ...], left: set[str], booted: BootedHost
) -> None:
    """A smaller `rotate` does what a plan says of it: logs with a date go, those with a higher number stay,
    and the log itself is not kept.
    """
    names = set(booted.run("sh", "-c", FEWER, "sh", policy, " ".join(there)).stdout.split())

    assert left <= names
    assert len(names - left) <= 2
    assert not {f"a.log{end}" for end in there[:2]} & names or "nodateext" in policy
