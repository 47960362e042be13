"""The effect on systemd of the files that we wrote: drop-ins, links, reloads and restarts, on a real Debian
and judged by its systemctl.
"""

from __future__ import annotations

import json
import subprocess

from tests.booted.booted import BootedHost
from tests.booted.test_spine import SPEC, apply, plan
from tests.booted.test_timers import eventually
from tests.booted.test_unit_states import ETC, FULL, HEAD, SOCKET, VENDOR

INSTALL_SECTIONS = {
    "plain": {"WantedBy": ["multi-user.target"]},
    "several": {"WantedBy": ["multi-user.target", "graphical.target"], "RequiredBy": ["multi-user.target"]},
    "alias": {"WantedBy": ["multi-user.target"], "Alias": ["alias-a.service", "alias-b.service"]},
    "alias-alone": {"Alias": ["alias-c.service"]},
    "also": {"WantedBy": ["multi-user.target"], "Also": ["also.socket"]},
    "indirect": {"Also": ["indirect.socket"]},
    "specified": {"WantedBy": ["%p.target"], "Alias": ["of-%p.service"]},
    "inst@one": {"WantedBy": ["multi-user.target"], "DefaultInstance": ["zero"]},
    r"inst@dev-sd\x2da": {
        "WantedBy": ["multi-user.target"],
        "DefaultInstance": ["zero"],
        "RequiredBy": ["%i.target"],
    },
}
OURS = ("plain", "several", "alias", "alias-alone")
_FIELDS = {"WantedBy": "wanted_by", "RequiredBy": "required_by"}


def _installing(said: dict[str, list[str]]) -> str:
    return "[Service]\nExecStart=/usr/bin/sleep infinity\n[Install]\n" + "".join(
        f"{name}={' '.join(values)}\n" for name, values in said.items()
    )


def _links(host: BootedHost, root: str) -> list[tuple[str, str]]:
    """Links below the administrator's directory, with the file that they lead to; newer systemctl writes
    relative ones.
    """
    base = f"{root}{ETC}"
    lines = host.run("find", base, "-type", "l", "-printf", "%P %l\n").stdout.splitlines()
    found = [line.split(" ", 1) for line in lines]
    return sorted((link, target.rpartition("/")[2]) for link, target in found)


def _own(name: str, said: dict[str, list[str]]) -> str:
    fields = {_FIELDS[key]: value for key, value in said.items() if key in _FIELDS}
    others = {key: value for key, value in said.items() if key not in _FIELDS}
    block = {
        "exec_start": ["/usr/bin/sleep", "infinity"],
        "wanted_by": [],
        **fields,
        "directives": {"Install": others} if others else {},
    }
    return f"  {name}: {json.dumps(block)}\n"


def test_enablement_in_a_tree_is_that_of_systemctl(booted: BootedHost) -> None:
    """For each [Install] our links in a tree are those that `systemctl --root` makes in a copy of it, and
    none is left afterwards.
    """
    for name, said in INSTALL_SECTIONS.items():
        booted.write(
            f"/srv/ours{VENDOR}/{name.partition('@')[0]}{'@' if '@' in name else ''}.service",
            _installing(said),
        )
    for name in ("also", "indirect"):
        booted.write(f"/srv/ours{VENDOR}/{name}.socket", SOCKET.replace("{}", name))
    booted.run("mkdir", "-p", f"/srv/ours{ETC}")
    booted.run("cp", "-a", "/srv/ours", "/srv/theirs")
    booted.run("systemctl", "--root=/srv/theirs", "enable", *(f"{name}.service" for name in INSTALL_SECTIONS))
    booted.write(
        SPEC,
        HEAD
        + "".join(f"  {json.dumps(name)}: {{unit: vendor, enabled: true}}\n" for name in INSTALL_SECTIONS),
    )
    booted.reconciler("apply", SPEC, "--auto-approve", "--root", "/srv/ours")
    theirs = _links(booted, "/srv/theirs")

    assert len(theirs) > len(INSTALL_SECTIONS)
    assert theirs == _links(booted, "/srv/ours")

    booted.write(
        SPEC,
        HEAD
        + "".join(f"  {json.dumps(name)}: {{unit: vendor, enabled: false}}\n" for name in INSTALL_SECTIONS),
    )
    booted.reconciler("apply", SPEC, "--auto-approve", "--root", "/srv/ours")

    assert [] == _links(booted, "/srv/ours")

    # Units of ours: what systemctl makes of the files that we wrote is what we made.
    booted.write(SPEC, HEAD + "".join(_own(name, INSTALL_SECTIONS[name]) for name in OURS))
    booted.run("mkdir", "-p", f"/srv/own{ETC}", f"/srv/own{VENDOR}")
    booted.reconciler("apply", SPEC, "--auto-approve", "--root", "/srv/own")
    booted.run("cp", "-a", "/srv/own", "/srv/again")
    booted.run("find", f"/srv/again{ETC}", "-type", "l", "-delete")
    booted.run("systemctl", "--root=/srv/again", "enable", *(f"{name}.service" for name in OURS))

    assert _links(booted, "/srv/again") == _links(booted, "/srv/own")
    assert ("alias-a.service", "alias.service") in _links(booted, "/srv/own")


def test_drop_ins_of_others(booted: BootedHost) -> None:
    """Each drop-in of somebody else for a unit of ours is told in every plan with what it overrides, until it
    is gone.
    """
    booted.write(SPEC, HEAD + "  ml-api: {exec_start: [/usr/bin/sleep, infinity], limit_nofile: 4242}\n")
    apply(booted)
    life = booted.life("ml-api.service")
    quiet = plan(booted)

    assert "drop-in" not in quiet

    places = (
        f"{ETC}/ml-api.service.d",
        f"{ETC}/service.d",
        f"{ETC}/ml-.service.d",
        "/run/systemd/system/ml-api.service.d",
    )
    for number, place in enumerate(places):
        booted.write(f"{place}/50-foreign{number}.conf", f"[Service]\nLimitNOFILE={number}77\n")
    booted.run("systemctl", "daemon-reload")
    booted.run("systemctl", "set-property", "ml-api", "MemoryMax=1G")
    effective = booted.show("ml-api.service", "DropInPaths", "LimitNOFILE")
    seen = booted.reconciler("plan", SPEC)
    told = " ".join((seen.stdout + seen.stderr).replace("|", " ").split())

    for place in effective["DropInPaths"].split():
        assert f"{place} is not ours and stays." in told, place
    assert 5 == len(effective["DropInPaths"].split())
    assert 4 == told.count("It says Service.LimitNOFILE as well, and overrides the spec.")
    assert "It says Service.MemoryMax." in told
    apply(booted)

    assert life == booted.life("ml-api.service")
    assert effective == booted.show("ml-api.service", "DropInPaths", "LimitNOFILE")

    booted.run("systemctl", "revert", "ml-api")
    booted.run("rm", "-rf", *places)
    booted.run("systemctl", "daemon-reload")
    apply(booted)

    assert "drop-in" not in plan(booted)


OWN = "  {}: {{exec_start: [/usr/bin/sleep, infinity], limit_nofile: {}, adopt: true}}\n"
VENDORED = "  {}: {{unit: vendor, limit_nofile: {}}}\n"
UNSEEN = (
    ("first", VENDORED, ""),
    ("shadowed", OWN, ""),
    ("same-time", VENDORED, "@1700000000"),
    ("older-time", VENDORED, "2001-01-01"),
)


def test_what_was_written_is_in_force(booted: BootedHost) -> None:
    """systemd has the new value after one apply in each of the cases that its own NeedDaemonReload does not
    see.
    """
    for name, _, _ in UNSEEN:
        booted.write(f"{VENDOR}/{name}.service", FULL)
    booted.run("systemctl", "daemon-reload")
    booted.run("systemctl", "start", *(name for name, _, _ in UNSEEN))
    spec = HEAD
    # One after the other: what one of them tells systemd would put the next into force as well.
    for name, said, touched in UNSEEN:
        booted.write(SPEC, spec + said.format(name, 4242))
        apply(booted)
        if touched:
            booted.run("touch", "-d", touched, f"{ETC}/{name}.service.d/50-reconciler.conf")
            booted.run("systemctl", "daemon-reload")
            booted.write(SPEC, spec + said.format(name, 4343))
            apply(booted)
        wanted = "4343" if touched else "4242"

        assert {"LimitNOFILE": wanted, "NeedDaemonReload": "no"} == booted.show(
            name, "LimitNOFILE", "NeedDaemonReload"
        ), name
        pid = booted.show(name, "MainPID")["MainPID"]
        assert f"Max open files            {wanted}" in booted.read(f"/proc/{pid}/limits"), name
        spec += said.format(name, wanted)


CHANGES = (
    ("description: other", "", "same", ""),
    ("directives: {Unit: {OnFailure: other.service, CollectMode: inactive-or-failed}}", "", "same", ""),
    ("directives: {Unit: {RefuseManualStop: 'no', X-Note: hello}}", "", "same", ""),
    ("wanted_by: [graphical.target]", "", "same", ""),
    ("restart: always", "", "same", ""),
    (
        "exec_reload: [/usr/bin/touch, /run/reloaded]",
        "> reload ml.service because Service.ExecReload changed",
        "same",
        "reloaded",
    ),
    ("nice: 5", "> restart ml.service because Service.Nice changed", "other", ""),
    (
        "nice: 5, description: other, environment: {A: 1}, limit_nofile: 4242",
        "> restart ml.service because Service.",
        "other",
        "",
    ),
)


def test_restart_reload_or_nothing(booted: BootedHost) -> None:
    """The effect that the plan announces with its reason happens: the same process, a reload, or one restart;
    and the new value is in force.
    """
    booted.write(SPEC, HEAD + "  ml: {exec_start: [/usr/bin/sleep, infinity]}\n")
    apply(booted)
    for extra, said, process, trace in CHANGES:
        life, starts = booted.life("ml.service"), booted.starts("ml.service")
        booted.write(SPEC, HEAD + f"  ml: {{exec_start: [/usr/bin/sleep, infinity], {extra}}}\n")
        told = " ".join(plan(booted, code=2).split())
        apply(booted)

        assert said in told, extra
        assert (said != "") == ("because Service" in told), extra
        assert (process == "same") == (life == booted.life("ml.service")), extra
        assert starts + (process == "other") == booted.starts("ml.service"), extra
        assert (trace == "reloaded") == bool(
            booted.run("find", "/run", "-maxdepth", "1", "-name", "reloaded", "-delete", "-print").stdout
        )
    plan(booted)


def test_an_instance_of_a_template(booted: BootedHost) -> None:
    """Instances of a package's template, one with an escaped name: drop-in, links and state; the template
    itself is refused.
    """
    booted.write(
        f"{VENDOR}/train@.service",
        "[Service]\nExecStart=/usr/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n",
    )
    escaped = booted.run("systemd-escape", "/dev/sd-a").stdout.strip()
    names = ["train@gpu1", f"train@{escaped}"]
    booted.run("systemctl", "daemon-reload")
    booted.write(
        SPEC,
        HEAD
        + "".join(
            f"  {json.dumps(name)}: {{unit: vendor, nice: 5, enabled: true, state: running}}\n"
            for name in names
        ),
    )
    apply(booted)
    units = [f"{name}.service" for name in names]

    assert ["enabled", "enabled"] == booted.run("systemctl", "is-enabled", *units).stdout.split()
    assert ["active", "active"] == booted.run("systemctl", "is-active", *units).stdout.split()
    assert ["5", "5"] == [booted.show(unit, "Nice")["Nice"] for unit in units]
    plan(booted)

    booted.write(
        SPEC,
        HEAD
        + "".join(
            f"  {json.dumps(name)}: {{unit: vendor, nice: 6, enabled: false, state: stopped}}\n"
            for name in names
        ),
    )
    apply(booted)

    assert ["disabled", "disabled"] == booted.run(
        "systemctl", "is-enabled", *units, check=False
    ).stdout.split()
    assert ["inactive", "inactive"] == booted.run(
        "systemctl", "is-active", *units, check=False
    ).stdout.split()

    for name in ("train@", "train@own"):
        vendor = "unit: vendor, nice: 5" if name == "train@" else "exec_start: [/bin/true]"
        booted.write(SPEC, HEAD + f"  {json.dumps(name)}: {{{vendor}}}\n")
        seen = booted.reconciler("validate", SPEC, check=False)

        assert 0 != seen.returncode
        assert "template" in seen.stdout + seen.stderr


def test_the_start_limit_is_kept_and_recovered_from(booted: BootedHost) -> None:
    """A service that has used up its starts fails the apply with that reason; the repaired one starts at
    once, by hand or by apply.
    """
    flaky = (
        "  ml: {exec_start: [/opt/run], directives: {Unit: {StartLimitBurst: '2', StartLimitIntervalSec:"
        " 1h}}, restart_sec: 100ms}\n"
    )
    booted.write("/opt/run", "#!/bin/sh\nexit 3\n", "0755")
    booted.write(SPEC, HEAD + flaky)
    done = booted.reconciler("apply", SPEC, "--auto-approve", check=False)

    assert done.returncode not in (0, 1)
    assert eventually(
        lambda: "failed" == booted.active("ml.service"), 20
    )  # the apply need not wait until its last start is used up

    booted.write("/opt/run", "#!/bin/sh\nexec sleep infinity\n", "0755")
    apply(booted)

    assert "active" == booted.active("ml.service")
    plan(booted)


def test_what_is_beside_a_service(booted: BootedHost) -> None:
    """A package's unit that ours puts out of force, a socket that starts it again, and a unit that counts
    more: each is told, once.
    """
    booted.write(f"{VENDOR}/web.service", FULL)
    booted.write(f"{VENDOR}/web.socket", SOCKET.replace("{}", "web"))
    booted.run("systemctl", "daemon-reload")
    booted.run("systemctl", "start", "web.socket")
    booted.run("systemd-run", "--quiet", "--unit=passing", "sleep", "infinity")
    web = "  web: {{exec_start: [/usr/bin/sleep, infinity], nice: {}, adopt: true, state: {}}}\n"
    passing = "  passing: {exec_start: [/usr/bin/sleep, infinity], adopt: true}\n"

    def words(done: subprocess.CompletedProcess[str]) -> str:
        return " ".join((done.stdout + done.stderr).replace("|", " ").split())

    booted.write(SPEC, HEAD + web.format(1, "running") + passing)
    first = booted.reconciler("apply", SPEC, "--auto-approve", check=False)
    transient = booted.life("passing.service")
    socket = booted.show("web.socket", "InvocationID", "ActiveState")

    assert 6 == first.returncode, words(first)
    assert f"{VENDOR}/web.service is no longer in force once {ETC}/web.service is there" in words(first)
    assert "another passing.service is in force" in words(first)
    assert "/run/systemd/transient/passing.service counts more" in words(first)
    assert ("active", "1") == (booted.active("web.service"), booted.show("web.service", "Nice")["Nice"])
    assert not booted.exists(f"{ETC}/passing.service")

    # A restart of the service is no business of the socket's, which holds the connections.
    booted.write(SPEC, HEAD + web.format(2, "running"))
    again = apply(booted)
    assert "is no longer in force" not in again
    assert socket == booted.show("web.socket", "InvocationID", "ActiveState")
    booted.write(SPEC, HEAD + web.format(2, "stopped"))
    stopped = booted.reconciler("apply", SPEC, "--auto-approve")

    assert "web.socket is active and starts web.service again" in words(stopped)
    assert "inactive" == booted.active("web.service")
    booted.run("python3", "-c", "import socket; socket.socket(socket.AF_UNIX).connect('/run/web.sock')")
    assert booted.until(lambda: booted.active("web.service") == "active", 10)  # it was true
    assert transient == booted.life("passing.service")
