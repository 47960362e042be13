"""A value behind the name of a secret is not shown; one behind a name that only looks a little like it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.secrets import masking
from reconciler.core.secrets.masking import holds_private_key, masked
from reconciler.core.secrets.plain import is_plain
from reconciler.core.secrets.secrecy import HIDDEN
from reconciler.render.masking import mask, mask_diff

HIDES = {
    "export API_TOKEN='abc def'": "export API_TOKEN={}",
    "password = hunter2 # c": "password = {}",
    "  - api_key: 'x'": "  - api_key: {}",
    '{"secret": "x", "b": 1}': '{"secret": {}, "b": 1}',
    "/bin/x --password hunter2 --token=abc --port 80": "/bin/x --password {} --token=abc --port 80".replace(
        "=abc", "={}"
    ),
    '/bin/x "--password=a b\\"c" --z': '/bin/x "--password={}" --z',
    "DB=postgres://app:hunter2@db/x": "DB=postgres://app:{}@db/x",
    "SetCredential=db:hunter2 and more": "SetCredential=db:{}",
    'SetCredential="token:hunter2"': 'SetCredential="token:{}',
    "token: /looks/like/a/path": "token: {}",
    "password: on-my-way": "password: {}",
    "password=#hunter2": "password={}",
    "password=no#hunter2": "password={}",
    "--no-password=hunter2": "--no-password={}",
    "--password 5": "--password {}",
    "password = $ecret": "password = {}",
    "PASSWORD=${PW:-hunter2}": "PASSWORD={}",
    "PASSWORD=$(echo hunter2)": "PASSWORD={}",
    "token_limit=hunter2": "token_limit={}",
    "A_TOKEN=%d/x B_SECRET=hunter2": "A_TOKEN={}",
    "HF_TOKEN=/Kq/2x9=": "HF_TOKEN={}",
    'password="': "password={}",
    "--password hunter2 --no-ask-password reload": "--password {} --no-ask-password reload",
}
SHOWS = [
    "max_tokens: 512",
    "tokenizer: bert",
    "token_file: /etc/token",
    "--token-file /etc/token",
    "PrivateTmp=yes",
    "PasswordAuthentication: no",
    "passwd: files systemd",
    "/etc/nsswitch.conf: `passwd: sss` does not look into files. If it is meant: --allow lock-out:alice",
    "alice ALL=(root) NOPASSWD: /usr/bin/true",
    "LoadCredential=db:/etc/credstore/db",
    "http://example.org:8000/x@y",
    "secret:",
    "the secret of life",
    "/usr/bin/systemctl --no-ask-password reload ml-api.service",
    "invoke-rc.d --no-password nginx rotate",
    "docker login --password-stdin registry.example.org",
    "gpg --batch --passphrase-fd 3 --decrypt",
    "token_ttl=3600",
    "--max-token-length 4096",
    "PASS_MAX_DAYS=90; PASSWORD_MAX_DAYS=90",
    "Defaults passwd_timeout=0.5",
    "minPasswordLength=12",
    "keyPasswordFile: x.pw",
    "LoadCredential=password:/etc/credstore/db",
    "HF_TOKEN=%d/hf",
    "API_KEY=$KEY",
    '--password="${PW}"',
    "PASSWORD=$(cat /run/secrets/db)",
    'PASSWORD="$(< $CREDENTIALS_DIRECTORY/db)"',
    "--token file:///run/secrets/x",
    "curl http://u:$PASS@localhost/rotate",
    "--NotebookApp.token='' --NotebookApp.password=\"\"",
    "--password-env PGPASSWORD",
    "mysqladmin --defaults-file=/etc/mysql/debian.cnf flush-logs",
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
    """A masked text stays as it is."""
    assert masked(text) == masked(masked(text))


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "text",
    [
        "token" * 400_000 + "=",
        "://a:" * 200_000,
        "--token " * 200_000,
        '"' * 400_000 + "token",
        "a=password" * 200_000,
    ],
)
def test_a_long_line_takes_no_long_time(text: str) -> None:
    """Somebody's file of megabytes must not hold up a plan."""
    assert masked(text)


def test_a_changed_secret_is_seen_to_change() -> None:
    """Only the value of a list that differs is marked, and only after."""
    before, after = ["A_TOKEN=1", "B=1", '"C_SECRET=x y"'], ["A_TOKEN=2", "B=2", '"C_SECRET=x y"']
    path = ("unit", "Service", "Environment")

    assert [f"A_TOKEN={HIDDEN}", "B=1", f"C_SECRET={HIDDEN}"] == mask(before, None, path)
    assert ["A_TOKEN=(sensitive value, changed)", "B=2", f"C_SECRET={HIDDEN}"] == mask(after, before, path)


def test_a_variable_is_judged_by_its_value() -> None:
    """One that says where a secret is, or that there is none, is shown, in quotes too."""
    shown = ["A_TOKEN=%d/token", '"B_SECRET=/run/secrets/b"', "TOKEN_TTL=3600", '"PASSWORD="']

    assert shown == mask(shown, None, ("unit", "Service", "Environment"))
    assert {"token": "/etc/ml/token", "secret": HIDDEN} == mask({"token": "/etc/ml/token", "secret": "x"})


def test_a_diff_keeps_its_signs() -> None:
    """The first character of a line is the diff's."""
    assert [f"-token={HIDDEN}", f"+token={HIDDEN}", " port=1", "@@ -1 +1 @@"] == mask_diff(
        ["-token=a", "+token=b", " port=1", "@@ -1 +1 @@"]
    )


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN OPENSSH PRIVATE KEY-----",
        "x\n-----BEGIN PRIVATE KEY-----\ny",
        "PuTTY-User-Key-File-3: ssh-rsa",
    ],
)
def test_private_keys_are_known(text: str) -> None:
    """Whatever tool wrote them."""
    assert holds_private_key(text)
    assert not holds_private_key(text.replace("PRIVATE", "PUBLIC").replace("PuTTY", ""))


WORDS = (
    "PassWord",
    "token",
    "Ap\u0131_key",
    "accessKey",
    "private-key",
    "=",
    ": ",
    "://",
    "/\\/",
    "u:hunter2@",
    "Bearer ",
    "Cookie: ",
    "x",
    " ",
    "ghp_",
    "a1" * 20,
)


@given(st.lists(st.sampled_from(WORDS) | st.text(max_size=4), max_size=6).map("".join))
def test_a_plain_text_hides_nothing(text: str) -> None:
    """A text that is plain at one look is left as it is by all expressions."""
    if is_plain(text):
        assert text == masking._masked(text, HIDDEN)


@pytest.mark.parametrize("text", [*HIDES, f"x AKIA{'A' * 16}"])
def test_what_hides_a_secret_is_not_plain(text: str) -> None:
    """The one look passes over no secret that is known here."""
    assert not is_plain(text)


def test_a_digest_is_not_taken_letter_by_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of ten thousand digests is searched for the words of a secret, which took as long as the rest of
    the plan.
    """
    asked: list[str] = []
    word = masking._WORD

    class Counted:
        def search(self, text: str) -> object:
            asked.append(text)
            return word.search(text)

    monkeypatch.setattr(masking, "_WORD", Counted())
    digests = [f"sha256:{number:064x}" for number in range(10_000)]

    assert [{"digest": digest} for digest in digests] == mask([{"digest": digest} for digest in digests])
    assert len(asked) <= 1, "only the name `digest` itself"
