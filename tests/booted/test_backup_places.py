"""Which lines of tmpfiles.d remove archives: the judge is systemd-tmpfiles itself; and what a run says of a
directory that was opened.
"""

from __future__ import annotations

import pytest

from tests.booted.booted import BootedHost
from tests.policy.test_backup_places import refused, tmpfiles

pytestmark = pytest.mark.booted

LINES = (
    "R /backup/app",
    "R /backup/*",
    "r /backup/app/*.gz",
    "r /backup/app/*.lock",
    "D /backup/app 0700 root root -",
    "d /backup/app 0700 root root -",
    "d /backup/app 0700 root root 1d",
    "e /backup - - - 1d",
    "e /backup/* - - - 1d",
    "e /backup/other - - - 1d",
    "D /backup 0755 root root 1d",
    "q /backup/app 0700 root root 1d",
    "v /backup/app 0700 root root -",
    "z /backup/app 0700 root root 1d",
    "x /backup/app",
)
MAKE = """
set -e
rm -rf /backup
mkdir -p /backup/app
touch -d 2020-01-01 /backup/app/app-20260101T000000Z-000000000.tar.gz
touch -d 2020-01-01 /backup/app
cat > /etc/tmpfiles.d/x.conf
systemd-tmpfiles --create --remove --clean /etc/tmpfiles.d/x.conf >/dev/null 2>&1 || true
ls /backup/app 2>/dev/null || true
"""
SPEC = """\
version: 1
host: testhost
directories: {{/backup: {{mode: '{mode}', adopt: true}}}}
backups: {{app: {{sources: [/etc/ssh], destinations: [/backup/app], schedule: daily}}}}
"""


def test_tmpfiles_is_the_judge(booted: BootedHost) -> None:
    """A line is refused if, and only if, systemd-tmpfiles removes an archive by it.

    Age by change time is given the benefit of a day.
    """
    for line in LINES:
        text = MAKE.replace(
            "cat > /etc/tmpfiles.d/x.conf",
            f"printf '%s\\n' '{line.replace('1d', 'm:1d')}' > /etc/tmpfiles.d/x.conf",
        )
        left = booted.run("sh", "-c", text).stdout
        assert bool(refused(tmpfiles(line))) == ("tar.gz" not in left), line


def test_a_directory_that_is_opened(booted: BootedHost) -> None:
    """The plan of the change is an error; by hand, doctor names it, though the destination itself is not
    there yet.
    """
    booted.write("/root/host.yaml", SPEC.format(mode="0755"))
    booted.reconciler("apply", "/root/host.yaml", "--auto-approve")
    booted.write("/root/host.yaml", SPEC.format(mode="0777"))
    told = booted.reconciler("apply", "/root/host.yaml", "--auto-approve", check=False)

    assert 4 == told.returncode
    assert "/backup/app is a destination of backups.app" in " ".join((told.stdout + told.stderr).split())
    assert "755" == booted.stat("/backup").mode
    booted.run("chmod", "0777", "/backup")
    assert (
        "others can write to the directory: /backup"
        in booted.reconciler("doctor", "/root/host.yaml", check=False).stdout
    )
    assert 0 != booted.reconciler("backup", "run", "app", check=False).returncode
