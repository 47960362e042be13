"""Public keys that an archive can be encrypted to with age(1): its own (`age1...`), and those of SSH."""

from __future__ import annotations

import base64
import binascii
import re

_ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_AGE = re.compile(rf"age1[{_ALPHABET}]{{58}}")
_SSH = re.compile(r"(ssh-ed25519|ssh-rsa) ([A-Za-z0-9+/]+={0,2})(?: [ -~]*)?")


def wrong(text: str) -> str:
    """Why a text is no public key that age takes; empty if it is one."""
    if text.startswith("AGE-SECRET-KEY-"):
        return "this is a private key: write the public one (age-keygen -y FILE), and keep this off the host"
    if ssh := _SSH.fullmatch(text):
        return "" if _is_ssh_key(*ssh.groups()) else "the text of the SSH key is damaged"
    if not _AGE.fullmatch(text):
        return "write a public key: age1... of age-keygen, or a line `ssh-ed25519 ...`"
    return (
        ""
        if _checksum("age", text[4:]) == 1
        else "a character of the key is wrong: its checksum does not fit"
    )


def _is_ssh_key(kind: str, text: str) -> bool:
    try:
        blob = base64.b64decode(text, validate=True)
    except binascii.Error:
        return False
    return blob.startswith(len(kind).to_bytes(4, "big") + kind.encode())


def _checksum(prefix: str, data: str) -> int:
    """The checksum of Bech32 (BIP 173), which is 1 for a right text."""
    values = [ord(letter) >> 5 for letter in prefix] + [0] + [ord(letter) & 31 for letter in prefix]
    values += [_ALPHABET.index(letter) for letter in data]
    checksum = 1
    for value in values:
        top = checksum >> 25
        checksum = (checksum & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate(_GENERATOR):
            checksum ^= generator if top >> bit & 1 else 0
    return checksum
