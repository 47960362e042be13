"""Units that a generator makes of a file, as podman's quadlet does, on a real systemd."""

from __future__ import annotations

from tests.booted.booted import BootedHost
from tests.booted.test_spine import SPEC, apply, plan

GENERATOR = """\
#!/bin/sh
for file in /etc/containers/systemd/*.container /etc/odd/*.unit; do
  [ -e "$file" ] || continue
  name=$(basename "$file"); name=${name%.*}
  printf '[Service]\\nExecStart=/bin/sleep %s\\n' "$(cat "$file")" > "$1/$name.service"
done
"""
FILE = "/etc/containers/systemd/pg.container"
ODD = "/etc/odd/odd.unit"
SPEC_TEXT = """\
version: 1
host: testhost
directories:
  /etc/odd: {mode: "0755"}
  /etc/containers: {mode: "0755"}
  /etc/containers/systemd: {mode: "0755"}
files:
  /etc/containers/systemd/pg.container: {content: "1000001", mode: "0644"}
  /etc/odd/odd.unit: {content: "1000001", mode: "0644"}
services:
  pg: {unit: vendor, state: running, watch: [/etc/containers/systemd/pg.container]}
  odd: {unit: vendor, state: running, watch: [/etc/odd/odd.unit]}
"""


def _argument(host: BootedHost, name: str) -> str:
    pid = host.show(f"{name}.service", "MainPID")["MainPID"]
    return host.read(f"/proc/{pid}/cmdline").strip("\0").rpartition("\0")[2]


def _both(host: BootedHost) -> list[str]:
    return [_argument(host, name) for name in ("pg", "odd")]


def check_generated_units(host: BootedHost) -> None:
    """Brought up in the apply that writes the file, restarted with what it says now, whoever changed it; then
    nothing is left.
    """
    host.write("/etc/systemd/system-generators/fake", GENERATOR, mode="0755")
    host.write(SPEC, SPEC_TEXT)
    shown = plan(host, code=2)
    apply(host)

    assert "unit pg.service is not known before the apply" in shown
    assert "does not exist" not in shown
    assert ["1000001", "1000001"] == _both(host)
    assert "No changes." in plan(host)

    host.write(SPEC, SPEC_TEXT.replace("1000001", "1000002"))
    shown = plan(host, code=2)
    apply(host)

    assert "would not converge" not in shown
    assert ["1000002", "1000002"] == _both(host)
    assert "No changes." in plan(host)

    host.write(FILE, "1000003")
    host.write(ODD, "1000003")
    host.write(SPEC, SPEC_TEXT.replace("1000001", "1000003"))
    apply(host)

    assert ["1000003", "1000003"] == _both(host)

    host.run("systemctl", "stop", "pg", "odd")
    apply(host)

    assert ["1000003", "1000003"] == _both(host)
    assert "No changes." in plan(host)


def test_generated_units_come_up_and_follow_their_files(booted: BootedHost) -> None:
    """As quadlet's, and as those of a generator that nobody knows, of which the watched file tells."""
    check_generated_units(booted)


def test_files_of_generators_that_systemd_has_not_read(booted: BootedHost) -> None:
    """A file that is there and was not read yet is read; one of which no unit comes is a failure of its
    service, not of the others.
    """
    booted.write("/etc/systemd/system-generators/fake", GENERATOR, mode="0755")
    booted.run("mkdir", "-p", "/etc/containers/systemd", "/etc/odd")
    booted.write(FILE, "1000001")
    booted.write(ODD, "1000001")
    services = SPEC_TEXT.partition("services:")
    booted.write(SPEC, f"version: 1\nhost: testhost\nservices:{services[2]}")
    apply(booted)

    assert ["1000001", "1000001"] == _both(booted)

    fstab = 'content: "tmpfs /srv/scratch tmpfs noauto 0 0\\n", mode: "0644", adopt: true'
    more = f'files:\n  /etc/odd/never: {{content: "x", mode: "0644"}}\n  /etc/fstab: {{{fstab}}}\n'
    never = "  never: {unit: vendor, state: running, watch: [/etc/odd/never]}\n"
    booted.write(SPEC, f"version: 1\nhost: testhost\n{more}services:{services[2]}{never}")
    done = booted.reconciler("apply", SPEC, "--auto-approve", check=False)
    mount = booted.show("srv-scratch.mount", "LoadState")["LoadState"]

    assert 6 == done.returncode
    assert "never.service" in done.stdout + done.stderr
    assert "loaded" == mount
    assert ["1000001", "1000001"] == _both(booted)
