"""Conditions that an apply can meet: units that systemd cannot load, files in the way, jobs of a killed run,
a degraded host, no systemd at all.
"""

from __future__ import annotations

import json
from typing import Any

from tests.booted.booted import BootedHost
from tests.booted.test_spine import SPEC, apply, plan
from tests.booted.test_unit_states import ETC, FULL, HEAD, VENDOR

SLEEPING = "exec_start: [/usr/bin/sleep, infinity]"


def test_a_unit_that_systemd_cannot_load(booted: BootedHost) -> None:
    """is-enabled calls it static and fine; the apply fails with systemd's own words, and goes on with the
    rest.
    """
    booted.write(
        f"{VENDOR}/two.service", "[Service]\nExecStart=/usr/bin/sleep 9\nExecStart=/usr/bin/sleep 8\n"
    )
    booted.run("systemctl", "daemon-reload")

    assert {"LoadState": "bad-setting", "UnitFileState": "static"} == booted.show(
        "two.service", "LoadState", "UnitFileState"
    )

    booted.write(SPEC, f"{HEAD}  two: {{unit: vendor, state: running}}\n  other: {{{SLEEPING}}}\n")
    done = booted.reconciler("apply", SPEC, "--auto-approve", check=False)

    assert 6 == done.returncode, done.stdout + done.stderr
    assert "two.service has a bad unit file setting" in " ".join(done.stdout.split())
    assert "active" == booted.active("other.service")


def test_a_path_that_starts_a_stopped_service_is_told(booted: BootedHost) -> None:
    """The service stops, its path unit is nobody's business and stays; the plan says that it starts the
    service again, and it does.
    """
    booted.write(f"{ETC}/web.path", "[Path]\nPathExists=/run/go\n")
    booted.write(SPEC, f"{HEAD}  web: {{{SLEEPING}}}\n")
    apply(booted)
    booted.run("systemctl", "daemon-reload")
    booted.run("systemctl", "start", "web.path")
    booted.write(SPEC, f"{HEAD}  web: {{{SLEEPING}, state: stopped}}\n")
    done = booted.reconciler("apply", SPEC, "--auto-approve")

    assert "web.path is active and starts web.service again" in " ".join((done.stdout + done.stderr).split())
    assert ("inactive", "active") == (booted.active("web.service"), booted.active("web.path"))

    booted.run("touch", "/run/go")

    assert booted.until(lambda: booted.active("web.service") == "active", 10)


def test_a_mask_does_not_replace_what_somebody_wrote(booted: BootedHost) -> None:
    """A file in the place of the mask stays and the reason is told, where `systemctl mask` fails; a unit of
    our own makes way for it.
    """
    booted.write(f"{VENDOR}/web.service", FULL)
    booted.write(f"{ETC}/web.service", FULL.replace("infinity", "4242"))
    booted.run("systemctl", "daemon-reload")

    assert 0 != booted.run("systemctl", "mask", "web.service", check=False).returncode

    booted.write(SPEC, f"{HEAD}  web: {{unit: vendor, enabled: masked}}\n")
    done = booted.reconciler("apply", SPEC, "--auto-approve", check=False)

    assert done.returncode not in (0, 1)
    assert "a mask would have to replace it; move it away by hand" in " ".join(
        (done.stdout + done.stderr).split()
    )
    assert "4242" in booted.read(f"{ETC}/web.service")

    booted.write(SPEC, f"{HEAD}  own: {{{SLEEPING}}}\n")
    apply(booted)
    booted.write(SPEC, f"{HEAD}  own: {{{SLEEPING}, enabled: masked}}\n")
    apply(booted)

    assert "masked" == booted.run("systemctl", "is-enabled", "own.service", check=False).stdout.strip()
    assert "inactive" == booted.active("own.service")
    plan(booted)

    booted.write(SPEC, f"{HEAD}  own: {{{SLEEPING}}}\n")
    apply(booted)

    assert ("enabled", "active") == (booted.enabled("own.service"), booted.active("own.service"))


def _killed_while_it_starts(host: BootedHost) -> dict[str, Any]:
    """A service that takes six seconds to start, and an apply that does not live so long; what the service
    is.
    """
    before = ["/bin/sh", "-c", "echo begun >> /run/begun; sleep 6"]
    slow = {"exec_start": ["/usr/bin/sleep", "infinity"], "exec_start_pre": [before]}
    host.write(SPEC, json.dumps({"version": 1, "host": "testhost", "services": {"slow": slow}}))
    killed = host.run(
        "timeout", "--signal=KILL", "4", "reconciler", "apply", SPEC, "--auto-approve", check=False
    )

    assert killed.returncode in (137, -9), killed.stdout + killed.stderr
    assert "slow.service" in host.run("systemctl", "list-jobs", "--no-legend").stdout
    assert "" == host.run("pgrep", "--exact", "systemctl", check=False).stdout
    return slow


def test_a_job_outlives_the_apply_that_asked_for_it(booted: BootedHost) -> None:
    """Killed while a service takes its time to start, it leaves systemd's job running; the next one waits for
    that and starts nothing.
    """
    _killed_while_it_starts(booted)

    assert "it is still starting" in plan(booted, code=2)
    apply(booted)

    assert "active" == booted.active("slow.service")
    assert "begun\n" == booted.read("/run/begun")
    plan(booted)


def test_what_changes_while_it_starts_is_started_anew(booted: BootedHost) -> None:
    """A new version for one that is still starting with the old one: one restart,
    not a wait for what is old.
    """
    slow = _killed_while_it_starts(booted)
    services = {"slow": {**slow, "nice": 5}}
    booted.write(SPEC, json.dumps({"version": 1, "host": "testhost", "services": services}))
    told = plan(booted, code=2)

    assert "> restart slow.service" in told
    assert "> start slow.service" not in told

    apply(booted)

    assert ("active", "5") == (booted.active("slow.service"), booted.show("slow.service", "Nice")["Nice"])
    assert "begun\nbegun\n" == booted.read("/run/begun")
    plan(booted)


def test_a_host_that_has_failed_units_is_a_host(booted: BootedHost) -> None:
    """A system that somebody else's unit makes degraded is no reason not to apply, and none to call the apply
    a failure.
    """
    booted.run("systemd-run", "--quiet", "--unit=theirs", "false", check=False)
    assert booted.until(
        lambda: "degraded" == booted.run("systemctl", "is-system-running", check=False).stdout.strip(), 10
    )
    booted.write(SPEC, f"{HEAD}  own: {{{SLEEPING}}}\n")
    apply(booted)

    assert "failed" == booted.active("theirs.service")
    assert "active" == booted.active("own.service")
    plan(booted)


def test_where_no_systemd_runs(booted: BootedHost) -> None:
    """As in a container: files and links are made, no program of systemd is started, and where it runs the
    service is started.
    """
    booted.write(SPEC, f"{HEAD}  own: {{{SLEEPING}}}\n")
    without = ("unshare", "--mount", "sh", "-ec", 'mount -t tmpfs none /run/systemd; exec "$@"', "sh")
    trace = ("strace", "-f", "-qq", "-e", "trace=execve", "-e", "signal=none", "-o", "/root/trace")
    booted.run(*without, *trace, "reconciler", "apply", SPEC, "--auto-approve")
    started = booted.read("/root/trace")

    assert "systemctl" not in started
    assert booted.exists(f"{ETC}/own.service")
    assert "inactive" == booted.active("own.service")
    assert "No changes" in booted.run(*without, "reconciler", "plan", SPEC).stdout

    assert "start own.service" in plan(booted, code=2)
    apply(booted)

    assert "active" == booted.active("own.service")


def test_timers_and_sockets_of_packages(booted: BootedHost) -> None:
    """Refused with what to do instead, and that done to the letter: a mask by hand stays, a drop-in among
    files is in force.
    """
    names = ("logrotate.timer", "apt-daily.timer", "systemd-initctl.socket")
    services = {name: {"unit": "vendor", "enabled": False} for name in names}
    booted.write(SPEC, json.dumps({"version": 1, "host": "testhost", "services": services}))
    refused = booted.reconciler("validate", SPEC, check=False)
    said = " ".join((refused.stdout + refused.stderr).split())
    assert 1 == refused.returncode
    for name in names:
        assert f"{name} is a {name.rpartition('.')[2]}, and only services are declared here" in said
        assert f"`/etc/systemd/system/{name}.d/local.conf`, its directory under `directories:`" in said

    files = {
        "/etc/systemd/system/logrotate.timer.d/local.conf": {
            "content": "[Timer]\nOnCalendar=\nOnCalendar=*:17\n",
            "mode": "0644",
        },
        "/etc/systemd/system/systemd-initctl.socket.d/local.conf": {
            "content": "[Socket]\nBacklog=17\n",
            "mode": "0644",
        },
    }
    booted.run("systemctl", "mask", "--now", "apt-daily.timer")
    directories = {path.rpartition("/")[0]: {"mode": "0755"} for path in files}
    booted.write(
        SPEC, json.dumps({"version": 1, "host": "testhost", "directories": directories, "files": files})
    )
    booted.reconciler("apply", SPEC, "--auto-approve")
    assert "*-*-* *:17:00" in booted.show("logrotate.timer", "TimersCalendar")["TimersCalendar"]
    assert "17" == booted.show("systemd-initctl.socket", "Backlog")["Backlog"]
    assert "masked" == booted.run("systemctl", "is-enabled", "apt-daily.timer", check=False).stdout.strip()
    assert "No changes." in booted.reconciler("plan", SPEC).stdout
