"""Lines of cron.d and tmpfiles.d files as their readers take them; what cron and systemd-tmpfiles say
themselves is asked in tests/booted.
"""

from __future__ import annotations

import pytest

from reconciler.formats import tmpfiles
from reconciler.formats.schedule import cron_lines
from reconciler.formats.sudo import policy

JOBS = """
# comment
MAILTO=root
"PATH" = "/usr/bin:/bin"
@daily root true
*/10 8-18/2 1,15,31 jan-dec,12 sun,Mon-5 www-data /usr/bin/thing --with = 100\\%
\t0 0 * * 7   backup   sh -c 'a; b'
"""


def test_a_file_that_cron_reads() -> None:
    """Nothing is said about any of these lines, and the accounts of the jobs are found once each."""
    assert [] == list(cron_lines.flaws(JOBS))
    assert ("root", "www-data", "backup") == cron_lines.users(JOBS)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("* * * * root true", "'root' is no day of the week"),
        ("* 24 * * * root true", "no hour"),
        ("* * 0 * * root true", "no day of the month"),
        ("*/0 * * * * root true", "no minute"),
        ("1,,2 * * * * root true", "no minute"),
        ("* * * * 8 root true", "no day of the week"),
        ("@hour root true", "@hour is none of"),
        ("* * * * * root", "no command follows root"),
        ("* * *", "no month"),
        ("* * * * * root true\r", "Windows"),
    ],
)
def test_a_line_that_cron_does_not_read(line: str, why: str) -> None:
    """Each is told with its line and its reason."""
    found = list(cron_lines.flaws(f"# first\n{line}\n"))

    assert [2] == [flaw.line for flaw in found]
    assert why in found[0].why


def test_a_last_line_without_its_end() -> None:
    """It is told for the file as a whole, and an empty file is none."""
    assert [0] == [flaw.line for flaw in cron_lines.flaws("@daily root true")]
    assert [] == list(cron_lines.flaws(""))


def test_lines_of_tmpfiles() -> None:
    """A line that may be valid is let pass, and every other line is reported."""
    good = (
        '; old comment\nd /run/a 0755 a b 10d\nL+ /a - - - - /b\nf+! "/a b" :~0644 - - - text 9\nx /tmp/a*'
        " nonsense\nd %t/x\nR! /x\n"
    )
    bad = "d\nfoo /a\nd a 0755\nd /a 888\n"

    assert [] == list(tmpfiles.flaws(good))
    assert [1, 2, 3, 4] == [flaw.line for flaw in tmpfiles.flaws(bad)]


def test_lines_of_sudoers() -> None:
    """A line that is no rule, or not to its end, is told by its number, and every form of the manual page is
    read.
    """
    good = """# comment
Defaults:alice !authenticate
User_Alias OPS = alice, \\
    bob : OTHERS = carol
%group ALL = (ALL : ALL) NOPASSWD: /usr/bin/id, !/usr/bin/su
alice ALL = (root) /bin/a : h1 = /bin/b
#1000 ALL=(ALL) ALL
@includedir /etc/sudoers.d
"""
    bad = "garbage here\nalice ALL=(ALL \\\n  NOPASSWD ALL\nalice ALL=(ALL) ALL\nfoo\n"

    assert [] == policy.unreadable(good.replace("\\\\", "\\"))
    assert [1, 2, 5] == policy.unreadable(bad)
