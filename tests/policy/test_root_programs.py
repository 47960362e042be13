"""Which programs amount to root for whom sudo lets run them, and which do not."""

from __future__ import annotations

import pytest

from reconciler.policy.root_reach.arguments import Asker, Reason, by_program
from reconciler.policy.root_reach.programs import name_of, shell_from
from tests.policy.test_writers import directory, file, writers_of

ROOT: tuple[tuple[str, str | None], ...] = (
    ("/usr/bin/vim", None),
    ("/usr/bin/vim.tiny", "/etc/motd"),
    ("/usr/bin/nano", "/etc/hosts"),
    ("/usr/bin/less", "/var/log/syslog"),
    ("/usr/bin/man", None),
    ("/usr/sbin/visudo", ""),
    ("/usr/bin/env", None),
    ("/usr/bin/env", "FOO=1 /bin/sh"),
    ("/usr/bin/nice", "-n 5 /usr/bin/python3.11"),
    ("/usr/bin/python3", None),
    ("/usr/bin/python3.11", ""),
    ("/usr/bin/perl", "/opt/*"),
    ("/usr/bin/bash", None),
    ("/bin/sh", ""),
    ("/bin/bash", "-l"),
    ("/bin/bash", "--login"),
    ("/usr/bin/su", ""),
    ("/usr/bin/su", "-"),
    ("/usr/bin/su", "- root"),
    ("/usr/bin/sudo", "-i"),
    ("/usr/bin/find", None),
    ("/usr/bin/find", "/srv *"),
    ("/usr/bin/find", "/srv -exec /bin/sh ;"),
    ("/usr/bin/tee", None),
    ("/usr/bin/tee", "/etc/motd.d/*"),
    ("/usr/bin/cp", None),
    ("/usr/bin/mv", None),
    ("/usr/bin/tar", None),
    ("/usr/bin/dd", None),
    ("/usr/bin/rsync", None),
    ("/usr/bin/awk", None),
    ("/usr/bin/sed", None),
    ("/usr/bin/git", None),
    ("/usr/bin/git", "-C /srv/app log"),
    ("/usr/bin/docker", None),
    ("/usr/bin/docker", "run -v /:/host alpine"),
    ("/usr/bin/docker", "run *"),
    ("/usr/bin/systemctl", None),
    ("/usr/bin/systemctl", "edit nginx"),
    ("/usr/bin/systemctl", "restart *"),
    ("/usr/bin/apt-get", None),
    ("/usr/bin/apt", "-o APT::Update::Pre-Invoke::=sh update"),
    ("/usr/bin/dpkg", None),
    ("/usr/bin/mount", None),
    ("/usr/bin/chmod", None),
    ("/usr/bin/chown", None),
    ("/usr/bin/ssh", None),
    ("/usr/bin/crontab", "-e"),
    ("/usr/bin/crontab", "-u root -e"),
    ("/usr/bin/passwd", ""),
    ("/usr/bin/passwd", "root"),
    ("/usr/sbin/usermod", "-aG sudo alice"),
    ("/usr/bin/mysql", ""),
    ("/usr/bin/at", "now"),
    ("/usr/bin/", None),
    ("/usr/bin/*", None),
    ("/usr/bin/py*", None),
    ("sudoedit", None),
    ("/usr/local/bin/reconciler", None),
    ("/usr/bin/busybox", "sh"),
    ("/usr/bin/busybox", "vi /etc/motd"),
    ("/usr/bin/linux64", None),
    ("/usr/bin/i386", None),
    ("/usr/bin/sqlite3", ""),
    ("/usr/bin/dmesg", "-H"),
    ("/usr/bin/apt", "changelog bash"),
    ("/usr/bin/nsenter", ""),
    ("/usr/bin/crontab", "-u root -"),
    ("/usr/sbin/login", "-f root"),
    ("/usr/bin/passwd", "-d root"),
    ("/usr/lib64/ld-linux-x86-64.so.2", None),
    ("^/usr/bin/(ls|ba.*)$", None),
)
HARMLESS: tuple[tuple[str, str | None], ...] = (
    ("/usr/bin/systemctl", "restart nginx"),
    ("/usr/bin/systemctl", "status nginx"),
    ("/usr/bin/apt-get", "update"),
    ("/usr/bin/id", None),
    ("/usr/bin/id", "-u"),
    ("/usr/bin/true", None),
    ("/usr/sbin/reboot", None),
    ("/usr/bin/python3", "/opt/site/report.py"),
    ("/usr/bin/bash", "/opt/site/report.sh"),
    ("/usr/bin/bash", "-c /usr/bin/id"),
    ("/usr/bin/env", "LANG=C /usr/bin/id"),
    ("/usr/bin/nice", "-n 5 /usr/bin/id"),
    ("/usr/bin/find", "/srv -name core -delete"),
    ("/usr/bin/tee", "/etc/motd"),
    ("/usr/bin/su", "- postgres"),
    ("/usr/bin/docker", "ps"),
    ("/usr/bin/docker", "restart web"),
    ("/usr/bin/passwd", "bob"),
    ("/usr/bin/crontab", "-l"),
    ("/usr/bin/git", "-C /srv/app pull"),
    ("/opt/site/", None),
    ("sudoedit", "/etc/nginx/nginx.conf"),
    ("/usr/local/bin/reconciler", "plan /etc/spec.yaml"),
    ("/usr/local/bin/reconciler", "apply /etc/spec.yaml"),
    ("/usr/bin/busybox", "ls /root"),
    ("/usr/bin/git", "--no-pager -C /srv/app log"),
    ("/usr/bin/dmesg", "--level err"),
    ("/usr/bin/whiptail", "--msgbox x 5 5"),
    ("/usr/bin/passwd", "-l root"),
    ("^/usr/bin/(ls|id)$", None),
)


def _words(arguments: str | None) -> tuple[str, ...] | None:
    return None if arguments is None else tuple(arguments.split())


@pytest.mark.parametrize(("program", "arguments"), ROOT)
def test_a_program_from_which_a_shell_is_one_step_is_root(program: str, arguments: str | None) -> None:
    """The reason is given, in words that begin small."""
    why = shell_from(program, _words(arguments))

    assert why
    assert why[0].islower()


@pytest.mark.parametrize(("program", "arguments"), HARMLESS)
def test_a_program_with_fixed_arguments_that_leave_nothing_open_is_not(
    program: str, arguments: str | None
) -> None:
    """Rules as administrators write them for one task are no alarm."""
    assert "" == shell_from(program, _words(arguments))


def test_version_and_flavour_are_no_part_of_a_name() -> None:
    """Debian's alternatives are the same programs."""
    names = [
        name_of(path)
        for path in (
            "/usr/bin/vim.basic",
            "/usr/bin/python3.11",
            "/usr/bin/nc.openbsd",
            "/usr/bin/php8.2",
            "/opt/7z",
        )
    ]

    assert ["vim", "python", "nc", "php", "7z"] == names


@pytest.mark.parametrize(
    ("program", "arguments", "account", "why"),
    [
        ("/srv/alice/run.sh", None, "alice", "alice owns /srv/alice"),
        ("/srv/alice/run.sh", "", "carol", ""),
        ("/usr/bin/python3", "/srv/alice/report.py", "alice", "alice owns /srv/alice"),
        ("/usr/bin/bash", "/srv/dev/job.sh", "carol", "the group dev may write /srv/dev/job.sh"),
        ("/usr/bin/bash", "/srv/dev/job.sh", "bob", ""),
        ("/usr/bin/vim", None, "carol", "an editor starts a shell"),
    ],
)
def test_who_can_write_what_sudo_lets_him_run_is_root(
    program: str, arguments: str | None, account: str, why: str
) -> None:
    """The program itself, and the script that a rule fixes as an argument, in a directory that is his or of a
    group of his.
    """
    paths = {
        "/srv/alice": directory(owner="alice"),
        "/srv/alice/run.sh": file(),
        "/srv/dev": directory(),
        "/srv/dev/job.sh": file("0775", group="dev"),
    }

    assert (Reason(why) if why else None) == by_program(
        program, _words(arguments), Asker(account, frozenset(), "", writers_of(paths))
    )
