"""The fixed arguments by which a program that sudo runs hands root over: what it copies, unpacks, gives away,
shows or mounts.

The answer is a reason. It is only likely where root merely handles what somebody can write, and nobody knows
what comes of that.
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
"""Ends of names that these programs take for a file even without a directory in front."""
_REMOTE = Late(r"[\w.@-]+:")
"""A path on another host, or a URL."""
_OPENING_MODE = Late(
    r"0?[0-7]?[0-7]{2}[2367]|0?[4-7][0-7]{3}|(?:\w*[oa]\w*)?\+\w*w\w*|\w*u?\+\w*s\w*|[oa]\w*=\w*w\w*"
)
"""A mode of chmod(1) that lets everybody write, or sets the setuid bit."""
_RUN_BARE = ("make", "gmake", "ninja", "rake", "vagrant")
"""Programs that run what is in the directory without any argument."""


@frozen
class Reason:
    """Why a rule makes somebody root; `likely`: it may."""

    why: str
    likely: bool = False


@frozen
class Asker:
    """Somebody who runs something by sudo, the one as whom it runs, and the directory."""

    account: str
    groups: frozenset[str]
    home: str
    """The home of the one as whom it runs; empty for root."""
    writers: Writers
    directory: str = ""
    """The directory in which it runs; empty where that is the asker's own choice."""

    def why_own(self, path: str) -> str:
        """Why what is at a path is the asker's, in words; empty if it is not."""
        if path == "-":
            return f"{self.account} types it"
        resolved = self.resolved(path)
        if f"{resolved}/".startswith(f"{_HERE}/"):
            return f"{self.account} chooses the directory"
        return self.writers.why(self.account, resolved) if resolved.startswith("/") else ""

    def matters(self, path: str) -> bool:
        """Whether root, or the one as whom it runs, reads or runs what is at a path."""
        resolved = self.resolved(path)
        if self.home:
            return resolved.startswith(f"{self.home}/") or resolved == self.home
        return resolved.startswith("/") and (is_relevant(resolved) or resolved == "/")

    def resolved(self, path: str) -> str:
        """The path as seen from the directory; a word that is no path comes back unchanged."""
        if _REMOTE.match(path) or path.startswith(("-", "...")):
            return path
        return posixpath.normpath(posixpath.join(self.directory or _HERE, path)).replace("//", "/")


def by_program(
    program: str, arguments: Sequence[str] | None, asker: Asker, *, fixed: bool = False
) -> Reason | None:
    """The reason why a program that sudo runs makes the asker root; None where it does not.

    It may do so by itself, as the asker's own, or by its arguments.

    `program` and `arguments` are those of a rule, as for `shell_from`. `fixed`: a digest says what the
    program is.
    """
    edits_as_another = bool(asker.home) and program.startswith("sudoedit")
    if why := "" if edits_as_another else shell_from(program, arguments):
        return Reason("" if name_of(program) in SHELLS else why)
    if is_pattern(program):
        return Reason(why) if (why := _matching(program, asker)) else _may(program, arguments)
    if program == "sudoedit":
        return next((Reason(f"it edits {path}") for path in arguments or () if asker.matters(path)), None)
    if not program.startswith("/"):
        return None
    files = list(run_files((program, *(arguments or ())), asker.directory or _HERE))
    files = files[:1] if name_of(program) == "reconciler" else files  # what it applies is named below
    own = (asker.why_own(path) for path in (files[1:] if fixed else files))
    if why := next(filter(None, own), ""):
        return Reason(why)
    return (by_arguments((program, *arguments), asker) if arguments else None) or _may(program, arguments)


def _may(program: str, arguments: Sequence[str] | None) -> Reason | None:
    why = may_be_root(program, arguments)
    return Reason(why, likely=True) if why else None


def _matching(pattern: str, asker: Asker) -> str:
    """Why a directory in which the programs of a pattern lie is the asker's."""
    if pattern.endswith("/"):
        return asker.why_own(pattern)
    directory = "" if pattern.startswith("^") else pattern.rpartition("/")[0]
    return (
        next(filter(None, (asker.why_own(f"{path}/x") for path in asker.writers.matching(directory))), "")
        if directory
        else ""
    )


def by_arguments(words: Sequence[str], asker: Asker) -> Reason | None:
    """The reason that one argv gives which the asker has somebody else run; None where it hands nothing
    over.
    """
    name, arguments = name_of(words[0]), list(words[1:])
    if name in WRAPPERS and name != "chroot" and (inner := wrapped(name, arguments)):
        return by_arguments(inner, asker)
    if name in _HANDS:
        return next(_HANDS[name](name, arguments, asker), None)
    if name in READERS or name in _ALSO_SHOW:
        return next(_shown(name, arguments, asker), None)
    return None if is_known(words[0]) else next(_handled(name, arguments, asker), None)


def people_by(words: Sequence[str]) -> Iterator[tuple[str, str, bool]]:
    """Yield the accounts that somebody can be by an argv that root runs: the name, how, and whether their
    password is known by then.
    """
    name, arguments = name_of(words[0]), list(words[1:])
    plain = [word for word in arguments if not word.startswith("-")]
    if (
        name == "passwd"
        and len(plain) == 1
        and all(word in ("-d", "--delete") for word in arguments if word.startswith("-"))
    ):
        yield plain[0], f"sets the password of {plain[0]}", True
    elif (name in ("su", "runuser") and len(plain) == 1) or (name == "login" and "-f" in arguments and plain):
        yield plain[0], f"is a shell of {plain[0]}'s", False


# ------------------------------------------------------------------------------------------- what programs do

_ALSO_SHOW = frozenset(("sed", "awk", "gawk", "mawk", "sort", "jq", "uniq", "split", "xxd", "openssl"))
"""Programs that show a file, among other things."""


def _handled(_: str, arguments: list[str], asker: Asker) -> Iterator[Reason]:
    """A file of the asker's that is given to an unknown program."""
    for word in arguments:
        path = word.partition("=")[2] if word.startswith("-") else word
        if "/" in path and (why := asker.why_own(path)):
            yield Reason(f"it is given {path}; {why}", likely=True)


def _shown(_: str, arguments: list[str], asker: Asker) -> Iterator[Reason]:
    """A secret that is shown, or a path that can be made a link to one."""
    if arguments[:1] in (["shadow"], ["gshadow"]):
        yield Reason(f"it shows /etc/{arguments[0]}", likely=True)
    for path in (word for word in operands_of(arguments) if "/" in word):
        resolved = asker.resolved(path)
        if resolved.startswith("/") and secret(resolved, asker.account) and not asker.home:
            yield Reason(f"it shows {path}", likely=True)
        elif not asker.home and (why := asker.why_own(path)):
            yield Reason(f"it shows what {path} leads to; {why}", likely=True)


def _copied(name: str, arguments: list[str], asker: Asker) -> Iterator[Reason]:
    """A copy from a path of the asker's to one that root uses, or to one of the asker's, which can be a
    link.
    """
    sources, to = _sources_and_target(name, arguments, asker)
    if not to:
        return
    why = next(filter(None, (asker.why_own(source) for source in sources)), "")
    if why and asker.matters(to):
        yield Reason(f"it writes {to} from what is not root's: {why}")
    elif why and not asker.home and asker.why_own(to) and name not in ("mv", "ln"):
        yield Reason(f"it writes what {to} leads to: {asker.why_own(to)}")
    for source in sources:
        if not asker.home and secret(asker.resolved(source), asker.account) and asker.why_own(to):
            yield Reason(f"it hands {source} on", likely=True)


def _sources_and_target(name: str, arguments: list[str], asker: Asker) -> tuple[list[str], str]:
    """The paths that a program copies from, `-` for standard input, and the one it writes; empty for none."""
    if name == "dd":
        values = dict(word.partition("=")[::2] for word in arguments)
        return [values.get("if", "-")], values.get("of", "")
    if name in ("tee", "sponge"):
        return ["-"], next(iter(sorted(operands_of(arguments), key=lambda path: not asker.matters(path))), "")
    if name in ("curl", "wget"):
        sources = [
            word.removeprefix("file://") for word in operands_of(arguments) if word.startswith("file:///")
        ]
        to = next(
            (
                arguments[at + 1]
                for at, word in enumerate(arguments[:-1])
                if word in ("-o", "-O", "--output", "--output-document")
            ),
            "",
        )
        return sources, to
    return from_to(arguments)


def _unpacked(name: str, arguments: list[str], asker: Asker) -> Iterator[Reason]:
    """An archive of the asker's: the setuid files and links in it become root's."""
    archive = _archive(name, arguments)
    if not archive or not (why := asker.why_own(archive)):
        return
    to = value_of(arguments, ("-C", "--directory", "-d", "-D")) or "."
    keeps_owners = name in ("tar", "bsdtar", "cpio") and "--no-same-owner" not in arguments
    if keeps_owners or asker.matters(to) or asker.why_own(to):
        yield Reason(f"it unpacks {'what comes in' if archive == '-' else archive}; {why}")


def _archive(name: str, arguments: list[str]) -> str:
    """The archive that is unpacked, `-` for standard input; empty where nothing is."""
    if name in ("tar", "bsdtar"):
        short = [
            word
            for at, word in enumerate(arguments)
            if re.fullmatch(r"-[a-zA-Z]+", word) or (not at and word.isalpha())
        ]
        takes = any("x" in word for word in short) or "--extract" in arguments or "--get" in arguments
        named = (
            arguments[at + 1]
            for at, word in enumerate(arguments[:-1])
            if word == "--file" or (word in short and word.endswith("f"))
        )
        joined = (word.partition("=")[2] for word in arguments if word.startswith("--file="))
        return next(iter((*named, *joined)), "-") if takes else ""
    if name == "cpio":
        return "-" if any(re.fullmatch(r"--extract|-[a-z]*i[a-z]*", word) for word in arguments) else ""
    return "" if "-l" in arguments else next(iter(operands_of(arguments)), "")


def _given_away(name: str, arguments: list[str], asker: Asker) -> Iterator[Reason]:
    """A file that is given to the asker, or opened to everybody: one that root uses, or one that can be a
    link to such a one.
    """
    grant, *paths = operands_of(arguments) or [""]
    if name == "setfacl":
        grant, paths = (
            value_of(arguments, ("-m", "--modify")),
            [word for word in operands_of(arguments) if word != value_of(arguments, ("-m", "--modify"))],
        )
    if not _is_for(asker, name, grant):
        return
    recursive = any(re.fullmatch(r"--recursive|-\w*R\w*", word) for word in arguments)
    for path in paths:
        if asker.matters(path):
            yield Reason(f"it gives {path} away")
            continue
        passes_over_link = name in ("chown", "chgrp") and recursive and not path.endswith("/")
        if (why := asker.why_own(path)) and not asker.home and not passes_over_link:
            yield Reason(f"it gives away what {path} leads to; {why}")


def _is_for(asker: Asker, name: str, grant: str) -> bool:
    """Whether an owner, a mode or an entry of an ACL is for the asker."""
    if name == "chmod":
        return _OPENING_MODE.fullmatch(grant) is not None
    if name == "setfacl":
        to_user = any(
            re.match(rf"u(?:ser)?:{re.escape(asker.account)}:\w*w|o(?:ther)?::?\w*w", entry)
            for entry in grant.split(",")
        )
        to_group = any(re.match(rf"g(?:roup)?:{re.escape(group)}:\w*w", grant) for group in asker.groups)
        return to_user or to_group
    return name != "chgrp" and re.split(r"[:.]", grant)[0] == asker.account


def _mounted(_: str, arguments: list[str], asker: Asker) -> Iterator[Reason]:
    """A mount of the asker's that covers what root uses, or brings setuid files."""
    options = ",".join(
        word
        for at, word in enumerate(arguments)
        if (at and arguments[at - 1] in ("-o", "--options")) or word.startswith("-o")
    )
    source = next(iter(operands_of(arguments, ("-o", "--options", "-t", "--types"))), "")
    bound = any(word in ("--bind", "-B", "--rbind", "-R") for word in arguments) or "bind" in options
    if not source.startswith("/dev/") and "/" in source and (why := asker.why_own(source)):
        if not bound and "nosuid" not in options:
            yield Reason(f"it mounts {source}; {why}")
        elif bound and asker.matters(operands_of(arguments, ("-o", "--options", "-t", "--types"))[-1]):
            yield Reason(f"it puts {source} over what root uses; {why}")


def _rooted(_: str, arguments: list[str], asker: Asker) -> Iterator[Reason]:
    """A directory of the asker's below which the program is looked for."""
    root = value_of(arguments, ("-D", "--directory")) or next(iter(operands_of(arguments)), "")
    if why := asker.why_own(root) if root else "":
        yield Reason(f"it runs what is below {root}; {why}")


def _configured(_: str, arguments: list[str], asker: Asker) -> Iterator[Reason]:
    """A unit, a package, a configuration or a program that an argument names, and that is the asker's."""
    for word in arguments:
        path = word.partition("=")[2] if word.startswith("-") else word
        if ("/" in path or _CONFIGURED.search(path)) and (why := asker.why_own(path)):
            yield Reason(f"it goes by {path}; {why}")


def _here(name: str, arguments: list[str], asker: Asker) -> Iterator[Reason]:
    """A file of the asker's in the directory in which it runs, or that it is told to go by."""
    path = value_of(
        arguments, ("-C", "--directory", "--git-dir", "--prefix", "--chdir", "-f", "--file", "--work-tree")
    )
    if not path and (arguments or name in _RUN_BARE) and (why := asker.why_own("./x")):
        yield Reason(f"it runs what is in the directory; {why}")
    elif path and (why := asker.why_own(path)):
        yield Reason(f"it goes by {path}; {why}")


def _applied(_: str, arguments: list[str], asker: Asker) -> Iterator[Reason]:
    """A specification of the asker's."""
    if arguments[:1] == ["apply"]:
        yield from _configured("", arguments[1:], asker)


_HANDS: Mapping[str, Callable[[str, list[str], Asker], Iterator[Reason]]] = {
    **dict.fromkeys(
        ("cp", "mv", "install", "rsync", "scp", "ln", "dd", "tee", "sponge", "curl", "wget"), _copied
    ),
    **dict.fromkeys(("tar", "bsdtar", "unzip", "cpio", "7z"), _unpacked),
    **dict.fromkeys(("chown", "chmod", "chgrp", "setfacl"), _given_away),
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
