"""Whether a plan can change who gets in at all.

Small, for every plan that does something imports it, and few have to do with that.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from reconciler.core.actions import Account, AccountOp, Action, Unit, UnitVerb, WriteFile, path_of
from reconciler.core.basics.lazy_regex import Late
from reconciler.core.host import HostError, HostView
from reconciler.core.steps import Step
from reconciler.formats.accounts.passwd import parse_users
from reconciler.kinds import of_accounts

_DECISIVE = Late(
    r"/etc/(?:ssh|sudoers|sudoers\.d|pam\.d|pam\.conf|security|shells|nologin|passwd|shadow|group|debian_version)(?:/.*)?"
    r"|/etc/(?:nsswitch\.conf|sudo\.conf|hosts\.allow|hosts\.deny|default/sshd?|profile|bash\.bashrc|profile\.d/[^/]+\.sh)"
    r"|/run/nologin|/usr/s?bin/(?:sshd|sudo)|/usr/local/s?bin/(?:sshd|sudo)|/etc/alternatives/.*|/usr/lib(?:exec)?/(?:openssh|sudo)/.*"
    r"|/(?:usr/)?lib(?:64|/[^/]+-linux-gnu)?/(?:security/pam_|libnss_|libpam)[^/]+"
)
_ELSEWHERE = re.compile(
    rb"^[ \t]*(?:include|authorizedkeysfile|revokedkeys|trustedusercakeys)[ \t=]+(.*)|^[@#]include(?:dir)?["
    rb" \t]+(.*)",
    re.IGNORECASE | re.MULTILINE,
)
_FILES = ("/etc/ssh/sshd_config", "/etc/sudoers")
_DIRECTORIES = ("/etc/ssh/sshd_config.d", "/etc/sudoers.d")
SSHD = ("ssh.service", "sshd.service", "ssh.socket", "sshd.socket")
"""The units that sshd runs as: Debian's names and everybody else's."""
_UNIT_FILE = Late(
    r"/(?:etc|run|usr/lib|usr/local/lib)/systemd/.*/(?:sshd?(?:@[^/]*)?\.(?:service|socket)(?:\.d/.*)?|(?:service|socket)\.d/.*)"
    r"|/(?:etc|run|usr/local/lib|usr/lib)/systemd/system\.conf(?:\.d/.*)?"
)
_NAMES_SSHD = re.compile(rb"\bsshd?@?\.(?:service|socket)")


def may_change_access(steps: Iterable[Step], view: HostView) -> bool:
    """Whether any step could let somebody in or keep somebody out.

    Reads the names of homes, and where sshd and sudo look besides /etc.
    """
    paths: list[str] = []
    for step in steps:
        if step.held:
            continue
        action = step.action
        if isinstance(action, Account):
            if action.op is not AccountOp.GROUPADD:
                return True
        elif isinstance(action, Unit):
            if action.verb is UnitVerb.STOP and set(SSHD).intersection(action.units):
                return True
        elif (path := path_of(action)) is not None:
            if (
                _DECISIVE.fullmatch(path)
                or _is_of_sshd(action, path)
                or path.endswith(("/.ssh", "/.ssh/authorized_keys", "/.ssh/authorized_keys2"))
            ):
                return True
            paths.append(path)
    return bool(paths) and _meets(paths, tuple(_paths_elsewhere(view)))


def changes_what_runs_sshd(steps: Iterable[Step]) -> bool:
    """Whether any step is about a unit of sshd, a setting for all units, or a unit that names one of
    sshd's.
    """
    return any(
        _is_of_sshd(step.action, path)
        for step in steps
        if not step.held and (path := path_of(step.action)) is not None
    )


def _is_of_sshd(action: Action, path: str) -> bool:
    if "/systemd/" not in path:
        return False
    return bool(
        _UNIT_FILE.fullmatch(path) or (isinstance(action, WriteFile) and _NAMES_SSHD.search(action.content))
    )


def _meets(paths: Iterable[str], decisive: tuple[str, ...]) -> bool:
    """Whether one of the paths is a decisive one, above one, or in one."""
    below = tuple(f"{other}/" for other in decisive)
    return any(
        path in decisive or path.startswith(below) or any(other.startswith(f"{path}/") for other in decisive)
        for path in paths
    )


def _paths_elsewhere(view: HostView) -> Iterator[str]:
    """Yield the paths outside /etc that sshd and sudo read: directories of keys, shells, and paths that the
    configuration names, up to the first wildcard or token.
    """
    for user in parse_users(_read(view, "/etc/passwd").decode("utf-8", "surrogateescape")):
        if user.home.strip("/"):
            yield f"{user.home.rstrip('/')}/.ssh"
        if user.shell.strip("/"):
            yield user.shell
    listed = (f"{directory}/{name}" for directory in _DIRECTORIES for name in _names(view, directory))
    for path in (*_FILES, *listed):
        for match in _ELSEWHERE.finditer(_read(view, path)):
            for word in (match[1] or match[2]).decode("utf-8", "replace").split():
                fixed = re.split(r"[%*?\[]", word.strip('"'))[0].rstrip("/")
                if fixed.startswith("/"):
                    yield fixed


def _read(view: HostView, path: str) -> bytes:
    """The content that is there; empty where it cannot be read, which its next reader will report."""
    try:
        return view.excerpt(path)[0]
    except (HostError, FileNotFoundError):
        return b""


def _names(view: HostView, path: str) -> tuple[str, ...]:
    try:
        return view.names(path)
    except HostError:
        return ()


def concerned(steps: Iterable[Step], view: HostView) -> frozenset[str] | None:
    """The accounts whose access these steps can change; None for everybody's.

    A declaration about one account (its home, its keys, its own rules for sudo) concerns nobody else, however
    many others there are.
    """
    names: set[str] = set()
    others: list[Step] = []
    for step in steps:
        kinds = {cause.address.kind for cause in step.causes}
        if step.held or not kinds <= of_accounts():
            others.append(step)
        else:
            names.update(cause.address.name for cause in step.causes)
    return None if may_change_access(others, view) else frozenset(names)
