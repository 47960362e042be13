"""Setting one field in a spec's text."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.spec.amend import amend
from reconciler.spec.insert import CannotInsert

HEAD = "# The host.\nversion: 1\n\nusers:\n"
PLACES: list[tuple[str, str, tuple[str, ...], Any, str]] = [
    (
        "a field of a block",
        "users:\n  a:\n    uid: 1  # one\n\n# B\nfiles: {}\n",
        ("users", "a", "state"),
        "disabled",
        "users:\n  a:\n    uid: 1  # one\n    state: disabled  # why\n\n# B\nfiles: {}\n",
    ),
    (
        "a field in braces",
        "users:\n  a: {uid: 1}  # one\n",
        ("users", "a", "state"),
        "disabled",
        "users:\n  a: {uid: 1, state: disabled}  # one\n",
    ),
    (
        "an empty block",
        "users:\n  a: {}  # one\n  b:\n",
        ("users", "a", "state"),
        "disabled",
        "users:\n  a: {state: disabled}  # one\n  b:\n",
    ),
    (
        "a block that is null",
        "users:\n  a:\n  b: {}\n",
        ("users", "a", "state"),
        "disabled",
        "users:\n  a: {state: disabled}  # why\n  b: {}\n",
    ),
    (
        "another value",
        'directories:\n  /srv/x: {mode: "0777", owner: a}\n',
        ("directories", "/srv/x", "mode"),
        "1777",
        'directories:\n  /srv/x: {mode: "1777", owner: a}\n',
    ),
    (
        "another value with a comment",
        'users:\n  a:\n    home_mode: "0777"  # wide\n    uid: 1\n',
        ("users", "a", "home_mode"),
        "0750",
        'users:\n  a:\n    home_mode: "0750"  # wide\n    uid: 1\n',
    ),
    (
        "a list in lines",
        "users:\n  a:\n    groups:\n      - docker\n      - video\n    # about b\n    uid: 1\n",
        ("users", "a", "groups"),
        {"exactly": ["video"]},
        "users:\n  a:\n    groups: {exactly: [video]}  # why\n    # about b\n    uid: 1\n",
    ),
    (
        "a new resource",
        "users:\n  a: {}\n\n# The rest.\ngroups: {}\n",
        ("users", "b"),
        {"uid": 5, "state": "disabled"},
        "users:\n  a: {}\n  b:  # why\n    uid: 5\n    state: disabled\n\n# The rest.\ngroups: {}\n",
    ),
    (
        "a new section with a text of lines",
        "version: 1\n",
        ("files", "/etc/x"),
        {"content": "[A]\nb=1\n", "mode": "0644"},
        'version: 1\n\nfiles:\n  /etc/x:  # why\n    content: |\n      [A]\n      b=1\n    mode: "0644"\n',
    ),
    (
        "a text of lines instead of another",
        "files:\n  /etc/x:\n    content: |\n      a\n      b\n    # the mode\n    mode: '0644'\n",
        ("files", "/etc/x", "content"),
        "c\n",
        "files:\n  /etc/x:\n    content: |  # why\n      c\n    # the mode\n    mode: '0644'\n",
    ),
    (
        "resources set apart",
        "users:\n  a: {}\n\n  c: {}\n",
        ("users", "b"),
        {"uid": 5},
        "users:\n  a: {}\n\n  c: {}\n\n  b:  # why\n    uid: 5\n",
    ),
    (
        "no newline at the end",
        "users:\n  a: {}",
        ("users", "b", "uid"),
        5,
        "users:\n  a: {}\n  b:\n    uid: 5  # why",
    ),
    (
        "a section that is null",
        "version: 1\nusers:  # ours\nhost: h\n",
        ("users", "b"),
        {"uid": 5, "system": True},
        "version: 1\nusers:  # ours\n  b:\n    uid: 5\n    system: true\nhost: h\n",
    ),
]


@pytest.mark.parametrize(
    ("before", "path", "value", "after"), [place[1:] for place in PLACES], ids=[place[0] for place in PLACES]
)
def test_where_it_goes(before: str, path: tuple[str, ...], value: Any, after: str) -> None:
    """The new lines are where a person would write them, and every other byte is as it was."""
    assert after == amend(before.encode(), path, value, "why").decode()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{users: {a: {}}}\n", "in braces"),
        ("x-a: &a {uid: 1}\nusers: {b: *a}\n", "an alias"),
        ("users:\n  a: &a {uid: 1}\n  b: {<<: *a}\nx-c: *a\n", "by hand"),
        ("users:\r\n  a: {}\r\n", "cannot be read"),
    ],
)
def test_a_file_in_another_form_is_left_alone(text: str, words: str) -> None:
    """A value that would change something else too is not written, and the message says what to do."""
    path = ("users", "b", "uid") if "b: *a" in text else ("users", "a", "uid")
    with pytest.raises(CannotInsert, match=words):
        amend(text.encode(), path, 7)
