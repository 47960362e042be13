"""The page about a machine that is gone, to the letter: one host makes archives, another one takes its place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.booted.booted import BootedHost

pytestmark = pytest.mark.booted

PAGE = (Path(__file__).resolve().parents[2] / "docs/howto/machine-gone.md").read_text()
TREE = "cd /var/lib/app && find . -printf '%m %u %g %U %G %s %T@ %p\\n' | sort && sha256sum data"


def test_a_new_machine_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    """Each block works as it is pasted. Owners, modes, times and contents are those of the lost machine though
    the new one counted its users otherwise, the service never ran without its data, and backups go on.
    """
    (spec,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    clone, look, accounts, data, rest, go_on, see = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    disk = tmp_path / "disk"
    disk.mkdir(mode=0o700)

    with BootedHost(shared={disk: "/backup"}) as old:
        old.write("/root/spec/host.yaml", spec)
        old.run(
            "/bin/sh",
            "-euc",
            "cd /root/spec && git init -q && git add . && git -c user.name=a -c user.email=a commit -qm a",
        )
        old.run("/bin/sh", "-euc", "git clone -q --bare /root/spec /backup/spec.git")
        old.reconciler("apply", "/root/spec/host.yaml", "--auto-approve")
        old.run(
            "/bin/sh",
            "-euc",
            "cd /var/lib/app && head -c 300000 /dev/urandom > data && chown app:app data && chmod 640 data",
        )
        old.run("systemctl", "stop", "app")
        old.reconciler("backup", "run", "app")
        before = old.run("/bin/sh", "-euc", TREE).stdout

    with BootedHost(shared={disk: "/backup"}, hostname="debian") as new:

        def paste(block: str) -> str:
            return new.run("/bin/bash", "-euc", block, cwd="/root").stdout

        new.run("useradd", "--system", "somebody")
        paste(clone.replace("https://git.example.org/hosts.git", "/backup/spec.git"))
        assert "verified" in paste(look)
        paste(accounts.replace("--target", "--auto-approve --target"))
        assert "in place" in paste(data.replace("--in-place", "--in-place --auto-approve"))
        assert before == new.run("/bin/sh", "-euc", TREE).stdout
        assert (
            ""
            == new.run(
                "/bin/sh", "-c", "ls -d /.reconciler-restore-* /var/.reconciler-* 2>/dev/null", check=False
            ).stdout
        )
        assert "Apply complete!" in paste(rest.replace("host.yaml", "host.yaml --auto-approve"))
        assert "active" == new.active("app.service")
        assert "2" == new.run("/bin/sh", "-c", "wc -l < /var/lib/app/starts").stdout.strip()
        refused = new.reconciler("backup", "run", "app", check=False)
        assert 3 == refused.returncode
        assert "verified" in paste(go_on)
        assert "No findings" in paste(see)
