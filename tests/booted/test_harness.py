"""The harness itself: before it judges anything it is shown to tell a lie from the truth, and to leave
nothing behind.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.booted import cache, rootfs
from tests.booted.booted import LOGIN, BootedHost, CommandError
from tests.booted.support import HarnessError

pytestmark = pytest.mark.booted

UNIT = """[Unit]
Description=A sleeper

[Service]
ExecStart=/bin/sleep infinity
"""


def _traces(name: str) -> dict[str, list[str]]:
    """Everything on this machine that bears a host's name."""
    mounts = [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if name in line]
    processes = []
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            # A process that is dead but not yet reaped (Z) by this machine's own PID 1 is gone for us.
            if (
                f"reconciler-test-{name}/" in (place / "cgroup").read_text()
                and ") Z " not in (place / "stat").read_text()
            ):
                processes.append(place.name)
    return {
        "mounts": mounts,
        "processes": processes,
        "cgroups": [
            str(path)
            for depth in ("", "*/")
            for path in Path("/sys/fs/cgroup").glob(f"{depth}reconciler-test-{name}")
        ],
        "directories": [str(path) for path in (cache.directory() / "run").glob(f"{name}-*")],
        "nspawn": [str(path) for path in Path("/run/systemd/nspawn").glob(f"*/{name}")],
    }


NO_TRACES: dict[str, list[str]] = {
    "mounts": [],
    "processes": [],
    "cgroups": [],
    "directories": [],
    "nspawn": [],
}


def test_a_host_is_a_whole_debian(booted: BootedHost) -> None:
    """systemd is PID 1, the tool is installed and answers, and the host has its own name."""
    assert booted.run("cat", "/proc/1/comm").stdout == "systemd\n"
    assert booted.run("hostname").stdout == "testhost\n"
    assert booted.active("cron.service") == "active"
    assert booted.exists("/usr/local/bin/reconciler")


def test_the_installed_tool_is_the_source(booted: BootedHost) -> None:
    """The installed tool is the same as the checkout, byte for byte, and needs nothing of the checkout to
    run.
    """
    where = booted.run(
        "/opt/reconciler/bin/python", "-I", "-c", "import reconciler; print(reconciler.__path__[0])"
    ).stdout.strip()
    installed = booted.manifest(where)
    source = rootfs.REPOSITORY / "reconciler"
    ours = {str(path.relative_to(source)) for path in source.rglob("*.py")}

    assert ours == {name.removeprefix(f"{where}/") for name in installed if name.endswith(".py")}


@pytest.mark.parametrize("turn", ["first", "second"])
def test_tests_do_not_see_each_other(booted: BootedHost, turn: str) -> None:
    """Each test has a pristine host: what one writes, adds and starts is not there for the next."""
    before = (
        booted.exists("/etc/planted"),
        booted.getent("passwd", "planted"),
        booted.active("planted.service"),
    )
    booted.write("/etc/planted", turn)
    booted.run("useradd", "planted")
    booted.run("systemd-run", "--unit=planted", "sleep", "infinity")

    assert before == (False, [], "inactive")
    assert booted.active("planted.service") == "active"


def test_two_hosts_at_a_time_do_not_reach_each_other() -> None:
    """Stopping, killing and writing in one host changes nothing in another that runs beside it."""
    with BootedHost() as one, BootedHost() as other:
        before = other.life("cron.service"), other.manifest("/etc", content=False)
        one.write("/etc/systemd/system/a.service", UNIT)
        one.run("systemctl", "daemon-reload")
        one.run("systemctl", "start", "a.service")
        one.run("systemctl", "kill", "--signal=KILL", "cron.service")
        one.run("systemctl", "stop", "ssh.service")

        assert before == (other.life("cron.service"), other.manifest("/etc", content=False))
        assert (one.active("ssh.service"), other.active("ssh.service")) == ("inactive", "active")
        assert (one.daemon_reloads(), other.daemon_reloads()) == (1, 0)
        assert one.run("cat", "/etc/machine-id").stdout != other.run("cat", "/etc/machine-id").stdout


LIES = {
    "touched": "touch /srv/d/f",
    "same bytes again": "cp /srv/d/f /srv/d/g && mv /srv/d/g /srv/d/f",
    "rewritten in place with its old time": (
        "cp -p /srv/d/f /tmp/f && echo b > /srv/d/f && touch -r /tmp/f /srv/d/f"
    ),
    "mode": "chmod 600 /srv/d/f",
    "owner": "chown daemon /srv/d/f",
    "group": "chgrp daemon /srv/d",
    "new": "mkfifo /srv/d/p",
    "gone": "rm /srv/d/f",
    "link": "ln -sfn /elsewhere /srv/d/l",
}


def test_a_manifest_shows_every_change(booted: BootedHost) -> None:
    """Equal manifests mean untouched: every single way of changing a tree shows, and
    doing nothing does not.
    """
    unseen = []
    for name, lie in LIES.items():
        booted.run("sh", "-ec", "rm -rf /srv/d; mkdir /srv/d; echo a > /srv/d/f; ln -s /etc /srv/d/l")
        before = booted.manifest("/srv")
        quiet = booted.manifest("/srv")
        booted.run("sh", "-ec", lie)
        unseen += [name] if before == booted.manifest("/srv") or before != quiet else []

    assert unseen == []


def test_truth_about_units(booted: BootedHost) -> None:
    """Starts, restarts and reloads are counted one by one, and a unit's life changes
    with its process only.
    """
    booted.write("/etc/systemd/system/a.service", UNIT)
    booted.run("systemctl", "daemon-reload")
    booted.run("systemctl", "start", "a.service")
    first = booted.life("a.service"), booted.starts("a.service"), booted.daemon_reloads()
    booted.run("systemctl", "daemon-reload")
    second = booted.life("a.service"), booted.starts("a.service"), booted.daemon_reloads()
    booted.run("systemctl", "restart", "a.service")
    third = booted.life("a.service"), booted.starts("a.service"), booted.daemon_reloads()

    assert (1, 1) == first[1:]
    assert (first[0], 1, 2) == second
    assert (2, 2) == third[1:]
    assert first[0].invocation != third[0].invocation
    assert first[0].main_pid != third[0].main_pid
    assert booted.show("a.service", "Description") == {"Description": "A sleeper"}


def test_truth_about_files_and_accounts(booted: BootedHost) -> None:
    """stat and getent say what is so, also about links and about what is not there."""
    booted.write("/srv/f", "text\n", mode="0640")
    booted.run("ln", "-s", "/nowhere", "/srv/l")
    said = booted.stat("/srv/f")

    assert ("file", "640", "root", "root", 5) == (said.type, said.mode, said.owner, said.group, said.size)
    assert booted.read("/srv/f") == "text\n"
    assert booted.stat("/srv/l").type == "link"
    assert booted.exists("/srv/l")
    assert booted.getent("passwd", "root")[2] == "0"
    assert booted.getent("passwd", "nobody-knows") == []


def test_commands_see_nothing_of_the_outer_environment(
    booted: BootedHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command inside has root's environment and no variable, umask or standard
    input of the test process.
    """
    monkeypatch.setenv("PLANTED", "1")
    old = os.umask(0o077)
    try:
        said = booted.run("sh", "-c", "umask; cat; env").stdout.splitlines()
    finally:
        os.umask(old)

    assert said[0] == "0022"
    assert set(LOGIN) | {"PWD"} == {line.partition("=")[0] for line in said[1:]} - {"OLDPWD", "SHLVL", "_"}


def test_failures_of_commands_are_told(booted: BootedHost) -> None:
    """A command that fails or does not end raises with what it printed, and what does not end is killed."""
    with pytest.raises(CommandError, match="exit 3\nout\nerr"):
        booted.run("sh", "-c", "echo out; echo err >&2; exit 3")
    with pytest.raises(CommandError, match="not done after"):
        booted.run("sh", "-c", "sleep 12345 & sleep 12345", timeout=0.5)

    assert booted.until(lambda: not booted.processes("sleep 12345"))


def test_nothing_stays_after_a_test() -> None:
    """However a test ends, its processes, mounts, cgroups and directories are gone; while it runs they are
    found.
    """
    with BootedHost() as host:
        during = _traces(host.name)
        host.popen("sleep", "infinity")
    with contextlib.suppress(KeyboardInterrupt), BootedHost() as interrupted:
        interrupted.run(
            "systemd-run", "--property=SendSIGKILL=no", "sh", "-c", "trap '' TERM; sleep infinity"
        )
        raise KeyboardInterrupt

    assert all(during[name] for name in ("processes", "cgroups", "directories"))
    assert _traces(host.name) == NO_TRACES
    assert _traces(interrupted.name) == NO_TRACES


def test_nothing_stays_when_a_host_does_not_boot() -> None:
    """A host that cannot start says why, and leaves nothing behind."""
    host = BootedHost(binds={Path("/nowhere/at/all"): "/mnt/x"})
    with pytest.raises(HarnessError, match="nowhere"):
        host.__enter__()

    assert _traces(host.name) == NO_TRACES


def test_a_host_ends_at_its_limit() -> None:
    """A host whose time is over is ended under the running command, and says so."""
    with BootedHost(limit=3) as host, pytest.raises(HarnessError, match="time limit of 3 seconds"):
        host.run("sleep", "infinity", timeout=100)

    assert _traces(host.name) == NO_TRACES


_HOLD = """
from tests.booted.booted import BootedHost
with BootedHost() as host:
    print(host.name, host.leader, flush=True)
    host.run("sleep", "infinity", timeout=1000)
"""


def test_a_host_ends_with_the_process_that_booted_it() -> None:
    """When the test process is killed outright, its host halts, and the next host
    removes what is left of it.
    """
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLD], cwd=rootfs.REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout
    name, leader = holder.stdout.readline().split()
    descriptor = os.pidfd_open(int(leader))
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    ended = select.select([descriptor], [], [], 60)[0]
    os.close(descriptor)
    with BootedHost():
        left = _traces(name)

    assert ended == [descriptor]
    assert left == NO_TRACES


def test_a_reboot_keeps_files_and_nothing_that_runs(booted: BootedHost) -> None:
    """After a reboot what was written is there, what was in /run or ran is not, and the host still leaves
    nothing behind.
    """
    leader = booted.leader
    booted.write("/root/kept", "kept\n")
    booted.write("/run/gone", "gone\n")
    booted.write("/run/systemd/system/sleeper.service", UNIT)
    booted.run("systemctl", "start", "sleeper.service")
    booted.reboot()

    assert "kept\n" == booted.read("/root/kept")
    assert not booted.exists("/run/gone")
    assert "inactive" == booted.active("sleeper.service")
    assert leader != booted.leader
    booted.__exit__(None, None, None)
    assert {"mounts": [], "processes": []} == {
        key: _traces(booted.name)[key] for key in ("mounts", "processes")
    }


def test_copying_a_directory_in(booted: BootedHost, tmp_path: Path) -> None:
    """A copied directory has the same content and modes, and belongs to root."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/run").write_text("#!/bin/sh\necho hello\n")
    (tmp_path / "sub/run").chmod(0o755)
    booted.copy_in(tmp_path, "/root/copied")

    assert booted.run("/root/copied/sub/run").stdout == "hello\n"
    assert booted.stat("/root/copied/sub/run").owner == "root"
