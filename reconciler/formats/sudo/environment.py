"""The environment that sudo leaves of the caller's: where it looks for programs, and which variables a
program gets (sudoers(5)).

Tried with sudo 1.9.13 and 1.9.16: `secure_path` counts before `env_keep`, not for `exempt_group`, and not
where a command line sets PATH.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from reconciler.formats.sudo import answers
from reconciler.formats.sudo.policy import Policy, Who

_NAME = "secure_path"


def own_path(policy: Policy, who: Who, run: str) -> bool:
    """Whether a program finds others by the PATH of who asks: without secure_path, or where he is exempt from
    it.

    `run` is the program.
    """
    path, exempt = "", ""
    for name, _, value in _said(policy, who, run):
        path = value if name == _NAME else path
        exempt = value if name == "exempt_group" else exempt
    return not path or exempt in who.groups


def kept(policy: Policy, who: Who, run: str) -> frozenset[str]:
    """The variables that a program gets as who asks has set them, beside the harmless ones; with wildcards,
    as they are written.
    """
    lists: dict[str, set[str]] = {"env_keep": set(), "env_delete": set(_DELETED)}
    resets = True
    for name, sign, value in _said(policy, who, run):
        resets = sign != "!" if name == "env_reset" else resets
        if name in lists:
            listed = {word.partition("=")[0] for word in value.split()}
            lists[name] = (
                lists[name] | listed if sign == "+" else lists[name] - listed if sign == "-" else listed
            )
    return frozenset(lists["env_keep"] if resets else _LOADING - lists["env_delete"])


def files(policy: Policy) -> Iterator[tuple[str, str, bool]]:
    """The files that sudo uses as root by its settings: what it does with each, in words, and whether only
    likely root comes of it.
    """
    for default in policy.defaults:
        for name, _, value in answers.settings_of(default):
            words, likely = _FILES.get(name, ("", False))
            path = value.split(" ", 1)[0]
            if words and path.startswith("/"):
                yield words, path, likely


def sets_any(policy: Policy, who: Who, run: str, tag: bool | None) -> bool:
    """Whether who asks may set any variable of a program, LD_PRELOAD among them.

    `tag` is what the rule itself says.
    """
    if tag is not None:
        return tag
    flags = [sign != "!" for name, sign, _ in _said(policy, who, run) if name == "setenv"]
    return bool(flags) and flags[-1]


def directories(policy: Policy) -> Iterator[str]:
    """Where sudo looks for programs for anybody who has a rule (secure_path)."""
    everybodys = ""
    for default in policy.defaults:
        for name, _, value in answers.settings_of(default):
            if name != _NAME:
                continue
            if default.scope:
                yield from _paths(value)
            else:
                everybodys = value
    yield from _paths(everybodys)


def _paths(value: str) -> Iterator[str]:
    yield from (path.rstrip("/") for path in value.split(":") if path.startswith("/") and path.strip("/"))


def _said(policy: Policy, who: Who, run: str) -> Iterator[tuple[str, str, str]]:
    """The settings in force in their order, those for commands last: name, sign (`+`, `-`, `!` or none) and
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
"""The variables by which an interpreter loads what somebody else has written."""
LOADERS = frozenset(("LD_PRELOAD", "LD_AUDIT", "LD_LIBRARY_PATH"))
"""The variables by which any program loads what somebody else has written (ld.so(8))."""
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
"""The variables that sudo takes away even without env_reset (`sudo -V`), as far as that is of use here."""
_FILES = {
    "env_file": ("sets the variables in", False),
    "group_plugin": ("loads", False),
    "mailerpath": ("mails by", True),
    "lecture_file": ("shows", True),
}
