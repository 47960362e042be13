"""Directories of the system on another disk, by links, on a booted Debian: what is given there would be
root's path or crontab.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.booted.booted import BootedHost

SPEC = "/root/host.yaml"
_MOVED = """\
set -e
useradd -m -s /bin/bash ann
mkdir /data
for at in usr/local var/spool; do mkdir -p /data/${at%/*}; cp -a /$at /data/$at; mv /$at /$at.old; ln -s /data/$at /$at; done
mv /srv /data/srv; ln -s data/srv /srv
mkdir -p /data/srv/app; printf '#!/bin/sh\\n' > /data/srv/app/run; chmod 755 /data/srv/app/run
"""


@pytest.mark.slow
def test_what_a_link_makes_the_systems_is_given_to_nobody(booted: BootedHost) -> None:
    """Refused by the name of the disk as by the usual one; root's shell and cron do read there."""
    host = booted
    host.run("bash", "-c", _MOVED)

    def planned(**said: Any) -> tuple[int, str]:
        host.write(SPEC, json.dumps({"version": 1, "host": "testhost", **said}))
        done = host.reconciler("plan", SPEC, "--adopt", check=False)
        return done.returncode, " ".join((done.stdout + done.stderr).split())

    for path in ("/data/usr/local/sbin", "/data/usr/local", "/data/var/spool/cron", "/data/srv", "/data"):
        code, said = planned(directories={path: {"owner": "ann", "mode": "0755"}})
        assert (3, True) == (code, "path must not be given away" in said), (path, said)

    code, said = planned(
        files={"/data/var/spool/cron/crontabs/root": {"content": "* * * * * /home/ann/run\n", "mode": "0600"}}
    )
    assert said.startswith(
        "ann becomes root (root runs /home/ann/run because of /var/spool/cron/crontabs/root; ann owns "
    ), said

    # It is so: root's login looks there for programs, and crontab reads there.
    host.write("/data/usr/local/sbin/tool", "#!/bin/sh\necho here\n", "0755")
    assert host.run("bash", "-lc", "tool").stdout == "here\n"
    host.write("/data/var/spool/cron/crontabs/root", "* * * * * /home/ann/run\n", "0600")
    assert "/home/ann/run" in host.run("crontab", "-l").stdout

    # A place of one's own is one by either name.
    code, said = planned(directories={"/data/srv/app": {"owner": "ann", "mode": "0755"}})
    assert (0, False) == (code, "becomes root" in said), said
