"""A restore that is copied back over a host, or onto another one: every mode, owner, ACL, attribute, link,
hole and time is as it was.
"""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.booted.booted import BootedHost
from tests.booted.test_backup_loss import HOST, SPEC, sh

pytestmark = pytest.mark.booted

FILL = """
mkdir -p /srv/deep/app/shared /srv/deep/app/empty '/srv/deep/app/odd name'
chown 4711:daemon /srv/deep; chmod 2751 /srv/deep
cd /srv/deep/app
for mode in 0000 0400 0640 0666 0755 2755 4755 6711; do echo "$mode" > "m$mode"; chown 4712:games "m$mode"; chmod "$mode" "m$mode"; done
chmod 1777 shared; chmod 0000 empty; chown daemon:4713 empty
ln m0640 'odd name/second name'; ln m0640 shared/third
ln -s /nowhere/at/all broken; ln -s ../app/m0640 link; chown -h games:4714 link
mkfifo -m 0620 fifo; chown 4715:tty fifo
truncate -s 50M sparse; printf x | dd of=sparse bs=1 seek=30000000 conv=notrunc 2>/dev/null
printf 'a\\nb' > "new
line"; printf y > $(printf '\\377\\376'); printf z > '*[a]?\\101'
setfacl -m u:daemon:rx,g:4716:rwx,m::rx m0755
setfacl -m u:4717:rw -d -m u:games:rx,g::r-- shared
printf c > capable; chmod 0755 capable
python3 - <<'END'
import os
os.setxattr("m0640", "user.note", b"here\\0\\xff")
os.setxattr("shared", "user.of directory", b"")
os.setxattr("capable", "security.capability", bytes.fromhex("0100000200040000000000000000000000000000"))
os.setxattr("m0400", "trusted.secret", b"root's")
for number, (at, _, names) in enumerate(os.walk(".", topdown=False)):
    for name in [*names, "."]:
        path = os.path.join(at, name)
        os.utime(path, ns=(1, 1_234_567_890_123_456_789 + number), follow_symlinks=False)
END
"""
LOOK = """
import hashlib, json, os, sys
found, links = {}, {}
for at, _, names in os.walk("/srv"):
    for path in [at, *(os.path.join(at, name) for name in names + os.listdir(at))]:
        facts = os.lstat(path)
        kind = oct(facts.st_mode)
        content = os.readlink(path) if os.path.islink(path) else ""
        if os.path.isfile(path) and not os.path.islink(path):
            content = hashlib.sha256(open(path, "rb").read()).hexdigest()
        names_of = sorted(os.listxattr(path, follow_symlinks=False))
        names_of = {name: os.getxattr(path, name, follow_symlinks=False).hex() for name in names_of}
        links.setdefault(facts.st_ino, set()).add(path)
        size = facts.st_size if not os.path.isdir(path) else 0
        holes = facts.st_blocks * 512 < size // 2
        time = 0 if path == "/srv" else facts.st_mtime_ns
        found[path] = [kind, facts.st_uid, facts.st_gid, size, holes, time, content, names_of, facts.st_ino]
for value in found.values():
    value[-1] = sorted(links[value[-1]])
print(json.dumps({path.encode(errors="surrogateescape").hex(): value for path, value in found.items()}, sort_keys=True, ensure_ascii=True))
"""
LOSS = {
    "nothing": "true",
    "everything": "rm -r /srv/deep",
    "attributes": "cd /srv/deep; chown -R 0:0 .; setfacl -R -b .; chmod -R 0777 .",
}
COPY = "rsync -aHAXS --numeric-ids /root/back/ /"


def look(host: BootedHost) -> dict[str, list[Any]]:
    """Everything below /srv, by the bytes of its path in hex."""
    found: dict[str, list[Any]] = json.loads(host.run("python3", "-c", LOOK).stdout)
    return found


def made(host: BootedHost) -> dict[str, list[Any]]:
    """A host with the tree and a backup of it."""
    sh(host, FILL)
    host.write(SPEC, HOST.replace("[/data]", "[/srv/deep/app]"))
    host.reconciler("apply", SPEC, "--auto-approve")
    host.reconciler("backup", "run", "d")
    return look(host)


def differences(before: dict[str, list[Any]], after: dict[str, list[Any]]) -> dict[str, Any]:
    """The paths that are not as they were."""
    paths = before.keys() | after.keys()
    return {
        repr(bytes.fromhex(path)): (before.get(path), after.get(path))
        for path in paths
        if before.get(path) != after.get(path)
    }


def check_a_tree_has_it_all(tree: dict[str, list[Any]]) -> None:
    """The tree of this test has what may be lost: else the comparison says nothing."""
    attributes = {name for value in tree.values() for name in value[7]}
    assert {"user.note", "user.of directory", "security.capability", "trusted.secret"} <= attributes
    assert {"system.posix_acl_access", "system.posix_acl_default"} <= attributes
    assert 3 == max(len(value[8]) for value in tree.values())
    assert any(value[4] for value in tree.values())
    assert any(value[5] % 1_000_000_000 for value in tree.values())


@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
@pytest.mark.parametrize("lost", ["nothing", "everything", "attributes"])
def test_a_restore_is_copied_back(suite: str, lost: str) -> None:
    """On the host itself: over what is still there, where all of it is gone, and where modes, owners and
    attributes were lost.

    Where a mode changes together with an ACL, rsync (3.2.7, 3.4.1) has the ACL right after its second run
    only, as the page says.
    """
    with BootedHost(suite=suite) as host:
        before = made(host)
        check_a_tree_has_it_all(before)
        sh(host, LOSS[lost])
        host.reconciler("backup", "restore", "d", "--to", "/root/back")
        sh(host, "rsync -a /root/back/ /" if lost == "nothing" else COPY)
        if lost == "attributes":
            sh(host, COPY)
            assert "" == sh(
                host, "rsync -aHAXS --numeric-ids --dry-run --itemize-changes /root/back/srv/ /srv/"
            )

        assert {} == differences(before, look(host))


def test_a_restore_on_another_host(booted: BootedHost) -> None:
    """Without the tool, by the command that the page names: numbers, not names, say who owns what."""
    before = made(booted)
    packed = base64.b64encode(sh(booted, "base64 -w0 /backup/d/*.tar.gz").encode()).decode()
    with BootedHost(tool=False) as scratch:
        sh(scratch, "useradd -u 1 -o other; true")
        scratch.write("/root/packed", base64.b64decode(packed).decode())
        options = (
            "--numeric-owner --acls --xattrs --xattrs-include='*' --same-permissions"
            " --delay-directory-restore"
        )
        sh(scratch, "mkdir -m 0700 /root/back; base64 -d /root/packed > /root/a.tar.gz")
        sh(scratch, f"tar --extract {options} --file /root/a.tar.gz -C /root/back")
        sh(scratch, COPY)

        assert {} == differences(before, look(scratch))
