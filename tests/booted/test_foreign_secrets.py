"""Secrets that somebody else has on the host, in units, jobs, rules, keys and processes: no command tells one,
though it judges the very text; nor does one of the spec's own, by whatever way it is written.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.booted.booted import BootedHost
from tests.breaking import FULL
from tests.cli.test_secrets import leaks

pytestmark = pytest.mark.booted

SPEC = "/root/host.yaml"
FOREIGN = "Zq7Foreign1d5hGc0JeUo3Ti9K8"
THEIRS = {
    "/etc/systemd/system/x.service": (
        "# was {0}\n[Service]\nExecStart=/bin/sleep inf\nEnvironment=FOO={0}\nSetCredential=k:{0}\nUser=alice\n"
    ),
    "/etc/systemd/system/x.service.d/q.conf": "[Service]\nEnvironment={0}=1\nExecStartPre=-/bin/echo {0}\n",
    "/etc/systemd/system/ssh.service.d/q.conf": "[Service]\nEnvironment=X={0}\nExecStartPre=-/bin/echo -u b:{0}\n",
    "/etc/systemd/system/y.service": "[Service]\nKEY={0}\nPassword={0}\nExecStart=/bin/{0}\n",
    "/etc/cron.d/t": "# {0}\n*/5 * * * * root curl -u b:{0} h\nX={0}\nbroken {0}\n",
    "/etc/logrotate.d/l": (
        "/var/log/l.log {{\n weekly\n nosuch {0}\n mail {0}@x\n postrotate\n curl -u b:{0} h\n endscript\n}}\n"
    ),
    "/etc/sudoers.d/team": "# {0}\nalice ALL=(root) /usr/bin/mysql -p{0}\n",
    "/etc/app.conf": "db_password = {0}\n{0}\n",
    "/home/alice/.ssh/authorized_keys": 'command="x --token {0}",environment="T={0}" ssh-ed25519 {0} {0}\n',
    "/etc/profile.d/site.sh": "export SITE_TOKEN={0}\ncurl -u b:{0} h\n",
}
ON_THEM: dict[str, Any] = {
    "services": {
        "x": {"exec_start": ["/bin/sleep", "1"], "adopt": True, "environment": {"A": "b"}},
        "ssh": {"unit": "vendor", "environment": {"A": "b"}},
        "y": {"exec_start": ["/bin/sleep", "1"], "adopt": True, "state": "stopped"},
    },
    "timers": {"t": {"schedule": "daily", "scheduler": "cron", "exec_start": ["/bin/true"], "adopt": True}},
    "logrotate": {
        "l": {"paths": ["/var/log/l.log"], "frequency": "daily", "adopt": True},
        "m": {"paths": ["/var/log/m.log"], "frequency": "daily"},
    },
    "files": {"/etc/app.conf": {"content": "x", "mode": "0644", "adopt": True}},
    "users": {"alice": {"adopt": True, "ssh_keys": {"exactly": []}, "sudo": [{"run": ["/usr/bin/id"]}]}},
}
TOKENS = {
    "hf": "hf_Zq7aaaK2Lm8Zw4VbN6tRs1YpD5hGc0JeUo3",
    "github": "ghp_Zq7bbbK2Lm8Zw4VbN6tRs1YpD5hGc0JeUo3T",
    "vault": "hvs.Zq7cccK2Lm8Zw4VbN6tRs1YpD5",
    "stripe": "rk_live_Zq7dddK2Lm8Zw4VbN6tRs1",
    "docker": "dckr_pat_Zq7eeeK2Lm8Zw4VbN6tRs1",
    "aws": "AKIAZQ7FFFK2LM8ZW4VB",
    "plain": "Zq7gggK2Lm8Zw4VbN6tRs1",
}
OURS: dict[str, Any] = {
    "services": {
        "own": {
            "exec_start": ["/bin/sleep", "inf", TOKENS["hf"]],
            "description": f"uses {TOKENS['github']}",
            "environment": {"PGPASS": TOKENS["plain"], "AWS_ACCESS_KEY_ID": TOKENS["aws"]},
            "state": "stopped",
        }
    },
    "timers": {
        "fetch": {
            "schedule": "daily",
            "exec_start": ["/usr/bin/curl", f"https://{TOKENS['github']}@git.example/x"],
        }
    },
    "files": {
        "/etc/cron.d/mine": {
            "content": f"# key {TOKENS['vault']}\n0 0 1 1 * root echo {TOKENS['plain']} | docker login --password-stdin\n",
            "mode": "0644",
        },
        "/etc/sudoers.d/mine": {
            "content": f"# was {TOKENS['docker']}\nalice ALL=(root) /usr/bin/x {TOKENS['stripe']}\n",
            "mode": "0440",
        },
    },
    "users": {
        "alice": {
            "adopt": True,
            "aliases": {"q": f"PGPASSWORD='{TOKENS['plain']}' psql", "w": f"wandb login {TOKENS['plain']}"},
        }
    },
}
LOOKS: tuple[tuple[str, ...], ...] = (
    *(("plan", SPEC, *more) for more in ((), ("--verbose",), ("--json",), ("--format", "markdown"))),
    *(("access", SPEC, *more) for more in ((), ("--json",), ("--format", "markdown"))),
    *(("validate", SPEC), ("drift", SPEC), ("status",), ("doctor",)),
)
AT_LAST = (
    ("audit",),
    ("audit", "--json"),
    ("history", "--json"),
    ("show", "1"),
    ("import",),
    ("service", "list"),
)


def look(host: BootedHost, *commands: tuple[str, ...]) -> list[str]:
    """The output of each command."""
    found = []
    for words in commands:
        done = host.reconciler(*words, check=False)
        assert "Traceback" not in done.stderr, words
        found.append(f"{' '.join(words)}: {done.stdout}{done.stderr}")
    return found


def test_nobody_elses_secret_is_told(booted: BootedHost) -> None:
    """Broken and whole texts of others, adopted, replaced and judged; a process with a secret in its command
    line; and tokens of the spec's own.
    """
    booted.run("useradd", "--create-home", "--shell", "/bin/bash", "alice")
    for path, text in THEIRS.items():
        booted.run("mkdir", "-p", path.rpartition("/")[0])
        booted.write(path, text.format(FOREIGN), "0440" if "sudoers" in path else "0644")
    booted.run("sh", "-euc", "chown -R alice: /home/alice/.ssh; systemctl daemon-reload")
    booted.run("systemd-run", "--quiet", "--unit=zq", f"--setenv=T={FOREIGN}", "/bin/sleep", "1000")
    booted.write(SPEC, json.dumps({"version": 1, "host": "testhost", **ON_THEM}, indent=1))
    looks = LOOKS if FULL else (*LOOKS[1:3], ("doctor",))
    seen = look(booted, *looks, ("apply", SPEC, "--auto-approve", "--adopt"), *looks[:1])
    for path in ("/etc/logrotate.d/l", "/etc/systemd/system/y.service", "/etc/cron.d/t"):
        booted.run("rm", "-f", path)
    booted.write(SPEC, json.dumps({"version": 1, "host": "testhost", **OURS}, indent=1))
    seen += look(booted, *looks, ("access", SPEC), ("apply", SPEC, "--auto-approve", "--adopt"))
    changed = json.dumps({"version": 1, "host": "testhost", **OURS}, indent=1).replace("Zq7", "Zq8")
    booted.write(SPEC, changed)
    seen += look(booted, *looks[:2], *(AT_LAST if FULL else AT_LAST[:4:2]))
    booted.run("journalctl", "--sync")
    ours = booted.run("journalctl", "-b", "-t", "reconciler", "-o", "cat", check=False).stdout
    secrets = [FOREIGN, *TOKENS.values(), *(token.replace("Zq7", "Zq8") for token in TOKENS.values())]

    assert [] == leaks(secrets, *seen, ours)
    assert "Apply complete!" in "".join(seen)
    assert all(name in "".join(seen) for name in ("services.own", "timers.fetch"))
