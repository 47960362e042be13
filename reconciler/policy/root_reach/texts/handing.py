"""Commands of root's that put what others can write where root runs or reads it, give such places away, or
run what is served elsewhere.

An unknown command counts too: it may run the files that it is told to read, and a person who
can write one may become root.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from reconciler.core.basics.lazy_regex import Late
from reconciler.formats.data_programs import COPIES, KEEPS_TO_DATA, STARRED
from reconciler.formats.named_paths import named_paths
from reconciler.formats.shell_commands import wrapped
from reconciler.formats.shell_programs import AS_SOMEBODY, SHELLS, WRAPPERS
from reconciler.policy.access.ways import EVERYBODY, Rank
from reconciler.policy.root_reach.places import is_relevant
from reconciler.policy.root_reach.texts.shown import shown
from reconciler.policy.root_reach.texts.values import Grant, Reading, Use

_MOST_WRAPPED = 6
_PATH_IN = Late(r"(?:^|[=:])((?:~[a-z_][\w-]*)?/.*)")
_EXTRACTS = Late(r"(?:-?[a-zA-Z]*x[a-zA-Z]*|--extract|--get)")
_FOR_OTHERS = Late(r"(?:[ugo]*[ao][ugo]*|)[+=][rxXst]*w[rwxXst]*|[0-7]?[0-7]{2}[2367]")
_ACL = Late(r"(?:d:|default:)?(u|user|g|group):([\w.-]+):[r-]?w[x-]?|(?:d:|default:)?(o|other):+[r-]?w[x-]?")
_URL = r"((?:https?|ftp)://)(?:[^\s/\"'@]*@)?([^\s/\"'`|;)?#]+)"
_SHELL = r"(?:sudo\s+)?(?:\S*/)?(?:(?:ba|da|k|z|a)?sh|python[\d.]*|perl|ruby|node)\b"
_SERVED = tuple(
    Late(form)
    for form in (
        rf"\b(?:curl|wget)\b[^\n;&]*?{_URL}[^\n;]*?\|\s*{_SHELL}",
        rf"(?:{_SHELL}\s+-\w*c|\beval|\bsource|(?:^|[\s;&])\.)\s*[\"']?(?:\$\(|`|<\()\s*(?:curl|wget)\b[^\n;&)]*?{_URL}",
        rf"{_SHELL}\s+<\(\s*(?:curl|wget)\b[^\n;&)]*?{_URL}",
    )
)
_ROOT_PASSWORD = Late(
    r"\broot:[^\n]*\|\s*(?:\S*/)?chpasswd\b|\bchpasswd\b[^\n]*<<[^\n]*\broot:|\bchpasswd\b[^\n]*<<[^\n]*\n(?:[^\n]+\n)*?root:"
)


def handed(words: Sequence[str], directory: str = "") -> Iterator[Reading]:
    """Yield everything that one argv of root's hands over; `directory` is where it runs."""
    argv = list(words)
    for _ in range(_MOST_WRAPPED):
        name = argv[0].rpartition("/")[2] if argv else ""
        if name not in WRAPPERS:
            break
        argv = wrapped(name, argv[1:])
    if not argv or name in AS_SOMEBODY or name in SHELLS:
        return
    arguments = argv[1:]
    if name in ("chown", "chmod", "chgrp", "setfacl"):
        yield from _given_away(name, arguments, directory)
    if name == "systemctl" and not {"enable", "link", "reenable"}.isdisjoint(arguments):
        yield from (Use(word, "makes a unit of") for word in arguments if word.startswith(("/", "~")))
    yield from shown(name, arguments)
    if name in COPIES:
        yield from _put(name, arguments, directory)
    if name in STARRED and directory and any(word.startswith("*") for word in arguments):
        yield Use(directory, f"gives {name} as options the names of what is in", likely=True)
    if name not in KEEPS_TO_DATA and name not in COPIES:
        for named_path in named_paths(" ".join(arguments)):
            yield Use(named_path.path, f"runs {name} with", likely=True, named=True, runs=named_path.runs)


def _put(name: str, arguments: list[str], directory: str) -> Iterator[Use]:
    """Yield what is copied, moved, linked, unpacked or mounted where root runs or reads it."""
    paths = [match[1] for word in arguments if (match := _PATH_IN.search(_from(word, directory))) is not None]
    if name == "tar":
        options = [*arguments[:1], *(word for word in arguments if word.startswith("-"))]
        if not any(map(_EXTRACTS.fullmatch, options)):
            return
        into = _value(arguments, "-C", "--directory") or directory
    else:
        into = _value(arguments, "-t", "--target-directory") or next(
            (word[3:] for word in arguments if word.startswith("of=")), ""
        )
        into = into or (_from(arguments[-1], directory) if arguments else "")
    if into == "/" or (into.startswith("/") and is_relevant(into.rstrip("/"))):
        yield from (
            Use(path, f"puts into {into} what is at")
            for path in paths
            if path.rstrip("/") != into.rstrip("/")
        )


def _from(word: str, directory: str) -> str:
    """A word as a path from a directory, where it is one."""
    if word.startswith(("-", "/", "~")) or not directory or "=" in word:
        return word
    return f"{directory.rstrip('/')}/{word}"


def _value(arguments: Sequence[str], *options: str) -> str:
    for at, word in enumerate(arguments):
        if word in options and at + 1 < len(arguments):
            return arguments[at + 1]
        if any(word.startswith(f"{option}=") for option in options):
            return word.partition("=")[2]
    return ""


def _given_away(name: str, arguments: list[str], directory: str) -> Iterator[Grant]:
    """Yield to whom root gives a path that it reads or runs: by an owner, a mode, an ACL."""
    plain = [word for word in arguments if not word.startswith("-")]
    for path in (_from(word, directory) for word in plain[1:]):
        if not path.startswith("/") or not is_relevant(path.rstrip("/") or "/etc"):
            continue
        if name == "chown" and (who := re.split(r"[:.]", plain[0], maxsplit=1)[0]) not in ("", "root", "0"):
            yield Grant(who, f"root gives them {path}", Rank.WRITES)
        elif name == "chmod" and any(_FOR_OTHERS.fullmatch(part) for part in plain[0].split(",")):
            yield Grant(EVERYBODY, f"root lets everybody write {path}", Rank.WRITES)
        elif name == "setfacl":
            for match in (_ACL.fullmatch(part) for word in plain for part in word.split(",")):
                if match is not None:
                    who = EVERYBODY if match[3] else f"%{match[2]}" if match[1].startswith("g") else match[2]
                    yield Grant(who, f"root lets them write {path} by an ACL", Rank.WRITES)


def served(text: str) -> Iterator[Grant]:
    """Yield who becomes root by a script that root fetches and runs, or by a password in the text."""
    if "://" in text:
        for line in text.split("\n"):
            if not line.lstrip().startswith("#"):
                for match in filter(None, (form.search(line) for form in _SERVED)):
                    yield Grant(
                        f"whoever serves {match[1]}{match[2]}", "root runs what comes from there", Rank.LIKELY
                    )
    if "chpasswd" in text and _ROOT_PASSWORD.search(text):
        yield Grant("whoever knows the password in it", "root's password is set by chpasswd", Rank.UID)
