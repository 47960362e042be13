"""The unit of a backup job on a real Debian 12 and 13: it is closed, reads everything all the same, writes where
the job says, sees the disks as the host does, and thaws however the run was ended. Commands are not closed.
"""

from __future__ import annotations

import time

import pytest

from tests.booted.booted import BootedHost

pytestmark = pytest.mark.booted

SPEC = "/root/host.yaml"
JOBS = ("whole", "drilled", "homes", "freezing", "database")
HOST = """\
version: 1
host: testhost
directories:
  /backup: {mode: "0700"}
backups:
  whole:
    sources: [/data, /home, /etc, /usr/lib/modules, /root/.ssh]
    destinations: [/backup/whole, /mnt/disk/whole]
    schedule: daily
    restore_drill: daily
    require_mount: [/mnt/disk]
  drilled:
    engine: restic
    password_file: /root/password
    sources: [/data]
    destinations: [/backup/drilled, {url: "sftp:root@127.0.0.1:/nowhere"}]
    schedule: daily
    restore_drill: daily
    before: [[/bin/true]]
    after: [{run: [/bin/true], user: daemon}]
  homes:
    sources: [/data]
    destinations: [/root/deep, /home/deep]
    schedule: daily
    before: [{run: [/bin/sh, -c, "id -un >&2; echo $HOME; cat /data/closed/of-daemon"], user: daemon}]
    after: [{run: [/bin/true], user: daemon}]
  freezing:
    sources: [/data]
    destinations: [/backup/freezing]
    schedule: daily
    before: [[/usr/bin/mount, -t, tmpfs, tmpfs, /mnt/other], [/bin/su, daemon, -s, /bin/sh, -c, "id -un"]]
    after: [[/usr/bin/umount, /mnt/other], [/bin/sh, -c, "echo thawed $RECONCILER_STATUS >> /root/thawed"]]
    on_failure: [[/bin/sh, -c, "echo failed: $RECONCILER_PROBLEM >> /root/thawed"]]
    directives:
      Unit: {OnFailure: alarm.service}
      Service: {TimeoutStartSec: "10min"}
  database:
    sources: [/srv/dump]
    destinations: [/backup/database]
    schedule: daily
    restore_drill: daily
    before:
      - {run: [/usr/bin/python3, /usr/local/bin/dump], user: alice}
      - [/usr/bin/systemctl, stop, db.service]
      - [/bin/sh, -c, "cat /proc/self/status; umask; touch /usr/local/of-root /root/of-root"]
    after:
      - [/usr/bin/systemctl, start, db.service]
"""
DATABASE = """\
import os, socket, threading
os.umask(0o077)
at = socket.socket(socket.AF_UNIX); at.bind("/run/db/s"); at.listen()
on = socket.create_server(("127.0.0.1", 8765))
def serve(listener):
    while True:
        client, _ = listener.accept()
        client.sendall(b"rows"); client.close()
threading.Thread(target=serve, args=(on,), daemon=True).start()
serve(at)
"""
DUMP = """\
import socket
at = socket.socket(socket.AF_UNIX); at.connect("/run/db/s")
with open("/srv/dump/of-db", "wb") as file:
    file.write(at.recv(9) + socket.create_connection(("127.0.0.1", 8765)).recv(9))
"""
FILL = """
mkdir -p /data/closed /data/deep /usr/lib/modules/k /backup /mnt/disk /mnt/other /root/.ssh /run/empty
chmod 0700 /backup /mnt/disk
echo x > /data/closed/of-daemon; chown daemon:daemon /data/closed/of-daemon; chmod 0000 /data/closed/of-daemon
chown 4711:4712 /data/closed; chmod 0000 /data/closed
mknod /data/null c 1 3; mknod /data/disk b 7 200; mkfifo /data/fifo; ln /data/closed/of-daemon /data/other-name
cp /bin/true /data/setuid; chmod 6755 /data/setuid; setfacl -m u:bin:r -m g:4713:- /data/setuid
setfacl -d -m u:bin:rx /data/deep
python3 - <<'P'
import os
for name in ("trusted.x", "user.x", "security.x"):
    os.setxattr("/data/setuid", name, b"value")
P
echo secret > /root/password; chmod 0600 /root/password
useradd --create-home alice; echo h > /home/alice/file; chmod 0600 /home/alice/file
echo key > /root/.ssh/key; chmod 0600 /root/.ssh/key; echo m > /usr/lib/modules/k/module
printf '[Unit]\\n[Mount]\\nWhat=tmpfs\\nWhere=/mnt/disk\\nType=tmpfs\\nOptions=mode=0700\\n' > /etc/systemd/system/mnt-disk.mount
printf '[Service]\\nType=oneshot\\nExecStart=/usr/bin/touch /root/alarmed\\n' > /etc/systemd/system/alarm.service
printf '[Service]\\nUser=alice\\nRuntimeDirectory=db\\nRuntimeDirectoryMode=0700\\nExecStart=/usr/bin/python3 /usr/local/bin/db\\n' > /etc/systemd/system/db.service
install -d -o alice -m 0700 /srv/dump
systemctl daemon-reload; systemctl start db.service
"""


def prepared(host: BootedHost) -> None:
    """Files of every sort, jobs for them, and no spec any more."""
    host.write("/usr/local/bin/db", DATABASE)
    host.write("/usr/local/bin/dump", DUMP)
    host.run("/bin/sh", "-euc", FILL)
    host.write(SPEC, HOST)
    host.reconciler("apply", SPEC, "--auto-approve")


def start(host: BootedHost, job: str, result: str = "success") -> str:
    """Run a job by its unit, as the timer does; its part of the journal."""
    unit = f"backup-{job}.service"
    host.run("systemctl", "start", unit, check=False)
    told = host.run("journalctl", "--no-pager", "--output=cat", f"--unit={unit}").stdout
    assert {"Result": result} == host.show(unit, "Result"), told
    return told


def exposure(host: BootedHost, job: str) -> float:
    """The exposure of the unit as systemd itself tells it, 0 to 10."""
    lines = host.run("systemd-analyze", "security", "--no-pager", f"backup-{job}.service").stdout.splitlines()
    return float(lines[-1].split(": ")[1].split()[0])


def check_a_closed_unit(host: BootedHost) -> None:
    """It is closed and reads all: what is given back is what was there, with every mode, owner, attribute and
    type.
    """
    verified = host.run("systemd-analyze", "verify", "/etc/systemd/system/backup-whole.service").stderr
    told = start(host, "whole")
    for destination in ("/backup/whole", "/mnt/disk/whole"):
        assert host.run("sh", "-euc", f"cd {destination}; sha256sum --check *.sha256").returncode == 0
    host.reconciler("backup", "restore", "whole", "--to", "/srv/back")
    for source in ("/data", "/home", "/usr/lib/modules", "/root/.ssh", "/etc"):
        assert "" == host.run("rsync", "-aHAXni", "--delete", f"{source}/", f"/srv/back{source}/").stdout, (
            source
        )
    attributes = host.run("python3", "-c", "import os; print(*os.listxattr('/srv/back/data/setuid'))").stdout

    assert "" == verified
    assert "came back from /backup/whole as it was archived" in told
    assert {} == {job: figure for job in JOBS if (figure := exposure(host, job)) > 4.0}
    assert {"trusted.x", "user.x", "security.x"} <= set(attributes.split())
    assert {"Nice": "10", "IOSchedulingClass": "2", "IOSchedulingPriority": "7"} == host.show(
        "backup-whole.service", "Nice", "IOSchedulingClass", "IOSchedulingPriority"
    )


def check_users_commands(host: BootedHost) -> None:
    """Commands of users: they have that user's rights, the unit is closed but for what they need, destinations
    among the homes are made.
    """
    told = start(host, "homes", "exit-code")
    host.run("sed", "-i", 's/; cat [^"]*//', "/etc/reconciler/backups/homes.json")
    again = start(host, "homes")

    assert "a command before the backup failed: /bin/sh: daemon" in told
    assert "before: /bin/sh: cat: /data/closed/of-daemon: Permission denied" in told
    assert "before: /bin/sh: /usr/sbin" in again
    assert host.exists("/root/deep")
    assert host.exists("/home/deep")


def check_a_database(host: BootedHost) -> None:
    """Commands dump by a user's socket, stop and start a service, write where the archive's line cannot; the
    drill comes once the service is back.
    """
    told = start(host, "database")
    order = ("before: /bin/sh: 0022", "/backup/database: ", "Started db.service", "restore drill: ")
    host.reconciler("backup", "restore", "database", "--to", "/srv/db-back")
    journal = host.run("journalctl", "--no-pager", "--output=cat").stdout

    assert "rowsrows" == host.run("cat", "/srv/db-back/srv/dump/of-db").stdout
    assert "644" == host.run("stat", "--format=%a", "/srv/dump/of-db").stdout.strip()
    assert "before: /bin/sh: NoNewPrivs:\\t0" in told
    assert all(host.exists(path) for path in ("/usr/local/of-root", "/root/of-root"))
    assert {"ActiveState": "active"} == host.show("db.service", "ActiveState")
    assert "came back from /backup/database as it was archived" in told
    places = [journal.rindex(line) for line in order]
    assert sorted(places) == places
    assert not host.exists("/var/lib/reconciler/jobs/database.owed")


def check_not_now(host: BootedHost) -> None:
    """A command that puts the run off leaves the unit well, and makes neither an archive nor a drill."""
    path = "/etc/reconciler/backups/database.json"
    host.run("cp", path, "/root/kept.json")
    host.run("sed", "-i", 's|"/usr/bin/python3"|"/usr/local/bin/not-now"|', path)
    host.write("/usr/local/bin/not-now", "#!/bin/sh\nexit 75\n")
    host.run("chmod", "0755", "/usr/local/bin/not-now")
    before = host.run("ls", "/backup/database").stdout
    told = start(host, "database")
    host.run("cp", "/root/kept.json", path)

    assert "not now: /usr/local/bin/not-now ended with 75" in told
    assert before == host.run("ls", "/backup/database").stdout
    assert 1 == told.count("restore drill: ")
    assert "ended with 75" in host.run("cat", "/var/lib/reconciler/jobs/database.json").stdout
    assert "" == host.run("sh", "-c", "ls /var/lib/reconciler/jobs/*.owed 2>/dev/null", check=False).stdout


def check_disks(host: BootedHost) -> None:
    """A closed path looks mounted to the run. A disk that fstab names and nobody mounted is missed all the
    same, and nothing is archived in its place.
    """
    before = host.run("ls", "/backup/whole").stdout
    host.write("/etc/fstab", "/dev/gone /home ext4 noauto 0 0\n")
    told = start(host, "whole", "exit-code")
    host.write("/etc/fstab", "")

    assert "nothing is mounted" in told
    assert "/etc/fstab names /home" in told
    assert before == host.run("ls", "/backup/whole").stdout


def thawed(host: BootedHost) -> list[str]:
    """The lines that the commands at the end wrote; then they are forgotten."""
    lines = host.run("sh", "-c", "cat /root/thawed; rm -f /root/thawed /root/alarmed").stdout.splitlines()
    assert not host.exists("/var/lib/reconciler/jobs/freezing.owed")
    return lines


def check_roots_commands(host: BootedHost) -> None:
    """Root's commands mount for the whole host, and become others; nothing of theirs is closed."""
    host.run(
        "sed", "-i", 's|"/usr/bin/umount"|"/usr/bin/mountpoint"|', "/etc/reconciler/backups/freezing.json"
    )
    told = start(host, "freezing")
    mounted = host.run("mountpoint", "/mnt/other", check=False).stdout
    host.run("umount", "/mnt/other")
    host.run(
        "sed", "-i", 's|"/usr/bin/mountpoint"|"/usr/bin/umount"|', "/etc/reconciler/backups/freezing.json"
    )

    assert "before: /bin/su: daemon" in told
    assert "/mnt/other is a mountpoint" in mounted
    assert ["thawed good"] == thawed(host)


def check_a_killed_run(host: BootedHost, how: str, result: str, at: str = "sleep") -> None:
    """However the run is ended, its unit thaws at once, and OnFailure= and on_failure tell of it."""
    word = 's|"id -un"|"sleep 60"|' if at == "sleep" else 's|"sleep 60"|"id -un"|; s|"/data"|"/big"|'
    host.run("sed", "-i", word, "/etc/reconciler/backups/freezing.json")
    unit = "backup-freezing.service"
    host.run("systemctl", "start", "--no-block", unit)
    deadline = time.monotonic() + 20
    while not host.run("pgrep", "-x", at, check=False).stdout and time.monotonic() < deadline:
        time.sleep(0.05)
    if how:
        host.run("/bin/sh", "-euc", how.format(unit=unit))
    while host.show(unit, "ActiveState") != {"ActiveState": "failed"} and time.monotonic() < deadline:
        time.sleep(0.05)
    while not host.exists("/root/alarmed") and time.monotonic() < deadline:
        time.sleep(0.05)

    assert {"Result": result} == host.show(unit, "Result")
    assert host.exists("/root/alarmed")
    assert "is not a mountpoint" in host.run("sh", "-c", "mountpoint /mnt/other 2>&1", check=False).stdout
    assert "" == host.run("pgrep", "-x", at, check=False).stdout
    told = thawed(host)
    assert ["thawed failed", True] == [told[0], told[1].startswith("failed: the run was ")], told
    assert 2 == len(told)
    half = "ls -A /backup/freezing/.partial* 2>/dev/null"
    assert at == "tar" or "" == host.run("sh", "-c", half, check=False).stdout  # the next run removes it


KILL = "systemctl kill --kill-whom=main --signal=KILL {unit}"


def check_nobody_comes_between(host: BootedHost) -> None:
    """While the unit makes its archive nobody else runs the job; a run by hand then does all of it itself."""
    by_hand = host.reconciler("backup", "run", "database", check=False)
    assert 0 == by_hand.returncode, by_hand.stderr
    assert {"ActiveState": "active"} == host.show("db.service", "ActiveState")
    note = '{{"format": 1, "id": "x", "stage": "ready", "invocation": "{}"}}'
    invocation = host.show("db.service", "InvocationID")["InvocationID"]
    host.run("ln", "-s", invocation, "/run/systemd/units/invocation:backup-database.service")
    host.run(
        "sh", "-c", f"umask 077; echo '{note.format(invocation)}' > /var/lib/reconciler/jobs/database.owed"
    )
    between = host.reconciler("backup", "run", "database", check=False)
    host.run("rm", "/run/systemd/units/invocation:backup-database.service")
    later = host.reconciler("backup", "run", "database", check=False)

    assert (75, True) == (between.returncode, "backup-database.service runs it" in between.stderr)
    assert (0, True) == (later.returncode, "did not end by itself" in later.stderr)


def test_on_debian_12(booted: BootedHost) -> None:
    """All of it on Debian 12; SIGKILL, a stop and a time-out each thaw."""
    prepared(booted)
    check_a_closed_unit(booted)
    check_users_commands(booted)
    check_a_database(booted)
    check_not_now(booted)
    check_nobody_comes_between(booted)
    check_disks(booted)
    check_roots_commands(booted)
    check_a_killed_run(booted, KILL, "signal")
    check_a_killed_run(booted, "systemctl stop {unit}", "exit-code")
    booted.write(
        "/etc/systemd/system/backup-freezing.service.d/short.conf", "[Service]\nTimeoutStartSec=4s\n"
    )
    booted.run("systemctl", "daemon-reload")
    check_a_killed_run(booted, "", "timeout")
    booted.run(
        "sh", "-c", "rm /etc/systemd/system/backup-freezing.service.d/short.conf; systemctl daemon-reload"
    )
    booted.run("sh", "-c", "mkdir /big; head -c 150M /dev/urandom > /big/file")
    check_a_killed_run(booted, KILL, "signal", "tar")


def test_on_debian_13() -> None:
    """The same on Debian 13, whose systemd closes with other means."""
    with BootedHost(suite="trixie") as host:
        prepared(host)
        check_a_closed_unit(host)
        check_a_database(host)
        check_not_now(host)
        check_disks(host)
        check_a_killed_run(host, KILL, "signal")
