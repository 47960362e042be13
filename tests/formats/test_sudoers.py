"""Sudo rules as text: they mean what they say, or they are refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.formats.sudo import answers
from reconciler.formats.sudo import policy as sudo_policy
from reconciler.formats.sudo.user_rules import Rule, parse, problem, render

pytestmark = pytest.mark.slow

WORDS = st.text(st.characters(min_codepoint=1, max_codepoint=0x2FF), max_size=12)


def lines(*rules: Rule) -> list[str]:
    """The rules of a drop-in, without its header."""
    return [line for line in render("alice", rules, "users.alice").splitlines() if not line.startswith("#")]


def test_a_rule_is_exact() -> None:
    """Arguments are the declared ones; a command alone allows none."""
    assert ["alice ALL=(root) NOPASSWD: /usr/bin/systemctl restart ml-api"] == lines(
        Rule(("/usr/bin/systemctl", "restart", "ml-api"), password=False)
    )
    assert ['alice ALL=(ml-api) PASSWD: /usr/bin/id ""'] == lines(Rule(("/usr/bin/id",), "ml-api"))
    assert ["alice ALL=(ALL) PASSWD: ALL"] == lines(Rule(None, "ALL"))


def test_what_sudo_would_expand_is_escaped() -> None:
    """Wildcards, separators and the marks of a regular expression mean themselves."""
    assert [
        r"alice ALL=(root) PASSWD: /bin/e\,x \*.log a\=b c\,d e\:f \[a\] q\?r \!x \^k\$ h\#i".replace(
            r"\$", "$"
        )
    ] == lines(Rule(("/bin/e,x", "*.log", "a=b", "c,d", "e:f", "[a]", "q?r", "!x", "^k$", "h#i")))


@pytest.mark.parametrize(
    "run",
    [
        ["systemctl"],
        ["/bin/"],
        ["/bin/../x"],
        ["/bin/a b"],
        ["/bin/*"],
        ["sudoedit", "/etc/x"],
        ["/bin/x", ""],
        ["/bin/x", "a b"],
        ["/bin/x", "a\\"],
        ["/bin/x", "a\nALL ALL=(ALL) ALL"],
        ["/bin/x", "a\tb"],
        ["/bin/x\nALL"],
        [],
    ],
)
def test_what_cannot_be_said_is_refused(run: list[str]) -> None:
    """No rule that would allow more than this argv."""
    assert problem(run)
    with pytest.raises(ValueError, match=r"."):
        render("alice", [Rule(tuple(run))], "users.alice")


@given(st.lists(st.tuples(st.lists(WORDS, max_size=3), st.booleans()), max_size=3))
def test_what_is_written_is_read_back(said: list[tuple[list[str], bool]]) -> None:
    """Whatever is accepted: one line for each rule, and the same rules when read."""
    rules = [
        Rule(("/bin/x", *words), password=password)
        for words, password in said
        if not problem(["/bin/x", *words])
    ]
    text = render("alice", rules, "users.alice")

    assert [("alice", rule) for rule in rules] == parse(text)
    assert len(rules) + 2 == text.count("\n")


def test_names_with_backslashes_and_blanks_are_read_as_sudo_reads_them() -> None:
    """As who asks, as a group and as the target: escaped, quoted, and by number."""
    eve = sudo_policy.Who(
        "CORP\\eve", 3005, frozenset({"domain admins"}), frozenset({3005, 4001}), "testhost"
    )
    for rule in (r"CORP\\eve", r"%domain\ admins", '"%domain admins"', r'"CORP\\eve"', "#3005", "%#4001"):
        assert answers.become_root(
            sudo_policy.parse(f"{rule} ALL=(ALL) NOPASSWD: ALL", "testhost", _no, _no), eve
        ).allowed, rule
    for target in (r"CORP\\eve", r"%domain\ admins", "#3005"):
        policy = sudo_policy.parse(f"bob ALL=({target}) NOPASSWD: /usr/bin/id", "testhost", _no, _no)
        assert answers.runs_as(policy, policy.rules[0].commands[0], eve), target


def _no(_: str) -> Any:
    return None
