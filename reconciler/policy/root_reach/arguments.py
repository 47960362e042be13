"""By which fixed arguments a program that sudo runs hands root over: what it copies, unpacks, gives away,
shows, mounts, and whose.

The answer is a reason. It is likely only, where root merely handles what somebody can write, and what comes
of it is not known.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from reconciler.core.basics.frozen import frozen
from reconciler.core.basics.lazy_regex import Late
from reconciler.formats.shell_commands import run_files, wrapped
from reconciler.formats.shell_programs import WRAPPERS
from reconciler.policy.access.writers import Writers
from reconciler.policy.root_reach.places import is_relevant
from reconciler.policy.root_reach.program_names import READERS, SHELLS
from reconciler.policy.root_reach.programs import is_known, is_pattern, may_be_root, name_of, shell_from
from reconciler.policy.root_reach.secrets_of_host import secret
from reconciler.policy.root_reach.words import from_to, operands_of, value_of

_HERE = "/.where-sudo-is-typed"
"""Stands for the directory in which somebody types sudo: it is that person's choice."""
_CONFIGURED = Late(r"\.(?:deb|rpm|whl|gem|service|ya?ml|ko|conf)\Z")
"""The end of a file's name by which these programs know it, without a directory in front."""
_REMOTE = Late(r"[\w.@-]+:")
"""A path on another host, or a URL."""


@frozen
class Reason:
    """Why a rule makes somebody root; `likely`: it may."""

    why: str
    likely: bool = False


@frozen
class Asker:
    """Who runs something by sudo, as whom, and in which directory: empty where that is the asker's own
    choice.
    """

    account: str
    groups: frozenset[str]
    home: str
    """The home of the one as whom it runs; empty for root."""
    writers: Writers
    directory: str = ""

    def theirs(self, path: str) -> str:
        """Why what is at a path is the asker's, in words; empty if it is not."""
        if path == "-":
            return f"{self.account} types it"
        place = self.placed(path)
        if f"{place}/".startswith(f"{_HERE}/"):
            return f"{self.account} chooses the directory"
        return self.writers.why(self.account, place) if place.startswith("/") else ""

    def decides(self, path: str) -> bool:
        """Whether something at a path is one that root, or the one as whom it runs, reads or runs."""
        place = self.placed(path)
        if self.home:
            return place.startswith(f"{self.home}/") or place == self.home
        return place.startswith("/") and (is_relevant(place) or place == "/")

    def placed(self, path: str) -> str:
        """The path as seen from the directory; unchanged for what is none."""
        if _REMOTE.match(path) or path.startswith(("-", "...")):
            return path
        return posixpath.normpath(posixpath.join(self.directory or _HERE, path)).replace("//", "/")


def by_program(
    program: str, arguments: Sequence[str] | None, asker: Asker, *, fixed: bool = False
) -> Reason | None:
    """Why a program that sudo runs makes the asker root: by itself, as the asker's own, or by its arguments.

    None: it does not.

    `program` and `arguments` are those of a rule, as for `shell_from`. `fixed`: a digest says what the
    program is.
    """
    if why := shell_from(program, arguments) if not asker.home or not program.startswith("sudoedit") else "":
        return Reason("" if name_of(program) in SHELLS else why)
    if is_pattern(program):
        return Reason(why) if (why := _matching(program, asker)) else _may(program, arguments)
    if program == "sudoedit":
        return next((Reason(f"it edits {path}") for path in arguments or () if asker.decides(path)), None)
    if not program.startswith("/"):
        return None
    files = list(run_files((program, *(arguments or ())), asker.directory or _HERE))
    files = files[:1] if name_of(program) == "reconciler" else files  # what it applies is named below
    own = (asker.theirs(path) for path in (files[1:] if fixed else files))
    if why := next(filter(None, own), ""):
        return Reason(why)
    return (by_arguments((program, *arguments), asker) if arguments else None) or _may(program, arguments)


def _may(program: str, arguments: Sequence[str] | None) -> Reason | None:
    why = may_be_root(program, arguments)
    return Reason(why, likely=True) if why else None


def _matching(pattern: str, asker: Asker) -> str:
    """Why a directory in which the programs of a pattern lie is the asker's."""
    if pattern.endswith("/"):
        return asker.theirs(pattern)
    directory = "" if pattern.startswith("^") else pattern.rpartition("/")[0]
    return (
        next(filter(None, (asker.theirs(f"{path}/x") for path in asker.writers.matching(directory))), "")
        if directory
        else ""
    )


def by_arguments(words: Sequence[str], asker: Asker) -> Reason | None:
    """The reason that these words give, as one argv that somebody else runs; None where they hand nothing
    over.
    """
    name, rest = name_of(words[0]), list(words[1:])
    if name in WRAPPERS and name != "chroot" and (inner := wrapped(name, rest)):
        return by_arguments(inner, asker)
    if name in _HANDS:
        return next(_HANDS[name](name, rest, asker), None)
    if name in READERS or name in _ALSO_SHOW:
        return next(_shown(name, rest, asker), None)
    return None if is_known(words[0]) else next(_handled(name, rest, asker), None)


def people_by(words: Sequence[str]) -> Iterator[tuple[str, str, bool]]:
    """The accounts that somebody can be by an argv that root runs, how, and whether by then a password of
    theirs is known.
    """
    name, rest = name_of(words[0]), list(words[1:])
    plain = [word for word in rest if not word.startswith("-")]
    if (
        name == "passwd"
        and len(plain) == 1
        and all(word in ("-d", "--delete") for word in rest if word.startswith("-"))
    ):
        yield plain[0], f"sets the password of {plain[0]}", True
    elif (name in ("su", "runuser") and len(plain) == 1) or (name == "login" and "-f" in rest and plain):
        yield plain[0], f"is a shell of {plain[0]}'s", False


# ------------------------------------------------------------------------------------------- what programs do

_ALSO_SHOW = frozenset(("sed", "awk", "gawk", "mawk", "sort", "jq", "uniq", "split", "xxd", "openssl"))
"""Programs that show a file, among other things."""


def _handled(_: str, rest: list[str], asker: Asker) -> Iterator[Reason]:
    """Yield what a program of which nothing is known is given."""
    for word in rest:
        path = word.partition("=")[2] if word.startswith("-") else word
        if "/" in path and (why := asker.theirs(path)):
            yield Reason(f"it is given {path}; {why}", likely=True)


def _shown(_: str, rest: list[str], asker: Asker) -> Iterator[Reason]:
    """A secret that is shown, or a path that can be made a link to one."""
    if rest[:1] in (["shadow"], ["gshadow"]):
        yield Reason(f"it shows /etc/{rest[0]}", likely=True)
    for path in (word for word in operands_of(rest) if "/" in word):
        place = asker.placed(path)
        if place.startswith("/") and secret(place, asker.account) and not asker.home:
            yield Reason(f"it shows {path}", likely=True)
        elif not asker.home and (why := asker.theirs(path)):
            yield Reason(f"it shows what {path} leads to; {why}", likely=True)


def _copied(name: str, rest: list[str], asker: Asker) -> Iterator[Reason]:
    """From a place of the asker's to one that root uses, or to one of the asker's, which can be a link."""
    sources, to = from_to(rest)
    if name == "dd":
        values = dict(word.partition("=")[::2] for word in rest)
        sources, to = [values.get("if", "-")], values.get("of", "")
    elif name in ("tee", "sponge"):
        sources, to = (
            ["-"],
            next(iter(sorted(operands_of(rest), key=lambda path: not asker.decides(path))), ""),
        )
    elif name in ("curl", "wget"):
        sources = [word.removeprefix("file://") for word in operands_of(rest) if word.startswith("file:///")]
        to = next(
            (
                rest[at + 1]
                for at, word in enumerate(rest[:-1])
                if word in ("-o", "-O", "--output", "--output-document")
            ),
            "",
        )
    if not to:
        return
    why = next(filter(None, (asker.theirs(source) for source in sources)), "")
    if why and asker.decides(to):
        yield Reason(f"it writes {to} from what is not root's: {why}")
    elif why and not asker.home and asker.theirs(to) and name not in ("mv", "ln"):
        yield Reason(f"it writes what {to} leads to: {asker.theirs(to)}")
    for source in sources:
        if not asker.home and secret(asker.placed(source), asker.account) and asker.theirs(to):
            yield Reason(f"it hands {source} on", likely=True)


def _unpacked(name: str, rest: list[str], asker: Asker) -> Iterator[Reason]:
    """An archive of the asker's: setuid files and links that are in it are root's."""
    archive = _archive(name, rest)
    if not archive or not (why := asker.theirs(archive)):
        return
    to = value_of(rest, ("-C", "--directory", "-d", "-D")) or "."
    keeps_owners = name in ("tar", "bsdtar", "cpio") and "--no-same-owner" not in rest
    if keeps_owners or asker.decides(to) or asker.theirs(to):
        yield Reason(f"it unpacks {'what comes in' if archive == '-' else archive}; {why}")


def _archive(name: str, rest: list[str]) -> str:
    """The archive that is unpacked, `-` for standard input; empty where nothing is."""
    if name in ("tar", "bsdtar"):
        short = [
            word
            for at, word in enumerate(rest)
            if re.fullmatch(r"-[a-zA-Z]+", word) or (not at and word.isalpha())
        ]
        takes = any("x" in word for word in short) or "--extract" in rest or "--get" in rest
        named = (
            rest[at + 1]
            for at, word in enumerate(rest[:-1])
            if word == "--file" or (word in short and word.endswith("f"))
        )
        joined = (word.partition("=")[2] for word in rest if word.startswith("--file="))
        return next(iter((*named, *joined)), "-") if takes else ""
    if name == "cpio":
        return "-" if any(re.fullmatch(r"--extract|-[a-z]*i[a-z]*", word) for word in rest) else ""
    return "" if "-l" in rest else next(iter(operands_of(rest)), "")


def _given(name: str, rest: list[str], asker: Asker) -> Iterator[Reason]:
    """A file that is given to the asker, or opened to everybody: one that root uses, or one that can be a
    link to such a one.
    """
    what, *paths = operands_of(rest) or [""]
    if name == "setfacl":
        what, paths = (
            value_of(rest, ("-m", "--modify")),
            [word for word in operands_of(rest) if word != value_of(rest, ("-m", "--modify"))],
        )
    if not any(_is_for(asker, name, what)):
        return
    deep = any(re.fullmatch(r"--recursive|-\w*R\w*", word) for word in rest)
    for path in paths:
        if asker.decides(path):
            yield Reason(f"it gives {path} away")
        elif (
            (why := asker.theirs(path))
            and not asker.home
            and not (name in ("chown", "chgrp") and deep and not path.endswith("/"))
        ):
            yield Reason(f"it gives away what {path} leads to; {why}")


def _is_for(asker: Asker, name: str, what: str) -> Iterator[bool]:
    """Whether an owner, a mode or an entry of an ACL is for the asker."""
    if name == "chmod":
        yield (
            re.fullmatch(
                r"0?[0-7]?[0-7]{2}[2367]|0?[4-7][0-7]{3}|(?:\w*[oa]\w*)?\+\w*w\w*|\w*u?\+\w*s\w*|[oa]\w*=\w*w\w*",
                what,
            )
            is not None
        )
    elif name == "setfacl":
        yield any(
            re.match(rf"u(?:ser)?:{re.escape(asker.account)}:\w*w|o(?:ther)?::?\w*w", entry)
            for entry in what.split(",")
        )
        yield any(re.match(rf"g(?:roup)?:{re.escape(group)}:\w*w", what) for group in asker.groups)
    elif name == "chgrp":
        yield False
    else:
        yield re.split(r"[:.]", what)[0] == asker.account


def _mounted(_: str, rest: list[str], asker: Asker) -> Iterator[Reason]:
    """Something of the asker's is put over what root uses, or has setuid files."""
    options = ",".join(
        word
        for at, word in enumerate(rest)
        if (at and rest[at - 1] in ("-o", "--options")) or word.startswith("-o")
    )
    source = next(iter(operands_of(rest, ("-o", "--options", "-t", "--types"))), "")
    bound = any(word in ("--bind", "-B", "--rbind", "-R") for word in rest) or "bind" in options
    if not source.startswith("/dev/") and "/" in source and (why := asker.theirs(source)):
        if not bound and "nosuid" not in options:
            yield Reason(f"it mounts {source}; {why}")
        elif bound and asker.decides(operands_of(rest, ("-o", "--options", "-t", "--types"))[-1]):
            yield Reason(f"it puts {source} over what root uses; {why}")


def _rooted(_: str, rest: list[str], asker: Asker) -> Iterator[Reason]:
    """A program that is looked for below a directory of the asker's."""
    place = value_of(rest, ("-D", "--directory")) or next(iter(operands_of(rest)), "")
    if why := asker.theirs(place) if place else "":
        yield Reason(f"it runs what is below {place}; {why}")


def _configured(_: str, rest: list[str], asker: Asker) -> Iterator[Reason]:
    """A unit, a package, a configuration or a program that an argument names, and that is the asker's."""
    for word in rest:
        path = word.partition("=")[2] if word.startswith("-") else word
        if ("/" in path or _CONFIGURED.search(path)) and (why := asker.theirs(path)):
            yield Reason(f"it goes by {path}; {why}")


def _here(name: str, rest: list[str], asker: Asker) -> Iterator[Reason]:
    """Yield what is in the directory in which it runs."""
    place = value_of(
        rest, ("-C", "--directory", "--git-dir", "--prefix", "--chdir", "-f", "--file", "--work-tree")
    )
    if (
        not place
        and (rest or name in ("make", "gmake", "ninja", "rake", "vagrant"))
        and (why := asker.theirs("./x"))
    ):
        yield Reason(f"it runs what is in the directory; {why}")
    elif place and (why := asker.theirs(place)):
        yield Reason(f"it goes by {place}; {why}")


def _applied(_: str, rest: list[str], asker: Asker) -> Iterator[Reason]:
    """A specification of the asker's."""
    if rest[:1] == ["apply"]:
        yield from _configured("", rest[1:], asker)


_HANDS: Mapping[str, Callable[[str, list[str], Asker], Iterator[Reason]]] = {
    **dict.fromkeys(
        ("cp", "mv", "install", "rsync", "scp", "ln", "dd", "tee", "sponge", "curl", "wget"), _copied
    ),
    **dict.fromkeys(("tar", "bsdtar", "unzip", "cpio", "7z"), _unpacked),
    **dict.fromkeys(("chown", "chmod", "chgrp", "setfacl"), _given),
    **dict.fromkeys(("chroot", "systemd-nspawn", "proot"), _rooted),
    **dict.fromkeys(
        (
            "make",
            "gmake",
            "ninja",
            "rake",
            "git",
            "npm",
            "yarn",
            "docker-compose",
            "vagrant",
            "cargo",
            "bundle",
        ),
        _here,
    ),
    **dict.fromkeys(
        ("dpkg", "apt", "apt-get", "rpm", "pip", "gem", "update-alternatives", "systemctl", "insmod"),
        _configured,
    ),
    **dict.fromkeys(
        (
            "nginx",
            "sshd",
            "apache2",
            "httpd",
            "haproxy",
            "dnsmasq",
            "rsyslogd",
            "openvpn",
            "wg-quick",
            "logrotate",
        ),
        _configured,
    ),
    "mount": _mounted,
    "reconciler": _applied,
}
