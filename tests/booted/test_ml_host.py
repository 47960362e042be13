"""The whole ML host of examples/ml-host.yaml on a real Debian, judged by the system's own tools.

The spec is the example itself; only the public key is one whose other half the test has. The programs that it
names are stand-ins.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest

from tests.booted.booted import BootedHost
from tests.ordinary import REPOSITORY

EXAMPLE = (REPOSITORY / "examples/ml-host.yaml").read_text()
KEY = r"ssh-ed25519 \S+ alice@laptop"
SPEC = "/root/host.yaml"
STATE = "/var/lib/reconciler"
NOTHING = "No changes. Your host matches the configuration.\n"
SERVICES = {
    "ml-api": "gunicorn",
    "ml-training": "python",
    "mlflow-server": "mlflow",
    "tensorboard": "tensorboard",
    "jupyter": "jupyter",
}
CUDA = {"CUDA_HOME": "/usr/local/cuda", "LD_LIBRARY_PATH": "/usr/local/cuda/lib64"}
TIMER = "backup-data.timer"

STAND_IN = """#!/bin/sh
# It says what it is, writes to the log that it is given, and opens it again when it is told to reload.
echo "$0 $*"
while [ $# -gt 0 ]; do
    [ "$1" != --access-logfile ] || log=$2
    shift
done
again() { exec 3>>"${log:-/dev/null}"; echo "opened ${log:-nothing}"; }
trap again HUP
again
while :; do
    echo "GET /" >&3
    sleep 0.2
done
"""


@pytest.fixture
def booted() -> Iterator[BootedHost]:
    """A Debian with the example's name, the stand-ins, some data, two key pairs and sshd; not yet anything of
    ours.
    """
    with BootedHost(hostname="gpu-01") as host:
        for program in SERVICES.values():
            host.write(f"/opt/ml/venv/bin/{program}", STAND_IN, mode="0755")
        for key in ("declared", "other"):
            host.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"/root/{key}")
        host.run("mkdir", "/data")
        host.run("systemctl", "start", "ssh.service")
        write_spec(host)
        yield host


def write_spec(host: BootedHost, *without: str) -> None:
    """The example with the key of the test, and without some of its sections."""
    text, found = re.subn(KEY, host.read("/root/declared.pub").strip().rpartition(" ")[0], EXAMPLE)
    for section in without:
        text, cut = re.subn(rf"^{section}:\n(?:(?: .*)?\n)+", "", text, flags=re.MULTILINE)
        found *= cut

    assert 1 == found
    host.write(SPEC, text)


def apply(host: BootedHost, *options: str) -> str:
    """Apply the spec without a question; the last line."""
    done = host.reconciler("apply", SPEC, "--auto-approve", *options, check=False)

    assert 0 == done.returncode, done.stdout + done.stderr
    return done.stdout.splitlines()[-1]


def plan(host: BootedHost) -> str:
    """The output of a plan with --detailed-exitcode that has nothing to do."""
    done = host.reconciler("plan", SPEC, "--detailed-exitcode", check=False)

    assert 0 == done.returncode, done.stdout + done.stderr
    return done.stdout


def pid(host: BootedHost, name: str) -> str:
    """The process of a service."""
    return host.show(f"{name}.service", "MainPID")["MainPID"]


def log_in(
    host: BootedHost, key: str, *command: str, terminal: bool = False, typed: str = ""
) -> tuple[int, str]:
    """The exit code and the output of a live ssh login of alice's with this key; without a command what is
    `typed` into her shell.
    """
    options = (
        "BatchMode=yes",
        "StrictHostKeyChecking=no",
        "UserKnownHostsFile=/dev/null",
        "IdentitiesOnly=yes",
        "LogLevel=ERROR",
    )
    words = [word for option in options for word in ("-o", option)]
    argv = ["ssh", *words, *(["-tt"] if terminal else []), "-i", f"/root/{key}", "alice@127.0.0.1", *command]
    done = host.run(*argv, check=False, input=typed or None)
    return done.returncode, done.stdout.replace("\r", "")


def limits(host: BootedHost, process: str) -> dict[str, list[str]]:
    """/proc/PID/limits: soft and hard by name."""
    lines = host.read(f"/proc/{process}/limits").splitlines()[1:]
    return {line[:26].strip(): line[26:].split()[:2] for line in lines}


def _bounded(host: BootedHost) -> bool:
    """Whether the kernel refuses to raise a limit there."""
    return bool(host.run("prlimit", "--nofile=65536:65536", "true", check=False).returncode)


def variables(text: str) -> dict[str, str]:
    """The output of env as a mapping."""
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def test_from_nothing_one_apply_makes_the_whole_host(booted: BootedHost) -> None:
    """One complete plan for things that need one another, one apply, and the host is as declared in the eyes
    of its own tools.
    """
    planned: dict[str, Any] = json.loads(booted.reconciler("plan", SPEC, "--json").stdout)
    counted = planned["summary"]["add"]

    assert (True, True, False, []) == tuple(
        planned[key] for key in ("complete", "applyable", "errored", "unreadable")
    )
    # The host of the test has one disk.
    assert [("warning", "backup-same-disk")] == [
        (item["severity"], item["rule"]) for item in planned["diagnostics"]
    ]
    assert [] == [entry["address"] for entry in planned["resource_changes"] if entry["blocked"]]
    assert {"groups", "users", "directories", "services", "logrotate", "backups"} == {
        re.split(r"[.\[]", entry["address"])[0] for entry in planned["resource_changes"]
    }
    assert f"Apply complete! Resources: {counted} added, 0 changed, 0 destroyed." == apply(booted)
    assert NOTHING == plan(booted)

    # Where the tests are run without CAP_SYS_RESOURCE, nothing on the host can have more than its first
    # process.
    most = limits(booted, "1")["Max open files"][1]
    files = str(min(65536, int(most))) if _bounded(booted) else "65536"
    for name, program in SERVICES.items():
        assert ["active", "enabled"] == [
            booted.active(f"{name}.service"),
            booted.enabled(f"{name}.service"),
        ], name
        assert "" == booted.run("systemd-analyze", "verify", f"/etc/systemd/system/{name}.service").stderr, (
            name
        )
        process = pid(booted, name)
        assert "ml-user" == booted.run("ps", "-o", "user=", "-p", process).stdout.strip(), name
        found = limits(booted, process)
        assert [[files] * 2, ["4096"] * 2] == [found["Max open files"], found["Max processes"]], name
        assert f"/opt/ml/{name}" == booted.run("readlink", f"/proc/{process}/cwd").stdout.strip(), name
        environment = variables(booted.read(f"/proc/{process}/environ").replace("\0", "\n"))
        assert "1" == environment["PYTHONUNBUFFERED"], name
        assert environment["PATH"].startswith("/opt/ml/venv/bin:/usr/local/cuda/bin:"), name
        said = booted.show(f"{name}.service", "Restart", "RestartUSec", "After", "Wants", "EnvironmentFiles")
        assert ["on-failure", "10s"] == [said["Restart"], said["RestartUSec"]], name
        assert "network-online.target" in said["After"].split(), name
        assert "network-online.target" in said["Wants"].split(), name
        assert f"/etc/default/{name} (ignore_errors=yes)" == said["EnvironmentFiles"], name
        assert f"/opt/ml/venv/bin/{program}" in " ".join(booted.journal("-t", name)), name
    assert (
        "/opt/ml/jupyter"
        == variables(booted.read(f"/proc/{pid(booted, 'jupyter')}/environ").replace("\0", "\n"))["HOME"]
    )
    assert {"alice", "ml-user"} == set(booted.getent("group", "ml-users")[3].split(","))
    for path in ("experiments", "datasets", "models", "notebooks"):
        there = booted.stat(f"/home/alice/{path}")
        assert ("directory", "750", "alice", "alice") == (there.type, there.mode, there.owner, there.group)
    assert "" == booted.run("find", "/etc/systemd/system", "-xtype", "l").stdout
    assert [] == [
        line
        for line in booted.run("systemctl", "--failed", "--plain", "--no-legend").stdout.splitlines()
        if "ml" in line
    ]


def test_an_environment_file_is_optional_and_counts(booted: BootedHost) -> None:
    """Without /etc/default/ml-api the service runs; what is written there reaches it at the next start."""
    apply(booted)
    booted.write("/etc/default/ml-api", "MODEL=large\n")
    booted.run("systemctl", "restart", "ml-api")

    assert (
        "large"
        == variables(booted.read(f"/proc/{pid(booted, 'ml-api')}/environ").replace("\0", "\n"))["MODEL"]
    )
    assert NOTHING == plan(booted)


def test_alice_can_log_in_and_work(booted: BootedHost) -> None:
    """Her key lets her in, another does not; her environment is in every kind of shell; sudo lets her restart
    ml-api and nothing else.
    """
    assert 255 == log_in(booted, "declared", "true")[0]
    apply(booted)

    assert (0, "alice\n") == log_in(booted, "declared", "id", "-un")
    assert 255 == log_in(booted, "other", "true")[0]

    show = "env; alias gpu jup"
    interactive = {
        "su -l": booted.run("su", "-l", "alice", "-c", f"bash -lic {shlex.quote(show)}").stdout,
        "su": booted.run("su", "alice", "-c", f"bash -ic {shlex.quote(show)}").stdout,
        "ssh, typed into a login shell": log_in(booted, "declared", terminal=True, typed=f"{show}\nexit\n")[
            1
        ],
        "ssh, interactive without login": log_in(
            booted, "declared", f"bash -ic {shlex.quote(show)}", terminal=True
        )[1],
    }
    others = {
        "su -l": booted.run("su", "-l", "alice", "-c", "env").stdout,
        "ssh, login": log_in(booted, "declared", "bash -lc env")[1],
    }
    for name, text in (*interactive.items(), *others.items()):
        found = variables(text)
        assert CUDA == {variable: found.get(variable) for variable in CUDA}, name
        assert 1 == found["PATH"].split(":").count("/usr/local/cuda/bin"), name
    for name, text in interactive.items():
        assert ["alias gpu='nvidia-smi'", "alias jup='jupyter lab --no-browser'"] == re.findall(
            r"^alias .*=.*$", text, re.MULTILINE
        ), name

    assert (
        "(root) NOPASSWD: /usr/bin/systemctl restart ml-api" in booted.run("sudo", "-l", "-U", "alice").stdout
    )
    assert "" == booted.run("visudo", "--check").stderr
    before = {name: pid(booted, name) for name in SERVICES}
    assert 0 == log_in(booted, "declared", "sudo", "-n", "systemctl", "restart", "ml-api")[0]
    assert 0 != log_in(booted, "declared", "sudo", "-n", "systemctl", "restart", "jupyter")[0]
    assert ["ml-api"] == [name for name in SERVICES if before[name] != pid(booted, name)]


def test_the_log_is_rotated_and_the_service_told(booted: BootedHost) -> None:
    """logrotate finds no fault with the whole tree; forced, it rotates, makes the new log as declared, and
    the service writes to that.
    """
    apply(booted)
    log, process = "/var/log/ml/ml-api.log", pid(booted, "ml-api")

    def opened(times: int) -> bool:
        return booted.until(lambda: booted.journal("-t", "ml-api").count(f"opened {log}") == times)

    judged = booted.run("logrotate", "-d", "-s", "/run/judge.state", "/etc/logrotate.conf")

    assert booted.until(lambda: booted.exists(log) and booted.stat(log).size > 0)
    assert [] == [
        line
        for line in judged.stderr.splitlines()
        if re.match(r"error|warning(?!: logrotate in debug mode)", line)
    ]
    assert f"considering log {log}" in judged.stderr
    for number in range(1, 4):
        assert opened(number), number
        assert (
            "error"
            not in booted.run("logrotate", "-f", "-s", "/run/test.state", "/etc/logrotate.conf").stderr
        )
        assert opened(number + 1), number
        assert booted.until(lambda: booted.stat(log).size > 0), number
    found = booted.stat(log)
    assert ("644", "ml-user", "ml-user") == (found.mode, found.owner, found.group)
    assert ["ml-api.log", "ml-api.log.1", "ml-api.log.2.gz", "ml-api.log.3.gz"] == sorted(
        booted.run("ls", "/var/log/ml").stdout.split()
    )
    assert "GET /\n" in booted.run("zcat", "/var/log/ml/ml-api.log.3.gz").stdout
    assert process == pid(booted, "ml-api")
    assert NOTHING == plan(booted)


def test_the_data_are_backed_up_and_come_back(booted: BootedHost) -> None:
    """The timer has a next run at two; a run leaves an archive that sha256sum and tar accept; a restore gives
    the tree back.
    """
    booted.run(
        "sh",
        "-euc",
        "cd /data; mkdir -p a/b; head -c 100000 /dev/urandom > a/b/noise; ln -s a/b link; chown -R daemon a",
    )
    apply(booted)
    timer = booted.show(TIMER, "ActiveState", "UnitFileState", "NextElapseUSecRealtime")

    assert ["active", "enabled"] == [timer["ActiveState"], timer["UnitFileState"]]
    assert " 02:00:00 " in timer["NextElapseUSecRealtime"]
    booted.run("rm", SPEC)
    booted.reconciler("backup", "run", "data")
    (row,) = json.loads(booted.reconciler("backup", "list", "data", "--json").stdout)
    archive = f"data-{row['id']}.tar.gz"
    booted.run("sha256sum", "--check", f"{archive}.sha256", cwd="/backup")
    assert ("", "") == _said(booted, "tar", "--compare", "--file", f"/backup/{archive}", "-C", "/")
    booted.reconciler("backup", "restore", "data", "--to", "/srv/back")
    assert ("", "") == _said(booted, "rsync", "-aHAXni", "--delete", "/data/", "/srv/back/data/")
    assert "daemon" == booted.stat("/srv/back/data/a/b/noise").owner
    booted.write("/srv/back/data/a/b/noise", "other\n")
    assert booted.run("rsync", "-aHAXni", "--delete", "/data/", "/srv/back/data/").stdout


def _said(host: BootedHost, *argv: str) -> tuple[str, str]:
    done = host.run(*argv)
    return done.stdout, done.stderr


def test_a_second_apply_changes_nothing(booted: BootedHost) -> None:
    """No inode, no field of any account file, no process, no next run of a timer, no reload of systemd,
    nothing in our own state.
    """

    def everything() -> dict[str, object]:
        tree = booted.manifest("/etc", "/opt", "/home", "/backup", "/data", STATE)
        tree.pop(f"{STATE}/lock")
        logs = {path: found.inode for path, found in booted.manifest("/var/log/ml").items()}
        next_runs = booted.run(
            "systemctl", "show", "*.timer", "--property=Id,NextElapseUSecRealtime,LastTriggerUSec"
        ).stdout
        lives = {name: booted.life(f"{name}.service") for name in SERVICES}
        accounts = {
            name: booted.read(f"/etc/{name}")
            for name in ("passwd", "shadow", "group", "gshadow", "subuid", "subgid")
        }
        return {
            "tree": tree,
            "logs": logs,
            "timers": next_runs,
            "lives": lives,
            "accounts": accounts,
            "reloads": booted.daemon_reloads(),
        }

    apply(booted)
    assert booted.until(lambda: booted.exists("/var/log/ml/ml-api.log"))
    before = everything()
    said = booted.reconciler("apply", SPEC, "--auto-approve").stdout
    after = everything()

    assert NOTHING == said
    for what, found in before.items():
        assert found == after[what], what


def test_removing_each_kind_prunes_it(booted: BootedHost) -> None:
    """Section by section: what leaves the spec leaves the host, data stay, nothing else is touched, and the
    next plan is empty.
    """
    apply(booted)
    lives = {name: booted.life(f"{name}.service") for name in SERVICES}
    booted.reconciler("backup", "run", "data")
    booted.write("/home/alice/experiments/notes", "mine\n")
    gone: list[str] = []

    def without(section: str) -> str:
        gone.append(section)
        write_spec(booted, *gone)
        said = apply(
            booted, "--allow", "many-destroyed", *(["--allow", "empty-spec"] if section == "groups" else [])
        )
        assert NOTHING == plan(booted), section
        return said

    without("backups")
    assert ["not-found", "not-found"] == [
        booted.show(f"backup-data.{unit}", "LoadState")["LoadState"] for unit in ("timer", "service")
    ]
    assert not booted.exists("/etc/reconciler/backups/data.json")
    # The archive, its manifest and its sum, and the mark of the machine.
    assert 4 == len(booted.run("ls", "/backup").stdout.split())

    without("logrotate")
    assert not booted.exists("/etc/logrotate.d/ml-api")
    assert booted.exists("/var/log/ml/ml-api.log")
    assert lives == {name: booted.life(f"{name}.service") for name in SERVICES}

    without("services")
    for name in SERVICES:
        assert ["not-found", "inactive"] == [
            booted.show(f"{name}.service", "LoadState")["LoadState"],
            booted.active(f"{name}.service"),
        ]
    assert [] == booted.processes("^/bin/sh /opt/ml/venv/bin/")
    assert "" == booted.run("find", "/etc/systemd/system", "-name", "*ml*").stdout

    without("directories")
    assert "venv\n" == booted.run("ls", "/opt/ml").stdout
    assert booted.exists("/var/log/ml/ml-api.log")

    passwd = booted.getent("passwd", "alice")
    without("users")
    assert passwd == booted.getent("passwd", "alice")
    for user in ("alice", "ml-user"):
        shadow = booted.getent("shadow", user)
        assert [True, "1"] == [shadow[1].startswith("!"), shadow[7]], user
        assert user in booted.getent("group", "ml-users")[3].split(","), user
    assert 255 == log_in(booted, "declared", "true")[0]
    assert "mine\n" == booted.read("/home/alice/experiments/notes")
    assert not booted.exists("/etc/sudoers.d/alice")
    assert not booted.exists("/etc/reconciler/profile/alice.sh")

    without("groups")
    assert [] == booted.getent("group", "ml-users")
    write_spec(booted)
    # The directory of the logs stayed, with the number of a group that is gone.
    apply(booted, "--adopt")
    assert (0, "alice\n") == log_in(booted, "declared", "id", "-un")
    assert ["active"] * 5 == [booted.active(f"{name}.service") for name in SERVICES]
    assert NOTHING == plan(booted)
