"""A request that systemd refuses is told, fails the apply, and is owed until it is done: no exit code says
otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from reconciler.formats.systemd.unit import parse
from reconciler.formats.systemd.unit_refusals import refusals
from tests.booted.booted import BootedHost
from tests.booted.test_spine import SPEC
from tests.booted.test_unit_states import ETC, HEAD, VENDOR
from tests.unit_refusals import ALL, BY_252, BY_257, REFUSED

pytestmark = pytest.mark.booted

SLEEPING = "exec_start: [/usr/bin/sleep, infinity]"

# The units a service hangs on, and systemctl's words about its restart when they have gone or are masked.
_HELD_UP: Mapping[str, tuple[str, str]] = {
    "missing": ("requires: [going.service]", "Unit going.service not found."),
    "masked": ("requires: [masking.service]", "Unit masking.service is masked."),
    "requisite": ("directives: {Unit: {Requisite: going.service}}", "Unit going.service not found."),
}


def _spec(host: BootedHost, services: Mapping[str, str]) -> None:
    host.write(SPEC, HEAD + "".join(f"  {name}: {{{said}}}\n" for name, said in services.items()))


def _apply(host: BootedHost) -> tuple[int, str]:
    done = host.reconciler("apply", SPEC, "--auto-approve", check=False)
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def _plan(host: BootedHost, *options: str) -> tuple[int, str]:
    done = host.reconciler("plan", SPEC, "--detailed-exitcode", *options, check=False)
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def _vendor(host: BootedHost, *names: str) -> None:
    for name in names:
        host.write(f"{VENDOR}/{name}.service", "[Service]\nExecStart=/usr/bin/sleep infinity\n")
    host.run("systemctl", "daemon-reload")


def test_a_restart_that_systemd_refuses_has_failed_and_stays_owed(booted: BootedHost) -> None:
    """For each reason: systemctl's words, no exit 0, the old process, and the restart is due until the reason
    has gone.
    """
    watching = f"{SLEEPING}, watch: [/etc/watched.conf]"
    _vendor(booted, "going", "masking")
    booted.run("systemctl", "start", "going.service")
    booted.write("/etc/watched.conf", "1")
    _spec(booted, {name: f"{watching}, {said}" for name, (said, _) in _HELD_UP.items()})

    assert 0 == _apply(booted)[0]

    processes = {name: booted.show(f"{name}.service", "MainPID") for name in _HELD_UP}
    booted.run("rm", f"{VENDOR}/going.service")
    booted.run("systemctl", "stop", "going.service", "--job-mode=ignore-dependencies")
    booted.run("ln", "-s", "/dev/null", f"{ETC}/masking.service")
    booted.run("systemctl", "daemon-reload")
    booted.write("/etc/watched.conf", "2")
    _spec(booted, {name: f"{watching}, {said}" for name, (said, _) in _HELD_UP.items()})
    code, text = _apply(booted)

    assert code in (4, 6), text
    for name, (_, words) in _HELD_UP.items():
        assert (
            f"{name}.service: not restarted, the old process runs on: Failed to restart {name}.service:"
            f" {words}" in text
        )
    assert processes == {name: booted.show(f"{name}.service", "MainPID") for name in _HELD_UP}

    status = json.loads(booted.reconciler("status", "--json", check=False).stdout)

    assert {f"{name}.service" for name in _HELD_UP} <= {
        row["unit"] for row in status["owed"] if row["verb"] == "restart"
    }
    assert 0 != _plan(booted)[0]
    assert _apply(booted)[0] in (4, 6)

    booted.run("rm", f"{ETC}/masking.service")
    _vendor(booted, "going")
    booted.run("systemctl", "start", "going.service")
    _spec(booted, {name: f"{watching}, {said}" for name, (said, _) in _HELD_UP.items()})

    assert 0 == _apply(booted)[0]
    for name in _HELD_UP:
        assert processes[name] != booted.show(f"{name}.service", "MainPID")
    assert 0 == _plan(booted)[0]


def test_a_blocked_change_has_failed_though_an_owed_restart_is_done(booted: BootedHost) -> None:
    """Jobs that would contradict each other: the change is not written, what the old version owed is done,
    and the exit code is no 0.
    """
    watching = f"{SLEEPING}, watch: [/etc/watched.conf]"
    booted.write("/etc/watched.conf", "1")
    _spec(booted, {"web": watching})
    _apply(booted)
    before = booted.show("web.service", "MainPID")
    booted.write("/etc/watched.conf", "2")
    _spec(
        booted,
        {"web": f"{watching}, requires: [dbus.socket], directives: {{Unit: {{Conflicts: dbus.socket}}}}"},
    )
    code, text = _apply(booted)

    assert code in (4, 6), text
    assert "Transaction contains conflicting jobs" in text
    assert "dbus.socket" not in booted.read(f"{ETC}/web.service")
    assert before != booted.show("web.service", "MainPID")
    assert _apply(booted)[0] in (4, 6)


def test_a_systemctl_that_does_nothing_is_no_success(booted: BootedHost) -> None:
    """A wrapper in front of systemctl that exits 1, or 0, without restarting anything: the process is the old
    one, and that is told.
    """
    _spec(booted, {"web": SLEEPING})
    _apply(booted)
    before = booted.show("web.service", "MainPID")
    for code, value in ((1, "2"), (0, "3")):
        wrapper = (
            f'#!/bin/sh\ncase " $* " in *" restart "*) exit {code};; esac\nexec /usr/bin/systemctl "$@"\n'
        )
        booted.write("/usr/local/bin/systemctl", wrapper)
        booted.run("chmod", "755", "/usr/local/bin/systemctl")
        _spec(booted, {"web": f"{SLEEPING}, environment: {{A: {value}}}"})
        done, text = _apply(booted)

        assert done in (4, 6), text
        assert "web.service: not restarted, the old process runs on" in text
        assert before == booted.show("web.service", "MainPID")

    booted.run("rm", "/usr/local/bin/systemctl")

    assert 0 == _apply(booted)[0]
    assert before != booted.show("web.service", "MainPID")


def test_a_unit_that_systemd_does_not_load_is_told_until_it_does(booted: BootedHost) -> None:
    """Somebody's drop-ins make a running unit unloadable: plan, apply and status say so, with systemd's
    reason, until they have gone.
    """
    why = "Service has PAM enabled. Kill mode must be set to 'control-group' or 'mixed'. Refusing."
    of_many, of_one = f"{VENDOR}/web-.service.d", f"{ETC}/web-a.service.d"
    _spec(booted, {"web-a": SLEEPING, "other": SLEEPING})
    _apply(booted)
    booted.write(f"{of_many}/x.conf", "[Service]\nPAMName=login\nKillMode=process\n")
    booted.run("systemctl", "daemon-reload")

    assert {"LoadState": "bad-setting", "ActiveState": "active"} == booted.show(
        "web-a.service", "LoadState", "ActiveState"
    )
    for _ in range(2):
        code, text = _plan(booted)

        assert 2 == code
        assert "load: bad-setting -> (unset)" in text
        assert why in text

        code, text = _apply(booted)

        assert 4 == code
        assert f"did not converge: load: {why}" in text

    status = " ".join(booted.reconciler("status", check=False).stdout.split())

    assert f"x services.web-a not loaded by systemd: {why}" in status

    health = booted.reconciler("service", "health", check=False)
    advice = booted.reconciler("service", "status", "web-a", check=False).stdout

    assert 2 == health.returncode
    assert f"web-a: its unit cannot be loaded (bad-setting): {why}" in health.stdout
    assert "--heal" not in advice
    assert "systemd-analyze verify web-a.service" in advice

    booted.run("rm", "-r", of_many)
    booted.write(f"{of_one}/x.conf", "[Service]\nExecStart=/bin/true\n")
    code, text = _plan(booted)

    assert 1 == code
    assert "only Type=oneshot may have several commands in ExecStart=" in text
    assert f"(with {of_one}/x.conf)" in text

    booted.run("rm", "-r", of_one)

    assert 2 == _plan(booted)[0]
    assert 0 == _apply(booted)[0]
    assert {"LoadState": "loaded"} == booted.show("web-a.service", "LoadState")
    assert 0 == _plan(booted)[0]


_SUITES = {"bookworm": {*REFUSED, *BY_252}, "trixie": {*REFUSED, *BY_257}}


@pytest.mark.parametrize("suite", sorted(_SUITES))
def test_what_is_refused_offline_is_what_systemd_refuses(suite: str) -> None:
    """Each unit of the table on a host: systemd refuses exactly those that the table says of its release, and
    the rules know each.
    """
    with BootedHost(suite=suite, tool=False) as host:
        for name, text in ALL.items():
            host.write(f"{ETC}/{name}.service", text)
        host.run("systemctl", "daemon-reload")
        found = {
            name for name in ALL if host.show(f"{name}.service", "LoadState") == {"LoadState": "bad-setting"}
        }

    assert _SUITES[suite] == found
    assert not {name for name in found if not list(refusals(parse(ALL[name])))}


_BY_THE_SPEC = {
    "a": "type: oneshot, restart: always",
    "b": "type: oneshot, restart: on-success",
    "c": "type: oneshot, restart: null, directives: {Service: {RestartForceExitStatus: '3'}}",
    "d": "type: dbus",
    "e": "directives: {Service: {PAMName: login, KillMode: process}}",
    "f": "directives: {Timer: {OnCalendar: daily}}",
    "g": "directives: {Socket: {ListenStream: '80'}}",
}


def test_a_spec_that_systemd_would_refuse_is_refused(booted: BootedHost) -> None:
    """With its place and what to do, before anything is written; in a drop-in for a package's unit too; what
    runs is not touched.
    """
    _spec(booted, dict.fromkeys(_BY_THE_SPEC, SLEEPING))
    _apply(booted)
    before = {name: booted.show(f"{name}.service", "MainPID", "LoadState") for name in _BY_THE_SPEC}
    _spec(booted, {name: f"{SLEEPING}, {said}" for name, said in _BY_THE_SPEC.items()})
    wrong = booted.reconciler("validate", SPEC, check=False)

    assert 1 == wrong.returncode

    named = {n: said for n, said in _BY_THE_SPEC.items() if n in "fg"}
    places = json.loads(booted.reconciler("validate", SPEC, "--json", check=False).stdout)["diagnostics"]

    assert set(named) <= {row["address"].rpartition(".")[2] for row in places}

    _spec(booted, {name: f"{SLEEPING}, {said}" for name, said in _BY_THE_SPEC.items() if name not in named})
    code, text = _plan(booted)

    assert 1 == code
    assert 5 == text.count("systemd would not load it")
    assert _apply(booted)[0] not in (0, 6)
    assert before == {name: booted.show(f"{name}.service", "MainPID", "LoadState") for name in _BY_THE_SPEC}

    booted.write(
        f"{VENDOR}/job.service", "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n"
    )
    booted.run("systemctl", "daemon-reload")
    booted.run("systemctl", "start", "job.service")
    _spec(booted, {**dict.fromkeys(_BY_THE_SPEC, SLEEPING), "job": "unit: vendor, restart: always"})
    code, text = _plan(booted)

    assert 1 == code
    assert "Restart=always does not go with Type=oneshot" in text
    assert f"{VENDOR}/job.service" in text
    assert 0 != _apply(booted)[0]
    assert {"LoadState": "loaded", "ActiveState": "active"} == booted.show(
        "job.service", "LoadState", "ActiveState"
    )


def _diagnostics(host: BootedHost) -> dict[tuple[str, str], str]:
    found = json.loads(host.reconciler("plan", SPEC, "--json", check=False).stdout)["diagnostics"]
    return {
        (row["address"].removeprefix("services."), row["rule"]): f"{row['severity']}: {row['detail']}"
        for row in found
    }


def test_what_is_required_and_not_there_is_told_by_the_plan(booted: BootedHost) -> None:
    """Neither declared nor on the host, or masked there: an error that names it; a unit that is there, or
    made by systemd, is none.
    """
    booted.run("ln", "-s", "/dev/null", f"{ETC}/nobody.service")
    _vendor(booted, "there", "tmpl@")
    booted.run("systemd-run", "--unit=passing", "sleep", "infinity")
    wrong = {
        "a": ("requires: [nothere.service]", "requires nothere.service, which is not on the host"),
        "b": (
            "directives: {Unit: {BindsTo: nothere.socket}}",
            "is bound to nothere.socket, which is not on the host",
        ),
        "c": (
            "requires: [there.service, nobody.service]",
            "requires nobody.service, which is masked on the host",
        ),
        "d": (
            "directives: {Unit: {Requisite: nothere.target}}",
            "(Requisite=) nothere.target, which is not on the host",
        ),
    }
    right = [
        "there.service",
        "tmpl@x.service",
        "passing.service",
        "x.service",
        "dbus.socket",
        "network-online.target",
        "-.mount",
    ]
    _spec(
        booted,
        {name: f"{SLEEPING}, {said}" for name, (said, _) in wrong.items()}
        | {"x": f"{SLEEPING}, wanted_by: [nosuch.target]", "v": f"{SLEEPING}, requires: [{', '.join(right)}]"}
        | {
            "z": f"{SLEEPING}, state: stopped, requires: [nothere.service]",
            "w": f"{SLEEPING}, wants: [nothere.service]",
        },
    )
    found = _diagnostics(booted)

    assert {*((name, "missing-unit") for name in (*wrong, "x", "z"))} == found.keys()
    for name, (_, words) in wrong.items():
        assert found[name, "missing-unit"].startswith("error: ")
        assert words in found[name, "missing-unit"]
    assert found["x", "missing-unit"].startswith("warning: nosuch.target is to start services.x")
    assert found["z", "missing-unit"].startswith("warning: ")
    assert 6 == _apply(booted)[0]
    assert {"a": "inactive", "x": "active", "v": "active"} == {
        name: booted.active(f"{name}.service") for name in "axv"
    }
    assert "" == booted.run("sh", "-c", f"ls {ETC}/a.service", check=False).stdout


def test_an_order_that_cannot_be_kept_is_an_error_with_both_places(booted: BootedHost) -> None:
    """systemd calls such a transaction cyclic; the spec is refused, each unit of the circle named with its
    line; nothing is written.
    """
    circles = {
        "one": {
            "a": "after: [b.service], requires: [b.service]",
            "b": "after: [a.service], requires: [a.service]",
        },
        "before": {"a": "before: [b.service]", "b": "before: [a.service]"},
        "three": {
            "a": "after: [b.service]",
            "b": "after: [c.service]",
            "c": "after: [a.service]",
            "d": "after: [a.service]",
        },
    }
    for name, said in circles.items():
        _spec(booted, {unit: f"{SLEEPING}, {words}" for unit, words in said.items()})
        done = booted.reconciler("validate", SPEC, check=False)
        text = " ".join((done.stdout + done.stderr).split())

        assert 1 == done.returncode, name
        assert "error: ordering cycle" in text
        for unit in (unit for unit in said if unit != "d"):
            assert f"services.{unit} (root/host.yaml:{4 + list(said).index(unit)})" in text.replace(
                "/root/", "root/"
            )
        assert 1 == _apply(booted)[0]
    assert "" == booted.run("sh", "-c", f"ls {ETC}/[abcd].service", check=False).stdout

    _spec(booted, {"a": f"{SLEEPING}, enabled: masked", "b": f"{SLEEPING}, requires: [a.service]"})
    code, text = _plan(booted)

    assert 1 == code
    assert "requires services.a, and" in text


def test_files_without_which_a_service_does_not_start_are_told(booted: BootedHost) -> None:
    """A warning for each that neither the host nor the spec has; none for what may be missing, comes later,
    or is there or declared.
    """
    booted.write("/etc/there.env", "A=1\n")
    _spec(
        booted,
        {
            "a": f"{SLEEPING}, environment_file: [/etc/nothere.env]",
            "b": f"{SLEEPING}, load_credential: {{key: /etc/nothere.key}}",
            "c": f"{SLEEPING}, working_directory: /opt/nothere",
            "d": (
                f"{SLEEPING}, environment_file: [/etc/there.env, -/etc/nothere.env, /run/later.env,"
                " '/etc/nothere.d/*'], working_directory: /opt/made, load_credential: {key: /etc/made.key}"
            ),
            "e": f"{SLEEPING}, working_directory: -/opt/nothere",
            "f": f"{SLEEPING}, working_directory: /var/lib/f, directives: {{Service: {{StateDirectory: f}}}}",
            "g": f"{SLEEPING}, working_directory: /bin",
        },
    )
    made = 'files: {/etc/made.key: {content: "x", mode: "0600"}}\ndirectories: {/opt/made: {mode: "0755"}}\n'
    booted.write(SPEC, booted.read(SPEC) + made)
    found = _diagnostics(booted)

    assert {("a", "missing-file"), ("b", "missing-file"), ("c", "missing-directory")} == found.keys()
    assert all(text.startswith("warning: ") for text in found.values())


@pytest.mark.parametrize("suite", sorted(_SUITES))
def test_a_unit_is_judged_by_systemd_before_it_is_put_in_place(suite: str) -> None:
    """A unit that only systemd knows to be wrong is refused: the file or drop-in is not written, nothing of
    the stage is left, and the other resources are applied.
    """
    with BootedHost(suite=suite) as host:
        _vendor(host, "pkg", "pkg-b")
        _spec(host, {"web-a": SLEEPING, "other": SLEEPING, "pkg": "unit: vendor, state: running"})

        assert 0 == _apply(host)[0]

        before = host.show("web-a.service", "MainPID", "LoadState"), host.read(f"{ETC}/web-a.service")
        for of_many in ("web-", "pkg-"):
            host.write(f"{VENDOR}/{of_many}.service.d/x.conf", "[Service]\nPAMName=login\n")
        _spec(
            host,
            {
                "web-a": f"{SLEEPING}, environment: {{A: 2}}, directives: {{Service: {{KillMode: process}}}}",
                "other": f"{SLEEPING}, environment: {{A: 2}}",
                "pkg": "unit: vendor, state: running, limit_nofile: 100",
                "pkg-b": "unit: vendor, state: running, directives: {Service: {KillMode: none}}",
                "two-a": (
                    f"{SLEEPING}, directives: {{Service: {{BusName: org.example.One}}}}, requires:"
                    " [dbus.socket], state: stopped"
                ),
                "two-b": (
                    f"{SLEEPING}, directives: {{Service: {{BusName: org.example.One}}}}, requires:"
                    " [dbus.socket], state: stopped"
                ),
            },
        )
        code, text = _apply(host)

        assert 6 == code
        assert f"systemd does not accept it: {ETC}/web-a.service: " in text
        assert "services.pkg-b" in text
        assert "KillMode=none does not go with PAMName=" in text
        assert 1 == text.count("PAM enabled. Kill mode must be set to 'control-group' or 'mixed'. Refusing.")
        assert 1 == text.count(
            "Two services allocated for the same bus name org.example.One, refusing operation."
        )
        assert before == (
            host.show("web-a.service", "MainPID", "LoadState"),
            host.read(f"{ETC}/web-a.service"),
        )
        assert "A=2" in host.read(f"{ETC}/other.service")
        assert "LimitNOFILE=100" in host.read(f"{ETC}/pkg.service.d/50-reconciler.conf")
        assert 1 == len(host.run("sh", "-c", f"ls {ETC}/two-?.service").stdout.split())
        assert (
            ""
            == host.run(
                "sh", "-c", f"ls -d /run/reconciler-units-* {ETC}/pkg-b.service.d/*", check=False
            ).stdout
        )
        assert 1 == _plan(host)[0]


def test_systemd_is_asked_once_about_all_units(booted: BootedHost) -> None:
    """Twenty new units cost one `systemd-analyze`; without that program, or one that hangs on nothing, they
    are applied all the same.
    """
    log = '#!/bin/sh\necho "$*" >> /run/asked\nexec /usr/bin/systemd-analyze "$@"\n'
    booted.write("/usr/local/bin/systemd-analyze", log)
    booted.run("chmod", "755", "/usr/local/bin/systemd-analyze")
    _spec(booted, {f"s{n}": SLEEPING for n in range(20)})

    assert 0 == _apply(booted)[0]
    assert 1 == booted.read("/run/asked").count(" verify ") + booted.read("/run/asked").startswith("verify ")

    booted.write("/usr/local/bin/systemd-analyze", "#!/bin/sh\nkill -SEGV $$\n")
    _spec(booted, {f"s{n}": f"{SLEEPING}, nice: 5" for n in range(20)})

    assert 0 == _apply(booted)[0]
