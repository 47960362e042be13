"""The files that texts make root run, and the people whom they make root: for each sort of text, things that
count and things that do not.
"""

from __future__ import annotations

import pytest

from reconciler.policy.root_reach.readers import reader_of
from reconciler.policy.root_reach.texts.units import unit
from reconciler.policy.root_reach.texts.values import Grant, Mention, Reading, Use

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGh5c2lHOm5vdGFyZWFsa2V5bm90YXJlYWxrZXlub3Rh"
PRINT = "SHA256:0zNzXR9nwsJyY6uADhU2XHU6fNWJ0hwjRwPbd8YBlcs"
TEXTS: tuple[tuple[str, str, list[str]], ...] = (
    (
        "cron",
        "SHELL=/a/sh\n0 3 * * * root /a/x\n5 5 * * * alice /a/y\n",
        ["/a/sh", "/a/x", "alice: /a/sh", "alice: /a/y"],
    ),
    ("cron", "@reboot root cd /a && ./x%input\n", ["/a/x"]),
    ("cron", "0 3 * * * root gpasswd -a eve docker\n", ["eve"]),
    ("cron", "0 3 * * * root chmod u+s /bin/x\n", ["everybody"]),
    ("cron", "0 3 * * * root passwd -d root\n", ["everybody"]),
    ("crontab", "0 3 * * * /a/x\n", ["/a/x"]),
    ("anacron", "1 5 daily /a/x --now\n", ["/a/x"]),
    ("shell", "#!/usr/bin/python3 /a/x.py\nimport os\n", ["/usr/bin/python3", "/a/x.py"]),
    ("shell", "#!/bin/sh\nuseradd -o -u 0 eve\n", ["/bin/sh", "eve"]),
    ("shell", "#!/bin/sh\necho 'x' >> /etc/sudoers.d/x\n", ["/bin/sh", "?"]),
    ("shell", "nc -l -p 99 -e /bin/sh\n", ["everybody"]),
    ("shell", "setcap cap_setuid+ep /usr/bin/x\n", ["everybody"]),
    (
        "logrotate",
        "/var/log/x {\n su alice alice\n compresscmd /a/zip\n postrotate\n /a/x\n endscript\n}\n",
        ["alice: /a/zip", "/a/x"],
    ),
    ("logrotate", "include /a/d\n/var/log/x {\n compresscmd /a/zip\n}\n", ["/a/d", "/a/zip"]),
    ("backup", '{"before": [["/a/x"], ["/bin/sh", "-c", "/a/y"]]}', ["/a/x", "/bin/sh", "/a/y"]),
    ("backup", "no JSON", []),
    ("apt", '// "/a/no"\nAPT::Update::Post-Invoke-Success {"test -x /a/x && /a/x";};\n', ["/a/x"]),
    ("apt", 'Acquire::http::Proxy "http://proxy";\n', []),
    ("dpkg", "pre-invoke=/a/x\nno-debsig\n", ["/a/x"]),
    ("udev", 'ACTION=="add", PROGRAM="/a/x %k", SYMLINK+="y"\n', ["/a/x"]),
    ("udev", 'KERNEL=="nvme*", MODE="0666"\n', ["everybody"]),
    ("udev", 'KERNEL=="ttyUSB*", MODE="0666", GROUP="dialout"\n', []),
    ("modprobe", "options x a=1\nremove x /a/y\n", ["/a/y"]),
    ("sysctl", "kernel.core_pattern=core\nkernel.modprobe = /a/x\n", ["/a/x"]),
    ("binfmt", ":x:M::MZ::/a/wine:\n", ["/a/wine"]),
    ("interfaces", "iface eth0 inet dhcp\n post-up /a/x\n", ["/a/x"]),
    ("environment", 'PATH="/a/bin:/usr/bin"\nLANG=C\n', ["/a/bin", "/usr/bin"]),
    ("environment", "DAEMON=/a/x\n", ["/a/x"]),
    ("login_defs", "ENV_SUPATH\tPATH=/a/bin\nUMASK 022\n", ["/a/bin"]),
    (
        "sudo_conf",
        "Path askpass /a/no\nPath noexec /a/x\nPlugin x /a/y.so\nSet disable_coredump false\n",
        ["/a/x", "/a/y.so"],
    ),
    ("ld_so", "include /a/d/*.conf\n/a/lib\n", ["/a/d", "/a/lib"]),
    ("pam", "auth sufficient pam_permit.so\n", ["everybody"]),
    ("pam", "auth required pam_permit.so\naccount sufficient pam_permit.so\n", []),
    ("pam", "auth sufficient pam_rootok.so\n", []),
    ("pam", "auth [success=done default=ignore] pam_succeed_if.so quiet user = eve\n", ["eve"]),
    ("pam", "auth sufficient pam_wheel.so trust group=dev\n", ["%dev"]),
    ("pam", "session optional pam_exec.so /a/x\nauth required /a/pam_x.so\n", ["/a/x", "/a/pam_x.so"]),
    ("pam", "auth required /lib/x86_64-linux-gnu/security/pam_x.so\n", []),
    ("security", "*;*;eve;Al0000-2400;audio\n", []),
    ("security", "*;*;*;Al0000-2400;disk\n", ["everybody"]),
    ("security", "LD_PRELOAD DEFAULT=/a/x.so\n", ["/a/x.so"]),
    ("security", "none eve\ncap_sys_admin @dev\n", ["%dev"]),
    ("polkit", "[x]\nIdentity=unix-user:eve;unix-group:dev\nAction=*\nResultAny=yes\n", ["eve", "%dev"]),
    ("polkit", "polkit.addAdminRule(function(a, s) { return ['unix-user:eve']; });", ["eve"]),
    ("polkit", "polkit.addRule(function(a, s) { return polkit.Result.YES; });", ["everybody"]),
    (
        "polkit",
        "polkit.addRule(function(a, s) { polkit.spawn(['/a/x']); return polkit.Result.AUTH_ADMIN; });",
        ["/a/x"],
    ),
    ("polkit_actions", '<action id="x.y"><defaults><allow_any>yes</allow_any></defaults></action>', []),
    (
        "polkit_actions",
        '<action id="org.freedesktop.systemd1.manage-units"><allow_active>yes</allow_active></action>',
        ["everybody"],
    ),
    (
        "polkit_actions",
        (
            '<action id="x"><allow_any>yes</allow_any><annotate'
            ' key="org.freedesktop.policykit.exec.path">/a/x</annotate></action>'
        ),
        ["/a/x"],
    ),
    (
        "polkit_actions",
        (
            '<action id="x"><allow_any>yes</allow_any><annotate'
            ' key="org.freedesktop.policykit.exec.path">/bin/sh</annotate></action>'
        ),
        ["/bin/sh", "everybody"],
    ),
    ("wireguard", "[Interface]\nPostUp = /a/x %i\nDNS = /a/no\n", ["/a/x"]),
    ("openvpn", "dev tun\nup /a/x\nplugin /a/y.so z\nlog /a/no\n", ["/a/x", "/a/y.so"]),
    (
        "rsyslog",
        '*.* ^/a/x\naction(type="omprog" binary="/a/y --z")\nmodule(load="/a/m.so")\n*.* /a/no\n',
        ["/a/x", "/a/y", "/a/m.so"],
    ),
    ("openssl", "[s]\nmodule = /a/x.so\nactivate = 1\nHOME = /a/no\n", ["/a/x.so"]),
    ("hosts_access", "sshd: ALL: spawn (/a/x %h) &\nsshd: 192.0.2.0/24: ALLOW\n", ["/a/x"]),
    ("crypttab", "disk /dev/sdb1 none luks,keyscript=/a/x\nswap /dev/sdb2 /dev/urandom swap\n", ["/a/x"]),
    ("sshd", 'Match host x exec "/a/x %h"\nProxyCommand /a/y %h\n', ["/a/x", "/a/y"]),
    (
        "doas",
        "deny eve\npermit :dev\npermit nopass eve as alice\npermit nopass eve cmd /usr/bin/id\n",
        ["%dev"],
    ),
    ("doas", "permit keepenv eve cmd vim\n", ["eve"]),
    ("sysusers", "u x - -\nu y 0\nm eve sudo\nm eve audio\n", ["y", "eve"]),
    ("tmpfiles", "d /run/x 0777 eve\nL+ /etc/cron.d/x - - - - /a/x\nC /srv/x - - - - /a/y\n", ["/a/x"]),
    ("tmpfiles", "d /etc/profile.d 0777 - -\na+ /etc/passwd - - - - u:eve:rw\n", ["everybody", "eve"]),
    ("tmpfiles", "f /usr/local/x 4755 root root\n", ["everybody"]),
    (
        "fstab",
        "/a/etc /etc/cron.d none bind 0 0\n/a/srv /srv none bind 0 0\n/dev/sdb1 /mnt auto user,suid 0 0\n",
        ["/a/etc", "everybody"],
    ),
    ("security", "BASH_ENV DEFAULT=/a/x\nLANG DEFAULT=/a/no\n", ["/a/x"]),
    (
        "sshd",
        "ForceCommand /a/x\nSubsystem sftp /a/y -x\nSubsystem z internal-sftp\nBanner /etc/shadow\n",
        ["/a/x", "/a/y", "everybody"],
    ),
    (
        "sshd",
        (
            "Match User root\n ForceCommand /a/x\nMatch Group dev\nForceCommand /a/y\nMatch all\nSetEnv"
            " BASH_ENV=/a/z\n"
        ),
        ["/a/x", "%dev: /a/y", "/a/z"],
    ),
    ("sshd", "Match User alice,eve Address 192.0.2.0/24\nForceCommand /a/x\n", ["alice: /a/x", "eve: /a/x"]),
    (
        "sshd",
        "StrictModes no\nAuthorizedKeysFile .ssh/x /a/keys/%u\nAuthorizedKeysCommand /a/x %u\nBanner none\n",
        ["/a/keys", "/a/x"],
    ),
    ("sshd", "AuthorizedKeysFile .ssh/x /a/keys/%u\nAuthorizedKeysCommand none\n", []),
    ("sshd", "Include /a/x.conf\nTrustedUserCAKeys /a/ca\nBanner /a/no\n", ["/a/x.conf", "/a/ca"]),
    ("authorized_keys", f"{KEY} eve@laptop\n# x\n{KEY}\n", []),
    ("credential_keys", f"{KEY} eve@laptop\n# x\n{KEY}\n", [f"the holder of {PRINT}"]),
    ("authorized_keys", f'command="/a/x --only" {KEY} eve\n', ["/a/x"]),
    (
        "docker",
        '{"runtimes": {"x": {"path": "/a/x"}}, "data-root": "/a/d", "group": "docker"}',
        ["/a/x", "/a/d"],
    ),
    ("docker", '{"hosts": ["tcp://0.0.0.0:2375"]}', ["everybody"]),
    ("dbus", '<policy user="eve"><allow send_destination="org.freedesktop.systemd1"/></policy>', ["eve"]),
    ("dbus_service", "[D-BUS Service]\nExec=/a/x\nUser=root\n", ["/a/x"]),
    ("dbus_service", "[D-BUS Service]\nExec=/a/x\nUser=alice\n", []),
    ("passwd", "root:x:0:0::/root:/a/sh\nalice:x:1:1::/:/a/sh\nx:x:2:2::/:\n", ["/a/sh", "alice: /a/sh"]),
    (
        "gitconfig",
        (
            '[core]\n\tfsmonitor = "/a/x"\n excludesfile = /a/no\n[alias]\ny = "!/a/y"\n[include] path ='
            " /a/z\n[user]\nname = /a/no\n"
        ),
        ["/a/x", "/a/y", "/a/z"],
    ),
    ("user_unit", "[Service]\nExecStart=/a/x\nExecStop=%h/x\n", ["/a/x"]),
    ("manager", '[Manager]\nDefaultEnvironment="LD_PRELOAD=/a/x.so"\n', ["/a/x.so"]),
)
UNITS: tuple[tuple[str, list[str]], ...] = (
    ("User=alice\nExecStart=/a/x\nEnvironmentFile=/a/env\n", ["alice: /a/x", "alice: /a/env"]),
    ("User=alice\nExecStart=!!/a/x\n", ["alice: /a/x"]),
    ("User=alice\nExecStart=!/a/x\nExecStop=+/a/y\n", ["/a/x", "/a/y"]),
    ("User=root\nExecStart=@/a/x argv0 /b\n", ["/a/x", "/b"]),
    ("DynamicUser=yes\nExecStart=/a/x\n", ["x: /a/x"]),
    ("ExecStart=/a/x\nExecStart=\nExecStart=/a/y\n", ["/a/y"]),
    ("ExecStart=/a/x \\\n  --more\nEnvironmentFile=-/a/env\n", ["/a/x", "/a/env"]),
    ('ExecStart=/bin/sh -c "exec /a/x"\n', ["/bin/sh", "/a/x"]),
    ("ExecStart=/usr/bin/python3 -m app\nWorkingDirectory=/a\n", ["/usr/bin/python3", "/a"]),
    (
        "ExecStart=/x\nRootDirectory=/a/root\nBindPaths=/a/bin:/usr/bin /a/no:/srv\n",
        ["/x", "/a/root", "/a/bin"],
    ),
    ("User=alice\nExecStart=/x\nAmbientCapabilities=~CAP_SYS_ADMIN\n", ["alice: /x", "alice"]),
    (
        "User=alice\nExecStart=/x\nCapabilityBoundingSet=CAP_SYS_ADMIN\nSupplementaryGroups=audio\n",
        ["alice: /x"],
    ),
    ("User=alice\nGroup=disk\nExecStart=/x\n", ["alice: /x", "alice"]),
    ("What=/a/etc\nWhere=/etc/cron.d\nOptions=bind,ro\n", ["/a/etc"]),
    ("User=alice\nExecStart=/x\nStateDirectory=app dpkg/info\nLogsDirectory=app\n", ["alice: /x", "alice"]),
    ("ExecStart=/x\nStateDirectory=dpkg\n", ["/x"]),
    (
        "User=alice\nExecStart=/x\nBindReadOnlyPaths=/a/pam:/etc/pam.d/su /etc/hosts /a/app:/etc/app\n",
        ["alice: /x", "alice: /a/pam", "/a/pam", "alice"],
    ),
    (
        "User=alice\nExecStart=/x\nBindPaths=/a/pam:/etc/pam.d/su\nNoNewPrivileges=yes\n",
        ["alice: /x", "alice: /a/pam"],
    ),
    (
        "User=alice\nExecStart=/x\nExtensionDirectories=/a/ext\n",
        ["alice: /x", "alice: /a/ext", "/a/ext", "alice"],
    ),
    (
        'Environment="P=/a/x" Q=/a/y\nExecStart=/bin/sh -c $P\nExecStop=/usr/bin/env ${Q} $R\n',
        ["/bin/sh", "/a/x", "/usr/bin/env", "/a/y"],
    ),
    ("Environment=GIT_SSH_COMMAND=/a/ssh\nExecStart=/x\n", ["/x", "/a/ssh"]),
    ("ExecStart=/bin/bash\nStandardInput=tty\n", ["/bin/bash", "everybody"]),
)


def found(readings: list[Reading]) -> list[str]:
    """Paths, with the account whose process uses them, people, and `?` for people whom the text names by
    their accounts; each once.
    """
    return list(dict.fromkeys(map(_word, readings)))


def _word(reading: Reading) -> str:
    if isinstance(reading, Use):
        return f"{reading.account}: {reading.path}" if reading.account else reading.path
    return "?" if isinstance(reading, Mention) else reading.who or "everybody"


@pytest.mark.parametrize(("reader", "text", "expected"), TEXTS)
def test_what_a_text_makes_of_root(reader: str, text: str, expected: list[str]) -> None:
    """The files that root runs or loads because of it, and the people whom it makes root; nothing else."""
    assert expected == found(list(reader_of(reader)(text)))


@pytest.mark.parametrize(("text", "expected"), UNITS)
def test_what_a_unit_makes_of_root(text: str, expected: list[str]) -> None:
    """Commands with root's rights, whatever User= says; and what a user gets who has not root's."""
    assert expected == found(list(unit("x.service", [f"[Service]\n{text}"])))


def test_every_reader_of_the_table_is_there() -> None:
    """A place whose reader is misspelt would be read by nobody."""
    from reconciler.policy.root_reach.places import PLACES
    from reconciler.policy.root_reach.texts import made_at_boot, rules, scripts, units

    known = {"", "unit", "profile"}
    named = {place.reader for place in PLACES}

    assert set() == {
        name
        for name in named - known
        if not any(hasattr(module, name) for module in (rules, made_at_boot, scripts, units))
    }


@pytest.mark.parametrize("name", sorted({reader for reader, _, _ in TEXTS}))
def test_nonsense_is_no_error(name: str) -> None:
    """A reader takes any text: what it cannot read makes nobody root."""
    for text in (
        "",
        "\n",
        "x",
        "= = =\n",
        ";;;;\n",
        "\u00ff\u0000\n",
        '"',
        "[",
        "{" * 50,
        "a " * 500,
        "/\n" * 20,
    ):
        assert [] == [one for one in reader_of(name)(text) if isinstance(one, Grant)]
