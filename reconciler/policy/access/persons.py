"""Files that are one account's and that its own processes read or run: its crontab, what its shells read, its
user units, its git.

Whoever has a hand in them is that account, and root if that account becomes root (bash(1), zsh(1),
crontab(1), sshd(8), systemd.unit(5)).
"""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.core.basics.frozen import frozen
from reconciler.core.basics.lazy_regex import Late

CRONTABS = "/var/spool/cron/crontabs"
_SHELL_FILES = (
    *(
        "bashrc",
        "bash_profile",
        "bash_login",
        "bash_logout",
        "bash_aliases",
        "profile",
        "xprofile",
        "xsessionrc",
        "xinitrc",
    ),
    *(
        "zshrc",
        "zshenv",
        "zprofile",
        "zlogin",
        "zlogout",
        "kshrc",
        "mkshrc",
        "cshrc",
        "tcshrc",
        "login",
        "logout",
    ),
)
_READERS: Mapping[str, str] = {
    **{rf"\.{name}": "shell" for name in _SHELL_FILES},
    r"\.ssh/rc": "shell",
    r"\.config/fish/(?:config|conf\.d/[^/]+|functions/[^/]+)(?:\.fish)?": "shell",
    r"\.ssh/config": "sshd",
    r"\.ssh/environment": "environment",
    r"\.pam_environment": "environment",
    r"\.config/environment\.d/[^/]+\.conf": "environment",
    r"(?:\.config|\.local/share)/systemd/user/(?:[^/]+/)?[^/]+": "user_unit",
    r"\.gitconfig": "gitconfig",
    r"\.config/git/config": "gitconfig",
    r"(?:\.local/bin|bin)/[^/]+": "shell",
    r"\.(?:vim|exrc|nanorc|tmux|screenrc|inputrc|selected_editor|my\.cnf|psqlrc|pythonrc|perltidyrc)[^/]*": (
        ""
    ),
    r"\.config/(?:autostart|nvim|tmux|git)/.+": "",
}
"""The files in a home and the readers of their texts; empty where no text is read, and only who can write it
counts.
"""
_IN_HOME = Late("|".join(f"(?P<r{at}>{pattern})" for at, pattern in enumerate(_READERS)))
_DOTTED = Late(r"(?P<home>/(?:[^/.][^/]*/)*?)(?P<rest>(?:\.[^/]|bin/).*)")
_NAMES = tuple(_READERS.values())


@frozen
class OwnFile:
    """A file of one account's: either `home` is the directory above it, or `account` is in its path.

    `reader` as in a Place.
    """

    reader: str
    home: str = ""
    account: str = ""


def own_file(path: str) -> OwnFile | None:
    """A path as the file of one account's; None for one that no account's programs read by themselves."""
    if path.startswith(f"{CRONTABS}/"):
        return OwnFile("crontab", account=path.rpartition("/")[2])
    dotted = _DOTTED.fullmatch(path)
    match = _IN_HOME.fullmatch(dotted["rest"]) if dotted is not None else None
    if dotted is None or match is None or match.lastgroup is None:
        return None
    return OwnFile(_NAMES[int(match.lastgroup[1:])], home=dotted["home"].rstrip("/"))
