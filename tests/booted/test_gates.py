"""Services that do not start or do not become healthy, on a real systemd: recognised, told, and put back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from tests.booted.booted import BootedHost
from tests.breaking import FULL

SPEC = "/root/host.yaml"
UNIT = "/etc/systemd/system/web.service"
PORT = 8765
URL = f"http://127.0.0.1:{PORT}/healthz"

SERVE = """\
#!/usr/bin/python3
# serve.py PORT STATUS [SECONDS]: answers with STATUS, and with 503 in its first SECONDS; `silent` accepts and says nothing.
# STATUS can be a file, which is read again at SIGHUP.
import http.server, signal, socket, sys, time

port, status, late = int(sys.argv[1]), sys.argv[2], time.monotonic() + float(sys.argv[3] if len(sys.argv) > 3 else 0)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(503 if time.monotonic() < late else int(status))
        self.send_header("Location", "http://elsewhere.invalid/")
        self.send_header("Content-Length", "0")
        self.end_headers()


if status.startswith("/"):
    place = status
    status = open(place).read()

    def again(*_):
        global status
        status = open(place).read()

    signal.signal(signal.SIGHUP, again)
if status == "silent":
    listening = socket.create_server(("127.0.0.1", port))
    kept = [listening.accept() for _ in range(100)]
http.server.HTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


def service(command: Sequence[str], health: Mapping[str, Any], **said: Any) -> dict[str, Any]:
    """One service."""
    return {"exec_start": list(command), "health": dict(health), **said}


def serving(status: str, late: str = "0", **health: Any) -> dict[str, Any]:
    """A service that answers over HTTP, and is asked there."""
    return service(
        ["/usr/bin/python3", "-u", "/opt/serve.py", str(PORT), status, late],
        {"http": URL, "interval": "100ms", **health},
    )


def speaking(words: str) -> dict[str, Any]:
    """A service that says something and stays."""
    return service(["/bin/sh", "-c", f"echo {words}; exec sleep infinity"], {"within": "600ms"})


def apply(host: BootedHost, said: Mapping[str, Any], *options: str, code: int = 0, **more: Any) -> str:
    """Apply a spec with this service as `web`, and `more` beside `services`; what it printed."""
    host.write("/opt/serve.py", SERVE)
    host.write(SPEC, json.dumps({"version": 1, "host": "testhost", "services": {"web": said}, **more}))
    done = host.reconciler("apply", SPEC, "--auto-approve", *options, check=False)

    assert code == done.returncode, done.stdout + done.stderr
    return " ".join((done.stdout + done.stderr).split())


def plan(host: BootedHost, code: int = 0) -> str:
    """Plan the same spec; what it printed."""
    done = host.reconciler("plan", SPEC, "--detailed-exitcode", check=False)

    assert code == done.returncode, done.stdout + done.stderr
    return " ".join((done.stdout + done.stderr).split())


def command_line(host: BootedHost) -> str:
    """The command line of the service's process."""
    pid = host.show("web.service", "MainPID")["MainPID"]
    return host.read(f"/proc/{pid}/cmdline").replace("\0", " ").strip()


pytestmark = pytest.mark.slow
AGAIN = ("it ended and was started again (NRestarts=", "activating/auto-restart")
BAD: Mapping[str, tuple[dict[str, Any], str | tuple[str, ...]]] = {
    "exits after 0.3 s": (
        service(["/bin/sh", "-c", "echo I am bad; sleep 0.3; exit 3"], {"within": "900ms"}, restart="no"),
        "ExecMainStatus=3",
    ),
    "exits after 0.3 s and is started again": (
        service(
            ["/bin/sh", "-c", "echo I am bad; sleep 0.3; exit 3"], {"within": "900ms"}, restart_sec="50ms"
        ),
        AGAIN,
    ),
    "a missing program": (service(["/usr/bin/nothing-there"], {}), "ExecMainStatus=203/EXEC"),
    "a missing user": (service(["/bin/sleep", "9"], {}, user="nobody-there"), "ExecMainStatus=217/USER"),
    "a crash loop": (
        service(
            ["/bin/false"],
            {},
            type="simple",
            restart="always",
            restart_sec="20ms",
            directives={"Unit": {"StartLimitIntervalSec": "0"}},
        ),
        AGAIN,
    ),
    "a notify that never comes": (
        service(["/bin/sleep", "infinity"], {}, type="notify", timeout_start_sec="1s"),
        "Result=timeout",
    ),
    "a missing environment file": (
        service(["/bin/sleep", "9"], {}, environment_file=["/etc/nothing-there"]),
        "Result=resources",
    ),
}


def test_a_version_that_does_not_run_is_put_back(booted: BootedHost) -> None:
    """It is told with systemd's result and its own last words, the old unit file and process are back, and
    the exit code is 7.
    """
    apply(booted, speaking("I am good"))
    file, links = booted.read(UNIT), booted.enabled("web.service")
    for what, (bad, reason) in [*BAD.items()][:: 1 if FULL else 2]:
        said = apply(booted, bad, code=7).partition("Put back as before this apply:")[2]

        assert any(one in said for one in ((reason,) if isinstance(reason, str) else reason)), (what, said)
        assert "put back as it was" in said, what
        assert "I am good" not in said, what
        assert ("I am bad" in said) == ("I am bad" in str(bad)), (what, said)
        assert file == booted.read(UNIT), what
        assert links == booted.enabled("web.service"), what
        assert "active" == booted.active("web.service"), what
        assert "no" == booted.show("web.service", "NeedDaemonReload")["NeedDaemonReload"], what
        assert "sleep infinity" == command_line(booted), what


def test_what_was_put_back_waits_for_another_version_or_a_word(booted: BootedHost) -> None:
    """The same version is not tried again by itself, nothing of the service is touched then, and no code is
    0; `--retry` tries it.
    """
    bad, _ = BAD["exits after 0.3 s"]
    apply(booted, speaking("I am good"))
    apply(booted, bad, code=7)
    life = booted.life("web.service")

    assert "put back in run" in plan(booted, code=2)
    assert "put back in run" in apply(booted, bad, code=4)
    assert life == booted.life("web.service")
    assert "put back as it was" in apply(booted, bad, "--retry", code=7)
    assert life != booted.life("web.service")
    apply(booted, speaking("I am good"))
    assert "No changes." in plan(booted)


def test_a_new_one_that_does_not_run_is_taken_away(booted: BootedHost) -> None:
    """A service that was never there leaves nothing: no file, no link, no failed unit."""
    apply(booted, service(["/bin/false"], {}, restart="no", type="simple"), code=7)

    assert (
        "" == booted.run("systemctl", "list-units", "--all", "--plain", "--no-legend", "web.service").stdout
    )
    assert "" == booted.run("find", "/etc/systemd/system", "-name", "web.service").stdout
    assert 0 == int(booted.run("systemctl", "show", "--property=NFailedUnits", "--value").stdout)


def test_a_false_condition_is_told_and_left(booted: BootedHost) -> None:
    """On Debian 12; on 13 in test_trixie.py."""
    check_a_false_condition(booted)
    check_a_spec_for_hosts_with_and_without_gpu(booted)


def check_a_false_condition(booted: BootedHost) -> None:
    """A unit that its condition keeps from running is no bad version and no failure: each plan tells why, and
    starts it once it holds.
    """
    apply(booted, speaking("I am good"))
    waits = {**speaking("I wait"), "directives": {"Unit": {"ConditionPathExists": "/run/not-yet"}}}
    said = apply(booted, waits)

    assert "ConditionPathExists=/run/not-yet does not hold: systemd will not start it" in said
    assert "ended by itself" not in said
    assert "ConditionPathExists=/run/not-yet does not hold" in plan(booted)
    assert "No changes." in plan(booted)
    apply(booted, waits)
    assert "I wait" in booted.read(UNIT)
    assert "inactive" == booted.active("web.service")
    booted.write("/run/not-yet", "")
    apply(booted, waits)
    assert "active" == booted.active("web.service")
    assert "No changes." in plan(booted)


def check_a_spec_for_hosts_with_and_without_gpu(booted: BootedHost) -> None:
    """New, alone in its apply, with a pattern, an inner condition, or one that systemd judges: exit 0, and
    then a fact, no change.
    """
    conditions = {
        "pattern": ("ConditionPathExistsGlob", "/dev/nvidia*"),
        "empty": ("ConditionDirectoryNotEmpty", "/srv"),
        "negated": ("ConditionPathExists", "!/etc/passwd"),
        "judged": ("ConditionVirtualization", "!container"),
        "neither": ("ConditionKernelCommandLine", ["|reconciler.a", "|reconciler.b"]),
        "either": ("ConditionKernelCommandLine", ["|reconciler.a", "|!reconciler.b"]),
        "holds": ("ConditionPathIsDirectory", "/bin"),
    }
    services = {
        name: {"exec_start": ["/bin/sleep", "infinity"], "directives": {"Unit": {key: value}}}
        for name, (key, value) in conditions.items()
    }
    booted.write(SPEC, json.dumps({"version": 1, "host": "testhost", "services": services}))
    first = booted.reconciler("apply", SPEC, "--auto-approve", check=False)
    again = [booted.reconciler("apply", SPEC, "--auto-approve", check=False) for _ in range(2)]

    assert [0, 0, 0] == [done.returncode for done in (first, *again)], first.stdout
    assert "ended by itself" not in first.stdout + first.stderr
    assert "ConditionPathExistsGlob=/dev/nvidia* does not hold: systemd will not start it" in " ".join(
        (first.stdout + first.stderr).split()
    )
    assert ["inactive"] * 5 + ["active"] * 2 == [booted.active(f"{name}.service") for name in conditions]
    told = " ".join(booted.reconciler("plan", SPEC).stdout.split())
    assert "No changes." in told
    assert "ConditionVirtualization=!container does not hold: systemd will not start it" in told
    assert (
        "ConditionKernelCommandLine=|reconciler.a or ConditionKernelCommandLine=|reconciler.b does not hold"
        in told
    )


HTTP: Mapping[str, tuple[dict[str, Any], str]] = {
    "nothing listens": (
        service(["/bin/sleep", "infinity"], {"http": URL, "within": "1s", "interval": "100ms"}),
        "Connection refused",
    ),
    "it answers 500": (serving("500", within="1s"), f"{URL} answered 500"),
    "it says nothing": (serving("silent", within="1s"), f"{URL} did not answer within"),
    "it is too late": (serving("200", "600", within="1s"), f"{URL} answered 503"),
}


def test_a_version_that_does_not_answer_is_put_back(booted: BootedHost) -> None:
    """Running is not enough: the page is asked, and the old version answers again afterwards.

    `service health` asks it too.
    """
    apply(booted, serving("200"))
    file = booted.read(UNIT)
    for what, (bad, reason) in HTTP.items():
        said = apply(booted, bad, code=7)

        assert reason in said, (what, said)
        assert "not healthy within 1 s" in said, what
        assert file == booted.read(UNIT), what
        assert command_line(booted).endswith(f"{PORT} 200 0"), what
        assert "runs again" not in said, what  # which would tell that the old one is not healthy either

    apply(booted, serving("200"))
    assert "1 of 1 healthy." in booted.reconciler("service", "health", "--spec", SPEC).stdout
    apply(booted, serving("500", then="warn", within="1s"))
    unwell = booted.reconciler("service", "health", "--spec", SPEC, check=False)
    assert 2 == unwell.returncode
    assert f"web: it runs, but its health check fails: {URL} answered 500" in unwell.stdout


def test_a_reload_after_which_it_does_not_answer_is_undone(booted: BootedHost) -> None:
    """The configuration is put back and read again: the same process answers again, and never has been
    restarted.
    """

    def spec(status: str) -> dict[str, Any]:
        return {"files": {"/etc/status": {"content": f"{status}\n", "mode": "0644"}}}

    said = serving("/etc/status", within="2s") | {
        "exec_reload": ["/bin/kill", "-HUP", "$MAINPID"],
        "watch": ["/etc/status"],
    }
    said["on_change"] = "reload"
    apply(booted, said, **spec("200"))
    life = booted.life("web.service")
    told = apply(booted, said, code=7, **spec("500"))

    assert "> reload web.service because /etc/status changed" in told
    assert f"{URL} answered 500" in told
    assert 1 == told.count("answered 500")  # the old one does not
    assert "200\n" == booted.read("/etc/status")
    assert life == booted.life("web.service")
    asked = f"import urllib.request; print(urllib.request.urlopen({URL!r}).status)"
    assert "200" == booted.run("python3", "-c", asked).stdout.strip()


def test_what_answers_in_time_stays(booted: BootedHost) -> None:
    """A page that is late but in time, a redirect, a port and a command count as healthy, each at the first
    look that finds it so.
    """
    assert (
        "then wait until http://127.0.0.1:8765/healthz answers, at most 20s; otherwise back to what was"
        " before" in apply(booted, serving("200", "1", within="20s"))
    )
    apply(booted, serving("302"))
    apply(booted, {**serving("404"), "health": {"tcp": f"127.0.0.1:{PORT}", "within": "10s"}})
    check = [
        "/bin/sh",
        "-c",
        (
            "test $(id -un):$(id -gn):$(id -Gn) = daemon:daemon:daemon && grep -q ^NoNewPrivs:.1"
            " /proc/self/status"
        ),
    ]
    asked = {**speaking("hello"), "user": "daemon", "health": {"command": check, "within": "5s"}}
    apply(booted, asked)

    assert "1 of 1 healthy." in booted.reconciler("service", "health", "--spec", SPEC).stdout
    assert "No changes." in plan(booted)


def test_that_the_old_one_is_not_healthy_either_is_told(booted: BootedHost) -> None:
    """If what runs again does not answer as well, it is not the new version's fault: a warning says so."""
    apply(booted, speaking("I am good"))
    said = apply(
        booted, service(["/bin/sleep", "infinity"], {"tcp": f"127.0.0.1:{PORT}", "within": "500ms"}), code=7
    )

    assert "not healthy" in said
    assert 2 == said.count(f"127.0.0.1:{PORT} accepts no connection: Connection refused")


MOMENTS = ("gate.waiting:1", "gate.waiting:4", "state.end.done:1", "unit.asking:3", "unit.answered:4")


def test_a_kill_in_the_gate_or_in_the_undo(booted: BootedHost) -> None:
    """Killed while it waits or puts back: the next plan is not empty, the next apply ends with the old
    version, and a good one runs.
    """
    apply(booted, serving("200"))
    file = booted.read(UNIT)
    for number, moment in enumerate(MOMENTS[:: 1 if FULL else 2]):
        bad = serving(
            "500", within="1s", interval=f"{100 + number}ms"
        )  # another version each time: none is refused unasked
        bad["environment"] = {"N": str(number)}
        booted.write(SPEC, json.dumps({"version": 1, "host": "testhost", "services": {"web": bad}}))
        armed = {"RECONCILER_TESTING": "1", "RECONCILER_FAILPOINT": moment}
        killed = booted.reconciler("apply", SPEC, "--auto-approve", env=armed, check=False)

        assert killed.returncode in {-9, 137}, (moment, killed.stdout + killed.stderr)
        assert "No changes" not in plan(booted, code=2), moment
        assert f"{URL} answered 500" in apply(booted, bad, code=7), moment
        assert file == booted.read(UNIT), moment
        assert command_line(booted).endswith(f"{PORT} 200 0"), moment
    apply(booted, serving("200", "0.1"))
    assert "No changes." in plan(booted)


def test_a_kill_in_the_gate_of_a_good_version(booted: BootedHost) -> None:
    """Killed while it waits, and healthy when it is asked again: it counts as applied, and is not restarted
    for that.
    """
    apply(booted, serving("200"))
    good = serving("200", "0.5")
    booted.write(SPEC, json.dumps({"version": 1, "host": "testhost", "services": {"web": good}}))
    armed = {"RECONCILER_TESTING": "1", "RECONCILER_FAILPOINT": "gate.waiting:1"}
    booted.reconciler("apply", SPEC, "--auto-approve", env=armed, check=False)
    process = booted.life("web.service")

    assert "it has not been seen healthy since its start" in plan(booted, code=2)
    apply(booted, good)
    assert process == booted.life("web.service")
    assert "No changes." in plan(booted)


def test_six_changes_in_ten_seconds(booted: BootedHost) -> None:
    """A service that changes more often than systemd starts a unit in its interval runs on, and so does one
    that failed in between.
    """
    # An hour instead of ten seconds: so it is the same on a slow machine.
    limit = (
        {"within": "100ms"},
        {"directives": {"Unit": {"StartLimitIntervalSec": "1h", "StartLimitBurst": "5"}}},
    )
    for n in range(6):
        apply(booted, {**speaking(f"number {n}"), "health": limit[0], **limit[1]})
        assert "active" == booted.active("web.service")
    for n in range(2):
        apply(booted, service(["/bin/false"], limit[0], environment={"NUMBER": str(n)}, **limit[1]), code=7)
        assert "active" == booted.active("web.service")
    apply(booted, {**speaking("again"), "health": limit[0], **limit[1]})
    assert "active" == booted.active("web.service")
