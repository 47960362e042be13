"""The report of `reconciler access` on logging in and becoming root is what sshd, su and sudo do: random
hosts and specs, before and after.

A failure prints its seed: `RECONCILER_SEED=17 pytest tests/booted/test_access_truth.py` replays it.
`RECONCILER_FAULTS=1` plays 300, an ordinary run four.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from tests.booted.booted import BootedHost
from tests.breaking import FULL

PEOPLE = ("ann", "ben", "cat", "dot")
GROUPS = ("ops", "staff", "sudo")
SPEC = "/root/access.yaml"
_KEPT = "/etc /home /root /var/lib/reconciler /var/mail"
_SAVE = f"mkdir -p /mnt/kept /var/lib/reconciler && cp -a --parents {_KEPT} /mnt/kept"
_PUT_BACK = f"for path in {_KEPT}; do rsync -a --delete /mnt/kept$path/ $path/; done"
SUITES = ("bookworm", "trixie")
_PER_HOST, _ROUNDS, _ALL = 2, 4, 300
_SUDO_LINES = (
    "{0} ALL=(ALL) NOPASSWD: ALL",
    "{0} ALL=(ALL:ALL) ALL",
    "{0} ALL=(root) NOPASSWD: /usr/bin/env",
    "{0} ALL=(root) NOPASSWD: /usr/bin/id",
    "{0} ALL=(root) NOPASSWD: /bin/sh",
    "{0} ALL=(root) NOPASSWD: /usr/bin/find",
    "{0} ALL=(root) /usr/bin/find",
    "{0} ALL=({1}) NOPASSWD: ALL",
    "{0} ALL=({1}) ALL",
    "{0} ALL=(ALL) NOPASSWD: ALL, !/usr/bin/env",
    "{0} ALL=(ALL) !ALL",
    "{0} ALL=(ALL) NOPASSWD: ALL, !ALL",
    "{0} elsewhere=(ALL) NOPASSWD: ALL",
    "{0} testhost=(ALL) NOPASSWD: /usr/bin/",
    "{0} ALL=(root) NOPASSWD: /home/{1}/run.sh",
    "Defaults:{0} !authenticate",
    "Defaults rootpw",
    "Defaults targetpw",
)
_WHO = (*PEOPLE, "%ops", "%staff", "%sudo", "ALL")
_SSHD = (
    "AllowUsers ann ben root",
    "AllowGroups ops ann root",
    "DenyUsers cat",
    "DenyGroups staff",
    "PasswordAuthentication no",
    "KbdInteractiveAuthentication yes",
    "PermitRootLogin yes",
    "PermitRootLogin no",
    "PermitEmptyPasswords yes",
    "PubkeyAuthentication no",
    "AuthorizedKeysFile /etc/ssh/keys/%u",
    "AuthorizedKeysFile .ssh/authorized_keys /etc/ssh/keys/%u",
    "AuthenticationMethods publickey",
    "StrictModes no",
    "UsePAM no",
    "Match User ben\n    PubkeyAuthentication no\nMatch all",
    "Match Group ops\n    AllowUsers cat\nMatch all",
)

_TRY_ROOT = r"""
pw=$1; shift
r() { [ "$(eval "$1" 2>/dev/null)" = 0 ] && { echo "root by $1"; exit; }; }
[ "$(id -u)" = 0 ] && { echo root already; exit; }
me=$(id -un); known=
# A way that cannot help is not tried: a password that nobody has set, and sudo where it says itself that there is no rule.
[ ! -e /tmp/open-$me ] || known=empty
[ "$pw" = - ] || { [ -s /tmp/pw-$me ] && known="$known $pw"; [ -s /tmp/pw-root ] && known="$known pw-root"; }
for one in - $known; do
    [ ! -e /tmp/none-$me ] || break
    sudo="sudo -n"; [ "$one" = - ] || sudo="sudo -S -k -p ''"
    lead() { case $one in -) ;; empty) echo ;; *) echo "$one" ;; esac; }
    r "{ lead; echo id -u; } | $sudo /bin/sh"
    r "lead | $sudo /bin/sh -c 'id -u'"
    r "lead | $sudo /usr/bin/env id -u"
    r "{ lead; echo id -u; } | $sudo /usr/bin/env sh"
    r "lead | $sudo /usr/bin/find /etc/hostname -exec id -u ';'"
done
for script in /home/ann/run.sh /home/ben/run.sh /home/cat/run.sh /home/dot/run.sh; do
    # Only what somebody can write himself: the others do the same at the same time.
    [ ! -e /tmp/none-$me ] || break
    { [ ! -w "${script%/*}" ] || rm -f "$script"; printf '#!/bin/sh\nid -u\n' > "$script" && chmod 755 "$script"; } 2>/dev/null || continue
    r 'sudo -n "$script"'
done
[ "$#" -gt 3 ] || exit 0
for other in "$@"; do
    [ "$other" = $me ] && continue
    id "$other" >/dev/null 2>&1 || continue
    for one in - $known; do
        [ ! -e /tmp/none-$me ] || break
        sudo="sudo -n"; [ "$one" = - ] || sudo="sudo -S -k -p ''"
        for shell in "/bin/sh" "/usr/bin/env sh"; do
            said=$(cd /; { lead; echo "/bin/sh /tmp/try-root - </dev/null"; } | eval "$sudo -u $other $shell" 2>/dev/null)
            case $said in root*) echo "root by sudo as $other: $said"; exit;; esac
        done
    done
    [ ! -e /tmp/open-$other ] || said=$(cd /; su "$other" -c "/bin/sh /tmp/try-root -" 2>/dev/null </dev/null)
    case $said in root*) echo "root by su $other: $said"; exit;; esac; said=
done
"""
_TRY = r"""
options="-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o IdentitiesOnly=yes -o ConnectTimeout=10"
options="$options -o NumberOfPasswordPrompts=1"
keys=; for key in ann ben cat dot; do keys="$keys -i /root/key-$key"; done
one() {
    id $1 >/dev/null 2>&1 || return
    with() { ssh $options -o BatchMode=yes "$@" echo in 2>/dev/null </dev/null; }
    said=$(with $keys $1@127.0.0.1); taken=$?
    # One that only runs a command may have been offered first: then each by itself.
    [ "$said" = in ] || [ $taken != 0 ] || for key in ann ben cat dot; do
        [ "$said" = in ] || said=$(with -i /root/key-$key $1@127.0.0.1)
    done
    [ "$said" != in ] || echo "$1 key"
    for method in password keyboard-interactive; do
        SSH_ASKPASS=/tmp/ask-$1 SSH_ASKPASS_REQUIRE=force DISPLAY=x setsid ssh $options -o PreferredAuthentications=$method \
            $1@127.0.0.1 echo in 2>/dev/null </dev/null | grep -qx in && { echo "$1 password"; break; }
    done
    su -s /bin/sh $1 -c true 2>/dev/null </dev/null && echo "$1 usable"
    [ $1 = root ] || su -s /bin/sh $1 -c "cd /; /bin/sh /tmp/try-root pw-$1 ann ben cat dot" 2>/dev/null </dev/null | sed "s/^/$1 /"
}
rm -f /tmp/none-* /tmp/open-*
for name in ann ben cat dot; do
    sudo -l -U $name 2>/dev/null | grep -q "is not allowed to run sudo" && : > /tmp/none-$name
    passwd -S $name 2>/dev/null | grep -q " NP " && : > /tmp/open-$name
done
for name in ann ben cat dot root; do one $name > /tmp/said-$name & done; wait
cat /tmp/said-*
"""


def _seeds() -> list[int]:
    chosen = os.environ.get("RECONCILER_SEED")
    return [int(chosen)] if chosen else list(range(_ALL if FULL else _ROUNDS))


def _chunks() -> list[list[int]]:
    seeds = _seeds()
    size = 10 if FULL else _PER_HOST
    return [seeds[at : at + size] for at in range(0, len(seeds), size)]


@pytest.fixture
def host(request: pytest.FixtureRequest) -> Iterator[BootedHost]:
    """A host with sshd, a key for each of the people, and a copy of all that changes.

    Nobody waits after a wrong password.
    """
    with BootedHost(suite=request.param, limit=900 if FULL else 280) as booted:
        if request.param != "bookworm":
            # Since 9.8 sshd keeps out for a while whoever has failed: the judge fails on purpose.
            booted.write("/etc/default/ssh", "SSHD_OPTS='-o PerSourcePenalties=no'\n")
        prepare(booted)
        yield booted


def prepare(booted: BootedHost) -> None:
    """The host before the first round."""
    for name in PEOPLE:
        booted.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", f"/root/key-{name}")
    for name in (*PEOPLE, "root"):
        # A password that is empty is not asked for by the prompt of a known one.
        booted.write(f"/tmp/ask-{name}", f"#!/bin/sh\ncat /tmp/pw-{name} 2>/dev/null\n", "0755")
    booted.write("/tmp/try-root", _TRY_ROOT, "0755")
    booted.run("sed", "-i", "s/nullok/nullok nodelay/", "/etc/pam.d/common-auth")
    booted.run("groupadd", "ops")
    booted.run("sh", "-euc", "mkdir -p /etc/ssh/keys; systemctl restart ssh.service")
    booted.run("sh", "-euc", _SAVE)


# ------------------------------------------------------------------------------------- random hosts and specs


def _line(dice: random.Random) -> str:
    return dice.choice(_SUDO_LINES).format(dice.choice(_WHO), dice.choice(PEOPLE))


def host_script(dice: random.Random) -> str:
    """A script of changes made by hand before: accounts, passwords, keys, homes, ageing, rules, and settings
    of sshd.
    """
    lines = [
        (
            "echo root:pw-root | chpasswd; echo pw-root > /tmp/pw-root"
            if dice.random() < 0.3
            else "rm -f /tmp/pw-root"
        )
    ]
    for name in PEOPLE:
        lines.append(f"rm -f /tmp/pw-{name}")
        if dice.random() < 0.35:
            continue
        shell = dice.choice(("/bin/bash", "/bin/bash", "/bin/sh", "/usr/sbin/nologin"))
        groups = ",".join(group for group in GROUPS if dice.random() < 0.25)
        lines.append(f"useradd -m -s {shell} {f'-G {groups}' if groups else ''} {name}")
        password = dice.choice(("locked", "locked", "known", "known", "empty"))
        if password == "known":
            lines.append(f"echo {name}:pw-{name} | chpasswd; echo pw-{name} > /tmp/pw-{name}")
        elif password == "empty":
            lines.append(f"passwd -q -d {name}; echo > /tmp/pw-{name}")
        lines.append(f"chmod {dice.choice(('0700', '0755', '0755', '0775', '0777'))} /home/{name}")
        for place in (f"/home/{name}/.ssh/authorized_keys", f"/etc/ssh/keys/{name}"):
            if dice.random() < 0.4:
                lines.append(
                    f"mkdir -p {place.rpartition('/')[0]}; cp /root/key-{dice.choice(PEOPLE)}.pub {place}"
                )
                lines.append(
                    f"chmod {dice.choice(('0600', '0644', '0666'))} {place}; chown -R {name}:"
                    f" {place.rpartition('/')[0]}"
                    if "home" in place
                    else ""
                )
        lines.append(
            dice.choice(
                (
                    "",
                    "",
                    "",
                    f"chage -E 2020-01-01 {name}",
                    f"chage -E 2037-01-01 {name}",
                    f"chage -d 2020-01-01 -M 30 {name}",
                )
            )
        )
    for number in range(dice.randint(0, 3)):
        file = dice.choice(
            (
                f"/etc/sudoers.d/10-host{number}",
                f"/etc/sudoers.d/zz-host{number}",
                f"/etc/sudoers.d/x{number}.conf",
            )
        )
        lines.append(
            f"echo '{_line(dice)}' > {file}; chmod {dice.choice(('0440', '0440', '0644', '0666'))} {file}"
        )
    settings = "\n".join(dice.choice(_SSHD) for _ in range(dice.randint(0, 3)))
    lines.append(f"cat > /etc/ssh/sshd_config.d/10-host.conf <<'END'\n{settings}\nEND")
    return "\n".join(lines)


def spec_of(dice: random.Random, keys: dict[str, str]) -> dict[str, Any]:
    """A spec over users, groups, keys, sudo and files that sshd and sudo read."""
    users = {name: dict(_user(dice, keys)) for name in PEOPLE if dice.random() < 0.65}
    files: dict[str, Any] = {}
    if dice.random() < 0.5:
        place = dice.choice(("/etc/sudoers.d/50-spec", "/etc/sudoers.d/zzz-spec"))
        files[place] = {"content": f"{_line(dice)}\n", "mode": "0440", "adopt": True}
    if dice.random() < 0.4:
        files["/etc/ssh/sshd_config.d/05-spec.conf"] = {
            "content": f"{dice.choice(_SSHD)}\n",
            "mode": "0644",
            "adopt": True,
        }
    return {"version": 1, "host": "testhost", "users": users, "files": files}


def _user(dice: random.Random, keys: dict[str, str]) -> Iterator[tuple[str, Any]]:
    yield "adopt", True
    said: tuple[tuple[str, float, Callable[[], Any]], ...] = (
        ("ssh_keys", 0.4, lambda: _keys(dice, keys)),
        ("sudo", 0.5, lambda: [_rule(dice) for _ in range(dice.randint(1, 2))]),
        ("groups", 0.3, lambda: dice.choice((["ops"], ["staff"], {"exactly": []}, {"exactly": ["sudo"]}))),
        ("state", 0.15, lambda: "disabled"),
        ("shell", 0.2, lambda: dice.choice(("/bin/bash", "/bin/sh", "/usr/sbin/nologin"))),
        ("expires", 0.1, lambda: dice.choice(("2020-01-01", "2037-01-01"))),
        ("home_mode", 0.2, lambda: dice.choice(("0700", "0750", "0777"))),
    )
    yield from ((field, made()) for field, share, made in said if dice.random() < share)


def _rule(dice: random.Random) -> dict[str, Any]:
    run = dice.choice(
        ("ALL", "ALL", ["/usr/bin/id", "-u"], ["/usr/bin/env", "sh"], ["/bin/sh"], ["/usr/bin/find", "/srv"])
    )
    return {
        "run": run,
        "password": dice.random() < 0.4,
        "as": dice.choice(("root", "root", "ALL", *PEOPLE[:2])),
    }


def _keys(dice: random.Random, keys: dict[str, str]) -> Any:
    chosen: list[Any] = [keys[name] for name in PEOPLE if dice.random() < 0.4]
    if chosen and dice.random() < 0.3:
        chosen[0] = {
            "key": chosen[0],
            **dice.choice(({"command": "/bin/true"}, {"expires": "2020-01-31"}, {"from": ["192.0.2.1"]})),
        }
    return {"exactly": chosen} if dice.random() < 0.3 else chosen


# ------------------------------------------------------------------------------- what is so, and what is said


Seen = dict[str, tuple[bool, bool]]
"""By account: whether it logs in, and whether it becomes root."""


def truth(host: BootedHost) -> tuple[Seen, str]:
    """The answers of sshd, su and sudo, and how they were got: a line `NAME usable` for every account that
    PAM does not refuse.
    """
    host.run("sh", "-c", "systemctl reset-failed ssh.service; systemctl restart ssh.service", check=False)
    said = host.run("sh", "-c", _TRY, timeout=120).stdout
    there = [name for name in (*PEOPLE, "root") if host.getent("passwd", name)]
    lines = said.splitlines()
    login = {line.split()[0] for line in lines if line.endswith((" key", " password"))}
    root = {line.split()[0] for line in lines if line.partition(" ")[2].startswith("root ")} | {"root"}
    return {name: (name in login, name in root) for name in there}, said


_PERSON = ", who becomes root, "
"""In the words of a way by files of another person."""


def told(data: dict[str, Any], side: str, there: Seen, how: str) -> Seen:
    """The answers of the matrix for the same accounts.

    A way open to everybody is open to all who can use their account. A way that waits is right either way.
    """
    rows = [row for row in data["access"] if row[side]]
    login = {
        row["account"]
        for row in rows
        if row["to"] == "login" and not row["by"].endswith(("for one command only", "without a shell"))
    }
    ways = [row for row in rows if row["to"] == "root"]
    usable = {line.split()[0] for line in how.splitlines() if line.endswith(" usable")}
    root = _with_everybody({row["account"] for row in ways if not _waits(row)}, usable) | {"root"}
    may = _with_everybody({row["account"] for row in ways if _waits(row)}, usable) - root
    return {name: (name in login, there[name][1] if name in may else name in root) for name in there}


def _waits(row: Mapping[str, Any]) -> bool:
    """Whether a way hangs on a program that is not known, or on what another person does next, who is root."""
    return bool(row.get("likely")) or _PERSON in row["by"]


def _with_everybody(accounts: set[str], usable: set[str]) -> set[str]:
    return accounts | usable if "" in accounts else accounts


@pytest.mark.slow
@pytest.mark.booted
@pytest.mark.parametrize(
    ("host", "seeds"),
    [(SUITES[number % len(SUITES)], seeds) for number, seeds in enumerate(_chunks())],
    ids=lambda said: said if isinstance(said, str) else f"{said[0]}-{said[-1]}",
    indirect=["host"],
)
def test_access_is_what_sshd_su_and_sudo_do(seeds: list[int], host: BootedHost) -> None:
    """Before and after the apply, of every account: whether it logs in and whether it becomes root."""
    keys = {name: host.read(f"/root/key-{name}.pub").strip() for name in PEOPLE}
    allow = [word for name in (*PEOPLE, "root") for word in ("--allow", f"lock-out:{name}")]
    allow += ["--allow", "empty-password", "--allow", "key-still-lets-in", "--allow", "many-destroyed"]
    wrong: list[Any] = []
    applied = 0
    for seed in seeds:
        dice = random.Random(seed)  # noqa: S311  # no secret
        host.run("sh", "-euc", _PUT_BACK)
        script, spec = host_script(dice), spec_of(dice, keys)
        host.run("sh", "-euc", script)
        host.write(SPEC, json.dumps(spec))
        before, how = truth(host)
        answer = host.reconciler("access", SPEC, "--json", check=False)
        data = json.loads(answer.stdout)
        wrong += _differences(seed, "now", before, told(data, "now", before, how), how, script, spec)
        done = host.reconciler("apply", SPEC, "--auto-approve", *allow, check=False)
        if done.returncode == 0:
            applied += 1
            after, how = truth(host)
            wrong += _differences(seed, "after", after, told(data, "after", after, how), how, script, spec)
        else:
            print(f"seed {seed}: apply {done.returncode}: {done.stdout[-600:]}{done.stderr[-1200:]}")

    assert [] == wrong, "\n".join(map(str, wrong[:6]))
    assert applied > len(seeds) / 2


def _differences(seed: int, side: str, seen: Seen, said: Seen, how: str, script: str, spec: Any) -> list[Any]:
    """The accounts that are reported otherwise than they are: account, (logs in, becomes root) as it is and
    as reported.
    """
    found = [(seed, side, name, seen[name], said[name]) for name in seen if seen[name] != said[name]]
    if found:
        print(f"--- seed {seed}, {side}\n{script}\n{json.dumps(spec)}\n{how}")
    return found
