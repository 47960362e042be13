"""Who is said to become root by what root reads or runs does: each does it, on a booted Debian, and `id -u`
is the judge.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import pytest

from tests.booted.booted import BootedHost

pytestmark = pytest.mark.booted

SPEC = "/root/host.yaml"
PEOPLE = ("alice", "eve", "mallory", "carol")
PROOF = "/run/proof"
Data = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Attack:
    """A person's own writing, and what root does with it in the ordinary course of things.

    `path` stands in the words of the plan. The script that is written leaves a proof in a directory where
    only root can write; `instead` is another thing to do for it, whose output is the proof.
    """

    who: str
    path: str
    spec: Data
    trigger: str = ""
    writes: str = ""
    instead: str = ""
    before: str = ""
    content: str = ""


def unit(name: str, **fields: Any) -> Data:
    """A service that does one thing and ends."""
    return {"services": {name: {"type": "oneshot", "state": "stopped", **fields}}}


def file(path: str, content: str, mode: str = "0644") -> Data:
    """A file of root's."""
    return {"files": {path: {"content": content, "mode": mode}}}


def rule(name: str, *run: str) -> Data:
    """A rule of sudo's for an account that is there."""
    return {"users": {name: {"adopt": True, "sudo": [{"run": list(run), "password": False}]}}}


ATTACKS: dict[str, Attack] = {
    "given": Attack(
        "alice",
        "/srv/given/run",
        {
            "directories": {"/srv/given": {"owner": "alice", "mode": "0755", "adopt": True}},
            **unit("given", exec_start=["/srv/given/run"]),
        },
        "systemctl start given.service",
        before="mkdir -p /srv/given; install -m 0755 /bin/true /srv/given/run",
    ),
    "member": Attack(
        "carol",
        "/srv/member/run",
        {
            "users": {"carol": {"groups": ["dev"], "adopt": True}},
            **unit("member", exec_start=["/srv/member/run"]),
        },
        "systemctl start member.service",
        before="mkdir -p /srv/member; install -m 0775 -g dev /bin/true /srv/member/run",
    ),
    "acl": Attack(
        "alice",
        "/srv/acl",
        unit("acl", exec_start=["/srv/acl/run"]),
        "systemctl start acl.service",
        writes="/srv/acl/run",
        before="mkdir -p /srv/acl; setfacl -m u:alice:rwx /srv/acl",
    ),
    "environment": Attack(
        "eve",
        "/srv/eve.env",
        unit("environment", exec_start=["/bin/bash", "/opt/root.sh"], environment_file=["-/srv/eve.env"]),
        "systemctl start environment.service",
        writes="/home/eve/environment",
        before="install -o eve -m 0644 /dev/null /srv/eve.env; install -m 0755 /dev/null /opt/root.sh",
        instead="echo BASH_ENV=/home/eve/environment > /srv/eve.env",
    ),
    "plus": Attack(
        "alice",
        "/home/alice/plus",
        {
            "directories": {"/etc/systemd/system/plus.service.d": {"mode": "0755"}},
            **file(
                "/etc/systemd/system/plus.service.d/site.conf", "[Service]\nExecStartPre=+/home/alice/plus\n"
            ),
        },
        "systemctl daemon-reload; systemctl start plus.service",
        writes="/home/alice/plus",
        before=(
            "printf '[Service]\\nType=oneshot\\nUser=alice\\nExecStart=/bin/true\\n' >"
            " /usr/lib/systemd/system/plus.service"
        ),
    ),
    "capability": Attack(
        "alice",
        "CAP_DAC_OVERRIDE",
        unit(
            "capability",
            exec_start=["/home/alice/capability"],
            user="alice",
            directives={"Service": {"AmbientCapabilities": "CAP_DAC_OVERRIDE"}},
        ),
        "systemctl start capability.service; su alice -c 'sudo -n /bin/sh -c \"id -u >"
        " /run/proof/capability\"'",
        writes="/home/alice/capability",
        content="echo 'alice ALL=(ALL) NOPASSWD: ALL' >> /etc/sudoers.d/README",
    ),
    "timer": Attack(
        "mallory",
        "/home/mallory/timer",
        {"timers": {"tidy": {"exec_start": ["/home/mallory/timer"], "schedule": "daily"}}},
        "systemctl start tidy.service",
        writes="/home/mallory/timer",
    ),
    "daily": Attack(
        "eve",
        "/etc/cron.daily/site",
        file("/etc/cron.daily/site", "#!/bin/sh\nusermod -aG sudo eve\n", "0755"),
        "echo '%sudo ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/all; run-parts /etc/cron.daily",
        instead="sudo -n id -u",
    ),
    "piped": Attack(
        "mallory",
        "/home/mallory/piped",
        file("/etc/cron.weekly/piped", "#!/bin/sh\ncat /home/mallory/piped | sh\n", "0755"),
        "/etc/cron.weekly/piped",
        writes="/home/mallory/piped",
    ),
    "loop": Attack(
        "alice",
        "/home/alice/jobs",
        file(
            "/etc/cron.weekly/loop",
            '#!/bin/sh\nfor job in /home/alice/jobs/*.sh; do sh "$job"; done\n',
            "0755",
        ),
        "/etc/cron.weekly/loop",
        writes="/home/alice/jobs/loop.sh",
        before="mkdir -p /home/alice/jobs; chown alice /home/alice/jobs",
    ),
    "search": Attack(
        "carol",
        "/home/carol/search",
        file(
            "/etc/cron.weekly/search",
            "#!/bin/sh\nfind /home/carol/search -name '*.sh' -exec sh {} \\;\n",
            "0755",
        ),
        "/etc/cron.weekly/search",
        writes="/home/carol/search/search.sh",
        before="mkdir -p /home/carol/search; chown carol /home/carol/search",
    ),
    "tilde": Attack(
        "eve",
        "/home/eve/tilde",
        file("/etc/cron.weekly/tilde", "#!/bin/sh\n~eve/tilde\n", "0755"),
        "/etc/cron.weekly/tilde",
        writes="/home/eve/tilde",
    ),
    "copied": Attack(
        "mallory",
        "/home/mallory/copied",
        file(
            "/etc/cron.weekly/copied",
            "#!/bin/sh\ninstall -m 0755 /home/mallory/copied /usr/local/bin/copied\n",
            "0755",
        ),
        "/etc/cron.weekly/copied; copied",
        writes="/home/mallory/copied",
    ),
    "profile": Attack(
        "eve",
        "/home/eve/profile",
        file("/etc/profile.d/site.sh", "[ -r /home/eve/profile ] && . /home/eve/profile\n"),
        "bash -lc true",
        writes="/home/eve/profile",
    ),
    "path": Attack(
        "mallory",
        "/home/mallory/bin",
        file("/etc/cron.d/path", "PATH=/home/mallory/bin:/usr/bin:/bin\n* * * * * root path-of-root\n"),
        "PATH=/home/mallory/bin:/usr/bin:/bin path-of-root",
        writes="/home/mallory/bin/path-of-root",
        before="install -d -o mallory /home/mallory/bin",
    ),
    "rotated": Attack(
        "alice",
        "/home/alice/rotated",
        {
            "logrotate": {
                "site": {
                    "paths": ["/var/log/site.log"],
                    "frequency": "daily",
                    "postrotate": {"run": ["/home/alice/rotated"]},
                }
            }
        },
        "echo x > /var/log/site.log; logrotate -f /etc/logrotate.conf",
        writes="/home/alice/rotated",
    ),
    "backup": Attack(
        "alice",
        "/home/alice/dump",
        {
            "backups": {
                "site": {
                    "sources": ["/srv"],
                    "destinations": ["/var/backups/site"],
                    "schedule": "daily",
                    "keep": {"last": 3},
                    "before": [["/home/alice/dump"]],
                }
            }
        },
        "/usr/local/bin/reconciler backup run site",
        writes="/home/alice/dump",
        before="mkdir -p /var/backups/site",
    ),
    "tmpfiles": Attack(
        "mallory",
        "/etc/tmpfiles.d/site.conf",
        file(
            "/etc/tmpfiles.d/site.conf",
            "f+ /etc/sudoers.d/tmpfiles 0440 root root - mallory ALL=(ALL) NOPASSWD: ALL\n",
        ),
        "systemd-tmpfiles --create /etc/tmpfiles.d/site.conf",
        instead="sudo -n id -u",
    ),
    "generator": Attack(
        "alice",
        "/home/alice/generator",
        {
            "directories": {"/etc/systemd/system-generators": {"mode": "0755", "adopt": True}},
            **file("/etc/systemd/system-generators/site", "#!/bin/sh\nexec /home/alice/generator\n", "0755"),
        },
        "systemctl daemon-reload",
        writes="/home/alice/generator",
    ),
    "apt": Attack(
        "alice",
        "/home/alice/apt",
        file("/etc/apt/apt.conf.d/99site", 'APT::Update::Pre-Invoke {"/home/alice/apt || true";};\n'),
        "timeout 20 apt-get update -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts=/dev/null ||"
        " true",
        writes="/home/alice/apt",
    ),
    "alias": Attack(
        "eve",
        "/home/eve/alias",
        {"users": {"alice": {"adopt": True, "aliases": {"sudo": "/home/eve/alias"}}}},
        "su - alice -s /bin/bash -c \"bash -ic 'sudo id'\" </dev/null",
        writes="/home/eve/alias",
        before=(
            "echo 'alice ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/zz-alice; chmod 0440"
            " /etc/sudoers.d/zz-alice"
        ),
        content="sudo -n /bin/sh -c 'id -u > /run/proof/alias'",
    ),
    "own": Attack(
        "mallory",
        "/srv/mallory/run.sh",
        rule("mallory", "/srv/mallory/run.sh"),
        writes="/srv/mallory/run.sh",
        before="install -d -o mallory /srv/mallory; install -o mallory -m 0755 /bin/true /srv/mallory/run.sh",
        instead="sudo -n /srv/mallory/run.sh; cat /run/proof/own",
    ),
    "person": Attack(
        "eve",
        "/srv/common/report",
        {"timers": {"report": {"exec_start": ["/srv/common/report"], "schedule": "daily", "user": "admin"}}},
        "systemctl start report.service",
        writes="/srv/common/report",
        before=(
            "useradd -m -s /bin/bash admin; echo 'admin ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/admin;"
            " install -d -o eve /srv/common"
        ),
        content="sudo -n /bin/sh -c 'id -u > /run/proof/person'",
    ),
    "aliases": Attack(
        "mallory",
        "/srv/aliases.sh",
        {
            "files": {
                "/home/admin/.bash_aliases": {
                    "content": ". /srv/aliases.sh\n",
                    "owner": "admin",
                    "group": "admin",
                    "mode": "0644",
                    "adopt": True,
                }
            }
        },
        "su - admin -c 'bash -ic true' </dev/null",
        writes="/srv/aliases.sh",
        before="install -o mallory -m 0644 /dev/null /srv/aliases.sh",
        content="sudo -n /bin/sh -c 'id -u > /run/proof/aliases'",
    ),
    "inner": Attack(
        "mallory",
        "/srv/extra.sh",
        {
            "files": {"/opt/inner": {"content": "#!/bin/sh\n. /srv/extra.sh\n", "mode": "0755"}},
            **unit("inner", exec_start=["/opt/inner"]),
        },
        "systemctl start inner.service",
        writes="/srv/extra.sh",
        before="install -o mallory -m 0644 /dev/null /srv/extra.sh",
    ),
    "env": Attack(
        "eve",
        "/usr/bin/env",
        file("/etc/sudoers.d/site", "eve ALL=(root) NOPASSWD: /usr/bin/env\n", "0440"),
        instead="sudo -n env id -u",
    ),
}


def merged() -> Data:
    """One spec of all."""
    spec: Data = {"version": 1, "host": "testhost"}
    for attack in ATTACKS.values():
        for section, resources in attack.spec.items():
            for name, said in resources.items():
                spec.setdefault(section, {}).setdefault(name, {}).update(said)
    return spec


def script(name: str, attack: Attack) -> str:
    """The script that the person writes: run as root it leaves a proof."""
    return f"#!/bin/sh\n{attack.content or f'id -u > {PROOF}/{name}'}\n"


def proof(host: BootedHost, name: str, attack: Attack) -> str:
    """The number as which the thing that somebody wrote, or does himself, ran in the end."""
    target = attack.writes or attack.path
    if not attack.instead.startswith("sudo") or attack.writes:
        host.run(
            "su",
            attack.who,
            "-s",
            "/bin/sh",
            "-c",
            f"rm -f {target} 2>/dev/null; cat > {target} && chmod 0755 {target} || true",
            input=script(name, attack),
        )
    done = ""
    if attack.instead and not attack.instead.startswith("sudo"):
        host.run("su", attack.who, "-s", "/bin/sh", "-c", attack.instead)
    if attack.trigger:
        host.run("sh", "-c", attack.trigger, check=False)
    if attack.instead.startswith("sudo"):
        done = host.run("su", attack.who, "-s", "/bin/sh", "-c", attack.instead, check=False).stdout.strip()
    return done or host.run("cat", f"{PROOF}/{name}", check=False).stdout.strip()


def access(host: BootedHost) -> list[tuple[str, str]]:
    """Who is root on the host by what, as `access` has it."""
    said = host.reconciler("access", SPEC, "--to", "root", "--json")
    return sorted((row["account"], row["by"]) for row in json.loads(said.stdout)["access"])


@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
def test_who_is_said_to_become_root_does(suite: str) -> None:
    """Each of them is named by the plan with the path in question, and after the apply does what makes him
    root: `id -u` says 0.
    """
    with BootedHost(suite=suite) as host:
        host.write(SPEC, json.dumps({"version": 1, "host": "testhost", "groups": {"dev": {}}}))
        assert [] == access(host), "a fresh Debian makes nobody root"
        host.run("groupadd", "dev")
        for name in PEOPLE:
            host.run("useradd", "--create-home", "--shell", "/bin/bash", name)
            host.run("chmod", "0755", f"/home/{name}")
        host.run("mkdir", "-m", "0755", PROOF)
        host.run("sh", "-euc", "install -o mallory -m 0755 /bin/true /opt/theirs; chmod 0777 /usr/local/sbin")
        host.write("/etc/systemd/system/theirs.service", "[Service]\nExecStart=/opt/theirs\n")
        theirs = [
            ("", "root runs what is in /usr/local/sbin; everybody may write /usr/local/sbin"),
            ("", "sudo looks for programs in /usr/local/sbin; everybody may write /usr/local/sbin"),
            (
                "mallory",
                (
                    "root runs /opt/theirs because of /etc/systemd/system/theirs.service; mallory owns"
                    " /opt/theirs"
                ),
            ),
        ]
        assert theirs == access(host)
        host.run("chmod", "0755", "/usr/local/sbin")
        for attack in ATTACKS.values():
            host.run("sh", "-euc", attack.before or "true")
        host.write(SPEC, json.dumps(merged()))
        plan = host.reconciler("plan", SPEC, "--format", "json", check=False)
        rows = [
            row
            for row in json.loads(plan.stdout)["access"]
            if (row["effect"], row["what"]) == ("gains", "root")
        ]
        told = {
            name: any(attack.path in row["detail"] for row in rows if row["account"] == attack.who)
            for name, attack in ATTACKS.items()
        }

        assert dict.fromkeys(ATTACKS, True) == told, [
            (row["account"], row["detail"]) for row in rows
        ] or plan.stdout + plan.stderr

        done = host.reconciler("apply", SPEC, "--auto-approve", check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        became = {name: proof(host, name, attack) for name, attack in ATTACKS.items()}

        assert dict.fromkeys(ATTACKS, "0") == {
            name: re.sub(r"\s+", " ", said) for name, said in became.items()
        }


@pytest.mark.slow
def test_what_systemd_reads_for_a_service_is_told(booted: BootedHost) -> None:
    """A link of the service's own account leads systemd to any file; a secret is refused by name, and where a
    link leads to it now; a key that is root's is told as read.
    """
    host = booted
    host.run("useradd", "-m", "-s", "/bin/bash", "alice")
    host.run("mkdir", "-p", "-m", "0700", "/etc/ssl/private")
    host.write("/etc/ssl/private/x.key", "key\n", "0600")
    host.write("/home/alice/own", "hers\n")
    host.run("ln", "-s", "/home/alice/own", "/home/alice/cred")
    host.run("chown", "-h", "alice:", "/home/alice/cred")

    def planned(credential: str) -> tuple[int, str]:
        copies = "cp ${CREDENTIALS_DIRECTORY}/x /home/alice/got"
        spec = unit(
            "handed", user="alice", exec_start=["/bin/sh", "-c", copies], load_credential={"x": credential}
        )
        host.write(SPEC, json.dumps({"version": 1, "host": "testhost", **spec}))
        done = host.reconciler("plan", SPEC, check=False)
        return done.returncode, " ".join((done.stdout + done.stderr).split())

    code, said = planned("/etc/shadow")
    assert (3, True) == (
        code,
        "/etc/shadow cannot be handed to alice here: it has the passwords of all accounts." in said,
    ), said

    code, said = planned("/etc/ssl/private/x.key")
    assert (0, True) == (
        code,
        "alice reads /etc/ssl/private/x.key (services.handed: load_credential)" in said,
    ), said

    code, said = planned("/home/alice/cred")
    assert code == 0, said
    assert said.startswith(
        "alice becomes root (root reads for alice what is at /home/alice/cred; alice owns "
    ), said
    host.reconciler("apply", SPEC, "--auto-approve")
    host.run("ln", "-sfn", "/etc/shadow", "/home/alice/cred", user="alice")
    host.run("systemctl", "start", "handed.service")
    assert "root:" in host.run("cat", "/home/alice/got", user="alice").stdout

    host.reconciler("rollback", "--auto-approve")
    code, said = planned("/home/alice/cred")
    assert code == 3, said


@pytest.mark.slow
def test_whose_files_their_readers_pass_over(booted: BootedHost) -> None:
    """sshd reads its configuration whoever owns it, so its owner becomes root; sudo and cron pass over such a
    file, and nobody does.
    """
    host = booted
    host.run("useradd", "-m", "-s", "/bin/bash", "alice")
    lines = {
        "/etc/ssh/sshd_config.d/x.conf": "PermitRootLogin yes\n",
        "/etc/profile.d/x.sh": "X=1\n",
        "/etc/ld.so.conf.d/x.conf": "/usr/lib/x\n",
        "/etc/apt/apt.conf.d/x": "",
        "/etc/cron.d/x": "* * * * * root touch /run/proof\n",
        "/etc/sudoers.d/x": "alice ALL=(ALL) NOPASSWD: ALL\n",
    }
    for path, content in lines.items():
        mode = "0440" if "sudoers" in path else "0644"
        said = {path: {"content": content, "mode": mode, "owner": "alice"}}
        host.write(SPEC, json.dumps({"version": 1, "host": "testhost", "files": said}))
        done = host.reconciler("plan", SPEC, "--json", check=False)
        data = json.loads(done.stdout)
        named = [row["account"] for row in data.get("access", ()) if row["what"] == "root"]
        assert (["alice"] if path not in ("/etc/cron.d/x", "/etc/sudoers.d/x") else []) == sorted(
            set(named)
        ), (path, done.stdout[:2000])
        host.write(path, content, mode)
        host.run("chown", "alice:", path)

    host.run("mkdir", "-p", "/run/sshd")
    assert "permitrootlogin yes" in host.run("sshd", "-T").stdout
    assert host.run("sudo", "-n", "id", "-u", user="alice", check=False).returncode != 0


@pytest.mark.slow
def test_who_writes_the_specification_is_root_at_the_next_apply(booted: BootedHost) -> None:
    """A plan that gives its place away is refused; what somebody did by hand is told by doctor and access,
    and it is so: `id -u` says 0.
    """
    host = booted
    host.run("useradd", "-m", "-s", "/bin/bash", "carol")
    host.run("mkdir", "-p", "/srv/hosts")
    spec = "/srv/hosts/h.yaml"
    host.write(spec, json.dumps({"version": 1, "host": "testhost"}))
    host.reconciler("install", spec, "--auto-approve")

    given = {
        "version": 1,
        "host": "testhost",
        "directories": {"/srv/hosts": {"owner": "carol", "mode": "0755", "adopt": True}},
    }
    host.write(SPEC, json.dumps(given))
    done = host.reconciler("plan", SPEC, check=False)
    assert (3, True) == (
        done.returncode,
        "/srv/hosts/h.yaml is in it" in " ".join((done.stdout + done.stderr).split()),
    ), done

    host.run("chown", "carol", "/srv/hosts")
    said = host.reconciler("doctor", check=False).stdout
    assert "carol becomes root: root applies /srv/hosts/h.yaml; carol owns /srv/hosts" in " ".join(
        said.split()
    ), said
    assert {"carol"} == {account for account, by in access(host) if "/srv/hosts" in by}

    rule = {
        "version": 1,
        "host": "testhost",
        "users": {"carol": {"adopt": True, "sudo": [{"run": "ALL", "password": False}]}},
    }
    host.run(
        "sh",
        "-c",
        "cat > /srv/hosts/new && mv -f /srv/hosts/new /srv/hosts/h.yaml",
        user="carol",
        input=json.dumps(rule),
    )
    host.run("systemctl", "start", "reconciler-apply.service")
    assert "0" == host.run("sudo", "-n", "id", "-u", user="carol").stdout.strip()


@pytest.mark.slow
def test_what_systemd_gives_a_service_is_refused_where_it_is_root(booted: BootedHost) -> None:
    """A directory of the system as StateDirectory=, and another file in place of one that su trusts: neither
    is applied.
    """
    host = booted
    host.run("useradd", "-m", "-s", "/bin/bash", "alice")
    for directive in ({"StateDirectory": "dpkg"}, {"BindReadOnlyPaths": "/srv/su:/etc/pam.d/su"}):
        spec = unit("given", user="alice", exec_start=["/bin/true"], directives={"Service": directive})
        host.write(SPEC, json.dumps({"version": 1, "host": "testhost", **spec}))
        done = host.reconciler("apply", SPEC, "--auto-approve", check=False)
        assert (3, True) == (done.returncode, "alice" in done.stdout + done.stderr), done
    assert host.run("stat", "-c", "%U", "/var/lib/dpkg").stdout.strip() == "root"
