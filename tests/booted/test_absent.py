"""Accounts that go on a real Debian: with their home kept, archived or deleted, and how they come back.

Judged by getent, stat and tar.
"""

from __future__ import annotations

from tests.booted.booted import BootedHost

SPEC = "/root/host.yaml"
BEFORE = """\
version: 1
host: testhost
users:
  alice: {comment: Alice, shell: /bin/bash, groups: [users]}
  bob: {}
"""
HASH = "$6$saltsalt$3n1SbEEC4vNxZbT5XyqZ7m5DsMHDKqg0hDCZZmhEKO4AFkzmRxKYLAX2EdhMRQbWTJ7TfKQzvA0n2P1xIqyy./"
FURNISH = r"""
set -e
echo "alice:$1" | chpasswd --encrypted
chage --lastday 19000 --mindays 1 --maxdays 90 --warndays 5 --inactive 10 alice
gpasswd --administrators alice users
gpasswd --administrators bob alice
usermod --del-subuids "$(awk -F: '$1 == "alice" {print $2 "-" $2 + $3 - 1}' /etc/subuid)" alice
usermod --add-subuids 700000-700999 alice
cd /home/alice
mkdir -p model/deep "a b"
head -c 300000 /dev/urandom > model/deep/model.bin
printf 'x' > "a b/new
line"
ln -s /etc/shadow model/link
ln model/deep/model.bin model/other-name
mkfifo model/pipe
printf '#!/bin/sh\n' > model/tool; chmod 4755 model/tool
chown -Rh alice:alice . ; chmod 4755 model/tool; chmod 0710 /home/alice
python3 - <<'END'
import os, struct
acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *e) for e in
    ((1, 7, 2**32 - 1), (2, 5, 65534), (4, 5, 2**32 - 1), (16, 5, 2**32 - 1), (32, 0, 2**32 - 1)))
os.setxattr("/home/alice/model", "system.posix_acl_access", acl)
os.setxattr("/home/alice/model", "system.posix_acl_default", acl)
os.setxattr("/home/alice/model/deep/model.bin", "user.from", b"training")
os.setxattr("/home/alice/model/deep/model.bin", "security.capability", struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0))
END
"""
LOOK = r"""
import hashlib, os, stat
for top, directories, files in sorted(os.walk("/home/alice")):
    links = [name for name in directories if os.path.islink(os.path.join(top, name))]
    for path in [top, *(os.path.join(top, name) for name in sorted(files) + links)]:
        facts = os.lstat(path)
        plain = stat.S_ISREG(facts.st_mode)
        link = os.readlink(path) if stat.S_ISLNK(facts.st_mode) else ""
        what = hashlib.sha256(open(path, "rb").read()).hexdigest() if plain else link
        names = sorted(os.listxattr(path, follow_symlinks=False))
        attributes = [(name, os.getxattr(path, name, follow_symlinks=False).hex()) for name in names]
        names = facts.st_nlink if plain else ""
        print(ascii(path), oct(facts.st_mode), facts.st_uid, facts.st_gid, names, int(facts.st_mtime), what, attributes)
"""
ACCOUNT_FILES = ("passwd", "shadow", "group", "gshadow", "subuid", "subgid")
# Our own search path has this directory first: each program leaves what it was called with.
WRAPPED = ("chpasswd", "chgpasswd", "chage", "usermod", "useradd", "userdel", "gpasswd", "groupadd")


def apply(host: BootedHost, spec: str, code: int = 0) -> str:
    """Apply a spec without a question; the output."""
    host.write(SPEC, spec)
    done = host.reconciler("apply", SPEC, "--auto-approve", check=False)

    assert code == done.returncode, done.stdout + done.stderr
    return done.stdout + done.stderr


def absent(home: str) -> str:
    """The spec that lets alice go."""
    return BEFORE.replace(
        "{comment: Alice, shell: /bin/bash, groups: [users]}", f"{{state: absent, home: {home}}}"
    )


def accounts(host: BootedHost) -> dict[str, list[str]]:
    """The lines of the account files; their order says nothing."""
    return {name: sorted(host.read(f"/etc/{name}").splitlines()) for name in ACCOUNT_FILES}


def home(host: BootedHost) -> str:
    """Everything about everything in the home."""
    return host.run("python3", "-c", LOOK).stdout


def furnished(host: BootedHost) -> None:
    """An account with a password, aging, ranges of its own, groups to administer, and a home with everything
    that files can have.
    """
    apply(host, BEFORE)
    host.run("/bin/sh", "-c", FURNISH, "furnish", HASH)
    for name in WRAPPED:
        host.write(
            f"/usr/local/sbin/{name}",
            f'#!/bin/sh\necho "{name} $*" >> /run/argv\nexec /usr/sbin/{name} "$@"\n',
            "0755",
        )
    for name in ("chage", "gpasswd"):
        host.write(
            f"/usr/local/sbin/{name}",
            f'#!/bin/sh\necho "{name} $*" >> /run/argv\nexec /usr/bin/{name} "$@"\n',
            "0755",
        )


def gone(host: BootedHost) -> bool:
    """Whether neither the account nor its home is there."""
    there = host.run(
        "sh", "-c", "getent passwd alice || ls -a /home | grep -v -x -e . -e .. -e bob", check=False
    )
    return there.returncode != 0 and there.stdout == ""


def test_an_archived_home_and_its_account_come_back_whole(booted: BootedHost) -> None:
    """Password, aging, ranges, gshadow and every file with all it has are as before; no output, journal or
    command line had the hash.
    """
    furnished(booted)
    was, files = accounts(booted), home(booted)
    told = apply(booted, absent("archive"))

    assert gone(booted)
    archive = "/var/lib/reconciler/archive/alice-1000.tar.gz"
    facts = booted.run("stat", "-c", "%a %U %n", "/var/lib/reconciler/archive", archive).stdout

    assert f"700 root /var/lib/reconciler/archive\n600 root {archive}\n" == facts
    assert "./model/deep/model.bin" in booted.run("tar", "-tzf", archive).stdout
    told += booted.reconciler("rollback", "--auto-approve").stdout
    told += booted.reconciler("show", "2").stdout + booted.reconciler("show", "2", "--json").stdout
    told += booted.reconciler("show", "3", "--json").stdout + booted.reconciler("history", "--json").stdout
    told += booted.run("journalctl", "--no-pager").stdout + booted.read("/run/argv")

    assert was == accounts(booted)
    assert files == home(booted)
    assert HASH not in told
    assert HASH.rsplit("$", maxsplit=1)[-1][:20] not in told
    assert "chpasswd --encrypted" in booted.read("/run/argv")
    booted.run("pwck", "-r", check=False)
    booted.write("/home/alice/written-since", "new\n")
    again = apply(booted, absent("archive"))

    assert "Apply complete!" in again
    assert gone(booted)
    # The archive that was restored is kept under another name until somebody removes it.
    assert [f"{archive.rpartition('/')[2]}", "alice-1000.tar.gz.1"] == booted.run(
        "ls", "/var/lib/reconciler/archive"
    ).stdout.split()


def test_a_deleted_home_is_gone_for_good_and_the_plan_says_so(booted: BootedHost) -> None:
    """Text, JSON and Markdown call it irreversible; a rollback brings the account back and says that its home
    does not come back.
    """
    furnished(booted)
    booted.write(SPEC, absent("delete"))
    shown = {
        form: booted.reconciler("plan", SPEC, "--format", form).stdout
        for form in ("text", "json", "markdown")
    }

    assert "remove /home/alice and everything in it: irreversible" in shown["text"]
    assert "remove /home/alice and everything in it: irreversible" in shown["markdown"]
    assert '"irreversible": true' in shown["json"]
    assert all(
        "home" in shown[form] and "/home/alice, irreversible" in shown[form] for form in ("text", "markdown")
    )
    target = booted.run("sha256sum", "/etc/shadow").stdout.split()[0]
    apply(booted, absent("delete"))

    assert gone(booted)
    assert target != booted.run("sha256sum", "/etc/shadow").stdout.split()[0], "the account went"
    assert "root:" in booted.read("/etc/shadow"), "the link in the home was not followed"
    assert "" == booted.run("sh", "-c", "ls -A /var/lib/reconciler/archive 2>/dev/null || true").stdout
    told = booted.reconciler("rollback", "--auto-approve").stdout

    assert "/home/alice does not come back: `home: delete` is irreversible" in told
    assert HASH == booted.getent("shadow", "alice")[1]


def test_nothing_is_removed_while_somebody_works_in_it(booted: BootedHost) -> None:
    """A login session is ended; a process that goes on stops the removal, is named, and nothing has gone.

    Afterwards the apply goes on.
    """
    furnished(booted)
    unit = (
        "systemd-run",
        "--unit=job",
        "--property=User=alice",
        "--property=KillMode=process",
        "sleep",
        "1000000",
    )
    booted.run(*unit)
    files = home(booted)
    told = apply(booted, absent("archive"), code=6)

    assert "processes of the account are left" in told
    assert "(sleep)" in told
    assert "alice" == booted.getent("passwd", "alice")[0]
    assert files == home(booted)
    booted.run("systemctl", "stop", "job.service")
    apply(booted, absent("archive"))

    assert gone(booted)


def test_the_number_of_an_account_that_went_is_nobodys(booted: BootedHost) -> None:
    """The next account and the next group do not get the numbers that files of the
    old ones may still carry.
    """
    furnished(booted)
    uid = booted.getent("passwd", "alice")[2]
    apply(booted, BEFORE.replace("  bob: {}", "  bob: {}\n  zoe: {}"))
    last = booted.getent("passwd", "zoe")[2]
    apply(booted, absent("keep") + "  zoe: {state: absent, home: keep}\n")
    apply(booted, absent("keep") + "  zoe: {state: absent, home: keep}\n  carl: {}\n  dora: {}\n")
    numbers = {booted.getent("passwd", name)[2] for name in ("carl", "dora")}

    assert not numbers & {uid, last}
    assert not {booted.getent("group", name)[2] for name in ("carl", "dora")} & {uid, last}


def test_a_mount_in_the_home_stops_the_removal(booted: BootedHost) -> None:
    """Data on another file system is not the account's: nothing is archived and nothing removed until it is
    unmounted.
    """
    furnished(booted)
    booted.run("mount", "-t", "tmpfs", "tmpfs", "/home/alice/model/deep")
    booted.write("/home/alice/model/deep/theirs", "data\n")
    told = apply(booted, absent("delete"), code=6)

    assert "/home/alice/model/deep is a mount point" in told
    assert "data\n" == booted.read("/home/alice/model/deep/theirs")
    assert "alice" == booted.getent("passwd", "alice")[0]
    booted.run("umount", "/home/alice/model/deep")
    apply(booted, absent("delete"))

    assert gone(booted)
