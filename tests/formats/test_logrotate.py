from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.basics import globs
from reconciler.formats import logrotate
from reconciler.formats.logrotate import Config, Problem, Stanza

pytestmark = pytest.mark.slow

WHOLE = """\
# see "man logrotate" for details
weekly
rotate 4
create
include /etc/logrotate.d

/var/log/a.log /var/log/b.log
# between
"/var/log/with space.log" /var/log/it\\'s.log {
    daily
    rotate=7
    size = 10k
    create 0640 root adm   \n\
    postrotate
        if true; then echo "}"; fi
        # endscript is not here

        invoke-rc.d app rotate
    endscript
    missingok
}
/var/log/one { daily }
"""

PATHS = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=20).map(
    lambda text: f"/{text}"
)
NAMES = st.sampled_from(sorted(logrotate.FLAGS)) | st.sampled_from(
    ["rotate", "size", "create", "su", "olddir", "dateformat", "other"]
)
LINES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
STANZAS = st.builds(
    Stanza,
    st.lists(PATHS, min_size=1, max_size=3).map(tuple),
    st.lists(st.tuples(NAMES, st.text(max_size=10)), max_size=4).map(tuple),
    st.lists(
        st.tuples(st.sampled_from(logrotate.SCRIPTS), st.lists(LINES, max_size=3).map(tuple)), max_size=2
    ).map(tuple),
)


def test_a_whole_file_is_read() -> None:
    """Blocks, quotes, both forms of values, comments, scripts, one-line blocks and what stands outside, each
    with its line.
    """
    found = logrotate.parse(WHOLE)

    assert () == found.problems
    assert (
        ("weekly", "", 2),
        ("rotate", "4", 3),
        ("create", "", 4),
        ("include", "/etc/logrotate.d", 5),
    ) == found.directives
    assert [7, 22] == [stanza.line for stanza in found.stanzas]
    assert (
        "/var/log/a.log",
        "/var/log/b.log",
        "/var/log/with space.log",
        "/var/log/it's.log",
    ) == found.stanzas[0].patterns
    assert (
        ("daily", ""),
        ("rotate", "7"),
        ("size", "10k"),
        ("create", "0640 root adm"),
        ("missingok", ""),
    ) == found.stanzas[0].directives
    lines = ('if true; then echo "}"; fi', "# endscript is not here", "invoke-rc.d app rotate")
    assert (("postrotate", lines),) == found.stanzas[0].scripts
    assert (("daily", ""),) == found.stanzas[1].directives


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("/a {\n daily\n", 1, "without its }"),
        ("/a {\n daily\n}\n}\n", 4, "unexpected '}'"),
        ("/a {\n postrotate\n x\n}\n", 2, "without endscript"),
        ("# c\n/a\n/b\n", 2, "without a {"),
        ("/a }\n/b {\n}\n", 1, "without a {"),
        ("postrotate\n x\nendscript\n", 1, "outside of a block"),
        ("/a {\n = 4\n}\n", 2, "unexpected '='"),
    ],
)
def test_what_logrotate_passes_over_is_a_problem(text: str, line: int, words: str) -> None:
    """An unclosed block, which logrotate takes without a word, and all else that is out of place is told with
    its line.
    """
    found = logrotate.parse(text).problems

    assert any(problem.line == line and words in problem.text for problem in found), found


def test_a_second_block_is_unexpected() -> None:
    """A file of ours has one block; whatever else is in it shows in its data."""
    found = logrotate.parse("rotate 99\n/a {\n daily\n rotate 1\n rotate 2\n}\n/b /c {\n}\n/d {").data()

    assert ["/a"] == found["paths"]
    assert {"daily": True, "rotate": ["1", "2"]} == found["directives"]
    assert [
        "a block for /b /c",
        "a block for /d",
        "rotate 99 outside of the block",
        "line 9: a block without its }",
    ] == found["unexpected"]


def test_a_policy_is_written_the_same_way_always() -> None:
    """The form of our files, to the byte."""
    stanza = Stanza(
        ("/var/log/a.log", "/var/log/b c.log"),
        (("daily", ""), ("rotate", "3")),
        (("postrotate", ("/bin/x 'a b'",)),),
    )
    text = (
        '# ours\n/var/log/a.log\n"/var/log/b c.log"\n{\n    daily\n    rotate 3\n    postrotate\n       '
        " /bin/x 'a b'\n    endscript\n}\n"
    )

    assert text == logrotate.render(stanza, ("ours",))


@given(STANZAS)
def test_what_is_written_is_read_back(stanza: Stanza) -> None:
    """Any policy is either refused or comes back as it was, one block and nothing else."""
    try:
        text = logrotate.render(stanza, ("a header",))
    except ValueError:
        return
    found = logrotate.parse(text)

    assert Config((found.stanzas[0],)) == found
    assert stanza.data() == found.stanzas[0].data()
    assert 1 == sum(line == "{" for line in text.splitlines()) - sum(
        line.strip() == "{" for _, script in stanza.scripts for line in script
    )


PRINTABLE = LINES.filter(lambda line: line.isprintable() and line.strip() == line)
SIMPLE = st.from_regex(re.compile(r"/[a-z0-9 *?._-]{1,20}[a-z0-9]", re.ASCII), fullmatch=True)


@given(
    st.lists(SIMPLE, min_size=1, max_size=3).map(tuple),
    st.lists(LINES.filter(lambda line: line.isprintable() and line.strip() == line), max_size=2),
)
def test_what_is_ordinary_is_not_refused(patterns: tuple[str, ...], script: list[str]) -> None:
    """The property above is not true because everything is refused."""
    stanza = Stanza(
        patterns,
        (("daily", ""), ("rotate", "3")),
        (("prerotate", tuple(f"/bin/x {line}" for line in script)),),
    )

    assert patterns == logrotate.parse(logrotate.render(stanza)).stanzas[0].patterns


@pytest.mark.parametrize(
    "stanza",
    [
        Stanza(("/a {\n}\n/etc/shadow",)),
        Stanza(("/a}",)),
        Stanza(("/a#b",)),
        Stanza(('/a"b',)),
        Stanza(("/a\\",)),
        Stanza(("~/a",)),
        Stanza(("a",)),
        Stanza(("/a",), (("rotate", "4\n}\n/etc/shadow {"),)),
        Stanza(("/a",), (("rotate", "4 # four"),)),
        Stanza(("/a",), (("ro tate", "4"),)),
        Stanza(("/a",), (), (("postrotate", ("x", "endscript")),)),
        Stanza(("/a",), (), (("postrotate", ("x\nendscript",)),)),
        Stanza(("/a",), (("daily", "now"),)),
        Stanza(()),
    ],
)
def test_what_could_be_read_as_something_else_is_refused(stanza: Stanza) -> None:
    """No second block, no comment, no end of a script can be smuggled in."""
    with pytest.raises(ValueError, match=r"."):
        logrotate.render(stanza)


@pytest.mark.parametrize(
    ("name", "ignored"),
    [
        ("app", False),
        ("app.conf", False),
        ("app.orig", False),
        ("app~", True),
        ("app.dpkg-old", True),
        (".app~", False),
        (".x.swp", False),
    ],
)
def test_names_that_are_skipped(name: str, ignored: bool) -> None:
    """The list of logrotate 3.21, which does not reach names with a dot in front."""
    assert ignored == logrotate.ignored(name)


def test_a_problem_is_compared_by_value() -> None:
    """Two readings of one text are equal."""
    assert (Problem(1, "a block without its }"),) == logrotate.parse("/a {").problems


@pytest.mark.parametrize(
    ("one", "other", "overlap"),
    [
        ("/a/b", "/a/b", True),
        ("/a/*.log", "/a/x.log", True),
        ("/a/*.log", "/a/.x.log", False),
        ("/a/*", "/a/b/c", False),
        ("/a/[^b]", "/a/b", False),
        ("/a/[!b]", "/a/c", True),
        ("/a/*", "/a/b*", True),
        ("/a/*/x", "/b/*/x", False),
        ("/a/?", "/a/bc", False),
        ("/a/*.log", "/a/c*.log", True),
        ("/a/*.log", "/a/c*.txt", False),
        ("/a/x*y*z", "/a/*yy*", True),
        ("/a/[a-c]1", "/a/[d-f]?", False),
        ("/a/[a-c]1", "/a/[c-f]?", True),
        ("/a/.*", "/a/*.x", False),
        ("/a/.*", "/a/.?x", True),
        ("/a/**", "/a/*b", True),
        ("/a/[", "/a/?", True),
        ("/a/*/c*", "/a/b*/*.log", True),
    ],
)
def test_patterns_that_meet(one: str, other: str, overlap: bool) -> None:
    """In both directions, and the path that is named matches both, as glob(3) does."""
    for left, right in ((one, other), (other, one)):
        path = globs.common(left, right)
        assert overlap is bool(path)
        assert not overlap or (
            (globs.matches(left, path) or left == path) and (globs.matches(right, path) or right == path)
        )


_NAMES = st.text("ab.*?[!]", min_size=1, max_size=6)


@given(_NAMES, _NAMES, st.text("ab.", min_size=1, max_size=5))
def test_no_name_that_both_match_is_overlooked(one: str, other: str, name: str) -> None:
    """Whatever name matches two patterns: they are said to meet."""
    if globs.segment_matches(one, name) and globs.segment_matches(other, name):
        assert globs.common(one, other)


@pytest.mark.parametrize(
    "text",
    [
        "/a {\r\n daily\r\n}\r\n",
        "/a {\n weekly # on Sundays\n}\n",
        "/a {\n\f daily\n}\n",
        "/a {\n daily\n postrotate\n true\n endscript x\n}\n",
        "/a {\n daily\n}\r\n",
        "/a {\n \v rotate 3\n}\n",
    ],
)
def test_what_logrotate_refuses_is_no_policy_of_ours(text: str) -> None:
    """It is never read as what we would have written (the booted test asks logrotate
    about the same texts).
    """
    ours = logrotate.parse("/a {\n daily\n}\n").data(), logrotate.parse("/a {\n weekly\n}\n").data()

    assert logrotate.parse(text).data() not in ours
    assert "unexpected" in logrotate.parse(text).data()
