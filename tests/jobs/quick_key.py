"""A key for a restic repository that opens at once.

`restic init` chooses a key derivation that takes half a second for each call: here the same master key is
wrapped once more, with the cheapest derivation there is, as restic's design document says (AES-256 in counter
mode, Poly1305-AES).
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
from pathlib import Path


def replace_key(repository: Path, password: str, master: bytes) -> None:
    """Put a quick key in place of the keys of a repository. `master` is what `restic cat masterkey` prints."""
    salt, nonce = os.urandom(64), os.urandom(16)
    derived = hashlib.scrypt(password.encode(), salt=salt, n=2, r=1, p=1, dklen=64)
    sealed = _aes("aes-256-ctr", derived[:32], master, "-iv", nonce.hex())
    pad = _aes("aes-128-ecb", derived[32:48], nonce, "-nopad")
    data = nonce + sealed + _poly1305(derived[48:64], pad, sealed)
    fields = {
        "created": "2026-01-01T00:00:00Z",
        "username": "root",
        "hostname": "testhost",
        "kdf": "scrypt",
        "N": 2,
        "r": 1,
        "p": 1,
        "salt": base64.b64encode(salt).decode(),
        "data": base64.b64encode(data).decode(),
    }
    content = json.dumps(fields).encode()
    for old in (repository / "keys").iterdir():
        old.unlink()
    (repository / "keys" / hashlib.sha256(content).hexdigest()).write_bytes(content)


def _aes(cipher: str, key: bytes, content: bytes, *options: str) -> bytes:
    argv = ["openssl", "enc", f"-{cipher}", "-K", key.hex(), *options]
    return subprocess.run(argv, input=content, capture_output=True, check=True).stdout


def _poly1305(r: bytes, pad: bytes, content: bytes) -> bytes:
    factor = int.from_bytes(r, "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    total = 0
    for at in range(0, len(content), 16):
        block = int.from_bytes(content[at : at + 16] + b"\x01", "little")
        total = (total + block) * factor % ((1 << 130) - 5)
    return ((total + int.from_bytes(pad, "little")) % (1 << 128)).to_bytes(16, "little")
