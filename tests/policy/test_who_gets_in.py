"""The meaning of the files of sshd and sudo, whatever is in them.

The real programs judge in tests/booted/test_login_oracles.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.formats.ssh import sshd_config
from reconciler.formats.ssh.sshd_keywords import DECISIVE, accepted
from reconciler.formats.ssh.sshd_match import Login, Origin
from reconciler.formats.sudo import answers, policy
from reconciler.host.simulation.host import SimulatedHost
from reconciler.policy.symlinks import Followed

WORDS = st.sampled_from(
    [
        *(
            "Match",
            "User",
            "alice",
            "all",
            "Address",
            "192.0.2.0/24",
            "Include",
            "AllowUsers",
            "PubkeyAuthentication",
            "yes",
            "no",
        ),
        *('"', "'", "\\", "#", "=", "!", ",", "*", ":", "\n", " ", "\t", "\\\n"),
        *(
            "ALL",
            "(root)",
            "NOPASSWD:",
            "%sudo",
            "Defaults",
            "User_Alias",
            "A",
            "@includedir",
            "/etc/x",
            "@include",
        ),
    ]
)
TEXTS = st.lists(st.one_of(WORDS, st.text(max_size=4)), max_size=40).map(" ".join)


@given(TEXTS)
def test_whatever_is_in_sshd_config_is_read(text: str) -> None:
    """No text of a configuration breaks the reading of it, its outline says the same, and a file that
    includes itself comes to an end.
    """
    lines = sshd_config.parse("/c", text, lambda _: [("/c", text)] if text.count("nclude") == 1 else ())
    login = Login("alice", frozenset({"alice", "sudo"}), Origin("192.0.2.7"))
    sshd_config.in_force(lines, login)
    alone = sshd_config.parse("/c", text, lambda _: ())
    short = sshd_config.parse("/c", sshd_config.decisive(text), lambda _: ())
    if not list(sshd_config.problems(alone)):
        said = sshd_config.in_force(alone, login).values

        assert {name: value for name, value in said.items() if name in DECISIVE} == sshd_config.in_force(
            short, login
        ).values


@given(TEXTS)
def test_whatever_is_in_sudoers_is_read(text: str) -> None:
    """No text of rules breaks the reading of them, and the outline of it grants the same."""
    who = policy.Who("alice", 1000, frozenset({"alice", "sudo"}), frozenset({1000}), "h")

    def granted(said: str) -> tuple[bool, str]:
        grant = answers.become_root(policy.parse(said, "h", lambda _: None, lambda _: ()), who)
        return grant.allowed, grant.password

    assert granted(text) == granted(policy.without_secrets(text))


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("", True),
        ("ssh-ed25519", True),
        ("-ssh-ed25519", False),
        ("+ssh-rsa", True),
        ("rsa-*", False),
        ("^ssh-rsa", True),
        ("*", True),
    ],
)
def test_lists_of_algorithms(said: str, wanted: bool) -> None:
    """A list replaces the default, with a sign in front it changes it."""
    assert wanted is ("ssh-ed25519" in accepted(said))


def test_links_are_followed_to_their_end() -> None:
    """Through links of directories and files, relative and absolute; a circle and a name that nobody may have
    lead to nothing.
    """
    host = SimulatedHost.of(
        {
            "/usr/bin/bash": "",
            "/bin": {"target": "usr/bin"},
            "/usr/bin/sh": {"target": "/bin/bash"},
            "/srv/up": {"target": "../usr/./bin/sh"},
            "/srv/round": {"target": "round"},
            "/srv/bad": {"target": "/srv/\x01"},
        }
    )
    found = Followed(host)

    assert "/usr/bin/bash" == found.real("/bin/sh") == found.real("/srv/up")
    assert (None, None, None) == (
        found.real("/srv/round"),
        found.real("/srv/bad"),
        found.real("/usr/bin/bash/x"),
    )
    assert ["/bin/bash", "/bin/sh"] == list(found.matching("/bin/*sh"))
