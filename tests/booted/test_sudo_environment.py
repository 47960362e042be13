"""The environment that sudo leaves to the person who asks, judged by sudo itself: rules that make a harmless
program root's shell, or do not.
"""

from __future__ import annotations

import json

import pytest

from reconciler.formats.sudo.sudoers_text import logical_lines
from tests.booted.booted import BootedHost
from tests.breaking import FULL
from tests.policy.sudo_environments import HERS, ROWS, SCRIPTS

SPEC = "/root/host.yaml"
_TOOL = '#!/bin/sh\n[ "$(id -u)" != 0 ] || : > /root/taken\n'
_JSON = "import os\nif os.getuid() == 0: open('/root/taken', 'w')\n"


def prepared(host: BootedHost) -> None:
    """Two people, root's scripts, and what ann has put into a directory of her own."""
    for name in ("ann", "ben"):
        host.run("useradd", "-m", "-s", "/bin/bash", name)
    host.run("chmod", "0755", "/home/ann", "/home/ben")
    for path, text in SCRIPTS.items():
        host.write(path, text, "0755")
    host.run("mkdir", "-p", HERS)
    host.write(f"{HERS}/tool", _TOOL, "0755")
    host.write(f"{HERS}/true", _TOOL, "0755")
    host.write(f"{HERS}/json.py", _JSON)
    host.run("chown", "-R", "ann:", "/home/ann")
    host.write(SPEC, json.dumps({"version": 1, "host": "testhost", "groups": {"x": {}}}))


@pytest.mark.slow
@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
def test_what_sudo_leaves_of_the_environment_is_judged_as_sudo_does(suite: str) -> None:
    """Access says that ann becomes root by a rule where sudo makes her root by it,
    and not where it does not.

    The words about each row are judged in tests/policy; here Access is asked of every fourth.
    """
    with BootedHost(suite=suite) as host:
        prepared(host)
        wrong: list[tuple[object, ...]] = []
        for number, (name, row) in enumerate(ROWS.items()):
            host.write("/etc/sudoers.d/a", f"{row.rules}\n", "0440")
            host.run("visudo", "--check", "--quiet")
            host.run("rm", "-f", "/root/taken")
            who = "ben" if "-u ben" in row.types else "ann"
            typed = row.types.replace("sudo -n -u ben ", "")
            done = host.run("runuser", "-u", who, "--", "sh", "-c", f"cd /; {typed}", check=False)
            # ld.so tells of what it was made to load, and cannot; Debian has no compiler.
            is_root = (
                host.run("test", "-e", "/root/taken", check=False).returncode == 0
                or "LD_PRELOAD cannot be preloaded" in done.stderr
            )
            if is_root != bool(row.why):
                wrong.append((name, is_root, done.stderr))
            if number % 4 and not FULL:
                continue
            data = json.loads(
                host.reconciler("access", SPEC, "--who", "ann", "--to", "root", "--json").stdout
            )
            said = [item["by"] for item in data["access"] if item["now"]]
            if is_root != (any(row.why in by for by in said) if row.why else bool(said)):
                wrong.append((name, is_root, said))

        assert [] == wrong

        # A directory in which sudo looks is given to nobody.
        host.write("/etc/sudoers.d/a", "Defaults secure_path=/srv/tools:/usr/bin:/bin\n", "0440")
        host.run("mkdir", "/srv/tools")
        for mine in (
            {"/srv/tools": {"owner": "ann", "mode": "0755"}},
            {"/srv/tools": {"mode": "0777"}},
            {"/srv": {"owner": "ann", "mode": "0755"}},
        ):
            host.write(SPEC, json.dumps({"version": 1, "host": "testhost", "directories": mine}))
            refused = host.reconciler("plan", SPEC, check=False)
            assert refused.returncode == 3, refused.stdout
            assert "must not be given away" in refused.stdout + refused.stderr


def test_the_rows_are_lines_of_sudoers() -> None:
    """Every row is one that is read to its end."""
    assert all(list(logical_lines(row.rules)) for row in ROWS.values())
