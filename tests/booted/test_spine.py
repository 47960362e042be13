"""The spine on a real Debian: from a spec to a converged host, judged by systemctl, stat and getent."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

import pytest

from tests.booted.booted import BootedHost
from tests.breaking import some

SPEC = "/root/host.yaml"
STATE = "/var/lib/reconciler"

SERVE = """#!/bin/sh
# A stand-in: it remembers what it was started with, and stays.
cat "$1" > "/run/$2.loaded"
exec sleep infinity
"""

THREE = """\
version: 1
host: testhost
groups:
  ml-users: {gid: 2000}
directories:
  /opt/ml: {mode: "0755"}
  /etc/ml: {mode: "0750", group: ml-users}
files:
  /opt/ml/serve: {source: serve, mode: "0755"}
  /etc/ml/api.conf: {content: "port: 8000\\n", group: ml-users, mode: "0640"}
services:
  ml-api:
    description: ML inference API
    exec_start: [/opt/ml/serve, /etc/ml/api.conf, ml-api]
    watch: [/etc/ml/api.conf]
  ml-training:
    description: a long run
    exec_start: [/opt/ml/serve, /etc/ml/api.conf, ml-training]
    watch: [/etc/ml/api.conf]
    on_change: none
  mlflow:
    exec_start: [/usr/bin/sleep, "1000001"]
    environment: {PYTHONUNBUFFERED: 1}
    limit_nofile: 65536
"""


def write_spec(host: BootedHost, text: str = THREE) -> None:
    """Put a spec, and the stand-in it refers to, on the host."""
    host.write("/root/serve", SERVE)
    host.write(SPEC, text)


def apply(host: BootedHost, *options: str, code: int = 0) -> str:
    """Apply the spec without a question; the output."""
    done = host.reconciler("apply", SPEC, "--auto-approve", *options, check=False)

    assert code == done.returncode, done.stdout + done.stderr
    return done.stdout


def plan(host: BootedHost, *options: str, code: int = 0) -> str:
    """Plan with --detailed-exitcode; the output."""
    done = host.reconciler("plan", SPEC, "--detailed-exitcode", *options, check=False)

    assert code == done.returncode, done.stdout + done.stderr
    return done.stdout


def managed(host: BootedHost) -> dict[str, object]:
    """Everything we could have written, but for the lock, which says who held it last."""
    return {
        path: found for path, found in host.manifest("/etc", "/opt", STATE).items() if path != f"{STATE}/lock"
    }


def lives(host: BootedHost, units: Sequence[str] = ("ml-api", "ml-training", "mlflow")) -> dict[str, object]:
    """Which processes the services are."""
    return {unit: host.life(f"{unit}.service") for unit in units}


def test_a_spec_converges_in_one_apply(booted: BootedHost) -> None:
    """Three services, files, directories and a group are as declared after one apply, in the eyes of the
    system's own tools.
    """
    write_spec(booted)
    apply(booted)

    for unit in ("ml-api.service", "ml-training.service", "mlflow.service"):
        assert "active" == booted.active(unit)
        assert "enabled" == booted.enabled(unit)
        assert "" == booted.run("systemd-analyze", "verify", f"/etc/systemd/system/{unit}").stderr
    assert ["ml-users", "x", "2000", ""] == booted.getent("group", "ml-users")
    assert ["ml-users", "!", "", ""] == booted.getent("gshadow", "ml-users")
    config = booted.stat("/etc/ml/api.conf")
    assert ("file", "640", "root", "ml-users") == (config.type, config.mode, config.owner, config.group)
    assert "port: 8000\n" == booted.read("/etc/ml/api.conf")
    assert "750" == booted.stat("/etc/ml").mode
    assert "65536" == booted.show("mlflow.service", "LimitNOFILE")["LimitNOFILE"]
    assert "PYTHONUNBUFFERED=1" == booted.show("mlflow.service", "Environment")["Environment"]
    assert "No changes. Your host matches the configuration.\n" == plan(booted)


def test_the_second_apply_changes_nothing(booted: BootedHost) -> None:
    """Applying again changes no inode, no mtime, no process, reloads nothing and leaves our own state to the
    byte.
    """
    write_spec(booted)
    apply(booted)
    before, processes, reloads = managed(booted), lives(booted), booted.daemon_reloads()
    apply(booted)

    assert before == managed(booted)
    assert processes == lives(booted)
    assert reloads == booted.daemon_reloads()


def test_one_changed_service_restarts_alone_and_once(booted: BootedHost) -> None:
    """A new argument restarts that service, once, and no other one."""
    write_spec(booted)
    apply(booted)
    before, starts = lives(booted), booted.starts("mlflow.service")
    write_spec(booted, THREE.replace("1000001", "1000002"))
    told = plan(booted, code=2)
    apply(booted)
    after = lives(booted)

    assert "> restart mlflow.service" in told
    assert "Service.ExecStart changed" in told
    assert before["mlflow"] != after.pop("mlflow")
    assert {name: before[name] for name in after} == after
    assert starts + 1 == booted.starts("mlflow.service")
    assert [] == booted.processes("sleep 1000001")
    assert 1 == len(booted.processes("sleep 1000002"))


def test_a_changed_description_restarts_nothing(booted: BootedHost) -> None:
    """A change that takes no restart to be in force causes none, and is in force."""
    write_spec(booted)
    apply(booted)
    before = lives(booted)
    write_spec(booted, THREE.replace("ML inference API", "Something else"))
    apply(booted)

    assert before == lives(booted)
    assert "Something else" == booted.show("ml-api.service", "Description")["Description"]
    assert "No changes." in plan(booted)


def test_a_watched_file_restarts_and_on_change_none_stays_owed(booted: BootedHost) -> None:
    """A changed configuration file restarts its watcher; with `on_change: none` the restart stays owed until
    somebody does it.
    """
    write_spec(booted)
    apply(booted)
    before = lives(booted)
    write_spec(booted, THREE.replace("port: 8000", "port: 9000"))
    apply(booted)
    after = lives(booted)
    told = plan(booted)
    again = apply(booted)

    assert before["ml-api"] != after["ml-api"]
    assert before["ml-training"] == after["ml-training"]
    assert "port: 9000\n" == booted.read("/run/ml-api.loaded")
    assert "port: 8000\n" == booted.read("/run/ml-training.loaded")
    assert re.search(r"ml-training.*older configuration", told), told
    assert "older configuration" in again
    assert after == lives(booted)

    booted.run("systemctl", "restart", "ml-training")
    apply(booted)

    assert "older configuration" not in plan(booted)


def test_ten_changed_units_cost_one_reload_and_one_restart_call(booted: BootedHost) -> None:
    """Ten changed services are one daemon-reload and one restart call, not ten."""
    text = "version: 1\nhost: testhost\nservices:\n" + "".join(
        f"  s{n}: {{exec_start: [/usr/bin/sleep, '{{}}{n}']}}\n" for n in range(10)
    )
    write_spec(booted, text.replace("{}", "100"))
    apply(booted)
    reloads = booted.daemon_reloads()
    write_spec(booted, text.replace("{}", "200"))
    booted.run(
        "strace",
        "-f",
        "-qq",
        "-o",
        "/root/trace",
        "-e",
        "trace=execve",
        "reconciler",
        "apply",
        SPEC,
        "--auto-approve",
    )
    calls = [
        line
        for line in booted.read("/root/trace").splitlines()
        if '"systemctl"' in line or "/systemctl" in line
    ]

    assert reloads + 1 == booted.daemon_reloads()
    assert 1 == sum('"restart"' in line for line in calls)
    assert 1 == sum('"daemon-reload"' in line for line in calls)
    assert 10 == len(booted.processes("^/usr/bin/sleep 200"))


def test_removing_each_kind_leaves_nothing(booted: BootedHost) -> None:
    """An object that leaves the spec leaves the host: no stale link, process, file, directory or group."""
    booted.run("rm", "-f", "/etc/group-", "/etc/gshadow-")
    clean = booted.manifest("/etc", "/opt", content=False)
    write_spec(booted)
    apply(booted)
    told = apply_rest(booted)

    assert "8 destroyed" in told
    for unit in ("ml-api.service", "ml-training.service", "mlflow.service"):
        assert "not-found" == booted.show(unit, "LoadState")["LoadState"]
        assert "inactive" == booted.active(unit)
    assert [] == booted.processes("sleep")
    assert [] == booted.getent("group", "ml-users")
    assert "" == booted.run("find", "/etc/systemd/system", "-xtype", "l").stdout
    booted.run("rm", "-f", "/etc/group-", "/etc/gshadow-")

    assert sorted(clean) == sorted(booted.manifest("/etc", "/opt", content=False))
    assert "No changes." in plan(booted)


def apply_rest(host: BootedHost) -> str:
    """Take everything but one file out of the spec; the guards are asked to allow it."""
    write_spec(host, 'version: 1\nhost: testhost\nfiles:\n  /root/left: {content: "left\\n", mode: "0600"}\n')
    return apply(host, "--allow", "many-destroyed")


def test_a_directory_with_foreign_content_is_kept(booted: BootedHost) -> None:
    """Nothing that somebody put into a declared directory is deleted because a line left the spec."""
    write_spec(booted)
    apply(booted)
    booted.write("/opt/ml/notes", "mine\n")
    apply_rest(booted)

    assert "mine\n" == booted.read("/opt/ml/notes")
    assert not booted.exists("/etc/ml")
    assert "No changes." in plan(booted)


def test_a_kill_between_file_and_restart_forgets_nothing(booted: BootedHost) -> None:
    """kill -9 after the file was renamed: the next plan is not empty, and after the next apply the new
    version runs.
    """
    write_spec(booted)
    apply(booted)
    write_spec(booted, THREE.replace("port: 8000", "port: 9000").replace("1000001", "1000002"))
    killed = booted.reconciler(
        "apply",
        SPEC,
        "--auto-approve",
        env={"RECONCILER_TESTING": "1", "RECONCILER_FAILPOINT": "state.step.done:1"},
        check=False,
    )
    there = (
        booted.read("/etc/ml/api.conf"),
        booted.read("/run/ml-api.loaded"),
        booted.processes("sleep 1000002"),
    )
    told = plan(booted, code=2)
    apply(booted)

    assert killed.returncode in {-9, 137}
    assert ("port: 9000\n", "port: 8000\n", []) == there
    assert "was interrupted" in told
    assert "restart" in told
    assert "port: 9000\n" == booted.read("/run/ml-api.loaded")
    assert 1 == len(booted.processes("sleep 1000002"))
    assert "no" == booted.show("mlflow.service", "NeedDaemonReload")["NeedDaemonReload"]
    assert "No changes." in plan(booted)


@pytest.mark.parametrize(
    "place",
    some(
        [
            "state.intend.done",
            "write.content",
            "publish.exchanged",
            "write.renamed",
            "state.arm.done",
            "state.settle.begun",
        ],
        2,
    ),
)
def test_a_kill_anywhere_is_made_good(booted: BootedHost, place: str) -> None:
    """Killed at any of these places, the next apply ends where an undisturbed one would have, and leaves no
    temporary file.
    """
    write_spec(booted)
    apply(booted)
    write_spec(
        booted,
        THREE.replace("port: 8000", "port: 9000")
        .replace("1000001", "1000002")
        .replace("a long run", "another"),
    )
    environment = {"RECONCILER_TESTING": "1", "RECONCILER_FAILPOINT": f"{place}:1"}
    killed = booted.reconciler("apply", SPEC, "--auto-approve", env=environment, check=False)
    apply(booted)

    assert killed.returncode in {-9, 137}
    assert "port: 9000\n" == booted.read("/etc/ml/api.conf") == booted.read("/run/ml-api.loaded")
    assert "port: 8000\n" == booted.read("/run/ml-training.loaded")
    assert 1 == len(booted.processes("sleep 1000002"))
    assert "another" == booted.show("ml-training.service", "Description")["Description"]
    assert "" == booted.run("find", "/etc", "/opt/ml", "-name", ".reconciler.*").stdout
    told = plan(booted)
    assert "No changes." in told
    assert "older configuration" in told


def test_one_broken_service_does_not_stop_the_others(booted: BootedHost) -> None:
    """A service whose program is missing fails, by name and reason; everything else converges and the exit
    code says both.
    """
    write_spec(booted, THREE + "  broken: {exec_start: [/opt/ml/nothing-here]}\n")
    told = apply(booted, code=6)

    assert "services.broken" in told
    assert "203" in told
    assert ["active"] * 3 == [
        booted.active(f"{unit}.service") for unit in ("ml-api", "ml-training", "mlflow")
    ]
    assert "~ services.broken" in plan(booted, code=2)


def test_plan_writes_nothing(booted: BootedHost) -> None:
    """A plan leaves the tree as it was and makes no system call that could change anything."""
    write_spec(booted)
    fresh = booted.manifest("/etc", "/opt", "/var", "/root")
    plan(booted, code=2)

    assert fresh == without_journal(booted.manifest("/etc", "/opt", "/var", "/root"), fresh)
    assert not booted.exists(STATE)

    apply(booted)
    write_spec(booted, THREE.replace("port: 8000", "port: 9000"))
    before = booted.manifest("/etc", "/opt", STATE)
    booted.run(
        "strace", "-f", "-qq", "-y", "-o", "/run/trace", "-e", f"trace={MUTATING}", "reconciler", "plan", SPEC
    )

    assert before == booted.manifest("/etc", "/opt", STATE)
    assert [] == [line for line in booted.read("/run/trace").splitlines() if changes_something(line)]


MUTATING = (
    "open,openat,openat2,creat,rename,renameat,renameat2,unlink,unlinkat,rmdir,mkdir,mkdirat,link,linkat,symlink,symlinkat,chmod,fchmod,"
    "fchmodat,chown,fchown,fchownat,lchown,truncate,ftruncate,mknod,mknodat,setxattr,fsetxattr,utimensat,mount,kill"
)


def changes_something(line: str) -> bool:
    """Whether a line of strace is a call that changes the file system: opening for writing, or any of the
    calls above that succeeded.
    """
    if re.search(r"\b(open|openat|openat2|creat)\(", line):
        return bool(re.search(r"O_(WRONLY|RDWR|CREAT|TRUNC)", line)) and "/dev/null" not in line
    return " = 0" in line and "+++" not in line and "---" not in line


def without_journal(after: Mapping[str, object], before: Mapping[str, object]) -> dict[str, object]:
    """A manifest without what the host itself writes all the time."""
    alive = ("/var/log", "/var/lib/systemd", "/var/cache")
    return {
        path: before.get(path, entry) if path.startswith(alive) else entry for path, entry in after.items()
    }


WRITES = (
    '1 openat(AT_FDCWD, "/etc/x", O_WRONLY|O_CREAT, 0666) = 3',
    '1 unlink("/etc/x") = 0',
    '1 rename("a", "b") = 0',
)


@pytest.mark.parametrize("line", WRITES)
def test_the_judge_of_system_calls_sees_a_write(line: str) -> None:
    """The check above is not blind: calls that write are recognised."""
    assert changes_something(line)


def test_the_surroundings_do_not_matter(booted: BootedHost) -> None:
    """Under another umask, time zone, locale, a bare environment and closed stdin the very same bytes and
    modes come out.
    """
    write_spec(booted)
    apply(booted)
    expected = shape(booted)
    for umask, extra in (
        ("000", "TZ=Pacific/Auckland LC_ALL=tr_TR.UTF-8"),
        ("077", "LANG=de_DE.UTF-8 PYTHONUTF8=0"),
    ):
        apply_rest(booted)
        write_spec(booted)
        command = (
            f"umask {umask}; exec env -i PATH=/usr/bin:/bin {extra} /usr/local/bin/reconciler apply {SPEC}"
            " --auto-approve <&-"
        )
        booted.run("/bin/sh", "-c", command)

        assert expected == shape(booted)


def shape(host: BootedHost) -> dict[str, tuple[str, ...]]:
    """The objects that were made, by path, without times and inodes."""
    made = host.manifest("/etc/ml", "/opt/ml", "/etc/systemd/system", "/etc/group")
    return {
        path: (found.type, found.mode, found.owner, found.group, found.digest, found.target)
        for path, found in made.items()
    }


def test_a_tree_gets_the_same_files(booted: BootedHost) -> None:
    """The same spec applied with --root by an ordinary user gives the same files, modes and links as on the
    host.
    """
    write_spec(booted)
    booted.run("mkdir", "-p", "/srv/tree/etc/systemd/system", "/srv/tree/opt")
    booted.run("cp", "/etc/passwd", "/etc/group", "/etc/hostname", "/srv/tree/etc/")
    booted.run(
        "/bin/sh",
        "-c",
        "cp /root/host.yaml /root/serve /srv/ && chown -R nobody /srv/tree /srv && chmod 755 /srv",
    )
    command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "reconciler"]
    booted.run(*command, "apply", "/srv/host.yaml", "--root", "/srv/tree", "--auto-approve")
    apply(booted)
    paths = (
        "/etc/ml",
        "/opt/ml",
        *(f"/etc/systemd/system/{unit}.service" for unit in ("ml-api", "ml-training", "mlflow")),
    )
    real = booted.manifest(*paths, "/etc/systemd/system/multi-user.target.wants/mlflow.service")
    tree = booted.manifest(
        *(
            f"/srv/tree{path}"
            for path in (*paths, "/etc/systemd/system/multi-user.target.wants/mlflow.service")
        )
    )

    assert {path: (entry.type, entry.mode, entry.digest, entry.target) for path, entry in real.items()} == {
        path.removeprefix("/srv/tree"): (entry.type, entry.mode, entry.digest, entry.target)
        for path, entry in tree.items()
    }
    owners = [
        json.loads(line) for line in booted.read("/srv/tree.reconciler/owners.jsonl").splitlines() if line
    ]
    assert any(row.get("group") == "ml-users" for row in owners)


def test_the_five_lines(booted: BootedHost) -> None:
    """The shortest useful spec works as it stands in the design, with its defaults in force."""
    booted.run("useradd", "--system", "--user-group", "ml-api")
    booted.run("install", "-d", "-o", "ml-api", "/opt/ml/ml-api/bin")
    booted.write("/opt/ml/ml-api/bin/serve", "#!/bin/sh\nexec sleep infinity\n", "0755")
    five = (
        "version: 1\nhost: testhost\nservices:\n  ml-api: {exec_start: [/opt/ml/ml-api/bin/serve], user:"
        " ml-api}\n"
    )
    write_spec(booted, five)
    apply(booted)
    shown = booted.show("ml-api.service", "Type", "Restart", "User", "ActiveState", "UnitFileState")

    assert {
        "Type": "exec",
        "Restart": "on-failure",
        "User": "ml-api",
        "ActiveState": "active",
        "UnitFileState": "enabled",
    } == shown
    assert booted.exists("/etc/systemd/system/multi-user.target.wants/ml-api.service")
