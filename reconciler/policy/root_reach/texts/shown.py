"""Commands of root's that let others read a secret of the host: by a copy, mode, owner, group or ACL.

Whoever reads it may become root: by the hash of a password, by a private key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from reconciler.core.basics.lazy_regex import Late
from reconciler.policy.access.ways import EVERYBODY
from reconciler.policy.root_reach.secrets_of_host import secret
from reconciler.policy.root_reach.texts.values import Grant

_READ = Late(r"(?:[ugo]*[ao][ugo]*|)[+=][wxXst]*r[rwxXst]*|[0-7]?[0-7]{2}[4-7]")
_ACL = Late(r"(?:d:|default:)?(u|user|g|group):([\w.-]+):r[w-]?[x-]?|(?:d:|default:)?(o|other):+r[w-]?[x-]?")
_ROOT = ("", "root", "0")


def shown(name: str, arguments: Sequence[str]) -> Iterator[Grant]:
    """Yield who may read a secret by this command of root's; `name` is the program's."""
    named = [
        path for word in arguments if (path := word.removeprefix("if=")).startswith("/") and secret(path, "")
    ]
    plain = [word for word in arguments if not word.startswith("-")]
    for path in named:
        for who, how in _readers(name, arguments, plain, path):
            by = f"root lets them read {path}{how}: {secret(path, '')}"
            yield Grant(who, by, likely=True)


def _readers(
    name: str, arguments: Sequence[str], plain: Sequence[str], path: str
) -> Iterator[tuple[str, str]]:
    """Yield the accounts that may then read the secret, and by which copy, in words."""
    first, last = (plain[0], plain[-1]) if plain else ("", "")
    match name:
        case "install" if last != path and _is_open(_mode(arguments)):
            yield EVERYBODY, f" at {last}"
        case "dd":
            copy = next((word[3:] for word in arguments if word.startswith("of=")), "")
            yield from [(EVERYBODY, f" at {copy}")] if copy.startswith("/") else []
        case "chmod" if any(_is_open(part) for part in first.split(",")):
            yield EVERYBODY, ""
        case "chown":
            who, _, group = first.replace(".", ":").partition(":")
            yield from [(who, "")] if who not in _ROOT else []
            yield from [(f"%{group}", "")] if group not in (*_ROOT, "shadow") else []
        case "chgrp" if first not in (*_ROOT, "shadow"):
            yield f"%{first}", ""
        case "setfacl":
            for match in (_ACL.fullmatch(part) for word in plain for part in word.split(",")):
                if match is not None:
                    is_group = (match[1] or "").startswith("g")
                    yield EVERYBODY if match[3] else f"%{match[2]}" if is_group else str(match[2]), ""
        case _:
            return


def _is_open(mode: str) -> bool:
    return bool(_READ.fullmatch(mode))


def _mode(arguments: Sequence[str]) -> str:
    """The mode that install(1) gives: 0755 where it is not said."""
    modes = [after for word, after in pairwise(arguments) if word in ("-m", "--mode")]
    modes += [
        match[1] for word in arguments if (match := re.fullmatch(r"(?:--mode=|-m)(.+)", word)) is not None
    ]
    return modes[-1] if modes else "0755"
