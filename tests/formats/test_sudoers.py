"""Sudo rules as text: they mean what they say, or they are refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.formats.sudoers import Rule, parse, problem, render

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
    assert [r"alice ALL=(root) PASSWD: /bin/e\,x \*.log a\=b c\,d e\:f \[a\] q\?r \!x \^k\$ h\#i".replace(r"\$", "$")] == lines(
        Rule(("/bin/e,x", "*.log", "a=b", "c,d", "e:f", "[a]", "q?r", "!x", "^k$", "h#i"))
    )


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
    rules = [Rule(("/bin/x", *words), password=password) for words, password in said if not problem(["/bin/x", *words])]
    text = render("alice", rules, "users.alice")

    assert [("alice", rule) for rule in rules] == parse(text)
    assert len(rules) + 2 == text.count("\n")
