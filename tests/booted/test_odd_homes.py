"""Leavers and homes that no tool made: certificates, mounts, homes inside of homes, traps of their owners.

Judged by ssh, passwd, and by what is still there.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.booted.booted import BootedHost
from tests.booted.test_leavers import PACKAGES, PREPARE, SSH, apply, can_log_in, plan
from tests.breaking import some

pytestmark = pytest.mark.booted

GONE = "users: {eve: {state: absent, home: %s}}\n"
KEPT = GONE % "keep"
AGAIN = "loginctl terminate-user eve; pkill -9 -u eve; userdel -f eve; groupdel eve; rm -rf /home/eve"
CERTIFICATES = """
ssh-keygen -q -t ed25519 -N "" -f /root/ca
ssh-keygen -q -s /root/ca -I eves -n alpha -V +1d /root/key.pub
mkdir -p /etc/ssh/principals; echo alpha > /etc/ssh/principals/eve; cp /root/ca.pub /etc/ssh/ca.pub
printf 'TrustedUserCAKeys /etc/ssh/ca.pub\\nAuthorizedPrincipalsFile /etc/ssh/principals/%%u\\n' > /etc/ssh/sshd_config.d/ca.conf
systemctl reset-failed ssh; systemctl restart ssh
"""
MATCHED = """
printf 'Match User eve\\n AuthorizedKeysFile /srv/k/%%u.pub\\nMatch all\\n' > /etc/ssh/sshd_config.d/zz.conf
install -D -m 644 /root/key.pub /srv/k/eve.pub; systemctl reset-failed ssh; systemctl restart ssh
"""
NUMBERED = """
echo 'AuthorizedKeysFile /etc/ssh/byuid/%U' > /etc/ssh/sshd_config.d/aa.conf
install -D -m 644 /root/key.pub /etc/ssh/byuid/4444; systemctl reset-failed ssh; systemctl restart ssh
"""
WITHOUT = "rm -rf /etc/ssh/sshd_config.d/[az]*.conf /etc/ssh/sshd_config.d/ca.conf /root/key-cert.pub; systemctl reset-failed ssh; systemctl restart ssh"
STAYING = (
    ("mkdir /home/eve/mnt; mount --bind /srv/gold /home/eve/mnt", 6, "/home/eve/mnt is a mount point"),
    ("mount --bind /srv/gold /home/eve; chown eve /home/eve", 6, "/home/eve is a mount point"),
    ("usermod -d /home/eve/guest guest; mkdir /home/eve/guest", 4, "/home/eve is also where guest lives"),
    ("usermod -d /home/eve guest", 4, "/home/eve is also where guest lives"),
    ("usermod -d / eve", 4, "/ is a directory of the system"),
    ("usermod -d /srv eve", 4, "/srv is a directory of the system"),
    ("rm -rf /home/eve; ln -s /home/guest /home/eve", 4, "/home/eve is a link"),
    ("rm -rf /home/eve; ln -s /nowhere /home/eve", 4, "/home/eve is a link"),
)
"""Homes that are not deleted, whatever the spec says: how they came about, the exit code, and the reason."""
UNDONE = (
    "umount /home/eve/mnt /home/eve; usermod -d /home/guest guest; rm -rf --one-file-system /home/eve;"
    " usermod -d /home/eve eve; chage -E -1 eve; cp -r /etc/skel /home/eve; chown -R eve: /home/eve"
)
TRAPS = (
    ("ln -s /home/guest /home/foo/.ssh", "/home/foo/.ssh is a link"),
    ("ln -s /root/.ssh /home/foo/.ssh", "/home/foo/.ssh is a link"),
    (
        "install -d -o foo -m 700 /home/foo/.ssh; ln -s /root/.ssh/authorized_keys /home/foo/.ssh/authorized_keys",
        "/home/foo/.ssh/authorized_keys is a link",
    ),
    ("install -d -o foo -m 700 /home/foo/.ssh; mkfifo /home/foo/.ssh/authorized_keys", "is a FIFO"),
    ("mkdir -p /home/foo/.ssh/authorized_keys; chown -R foo /home/foo/.ssh", "is a directory"),
    ("install -d -o guest /home/foo/.ssh", "/home/foo/.ssh belongs to guest"),
)
"""Traps that the owner of a home lays for a key, and words of the reason."""
WITH_KEY = "users: {foo: {adopt: true, ssh_keys: ['KEY']%s}}\n"


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def debian(request: pytest.FixtureRequest) -> Iterator[BootedHost]:
    """A host with one administrator who stays, a guest, and something that must not be lost."""
    with BootedHost(suite=request.param, packages=PACKAGES) as host:
        host.run("sh", "-c", PREPARE)
        host.run("sh", "-c", "useradd -m guest; mkdir /srv/gold; echo gold > /srv/gold/bar; mkdir /srv/k")
        yield host


def with_certificate(host: BootedHost, name: str) -> bool:
    """Whether the key with its certificate logs in."""
    certificate = ("-o", "CertificateFile=/root/key-cert.pub")
    return host.run(*SSH, *certificate, f"{name}@127.0.0.1", "true", check=False).returncode == 0


@pytest.mark.parametrize(
    ("ways", "file"),
    [
        pytest.param(CERTIFICATES, "/etc/ssh/principals/eve", id="certificates"),
        pytest.param(MATCHED, "/srv/k/eve.pub", id="match"),
        pytest.param(NUMBERED, "/etc/ssh/byuid/4444", id="number"),
    ],
)
def test_the_next_of_the_name_does_not_log_in(ways: str, file: str, debian: BootedHost) -> None:
    """What let a leaver in, outside of the home and by whatever setting of sshd, goes with the account."""
    enters = with_certificate if ways is CERTIFICATES else can_log_in
    debian.run("sh", "-euc", f"useradd -m -u 4444 -s /bin/bash eve; {ways}")
    assert enters(debian, "eve")
    told = apply(debian, KEPT, "--adopt")

    assert f"remove {file}" in told
    debian.run("sh", "-euc", "rm -rf /home/eve; useradd -m -u 4444 -s /bin/bash eve")
    assert not enters(debian, "eve")
    debian.run("sh", "-c", f"{AGAIN}; {WITHOUT}; rm -rf /var/lib/reconciler")


def test_a_shared_group_and_a_program_of_a_leaver_are_told(debian: BootedHost) -> None:
    """userdel leaves both: the next of the name has others in the own group, and the next of the number the
    program that others run with those rights.
    """
    debian.run(
        "sh",
        "-euc",
        "useradd -m -u 4545 eve; gpasswd -a guest eve; install -o eve -m 4755 /bin/true /usr/local/bin/evetool",
    )
    told = apply(debian, KEPT, "--adopt")

    assert "/usr/local/bin/evetool belongs to uid 4545" in told
    assert "the group eve stays, guest is in it" in told
    assert ["guest"] == debian.getent("group", "eve")[3:]
    assert "4755" == debian.stat("/usr/local/bin/evetool").mode
    debian.run(
        "sh", "-c", f"rm /usr/local/bin/evetool; gpasswd -d guest eve; {AGAIN}; rm -rf /var/lib/reconciler"
    )


def test_the_last_administrator_of_a_group_does_not_leave(debian: BootedHost) -> None:
    """The only member of sudo, with the only password: refused, and able to log in as before."""
    debian.run("sh", "-euc", "mv /etc/sudoers.d/root2 /root; useradd -m -s /bin/bash -G sudo eve")
    debian.run("sh", "-euc", "echo eve:secret | chpasswd; cp /root/key.pub /etc/ssh/keys/eve")
    debian.run("sh", "-euc", "echo 'AuthorizedKeysFile /etc/ssh/keys/%u' > /etc/ssh/sshd_config.d/keys.conf")
    debian.run("systemctl", "restart", "ssh")
    told = apply(debian, KEPT, "--adopt", code=3)

    assert "eve loses root (sudo: ALL with a password)" in told
    assert can_log_in(debian, "eve")
    debian.run("sh", "-c", f"mv /root/root2 /etc/sudoers.d/; {AGAIN}; rm -rf /var/lib/reconciler")


def test_no_data_of_others_goes_with_a_home(debian: BootedHost) -> None:
    """A mount, another's home, a directory of the system, a link: the home stays, and so does all that is in
    it.
    """
    debian.run("useradd", "--create-home", "--shell", "/bin/bash", "eve")
    for before, code, words in some(STAYING, 0):
        debian.run("sh", "-euc", before)
        told = apply(debian, GONE % "delete", "--adopt", code=code)

        assert words in told, before
        assert (code == 6) == ("is deleted with all that is in it" in told), "no more is said than will be"
        assert "gold\n" == debian.read("/srv/gold/bar"), before
        assert debian.exists("/home/guest/.bashrc"), before
        assert debian.getent("passwd", "eve"), before
        if code == 6:
            assert "L" == debian.run("passwd", "--status", "eve").stdout.split()[1], "shut all the same"
        debian.run("sh", "-c", f"{UNDONE}; rm -rf /var/lib/reconciler")
    apply(debian, GONE % "delete", "--adopt")
    assert not debian.exists("/home/eve")
    assert "No changes" in plan(debian)
    debian.run("sh", "-c", f"{AGAIN}; rm -rf /var/lib/reconciler")


def test_no_trap_in_a_home_leads_root_elsewhere(debian: BootedHost) -> None:
    """Whatever lies where the key belongs: nobody else gets the key, and the plan says what is in the way."""
    key = debian.read("/root/key.pub").strip()
    debian.run(
        "sh", "-euc", "useradd -m -s /bin/bash foo; mkdir -p /root/.ssh; : > /root/.ssh/authorized_keys"
    )
    before = debian.manifest("/root/.ssh", "/home/guest")
    for trap, words in some(TRAPS, 1):
        debian.run("sh", "-euc", trap)
        told = apply(debian, (WITH_KEY % "").replace("KEY", key), code=4)

        assert words in told, trap
        assert before == debian.manifest("/root/.ssh", "/home/guest"), trap
        debian.run("rm", "-rf", "/home/foo/.ssh")
    apply(debian, (WITH_KEY % "").replace("KEY", key))
    debian.run("userdel", "--force", "foo", check=False)
    debian.run("sh", "-c", "rm -rf /home/foo /var/lib/reconciler")


def test_odd_homes_work(debian: BootedHost) -> None:
    """A home with others' files and links in it, one that root has, one on a disk of its own, one with a
    blank, a percent sign and letters of another alphabet.
    """
    debian.run(
        "sh",
        "-euc",
        "mkdir -p /home/foo/theirs; touch /home/foo/other; chown 7777 /home/foo/other; ln -s /etc /home/foo/etc;"
        " ln -s /etc/shadow /home/foo/.profile; mkdir /home/disk; mount -t tmpfs -o mode=755 x /home/disk;"
        " echo 'AuthorizedKeysFile .ssh/authorized_keys /etc/ssh/keys/%u' > /etc/ssh/sshd_config.d/keys.conf;"
        " systemctl reset-failed ssh; systemctl restart ssh",
    )
    before = debian.manifest("/home/foo/theirs", "/home/foo/other", "/home/foo/etc")
    key = debian.read("/root/key.pub").strip()
    rest = ", ".join(
        f"{name}: {{adopt: true, home: '{path}', ssh_keys: ['{key}']}}"
        for name, path in (("disk", "/home/disk"), ("odd", "/srv/Ö b %u"))
    )
    users = f"users: {{foo: {{adopt: true, ssh_keys: ['{key}']}}, {rest}}}\n"
    apply(debian, users)

    assert "No changes" in plan(debian)
    assert ["foo", "disk", "odd"] == [name for name in ("foo", "disk", "odd") if can_log_in(debian, name)]
    assert before == debian.manifest("/home/foo/theirs", "/home/foo/other", "/home/foo/etc")
    assert "root" == debian.stat("/etc").owner
