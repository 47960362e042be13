"""What systemd refuses is told, fails the apply, and is owed until it is done: no exit code says otherwise."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from reconciler.formats.unit import parse
from reconciler.formats.unit_refusals import refusals
from tests.host.booted import BootedHost
from tests.host.test_spine import SPEC
from tests.host.test_unit_states import ETC, HEAD, VENDOR
from tests.unit_refusals import ALL, BY_252, BY_257, REFUSED

SLEEPING = "exec_start: [/usr/bin/sleep, infinity]"

# What a service gets beside another environment, and what systemctl says of its restart.
_HELD_UP: Mapping[str, tuple[str, str]] = {
    "missing": ("requires: [nothere.service]", "Unit nothere.service not found."),
    "masked": ("requires: [nobody.service]", "Unit nobody.service is masked."),
    "requisite": ("directives: {Unit: {Requisite: nothere.service}}", "Unit nothere.service not found."),
    "against": (
        "requires: [dbus.socket], directives: {Unit: {Conflicts: dbus.socket}}",
        "Transaction contains conflicting jobs",
    ),
}


def _spec(host: BootedHost, services: Mapping[str, str]) -> None:
    host.write(SPEC, HEAD + "".join(f"  {name}: {{{said}}}\n" for name, said in services.items()))


def _apply(host: BootedHost) -> tuple[int, str]:
    done = host.reconciler("apply", SPEC, "--auto-approve", check=False)
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def _plan(host: BootedHost, *options: str) -> tuple[int, str]:
    done = host.reconciler("plan", SPEC, "--detailed-exitcode", *options, check=False)
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def test_a_restart_that_systemd_refuses_has_failed_and_stays_owed(booted: BootedHost) -> None:
    """For each reason: systemctl's words, no exit 0, the old process, and the restart is due until the reason has gone."""
    booted.run("ln", "-s", "/dev/null", f"{ETC}/nobody.service")
    _spec(booted, dict.fromkeys(_HELD_UP, SLEEPING))

    assert 0 == _apply(booted)[0]

    processes = {name: booted.show(f"{name}.service", "MainPID") for name in _HELD_UP}
    _spec(booted, {name: f"{SLEEPING}, environment: {{A: 2}}, {said}" for name, (said, _) in _HELD_UP.items()})
    code, text = _apply(booted)

    assert code in (4, 6), text
    for name, (_, words) in _HELD_UP.items():
        assert f"{name}.service: not restarted, the old process runs on: Failed to restart {name}.service: {words}" in text
    assert processes == {name: booted.show(f"{name}.service", "MainPID") for name in _HELD_UP}

    status = json.loads(booted.reconciler("status", "--json", check=False).stdout)

    assert {f"{name}.service" for name in _HELD_UP} <= {row["unit"] for row in status["owed"] if row["verb"] == "restart"}
    assert 2 == _plan(booted)[0]
    assert _apply(booted)[0] in (4, 6)

    booted.run("rm", f"{ETC}/nobody.service")
    for name in ("nothere", "nobody"):
        booted.write(f"{VENDOR}/{name}.service", "[Service]\nExecStart=/usr/bin/sleep infinity\n")
    _spec(booted, {name: f"{SLEEPING}, environment: {{A: 2}}, {said}" for name, (said, _) in _HELD_UP.items() if name != "against"})

    assert 0 == _apply(booted)[0]
    for name in ("missing", "masked", "requisite"):
        assert processes[name] != booted.show(f"{name}.service", "MainPID")
    assert 0 == _plan(booted)[0]


def test_a_systemctl_that_does_nothing_is_no_success(booted: BootedHost) -> None:
    """A wrapper in front of systemctl that exits 1, or 0, without restarting anything: the process is the old one, and that is told."""
    _spec(booted, {"web": SLEEPING})
    _apply(booted)
    before = booted.show("web.service", "MainPID")
    for code, value in ((1, "2"), (0, "3")):
        wrapper = f'#!/bin/sh\ncase " $* " in *" restart "*) exit {code};; esac\nexec /usr/bin/systemctl "$@"\n'
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
    """Somebody's drop-ins make a running unit unloadable: plan, apply and status say so, with systemd's reason, until they have gone."""
    why = "Service has PAM enabled. Kill mode must be set to 'control-group' or 'mixed'. Refusing."
    of_many, of_one = f"{VENDOR}/web-.service.d", f"{ETC}/web-a.service.d"
    _spec(booted, {"web-a": SLEEPING, "other": SLEEPING})
    _apply(booted)
    booted.write(f"{of_many}/x.conf", "[Service]\nPAMName=login\nKillMode=process\n")
    booted.run("systemctl", "daemon-reload")

    assert {"LoadState": "bad-setting", "ActiveState": "active"} == booted.show("web-a.service", "LoadState", "ActiveState")
    for _ in range(2):
        code, text = _plan(booted)

        assert 2 == code
        assert "load: bad-setting -> (unset)" in text
        assert why in text

        code, text = _apply(booted)

        assert 4 == code
        assert f"did not converge: load: {why}" in text

    assert "services.web-a" in booted.reconciler("status", check=False).stdout

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
    """Each unit of the table on a host: systemd refuses exactly those that the table says of its release, and the rules know each."""
    with BootedHost(suite=suite, tool=False) as host:
        for name, text in ALL.items():
            host.write(f"{ETC}/{name}.service", text)
        host.run("systemctl", "daemon-reload")
        found = {name for name in ALL if host.show(f"{name}.service", "LoadState") == {"LoadState": "bad-setting"}}

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
    """With its place and what to do, before anything is written; in a drop-in for a package's unit too; what runs is not touched."""
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

    booted.write(f"{VENDOR}/job.service", "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n")
    booted.run("systemctl", "daemon-reload")
    booted.run("systemctl", "start", "job.service")
    _spec(booted, {**dict.fromkeys(_BY_THE_SPEC, SLEEPING), "job": "unit: vendor, restart: always"})
    code, text = _plan(booted)

    assert 1 == code
    assert "Restart=always does not go with Type=oneshot" in text
    assert f"{VENDOR}/job.service" in text
    assert 0 != _apply(booted)[0]
    assert {"LoadState": "loaded", "ActiveState": "active"} == booted.show("job.service", "LoadState", "ActiveState")
