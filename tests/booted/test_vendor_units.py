"""Units of packages on a real Debian, judged by systemctl."""

from __future__ import annotations

from tests.booted.booted import BootedHost
from tests.booted.test_spine import SPEC, apply, plan

VENDOR = "/usr/lib/systemd/system"
WEB = """[Unit]
Description=Web of a package
[Service]
ExecStart=/usr/bin/sleep 1000001
Environment=A=1
[Install]
WantedBy=multi-user.target
Alias=www.service
Also=web.socket
"""
SOCKET = "[Socket]\nListenStream=/run/web.sock\n[Install]\nWantedBy=sockets.target\n"
HEAD = "version: 1\nhost: testhost\nservices:\n  web: "


def _show(host: BootedHost, *names: str, unit: str = "web.service") -> dict[str, str]:
    lines = host.run("systemctl", "show", f"--property={','.join(names)}", unit).stdout.splitlines()
    return dict(line.split("=", 1) for line in lines)


def _enabled(host: BootedHost, *units: str) -> list[str]:
    return host.run("systemctl", "is-enabled", *units, check=False).stdout.split()


def _links(host: BootedHost) -> list[str]:
    return host.run("find", "/etc/systemd/system", "-type", "l", "-name", "w*").stdout.split()


def _install(host: BootedHost) -> None:
    host.write(f"{VENDOR}/web.service", WEB)
    host.write(f"{VENDOR}/web.socket", SOCKET)
    host.run("systemctl", "daemon-reload")


def test_a_package_s_unit_through_its_life(booted: BootedHost) -> None:
    """Drop-in, command and enablement as systemd sees them; the package's file untouched; nothing left but
    what was asked for.
    """
    _install(booted)
    booted.write(
        SPEC,
        HEAD
        + "{unit: vendor, limit_nofile: 4242, environment: {B: 2}, exec_start: [/usr/bin/sleep, infinity]}\n",
    )
    apply(booted)

    assert _show(booted, "LimitNOFILE", "Environment", "ActiveState", "DropInPaths") == {
        "LimitNOFILE": "4242",
        "Environment": "A=1 B=2",
        "ActiveState": "inactive",
        "DropInPaths": "/etc/systemd/system/web.service.d/50-reconciler.conf",
    }
    assert ["disabled"] == _enabled(booted, "web.service")
    assert "argv[]=/usr/bin/sleep infinity ;" in _show(booted, "ExecStart")["ExecStart"]
    plan(booted)

    booted.run("systemctl", "enable", "--quiet", "web.service")
    by_systemctl = sorted(_links(booted))
    booted.run("systemctl", "disable", "--quiet", "web.service")

    assert [] == _links(booted)

    text = HEAD + "{unit: vendor, limit_nofile: 4242, enabled: true, state: running}\n"
    booted.write(SPEC, text)
    apply(booted)

    assert by_systemctl == sorted(_links(booted))
    assert ["enabled", "enabled", "alias"] == _enabled(booted, "web.service", "web.socket", "www.service")
    assert {"ActiveState": "active", "LimitNOFILE": "4242"} == _show(booted, "ActiveState", "LimitNOFILE")
    assert "argv[]=/usr/bin/sleep 1000001 ;" in _show(booted, "ExecStart")["ExecStart"]

    life = booted.life("web.service")
    booted.write(SPEC, text.replace("4242", "4243"))
    apply(booted)

    assert life != booted.life("web.service")
    assert {"LimitNOFILE": "4243"} == _show(booted, "LimitNOFILE")

    life = booted.life("web.service")
    booted.write(SPEC, "version: 1\nhost: testhost\ngroups: {ml: {}}\n")
    apply(booted)

    assert life == booted.life("web.service")
    assert by_systemctl == sorted(_links(booted))
    assert "" == _show(booted, "DropInPaths")["DropInPaths"]
    assert "" == booted.run("find", "/etc/systemd/system", "-name", "web.service.d").stdout
    assert WEB == booted.read(f"{VENDOR}/web.service")
    plan(booted)


def test_masks_and_what_is_refused(booted: BootedHost) -> None:
    """Masked and stopped, unmasked and started; foreign drop-ins and units of administrators stay; what
    cannot be is told.
    """
    _install(booted)
    foreign = "/etc/systemd/system/web.service.d/override.conf"
    booted.run("mkdir", "-p", "/etc/systemd/system/web.service.d")
    booted.write(foreign, "[Service]\nLimitNOFILE=77\n")
    booted.run("systemctl", "daemon-reload")
    booted.run("systemctl", "start", "web.service")
    booted.write(SPEC, HEAD + "{unit: vendor, enabled: masked}\n")
    apply(booted)

    assert ["masked"] == _enabled(booted, "web.service")
    assert {"ActiveState": "inactive", "LoadState": "masked"} == _show(booted, "ActiveState", "LoadState")
    plan(booted)

    booted.write(SPEC, HEAD + "{unit: vendor, enabled: false, state: running, limit_nofile: 4242}\n")
    seen = booted.reconciler("plan", SPEC, check=False)

    assert "it comes after ours and wins" in " ".join((seen.stdout + seen.stderr).split())

    apply(booted)

    assert ["disabled"] == _enabled(booted, "web.service")
    assert {"ActiveState": "active", "LimitNOFILE": "77"} == _show(booted, "ActiveState", "LimitNOFILE")
    assert "[Service]\nLimitNOFILE=77\n" == booted.read(foreign)

    booted.write(f"{VENDOR}/job.service", "[Service]\nType=oneshot\nExecStart=/usr/bin/true\n")
    booted.run("systemctl", "daemon-reload")
    services = (
        "  job: {unit: vendor, state: running}\n  none: {unit: vendor, nice: 5}\n  static: {unit: vendor,"
        " enabled: true}\n"
    )
    booted.write(f"{VENDOR}/static.service", "[Service]\nExecStart=/usr/bin/true\n")
    booted.write(
        SPEC,
        f"version: 1\nhost: testhost\nservices:\n  web: {{unit: vendor, enabled: false}}\n{services}  www:"
        " {unit: vendor, nice: 5}\n",
    )
    booted.run("ln", "-s", f"{VENDOR}/web.service", "/etc/systemd/system/www.service")
    done = booted.reconciler("apply", SPEC, "--auto-approve", check=False)
    said = " ".join((done.stdout + done.stderr).split())

    assert 0 != done.returncode
    assert "job.service does not keep running" in said
    assert "unit none.service does not exist" in said
    assert "static.service has no [Install] section" in said
    assert "www.service is an alias of web.service" in said
