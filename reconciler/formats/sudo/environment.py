"""The part of the caller's environment that sudo keeps: the PATH for programs, and the variables that a
program gets (sudoers(5)).

Tried with sudo 1.9.13 and 1.9.16: `secure_path` beats `env_keep`, does not hold for `exempt_group`, and does
not hold where a command line sets PATH.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from reconciler.formats.sudo import answers
from reconciler.formats.sudo.policy import Policy, Who

_NAME = "secure_path"


def own_path(policy: Policy, who: Who, run: str) -> bool:
    """Whether the program `run` finds others by the PATH of the caller: without secure_path, or where the
    caller is exempt from it.
    """
    path, exempt = "", ""
    for name, _, value in _settings(policy, who, run):
        path = value if name == _NAME else path
        exempt = value if name == "exempt_group" else exempt
    return not path or exempt in who.groups


def passed_variables(policy: Policy, who: Who, run: str) -> frozenset[str]:
    """The variables that a program gets as the caller has set them, besides the harmless ones; wildcards are
    kept as they are written.
    """
    lists: dict[str, set[str]] = {"env_keep": set(), "env_delete": set(_DELETED)}
    resets = True
    for name, sign, value in _settings(policy, who, run):
        resets = sign != "!" if name == "env_reset" else resets
        if name in lists:
            listed = {word.partition("=")[0] for word in value.split()}
            lists[name] = (
                lists[name] | listed if sign == "+" else lists[name] - listed if sign == "-" else listed
            )
    return frozenset(lists["env_keep"] if resets else _LOADING - lists["env_delete"])


def files(policy: Policy) -> Iterator[tuple[str, str, bool]]:
    """The files that sudo uses as root because of its settings: its use of each in words, the path, and
    whether that only likely leads to root.
    """
    for default in policy.defaults:
        for name, _, value in answers.settings_of(default):
            words, likely = _FILES.get(name, ("", False))
            path = value.split(" ", 1)[0]
            if words and path.startswith("/"):
                yield words, path, likely


def sets_any(policy: Policy, who: Who, run: str, tag: bool | None) -> bool:
    """Whether the caller may set any variable of a program, LD_PRELOAD among them.

    `tag` is the rule's own setting (SETENV); None: it has none.
    """
    if tag is not None:
        return tag
    flags = [sign != "!" for name, sign, _ in _settings(policy, who, run) if name == "setenv"]
    return bool(flags) and flags[-1]


def directories(policy: Policy) -> Iterator[str]:
    """The directories in which sudo looks for programs (secure_path), for anybody who has a rule."""
    general = ""
    for default in policy.defaults:
        for name, _, value in answers.settings_of(default):
            if name != _NAME:
                continue
            if default.scope:
                yield from _paths(value)
            else:
                general = value
    yield from _paths(general)


def _paths(value: str) -> Iterator[str]:
    yield from (path.rstrip("/") for path in value.split(":") if path.startswith("/") and path.strip("/"))


def _settings(policy: Policy, who: Who, run: str) -> Iterator[tuple[str, str, str]]:
    """The settings in force in order, those for commands last: name, sign (`+`, `-`, `!` or none) and
    value.
    """
    for default in answers.in_force(policy, who, run):
        yield from answers.settings_of(default)


INTERPRETERS: tuple[tuple[re.Pattern[str], frozenset[str]], ...] = (
    (re.compile(r"(?:ba|z|k|mk)?sh"), frozenset(("BASH_ENV", "ENV", "PATH", "BASH_FUNC_*"))),
    (
        re.compile(r"python[\d.]*|pypy[\d.]*"),
        frozenset(("PYTHONPATH", "PYTHONHOME", "PYTHONUSERBASE", "HOME")),
    ),
    (re.compile(r"perl[\d.]*"), frozenset(("PERL5LIB", "PERLLIB", "PERL5OPT", "PERL5DB"))),
    (re.compile(r"ruby[\d.]*"), frozenset(("RUBYLIB", "RUBYOPT"))),
    (re.compile(r"node|nodejs"), frozenset(("NODE_OPTIONS", "NODE_PATH"))),
    (re.compile(r"php[\d.]*"), frozenset(("PHPRC", "PHP_INI_SCAN_DIR"))),
)
"""The variables by which an interpreter loads code of the caller's choice."""
LOADERS = frozenset(("LD_PRELOAD", "LD_AUDIT", "LD_LIBRARY_PATH"))
"""The variables by which any program loads code of the caller's choice (ld.so(8))."""
_LOADING = frozenset((*LOADERS, *(name for _, names in INTERPRETERS for name in names)))
_DELETED = LOADERS | frozenset(
    (
        *(
            "BASH_ENV",
            "ENV",
            "BASH_FUNC_*",
            "PERL5LIB",
            "PERLLIB",
            "PERL5OPT",
            "PERL5DB",
            "RUBYLIB",
            "RUBYOPT",
        ),
        *("PYTHONHOME", "PYTHONPATH", "PYTHONINSPECT", "PYTHONUSERBASE"),
    )
)
"""The variables that sudo removes even without env_reset (`sudo -V`), as far as they matter here."""
_FILES = {
    "env_file": ("sets the variables in", False),
    "group_plugin": ("loads", False),
    "mailerpath": ("mails by", True),
    "lecture_file": ("shows", True),
}
