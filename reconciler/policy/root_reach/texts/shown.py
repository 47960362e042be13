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


def shown(name: str, rest: Sequence[str]) -> Iterator[Grant]:
    """Who may read a secret by this command, of which `rest` are the arguments."""
    named = [path for word in rest if (path := word.removeprefix("if=")).startswith("/") and secret(path, "")]
    plain = [word for word in rest if not word.startswith("-")]
    for path in named:
        for who, how in _readers(name, rest, plain, path):
            by = f"root lets them read {path}{how}: {secret(path, '')}"
            yield Grant(who, by, likely=True)


def _readers(name: str, rest: Sequence[str], plain: Sequence[str], path: str) -> Iterator[tuple[str, str]]:
    """The accounts, and in words by which copy."""
    first, last = (plain[0], plain[-1]) if plain else ("", "")
    match name:
        case "install" if last != path and _is_open(_mode(rest)):
            yield EVERYBODY, f" at {last}"
        case "dd":
            copy = next((word[3:] for word in rest if word.startswith("of=")), "")
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
            for found in (_ACL.fullmatch(part) for word in plain for part in word.split(",")):
                if found is not None:
                    is_group = (found[1] or "").startswith("g")
                    yield EVERYBODY if found[3] else f"%{found[2]}" if is_group else str(found[2]), ""
        case _:
            return


def _is_open(mode: str) -> bool:
    return bool(_READ.fullmatch(mode))


def _mode(rest: Sequence[str]) -> str:
    """The mode that install(1) gives: 0755 where it is not said."""
    modes = [after for word, after in pairwise(rest) if word in ("-m", "--mode")]
    modes += [found[1] for word in rest if (found := re.fullmatch(r"(?:--mode=|-m)(.+)", word)) is not None]
    return modes[-1] if modes else "0755"
