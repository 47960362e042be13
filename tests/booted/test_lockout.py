"""The lock-out guard against a real sshd and a real sudo: what it refuses really locks out, and what it lets
through leaves a way in.
"""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.booted.booted import BootedHost
from tests.breaking import some
from tests.case import full
from tests.policy.lockout_plans import (
    BASE,
    DROP_IN,
    LET_THROUGH,
    REFUSED,
    LockPlan,
    with_carol,
    with_file,
    with_user,
)

SPEC = "/root/host.yaml"
PEOPLE = ("alice", "bob", "carol")
KEPT = "/etc /home /root /var/lib/reconciler /usr/local/bin"
"""The paths that a plan may change; put back for the next one, so that one boot is enough for several."""
_SAVE = f"mkdir /mnt/kept && mkdir -p /var/lib/reconciler && cp -a --parents {KEPT} /mnt/kept"
_PUT_BACK = f"for path in {KEPT}; do rsync -a --delete /mnt/kept$path/ $path/; done"
_PER_HOST = 6


def _chunks(plans: tuple[LockPlan, ...]) -> list[tuple[LockPlan, ...]]:
    live = some([plan for plan in plans if plan.live], 0)
    return [tuple(live[at : at + _PER_HOST]) for at in range(0, len(live), _PER_HOST)]


@pytest.fixture
def host(booted: BootedHost) -> BootedHost:
    """A host with sshd, key pairs of root's to try, and a copy of all that a plan changes."""
    for name in PEOPLE:
        booted.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", f"/root/key-{name}")
    booted.run("systemctl", "start", "ssh.service")
    booted.run("sh", "-euc", _SAVE)
    return booted


def with_keys(host: BootedHost, text: str) -> str:
    """The text with the public keys that stand in it."""
    for name in PEOPLE:
        text = text.replace(f"KEY:{name}", host.read(f"/root/key-{name}.pub").strip())
    return text


def apply(host: BootedHost, spec: object, *options: str) -> tuple[int, str]:
    """Apply a spec without a question; the exit code and the output."""
    host.write(SPEC, with_keys(host, json.dumps(full(spec))))  # type: ignore[arg-type]  # a mapping
    done = host.reconciler("apply", SPEC, "--auto-approve", *options, check=False)
    return done.returncode, unwrapped(done)


def unwrapped(done: subprocess.CompletedProcess[str]) -> str:
    """The output of a command on one line: sentences are wrapped."""
    return " ".join((done.stdout + done.stderr).split())


def prepare(host: BootedHost, plan: LockPlan) -> None:
    """The host as the plan finds it."""
    host.run("sh", "-euc", _PUT_BACK)
    for name, gid in plan.groups.items():
        host.run("groupadd", "--gid", str(gid), name)
    code, said = apply(host, plan.base)
    assert code == 0, said
    for path, want in plan.meanwhile.items():
        if "content" in want:
            host.write(path, with_keys(host, want["content"]), want["mode"])
        else:
            host.run("mkdir", "-p", "-m", want["mode"], path)
        host.run("chown", f"{want.get('owner', 'root')}:{want.get('group', 'root')}", path)
    restart(host)


def restart(host: BootedHost) -> None:
    """sshd with its configuration of now; it may refuse."""
    host.run("sh", "-c", "systemctl reset-failed ssh.service; systemctl restart ssh.service", check=False)


def becomes_root(host: BootedHost, name: str, *more: str) -> bool:
    """Whether a real login with the account's key becomes root; root's key is alice's. `more` is for ssh."""
    options = (
        "BatchMode=yes",
        "StrictHostKeyChecking=no",
        "UserKnownHostsFile=/dev/null",
        "IdentitiesOnly=yes",
        "ConnectTimeout=10",
    )
    words = [word for option in options for word in ("-o", option)]
    key, command = ("alice", ("id", "-u")) if name == "root" else (name, ("sudo", "-n", "id", "-u"))
    return (
        host.run(
            "ssh", *words, *more, "-i", f"/root/key-{key}", f"{name}@127.0.0.1", *command, check=False
        ).stdout.strip()
        == "0"
    )


def test_there_are_enough_live_plans() -> None:
    """At least ten of each sort are tried with a real sshd."""
    assert min(sum(plan.live for plan in plans) for plans in (REFUSED, LET_THROUGH)) >= 10


@pytest.mark.slow
@pytest.mark.parametrize("plans", _chunks(REFUSED), ids=lambda plans: plans[0].name)
def test_what_is_refused_locks_out(plans: tuple[LockPlan, ...], host: BootedHost) -> None:
    """Somebody gets in and becomes root; the plan is refused and nothing is done; with the flag it is done,
    and nobody gets in any more.
    """
    for plan in plans:
        prepare(host, plan)
        before = {name: becomes_root(host, name) for name in plan.lost}
        refused, said = apply(host, plan.spec)
        still = {name: becomes_root(host, name) for name in plan.lost}
        done, told = apply(
            host, plan.spec, *(word for name in plan.lost for word in ("--allow", f"lock-out:{name}"))
        )
        restart(host)
        after = {name: becomes_root(host, name) for name in (*PEOPLE, "root")}

        assert dict.fromkeys(plan.lost, True) == before, plan.name
        assert (refused, "would lock out" in said, plan.why in said) == (
            3,
            True,
            True,
        ), f"{plan.name}: {said}"
        assert before == still, plan.name
        assert done == 0, f"{plan.name}: {told}"
        assert dict.fromkeys((*PEOPLE, "root"), False) == after, plan.name


@pytest.mark.slow
@pytest.mark.parametrize("plans", _chunks(LET_THROUGH), ids=lambda plans: plans[0].name)
def test_what_is_let_through_leaves_a_way_in(plans: tuple[LockPlan, ...], host: BootedHost) -> None:
    """The plan is applied without a flag, and the one who is left gets in and becomes root."""
    for plan in plans:
        prepare(host, plan)
        done, said = apply(host, plan.spec)
        restart(host)

        assert done == 0, f"{plan.name}: {said}"
        assert becomes_root(host, plan.left), plan.name


def over_ssh(host: BootedHost, name: str, *command: str) -> tuple[int, str]:
    """The exit code and the output of a command of root's that somebody runs with
    sudo through a real login.
    """
    options = (
        "BatchMode=yes",
        "StrictHostKeyChecking=no",
        "UserKnownHostsFile=/dev/null",
        "IdentitiesOnly=yes",
    )
    words = [word for option in options for word in ("-o", option)]
    argv = ["ssh", *words, "-i", f"/root/key-{name}", f"{name}@127.0.0.1", "sudo", "-n", *command]
    done = host.run(*argv, check=False)
    return done.returncode, unwrapped(done)


def test_who_applies_and_what_sshd_says(host: BootedHost) -> None:
    """Who came by ssh and sudo keeps that; sshd itself is asked, and a plan writes nothing for it; a rollback
    is guarded too.
    """
    base = with_carol(BASE)
    code, said = apply(host, base)
    assert code == 0, said
    restart(host)

    # One of two admins, the one who applies, would lose the key, or be kept out by address.
    for spec, why in (
        (
            with_carol(with_user(ssh_keys={"exactly": []})),
            "could no longer log in by SSH key from 127.0.0.1: no key is in",
        ),
        (
            with_carol(with_user(ssh_keys={"exactly": [{"key": "KEY:alice", "from": ["192.0.2.0/24"]}]})),
            "it is not accepted from 127.0.0.1",
        ),
        (
            with_file(DROP_IN, "Match Address 127.0.0.0/8\n    PubkeyAuthentication no\n", base=base),
            "pubkeyauthentication no",
        ),
    ):
        host.write(SPEC, with_keys(host, json.dumps(full(spec))))
        by_alice = over_ssh(host, "alice", "/usr/local/bin/reconciler", "plan", SPEC)
        by_nobody = host.reconciler("plan", SPEC, check=False)

        assert (3, True, True) == (
            by_alice[0],
            "alice is the account that applies this" in by_alice[1],
            why in by_alice[1],
        ), by_alice[1]
        assert by_nobody.returncode == 0, by_nobody.stdout + by_nobody.stderr

    # A mistake that only sshd knows is refused, and to find that out nothing was written.
    host.write(SPEC, with_keys(host, json.dumps(full(with_file(DROP_IN, "Ciphers nonsense\n", base=base)))))
    places = ("/etc", "/run", "/tmp", "/var/lib/reconciler", "/root")
    before = host.manifest(*places)
    planned = host.reconciler("plan", SPEC, check=False)

    assert planned.returncode == 3, planned.stdout + planned.stderr
    assert f"{DROP_IN} line 1: Bad SSH2 cipher spec 'nonsense'" in unwrapped(planned)
    assert before == host.manifest(*places)

    # Undoing the run that made the admins leaves none.
    refused = host.reconciler("rollback", "--auto-approve", check=False)
    assert (3, True) == (refused.returncode, "2 accounts can log in by SSH key" in unwrapped(refused)), (
        refused.stdout + refused.stderr
    )
    done = host.reconciler(
        "rollback", "--auto-approve", "--allow", "lock-out:alice", "--allow", "lock-out:carol", check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert not becomes_root(host, "alice")
