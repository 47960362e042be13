"""The page about backups, to the letter: every command on it is run."""

from __future__ import annotations

import re
from pathlib import Path

from tests.booted.booted import BootedHost

PAGE = (Path(__file__).resolve().parents[2] / "docs/howto/backups.md").read_text()
FILL = """
mkdir -p /srv/app/conf
chmod 0711 /srv
printf old > /srv/app/conf/a
chown daemon:games /srv/app/conf/a
chmod 2750 /srv/app/conf
chmod 0640 /srv/app/conf/a
head -c 400000 /dev/urandom > /srv/app/noise
"""
MODES = (
    "find / /srv /srv/app -maxdepth 1 -not -name root -printf '%m %u %g %p\\n'; find /srv/app -printf '%m %u"
    " %g %p\\n'"
)


def test_the_page_about_backups(booted: BootedHost) -> None:
    """Each block works as it is pasted; what was lost comes back, and every mode and owner on the way is as
    before.
    """
    spec, *_ = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    (
        declare,
        make,
        look,
        drill,
        in_place,
        one_file,
        unpack,
        copy,
        everything,
        by_tar,
        take_over,
        agree,
        prune,
    ) = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)

    def paste(block: str) -> str:
        return booted.run("/bin/bash", "-euc", block, cwd="/root").stdout

    paste(FILL)
    booted.write("/root/host.yaml", spec)
    assert "4 added" in paste(declare.replace("apply host.yaml", "apply host.yaml --auto-approve"))
    assert "verified" in paste(make)
    before = paste(MODES)
    paste("rm -r /srv/app/conf; mkdir /srv/app/conf")
    assert "is good" in paste(look)
    assert "as it was archived" in paste(drill)
    assert "what was there before" not in paste(in_place.replace("--in-place", "--in-place --auto-approve"))
    assert ("old", before) == (booted.read("/srv/app/conf/a"), paste(MODES))
    paste(one_file)
    assert "old" == booted.read("/root/a")
    paste("rm -r /srv/app/conf; mkdir /srv/app/conf")
    assert ">f+++++++++ a" in paste(unpack)
    paste(copy)
    assert ("old", before) == (booted.read("/srv/app/conf/a"), paste(MODES))

    paste("rm -r /srv; umask 077; mkdir /srv")
    paste(everything)
    assert ("old", before) == (booted.read("/srv/app/conf/a"), paste(MODES))
    assert ": OK" in paste(by_tar)
    assert paste("cd /root/back; find srv -printf '%m %u %g %T@ %p\\n'") == paste(
        "cd /; find srv -printf '%m %u %g %T@ %p\\n'"
    )

    paste("systemd-id128 new > /etc/machine-id")
    assert 3 == booted.reconciler("backup", "run", "app", check=False).returncode
    assert "this machine's from now on" in paste(take_over)
    paste("rm /srv/app/noise")
    assert "reconciler backup accept app" in booted.reconciler("backup", "run", "app").stderr
    assert "is accepted" in paste(agree)
    assert "would delete" in paste(prune)
