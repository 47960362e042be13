"""The account files as the audit reads them: no hash leaves them, and hostile lines break nothing."""

from __future__ import annotations

import pytest

from reconciler.audit.model import Status
from reconciler.audit.registry import chosen
from reconciler.audit.run import run
from reconciler.formats.audit.people.accounts import parse_rows, path_elements, redact_accounts
from reconciler.formats.audit.people.passwords import redact_login_defs
from reconciler.formats.audit.people.sudo import redact_hostname
from tests.audit.facts import facts


def test_no_hash_leaves_passwd() -> None:
    """A hash in passwd becomes the name of its scheme, and a line without a colon goes."""
    text = "root:x:0:0:root:/root:/bin/bash\nold:abJnggxhB/yWI:1000:1000::/:/bin/sh\n$6$lost$secret\n+@team\n"

    redacted = redact_accounts(text)

    assert "abJ" not in redacted
    assert "secret" not in redacted
    assert [(row.name, row.password, row.number) for row in parse_rows(redacted)] == [
        ("root", "x", 0),
        ("old", "des", 1000),
        ("+@team", "", None),
    ]


def test_lines_of_any_shape_are_read() -> None:
    """Missing fields and numbers that are none are no number, and no error."""
    assert [row.number for row in parse_rows("a\nb:x\nc:x:\nd:x:-1:\ne:x:99999999999:\nf:x:7\n")] == [
        *(None, None, None, None, None, 7)
    ]


@pytest.mark.parametrize(
    ("text", "elements"),
    [
        ("ENV_SUPATH\tPATH=/usr/sbin:/sbin\n", ["/usr/sbin", "/sbin"]),
        ('  PATH="/usr/sbin:/sbin"\n', ["/usr/sbin", "/sbin"]),
        ("export PATH=.:$PATH\n", ["."]),
        ("PATH=$PATH:\n", [""]),
        ("# PATH=.:/bin\nMANPATH=/x\n", []),
    ],
)
def test_the_elements_of_a_path(text: str, elements: list[str]) -> None:
    """Every element of an assignment to PATH counts, but what was in it before."""
    assert list(path_elements(text)) == elements


def test_lines_from_elsewhere_are_no_accounts_of_this_host() -> None:
    """Two `+` lines are no account that is there twice."""
    (result,) = run(chosen(["account-names"]), facts({"passwd": "+:::\n+:::\n", "group": "+:::\n"}))

    assert result.status is Status.PASS


def test_no_comment_of_a_file_reaches_an_answer() -> None:
    """login.defs, hostname and passwd are passed on as far as a check looks at them, and no further."""
    settings = redact_login_defs("# UID_MIN secret\nUID_MIN  500\nMAIL_DIR secret\nENCRYPT_METHOD se&cret\n")

    assert settings == "UID_MIN 500\n"
    assert redact_hostname("# secret\nh1\n").strip() == "h1"
    assert redact_hostname("# secret\n").strip() == ""
    assert redact_accounts("ann:x:1000:1000:secret:/home/secret:/bin/sh\n") == "ann:x:1000\n"
    assert list(path_elements("PATH=/bin:se&cret\n")) == ["/bin"]
