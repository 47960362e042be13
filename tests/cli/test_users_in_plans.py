"""The part of a plan about users, as a reviewer reads it: whose key is let in or withdrawn, and what somebody
wrote into a file that is not under `files`.
"""

from __future__ import annotations

import os

import pytest

from tests.cli.command import Tree

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHUlLtbuLRFvmyGZHMBxKBHfVdxuh/GpFGThbwMBhL57"
PRINT = "SHA256:qug7BjJ7e8nlm6l+BtKKmzO4fzh8uHsWK/dzwkF3q8E"
ALICE = f"""\
users:
  alice:
    sudo: [{{run: [/usr/bin/id], password: false}}]
    aliases: {{gpu: nvidia-smi}}
    ssh_keys: [{KEY} alice@laptop]
"""


@pytest.fixture
def host(tree: Tree) -> Tree:
    """A tree on which there can be users with sudo rules."""
    for name in ("home", "bin", "etc/sudoers.d", "etc/profile.d"):
        (tree.root / name).mkdir()
    tree.put("/bin/bash", "", 0o755)
    return tree


def test_whose_key_is_let_in(host: Tree) -> None:
    """A new key is told with its comment; one without a comment with its fingerprint only."""
    said, bare = host.plan(host.spec(ALICE)).out, host.plan(host.spec(ALICE.replace(" alice@laptop", ""))).out

    assert (
        f"  + users.alice/ssh_keys/{PRINT}  # {host.base}/host.yaml:4\n      # alice@laptop\n      + type:"
        " ssh-ed25519\n" in said
    )
    assert f"  + users.alice/ssh_keys/{PRINT}  # {host.base}/host.yaml:4\n      + type: ssh-ed25519\n" in bare


def test_where_a_key_is_withdrawn(host: Tree) -> None:
    """The plan names the file that the key is taken out of, and nothing is said twice."""
    host.apply(host.spec(ALICE))
    said = host.plan(host.spec(ALICE.replace(f"{KEY} alice@laptop", ""))).out

    assert f"  - users.alice/ssh_keys/{PRINT}" in said
    assert 1 == said.count("      - edit /home/alice/.ssh/authorized_keys\n")


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("/etc/sudoers.d/alice", "alice ALL=(ALL) NOPASSWD: ALL"),
        ("/etc/reconciler/profile/alice.sh", "alias ls=rm"),
    ],
)
def test_what_was_written_into_a_file_of_a_user(host: Tree, path: str, line: str) -> None:
    """The line that somebody added is shown as taken out, the others as they are."""
    spec = host.spec(ALICE)
    host.apply(spec)
    file = host.path(path)
    text = file.read_text()
    file.unlink()
    host.put(path, f"{text}{line}\n", 0o440 if "sudoers" in path else 0o644)
    said = host.drift(spec).out

    assert f"          -{line}\n" in said
    assert "           # Managed by Reconciler as users.alice.\n" in said
    assert "          +" not in said


def test_a_home_whose_name_is_no_utf8(host: Tree) -> None:
    """The keys of an account are looked for in the home that the host has, byte for byte, and what is shown of
    it is spelled out.
    """
    line, home = b"jorg:x:1000:1000::/home/j\xe4rg:/bin/sh\n", b"home/j\xe4rg/.ssh"
    host.path("/etc/passwd").write_bytes(host.path("/etc/passwd").read_bytes() + line)
    place = os.path.join(os.fsencode(host.root), home)  # noqa: PTH118  # bytes
    os.makedirs(place, 0o700)  # noqa: PTH103  # bytes
    fd = os.open(os.path.join(place, b"authorized_keys"), os.O_WRONLY | os.O_CREAT, 0o600)  # noqa: PTH118
    os.write(fd, f"{KEY} jorg@laptop\n".encode())
    os.close(fd)
    spec = host.spec(f"ssh_keys:\n  jorg: {{keys: [{KEY} jorg@laptop]}}\n")
    for arguments in ((), ("--json",)):
        plan = host.plan(spec, *arguments)
        assert "is not there" not in plan.said
        assert "\udce4" not in plan.out + plan.err
    assert "+ ssh_keys" not in host.plan(spec).out
