from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.formats.systemd import unit
from reconciler.formats.systemd.exec_words import words
from tests.formats import nasty
from tests.formats.exec_argv import split_exec

pytestmark = pytest.mark.slow

WORD = st.text(st.characters(exclude_categories=["Cc", "Cs"]) | st.sampled_from("\\\"'$%; #{}n"), max_size=20)


def _writable(word: str) -> bool:
    return not any(ord(char) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(char) <= 0xFDEF for char in word)


@given(st.lists(WORD.filter(_writable), max_size=6))
def test_an_argv_survives(argv: list[str]) -> None:
    """An argv that is quoted for systemd unquotes to the same words, and fits into a unit file."""
    line = unit.exec_line(["/bin/x", *argv])

    assert ["/bin/x", *argv] == split_exec(line)
    assert {"Service": {"ExecStart": line}} == unit.parse(unit.render({"Service": {"ExecStart": line}}, []))


@pytest.mark.parametrize("argv", nasty.ARGV, ids=range(len(nasty.ARGV)))
def test_nasty_words_survive(argv: list[str]) -> None:
    """The cases that a booted systemd confirms."""
    line = unit.exec_line(["/bin/x", *argv])

    assert ["/bin/x", *argv] == split_exec(line)
    assert unit.parse(unit.render({"Service": {"ExecStart": line}}, [])) == {"Service": {"ExecStart": line}}


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["/opt/ml/bin/serve", "--port", "8000"], "/opt/ml/bin/serve --port 8000"),
        (["/bin/kill", "-HUP", "$MAINPID"], "/bin/kill -HUP $MAINPID"),
        (["/bin/x", "", ";", "a b", "#"], '/bin/x "" ";" "a b" "#"'),
        (["/bin/x", "100%", "$HOME", "${A}"], '/bin/x 100%% "$$HOME" "$${A}"'),
        (["/bin/x", "a\\b", 'a"b', "it's"], '/bin/x "a\\\\b" "a\\"b" "it\'s"'),
        (["/bin/x", "a\nb\tc\x1b"], '/bin/x "a\\nb\\tc\\u001b"'),
        (["/opt/50%/a$b", "\u00e9"], '"/opt/50%%/a$b" "\u00e9"'),
    ],
)
def test_the_line_is_as_plain_as_it_can_be(argv: list[str], line: str) -> None:
    """Quotes only where they are needed; text in any language stays readable."""
    assert line == unit.exec_line(argv)


@pytest.mark.parametrize("program", nasty.PROGRAMS)
def test_odd_programs_can_be_run(program: str) -> None:
    """The cases that a booted systemd confirms."""
    assert [program, "$MAINPID"] == split_exec(unit.exec_line([program, "$MAINPID"]))


@pytest.mark.parametrize("program", nasty.REFUSED_PROGRAMS)
def test_programs_that_systemd_would_not_run_are_refused(program: str) -> None:
    """Also those with a prefix that would mean something else."""
    with pytest.raises(ValueError, match=r"absolute|directory|systemd"):
        unit.exec_line([program])


@pytest.mark.parametrize("word", nasty.REFUSED_WORDS)
def test_words_that_systemd_would_not_read_are_refused(word: str) -> None:
    """As arguments and as values of variables; the value is not repeated in the error."""
    with pytest.raises(ValueError, match="refuses"):
        unit.exec_line(["/bin/x", word])
    with pytest.raises(ValueError, match="refuses") as caught:
        unit.environment_value("SECRET", f"hunter2{word}")
    assert "hunter2" not in str(caught.value)


def test_an_empty_command_is_refused() -> None:
    """There is no program in it."""
    with pytest.raises(ValueError, match="empty"):
        unit.exec_line([])


@pytest.mark.parametrize(
    "line", ["/bin/x ; /bin/y", "/bin/x $A", "/bin/x a${A}b", "/bin/x %n", '/bin/x "', "/bin/x \\q"]
)
def test_only_literal_commands_are_split(line: str) -> None:
    """Anything that systemd would expand, or take for two commands, is no argv."""
    with pytest.raises(ValueError, match=r".+"):
        split_exec(line)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (r"a\x41\101\u0041\U00000041", ["aAAAA"]),
        (r"""'a b'"c d"e f""", ["a bc de", "f"]),
        (r"""'a\'b' "a'b" 'a"b'""", ["a'b", "a'b", 'a"b']),
        (r"\s\t\\ \; ;", [" \t\\", ";", ";"]),
        (r"\xc3\xa9", ["\u00e9"]),
        ("  a \t b  ", ["a", "b"]),
        ("\"\" ''", ["", ""]),
        ("", []),
    ],
)
def test_words_are_split_as_systemd_does(line: str, expected: list[str]) -> None:
    """Quotes of both kinds, C escapes in and outside of them."""
    assert expected == [word.text for word in words(line)]


@pytest.mark.parametrize("environment", nasty.ENVIRONMENT, ids=range(len(nasty.ENVIRONMENT)))
def test_environments_survive(environment: dict[str, str]) -> None:
    """One assignment is one quoted word that unquotes to NAME=value."""
    for name, value in environment.items():
        written = unit.environment_value(name, value)

        assert [f"{name}={value}"] == [word.text.replace("%%", "%") for word in words(written)]


@pytest.mark.parametrize("name", ["", "1A", "A B", "A-B", "A=B", "\u00c4", "A\n", "A.B"])
def test_names_of_variables_are_checked(name: str) -> None:
    """Only what a shell could read."""
    with pytest.raises(ValueError, match="no name of an environment variable"):
        unit.environment_value(name, "x")


@pytest.mark.parametrize("value", ["\x01", "a\rb", "\x1b", "\x7f", "\0"])
def test_control_characters_in_variables_are_refused(value: str) -> None:
    """Such an assignment is dropped by systemd; tab and line feed it takes."""
    with pytest.raises(ValueError, match="SECRET"):
        unit.environment_value("SECRET", value)


@pytest.mark.parametrize(
    "line",
    [
        "/bin/x --port 8000",
        "-/bin/x",
        "@/bin/x argv0 a",
        "/bin/sh -c 'a | b > c 2>&1; echo $A $$ * `id` $(id)'",
        "/bin/x $OPTIONS ${A} --a=${B}",
        '/bin/x "*" "|" \'~\' ";" \\; "a;b"',
        "/bin/x %n %i %t %%Y-%%m-%%d 100%",
        "/bin/kill -HUP $MAINPID",
        "/bin/x $$A a$$B",
        ":/bin/x a$A",
        "%t/x",
    ],
)
def test_sound_lines_are_left_alone(line: str) -> None:
    """Everything in systemd's syntax that does what it looks like."""
    assert unit.lint_exec(line) == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "empty"),
        ("  ", "empty"),
        (" /bin/x", "blanks"),
        ("x --a", "absolute path"),
        ("~/bin/x", "~ is not expanded"),
        ("-", "absolute path"),
        ("$A/bin/x", "variables are not expanded in the path"),
        ("/bin/$A", "variables are not expanded in the path"),
        ("/bin/", "directory"),
        ('"/bin/a\\"b"', "no quotes and backslashes"),
        ("+/bin/x", "root's privileges"),
        ("-!/bin/x", "root's privileges"),
        ("!!/bin/x", "root's privileges"),
        ("/bin/x | /bin/y", "| is passed to the program"),
        ("/bin/x > /dev/null", "> is passed"),
        ("/bin/x >/dev/null", ">/dev/null is passed"),
        ("/bin/x 2>&1", "2>&1 is passed"),
        ("/bin/x && /bin/y", "&& is passed"),
        ("/bin/x &", "& is passed"),
        ("/bin/x < /etc/x", "< is passed"),
        ("/bin/x ~/y", "~/y is not expanded"),
        ("/bin/x # why", "# is passed to the program, no comment"),
        ("/bin/x #why", "#why is passed"),
        ("/bin/x '#' \"#a\" a#b", None),
        ("/bin/x /etc/*", "not expanded to file names"),
        ("/bin/x $(id)", "is not executed"),
        ("/bin/x `id`", "is not executed"),
        ("/bin/x ; /bin/y", "second command"),
        ("/bin/x ;", None),
        (";", "no command"),
        ("/bin/x %Z", "%Z is no specifier"),
        ("/bin/date +%F", "date format"),
        ("/bin/x log-%Y-%m-%d", "date format"),
        ("/bin/sh -c 'date +%Y%m%d'", "date format"),
        ("/bin/x %h/x", "that of root"),
        ("/bin/x %c", "deprecated"),
        ("/bin/x a\\", "ends with a backslash"),
        ('/bin/x "a', "never closed"),
        ("/bin/x it's", "never closed"),
        ("/bin/x \\d+", "no escape"),
        ("/bin/x '\\x0g'", "no escape"),
        ("/bin/x '\\x00'", "no escape"),
        ("/bin/x\nUser=root", "control character"),
        ("/bin/x\r", "control character"),
        ("/bin/x a\tb", "control character"),
        ("/bin/x a\uffffb", "no character"),
        ("/bin/x --a=$A", "write ${A}"),
        ("/bin/x ${A:-b}", "no defaults"),
    ],
)
def test_traps_are_told(line: str, said: str | None) -> None:
    """One problem, in words that say what to do; a ; at the end is harmless."""
    problems = unit.lint_exec(line)

    assert (0 if said is None else 1) == len(problems), problems
    assert said is None or said in problems[0]


def test_several_commands_are_fine_where_they_are_allowed() -> None:
    """Type=oneshot and ExecStartPre= may have them; each is checked."""
    assert unit.lint_exec("/bin/x ; /bin/y", several=True) == []
    assert len(unit.lint_exec("/bin/x ; y", several=True)) == 1


@given(st.text(st.characters() | st.sampled_from("\\\"'$%; +-@/\n")))
def test_lint_takes_anything(line: str) -> None:
    """No text raises."""
    assert isinstance(unit.lint_exec(line), list)


@given(st.lists(WORD.filter(_writable), max_size=4))
def test_what_we_write_passes_our_own_lint(argv: list[str]) -> None:
    """A literal argv has no traps left in it."""
    assert unit.lint_exec(unit.exec_line(["/bin/x", *argv])) == []
