"""Every state that `systemctl is-enabled` knows, on a real Debian: set up with the system's own tools, and
judged by them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tests.booted.booted import BootedHost
from tests.booted.test_spine import SPEC, plan

VENDOR = "/usr/lib/systemd/system"
ETC = "/etc/systemd/system"
HEAD = "version: 1\nhost: testhost\nservices:\n"
SLEEP = "[Service]\nExecStart=/usr/bin/sleep infinity\n"
FULL = SLEEP + "[Install]\nWantedBy=multi-user.target\n"
SOCKET = "[Socket]\nListenStream=/run/{}.sock\n[Install]\nWantedBy=sockets.target\n"
GENERATOR = "#!/bin/sh\nprintf '[Service]\\nExecStart=/usr/bin/sleep infinity\\n' > \"$1/{0}.service\"\n"


@dataclass(frozen=True)
class UnitFile:
    """One state of the table. `{0}` is the unit's name without its suffix.

    `files` are written, then `commands` are run. `on` and `off` are what `enabled: true` and `false` come to:
    a word of is-enabled, or a part of the message that refuses it.
    """

    state: str
    on: str
    off: str
    files: tuple[tuple[str, str], ...] = ((VENDOR + "/{0}.service", FULL),)
    commands: tuple[str, ...] = ()


TABLE = (
    UnitFile("disabled", "enabled", "disabled"),
    UnitFile("enabled", "enabled", "disabled", commands=("systemctl enable {0}",)),
    UnitFile("enabled-runtime", "enabled", "disabled", commands=("systemctl enable --runtime {0}",)),
    UnitFile("masked", "enabled", "disabled", commands=("systemctl mask {0}",)),
    UnitFile("masked-runtime", "enabled", "disabled", commands=("systemctl mask --runtime {0}",)),
    UnitFile("masked", "enabled", "disabled", commands=("touch " + ETC + "/{0}.service",)),
    UnitFile("masked", "is a package's", "is a package's", ((VENDOR + "/{0}.service", ""),)),
    UnitFile("static", "no [Install] section", "static", ((VENDOR + "/{0}.service", SLEEP),)),
    UnitFile(
        "indirect",
        "indirect",
        "indirect",
        ((VENDOR + "/{0}.service", SLEEP + "[Install]\nAlso={0}.socket\n"), (VENDOR + "/{0}.socket", SOCKET)),
    ),
    UnitFile(
        "linked", "enabled", "linked", (("/opt/{0}.service", FULL),), ("systemctl link /opt/{0}.service",)
    ),
    UnitFile(
        "linked-runtime",
        "enabled",
        "linked-runtime",
        (("/opt/{0}.service", FULL),),
        ("systemctl link --runtime /opt/{0}.service",),
    ),
    UnitFile(
        "alias",
        "is an alias of of-{0}.service",
        "is an alias of of-{0}.service",
        ((VENDOR + "/of-{0}.service", FULL),),
        ("ln -s of-{0}.service " + VENDOR + "/{0}.service",),
    ),
    UnitFile(
        "generated",
        "by a generator",
        "by a generator",
        ((ETC + "-generators/{0}", GENERATOR),),
        ("systemctl daemon-reload",),
    ),
    UnitFile(
        "transient", "is transient", "transient", (), ("systemd-run --quiet --unit={0} sleep infinity",)
    ),
    UnitFile("", "does not exist", "", ()),
    UnitFile("", "a link leads there", "", (), ("ln -s /nowhere/{0}.service " + ETC + "/{0}.service",)),
)


def _words(text: str) -> str:
    return " ".join(text.replace("|", " ").split())


def _is_enabled(host: BootedHost, name: str) -> str:
    return host.run("systemctl", "is-enabled", name, check=False).stdout.strip()


def _set_up(host: BootedHost, found: UnitFile, name: str) -> None:
    for path, text in found.files:
        mode = "0755" if "generators" in path else "0644"
        host.write(path.format(name), text.replace("{0}", name).replace("{}", name), mode)
    for command in found.commands:
        host.run(*command.format(name).split())


def _spec(names: Mapping[str, str]) -> str:
    return HEAD + "".join(f"  {name}: {{unit: vendor, enabled: {said}}}\n" for name, said in names.items())


def test_every_state_of_a_package_s_unit(booted: BootedHost) -> None:
    """`enabled: true` and `false` come to what systemctl calls so, in one apply and for good, or are refused
    with the reason.
    """
    outcomes: dict[str, str] = {}
    wanted: dict[str, str] = {}
    states: dict[str, str] = {}
    for number, found in enumerate(TABLE):
        for said, outcome in (("true", found.on), ("false", found.off)):
            name = f"u{number:02}{said[0]}"
            _set_up(booted, found, name)
            wanted[name], outcomes[name], states[name] = said, outcome.format(name), found.state
    booted.run("systemctl", "daemon-reload")

    assert states == {name: _is_enabled(booted, name) for name in states}

    refused = {name for name, outcome in outcomes.items() if " " in outcome}
    booted.write(SPEC, _spec(wanted))
    done = booted.reconciler("apply", SPEC, "--auto-approve", check=False)
    text = _words(done.stdout + done.stderr)

    assert 0 != done.returncode
    for name in refused:
        assert f"{name}.service" in text, name
        assert outcomes[name] in text, name
    converged = {name: outcome for name, outcome in outcomes.items() if name not in refused}

    assert converged == {name: _is_enabled(booted, name) for name in converged}

    booted.write(SPEC, _spec({name: wanted[name] for name in converged}))
    plan(booted)

    assert "" == booted.run("find", ETC, "-xtype", "l", "-not", "-lname", "/nowhere/*").stdout
