"""import on a real Debian: what was set up by hand becomes a spec that changes nothing."""

from __future__ import annotations

import json

from tests import hard_units
from tests.booted.booted import BootedHost

SPEC = "/root/imported.yaml"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE/IKyauy0fShoxO++NYFzKj58vMbC77MgYsCBcKBe64 alice@laptop"
BY_HAND = f"""set -e
groupadd --gid 2000 ml-users
useradd --create-home --shell /bin/bash --comment 'Alice, research' --groups ml-users alice
useradd --create-home --shell /bin/sh --expiredate 2030-01-15 bob
useradd --system --shell /usr/sbin/nologin daemonette
install -d -m 700 -o alice -g alice /home/alice/.ssh
printf '%s\\n' '# mine' '{KEY}' > /home/alice/.ssh/authorized_keys
chown alice: /home/alice/.ssh/authorized_keys
chmod 600 /home/alice/.ssh/authorized_keys
mkdir -p /var/log/web
cat > /etc/systemd/system/web.service <<'END'
# made by hand
[Unit]
Description=Web
After=network.target
[Service]
ExecStart=/usr/bin/sleep infinity
User=alice
LimitNOFILE=4096
[Install]
WantedBy=multi-user.target
END
cat > /etc/systemd/system/off.service <<'END'
[Service]
Type=exec
Restart=always
ExecStart=/usr/bin/sleep infinity
END
cat > /etc/logrotate.d/web <<'END'
/var/log/web/*.log {{
    weekly
    rotate 4
    missingok
    compress
}}
END
systemctl daemon-reload
systemctl enable --now web.service
"""
FACTS = "find /etc /home /usr/lib/systemd -xdev -printf '%p %i %T@ %C@ %m %u %g\\n' | sort"


def test_what_was_set_up_by_hand_becomes_a_spec(booted: BootedHost) -> None:
    """The plan of the import is empty, apply records it without touching an inode or a process, and the next
    plan is empty too.
    """
    booted.run("sh", "-c", BY_HAND)
    before, life = booted.run("sh", "-c", FACTS).stdout, booted.life("web.service")
    done = booted.reconciler("import", "--out", SPEC)
    text = booted.read(SPEC)

    assert "left out" not in done.stderr, text
    for wanted in (
        "  alice:\n",
        "  bob:",
        "groups: [ml-users]",
        "expires: '2030-01-15'",
        f"alice: [{KEY}]",
        "  web:\n",
        "  'off':\n",
    ):
        assert wanted in text, text
    assert "daemonette" not in text

    for _ in range(2):
        plan = json.loads(booted.reconciler("plan", SPEC, "--json", "--detailed-exitcode").stdout)

        assert plan["complete"]
        assert [] == [
            row["address"] for row in plan["resource_changes"] if row["change"]["actions"] != ["no-op"]
        ]
        assert [] == plan["steps"]

        booted.reconciler("apply", SPEC, "--auto-approve")

    assert before == booted.run("sh", "-c", FACTS).stdout
    assert life == booted.life("web.service")

    booted.write(SPEC, text.replace("limit_nofile: '4096'", "limit_nofile: '8192'"))
    booted.reconciler("apply", SPEC, "--auto-approve")

    assert (
        "LimitNOFILE=8192"
        == booted.run("systemctl", "show", "--property=LimitNOFILE", "web.service").stdout.strip()
    )


SLEEP = "[Service]\nExecStart=/usr/bin/sleep infinity\n"
ON = "[Install]\nWantedBy=multi-user.target\n"
BUS = "/usr/share/dbus-1/system-services/org.example.bus.service"
BUS_NAME = (
    "[D-BUS Service]\nName=org.example.bus\nExec=/bin/false\nUser=root\nSystemdService=bus-job.service\n"
)
ACTIVATED = {
    "train.service": SLEEP,
    "train.timer": "[Timer]\nOnActiveSec=0\nAccuracySec=1us\n",
    "socket.service": f"[Service]\nExecStart=/usr/bin/sleep infinity\n{ON}",
    "socket.socket": "[Socket]\nListenStream=/run/of-a-test.sock\n",
    "watcher.path": "[Path]\nPathExists=/run/arrived\nUnit=path-job.service\n",
    "path-job.service": SLEEP,
    "bus-job.service": SLEEP,
    "needs-gpu.service": f"[Unit]\nConditionPathExists=/run/gpu\n{SLEEP}{ON}",
    "told.service": SLEEP,
    "pulled.service": SLEEP,
    "daily.service": "[Service]\nType=oneshot\nExecStart=/bin/touch /run/daily-ran\n",
    "daily.timer": "[Timer]\nOnCalendar=2099-01-01\n",
    "by-hand.service": "[Service]\nType=oneshot\nExecStart=/bin/touch /run/by-hand-ran\n",
    "plain.service": f"{SLEEP}{ON}",
}
ELSEWHERE = {
    "fails.service": "[Unit]\nOnFailure=told.service\n[Service]\nExecStart=/bin/false\n",
    "pulling.service": f"[Unit]\nWants=pulled.service\n{SLEEP}",
}
"""Units in /run, which import reads and takes over none of."""
STARTED = ("train", "socket", "path-job", "bus-job", "needs-gpu", "told", "pulled")
START_THEM = """set -e
systemctl start train.timer fails.service pulling.service || true
touch /run/arrived /run/gpu
systemctl start needs-gpu.service
python3 -c 'import socket; socket.socket(socket.AF_UNIX).connect("/run/of-a-test.sock")'
busctl --timeout=1 call org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus StartServiceByName su org.example.bus 0 || true
"""


def _invocations(booted: BootedHost) -> dict[str, str]:
    """The state and invocation of each unit: a start, a stop and a restart show in it."""
    shown = (
        booted.run("systemctl", "show", "--property=Id,InvocationID,ActiveState", *ACTIVATED)
        .stdout.strip()
        .split("\n\n")
    )
    units = [dict(line.split("=", 1) for line in text.splitlines()) for text in shown]
    return {unit["Id"]: f"{unit['ActiveState']} {unit['InvocationID']}" for unit in units}


def test_what_something_else_starts_is_left_to_it(booted: BootedHost) -> None:
    """Imported between runs, then started by its timer, socket, path, bus name, condition or unit: an apply
    stops and starts nothing.
    """
    for name, text in ACTIVATED.items():
        booted.write(f"/etc/systemd/system/{name}", text)
    for name, text in ELSEWHERE.items():
        booted.write(f"/run/systemd/system/{name}", text)
    booted.write(BUS, BUS_NAME)
    booted.run(
        "sh",
        "-ec",
        "systemctl daemon-reload; systemctl reload dbus; systemctl enable socket.service needs-gpu.service"
        " plain.service",
    )
    booted.run(
        "systemctl",
        "start",
        "socket.socket",
        "watcher.path",
        "needs-gpu.service",
        "plain.service",
        "daily.timer",
    )
    before = _invocations(booted)
    booted.reconciler("import", "--out", SPEC)

    assert before == _invocations(booted)

    text = booted.read(SPEC)
    declared, _, told = text.partition("# Not imported")

    for name in (*STARTED, "daily", "by-hand"):
        assert f"\n  {name}:\n" not in declared, text
        assert f"services.{name}: " in told or f'services["{name}"]: ' in told, text
    assert "\n  plain:\n" in declared

    booted.run("sh", "-c", START_THEM)
    assert booted.until(
        lambda: all(_invocations(booted)[f"{name}.service"].startswith("active") for name in STARTED)
    )
    before = _invocations(booted)
    for changed in (text, text.replace("  plain:\n", "  plain:\n    nice: 5\n")):
        booted.write(SPEC, changed)
        booted.reconciler("apply", SPEC, "--auto-approve")
        after = _invocations(booted)

        assert {name: before[name] for name in before if name != "plain.service"} == {
            n: after[n] for n in after if n != "plain.service"
        }
        assert (changed == text) == (before["plain.service"] == after["plain.service"])

    assert ["inactive ", "inactive "] == [after["daily.service"], after["by-hand.service"]]
    assert 0 != booted.run("sh", "-c", "ls /run/daily-ran /run/by-hand-ran", check=False).returncode


def test_a_process_older_than_its_unit_file_is_left_out(booted: BootedHost) -> None:
    """A file that was changed while its service ran would mean a restart: it is left out, and with the
    restart done it is imported.
    """
    for name in ("older", "reloaded"):
        booted.write(f"/etc/systemd/system/{name}.service", SLEEP + ON)
    booted.run("systemctl", "daemon-reload")
    booted.run("systemctl", "enable", "--now", "older", "reloaded")
    for name in ("older", "reloaded"):
        booted.write(f"/etc/systemd/system/{name}.service", f"{SLEEP}Nice=3\n{ON}")
    booted.run("sh", "-ec", "systemctl daemon-reload; systemctl restart reloaded")
    lives = {name: booted.life(f"{name}.service") for name in ("older", "reloaded")}
    booted.reconciler("import", "services", "--out", SPEC)
    booted.reconciler("apply", SPEC, "--auto-approve")

    assert lives == {name: booted.life(f"{name}.service") for name in ("older", "reloaded")}
    assert "services.older: an apply would restart it" in booted.read(SPEC)
    assert "\n  reloaded:\n" in booted.read(SPEC)


SPELLED = (
    "Environment",
    "After",
    "Wants",
    "Documentation",
    "RemainAfterExit",
    "SupplementaryGroups",
    "CapabilityBoundingSet",
    "Description",
)


def _read_by_systemd(booted: BootedHost, names: list[str]) -> list[dict[str, list[str]]]:
    """These properties of each unit, in systemd's words; lists in no order, as systemd has them in none."""
    shown = booted.run("systemctl", "show", f"--property={','.join(SPELLED)}", *names).stdout.split("\n\n")
    return [
        {key: sorted(value.split()) for key, _, value in (line.partition("=") for line in text.split("\n"))}
        for text in shown
    ]


def test_hard_spellings_run_on(booted: BootedHost) -> None:
    """Units as people write them: systemd reads in them what the import says, and an apply of it restarts
    none and writes none.
    """
    for name, text in hard_units.TAKEN.items():
        booted.write(f"/etc/systemd/system/{name}.service", text)
    names = [f"{name}.service" for name in hard_units.TAKEN]
    booted.run("systemctl", "daemon-reload")
    booted.run("systemctl", "enable", "--now", *names)
    before, lives = booted.run("sh", "-c", FACTS).stdout, {name: booted.life(name) for name in names}
    read = _read_by_systemd(booted, names)
    booted.reconciler("import", "services", "--out", SPEC)
    booted.reconciler("apply", SPEC, "--auto-approve")

    assert (before, lives) == (
        booted.run("sh", "-c", FACTS).stdout,
        {name: booted.life(name) for name in names},
    )

    # Written anew by us, each in our own spelling, they are the same units to systemd.
    spec = booted.read(SPEC)
    declared = [name for name in hard_units.TAKEN if f"\n  {name}:\n" in spec]

    assert list(hard_units.TAKEN) == sorted(declared, key=list(hard_units.TAKEN).index), spec

    booted.run("sh", "-c", f"cd /etc/systemd/system && rm {' '.join(names)}")
    booted.reconciler("apply", SPEC, "--auto-approve")

    assert read == _read_by_systemd(booted, names)
