"""Twenty secrets on a real host: in no output, no journal, no ledger, in no argument or variable of any
program that an apply starts.
"""

from __future__ import annotations

import sqlite3
import subprocess
from pathlib import Path

import pytest

from tests.booted.booted import BootedHost
from tests.cli.test_canaries import KEY, NAMES, PEM, looked_for
from tests.cli.test_secrets import canary, leaks

pytestmark = pytest.mark.slow
SPEC = "/root/secrets/host.yaml"
STATE = "/var/lib/reconciler"
TRACE = "/root/trace"
DECLARED = ("marked", "source", "pem")
"""Files that are sensitive, or are seen to be: no row of the ledger has their content.

A value that stands in a unit is in its document.
"""


def _secrets(when: str) -> dict[str, str]:
    return {name: canary(f"{when}-{name}") for name in NAMES}


def _write(host: BootedHost, said: dict[str, str]) -> None:
    host.run("mkdir", "-p", "/root/secrets")
    host.write("/root/secrets/key", said["source"], "0600")
    host.write("/root/secrets/pem", PEM.format(said["pem"]), "0600")
    host.write(
        SPEC,
        f"""\
version: 1
host: testhost
files:
  /etc/marked: {{content: "{said["marked"]}", mode: "0600", sensitive: true}}
  /etc/source: {{source: key, mode: "0600", sensitive: true}}
  /etc/pem: {{source: pem, mode: "0600"}}
  /etc/app.conf: {{content: "[db]\\npassword = {said["config"]}\\nport = 1\\n", mode: "0640"}}
services:
  s:
    exec_start: [/usr/bin/sleep, --api-token, "{said["option"]}", "--password={said["password"]}"]
    environment: {{API_TOKEN: "{said["token"]}", DB: "postgres://app:{said["url"].replace("/", "_")}@db/x", MODE: fast}}
    directives: {{Service: {{SetCredential: "db:{said["credential"]}"}}}}
    state: stopped
users:
  alice:
    ssh_keys: ['{KEY}']
    sudo: [{{run: [/usr/bin/true]}}]
    environment: {{set: {{SECRET_KEY: "{said["profile"]}"}}}}
""",
        "0600",
    )


def _traced(host: BootedHost, *arguments: str) -> str:
    """The output of the command under strace, which adds each program with all arguments and variables to
    TRACE.
    """
    strace = ["strace", "-f", "-qq", "-A", "-o", TRACE, "-e", "trace=execve", "-v", "-s", "4096"]
    done: subprocess.CompletedProcess[str] = host.run(*strace, "reconciler", *arguments, check=False)
    assert "Traceback" not in done.stdout + done.stderr
    assert done.returncode in (0, 2, 3), done.stdout + done.stderr
    return done.stdout + done.stderr


def _ledger(host: BootedHost, place: Path) -> str:
    """Every row of the database but the undo store's content, in words."""
    database = place / "state.db"
    said = host.run("python3", "-c", f"print(open('{STATE}/state.db', 'rb').read().hex())").stdout
    database.write_bytes(bytes.fromhex(said))
    with sqlite3.connect(database) as raw:
        tables = ("meta", "ledger", "owed", "runs", "steps", "undo")
        rows = [row for table in tables for row in raw.execute(f"SELECT * FROM {table}")]  # noqa: S608
    raw.close()
    return "\n".join(map(str, rows))


def test_no_secret_comes_out(booted: BootedHost, tmp_path: Path) -> None:
    """New, changed, taken back and gone: neither printed, logged or remembered, nor handed to another
    program.
    """
    old, new = _secrets("old"), _secrets("new")
    _write(booted, old)
    seen = [_traced(booted, "apply", SPEC, "--auto-approve", "--json")]
    _write(booted, new)
    seen += [
        _traced(booted, "plan", SPEC, "--out", "/root/secrets/plan.json", "--verbose"),
        booted.read("/root/secrets/plan.json"),
    ]
    seen += [
        _traced(booted, "apply", SPEC, "--auto-approve"),
        _traced(booted, "drift", SPEC),
        _traced(booted, "snapshot"),
    ]
    seen += [
        _traced(booted, "show", "2"),
        _traced(booted, "history", "--json"),
        _traced(booted, "rollback", "--auto-approve"),
    ]
    booted.run("journalctl", "--sync")
    journal = booted.run("journalctl", "-b", "-o", "export").stdout
    trace = booted.read(TRACE)
    everything = [*looked_for(old), *looked_for(new)]

    assert 26 == len(set(everything))
    assert old["marked"] == booted.read("/etc/marked")
    assert all(program in trace for program in ("execve", "visudo", "systemctl", "useradd"))
    assert [] == leaks(everything, *seen)
    assert [] == leaks(everything, trace)
    assert [] == leaks(everything, journal)
    assert [] == leaks([said[name] for said in (old, new) for name in DECLARED], _ledger(booted, tmp_path))


def test_the_trace_would_show_it(booted: BootedHost) -> None:
    """An argument and a variable of a program that is started do turn up in the trace, whole."""
    secret = canary("probe")
    strace = ["strace", "-f", "-qq", "-o", TRACE, "-e", "trace=execve", "-v", "-s", "4096"]
    booted.run(*strace, "/bin/sh", "-c", f"X='{secret}' /bin/true; /bin/echo '{secret}'")
    trace = booted.read(TRACE)

    assert 2 <= sum(secret in line for line in trace.splitlines())
    assert leaks([secret], trace)
