"""Our own units on a real Debian: systemd and cron run them, a sandbox holds the check for drift, and people
are told once.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.booted.booted import BootedHost
from tests.booted.test_spine import MUTATING, changes_something

pytestmark = pytest.mark.booted

REPOSITORY = "/srv/hosts"
SPEC = f"{REPOSITORY}/testhost.yaml"
METRICS = "/var/lib/node-exporter/reconciler.prom"
UNITS = "/etc/systemd/system"
TOLD = "/run/told"
TELL = f'#!/bin/sh\nread -r event; printf "%s\\n" "$event" >> {TOLD}\n'
OURS = (
    "reconciler-apply.service",
    "reconciler-apply.timer",
    "reconciler-drift.service",
    "reconciler-drift.timer",
)
REPORTS = ("reconciler-failure.service", "reconciler-notify.service")


def spec(motd: str = "one", more: str = "") -> str:
    """A file that can be seen to change, and a service."""
    return f"""\
version: 1
host: testhost
files:
  /etc/welcome: {{content: "{motd}\\n", mode: "0644"}}
{more}services:
  worker: {{exec_start: [/usr/bin/sleep, "1000003"]}}
"""


def commit(host: BootedHost, text: str) -> str:
    """Commit the spec to the local repository; the commit."""
    host.write(SPEC, text)
    git = ("git", "-C", REPOSITORY, "-c", "user.name=a", "-c", "user.email=a@example.org")
    host.run("git", "init", "-q", "-b", "main", REPOSITORY)
    host.run(*git, "add", ".")
    host.run(*git, "commit", "-q", "-m", "a change")
    return host.run(*git, "rev-parse", "HEAD").stdout.strip()


def install(host: BootedHost, *options: str, code: int = 0) -> str:
    """Install, from the repository's branch main, with metrics and somebody to tell; what it printed."""
    host.write("/usr/local/bin/tell", TELL, "0755")
    host.run("mkdir", "-p", METRICS.rpartition("/")[0])
    more = ("--commit", "main", "--metrics", METRICS, "--notify", "command:/usr/local/bin/tell", *options)
    done = host.reconciler("install", SPEC, "--auto-approve", *more, check=False)

    assert code == done.returncode, done.stdout + done.stderr
    return done.stdout


def start(host: BootedHost, unit: str) -> str:
    """Start one of our services as its timer would, and wait until whatever it starts is through; how it
    ended.
    """
    host.run("systemctl", "start", unit, check=False)

    assert host.until(lambda: not {"active", "activating"} & {host.active(other) for other in REPORTS})
    return host.show(unit, "Result")["Result"]


def events(host: BootedHost) -> list[dict[str, Any]]:
    """The events that were told so far."""
    return [json.loads(line) for line in host.read(TOLD).splitlines()] if host.exists(TOLD) else []


def told(host: BootedHost) -> list[str]:
    """Which events were told so far."""
    return [event["event"] for event in events(host)]


def metrics(host: BootedHost) -> dict[str, float]:
    """The figures, as the official parser reads them, by name and labels."""
    families = text_string_to_metric_families(host.read(METRICS))
    samples = [sample for family in families for sample in family.samples]
    return {
        sample.name + "".join(f" {value}" for value in sample.labels.values()): sample.value
        for sample in samples
    }


def finished(host: BootedHost, unit: str) -> int:
    """How often it ran to its end."""
    return sum(line.startswith("Finished ") for line in host.journal("_PID=1", f"UNIT={unit}"))


def drop_in(host: BootedHost, unit: str, text: str) -> None:
    """Change a unit of ours as an administrator would."""
    host.write(f"{UNITS}/{unit}.d/test.conf", text)
    host.run("systemctl", "daemon-reload")


def ours(host: BootedHost) -> dict[str, object]:
    """All that an install writes, but for its lock."""
    found = host.manifest(
        UNITS, "/etc/cron.d", "/etc/reconciler", "/etc/passwd", "/etc/shadow", "/var/lib/reconciler/install"
    )
    return {path: entry for path, entry in found.items() if not path.endswith("/lock")}


# -------------------------------------------------------------------------------------------- what is written


def test_an_install_is_in_force_and_a_second_one_changes_nothing(booted: BootedHost) -> None:
    """Timers wait, systemd does not complain, the sandbox is tight; installing again changes no inode;
    removing takes all of it away.
    """
    commit(booted, spec())
    before = booted.manifest(UNITS, "/etc/reconciler")
    install(booted)
    files = [f"{UNITS}/{unit}" for unit in (*OURS, *REPORTS)]
    verified = booted.run("systemd-analyze", "verify", *files)
    rated = booted.run(
        "systemd-analyze", "security", "--threshold=20", "--no-pager", "reconciler-drift.service", check=False
    )
    offset = booted.show("reconciler-apply.timer", "FixedRandomDelay", "Persistent")
    service = booted.show(
        "reconciler-apply.service",
        "SuccessExitStatus",
        "TimeoutStartUSec",
        "Nice",
        "OnFailure",
        "NeedDaemonReload",
    )
    written = ours(booted)
    again = install(booted)

    assert ("", "") == (verified.stdout, verified.stderr)
    assert 0 == rated.returncode, rated.stdout
    assert {"FixedRandomDelay": "yes", "Persistent": "yes"} == offset
    assert {
        "SuccessExitStatus": "75",
        "TimeoutStartUSec": "1h",
        "Nice": "10",
        "OnFailure": "reconciler-failure.service",
        "NeedDaemonReload": "no",
    } == service
    assert ["active"] * 2 == [booted.active(unit) for unit in OURS if unit.endswith(".timer")]
    assert "No changes." in again
    assert written == ours(booted)
    assert ("600", "root") == (
        booted.stat("/etc/reconciler/reconcile.json").mode,
        booted.stat("/etc/reconciler/reconcile.json").owner,
    )

    booted.reconciler("install", "--remove", "--auto-approve")

    assert set(before) | {"/etc/reconciler"} == set(booted.manifest(UNITS, "/etc/reconciler"))
    assert ["inactive"] * 2 == [booted.active(unit) for unit in OURS if unit.endswith(".timer")]
    assert "L" == booted.run("passwd", "-S", "reconciler").stdout.split()[1]


def test_nothing_is_installed_without_a_yes_or_over_somebody_elses_unit(booted: BootedHost) -> None:
    """Without a yes nothing is written; a unit of our name that is not ours is refused, and taken over only
    when told.
    """
    commit(booted, spec())
    asked = booted.reconciler("install", SPEC, check=False)
    nothing = booted.exists(f"{UNITS}/reconciler-apply.service")
    booted.write(f"{UNITS}/reconciler-apply.service", "[Service]\nExecStart=/bin/true\n")
    install(booted, code=3)
    theirs = booted.read(f"{UNITS}/reconciler-apply.service")
    install(booted, "--adopt")

    assert 3 == asked.returncode
    assert not nothing
    assert "[Service]\nExecStart=/bin/true\n" == theirs
    assert "--report" in booted.read(f"{UNITS}/reconciler-apply.service")


def test_our_units_are_out_of_reach_of_our_own_apply(booted: BootedHost) -> None:
    """A spec that declares them, or their account, is refused; one that declares nothing of them takes
    nothing away, and ends no timer.
    """
    commit(booted, spec())
    install(booted)
    written = ours(booted)
    for more in (
        "timers:\n  reconciler-apply: {schedule: daily, exec_start: [/bin/true]}\n",
        "users:\n  reconciler: {system: true, sudo: [{run: ALL, password: false}]}\n",
    ):
        commit(booted, spec(more=more))

        assert 3 == booted.reconciler("apply", SPEC, "--auto-approve", check=False).returncode
    commit(booted, spec())
    booted.reconciler("apply", SPEC, "--auto-approve")

    assert {path: entry for path, entry in written.items() if "reconcil" in path} == {
        path: entry for path, entry in ours(booted).items() if "reconcil" in path
    }
    assert ["active"] * 2 == [booted.active(unit) for unit in OURS if unit.endswith(".timer")]


# -------------------------------------------------------------------------------------------------- the timer


def test_the_timer_applies_what_is_committed(booted: BootedHost) -> None:
    """systemd's timer fires, the committed change is on the host, what is only in the work tree is not;
    figures and snapshot are there.
    """
    first = commit(booted, spec("one"))
    install(booted, "--publish", "/srv/snapshot.json")
    drop_in(
        booted,
        "reconciler-apply.timer",
        "[Timer]\nOnCalendar=*:*:0/1\nAccuracySec=1ms\nRandomizedDelaySec=0\n",
    )
    booted.run("systemctl", "restart", "reconciler-apply.timer")
    applied = booted.until(lambda: booted.exists("/etc/welcome") and booted.exists(METRICS))
    seen = booted.read("/etc/welcome")
    booted.write(SPEC, spec("not committed"))
    runs = finished(booted, "reconciler-apply.service")
    ran = booted.until(lambda: finished(booted, "reconciler-apply.service") >= runs + 2)
    still = booted.read("/etc/welcome")
    second = commit(booted, spec("two"))
    changed = booted.until(lambda: booted.read("/etc/welcome") == "two\n")
    counted = booted.until(lambda: metrics(booted).get(f"reconciler_spec_commit_info {second}") == 1)
    booted.run("systemctl", "stop", "reconciler-apply.timer")
    figures = metrics(booted)

    assert (True, "one\n") == (applied, seen)
    assert (True, "one\n") == (ran, still)
    assert changed
    assert counted
    assert f"reconciler_spec_commit_info {first}" not in figures
    assert (2, 1) == (figures["reconciler_changes_total create"], figures["reconciler_changes_total update"])
    assert (
        figures["reconciler_last_apply_timestamp_seconds"]
        >= figures["reconciler_last_success_timestamp_seconds"]
        > 0
    )
    assert "644" == booted.stat(METRICS).mode
    assert "testhost" == json.loads(booted.read("/srv/snapshot.json"))["host"]["name"]
    assert "600" == booted.stat("/srv/snapshot.json").mode
    assert [] == told(booted)


def test_a_hand_edit_is_told_once_and_repaired(booted: BootedHost) -> None:
    """The check finds it, somebody is told of it once however often it looks, and the next apply puts it back
    and says so.
    """
    commit(booted, spec())
    install(booted)
    start(booted, "reconciler-apply.service")
    quiet = (start(booted, "reconciler-drift.service"), told(booted))
    booted.write("/etc/welcome", "by hand\n")
    ends = [start(booted, "reconciler-drift.service") for _ in range(2)]
    found, figures = events(booted), metrics(booted)
    logged = booted.run(
        "journalctl", "-u", "reconciler-drift", "-o", "json", 'RECONCILER_ADDRESS=files["/etc/welcome"]'
    ).stdout
    status = booted.show("reconciler-drift.service", "ExecMainStatus")["ExecMainStatus"]
    start(booted, "reconciler-apply.service")

    assert ("success", []) == quiet
    assert ["success", "success"] == ends
    assert "2" == status
    assert [("drift", ['files["/etc/welcome"]'])] == [(event["event"], event["addresses"]) for event in found]
    assert 1 == figures["reconciler_drift_resources"]
    assert "drift" == json.loads(logged.splitlines()[0])["RECONCILER_RESULT"]
    assert "one\n" == booted.read("/etc/welcome")
    assert ["drift", "drift_gone"] == told(booted)
    assert 0 == metrics(booted)["reconciler_drift_resources"]


def test_the_journal_answers_by_run_and_by_address(booted: BootedHost) -> None:
    """journalctl finds all that one run did, and how one resource fared, with the unit it ran in."""
    commit(booted, spec())
    install(booted)
    start(booted, "reconciler-apply.service")
    commit(booted, spec("two"))
    start(booted, "reconciler-apply.service")
    booted.run("journalctl", "--sync")
    lines = booted.run("journalctl", "-o", "json", "RECONCILER_RUN=2")
    entries = [json.loads(line) for line in lines.stdout.splitlines()]

    assert [('files["/etc/welcome"]', "applied"), (None, "applied")] == [
        (entry.get("RECONCILER_ADDRESS"), entry["RECONCILER_RESULT"]) for entry in entries
    ]
    assert {"reconciler-apply.service"} == {entry["_SYSTEMD_UNIT"] for entry in entries}
    assert all(len(entry["MESSAGE_ID"]) == 32 for entry in entries)


# --------------------------------------------------------------------------------------------------- failures


BROKEN = "  broken: {exec_start: [/bin/false]}\n"


def test_a_failing_apply_is_told_once_and_so_is_its_recovery(booted: BootedHost) -> None:
    """The failure unit starts at every failure, but somebody hears of the first one only, and of the first
    success after it.
    """
    commit(booted, spec())
    install(booted)
    good = start(booted, "reconciler-apply.service")
    commit(booted, spec() + BROKEN)
    bad = [start(booted, "reconciler-apply.service") for _ in range(2)]
    failures, found = finished(booted, "reconciler-failure.service"), events(booted)
    kept = json.loads(booted.read("/var/lib/reconciler/report.json"))["standings"]["apply"]
    logged = booted.journal("RECONCILER_RESULT=failed", "RECONCILER_ADDRESS=services.broken")
    commit(booted, spec())
    better = [start(booted, "reconciler-apply.service") for _ in range(2)]

    assert "success" == good
    assert ["exit-code", "exit-code"] == bad
    assert 2 == failures
    assert ["services.broken"] == kept["addresses"]
    assert 2 == len(logged)
    assert [("failing", ["services.broken"])] == [(event["event"], event["addresses"]) for event in found]
    assert ["success", "success"] == better
    assert ["failing", "recovered"] == told(booted)


def test_a_spec_that_does_not_load_and_an_apply_that_is_killed_are_told(booted: BootedHost) -> None:
    """Somebody hears of a spec with a mistake, though nothing can be read from it; and of an apply that could
    not say a word itself.
    """
    commit(booted, spec())
    install(booted)
    start(booted, "reconciler-apply.service")
    commit(booted, spec("one", "nonsense: true\n"))
    start(booted, "reconciler-apply.service")
    unloadable = told(booted)
    commit(booted, spec())
    start(booted, "reconciler-apply.service")
    recovered = told(booted)
    drop_in(
        booted, "reconciler-apply.service", "[Service]\nExecStart=\nExecStart=/bin/sh -c 'kill -9 $$$$'\n"
    )
    start(booted, "reconciler-apply.service")

    assert ["failing"] == unloadable
    assert ["failing", "recovered"] == recovered
    assert ["failing", "recovered", "failing"] == told(booted)
    assert "signal" in events(booted)[-1]["text"] or "KILL" in events(booted)[-1]["text"]


def test_who_cannot_be_told_changes_nothing_and_is_told_later(booted: BootedHost) -> None:
    """An apply whose notifier fails ends as it would have; the problem is said; the next report tells what
    was missed.
    """
    commit(booted, spec())
    install(booted)
    start(booted, "reconciler-apply.service")
    booted.write("/usr/local/bin/tell", "#!/bin/sh\nexit 9\n", "0755")
    booted.write("/etc/welcome", "by hand\n")
    checked = start(booted, "reconciler-drift.service")
    said = booted.journal("-u", "reconciler-notify.service")
    booted.write("/usr/local/bin/tell", TELL, "0755")
    start(booted, "reconciler-drift.service")

    assert "success" == checked
    assert any("report: nobody was told: /usr/local/bin/tell: exit status 9" in line for line in said)
    assert ["drift"] == told(booted)


def test_an_apply_ends_as_it_would_though_nobody_can_be_told(booted: BootedHost) -> None:
    """Its exit code is that of the apply, failed or not, and what did not work is said."""
    commit(booted, spec() + BROKEN)
    install(booted)
    booted.write("/usr/local/bin/tell", "#!/bin/sh\nexit 9\n", "0755")
    apply = ("apply", SPEC, "--commit", "main", "--auto-approve", "--report")
    failed = booted.reconciler(*apply, check=False)
    commit(booted, spec())
    works = booted.reconciler(*apply, check=False)

    assert 6 == failed.returncode
    assert (
        "report: nobody was told: /usr/local/bin/tell: exit status 9; the next report tries again"
        in failed.stderr
    )
    assert 0 == works.returncode, works.stdout + works.stderr
    assert "" == works.stderr


SLOW = "  slow: {type: oneshot, exec_start: [/usr/bin/sleep, '4']}\n"


def test_an_apply_that_runs_is_not_ended_by_an_install(booted: BootedHost) -> None:
    """Taking the units away while one applies is refused as busy, a check for drift waits, and the apply
    comes to its end.
    """
    commit(booted, spec() + SLOW)
    install(booted)
    booted.run("systemctl", "start", "--no-block", "reconciler-apply.service")
    begun = booted.until(lambda: booted.active("slow.service") == "activating")
    refused = booted.reconciler("install", "--remove", "--auto-approve", check=False)
    booted.run("systemctl", "start", "--no-block", "reconciler-drift.service")
    waits = booted.run("systemctl", "list-jobs", "--no-legend").stdout
    ended = booted.until(lambda: booted.active("reconciler-apply.service") == "inactive")

    assert begun
    assert 75 == refused.returncode
    assert "reconciler-drift.service start waiting" in " ".join(waits.split())
    assert ended
    assert "success" == booted.show("reconciler-apply.service", "Result")["Result"]
    assert booted.exists(f"{UNITS}/reconciler-apply.timer")


# ------------------------------------------------------------------------------------------------ the sandbox


KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE/IKyauy0fShoxO++NYFzKj58vMbC77MgYsCBcKBe64"
RICH = f"""\
version: 1
host: testhost
groups: {{team: {{}}}}
users:
  alice:
    groups: [team]
    directories: [data]
    aliases: {{ll: ls -l}}
    ssh_keys: [{KEY} one]
    sudo: [{{run: [/usr/bin/id], password: false}}]
directories: {{/etc/app: {{mode: "0700"}}}}
files: {{/etc/app/secret: {{content: "port: 1\\n", mode: "0600", sensitive: true}}}}
services: {{worker: {{exec_start: [/usr/bin/sleep, "1000003"], watch: [/etc/app/secret]}}}}
timers: {{nightly: {{schedule: daily, exec_start: [/bin/true]}}}}
logrotate: {{app: {{paths: [/var/log/app.log], frequency: daily, rotate: 3}}}}
"""
CHANGED = (
    RICH.replace("port: 1", "port: 2")
    .replace("ls -l", "ls -la")
    .replace("daily, exec", "hourly, exec")
    .replace("rotate: 3", "rotate: 4")
)


def test_a_plan_in_the_sandbox_is_the_plan_outside_of_it(booted: BootedHost) -> None:
    """With drift and changes in homes, sudoers, secrets, units and accounts the two plans are the same
    document, and both are complete.
    """
    commit(booted, RICH)
    install(booted)
    start(booted, "reconciler-apply.service")
    commit(booted, CHANGED)
    by_hand = (
        "sed -i /one/d /home/alice/.ssh/authorized_keys; chmod 640 /etc/app/secret; rm"
        " /etc/sudoers.d/*alice*; systemctl stop worker"
    )
    booted.run("sh", "-euc", by_hand)
    command = f"/usr/local/bin/reconciler plan {SPEC} --commit main --json"
    drop_in(booted, "reconciler-drift.service", f"[Service]\nExecStart=\nExecStart={command}\n")
    ended = start(booted, "reconciler-drift.service")
    inside, outside = (
        json.loads(text)
        for text in (booted.read("/var/lib/reconciler/drift.json"), booted.run(*command.split()).stdout)
    )

    assert "success" == ended
    assert inside["complete"]
    assert {"users", "files", "services", "timers", "logrotate"} == {
        change["type"] for change in inside["resource_changes"]
    }
    assert {"users", "files", "services"} == {change["type"] for change in inside["resource_drift"]}
    own = {"timestamp": "", "document_digest": ""}
    assert {**outside, **own} == {**inside, **own}


TRY = r"""
for path in /etc/x /var/lib/reconciler/x /home/x /root/x /usr/x /run/x /srv/x /var/log/x; do
    touch $path 2>/dev/null && echo "wrote $path"
done
chmod 777 /etc/welcome 2>/dev/null && echo "chmod"
systemctl --no-ask-password stop worker.service 2>/dev/null && echo "stopped a unit"
(exec 3<>/dev/tcp/127.0.0.1/22) 2>/dev/null && echo "connected"
unshare -U true 2>/dev/null && echo "namespace"
cat /etc/shadow > /dev/null && echo "read"
"""


def test_in_the_sandbox_nothing_can_be_changed(booted: BootedHost) -> None:
    """Whatever runs there reads everything, but writes no file, tells systemd
    nothing and reaches no network.
    """
    commit(booted, spec())
    install(booted)
    start(booted, "reconciler-apply.service")
    booted.run("systemctl", "start", "ssh.service")
    booted.write("/usr/local/bin/try", f"#!/bin/bash\n{TRY}", "0755")
    outside = booted.run("/usr/local/bin/try").stdout.split("\n")
    booted.run("systemctl", "start", "worker.service")
    drop_in(booted, "reconciler-drift.service", "[Service]\nExecStart=\nExecStart=/usr/local/bin/try\n")
    start(booted, "reconciler-drift.service")

    assert {"wrote /etc/x", "stopped a unit", "connected", "chmod"} <= set(outside)
    assert "read\n" == booted.read("/var/lib/reconciler/drift.json")
    assert "active" == booted.active("worker.service")


def test_a_check_for_drift_makes_no_mutating_system_call(booted: BootedHost) -> None:
    """With the rights that the sandbox leaves it, it opens nothing for writing and calls nothing that changes
    the file system.
    """
    commit(booted, RICH)
    install(booted)
    start(booted, "reconciler-apply.service")
    commit(booted, CHANGED)
    rights = (
        "--reuid=reconciler",
        "--regid=reconciler",
        "--clear-groups",
        "--bounding-set=-all,+dac_read_search",
    )
    caps = ("--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search")
    command = ("reconciler", "drift", SPEC, "--commit", "main", "--json")
    booted.run("install", "-d", "-m", "0777", "/run/traces")
    trace = (
        "strace",
        "-f",
        "-qq",
        "-y",
        "-o",
        "/run/traces/trace",
        "-e",
        f"trace={MUTATING.removesuffix(',kill')}",
    )  # its own git is ended so
    booted.run("setpriv", *rights, *caps, *trace, *command, "--detailed-exitcode")
    calls = booted.read("/run/traces/trace").splitlines()

    assert len(calls) > 100
    assert [] == [line for line in calls if changes_something(line)]


# ---------------------------------------------------------------------------------------------------- cron


def as_cron(host: BootedHost, name: str) -> tuple[int, str]:
    """Run a file of cron's as cron does: its variables, its shell, nothing else; exit code and what cron
    would mail.
    """
    lines = [line for line in host.read(f"/etc/cron.d/{name}").splitlines() if not line.startswith("#")]
    variables = [line.replace('"', "") for line in lines if "=" in line.split(" ")[0]]
    command = lines[-1].split("root ", 1)[1].replace("\\%", "%")
    home = ("HOME=/root", "LOGNAME=root")
    done = host.run("env", "-i", *home, *variables, "/bin/sh", "-c", command, check=False, cwd="/root")
    return done.returncode, done.stdout + done.stderr


def test_under_cron_the_same(booted: BootedHost) -> None:
    """In cron's bare environment the committed change is applied, drift is told and repaired, and only
    failures are mailed.
    """
    commit(booted, spec())
    install(booted, "--scheduler", "cron")
    booted.run("sh", "-c", "sed 's/ root / /' /etc/cron.d/reconciler-apply > /root/judged")
    judged = booted.run("crontab", "-n", "/root/judged")
    first, mode = as_cron(booted, "reconciler-apply"), booted.stat("/etc/cron.d/reconciler-apply").mode
    seen = booted.read("/etc/welcome")
    booted.write("/etc/welcome", "by hand\n")
    checked, drift = as_cron(booted, "reconciler-drift"), told(booted)
    repaired = as_cron(booted, "reconciler-apply")
    commit(booted, spec() + BROKEN)
    failed, mail = as_cron(booted, "reconciler-apply")

    assert "successfully" in judged.stdout + judged.stderr
    assert "644" == mode
    assert ((0, ""), "one\n") == (first, seen)
    assert ((0, ""), ["drift"]) == (checked, drift)
    assert ((0, ""), "one\n") == (repaired, booted.read("/etc/welcome"))
    assert 6 == failed
    assert "reconciler show" in mail
    assert ["drift", "drift_gone", "failing"] == told(booted)
    assert 1 == metrics(booted)["reconciler_changes_total update"]
    assert not booted.exists(f"{UNITS}/reconciler-apply.timer")
    assert "No changes." in install(booted, "--scheduler", "cron")


@pytest.mark.slow
def test_cron_itself_runs_it(booted: BootedHost) -> None:
    """Debian's cron reads the file and applies."""
    commit(booted, spec())
    install(booted, "--scheduler", "cron", "--schedule", "* * * * *")

    assert booted.until(lambda: booted.exists("/etc/welcome"), 75)


def test_from_the_timer_to_cron_and_back(booted: BootedHost) -> None:
    """Another scheduler takes the place of the one before: never both, never none."""
    commit(booted, spec())
    install(booted)
    install(booted, "--scheduler", "cron")
    cron = (booted.exists(f"{UNITS}/reconciler-apply.timer"), booted.exists("/etc/cron.d/reconciler-apply"))
    install(booted)

    assert (False, True) == cron
    assert ("active", False) == (
        booted.active("reconciler-apply.timer"),
        booted.exists("/etc/cron.d/reconciler-apply"),
    )
