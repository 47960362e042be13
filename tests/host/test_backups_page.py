"""The page about backups, to the letter: every command on it is run."""

from __future__ import annotations

import re
from pathlib import Path

from tests.host.booted import BootedHost

PAGE = (Path(__file__).resolve().parents[2] / "docs/howto/backups.md").read_text()
SPEC = """\
version: 1
host: testhost
directories:
  /backup: {mode: "0700"}
backups:
  app: {sources: [/srv/app], destinations: [/backup/app], schedule: daily, keep: {last: 3}}
"""
FILL = """
mkdir -p /srv/app/conf
chmod 0711 /srv
printf old > /srv/app/conf/a
chown daemon:games /srv/app/conf/a
chmod 2750 /srv/app/conf
chmod 0640 /srv/app/conf/a
head -c 400000 /dev/urandom > /srv/app/noise
"""
MODES = "find / /srv /srv/app -maxdepth 1 -not -name root -printf '%m %u %g %p\\n'; find /srv/app -printf '%m %u %g %p\\n'"


def test_the_page_about_backups(booted: BootedHost) -> None:
    """Each command works as it stands; what was lost comes back, and every mode and owner on the way is as before."""
    blocks = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    booted.run("/bin/sh", "-euc", FILL)
    booted.write("/root/host.yaml", SPEC)
    booted.reconciler("apply", "/root/host.yaml", "--auto-approve")
    booted.reconciler("backup", "run", "app")
    before = booted.run("/bin/sh", "-euc", MODES).stdout
    booted.run("/bin/sh", "-euc", "rm -r /srv/app/conf; mkdir /srv/app/conf")
    done = [booted.run("/bin/bash", "-euc", block).stdout for block in blocks[:3]]

    assert "is good" in done[0]
    assert ">f+++++++++ a" in done[1]
    assert "old" == booted.read("/srv/app/conf/a")
    assert before == booted.run("/bin/sh", "-euc", MODES).stdout
    booted.run("/bin/sh", "-euc", "rm /srv/app/noise")
    assert "reconciler backup accept app" in booted.reconciler("backup", "run", "app").stderr
    assert "is accepted" in booted.run("/bin/bash", "-euc", blocks[3]).stdout
    assert 4 == len(blocks)
