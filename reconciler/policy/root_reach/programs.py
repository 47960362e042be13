"""Programs that amount to root for whoever may run them as root: from each of them a shell of root's is one
step.

The tables follow what the programs' own manuals offer: a shell escape, a command that they run, a file that
they write anywhere. A rule of sudo may fix the arguments; then only what those arguments leave open counts
(docs/decisions/2026-11-30-root-reads-or-runs.md).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from reconciler.core.basics.lazy_regex import Late
from reconciler.formats.shell_commands import wrapped
from reconciler.formats.shell_programs import WRAPPERS
from reconciler.policy.root_reach.program_names import ALWAYS, HARMLESS, OPEN, READERS, SHELLS, by_name

_STARTS_CONTAINER = (
    r"(?:run|create)\b.*\s(?:--privileged|--pid[= ]host|--cap-add|-v|--volume|--mount|--device)\b.*"
)
_POWERFUL = r".*\b(?:sudo|docker|root|wheel|disk|lxd|incus-admin|shadow)\b.*"
_FIXED: Mapping[str, tuple[tuple[str, str], ...]] = {
    **dict.fromkeys(
        ("apt", "apt-get"),
        (
            (r"(?:.*\s)?-o\b.*", "its options run commands"),
            (r"(?:.*\s)?changelog\b.*", "its pager starts a shell"),
        ),
    ),
    "chroot": ((r"\S+", "it is a shell of root's"),),
    "crontab": (
        (r"(?:.*\s)?-e\b.*", "it starts an editor"),
        (r"(?:-u root)?(?:\s*-)?", "it takes root's jobs from standard input"),
    ),
    "dmesg": ((r"(?:.*\s)?(?:-\w*H\w*|--human)\b.*", "its pager starts a shell"),),
    "docker": ((_STARTS_CONTAINER, "the container has the host's files"),),
    "find": (
        (r".*\s-(?:exec|execdir|ok|okdir)\s+(?:\S*/)?(?:ba|da|z|k)?sh\s*(?:;|\\;)?", "it runs a shell"),
    ),
    "git": (
        (
            r"(?!.*--no-pager)(?:.*\s)?(?:log|diff|show|help|commit|rebase|blame|-p|--paginate)\b.*",
            "it starts a pager or an editor",
        ),
    ),
    "gpasswd": ((_POWERFUL, "it makes members of a group that amounts to root"),),
    "machinectl": ((r"(?:shell|login)\b.*", "it is a shell of root's"),),
    "login": ((r"(?:.*\s)?-f\s*root\b.*", "it is a shell of root's"),),
    "nsenter": ((r"(?:-\S+\s*|\d+\s*)*", "it is a shell of root's"),),
    "passwd": ((r"(?:(?:-d|--delete)\s+)?(?:root)?", "it sets root's password"),),
    "podman": ((_STARTS_CONTAINER, "the container has the host's files"),),
    "runuser": ((r"(?:-|-l|--login)?\s*(?:root)?", "it is a shell of root's"),),
    "su": ((r"(?:-|-l|--login)?\s*(?:root)?", "it is a shell of root's"),),
    "sudo": ((r"(?:-i|-s|su|(?:\S*/)?(?:ba|da|z|k)?sh)\b.*", "it is a shell of root's"),),
    "systemctl": ((r"(?:-\S+\s+)*edit\b.*", "systemctl edit starts an editor"),),
    "systemd-run": ((r"(?:.*\s)?(?:-S|--shell)\b.*", "it is a shell of root's"),),
    "unshare": ((r"(?:-\S+\s*)*", "it is a shell of root's"),),
    "usermod": ((_POWERFUL, "it makes members of a group that amounts to root"),),
}
"""Patterns of the arguments that a rule fixes, joined by blanks, and the reason; by program."""
_REPL = Late(r"python|perl|ruby|node|nodejs|php|lua|guile|scheme|deno|bun|jshell")
_VERSION = Late(r"[-.]?\d[\d.]*\Z|\.(?:tiny|basic|nox|gtk3|athena|openbsd|traditional|nftables|legacy)\Z")
WITH_ANY = "with any arguments"
_SHELL = "it is a shell"
_APPLETS = ("busybox", "toybox")
_NOTHING = '""'
"""The arguments of a rule that allows none, as sudoers(5) writes it."""
_PROGRAMS = frozenset(("/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"))


_ALWAYS_WHY = by_name(ALWAYS)
_OPEN_WHY = {**by_name(OPEN), **dict.fromkeys(SHELLS, _SHELL), "sudoedit": "it edits any file"}
_KNOWN = frozenset((*_ALWAYS_WHY, *_OPEN_WHY, *READERS, *HARMLESS, *_APPLETS))


def name_of(program: str) -> str:
    """The name of a program without directory, version and flavour: `vim` of /usr/bin/vim.basic."""
    name = program.rpartition("/")[2]
    plain = name
    while plain not in _KNOWN and (shorter := _VERSION.sub("", plain)) != plain:
        plain = shorter
    return plain or name


def shell_from(program: str, arguments: Sequence[str] | None = None) -> str:
    """Why a program that an account may run as root makes it root; empty where it does not by itself.

    `program` is a path or a pattern of sudoers(5): a directory ends with `/`. `arguments` are those that the
    rule fixes, in which a wildcard matches everything; None leaves them open, an empty sequence allows none.
    """
    if is_pattern(program):
        return _of_pattern(program)
    name, fixed = (
        name_of(program),
        None if arguments is None else " ".join(arguments).strip().replace(_NOTHING, ""),
    )
    if name in _APPLETS and fixed and not _has_wildcard(fixed):
        applet, *rest = fixed.split()
        return shell_from(f"/bin/{applet}", rest)
    if name in _ALWAYS_WHY:
        return _ALWAYS_WHY[name]
    if fixed is None or _has_wildcard(fixed):
        return _OPEN_WHY.get(name, "")
    return _bare(name, fixed) or _of_wrapped(name, fixed) or _fixed(name, fixed)


def may_be_root(program: str, arguments: Sequence[str] | None) -> str:
    """Why a program that is no shell by the tables may make whoever chooses its arguments root; empty if it
    does not.
    """
    if program.endswith("/"):
        return "any program of that directory"
    if any(char in program for char in "*?["):
        return "any program that matches"
    name = name_of(program)
    if name in HARMLESS or (arguments is not None and not _has_wildcard(" ".join(arguments))):
        return ""
    return "it shows any file" if name in READERS else WITH_ANY


def is_known(program: str) -> bool:
    """Whether the tables have a program."""
    return name_of(program) in _KNOWN


def is_pattern(program: str) -> bool:
    """Whether a rule names programs by a directory, a wildcard or a regular expression."""
    return program.endswith("/") or program.startswith("^") or any(char in program for char in "*?[")


def _has_wildcard(arguments: str) -> bool:
    return bool(re.search(r"(?<!\\)[*?\[]|^\^", arguments))


def _of_pattern(pattern: str) -> str:
    if pattern.endswith("/"):
        return "every program of that directory is among them" if pattern.rstrip("/") in _PROGRAMS else ""
    names = (*_ALWAYS_WHY, *_OPEN_WHY)
    if pattern.startswith("^"):
        matches = _expression(pattern)
        fitting = next(
            (
                name
                for name in names
                for directory in _PROGRAMS
                if matches and matches.search(f"{directory}/{name}")
            ),
            "",
        )
    else:
        fitting = next((name for name in names if fnmatchcase(name, pattern.rpartition("/")[2])), "")
    return f"{fitting} is among the programs" if fitting else ""


def _expression(pattern: str) -> re.Pattern[str] | None:
    """A regular expression of sudoers(5), as far as it reads alike here."""
    try:
        return re.compile(pattern)
    except re.error:
        return None


def _bare(name: str, fixed: str) -> str:
    """The reason for a shell or an interpreter that is started with nothing to run, so that it waits for
    commands.
    """
    if name in SHELLS:
        return _SHELL if all(re.fullmatch(r"-[^-c]*|--login", word) for word in fixed.split()) else ""
    return "it is an interpreter that waits for commands" if not fixed and _REPL.fullmatch(name) else ""


def _of_wrapped(name: str, fixed: str) -> str:
    """The reason for the program that a wrapper runs."""
    inner = wrapped(name, fixed.split()) if name in WRAPPERS else []
    return shell_from(inner[0], inner[1:]) if inner else ""


def _fixed(name: str, fixed: str) -> str:
    return next((why for pattern, why in _FIXED.get(name, ()) if re.fullmatch(pattern, fixed)), "")
