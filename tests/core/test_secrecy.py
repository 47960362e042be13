"""What stands behind the name of a secret is not shown; what only looks a little like one is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.masking import holds_private_key, masked
from reconciler.core.secrecy import HIDDEN
from reconciler.render.masking import mask, mask_diff

HIDES = {
    "export API_TOKEN='abc def'": "export API_TOKEN={}",
    "password = hunter2 # c": "password = {}",
    "  - api_key: 'x'": "  - api_key: {}",
    '{"secret": "x", "b": 1}': '{"secret": {}, "b": 1}',
    "/bin/x --password hunter2 --token=abc --port 80": "/bin/x --password {} --token=abc --port 80".replace("=abc", "={}"),
    '/bin/x "--password=a b\\"c" --z': '/bin/x "--password={}" --z',
    "DB=postgres://app:hunter2@db/x": "DB=postgres://app:{}@db/x",
    "SetCredential=db:hunter2 and more": "SetCredential=db:{}",
    'SetCredential="token:hunter2"': 'SetCredential="token:{}',
    "token: /looks/like/a/path": "token: {}",
    "password: on-my-way": "password: {}",
}
SHOWS = [
    "max_tokens: 512",
    "tokenizer: bert",
    "token_file: /etc/token",
    "--token-file /etc/token",
    "PrivateTmp=yes",
    "PasswordAuthentication: no",
    "passwd: files systemd",
    "alice ALL=(root) NOPASSWD: /usr/bin/true",
    "LoadCredential=db:/etc/credstore/db",
    "http://example.org:8000/x@y",
    "secret:",
    "the secret of life",
]


@pytest.mark.parametrize("text", HIDES)
def test_secrets_are_hidden(text: str) -> None:
    """The value goes, the rest stays."""
    assert HIDES[text].replace("{}", HIDDEN) == masked(text)


@pytest.mark.parametrize("text", SHOWS)
def test_what_is_no_secret_is_shown(text: str) -> None:
    """A review needs it."""
    assert text == masked(text)


@given(st.text())
def test_hiding_twice_is_hiding_once(text: str) -> None:
    """What is hidden stays as it is."""
    assert masked(text) == masked(masked(text))


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "text", ["token" * 400_000 + "=", "://a:" * 200_000, "--token " * 200_000, '"' * 400_000 + "token", "a=password" * 200_000]
)
def test_a_long_line_takes_no_long_time(text: str) -> None:
    """Somebody's file of megabytes must not hold up a plan."""
    assert masked(text)


def test_a_changed_secret_is_seen_to_change() -> None:
    """Of a list only the value that differs is marked, and only after."""
    before, after = ["A_TOKEN=1", "B=1", '"C_SECRET=x y"'], ["A_TOKEN=2", "B=2", '"C_SECRET=x y"']
    path = ("unit", "Service", "Environment")

    assert [f"A_TOKEN={HIDDEN}", "B=1", f"C_SECRET={HIDDEN}"] == mask(before, None, path)
    assert ["A_TOKEN=(sensitive value, changed)", "B=2", f"C_SECRET={HIDDEN}"] == mask(after, before, path)


def test_a_diff_keeps_its_signs() -> None:
    """The first character of a line is the diff's."""
    assert [f"-token={HIDDEN}", f"+token={HIDDEN}", " port=1", "@@ -1 +1 @@"] == mask_diff(
        ["-token=a", "+token=b", " port=1", "@@ -1 +1 @@"]
    )


@pytest.mark.parametrize(
    "text", ["-----BEGIN OPENSSH PRIVATE KEY-----", "x\n-----BEGIN PRIVATE KEY-----\ny", "PuTTY-User-Key-File-3: ssh-rsa"]
)
def test_private_keys_are_known(text: str) -> None:
    """Whatever tool wrote them."""
    assert holds_private_key(text)
    assert not holds_private_key(text.replace("PRIVATE", "PUBLIC").replace("PuTTY", ""))
