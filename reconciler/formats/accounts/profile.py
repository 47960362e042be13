"""Environment and aliases of one user as a profile file for sh and bash, and the hooks through which shells
read it.

Values are quoted: nothing in them is expanded. Only `prepend` refers to a variable, the one that it sets, as
lines for PATH do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

DIRECTORY = "/etc/reconciler/profile"
HOOK = "/etc/reconciler/profile.sh"
LOGIN_HOOK = "/etc/profile.d/reconciler.sh"
BASHRC = "/etc/bash.bashrc"
BASHRC_LINE = f"[ -r {HOOK} ] && . {HOOK} # Reconciler: environment and aliases declared for users"
"""The hook of interactive shells that are no login shells. The file is Debian's; the line goes to its end."""

HOOK_TEXT = f"""\
# Managed by Reconciler: the environment and aliases declared for the user of this shell.
# For sh and bash. Read by login shells and by interactive ones; the user's own files are read after it \
and have the last word.
_reconciler_profile="{DIRECTORY}/$(/usr/bin/id -un 2>/dev/null).sh"
if [ -r "$_reconciler_profile" ]; then
    . "$_reconciler_profile"
fi
unset _reconciler_profile
"""
LOGIN_HOOK_TEXT = f"""\
# Managed by Reconciler: lets login shells read the environment declared for their user.
if [ -r {HOOK} ]; then
    . {HOOK}
fi
"""

_RESERVED = frozenset(
    (
        "case",
        "coproc",
        "do",
        "done",
        "elif",
        "else",
        "esac",
        "fi",
        "for",
        "function",
        "if",
        "in",
        "select",
        "then",
        "time",
        "until",
        "while",
    )
)
_READ_ONLY = frozenset(("BASHOPTS", "BASH_VERSINFO", "EUID", "PPID", "SHELLOPTS", "UID"))


def alias_problem(name: str) -> str:
    """Why a name cannot be an alias; empty if it can."""
    return f"{name} is a word of the shell itself" if name in _RESERVED else ""


def variable_problem(name: str) -> str:
    """Why a variable cannot be set; empty if it can."""
    return f"{name} cannot be set: bash does not let anybody" if name in _READ_ONLY else ""


def quote(text: str) -> str:
    """One word of the shell that means this text and nothing else."""
    return "'" + text.replace("'", "'\\''") + "'"


def render(
    variables: Mapping[str, str],
    prepend: Mapping[str, Sequence[str]],
    aliases: Mapping[str, str],
    address: str,
) -> str:
    """The text of a user's profile file.

    It may be read twice by one shell, and by a shell within a shell, with the same result.
    """
    lines = [
        f"# Managed by Reconciler as {address}.",
        "# Change the spec instead: what is changed here is put back.",
    ]
    lines += [f"export {name}={quote(value)}" for name, value in sorted(variables.items())]
    for name, entries in sorted(prepend.items()):
        lines += [_prepended(name, entry) for entry in reversed(entries)]
        lines.append(f"export {name}")
    lines += [f"alias {name}={quote(value)}" for name, value in sorted(aliases.items())]
    return "\n".join(lines) + "\n"


def _prepended(name: str, entry: str) -> str:
    """The line that puts an entry in front of a variable, unless the variable has it already; it makes no
    empty element, which would mean the current directory.
    """
    word = quote(entry)
    return f'case ":${{{name}-}}:" in *:{word}:*) ;; *) {name}={word}${{{name}:+":${name}"}} ;; esac'
