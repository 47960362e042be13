from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.formats.schedule import cron_job

JOB = {"environment": {"SHELL": "/bin/sh"}, "schedule": "0 2 * * *", "user": "root", "command": "/bin/true"}
WORD = st.text(st.characters(exclude_categories=["Cc", "Cs"]) | st.sampled_from("\\\"'$%; #"), max_size=20)


def test_a_file_of_cron() -> None:
    """Comments, variables, one job with its user, and a line end."""
    assert '# ours\nSHELL="/bin/sh"\n0 2 * * * root /bin/true\n' == cron_job.render(JOB, ["ours"])


def test_quotes_that_cron_takes_a_second_time() -> None:
    """Debian's cron takes the quotes around a value twice: a value in quotes is written in one pair more, and
    read back so.
    """
    values = {"A": "'q'", "B": '"q"', "C": "'a' 'b'", "D": "''", "E": "'", "F": "q'"}
    job = {**JOB, "environment": values}
    text = cron_job.render(job)

    assert "A=\"''q''\"|B='\"\"q\"\"'|C=\"''a' 'b''\"|D=\"''''\"|E=\"'\"|F=\"q'\"" == "|".join(
        text.splitlines()[:6]
    )
    assert job == cron_job.parse(text)
    assert {"A": "q"} == cron_job.parse("A=\"'q'\"\n0 2 * * * root /bin/true\n")["environment"]


@given(
    st.lists(WORD, min_size=1, max_size=5),
    st.dictionaries(st.from_regex(r"[A-Z_][A-Z0-9_]{0,8}", fullmatch=True), WORD, max_size=3),
)
def test_what_is_written_is_read(argv: list[str], environment: dict[str, str]) -> None:
    """The file reads back as what it was made from, and its command is the argv for a shell."""
    job = {**JOB, "environment": environment, "command": cron_job.shell_line(["/bin/x", *argv])}
    if any(value != value.rstrip(" \t") or {"'", '"'} <= set(value) for value in environment.values()):
        with pytest.raises(ValueError, match=r"both kinds of quotes|blanks at the end"):
            cron_job.render(job)
        return
    text = cron_job.render(job)

    assert job == cron_job.parse(text)
    assert ["/bin/x", *argv] == shlex.split(cron_job.parse(text)["command"])


@pytest.mark.parametrize(
    ("text", "stray"),
    [
        ("0 2 * * * root /bin/true", ["no line end after the last line: cron passes over the whole file"]),
        ("0 2 * * * root /bin/true\r\n", ["0 2 * * * root /bin/true\r"]),
        ("0 2 * * * /bin/true\n", ["0 2 * * * /bin/true"]),
        ("0 2 * * * root a\n0 3 * * * root b\n", ["0 3 * * * root b"]),
        ("nonsense\n", ["nonsense"]),
    ],
)
def test_what_cron_would_not_read_is_kept(text: str, stray: list[str]) -> None:
    """Nothing that differs from our file is lost in reading."""
    assert stray == cron_job.parse(text)[cron_job.STRAY]


def test_what_follows_a_percent_sign_is_another_command() -> None:
    """A bare % is told from an escaped one."""
    text = cron_job.render({**JOB, "command": "echo 5 %"})

    assert "echo 5 \\%\n" in text
    assert cron_job.parse(text)["command"] == "echo 5 %"
    assert cron_job.parse(text) != cron_job.parse(text.replace("\\%", "%"))


@given(st.text(max_size=60))
def test_any_text_is_read(text: str) -> None:
    """Reading never raises."""
    assert isinstance(cron_job.parse(text), dict)


@pytest.mark.parametrize("name", ["john.doe", "", "a b", "é", "../x", "x~"])
def test_names_that_cron_passes_over(name: str) -> None:
    """Refused: cron says nothing about them."""
    with pytest.raises(ValueError, match="letters, digits"):
        cron_job.check_name(name)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"command": "x" * 1000}, "script"),
        ({"command": "a\nb"}, "line break"),
        ({"environment": {"X": "a\rb"}}, "line break"),
        ({"environment": {"X": "'\""}}, "both kinds"),
        ({"environment": {"X": "a "}}, "blanks"),
        ({"environment": {"X": "y" * 1000}}, "bytes"),
    ],
)
def test_what_cron_would_take_in_another_way_is_refused(change: dict[str, object], why: str) -> None:
    """Cut off, split or misquoted without a word: refused before it is written."""
    with pytest.raises(ValueError, match=why):
        cron_job.render({**JOB, **change})


@pytest.mark.parametrize(
    ("directory", "line"),
    [("", "/x"), ("~", "/x"), ("/a b", "cd '/a b' && exec /x"), ("-/a", "cd /a 2>/dev/null; exec /x")],
)
def test_where_it_runs(directory: str, line: str) -> None:
    """The shell goes there first; the home is where cron begins."""
    assert line == cron_job.shell_line(["/x"], directory)
