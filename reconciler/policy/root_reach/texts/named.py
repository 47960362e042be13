"""Texts that no reader here knows to the end: whether root's programs read one, and the paths it names."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.core.basics.lazy_regex import Late
from reconciler.core.host import Entry
from reconciler.formats.named_paths import named_paths
from reconciler.policy.root_reach.texts.values import Use

_BELOW = (
    "/etc/",
    "/run/",
    "/usr/lib/",
    "/usr/local/lib/",
    "/usr/local/etc/",
    "/usr/share/",
    "/usr/local/share/",
    "/lib/",
)
_READ_TO_THE_END = frozenset(
    (
        *(
            "unit",
            "user_unit",
            "cron",
            "crontab",
            "anacron",
            "logrotate",
            "backup",
            "profile",
            "passwd",
            "fstab",
            "tmpfiles",
            "sysusers",
        ),
        *(
            "authorized_keys",
            "sshd",
            "docker",
            "dbus",
            "dbus_service",
            "sysctl",
            "binfmt",
            "ld_so",
            "sudo_conf",
            "doas",
            "login_defs",
        ),
        *("manager", "crypttab", "hosts_access", "modprobe", "exports"),
    )
)
"""Readers that know every line by which a text makes root run or load something: other paths are data."""
_DATA = (
    *(
        "/etc/updatedb.conf",
        "/etc/hosts",
        "/etc/motd",
        "/etc/issue",
        "/etc/skel/",
        "/etc/shells",
        "/etc/subuid",
    ),
    *(
        "/etc/subgid",
        "/etc/reconciler/",
        "/etc/ssl/",
        "/etc/sudoers",
        "/etc/apt/sources",
        "/etc/apt/preferences",
        "/etc/services",
    ),
    *(
        "/etc/quotatab",
        "/etc/projects",
        "/etc/projid",
        "/etc/gai.conf",
        "/etc/magic",
        "/etc/mime.types",
        "/etc/xdg/user-dirs",
    ),
)
"""Texts whose paths are shown, exported, searched or counted, or judged elsewhere (the rules of sudo)."""
_SHELL = Late(r"#!\s*\S*?(?:env\s+(?:-S\s+)?)?(?:\S*/)?(?:ba|da|k|z|a|mk)?sh\d*(?:\s.*)?")


def is_read_loosely(path: str, reader: str | None, entry: Entry) -> bool:
    """Whether a program of root's may go by what a text names; `reader` is that of its place, None outside
    every place.

    A file that only a group reads is read by that group's program.
    """
    if reader in _READ_TO_THE_END or not path.startswith(_BELOW) or path.startswith(_DATA):
        return False
    return entry.group == "root" or bool(int(entry.mode, 8) & 0o004) or reader is not None


def named(path: str, text: str, *, is_script: bool = False) -> Iterator[Use]:
    """Yield the paths that a text names; none of a script of the shell, which has readers of its own."""
    first = text.split("\n", 1)[0]
    if is_script and (not first.startswith("#!") or _SHELL.fullmatch(first)):
        return
    for named_path in named_paths(text.removeprefix(first) if first.startswith("#!") else text):
        by = f"{path}, which root {'runs' if is_script else 'reads'},"
        yield Use(named_path.path, "names", by=by, likely=True, named=True, runs=named_path.runs)
