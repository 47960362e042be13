"""Keys are judged as ssh-keygen judges them, and options as sshd reads them."""

from __future__ import annotations

import base64
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.formats.ssh import key_options
from reconciler.formats.ssh.authorized_keys import Key, is_idle, parse, read
from reconciler.formats.ssh.key_options import BadKey, canonical, check_option, parse_options, render_option

needs_keygen = pytest.mark.skipif(
    shutil.which("ssh-keygen") is None, reason="needs: apt-get install openssh-client"
)
GENERATED = (
    ("ed25519", ""),
    ("rsa", "2048"),
    ("rsa", "3072"),
    ("ecdsa", "256"),
    ("ecdsa", "384"),
    ("ecdsa", "521"),
)

ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKLrnFYBwqZInPPgNS5PvLFmmP8Iq/PzXLT1BOTgDdzA"


def _string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def line(kind: str, *fields: bytes, outer: str = "", more: bytes = b"", comment: str = "someone") -> str:
    """A line with a blob of these fields."""
    blob = b"".join(map(_string, (kind.encode(), *fields))) + more
    return f"{outer or kind} {base64.b64encode(blob).decode()} {comment}"


SK_ED25519 = line("sk-ssh-ed25519@openssh.com", bytes(32), b"ssh:")
# The base point of the curve: ssh-keygen looks whether a point lies on it.
POINT = bytes.fromhex(
    "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
)
SK_ECDSA = line("sk-ecdsa-sha2-nistp256@openssh.com", b"nistp256", POINT, b"ssh:")


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The .pub lines of fresh keys of every type that needs no token."""
    place = tmp_path_factory.mktemp("keys")
    for number, (kind, bits) in enumerate(GENERATED):
        options = ["-b", bits] if bits else []
        argv = [
            "ssh-keygen",
            "-q",
            "-t",
            kind,
            *options,
            "-N",
            "",
            "-C",
            f"key {number} of test",
            "-f",
            str(place / str(number)),
        ]
        subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)
    return [(place / f"{number}.pub").read_text().rstrip("\n") for number in range(len(GENERATED))]


def listed(text: str, place: Path) -> list[list[str]]:
    """The words of ssh-keygen -l about each key in a file: bits, fingerprint, comment..., (TYPE)."""
    file = place / "keys"
    file.write_text(text)
    done = subprocess.run(["ssh-keygen", "-l", "-f", str(file)], capture_output=True, text=True, check=True)
    return [found.split() for found in done.stdout.splitlines()]


@needs_keygen
def test_fingerprints_are_those_of_ssh_keygen(generated: list[str], tmp_path: Path) -> None:
    """Fingerprint and RSA bits of every type are what ssh-keygen -l prints; the line comes back as it was."""
    lines = [*generated, SK_ED25519, SK_ECDSA]
    keys = [parse(text) for text in lines]
    said = listed("".join(text + "\n" for text in lines), tmp_path)

    assert [words[1] for words in said] == [key.fingerprint for key in keys]
    assert [int(words[0]) for words in said if words[-1] == "(RSA)"] == [
        key.bits for key in keys if key.type == "ssh-rsa"
    ]
    assert lines == [key.render() for key in keys]


@needs_keygen
def test_short_and_broken_keys_are_refused(tmp_path: Path) -> None:
    """RSA under 2048 bits is refused though ssh-keygen makes it."""
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "rsa", "-b", "1024", "-N", "", "-f", str(tmp_path / "k")], check=True
    )

    with pytest.raises(BadKey, match="1024 bits is too short"):
        parse((tmp_path / "k.pub").read_text())


@needs_keygen
def test_a_private_key_is_never_repeated(tmp_path: Path) -> None:
    """A private key, whole or its first or last line, is refused without a word of it."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "k")], check=True)
    text = (tmp_path / "k").read_text()
    for form in (text, text.replace("\n", " "), text.splitlines()[0], text.splitlines()[-1]):
        with pytest.raises(BadKey, match="private key") as caught:
            parse(form)

        assert not any(
            word in str(caught.value)
            for word in text.split()
            if len(word) > 8 and word not in ("PRIVATE", "-----BEGIN")
        )


BAD = {
    "nothing": ("", "write a public key"),
    "a comment": ("# ssh-ed25519 AAAA", "write a public key"),
    "one word": ("ssh-ed25519", "something is missing"),
    "no type": (ED25519.split()[1] + " alice", "no type of key"),
    "a type that does not exist": (line("ssh-future", bytes(32)), "unknown type of key 'ssh-future'"),
    "DSA": (line("ssh-dss", bytes(128), bytes(20), bytes(128), bytes(128)), "DSA"),
    "a certificate": (line("ssh-ed25519-cert-v01@openssh.com", bytes(32)), "certificate"),
    "cut off in base64": (ED25519[:-1], "cut off or was changed"),
    "cut off at a whole byte": (ED25519[:-4], "cut off|cut off or was changed"),
    "another type in front": (line("ssh-ed25519", bytes(32), outer="ssh-rsa"), "is not such a key"),
    "bytes after the end": (line("ssh-ed25519", bytes(32), more=b"x"), "bytes after its end"),
    "a wrong length": (line("ssh-ed25519", bytes(31)), "wrong length"),
    "a wrong curve": (line("ecdsa-sha2-nistp256", b"nistp384", b"\4" + bytes(64)), "wrong curve"),
    "a wrong point": (line("ecdsa-sha2-nistp256", b"nistp256", b"\4" + bytes(63)), "wrong length"),
    "a short RSA key": (line("ssh-rsa", b"\1\0\1", b"\0\xff" + bytes(127)), "1024 bits"),
    "a byte order mark": ("\ufeff" + ED25519, "no type of key"),
    "an unknown option": (f"no-such {ED25519}", "sshd knows no option no-such"),
    "an option without its value": (f"command {ED25519}", "takes a value"),
    "a value for a flag": (f'pty="yes" {ED25519}', "takes no value"),
    "an option without quotes": (f"command=ls {ED25519}", "cannot be read"),
    "a quote that is not closed": (f'command="ls {ED25519}', "not closed"),
    "a date in another form": (f'expiry-time="2020-01-01" {ED25519}', "YYYYMMDD"),
    "a date that does not exist": (f'expiry-time="20230230" {ED25519}', "YYYYMMDD"),
    "a network with host bits": (f'from="10.0.0.1/8" {ED25519}', "no network"),
    "nobody may": (f'from="!10.0.0.1" {ED25519}', "lets nobody in"),
    "a blank in from": (f'from="a b" {ED25519}', "without blanks"),
    "an empty value": (f'command="" {ED25519}', "empty"),
    "environment without a name": (f'environment="=x" {ED25519}', "NAME=VALUE"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_keys(case: str) -> None:
    """Each mistake is refused with its own words, none of which is the key."""
    text, words = BAD[case]

    with pytest.raises(BadKey, match=words) as caught:
        parse(text)

    assert ED25519.split()[1][20:] not in str(caught.value)


READ: dict[str, tuple[str, tuple[tuple[str, str | None], ...], str]] = {
    "plain": (ED25519, (), ""),
    "comment with blanks": (f"{ED25519}  a b \t c ", (), "a b \t c"),
    "tabs and leading blanks": (" \t" + ED25519.replace(" ", "\t ") + "\tx", (), "x"),
    "carriage return": (f"{ED25519}\r", (), ""),
    "options": (
        f'no-pty,From="a,b",command="x \\"y\\" , z" {ED25519} c',
        (("no-pty", None), ("from", "a,b"), ("command", 'x "y" , z')),
        "c",
    ),
    "a backslash": (f'command="a\\\\"b" {ED25519}', (("command", 'a\\"b'),), ""),
    "a key of a later sshd": (f"pty {line('ssh-mldsa65@later', bytes(9), comment='')}", (("pty", None),), ""),
}


@pytest.mark.parametrize("case", READ)
def test_lines_on_a_host(case: str) -> None:
    """A line is read as sshd reads it."""
    text, options, comment = READ[case]
    key = read(text)

    assert key is not None
    assert (options, comment) == (key.options, key.comment)


@pytest.mark.parametrize("text", ["", "  \t", "# x", " \t# ssh-ed25519 AAAA", "\r"])
def test_idle_lines(text: str) -> None:
    """Blank lines and comments let nobody in."""
    assert read(text) is None
    assert is_idle(text)


NO_KEYS = [
    "x",
    "ssh-ed25519",
    "ssh-ed25519 AAAA",
    "a b c",
    '"',
    'command="x',
    "\ufeff" + ED25519,
    "pty, " + ED25519[3:],
]


@pytest.mark.parametrize("text", NO_KEYS)
def test_lines_that_are_no_keys(text: str) -> None:
    """A line that sshd does not understand is no key, and not idle either: another sshd may understand it."""
    assert read(text) is None
    assert not is_idle(text)


def test_options_mean_the_same() -> None:
    """The order of options counts only before a `restrict`, which forbids what was allowed so far."""
    assert canonical((("pty", None), ("from", "a"))) == canonical((("from", "a"), ("pty", None)))
    assert canonical((("restrict", None), ("pty", None), ("from", "a"))) == canonical(
        (("restrict", None), ("from", "a"), ("pty", None))
    )
    assert canonical((("pty", None), ("restrict", None))) != canonical((("restrict", None), ("pty", None)))


_VALUES = st.text(
    st.characters(min_codepoint=32, exclude_characters="\x7f", exclude_categories=("Cs", "Cc")),
    min_size=1,
    max_size=40,
)


@settings(max_examples=300, deadline=None)
@given(command=_VALUES, comment=st.text(st.sampled_from('ab "\\,#=\t'), max_size=20))
def test_what_is_rendered_is_read_again(command: str, comment: str) -> None:
    """Any command that can be written comes back; one that cannot is refused."""
    try:
        check_option("command", command)
    except BadKey:
        assert command.endswith("\\")
        return
    key = Key(
        "ssh-ed25519", parse(ED25519).blob, comment.strip(" \t"), (("command", command), ("restrict", None))
    )
    back = read(key.render())

    assert back is not None
    assert (key.blob, key.comment, canonical(key.options)) == (back.blob, back.comment, back.options)


@settings(max_examples=300, deadline=None)
@given(text=st.text(st.sampled_from('a-="\\, #\tA\r'), max_size=30))
def test_nothing_breaks_the_reader(text: str) -> None:
    """Any text is a key, idle or neither, and options that can be read are rendered
    to what reads the same.
    """
    read(text + " " + ED25519)
    options = parse_options(text)
    if options and not any(value is not None and value.endswith("\\") for _, value in options):
        assert options == parse_options(",".join(map(render_option, options)))


def test_every_option_of_the_manual_is_known() -> None:
    """The format knows exactly the options that sshd(8) of OpenSSH 9.2 lists."""
    manual = """agent-forwarding cert-authority command environment expiry-time from no-agent-forwarding no-port-forwarding no-pty
    no-user-rc no-x11-forwarding permitlisten permitopen port-forwarding principals pty no-touch-required verify-required restrict tunnel
    user-rc
    x11-forwarding"""

    assert set(manual.split()) == key_options._BARE | key_options._VALUED
