"""Values of somebody else's files, which can be compared and not read."""

from __future__ import annotations

import json

import pytest

from reconciler.formats import logrotate
from reconciler.formats.systemd import unit
from reconciler.formats.veiled import OTHER, unveiled, veiled

UNIT, DROP_IN, POLICY = (
    "/etc/systemd/system/a.service",
    "/etc/systemd/system/a.service.d/x.conf",
    "/etc/logrotate.d/a",
)


@pytest.mark.parametrize(
    "path",
    [
        "/usr/lib/systemd/system/a.service",
        "/etc/motd",
        "/etc/systemd/system/a.mount",
        "/etc/systemd/system/x/a.service",
    ],
)
def test_of_other_files_there_is_nothing(path: str) -> None:
    """Only what a plan compares value by value."""
    assert veiled(path, "[Service]\nNice=5\n") is None


def test_a_known_value_is_found_and_another_is_not_read() -> None:
    """By section and name: what is known of another directive tells nothing of this one."""
    digests = veiled(
        UNIT, "# c\n[Service]\nNice=5\nUser=bob\nExecStart=/bin/x\n[Install]\nWantedBy=a.target\n"
    )
    assert digests is not None
    text = unveiled(
        UNIT, digests, ["[Service]\nNice=5\nGroup=bob\nExecStart=/bin/y\n", "[Install]\nWantedBy=a.target\n"]
    )

    assert "bob" not in json.dumps(digests) + text
    assert {
        "Service": {"Nice": "5", "User": OTHER, "ExecStart": OTHER},
        "Install": {"WantedBy": "a.target"},
    } == unit.parse(text)


def test_the_same_value_has_another_digest_elsewhere() -> None:
    """The digest of a value in one file tells nothing of another file."""
    first, second = (
        veiled(UNIT, "[Service]\nNice=5\n"),
        veiled(UNIT.replace("a.", "b."), "[Service]\nNice=5\n"),
    )

    assert first
    assert first != second


def test_a_drop_in_keeps_what_it_resets() -> None:
    """An empty assignment says something there."""
    digests = veiled(DROP_IN, "[Service]\nExecStart=\nExecStart=/bin/x\n")
    assert digests is not None

    assert {"Service": {"ExecStart": ["", "/bin/x"]}} == unit.as_written(
        unveiled(DROP_IN, digests, ["[Service]\nExecStart=/bin/x\n"])
    )


def test_a_policy() -> None:
    """Flags and logs are told by name, values and scripts compared."""
    digests = veiled(
        POLICY,
        "/var/log/a.log /var/log/b.log {\n daily\n rotate 3\n size 5M\n postrotate\n  /bin/x\n  /bin/y\n"
        " endscript\n}\n",
    )
    assert digests is not None
    known = [
        "/var/log/a.log {\n rotate 3\n postrotate\n /bin/x\n /bin/y\n endscript\n}\n",
        '"/var/log/b.log" {\n}\n"/var/log/a.log" {\n}\n',
    ]
    data = logrotate.parse(unveiled(POLICY, digests, known)).data()

    assert ["/var/log/a.log", "/var/log/b.log"] == data["paths"]
    assert {"daily": True, "rotate": "3", "size": OTHER} == data["directives"]
    assert {"postrotate": "/bin/x\n/bin/y"} == data["scripts"]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (UNIT, "[Service]\nEnvironment=A=1\n"),
        (UNIT, "[Service]\nSetCredential=a:b\n"),
        (UNIT, "[Service]\nSetCredentialEncrypted=a:b\n"),
        (UNIT, "[Service]\nExecStart=/bin/x --token abc\n"),
        (UNIT, "[Unit]\nConditionPathExists=/x\n"),
        (DROP_IN, "[Unit]\nAssertHost=x\n"),
        (POLICY, "/var/log/a.log {\n postrotate\n curl https://me:x@host/\n endscript\n}\n"),
        (POLICY, "/var/log/a.log {\n}\n"),
    ],
)
def test_what_is_left_out_is_missed(path: str, text: str) -> None:
    """Without the value itself there is no text, and no digest of what may be a secret; a log that is not
    known is no log at all.
    """
    digests = veiled(path, text)
    assert digests is not None

    with pytest.raises(ValueError, match=r"left out|absolute"):
        unveiled(path, digests, ["[Service]\nNice=5\n"])


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (UNIT, "x\n[Service]\nNice=5\n"),
        (UNIT, "[Service]\nno assignment\n"),
        (POLICY, "daily\n"),
        (POLICY, ""),
    ],
)
def test_a_file_with_more_than_values_is_not_compared(path: str, text: str) -> None:
    """A plan shows such lines, and a digest has no room for them."""
    assert veiled(path, text) is None
