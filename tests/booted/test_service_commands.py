"""`reconciler service` on a real Debian: what it says agrees with systemctl, and what it does is done."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.booted.booted import BootedHost

SPEC = "/etc/reconciler/host.yaml"

THREE = """\
version: 1
host: testhost
services:
  good: {description: a good one, exec_start: [/usr/bin/sleep, infinity]}
  idle: {exec_start: [/usr/bin/sleep, infinity], state: stopped, enabled: false}
  talks: {exec_start: [/bin/sh, -c, 'echo first; echo second; exec sleep infinity'], drift: report}
"""


def ready(host: BootedHost) -> None:
    """The three services, applied."""
    host.write(SPEC, THREE)
    host.reconciler("apply", "--auto-approve")


def service(host: BootedHost, *words: str, code: int = 0) -> str:
    """Run a command; the output, complaints included."""
    done = host.reconciler("service", *words, check=False)

    assert code == done.returncode, done.stdout + done.stderr
    return done.stdout + done.stderr


def rows(host: BootedHost, *options: str) -> dict[str, dict[str, Any]]:
    """The list, by name."""
    return {row["name"]: row for row in json.loads(service(host, "list", "--json", *options))}


def test_the_list_says_what_systemctl_says(booted: BootedHost) -> None:
    """State, enablement, process and memory of the spec's services; one that nobody applied is marked; --all
    has the others too.
    """
    ready(booted)
    booted.write(SPEC, THREE + "  new: {exec_start: [/usr/bin/true]}\n")
    found = rows(booted)
    truth = booted.show("good.service", "MainPID", "ActiveState", "UnitFileState")

    assert ["good", "idle", "new", "talks"] == list(found)
    assert truth == {
        "MainPID": str(found["good"]["pid"]),
        "ActiveState": found["good"]["state"],
        "UnitFileState": found["good"]["enabled"],
    }
    memory = booted.show("good.service", "MemoryCurrent")["MemoryCurrent"]
    assert (int(memory) if memory.isdigit() else None) == found["good"][
        "memory"
    ]  # no memory controller in some test hosts
    assert abs(time.time() - found["good"]["since"]) < 120
    assert ("inactive", "disabled", None) == (
        found["idle"]["state"],
        found["idle"]["enabled"],
        found["idle"]["pid"],
    )
    assert [True, True, False, True] == [row["installed"] for row in found.values()]
    assert "not installed" in service(booted, "list")
    everything = rows(booted, "--all")
    assert {"cron", "good", "dbus"} <= everything.keys()
    assert not everything["cron"]["declared"]


def test_the_status_of_one(booted: BootedHost) -> None:
    """The essentials of systemctl status; a name that is not in the spec needs --all."""
    ready(booted)
    told = service(booted, "status", "good")

    assert "good.service - a good one" in told
    assert "active (running)" in told
    assert booted.show("good.service", "MainPID")["MainPID"] in told
    assert "/etc/systemd/system/good.service" in told
    assert "is not under `services:`" in service(booted, "status", "cron", code=1)
    assert "not in the spec" in service(booted, "status", "cron.service", "--all")
    assert "is not the name of a unit" in service(booted, "status", "--all", "--", "--help", code=1)


def test_stop_and_start(booted: BootedHost) -> None:
    """A stop or start is done at once, and the command says what the next apply will make of it, which is so."""
    ready(booted)
    told = service(booted, "stop", "good")

    assert "the next apply starts it again" in told
    assert "inactive" == booted.active("good.service")
    booted.reconciler("apply", "--auto-approve")
    assert "active" == booted.active("good.service")

    assert "the next apply stops it again" in service(booted, "start", "idle")
    assert "active" == booted.active("idle.service")
    assert "" == service(booted, "stop", "idle")
    assert "leaves it so (`drift: report`)" in service(booted, "stop", "talks")
    booted.reconciler("apply", "--auto-approve")
    assert "inactive" == booted.active("talks.service")

    before = booted.life("good.service")
    assert "" == service(booted, "restart", "good")
    assert before != booted.life("good.service")


def test_enable_and_disable(booted: BootedHost) -> None:
    """Enablement changes at once, and the next apply puts it back as was said."""
    ready(booted)

    assert "the next apply puts that back" in service(booted, "disable", "good")
    assert "disabled" == booted.enabled("good.service")
    booted.reconciler("apply", "--auto-approve")
    assert "enabled" == booted.enabled("good.service")
    assert "" == service(booted, "enable", "good")
    assert "the next apply puts that back" in service(booted, "enable", "idle")
    assert "enabled" == booted.enabled("idle.service")


def test_a_service_that_dies_is_told(booted: BootedHost) -> None:
    """A start that does not last is a failure with the reason, and health names the service and exits 2."""
    ready(booted)

    assert "3 of 3 healthy." in service(booted, "health")
    booted.write(
        "/etc/systemd/system/good.service.d/bad.conf",
        "[Service]\nExecStart=\nExecStart=/bin/false\nRestart=no\n",
    )
    booted.run("systemctl", "daemon-reload")
    told = service(booted, "restart", "good", code=1)

    assert "good" in told
    assert "ExecMainStatus=1" in told
    unwell = service(booted, "health", code=2)
    assert "x good: failed" in unwell
    assert "2 of 3 healthy." in unwell
    said = json.loads(service(booted, "health", "--json", code=2))
    assert not said["healthy"]
    assert ["good"] == [row["name"] for row in said["services"] if not row["healthy"]]
    assert "1 of 1 healthy." in service(booted, "health", "talks")
    booted.run("systemctl", "stop", "talks")
    assert "should be running" in service(booted, "health", "talks", code=2)


def test_what_is_wrong_with_the_tool_is_no_health(booted: BootedHost) -> None:
    """Without a spec nothing is known: 1, which is neither well nor unwell."""
    service(booted, "health", code=1)
    booted.write(SPEC, THREE + "nonsense: 1\n")
    service(booted, "health", code=1)

    assert json.loads(service(booted, "health", "--all", "--json"))["healthy"] in {True, False}


def test_logs(booted: BootedHost) -> None:
    """The journal of the spec's services, or of one, by lines and time, and following."""
    ready(booted)
    booted.journal()
    told = service(booted, "logs", "talks")

    assert "first" in told
    assert "second" in told
    assert "first" not in service(booted, "logs", "talks", "-n", "1")
    assert "first" in service(booted, "logs", "--since", "-5min")
    assert "first" not in service(booted, "logs", "talks", "--since", "2099-01-01")
    said = [json.loads(line)["MESSAGE"] for line in service(booted, "logs", "talks", "--json").splitlines()]
    assert {"first", "second"} <= set(said)
    here, there = (
        booted.reconciler("service", "logs", "talks", "-n", "1", env={"TZ": zone}).stdout
        for zone in ("UTC", "XYZ-5:45")
    )
    assert here != there
    # It ticks for ever, so it does not matter when the following begins.
    booted.write(
        "/run/systemd/system/ticks.service",
        "[Service]\nExecStart=/bin/sh -c 'while :; do echo tick; sleep 0.3; done'\n",
    )
    booted.run("systemctl", "start", "ticks")
    following = booted.popen(
        "/usr/local/bin/reconciler", "service", "logs", "-f", "-n", "0", "--all", "ticks", "talks"
    )
    assert following.stdout is not None
    line = next((line for line in following.stdout if "tick" in line), "")
    following.terminate()

    assert "tick" in line


def test_an_ordinary_user_may_look_and_not_touch(booted: BootedHost) -> None:
    """Looking needs no rights; changing is refused with systemd's own words and changes nothing."""
    ready(booted)
    looked = booted.run("/usr/local/bin/reconciler", "service", "list", user="www-data")
    touched = booted.run("/usr/local/bin/reconciler", "service", "stop", "good", user="www-data", check=False)

    assert "active (running)" in looked.stdout
    assert 1 == touched.returncode
    assert "active" == booted.active("good.service")


SICK = """\
version: 1
host: testhost
services:
  flaky: {exec_start: [/bin/sh, -c, 'test -e /run/well && exec sleep infinity; exit 3'], restart: "no", on_change: none}
  loops:
    exec_start: [/bin/sh, -c, 'test -e /run/well && exec sleep infinity; exit 4']
    restart: always
    restart_sec: 100ms
  kept: {exec_start: [/usr/bin/sleep, infinity], restart: "no"}
"""


@pytest.mark.slow
def test_healing(booted: BootedHost) -> None:
    """A failed service is started within its limits until it stays up, a held one is not; systemctl and the
    journal say the same.
    """
    booted.run("touch", "/run/well")
    booted.write(SPEC, SICK)
    booted.reconciler("apply", "--auto-approve")
    booted.reconciler("hold", "add", "services.kept", "--for", "1h", "--why", "ask Bob")
    booted.run("rm", "/run/well")
    for name in ("flaky", "loops", "kept"):
        booted.run("systemctl", "kill", "--signal=KILL", name)
    assert booted.until(
        lambda: {"failed"} == {booted.active(f"{name}.service") for name in ("flaky", "loops", "kept")}
    )
    assert any("Start request repeated too quickly" in line for line in booted.journal("--unit=loops"))

    ill = json.loads(service(booted, "health", "--heal", "--json", code=2))
    done = {row["name"]: row["healing"] for row in ill["services"]}
    assert {"flaky": ("failed", 3), "kept": ("left", 0)} == {
        name: (done[name]["outcome"], done[name]["starts"]) for name in ("flaky", "kept")
    }
    assert "ask Bob" in done["kept"]["why"]
    assert "failed" == done["loops"]["outcome"]
    assert booted.until(
        lambda: {"failed"} == {booted.active(f"{name}.service") for name in ("flaky", "loops", "kept")}
    )

    booted.run("touch", "/run/well")
    told = service(booted, "health", "--heal", code=2)
    assert "+ flaky: up again after 1 start" in told
    assert "+ loops: up again after 1 start" in told
    repeated = [line for line in booted.journal("--unit=loops") if "repeated too quickly" in line]
    assert (
        len(repeated) <= 1 + done["loops"]["starts"]
    )  # once for each chain of its own: no start of ours was refused
    assert "left alone: it is held until" in told
    assert ["active", "active", "failed"] == [
        booted.active(f"{name}.service") for name in ("flaky", "loops", "kept")
    ]
    assert any("services.flaky: up again after 1 start" in line for line in booted.journal("--unit=flaky"))
    assert any("still not well after 3 starts" in line for line in booted.journal("RECONCILER_RESULT=failed"))
    booted.reconciler("hold", "remove", "services.kept")
    assert "3 of 3 healthy." in service(booted, "health", "--heal")


def test_stopped_and_held(booted: BootedHost) -> None:
    """A hold that comes with the stop, or is given on the terminal, keeps the next apply away; list and
    status tell it.
    """
    ready(booted)
    told = service(booted, "stop", "good", "--hold", "2h", "--why", "bad disk")
    booted.reconciler("apply", "--auto-approve")

    assert "No apply touches it until then" in told
    assert "inactive" == booted.active("good.service")
    assert "bad disk" == rows(booted)["good"]["held"]["why"]
    assert "held until" in next(
        line for line in service(booted, "list").splitlines() if line.startswith("good")
    )
    assert "reconciler hold remove services.good" in service(booted, "status", "good")
    booted.reconciler("hold", "remove", "services.good")
    booted.reconciler("apply", "--auto-approve")
    assert "active" == booted.active("good.service")

    asked = booted.run("script", "-qec", "reconciler service stop good", "/dev/null", input="8h\nprofiling\n")
    assert "Hold services.good for how long? [8h/no]" in asked.stdout
    assert "profiling" == rows(booted)["good"]["held"]["why"]


def test_what_the_list_marks_and_the_status_shows(booted: BootedHost) -> None:
    """Drift, a mask, older configuration, somebody's drop-in, the journal of this process and its exposure,
    which is systemd's.
    """
    ready(booted)
    booted.run("systemctl", "mask", "--runtime", "cron")
    booted.run("sed", "-i", "s/a good one/another/", "/etc/systemd/system/good.service")
    booted.write("/etc/systemd/system/talks.service.d/mine.conf", "[Service]\nNice=3\n")
    booted.run("systemctl", "daemon-reload")
    found = rows(booted, "--all")
    told = service(booted, "status", "talks")
    (good,) = json.loads(service(booted, "status", "good", "--json"))
    exact = booted.run(
        "systemd-analyze", "security", "--offline=true", "/etc/systemd/system/good.service", check=False
    ).stdout

    assert (True, False) == (found["good"]["drifted"], found["idle"]["drifted"])
    assert (True, False) == (found["cron"]["masked"], found["good"]["masked"])
    assert "drifted" in next(line for line in service(booted, "list").splitlines() if line.startswith("good"))
    assert "/etc/systemd/system/talks.service.d/mine.conf (not ours)" in told
    assert "second" in told.partition("    journal\n")[2]
    assert f"{good['exposure']['score']} " in exact.splitlines()[-1]


def test_what_cannot_be_seen_is_incomplete(booted: BootedHost) -> None:
    """An ordinary user sees the health; where systemd does not answer, it is 3, and unknown for a plugin;
    root still sees.
    """

    def asked(*words: str) -> tuple[int, str]:
        done = booted.run(
            "/usr/local/bin/reconciler", "service", "health", *words, user="www-data", check=False
        )
        return done.returncode, done.stdout

    ready(booted)
    seen, line = asked(), asked("--format", "nagios")
    booted.run("systemctl", "stop", "dbus.socket", "dbus.service")
    blind, unknown = asked(), asked("--format", "nagios")

    assert (0, "3 of 3 healthy.\n") == seen
    assert (0, "SERVICES OK - 3 of 3 healthy") == (line[0], line[1].partition(" | ")[0])
    assert 3 == blind[0]
    assert (3, True) == (unknown[0], unknown[1].startswith("SERVICES UNKNOWN - systemd cannot be asked"))
    assert 1 == asked("--heal")[0]
    assert "3 of 3 healthy." in service(booted, "health")
