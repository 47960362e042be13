"""Users on a real Debian, judged by getent, pwck, chage, sudo, su and the shells themselves."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

import pytest

from tests.booted.booted import BootedHost
from tests.breaking import some

SPEC = "/root/host.yaml"
STATE = "/var/lib/reconciler"
ACCOUNT_FILES = ("/etc/passwd", "/etc/shadow", "/etc/group", "/etc/gshadow", "/etc/subuid", "/etc/subgid")

ALICE = """\
  alice:
    comment: Alice, research
    groups: [ml-users, docker]
    directories: [experiments, papers/data]
    environment:
      prepend: {PATH: [/usr/local/cuda/bin], LD_LIBRARY_PATH: [/usr/local/cuda/lib64]}
      set: {PYTHONPATH: /opt/ml/lib, NASTY: "it's $HOME `id` \\\\ \\"x\\""}
    aliases: {gpu: nvidia-smi, jup: "jupyter lab --no-browser"}
    sudo:
      - {run: [/usr/bin/systemctl, restart, ml-api], password: false}
      - {run: [/usr/bin/id]}
    expires: 2037-06-30
"""
WHOLE = f"""\
version: 1
host: testhost
groups:
  ml-users: {{gid: 2000}}
  docker: {{system: true}}
users:
  ml-api: {{system: true}}
{ALICE}
directories:
  /opt/ml-api: {{owner: ml-api, group: ml-api, mode: "0750"}}
services:
  ml-api: {{exec_start: [/usr/bin/sleep, infinity], user: ml-api, working_directory: /opt/ml-api}}
"""
WITHOUT_ALICE = WHOLE.replace(ALICE, "")


MUCH = ("--allow", "many-destroyed")


def apply(host: BootedHost, spec: str, *options: str, code: int = 0) -> str:
    """Apply a spec without a question; the output."""
    host.write(SPEC, spec)
    done = host.reconciler("apply", SPEC, "--auto-approve", *options, check=False)

    assert code == done.returncode, done.stdout + done.stderr
    return done.stdout


def plan(host: BootedHost, code: int = 0) -> str:
    """Plan the spec that was applied last, with --detailed-exitcode; the output."""
    done = host.reconciler("plan", SPEC, "--detailed-exitcode", check=False)

    assert code == done.returncode, done.stdout + done.stderr
    return done.stdout


def complaints(host: BootedHost) -> set[str]:
    """The complaints of pwck and grpck; both also complain of a fresh Debian."""
    said = [host.run(program, "-r", check=False) for program in ("pwck", "grpck")]
    return {
        line
        for one in said
        for line in (one.stdout + one.stderr).splitlines()
        if not line.endswith("no changes")
    }


def accounts(host: BootedHost) -> dict[str, str]:
    """The text of the account files."""
    return {path: host.read(path) for path in ACCOUNT_FILES}


def environment(text: str) -> dict[str, str]:
    """The output of env as a mapping."""
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def test_a_whole_user_in_one_apply(booted: BootedHost) -> None:
    """Account, groups, home, directories, sudo rules, a service of a user and its directory: one apply from
    nothing.
    """
    before = complaints(booted)
    apply(booted, WHOLE)

    uid = booted.getent("passwd", "alice")[2]
    assert ["alice", "x", uid, "Alice, research", "/home/alice", "/bin/bash"] == [
        field for n, field in enumerate(booted.getent("passwd", "alice")) if n != 3
    ]
    assert ["alice"] == booted.getent("group", "ml-users")[3:]
    assert ["alice"] == booted.getent("gshadow", "docker")[3:]
    assert ["!", "24652"] == [booted.getent("shadow", "alice")[n] for n in (1, 7)]
    assert "Jun 30, 2037" in booted.run("chage", "-l", "alice").stdout
    assert before == complaints(booted)
    home = booted.stat("/home/alice")
    assert ("directory", "700", "alice", "alice") == (home.type, home.mode, home.owner, home.group)
    for path in (
        "/home/alice/.bashrc",
        "/home/alice/experiments",
        "/home/alice/papers",
        "/home/alice/papers/data",
    ):
        assert ("alice", "alice") == (booted.stat(path).owner, booted.stat(path).group)
    assert f"alice:{100000}:65536\n" in booted.read("/etc/subuid")
    assert ["/nonexistent", "/usr/sbin/nologin"] == booted.getent("passwd", "ml-api")[5:]
    assert int(booted.getent("passwd", "ml-api")[2]) < 1000
    assert not booted.exists("/home/ml-api")
    assert "active" == booted.active("ml-api.service")
    assert (
        "ml-api"
        == booted.run(
            "ps", "-o", "user=", "-p", booted.show("ml-api.service", "MainPID")["MainPID"]
        ).stdout.strip()
    )
    assert "No changes. Your host matches the configuration.\n" == plan(booted)


def test_the_second_apply_changes_nothing(booted: BootedHost) -> None:
    """No inode, no field of any account file, no byte of our own state."""
    apply(booted, WHOLE)
    before, files = booted.manifest("/etc", "/home", STATE), accounts(booted)
    apply(booted, WHOLE)
    after = booted.manifest("/etc", "/home", STATE)

    assert files == accounts(booted)
    assert {**before, f"{STATE}/lock": None} == {**after, f"{STATE}/lock": None}


def test_sudo_rules_are_in_force_and_exact(booted: BootedHost) -> None:
    """sudo lists them, runs exactly that, and refuses other arguments; the whole sudoers tree is clean."""
    apply(booted, WHOLE)
    listed = booted.run("sudo", "-l", "-U", "alice").stdout

    assert "(root) NOPASSWD: /usr/bin/systemctl restart ml-api" in listed
    assert '(root) PASSWD: /usr/bin/id ""' in listed
    assert "" == booted.run("visudo", "-c").stderr
    assert ("440", "root", "root") == (
        booted.stat("/etc/sudoers.d/alice").mode,
        booted.stat("/etc/sudoers.d/alice").owner,
        booted.stat("/etc/sudoers.d/alice").group,
    )
    booted.run("sudo", "-n", "/usr/bin/systemctl", "restart", "ml-api", user="alice")
    for refused in (["stop", "ml-api"], ["restart", "ml-api", "ssh"], ["restart"]):
        assert booted.run("sudo", "-n", "/usr/bin/systemctl", *refused, user="alice", check=False).returncode


def test_a_sudo_file_that_visudo_refuses_is_not_put_in_place(booted: BootedHost) -> None:
    """The executor asks visudo before the rename: what it refuses never is where sudo looks, not even for a
    moment.
    """
    check = """
from reconciler.core.actions import Check, WriteFile
from reconciler.core.basics.digest import digest
from reconciler.core.host import ActionFailed
from reconciler.host.live import LiveHost
bad = b"alice ALL=(root NOPASSWD: ALL\\n"
try:
    LiveHost().execute(WriteFile("/etc/sudoers.d/alice", bad, digest(bad), "0440", "root", "root", check=Check.VISUDO))
except ActionFailed as failed:
    print(failed)
"""
    said = booted.run("/opt/reconciler/bin/python", "-c", check).stdout

    assert "syntax error" in said
    assert not booted.exists("/etc/sudoers.d/alice")
    assert "" == booted.run("visudo", "-c").stderr


SHELLS = {
    "su -l": ["su", "-l", "alice", "-c", "env"],
    "su": ["su", "alice", "-c", "bash -ic env"],
    "dash login": ["su", "-l", "-s", "/bin/sh", "alice", "-c", "env"],
    "login interactive": ["su", "-l", "alice", "-c", "bash -lic env"],
    "a shell in a shell": ["su", "-l", "alice", "-c", "bash -ic 'bash -ic env'"],
}


def test_the_environment_reaches_every_shell(booted: BootedHost) -> None:
    """Login shells and interactive shells have the variables once, to the letter, with no empty element;
    others' shells have none.
    """
    apply(booted, WHOLE)
    for name, command in SHELLS.items():
        found = environment(booted.run(*command).stdout)

        assert "/opt/ml/lib" == found["PYTHONPATH"], name
        assert 'it\'s $HOME `id` \\ "x"' == found["NASTY"], name
        assert "/usr/local/cuda/lib64" == found["LD_LIBRARY_PATH"], name
        assert 1 == found["PATH"].split(":").count("/usr/local/cuda/bin"), name
        assert found["PATH"].startswith("/usr/local/cuda/bin:"), name
    assert "alias gpu='nvidia-smi'\n" == booted.run("su", "alice", "-c", "bash -ic 'alias gpu'").stdout
    assert (
        "alias jup='jupyter lab --no-browser'\n"
        == booted.run("su", "-l", "alice", "-c", "bash -lic 'alias jup'").stdout
    )
    assert "PYTHONPATH" not in environment(booted.run("bash", "-lic", "env").stdout)
    held = environment(booted.run("su", "-l", "alice", "-c", "env LD_LIBRARY_PATH=/a bash -ic env").stdout)
    assert "/usr/local/cuda/lib64:/a" == held["LD_LIBRARY_PATH"]


def test_lines_taken_out_of_the_spec_are_taken_back(booted: BootedHost) -> None:
    """A group, sudo rules, the environment and the expiry that leave the spec leave the host; groups of
    others stay, but with exactly.
    """
    apply(booted, WHOLE)
    booted.run("usermod", "--append", "--groups", "audio", "alice")
    apply(
        booted,
        "version: 1\nhost: testhost\ngroups: {ml-users: {gid: 2000}}\nusers: {alice: {groups: [ml-users]}}\n",
        *MUCH,
    )

    assert {"alice", "ml-users", "audio"} == set(booted.run("id", "-nG", "alice").stdout.split())
    assert "" == booted.getent("shadow", "alice")[7]
    assert not booted.exists("/etc/sudoers.d/alice")
    assert not booted.exists("/etc/reconciler/profile/alice.sh")
    assert booted.exists("/home/alice/papers/data")
    assert "No changes" in plan(booted)
    apply(
        booted,
        "version: 1\nhost: testhost\ngroups: {ml-users: {gid: 2000}}\nusers: {alice: {groups: {exactly:"
        " [ml-users]}}}\n",
    )
    assert {"alice", "ml-users"} == set(booted.run("id", "-nG", "alice").stdout.split())


def test_a_user_who_leaves_the_spec_is_disabled_and_can_come_back(booted: BootedHost) -> None:
    """Nobody logs in any more, home and number stay, the next plan is empty; declared again, everything works
    again, the password too.
    """
    apply(booted, WHOLE)
    booted.run("chpasswd", input="alice:correct horse\n")
    passwd, secret = booted.getent("passwd", "alice"), booted.getent("shadow", "alice")[1]
    told = apply(booted, WITHOUT_ALICE)

    assert "no longer in the spec: disabled, data kept" in told
    assert passwd == booted.getent("passwd", "alice")
    assert [f"!{secret}", "1"] == [booted.getent("shadow", "alice")[n] for n in (1, 7)]
    assert booted.run("su", "-l", "alice", "-c", "true", user="daemon", check=False).returncode
    assert "account has expired" in booted.run("su", "-l", "alice", "-c", "true", check=False).stderr
    assert not booted.exists("/etc/sudoers.d/alice")
    assert booted.exists("/home/alice/papers/data")
    assert "No changes. Your host matches the configuration.\n" == plan(booted)
    apply(booted, WHOLE)
    assert passwd == booted.getent("passwd", "alice")
    assert [secret, "24652"] == [booted.getent("shadow", "alice")[n] for n in (1, 7)]
    booted.run("su", "-l", "alice", "-c", "true")
    assert "No changes" in plan(booted)


def test_an_absent_user_goes_and_the_home_is_closed(booted: BootedHost) -> None:
    """The account is gone from every file; what is in the home is kept, out of reach of whoever gets the
    number next.
    """
    before = accounts(booted)
    apply(booted, WHOLE)
    apply(booted, WITHOUT_ALICE.replace("users:\n", "users:\n  alice: {state: absent, home: keep}\n"))

    assert [] == booted.getent("passwd", "alice")
    for path in ("/etc/shadow", "/etc/subuid", "/etc/gshadow"):
        assert "alice" not in booted.read(path)
    assert before["/etc/subuid"] == booted.read("/etc/subuid")
    home = booted.stat("/home/alice")
    assert ("700", "root", "root") == (home.mode, home.owner, home.group)
    assert booted.exists("/home/alice/papers/data")
    assert "No changes" in plan(booted)


def half_made(name: str) -> Iterator[tuple[str, str]]:
    """The states that a killed useradd leaves: the missing part, and a script that makes the state."""
    for file in ("shadow", "gshadow", "subuid", "subgid"):
        yield file, f"sed -i /^{name}:/d /etc/{file}"
    yield "group", f"sed -i /^{name}:/d /etc/group /etc/gshadow"
    yield (
        "everything but passwd",
        f"sed -i '/^{name}:/d; s/{name}//' /etc/shadow /etc/group /etc/gshadow /etc/subuid /etc/subgid",
    )
    yield "memberships", f"gpasswd -d {name} ml-users; sed -i 's/^docker:!::{name}/docker:!::/' /etc/gshadow"
    yield (
        "owner of the home",
        (
            f"chown root:root /home/{name}; chmod 0700 /home/{name}; rm -rf /home/{name}/*; rm"
            f" /home/{name}/.bashrc"
        ),
    )
    yield "home", f"rm -rf /home/{name}"


def test_a_half_made_user_is_completed(booted: BootedHost) -> None:
    """Whichever of its lines, or its home, an account lacks: the next apply adds it, and pwck and grpck have
    nothing to say.
    """
    before = complaints(booted)
    apply(booted, WHOLE)
    groups = booted.run("id", "alice").stdout
    for missing, script in half_made("alice"):
        booted.run("/bin/sh", "-euc", script)
        plan(booted, code=2)
        apply(booted, WHOLE)

        assert "No changes" in plan(booted), missing
        assert before == complaints(booted), missing
        assert groups == booted.run("id", "alice").stdout, missing
        assert "!" == booted.getent("shadow", "alice")[1], missing
        assert ("alice", "alice") == (
            booted.stat("/home/alice").owner,
            booted.stat("/home/alice/.bashrc").owner,
        ), missing


KILL_AT = (
    [("rename", n) for n in range(1, 7)] + [("fsync", n) for n in (1, 3, 5)] + [("link", n) for n in (1, 4)]
)


def test_a_killed_useradd_is_repaired_by_the_next_apply(booted: BootedHost) -> None:
    """Killed for good at one of its own system calls, useradd leaves half an account and its locks; the next
    apply completes it.
    """
    before = complaints(booted)
    real = booted.run("readlink", "-f", "/usr/sbin/useradd").stdout.strip()
    booted.run("mv", real, "/usr/sbin/useradd.real")
    killed, tried = 0, some(KILL_AT, 0)
    for number, (call, n) in enumerate(tried):
        name = f"victim{number}"
        spec = (
            "version: 1\nhost: testhost\nusers:"
            f" {{{', '.join(f'victim{m}: {{}}' for m in range(number + 1))}}}\n"
        )
        strace = (
            f"/usr/bin/strace -qq -o /dev/null -e trace={call} -e inject={call}:signal=KILL:when={n}"
            " /usr/sbin/useradd.real"
        )
        booted.write("/usr/sbin/useradd", f'#!/bin/sh\nexec {strace} "$@"\n', "0755")
        booted.write(SPEC, spec)
        killed += booted.reconciler("apply", SPEC, "--auto-approve", check=False).returncode != 0
        booted.write("/usr/sbin/useradd", '#!/bin/sh\nexec /usr/sbin/useradd.real "$@"\n', "0755")
        apply(booted, spec)

        assert name == booted.getent("passwd", name)[0]
        assert "No changes" in plan(booted), (call, n)
        assert before == complaints(booted), (call, n)
        assert name == booted.stat(f"/home/{name}").owner
    assert killed > len(tried) // 2


KILLED_WITH_IT = """
%s apply %s --auto-approve >/run/apply.log 2>&1 & apply=$!
until grep -q '^%s:' /etc/passwd; do kill -0 $apply; sleep 0.05; done
kill -KILL $apply
wait $apply || true
for _ in $(seq 600); do pidof useradd.real >/dev/null || exit 0; sleep 0.05; done
exit 1
"""


def test_a_useradd_dies_with_its_apply_and_is_repaired(booted: BootedHost) -> None:
    """An apply is killed while its useradd stands still half-way: useradd is gone in a moment, and the next
    apply completes the account.
    """
    before = complaints(booted)
    real = booted.run("readlink", "-f", "/usr/sbin/useradd").stdout.strip()
    booted.run("mv", real, "/usr/sbin/useradd.real")
    for number, n in enumerate((1, 2, 4)):
        name = f"frozen{number}"
        spec = (
            "version: 1\nhost: testhost\nusers:"
            f" {{{', '.join(f'frozen{m}: {{}}' for m in range(number + 1))}}}\n"
        )
        strace = (
            f"/usr/bin/strace -qq -o /dev/null -e trace=rename -e inject=rename:delay_exit=900000000:when={n}"
            " /usr/sbin/useradd.real"
        )
        booted.write("/usr/sbin/useradd", f'#!/bin/sh\nexec {strace} "$@"\n', "0755")
        booted.write(SPEC, spec)
        booted.run("/bin/sh", "-euc", KILLED_WITH_IT % ("/usr/local/bin/reconciler", SPEC, name))
        booted.write("/usr/sbin/useradd", '#!/bin/sh\nexec /usr/sbin/useradd.real "$@"\n', "0755")
        apply(booted, spec)

        assert "No changes" in plan(booted), n
        assert before == complaints(booted), n
        assert name == booted.stat(f"/home/{name}").owner


def test_a_killed_apply_is_completed(booted: BootedHost) -> None:
    """Our own process killed while it fills the home: the next apply finishes it."""
    for point in ("mkdir.made:1", "skeleton.copied:1", "skeleton.copied:2", "mkdir.access:1"):
        booted.write(SPEC, "version: 1\nhost: testhost\nusers: {dora: {}}\n")
        env = {"RECONCILER_TESTING": "1", "RECONCILER_FAILPOINT": point}
        assert booted.reconciler("apply", SPEC, "--auto-approve", check=False, env=env).returncode, point
        apply(booted, "version: 1\nhost: testhost\nusers: {dora: {}}\n")

        assert {"dora"} == {
            booted.stat(f"/home/dora/{name}").owner for name in (".", ".bashrc", ".profile", ".bash_logout")
        }
        assert "700" == booted.stat("/home/dora").mode
        apply(booted, "version: 1\nhost: testhost\nusers: {dora: {state: absent, home: keep}}\n")
        booted.run("rm", "-rf", "/home/dora")


def test_root_and_system_accounts_are_left_alone(booted: BootedHost) -> None:
    """root cannot be declared; a system account cannot be taken over as a person's, and one that left the
    spec is not disabled.
    """
    before = accounts(booted)
    booted.write(SPEC, "version: 1\nhost: testhost\nusers: {root: {}}\n")
    assert "eave root out" in booted.reconciler("validate", SPEC, check=False).stderr
    spec = "version: 1\nhost: testhost\nusers: {news: {home: /var/spool/news, group: news}}\n"
    assert "system account" in apply(booted, spec, "--adopt", code=4)
    assert before == accounts(booted)
    apply(booted, spec.replace("{home:", "{system: true, home:"), "--adopt")
    apply(booted, "version: 1\nhost: testhost\n", "--allow", "empty-spec")
    assert before == accounts(booted)


def test_a_shell_that_cannot_be_run_is_refused(booted: BootedHost) -> None:
    """A missing shell is a plan error: sshd would refuse its user. Everything else converges."""
    told = apply(
        booted,
        "version: 1\nhost: testhost\nusers: {alice: {shell: /bin/zsh}, bob: {shell: /bin/sh}}\n",
        code=6,
    )

    assert "/bin/zsh is not there or cannot be run" in told
    assert [] == booted.getent("passwd", "alice")
    assert "/bin/sh" == booted.getent("passwd", "bob")[6]


@pytest.mark.parametrize("trap", ["link", "directory of another", "file"])
def test_a_trap_in_the_home_hits_nobody_else(booted: BootedHost, trap: str) -> None:
    """An obstacle that a user puts in the way of their own directory fails for them alone; the target that it
    leads to is untouched.
    """
    apply(booted, "version: 1\nhost: testhost\nusers: {alice: {}, bob: {}}\n")
    scripts = {
        "link": "ln -s /etc /home/alice/papers",
        "directory of another": "mkdir /home/alice/papers && chown bob /home/alice/papers",
        "file": "touch /home/alice/papers",
    }
    booted.run("/bin/sh", "-euc", scripts[trap])
    before = booted.manifest("/etc/ssh", "/home/alice/papers")
    spec = (
        "version: 1\nhost: testhost\nusers: {alice: {directories: [papers/ssh]}, bob: {directories:"
        " [papers/data]}}\n"
    )
    apply(booted, spec, "--adopt", code=6)

    assert before == booted.manifest("/etc/ssh", "/home/alice/papers")
    assert "bob" == booted.stat("/home/bob/papers/data").owner


def test_nothing_of_a_password_is_told(booted: BootedHost) -> None:
    """No hash of /etc/shadow is in a plan, in its JSON, or in our state."""
    apply(booted, WHOLE)
    booted.run("chpasswd", input="alice:correct horse\n")
    secret = booted.getent("shadow", "alice")[1]
    apply(booted, WITHOUT_ALICE)
    booted.write(SPEC, WHOLE)
    told = plan(booted, code=2) + booted.reconciler("plan", SPEC, "--json").stdout

    assert len(secret) > 20
    for part in (secret, secret.split("$")[-1]):
        assert part not in told
        assert (
            booted.run("/bin/sh", "-c", f"grep -rqF {shlex.quote(part)} {STATE}", check=False).returncode == 1
        )


def test_keys_let_in_until_their_user_leaves_the_spec(booted: BootedHost) -> None:
    """A key of the short form opens a real login; not for a disabled user, not for one who left the spec;
    again when he is back.
    """
    booted.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/root/key")
    booted.run("systemctl", "start", "ssh.service")
    key = booted.read("/root/key.pub").strip()
    options = (
        "-o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -i"
        " /root/key"
    )

    def login(command: str = "id -un") -> str:
        done = booted.run(
            "ssh",
            *options.split(),
            "-tt",
            "alice@127.0.0.1",
            f"bash -lic {shlex.quote(command)}",
            check=False,
        )
        return done.stdout.strip() if not done.returncode else ""

    here = WHOLE.replace("    comment: Alice", f"    ssh_keys: [{key}]\n    comment: Alice")
    apply(booted, here)
    assert "alice" == login()
    assert "/opt/ml/lib" == login("printenv PYTHONPATH")
    assert "No changes" in plan(booted)
    for gone in (
        WITHOUT_ALICE,
        here.replace("    comment: Alice", "    state: disabled\n    comment: Alice"),
    ):
        apply(booted, gone)
        assert "" == login()
        assert key.split()[1] not in booted.read("/home/alice/.ssh/authorized_keys")
        assert "No changes" in plan(booted)
        apply(booted, here)
        assert "alice" == login()
