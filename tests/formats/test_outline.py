"""The kept form of a foreign file has the same facts, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.formats import logrotate, redaction
from reconciler.formats.accounts import passwd
from reconciler.formats.accounts.users import Accounts, parse_shadows
from reconciler.formats.ssh.authorized_keys import read
from reconciler.formats.systemd.unit import parse
from reconciler.formats.systemd.unit_refusals import refusals
from tests.unit_refusals import ALL

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGuGsnP/NPzhnWuATv9aP1dHraTqoi8dScAeUt23h1tL"
HASH = "$6$salt$hash"
_LINE = st.text(alphabet="ab:!*x$+-#, 019\n", max_size=40)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("", ""), ("*", "*"), ("!", "!"), ("!!", "!!"), ("!*", "!*"), ("x", "x"), ("!!!", "!"),
        (HASH, "(set)"), (f"!{HASH}", "!(set)"), (f"!!{HASH}", "!(set)"), ("plain", "(set)"),
    ],
)  # fmt: skip
def test_a_password_is_set_locked_or_none(said: str, kept: str) -> None:
    """Instead of a hash only whether there is one and whether it is locked."""
    assert f"a:{kept}:1:::::\n" == redaction.passwords(f"a:{said}:1:::::\n")


@given(_LINE)
def test_account_files_tell_the_same(text: str) -> None:
    """Whatever is in an account file, all that is read from it is read from what is kept, and keeping it
    again changes nothing.
    """
    kept = redaction.passwords(text)

    assert parse_shadows(text) == parse_shadows(kept)
    assert passwd.parse_users(text) == passwd.parse_users(kept)
    assert passwd.parse_groups(text) == passwd.parse_groups(kept)
    assert kept == redaction.passwords(kept)


@given(
    st.lists(
        st.sampled_from(
            [
                "UID_MIN 1000",
                "  SYS_GID_MAX\t999 # x",
                "#UID_MAX 5",
                "UMASK 022",
                "ENV_PATH PATH=/x",
                "UID_MAX 07",
                "secret",
            ]
        )
    )
)
def test_login_defs_tells_the_same_numbers(lines: list[str]) -> None:
    """The numeric settings are all there, and no comment."""
    text = "\n".join(lines)
    kept = redaction.numbers(text)

    assert Accounts("", "", login_defs=text).numbers == Accounts("", "", login_defs=kept).numbers
    assert "secret" not in kept
    assert "#" not in kept


@pytest.mark.parametrize(
    "text",
    [
        "/var/log/a.log /var/log/b/*.log {\n  daily\n  postrotate\n    curl -u secret\n  endscript\n}\n",
        'include /etc/logrotate.d\nweekly\n"/var/log/with space" {\n  mail secret@example.org\n}\n# secret\n',
        "# secret\n",
    ],
)
def test_policies_tell_the_same_logs(text: str) -> None:
    """Which logs are rotated and what is included, and nothing of how."""
    kept = redaction.policies(text)

    assert kept is not None
    assert _facts(text) == _facts(kept)
    assert "secret" not in kept


def _facts(text: str) -> tuple[list[str], list[str]]:
    config = logrotate.parse(text)
    return [one for stanza in config.stanzas for one in stanza.patterns], [
        value for name, value, _ in config.directives if name == "include"
    ]


@pytest.mark.parametrize("name", sorted(ALL))
def test_a_unit_is_judged_the_same(name: str) -> None:
    """By what is kept of it, in a unit file or a drop-in, systemd refuses it for the reason for which it
    refuses the whole.
    """
    reasons = list(refusals(parse(ALL[name])))

    assert reasons == list(refusals(parse(redaction.package_unit(ALL[name]))))
    assert reasons == list(refusals(parse(redaction.drop_in(ALL[name]))))


def test_no_value_of_a_unit_is_kept_that_could_be_a_secret() -> None:
    """Neither of a command, nor of a variable, nor where a closed word is expected."""
    text = (
        "[Service]\nEnvironment=A=s3cret\nExecStart=/bin/x s3cret ; /bin/y"
        " s3cret\nKillMode=s3cret!\nBindPaths=/s3cret\n"
    )

    assert "s3cret" not in redaction.package_unit(text) + redaction.drop_in(text)
    assert "ExecStart=? ; ?\n" in redaction.package_unit(text)


def test_a_timer_tells_when() -> None:
    """When it elapses, and nothing else."""
    assert "OnCalendar=hourly\n" == redaction.times(
        "[Timer]\n# OnCalendar=secret\nOnCalendar=hourly\nUnit=secret.service\n"
    )


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        (f"{KEY} a comment", f"{KEY} a comment\n"),
        (f"{KEY} a my password: x", f"{KEY}\n"),
        (f"{KEY} https://me:x@git/", f"{KEY}\n"),
        (f'from="10.0.0.0/8",no-pty {KEY} API_TOKEN=x', f'from="10.0.0.0/8",no-pty {KEY}\n'),
        ("# a comment", ""),
        ("no key", None),
        (f'command="secret" {KEY}', None),
        (f'environment="A=secret" {KEY}', None),
    ],
)
def test_keys_of_others(line: str, kept: str | None) -> None:
    """A key with options that tell nothing, with its comment unless that looks like a secret; of a file with
    anything else nothing.
    """
    found = redaction.keys(f"{line}\r\n", ())

    assert kept == (None if found is None else found[0])
    assert found is None or found[1] is (KEY in line and f"{line}\n" != kept)


def test_keys_of_ours() -> None:
    """A key of ours has all its options in the spec anyway; then the line is kept as it is."""
    line = f'command="/usr/bin/rrsync /data" {KEY} ci'
    key = read(line)

    assert key is not None
    assert (f"{line}\n", False) == redaction.keys(line, (key.fingerprint,))
