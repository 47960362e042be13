"""The page about a machine that is gone, to the letter: one host makes archives, another one takes its place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.booted.booted import BootedHost
from tests.booted.test_backup_remote import wire

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


VAULT = """
useradd -m -s /bin/sh vault
install -d -m 700 -o vault /home/vault/.ssh
install -m 600 -o vault /etc/keys /home/vault/.ssh/authorized_keys
install -d -o vault /srv/vault
ssh-keygen -q -A; systemctl restart ssh
"""


def test_the_archives_are_on_another_machine() -> None:
    """The same with the options of sftp that the page names: the vault, the repository and the private key are
    all there is of the old machine, and the new one goes on with the archives in the vault.
    """
    (spec,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    clone, look, accounts, data, rest, go_on, _ = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    with BootedHost() as vault:
        with BootedHost() as old:
            wire(old, vault)
            old.run("/bin/sh", "-euc", "ssh-keygen -q -t ed25519 -N '' -f /root/backup")
            identity = old.read("/root/backup")
            vault.write("/etc/keys", old.read("/root/backup.pub"))
            vault.run("/bin/sh", "-euc", VAULT)
            key = " ".join(vault.read("/etc/ssh/ssh_host_ed25519_key.pub").split()[:2])
            url = "sftp://vault@10.9.0.2/srv/vault/app"
            far = f'[{{url: "{url}", host_key: "{key}", identity_file: /root/backup}}]'
            spec = spec.replace("[/backup/app]", far)
            old.write("/root/spec/host.yaml", spec)
            old.reconciler("apply", "/root/spec/host.yaml", "--auto-approve")
            fill = "head -c 300000 /dev/urandom > data && chown app:app data && chmod 640 data"
            old.run("/bin/sh", "-euc", f"cd /var/lib/app && {fill}; systemctl stop app")
            old.reconciler("backup", "run", "app")
            before = old.run("/bin/sh", "-euc", TREE).stdout

        with BootedHost(hostname="debian") as new:
            wire(new, vault)

            def paste(block: str) -> str:
                options = f'--from {url} --host-key "{key}" --identity-file /root/backup'
                script = block.replace("--from /backup/app", options)
                return new.run("/bin/bash", "-euc", script, cwd="/root").stdout

            new.write("/root/backup", identity, "0600")
            new.write("/root/spec/host.yaml", spec)
            paste("\n".join(line for line in clone.splitlines() if not line.startswith("git ")))
            assert "verified" in paste(look)
            paste(accounts.replace("--target", "--auto-approve --target"))
            assert "in place" in paste(data.replace("--in-place", "--in-place --auto-approve"))
            assert before == new.run("/bin/sh", "-euc", TREE).stdout
            assert "Apply complete!" in paste(rest.replace("host.yaml", "host.yaml --auto-approve"))
            assert "active" == new.active("app.service")
            assert 3 == new.reconciler("backup", "run", "app", check=False).returncode
            assert "verified" in paste(go_on)
