"""Paths that a field names pass the rules of paths that are names: the deny list, who may be given what, one
resource for one path.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from reconciler.core.changes import Change, Origin, Verb
from reconciler.core.diagnostic import Diagnostic
from reconciler.kinds import discover
from reconciler.policy.given import on_host
from reconciler.policy.lint import lint
from reconciler.policy.paths import claimed_on_host
from tests.engine.workbench import host_of, spec_of

FILE = {"content": "x", "mode": "0644"}
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGuGsnP/NPzhnWuATv9aP1dHraTqoi8dScAeUt23h1tL alice@laptop"
GIVEN = ("deny-list", "system-directory")


def refused(**resources: Mapping[str, Any]) -> list[Diagnostic]:
    """The refusals of a spec by the rules."""
    return [item for item in lint(spec_of(resources), discover()) if item.refusal]


def log(**said: Any) -> dict[str, Any]:
    """A policy of logrotate's."""
    return {"x": {"paths": ["/var/log/x.log"], "frequency": "daily"} | said}


def service(**said: Any) -> dict[str, Any]:
    """A service that runs as app."""
    return {"x": {"exec_start": ["/usr/bin/sleep", "inf"], "user": "app"} | said}


def backup(**said: Any) -> dict[str, Any]:
    """A backup job."""
    return {"x": {"sources": ["/etc"], "destinations": ["/backup"], "schedule": "daily"} | said}


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/etc",
            "/etc/profile.d",
            "/etc/opt",
            "/etc/cron.d",
            "/etc/sudoers.d",
            "/etc/systemd/system",
            "/etc/pam.d",
            "/etc/new",
        ),
        *(
            "/usr",
            "/usr/bin",
            "/usr/sbin",
            "/usr/local",
            "/usr/local/sbin",
            "/usr/local/bin",
            "/usr/local/lib/x",
            "/usr/share/x",
        ),
        *(
            "/boot",
            "/boot/grub",
            "/srv",
            "/mnt",
            "/opt",
            "/media",
            "/home",
            "/root",
            "/root/x",
            "/run",
            "/tmp",
            "/var/tmp",
            "/dev/shm/x",
        ),
        *(
            "/var",
            "/var/lib",
            "/var/log",
            "/var/backups",
            "/var/spool/cron",
            "/var/spool/cron/crontabs",
            "/var/lib/dpkg/info",
            "/bin",
        ),
        *(
            "/var/lib/reconciler",
            "/var/lib/reconciler/archive",
            "/opt/reconciler",
            "/opt/reconciler/bin",
            "/lib/systemd",
            "/proc/1",
            "/snap/bin",
        ),
        *("/var/lib/docker", "/var/lib/cloud/scripts", "/var/lib/polkit-1"),
    ],
)
def test_nobody_is_given_a_directory_of_the_system(path: str) -> None:
    """Not as a home, and not as a directory with an owner; the place and the reason are told, and that no
    flag helps.
    """
    for spec in (
        {"users": {"mallory": {"home": path}}},
        {"users": {"mallory": {"home": path, "system": True, "adopt": True}}},
        {"directories": {path: {"mode": "0755", "owner": "mallory", "adopt": True}}},
    ):
        (said,) = refused(**spec)

        assert said.rule in GIVEN, spec
        assert said.detail.startswith(path), spec
        assert said.source is not None, spec
        assert "no flag that overrides" in said.detail, spec


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/srv/app",
            "/var/lib/app",
            "/opt/app",
            "/data/app",
            "/data",
            "/usr/local/nagios",
            "/var/www",
            "/var/spool/news",
            "/home/other",
        ),
        *(
            "/srv/app/data",
            "/opt/reconciler2",
            "/var/lib/reconciler-data",
            "/etcetera",
            "/mnt/disk",
            "/var/cache/app",
            "/run/app",
        ),
    ],
)
def test_what_services_need_can_be_said(path: str) -> None:
    """A directory of its own for a service's account, as its home or as a directory."""
    assert [] == refused(users={"app": {"home": path, "system": True}})
    assert [] == refused(
        users={"app": {"system": True}}, directories={path: {"mode": "0750", "owner": "app", "group": "app"}}
    )


@pytest.mark.parametrize(
    ("path", "mode", "group"),
    [
        *(
            ("/etc/cron.d", "0777", "root"),
            ("/etc/sudoers.d", "0775", "adm"),
            ("/usr/local/bin", "2775", "staff"),
            ("/opt", "1777", "root"),
        ),
        *(
            ("/opt/reconciler", "0770", "ops"),
            ("/srv", "0773", "root"),
            ("/tmp", "0777", "root"),
            ("/var/log", "0777", "root"),
        ),
    ],
)
def test_a_mode_gives_too(path: str, mode: str, group: str) -> None:
    """Root's own directory in which others can write is refused where it is the system's, and the text says
    who would write.
    """
    (said,) = refused(directories={path: {"mode": mode, "group": group}})

    assert ("system-directory", True) == (said.rule, f"mode {mode}" in said.detail)


@pytest.mark.parametrize(
    ("path", "mode", "group"),
    [
        *(
            ("/tmp", "1777", "root"),
            ("/var/tmp", "1777", "root"),
            ("/var/log", "2775", "syslog"),
            ("/var/mail", "2775", "mail"),
        ),
        *(
            ("/etc/x", "0775", "root"),
            ("/etc/x", "2750", "adm"),
            ("/srv/x", "0777", "root"),
            ("/srv/x", "2770", "devs"),
        ),
    ],
)
def test_modes_that_give_nothing_of_the_system(path: str, mode: str, group: str) -> None:
    """Modes that a distribution ships, directories that only root's group may write to, and places of one's
    own are not refused.
    """
    assert [] == refused(directories={path: {"mode": mode, "group": group}})


def test_what_our_command_is_in() -> None:
    """Who owns a directory above the program that applies can put another one there."""
    settings = {"command": "/srv/tools/bin/reconciler"}
    for path in ("/srv/tools/bin", "/srv/tools"):
        (said,) = refused(settings=settings, users={"ann": {"home": path}})

        assert "/srv/tools/bin/reconciler" in said.detail
    assert [] == refused(settings=settings, users={"ann": {"home": "/srv/tool"}})


def test_the_advice_about_a_home_is_right() -> None:
    """The advice about daemon's /usr/sbin, written to the letter, is refused no more."""
    (said,) = refused(users={"daemon": {"home": "/usr/sbin", "system": True}})

    assert "`home: {path: /usr/sbin, manage: false}`" in said.detail
    assert [] == refused(users={"daemon": {"home": {"path": "/usr/sbin", "manage": False}, "system": True}})


def test_homes_of_others() -> None:
    """No home in another's, none around another's, and nothing in a person's home for somebody else; both
    names are told.
    """
    cases: list[tuple[dict[str, Any], str]] = [
        (
            {"users": {"ann": {}, "bob": {"home": "/home/ann/x"}}},
            "/home/ann/x would be bob's own: it is in /home/ann, the home of ann",
        ),
        ({"users": {"ann": {}, "bob": {"home": "/home/ann/x/y/z"}}}, "it is in /home/ann, the home of ann"),
        (
            {"users": {"ann": {"home": "/srv/p/ann"}, "bob": {"home": "/srv/p"}}},
            "/srv/p/ann, the home of ann, is in it",
        ),
        (
            {
                "users": {"ann": {"home": "/srv/p/q/ann"}},
                "directories": {"/srv/p": {"mode": "0755", "owner": "bob"}},
            },
            "the home of ann",
        ),
        (
            {"users": {"ann": {"home": "/srv/p/ann"}}, "directories": {"/srv/p": {"mode": "0777"}}},
            "writable for everybody",
        ),
        (
            {
                "users": {"ann": {"home": "/srv/p/ann"}},
                "directories": {"/srv/p": {"mode": "2775", "group": "hr"}},
            },
            "writable for group hr",
        ),
        (
            {"users": {"ann": {}}, "directories": {"/home/ann/x": {"mode": "0755", "owner": "bob"}}},
            "the home of ann",
        ),
        (
            {
                "users": {"app": {"home": "/srv/app", "system": True}},
                "directories": {"/srv/app/.ssh": {"mode": "0755", "owner": "bob"}},
            },
            "app",
        ),
    ]
    for spec, words in cases:
        said = refused(**spec)

        assert {"anothers-home"} == {item.rule for item in said}, spec
        assert any(words in item.detail for item in said), (spec, [item.detail for item in said])


def test_what_may_be_beside_homes() -> None:
    """One's own directories in one's home, others' in that of a service, and a parent that is root's."""
    fine: list[dict[str, Any]] = [
        {"users": {"ann": {}}, "directories": {"/home/ann/x": {"mode": "0755", "owner": "ann"}}},
        {"users": {"ann": {}}, "directories": {"/home/ann/x": {"mode": "0755"}}},
        {
            "users": {"app": {"home": "/srv/app", "system": True}},
            "directories": {"/srv/app/up": {"mode": "0755", "owner": "www"}},
        },
        {
            "users": {"ann": {"home": "/srv/p/ann"}, "bob": {"home": "/srv/p/bob"}},
            "directories": {"/srv/p": {"mode": "0755"}},
        },
        {"users": {"ann": {"home": "/srv/ann"}, "annie": {"home": "/srv/annie"}}},
        {"users": {"a": {"system": True}, "b": {"system": True}}},
        {"users": {"ann": {"state": "absent", "home": "keep"}, "bob": {"home": "/home/ann/x"}}},
    ]
    for spec in fine:
        assert [] == refused(**spec), spec


TWICE: list[tuple[str, dict[str, Any], str, str]] = [
    (
        "/etc/sudoers.d/ann",
        {"users": {"ann": {"sudo": [{"run": "ALL"}]}}, "files": {"/etc/sudoers.d/ann": FILE}},
        "users.ann",
        "files",
    ),
    ("/home/ann/.ssh/authorized_keys", {"users": {"ann": {"ssh_keys": [KEY]}}}, "users.ann", "files"),
    (
        "/srv/ann/.ssh/authorized_keys",
        {"users": {"ann": {"ssh_keys": [KEY], "home": "/srv/ann"}}},
        "users.ann",
        "files",
    ),
    (
        "/srv/ann/.ssh/authorized_keys2",
        {"users": {"ann": {"home": "/srv/ann"}}, "ssh_keys": {"ann": [KEY]}},
        "ssh_keys.ann",
        "files",
    ),
    ("/home/ann/.ssh", {"users": {"ann": {"ssh_keys": [KEY]}}}, "users.ann", "directories"),
    ("/home/ann", {"users": {"ann": {}}}, "users.ann", "directories"),
    ("/srv/sftp/cust", {"users": {"cust": {"home": "/srv/sftp/cust"}}}, "users.cust", "directories"),
    ("/home/ann/exp", {"users": {"ann": {"directories": ["exp/data", "exp"]}}}, "users.ann", "directories"),
    (
        "/etc/bash.bashrc",
        {"users": {"ann": {"aliases": {"x": "ls"}}, "bob": {"aliases": {"x": "ls"}}}},
        "users.ann",
        "files",
    ),
    (
        "/etc/profile.d/reconciler.sh",
        {"users": {"ann": {"environment": {"set": {"A": "1"}}}}},
        "users.ann",
        "files",
    ),
    ("/etc/reconciler/profile/ann.sh", {"users": {"ann": {"aliases": {"x": "ls"}}}}, "users.ann", "files"),
    (
        "/srv/one",
        {"users": {"ann": {"home": "/srv/one"}, "bob": {"home": "/srv/one"}}},
        "users.ann",
        "users.bob",
    ),
    ("/home/ann", {"users": {"ann": {}, "bob": {"home": "/home/ann"}}}, "users.ann", "users.bob"),
]


@pytest.mark.parametrize(
    ("path", "spec", "first", "second"), TWICE, ids=[f"{path} {second}" for path, _, _, second in TWICE]
)
def test_one_path_has_one_resource(path: str, spec: dict[str, Any], first: str, second: str) -> None:
    """Whatever part of a user stands for it; both names are in the error, once."""
    more = (
        {"files": {path: FILE}}
        if second == "files"
        else {"directories": {path: {"mode": "0755"}}}
        if second == "directories"
        else {}
    )
    said = [item for item in refused(**(spec | more)) if item.rule == "one-path"]

    assert 1 == len(said)
    assert all(name in said[0].detail for name in (path, first, second))


def test_a_home_that_is_somebody_elses_by_design() -> None:
    """It gives nothing and claims nothing, wherever it is; keys below it still have one resource."""
    foreign = {
        "cust": {"home": {"path": "/srv/sftp/cust", "manage": False}},
        "www-data": {"home": {"path": "/usr/sbin", "manage": False}},
    }
    chroot = {"/srv/sftp/cust": {"mode": "0755"}, "/srv/sftp/cust/up": {"mode": "0755", "owner": "cust"}}

    assert [] == refused(users=foreign, directories=chroot)
    keyed = {"cust": {"home": {"path": "/srv/sftp/cust", "manage": False}, "ssh_keys": [KEY]}}
    (said,) = refused(users=keyed, directories={"/srv/sftp/cust/.ssh": {"mode": "0755"}})
    assert "one-path" == said.rule
    (said,) = refused(
        users=foreign, ssh_keys={"cust": [KEY]}, directories={"/srv/sftp/cust/.ssh": {"mode": "0755"}}
    )
    assert "one-path" == said.rule


def test_what_two_may_share() -> None:
    """The hooks of all users' profiles, and what is around a user's files; two lists of keys for one account
    have a rule of their own.
    """
    alias = {"aliases": {"x": "ls"}}
    around = {"/etc/reconciler": {"mode": "0755"}, "/home/ann/x": {"mode": "0755"}}

    assert [] == refused(users={"ann": alias, "bob": alias}, directories=around)
    both = lint(spec_of({"users": {"ann": {"ssh_keys": [KEY]}}, "ssh_keys": {"ann": [KEY]}}), discover())
    assert ["keys-twice"] == [item.rule for item in both]


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/etc/shadow",
            "/etc/passwd",
            "/e?c/shadow",
            "/usr/bin/su",
            "/bin/su",
            "/var/lib/reconciler/*",
            "/etc/sudoers.d/*",
            "/",
        ),
        *(
            "/*",
            "/etc/*",
            "/[e]tc/sudoers",
            "/*/cron.d/*",
            "/var/lib/r*/state.db",
            "/var/lib/*/*",
            "/usr/local/*/su",
            "/*/*.log",
        ),
        *(
            "/usr/local/bin/reconciler",
            "/usr/local/bin/*",
            "/var/spool/cron/crontabs/root",
            "/var/lib/dpkg/status",
            "/etc/ssh/ssh_host_x",
        ),
        *(
            "/root/.ssh/authorized_keys",
            "/home/*/.ssh/*",
            "/home/ann/.s*/authorized_keys",
            "/root/.profile",
            "/root/.*",
        ),
    ],
)
def test_logs_are_held_against_the_deny_list(path: str) -> None:
    """logrotate runs as root, and renames and removes what it is told to: patterns that can match count as
    what they match.
    """
    rules = [item.rule for item in refused(logrotate=log(paths=[path]))]

    assert ["deny-list"] == rules


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/var/log/*.log",
            "/var/log/*",
            "/srv/*/logs/*.log",
            "/home/*/logs/*.log",
            "/root/x.log",
            "/opt/app/*.log",
            "/var/lib/app/app.out",
        ),
        *(
            "/var/lib/*/log/*.log",
            "/usr/local/nagios/var/nagios.log",
            "/var/lib/docker/containers/*/*.log",
            "/var/log/[a-z]*/*.log",
            "/data/x",
            "/root/.pm2/logs/*.log",
            "/home/*/.pm2/logs/*.log",
            "/root/*.log",
        ),
    ],
)
def test_logs_that_are_logs(path: str) -> None:
    """Where logs are, in real configurations."""
    assert [] == refused(logrotate=log(paths=[path]))


@pytest.mark.parametrize(
    "path",
    [
        "/etc/pam.d",
        "/etc/cron.d",
        "/usr/bin",
        "/etc/systemd/system",
        "/var/lib/reconciler",
        "/boot",
        "/sys/x",
    ],
)
def test_where_old_logs_archives_and_output_go(path: str) -> None:
    """`olddir`, a destination, and what systemd opens for a service as root are written to by root."""
    service = {"exec_start": ["/usr/bin/true"], "user": "alice"}
    for spec in (
        {"logrotate": log(olddir=path)},
        {"backups": backup(destinations=["/backup", path])},
        {"services": {"x": {**service, "standard_output": f"append:{path}/x"}}},
        {"services": {"x": {**service, "standard_error": f"truncate:{path}/x"}}},
        {"services": {"x": {**service, "unit": "vendor", "standard_error": f"file:{path}/x"}}},
    ):
        assert ["deny-list"] == [item.rule for item in refused(**spec)], spec


def test_what_is_only_read_may_be_anywhere() -> None:
    """Sources, watched files, credentials, shells; and places for logs, archives and output that are
    nobody's.
    """
    service = {
        "exec_start": ["/usr/bin/true"],
        "standard_output": "journal",
        "standard_error": "file:/dev/null",
    }
    reading = {
        "watch": ["/etc/passwd"],
        "environment_file": ["-/etc/default/x"],
        "load_credential": {"a": "/etc/shadow"},
    }
    spec = {
        "services": {"x": {**service, **reading, "working_directory": "/usr/lib"}},
        "backups": backup(
            sources=["/etc", "/var/lib/reconciler", "/root"], destinations=["/mnt", "/var/backups/x"]
        ),
        "logrotate": log(olddir="/var/log/old"),
        "users": {
            "ann": {"shell": "/usr/bin/zsh", "environment": {"prepend": {"PATH": ["/usr/local/cuda/bin"]}}}
        },
    }

    assert [] == refused(**spec)


ACCOUNTS: dict[str, Any] = {
    "/etc/passwd": (
        "root:x:0:0::/root:/bin/sh\ndaemon:x:1:1::/usr/sbin:/bin/sh\ndb:x:105:105::/srv/db:/bin/sh\n"
        "www:x:33:33::/var/www:/bin/sh\n"
        "hand:x:1001:1001::/home/hand:/bin/sh\nold:x:1002:1002::/srv/people/old:/bin/sh\n"
    ),
    "/etc/login.defs": "ENV_SUPATH  PATH=/usr/sbin:/opt/admin/bin:/\nENV_PATH PATH=/opt/all/bin\n",
    "/srv/db": {"owner": "db"},
    "/home/hand": {"owner": "hand"},
    "/var/www": {},
    "/srv/his": {"owner": "ann"},
}


def on(
    paths: Mapping[str, Any], program: tuple[str, ...] = ("/opt/tools/ours",), **resources: Mapping[str, Any]
) -> list[str]:
    """The rules that refuse a spec in which everything changes, on a host with these paths besides."""
    spec = spec_of(resources)
    changes = [Change(declared.address, Verb.CREATE, Origin.INTENT) for declared in spec.resources]
    return [item.rule for item in on_host(changes, spec, discover(), host_of({**ACCOUNTS, **paths}), program)]


@pytest.mark.parametrize(
    "path",
    [
        "/opt/admin/bin",
        "/opt/admin",
        "/opt/admin/bin/x",
        "/opt/tools",
        "/opt/tools/ours",
        "/opt/tools/ours/lib",
    ],
)
def test_what_only_the_host_shows(path: str) -> None:
    """The directories on root's PATH and the place of our program are protected: themselves, above and below."""
    assert ["system-directory"] == on({}, users={"ann": {"home": path}})
    assert ["system-directory"] == on({}, directories={path: {"mode": "0777"}})
    assert [] == on({}, directories={path: {"mode": "0755"}})


@pytest.mark.parametrize(
    ("path", "refused_too"),
    [
        *(
            ("/home/hand", True),
            ("/home/hand/x", True),
            ("/srv/people", True),
            ("/srv/people/old", True),
            ("/srv/db", True),
        ),
        *(("/srv/db/x", False), ("/srv/db/.ssh", True)),
    ],
)
def test_homes_of_accounts_that_only_the_host_knows(path: str, *, refused_too: bool) -> None:
    """Persons' homes, and those that a service really owns; below the latter a directory may be another's, a
    home may not.
    """
    assert ["anothers-home"] == on({}, users={"ann": {"home": path}})
    assert (["anothers-home"] if refused_too else []) == on(
        {}, directories={path: {"mode": "0755", "owner": "ann"}}
    )


def test_what_a_host_lets_through() -> None:
    """A home that only the account file says, what is one's own already, PATH of others, a home whose account
    leaves in the same spec.
    """
    leaving = {"hand": {"state": "absent", "home": "keep"}, "ann": {"home": "/home/hand"}}

    assert [] == on({}, users={"ann": {"home": "/var/www"}})
    assert [] == on({}, ("/srv/his/venv",), users={"ann": {"home": "/srv/his"}})
    assert [] == on({}, users={"ann": {"home": "/opt/all/bin"}})
    assert [] == on({}, users=leaving)
    assert [] == on({}, users={"hand": {}, "ann": {"home": "/srv/people2"}})


@pytest.mark.parametrize(
    ("his", "given"), [("/home/hand", "/data/home/hand/x"), ("/data/home/hand", "/home/hand/x")]
)
def test_two_names_of_one_home(his: str, given: str) -> None:
    """Where /home is a link, a home by its real path is the same home, whichever of both has which name."""
    passwd = {"/etc/passwd": ACCOUNTS["/etc/passwd"].replace("/home/hand", his)}
    paths = {
        path: said
        for path, said in {**ACCOUNTS, **passwd, "/home": {"target": "/data/home"}}.items()
        if path != "/home/hand"
    }
    spec = spec_of({"users": {"ann": {"home": given}}})
    change = Change(spec.resources[0].address, Verb.CREATE, Origin.INTENT)
    (said,) = on_host([change], spec, discover(), host_of(paths), ())

    assert f"it is in {his}, the home of hand" in said.detail


MOUNTED = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n30 22 8:1 {} {} rw - ext4 /dev/sda1 rw\n"


@pytest.mark.parametrize(
    ("source", "point", "path", "rules", "words"),
    [
        (
            "/etc",
            "/srv/data",
            "/srv/data",
            ["system-directory"],
            "by a mount it is /etc, and that is the system's",
        ),
        ("/etc", "/srv/data", "/srv/data/cron.d", ["system-directory"], "by a mount it is /etc/cron.d"),
        ("/", "/srv/all", "/srv/all/usr/local/bin", ["system-directory"], "by a mount it is /usr/local/bin"),
        ("/home", "/srv/nfs", "/srv/nfs/hand", ["anothers-home"], "it is the home of hand"),
        ("/home", "/srv/nfs", "/srv/nfs/hand/x", ["anothers-home"], "it is in /home/hand, the home of hand"),
        ("/data/x", "/srv/x", "/srv/x/ann", [], ""),
    ],
)
def test_two_names_by_a_mount(source: str, point: str, path: str, rules: list[str], words: str) -> None:
    """What is mounted at a second place is as much the system's, or another's, there."""
    spec = spec_of({"users": {"ann": {"home": path}}})
    change = Change(spec.resources[0].address, Verb.CREATE, Origin.INTENT)
    host = host_of({**ACCOUNTS, "/proc/1/mountinfo": MOUNTED.format(source, point)})
    found = list(on_host([change], spec, discover(), host, ()))

    assert rules == [item.rule for item in found]
    assert all(words in item.detail for item in found)


def test_keys_of_an_account_that_only_the_host_knows() -> None:
    """Their file is in the home that its /etc/passwd says: a `files:` block for it is the second resource on
    one path.
    """
    twice = spec_of({"ssh_keys": {"old": [KEY]}, "files": {"/srv/people/old/.ssh/authorized_keys": FILE}})
    (said,) = claimed_on_host(twice, host_of(ACCOUNTS))

    assert ("one-path", True) == (said.rule, said.refusal)
    assert all(
        name in said.detail for name in ("ssh_keys.old", "files", "/srv/people/old/.ssh/authorized_keys")
    )
    once = spec_of({"ssh_keys": {"old": [KEY]}, "files": {"/srv/people/.ssh/authorized_keys": FILE}})
    assert [] == list(claimed_on_host(once, host_of(ACCOUNTS)))


@pytest.mark.parametrize(
    ("name", "directory", "path"),
    [
        ("dpkg", {"StateDirectory": "%N"}, "/var/lib/dpkg"),
        ("sudo", {"RuntimeDirectory": "%p"}, "/run/sudo"),
        ("systemd-linger", {"StateDirectory": "%P"}, "/var/lib/systemd/linger"),
        ("systemd-linger", {"StateDirectory": "app systemd/%j"}, "/var/lib/systemd/linger"),
        ("apt", {"CacheDirectory": "x:%N"}, "/var/cache/apt"),
        ("x", {"StateDirectory": "./dpkg//info/"}, "/var/lib/dpkg/info"),
        ("x", {"LogsDirectory": "apt"}, "/var/log/apt"),
        ("x", {"LogsDirectory": ["x", "journal"]}, "/var/log/journal"),
    ],
)
def test_systemd_gives_nobody_a_directory_of_the_system(
    name: str, directory: dict[str, Any], path: str
) -> None:
    """The name of the unit stands for a part of the path as well as the path itself does."""
    said = refused(services={name: service(directives={"Service": directory})["x"]})

    assert [path] == [item.detail.split(" would be app's own")[0] for item in said if item.rule in GIVEN]
    assert [] == refused(
        services={"app": service(directives={"Service": dict.fromkeys(directory, "%N")})["x"]}
    )


@pytest.mark.parametrize(
    ("spec", "owner"),
    [
        ({"users": {"carl": {"home": "/srv/carl"}}, "logrotate": log(paths=["/srv/carl/*.log"])}, "carl"),
        (
            {"users": {"carl": {"home": "/srv/carl"}}, "logrotate": log(paths=["/srv/carl/deep/*.log"])},
            "carl",
        ),
        ({"users": {"carl": {}}, "logrotate": log(paths=["/home/*/logs/*.log"])}, "carl"),
        ({"users": {"carl": {}}, "logrotate": log(olddir="/home/carl/old")}, "carl"),
        (
            {
                "services": service(directives={"Service": {"LogsDirectory": "w"}}),
                "logrotate": log(paths=["/var/log/w/*.log"]),
            },
            "app",
        ),
    ],
)
def test_root_does_not_rotate_in_what_the_spec_gives(spec: dict[str, Any], owner: str) -> None:
    """A home and a directory of systemd's for a service are somebody's after the apply: `su` is asked for."""
    (found,) = [item for item in lint(spec_of(spec), discover()) if item.rule == "su"]

    assert f"belong to {owner}, who could make root rotate" in found.detail
    spec["logrotate"]["x"]["su"] = {"user": owner, "group": owner}
    assert [] == [item for item in lint(spec_of(spec), discover()) if item.rule == "su"]


def test_root_rotates_beside_what_the_spec_gives() -> None:
    """A home that is not managed, a directory beside it, and root's own are no reason to ask."""
    for spec in (
        {
            "users": {"carl": {"home": {"path": "/srv/c", "manage": False}}},
            "logrotate": log(paths=["/srv/c/x.log"]),
        },
        {
            "users": {"carl": {"home": "/srv/carl"}},
            "logrotate": log(paths=["/srv/carla/*.log", "/srv/*.log"]),
        },
    ):
        assert [] == [item for item in lint(spec_of(spec), discover()) if item.rule == "su"]


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/etc/shadow", "it has the passwords of all accounts"),
        ("/etc/gshadow-", "it has the passwords of all accounts"),
        ("/etc", "/etc/shadow is in it, and it has the passwords of all accounts"),
        ("/var/lib/reconciler/state.db", "it is Reconciler's own state"),
        ("/var/lib", "/var/lib/reconciler is in it, and it is Reconciler's own state"),
        ("/etc/ssh/ssh_host_ed25519_key", "it is the host's own identity"),
        ("/root/.ssh/id_ed25519", "it can be somebody's private key"),
        ("/home/ann/.ssh", "it can be somebody's private key"),
    ],
)
def test_no_service_is_handed_a_secret_of_the_host(path: str, why: str) -> None:
    """systemd reads it as root, whoever the service runs as: by a credential and by a file of variables, a
    pattern of names too.
    """
    for said in ({"load_credential": {"c": path}}, {"environment_file": [f"-{path}"]}):
        (found,) = refused(services=service(**said))

        assert "deny-list" == found.rule
        assert f"{path} cannot be handed to app here: {why}." in found.detail
    assert [] == refused(services=service(user=None, load_credential={"c": path}))
    assert ["deny-list"] == [
        found.rule for found in refused(services=service(environment_file=["/etc/*shado?"]))
    ]


def test_what_a_service_may_be_handed() -> None:
    """Its own key, what is public, keys of certificates, and files of variables."""
    for path in (
        "/home/app/.ssh/id_ed25519",
        "/home/ann/.ssh/id_ed25519.pub",
        "/etc/ssl/private/x.key",
        "/etc/ml/app.env",
        "/srv/x.sshd",
    ):
        assert [] == refused(services=service(load_credential={"c": path}, environment_file=[path]))
