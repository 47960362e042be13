"""Files beside sshd's and sudo's own that decide whether there is a session, and root in it: which accounts
are known, from where they come, which programs run.

Each is judged only where the plan touches it, and only what is new is refused: a host keeps what it has
already. Sources: nsswitch.conf(5), sudo.conf(5), hosts_access(5), limits.conf(5), access.conf(5), bash(1);
tried with live logins on Debian 12 and 13.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING

from reconciler.core.basics.lazy_regex import Late
from reconciler.core.host import FileType
from reconciler.policy.symlinks import Followed

if TYPE_CHECKING:
    from reconciler.formats.shell_endings import Ending

_DATABASES = ("passwd", "group", "shadow", "initgroups", "sudoers")
_LOCAL = ("files", "compat")
_RETURNS = Late(
    r"\[[^\]]*\b(?:NOTFOUND|UNAVAIL|TRYAGAIN)\s*=\s*return[^\]]*\]|\[[^\]]*!\s*SUCCESS\s*=\s*return[^\]]*\]",
    re.IGNORECASE,
)
_GOES_ON = Late(r"\[[^\]]*\bSUCCESS\s*=\s*continue[^\]]*\]", re.IGNORECASE)
_OPTIONS = Late(r"-4|-6|-e|-u\d*|-oLogLevel=\w+")
"""Options that do not change whom sshd lets in."""
_PROGRAMS = Late(
    r"/usr/(?:local/)?s?bin/(?:sshd|sudo)|/usr/lib(?:exec)?/(?:openssh|sudo)/[^/]+"
    r"|/(?:usr/)?lib(?:64|/[^/]+-linux-gnu)?/(?:security/pam_|libnss_|libpam)[^/]+"
)
_LIBRARY = Late(r".*/(?:security/(?P<module>[^/]+)|libnss_(?P<source>[^/.]+)\.[^/]+)")
_BUILT_IN = ("files", "dns")
"""Sources for which nothing loads a library any more."""
_VERSIONED = Late(r".*/libc-2\.\d+\.so")
_SHELL_FILES = Late(r"/etc/(?:profile|bash\.bashrc|profile\.d/[^/.][^/]*\.sh)")
"""Files that every login shell reads; Debian's bash reads the second one for commands over SSH, too."""
_EXECUTABLE, _SETUID = 0o111, 0o4000


def closed_by(now: Followed, then: Followed, touched: Collection[str]) -> str:
    """Why perhaps nobody gets in, or becomes root, with the files as the plan leaves them; empty without a
    reason.
    """
    for path in touched:
        judge = _JUDGES.get(path) or (
            _program if _PROGRAMS.fullmatch(path) else _shell if _SHELL_FILES.fullmatch(path) else None
        )
        why = judge(now, then, path) if judge is not None else ""
        if why:
            return f"{path}: {why}"
    return ""


def perhaps_closed_by(now: Followed, then: Followed, touched: Collection[str]) -> Iterator[str]:
    """Yield a sentence for each file with a new command that ends a login shell under some condition."""
    for path in filter(_SHELL_FILES.fullmatch, touched):
        for ending in [ending for ending in _new_endings(now, then, path) if not ending.certain][:1]:
            yield f"{path}: `{ending.command}` ends every shell that reads it where its condition holds."


def _lines(files: Followed, path: str) -> list[str]:
    """The lines without comments and blanks, continued lines joined."""
    text = re.sub(r"\\\n", " ", files.text(path) or "")
    return [line for raw in text.split("\n") if (line := raw.partition("#")[0].strip())]


def _new(now: Followed, then: Followed, path: str) -> list[str]:
    lines_now = _lines(now, path)
    return [line for line in _lines(then, path) if line not in lines_now]


# ----------------------------------------------------------------------------------------------- who is known


def _nsswitch(now: Followed, then: Followed, path: str) -> str:
    for line in _new(now, then, path):
        database, _, sources = line.partition(":")
        if database.strip().lower() in _DATABASES and (why := _hides_files(sources)):
            return f"`{line}`, and {why}"
    return ""


def _hides_files(sources: str) -> str:
    """Why local accounts and groups are not found through a list of sources; empty if they are."""
    match = re.search(rf"(?<![\w-])(?:{'|'.join(_LOCAL)})(?![\w-])", sources)
    if match is None:
        return "local accounts and rules are only found where it names `files`"
    if _RETURNS.search(sources[: match.start()]):
        return "it ends the search before `files`"
    return (
        "it goes on after `files`, and what it finds last counts"
        if _GOES_ON.match(sources[match.end() :].lstrip())
        else ""
    )


# ---------------------------------------------------------------------------------------------------- sudo


def _sudo_conf(now: Followed, then: Followed, path: str) -> str:
    """A line with which sudo may do nothing at all: a plug-in or path that is not its own, or one that
    goes.
    """
    entry = then.entry(path)
    if entry is None or entry.owner != "root" or int(entry.mode, 8) & 0o022:
        return ""  # sudo passes over it
    lines_now = _lines(now, path)
    for line in _lines(then, path):
        word = line.split()[0].lower()
        if line not in lines_now and word not in ("debug", "set"):
            return f"`{line}`: whether sudo works with that is not known"
    removed = [
        line for line in lines_now if line.lower().startswith("plugin") and line not in _lines(then, path)
    ]
    plugins = [line for line in _lines(then, path) if line.lower().startswith("plugin")]
    return f"`{removed[0]}` goes, and another plug-in stays" if removed and plugins else ""


def _program(now: Followed, then: Followed, path: str) -> str:
    """The damage to a program or library that runs sessions or makes root: it goes, cannot be run, or is
    another one.
    """
    old, new = now.entry(path), then.entry(path)
    if old is None or old.type is not FileType.FILE or not _is_asked_for(now, then, path):
        return ""
    if new is None or new.type is not FileType.FILE:
        return "the program would be gone"
    mode, was = int(new.mode, 8), int(old.mode, 8)
    if was & _SETUID and (not mode & _SETUID or new.owner != "root"):
        return (
            f"with mode {new.mode} and owner {new.owner} it cannot make anybody root: it must be setuid and"
            " root's"
        )
    if was & _EXECUTABLE and not mode & _EXECUTABLE:
        return f"with mode {new.mode} nobody can run it"
    if now.digest(path) != then.digest(path):
        return "it would be another program; install it with the package manager"
    return ""


def _is_asked_for(now: Followed, then: Followed, path: str) -> bool:
    """Whether PAM or nsswitch.conf asks for a library by its name; a program is always asked for."""
    library = _LIBRARY.fullmatch(path)
    if library is None:
        return True
    if library["source"]:
        if library["source"] in _BUILT_IN and _libc_looks_up(then, path):
            return False
        lines = [line for files in (now, then) for line in _lines(files, "/etc/nsswitch.conf")]
        return any(re.search(rf"\b{re.escape(library['source'])}\b", line) for line in lines)
    rules = (
        line
        for files in (now, then)
        for name in files.names("/etc/pam.d")
        for line in _lines(files, f"/etc/pam.d/{name}")
    )
    return any(library["module"] in line for line in rules)


def _libc_looks_up(files: Followed, library: str) -> bool:
    """Whether the C library beside a library for names looks in files itself, as it does from 2.34 on; before
    that, its name was a link to one with the version.
    """
    libc = files.real(f"{library.rpartition('/')[0]}/libc.so.6")
    return libc is not None and not _VERSIONED.fullmatch(libc)


# ---------------------------------------------------------------------------------------------------- shells


def _shell(now: Followed, then: Followed, path: str) -> str:
    """A new command that ends every shell that reads the file; `return`, a mistake, and a command that fails
    do not.
    """
    ending = next((ending for ending in _new_endings(now, then, path) if ending.certain), None)
    return f"`{ending.command}` ends every shell that reads it" if ending is not None else ""


def _new_endings(now: Followed, then: Followed, path: str) -> list[Ending]:
    from reconciler.formats.shell_endings import endings  # few plans have to do with it

    endings_now = frozenset(endings(now.text(path) or ""))
    return [ending for ending in endings(then.text(path) or "") if ending not in endings_now]


# ---------------------------------------------------------------------------------------- sshd's surroundings


def _default_ssh(now: Followed, then: Followed, path: str) -> str:
    """A new line that sshd may not bear: `SSHD_OPTS` ends its command line, the others are its
    environment.
    """
    lines_now = _lines(now, path)
    for line in _lines(then, path):
        name, _, value = line.partition("=")
        words = value.strip().strip("\"'").split()
        if line in lines_now or re.fullmatch(r"LANG|LANGUAGE|LC_[A-Z]+|TZ", name):
            continue
        if name != "SSHD_OPTS" or not all(_OPTIONS.fullmatch(word) for word in words):
            return f"`{line}`: whether sshd lets anybody in with that is not known"
    return ""


def _hosts(now: Followed, then: Followed, path: str) -> str:
    """A line that keeps clients out: sshd of Debian asks libwrap, and the first line about it decides, of
    hosts.allow and then of hosts.deny.
    """
    refused = list(_about_sshd(then, _DENY))
    allowed = [
        line for line in _about_sshd(then, _ALLOW) if not re.search(r":\s*deny\b", line, re.IGNORECASE)
    ]
    refused += [line for line in _about_sshd(then, _ALLOW) if line not in allowed]
    lines_now = [*_about_sshd(now, _DENY), *_about_sshd(now, _ALLOW)]
    new = [line for line in refused if line not in lines_now]
    lost = [line for line in _about_sshd(now, _ALLOW) if line not in allowed]
    lets_all_in = any(_is_for_all(line) for line in allowed[:1])
    if lets_all_in or not refused or not (new or lost):
        return ""
    return (
        f"`{(new or refused)[0]}` keeps sshd's clients"
        f" out{' that `' + lost[0] + '` let in' if lost and not new else ''}"
    )


def _about_sshd(files: Followed, path: str) -> Iterator[str]:
    for line in _lines(files, path):
        daemons = re.split(r"[\s,]+", line.partition(":")[0].strip().lower())
        if any(daemon.partition("@")[0] in ("all", "sshd") for daemon in daemons):
            yield line


def _is_for_all(line: str) -> bool:
    clients = line.split(":")[1].split() if ":" in line else []
    return [client.upper() for client in clients] == ["ALL"]


_ALLOW, _DENY = "/etc/hosts.allow", "/etc/hosts.deny"


def _pam(now: Followed, then: Followed, path: str) -> str:
    """A change of /etc/pam.conf, which counts only where there is no /etc/pam.d."""
    if then.entry("/etc/pam.d") is not None or not _new(now, then, path):
        return ""
    return "a mistake in it locks everybody out, and there is no /etc/pam.d in its place"


def _not_to_be_run(now: Followed, then: Followed, path: str) -> str:
    """The new file for which Debian's unit has `ConditionPathExists=!`."""
    return (
        "while it is there sshd does not start"
        if now.entry(path) is None and then.entry(path) is not None
        else ""
    )


_JUDGES: Mapping[str, Callable[[Followed, Followed, str], str]] = {
    "/etc/nsswitch.conf": _nsswitch,
    "/etc/sudo.conf": _sudo_conf,
    "/etc/default/ssh": _default_ssh,
    "/etc/default/sshd": _default_ssh,
    _ALLOW: _hosts,
    _DENY: _hosts,
    "/etc/pam.conf": _pam,
    "/etc/ssh/sshd_not_to_be_run": _not_to_be_run,
}
